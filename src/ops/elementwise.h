/* What the element-wise functions share: both directions, from the function that post_op names. */
#ifndef GRAFT_OPS_ELEMENTWISE_H
#define GRAFT_OPS_ELEMENTWISE_H

#include "ops/op.h"
#include "ops/shapes.h"

graft_status graft_elementwise_lower_forward(graft_lowering *lowering, const graft_node *node);
graft_status graft_elementwise_lower_backward(graft_lowering *lowering, const graft_node *node);

#endif
