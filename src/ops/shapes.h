/* Shape rules that several operators share, and the first values of weights. */
#ifndef GRAFT_OPS_SHAPES_H
#define GRAFT_OPS_SHAPES_H

#include "ops/op.h"

graft_status graft_shape_same(const graft_node *node, const graft_shape *inputs, graft_shape *out);
void graft_add_parameter(graft_node *node, const char *suffix, graft_parameter_kind kind, graft_shape shape);

/* values[i] uniform in +-bound. */
void graft_fill_uniform(float *values, int64_t count, float bound, graft_random *random);

/* Backward of what is the identity: the gradient goes through to input 0. */
graft_status graft_backward_identity(graft_lowering *lowering, const graft_node *node);

/* Adds the gradient of a bias, the column sums of the output's (rows, columns). */
graft_status graft_backward_bias(graft_lowering *lowering, const graft_node *node, graft_value gradient,
                                 int64_t rows, int64_t columns);

#endif
