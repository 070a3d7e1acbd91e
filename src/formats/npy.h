/* The header of numpy's files. */
#ifndef GRAFT_FORMATS_NPY_H
#define GRAFT_FORMATS_NPY_H

#include <graft/tensor.h>

/* Room for the header of any shape; a multiple of 64, as the format wants it. */
enum { GRAFT_NPY_HEADER = 256 };

/* The header of a row-major array of little-endian float32. */
void graft_npy_header(char out[GRAFT_NPY_HEADER], const graft_shape *shape);

#endif
