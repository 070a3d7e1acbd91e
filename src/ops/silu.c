/* SiLU, also called swish (Ramachandran et al. 2017, arXiv 1710.05941): x / (1 + exp(-x)). */
#include "ops/elementwise.h"

static bool function(const graft_node *node, graft_post_op *out)
{
    (void)node;
    *out = (graft_post_op){.function = GRAFT_SILU};
    return true;
}

const graft_op graft_op_silu = {
    .name = "silu",
    .shape = graft_shape_same,
    .forward = graft_elementwise_lower_forward,
    .backward = graft_elementwise_lower_backward,
    .post_op = function,
};
