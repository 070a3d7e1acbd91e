/* GELU (Hendrycks and Gimpel 2016, arXiv 1606.08415) as nn.GELU has it: x / 2 (1 + erf(x / sqrt(2))). */
#include "ops/elementwise.h"

static bool function(const graft_node *node, graft_post_op *out)
{
    (void)node;
    *out = (graft_post_op){.function = GRAFT_GELU};
    return true;
}

const graft_op graft_op_gelu = {
    .name = "gelu",
    .shape = graft_shape_same,
    .forward = graft_elementwise_lower_forward,
    .backward = graft_elementwise_lower_backward,
    .post_op = function,
};
