/* Copying channels of one tensor into another: slices, shuffles and the gradients of concatenations. */
#ifndef GRAFT_OPS_CHANNELS_H
#define GRAFT_OPS_CHANNELS_H

#include "ops/op.h"

/* *y: a tensor of this shape in x's form, whose channels are x's as the runs say, and elsewhere zero. */
graft_status graft_lowering_copy_channels(graft_lowering *lowering, graft_value x, const graft_shape *shape,
                                          const graft_channel_run *runs, int run_count, graft_value *y);

#endif
