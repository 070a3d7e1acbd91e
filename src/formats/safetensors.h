/* The element types of safetensors, for its reader and its writer. */
#ifndef GRAFT_FORMATS_SAFETENSORS_H
#define GRAFT_FORMATS_SAFETENSORS_H

#include <stdbool.h>

#include <graft/tensor.h>

/* The header's name of every graft_dtype. */
extern const char *const graft_safetensors_types[];
bool graft_safetensors_type(graft_dtype *dtype, const char *name);

#define GRAFT_SAFETENSORS_LARGEST_HEADER 100000000

#endif
