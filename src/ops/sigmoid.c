/* The sigmoid: 1 / (1 + exp(-x)). */
#include "ops/elementwise.h"

static bool function(const graft_node *node, graft_post_op *out)
{
    (void)node;
    *out = (graft_post_op){.function = GRAFT_SIGMOID};
    return true;
}

const graft_op graft_op_sigmoid = {
    .name = "sigmoid",
    .shape = graft_shape_same,
    .forward = graft_elementwise_lower_forward,
    .backward = graft_elementwise_lower_backward,
    .post_op = function,
};
