/* ReLU6 (Krizhevsky 2010): min(max(x, 0), 6). Its gradient is 0 at both ends, as torch's. */
#include "ops/elementwise.h"

static bool function(const graft_node *node, graft_post_op *out)
{
    (void)node;
    *out = (graft_post_op){.function = GRAFT_CLIP, .low = 0.0F, .high = 6.0F};
    return true;
}

const graft_op graft_op_relu6 = {
    .name = "relu6",
    .shape = graft_shape_same,
    .forward = graft_elementwise_lower_forward,
    .backward = graft_elementwise_lower_backward,
    .post_op = function,
};
