/* --precision: what is asked for, and the word where it becomes another. */
#ifndef GRAFT_CLI_PRECISION_H
#define GRAFT_CLI_PRECISION_H

#include <graft/tensor.h>

#include "cli/command.h"

/* The words of --precision. */
#define PRECISION_WORDS "f32|bf16"

graft_dtype precision_asked(const arguments *given);
void precision_say(graft_dtype asked, graft_dtype used);

#endif
