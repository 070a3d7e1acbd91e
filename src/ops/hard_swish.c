/* The hard swish (Howard et al. 2019, arXiv 1905.02244): x min(max(x + 3, 0), 6) / 6. */
#include "ops/elementwise.h"

static bool function(const graft_node *node, graft_post_op *out)
{
    (void)node;
    *out = (graft_post_op){.function = GRAFT_HARD_SWISH};
    return true;
}

const graft_op graft_op_hard_swish = {
    .name = "hard_swish",
    .shape = graft_shape_same,
    .forward = graft_elementwise_lower_forward,
    .backward = graft_elementwise_lower_backward,
    .post_op = function,
};
