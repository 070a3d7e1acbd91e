/* ReLU: max(x, 0). Its gradient at 0 is 0, as torch's. */
#include "ops/elementwise.h"

#include <math.h>

static bool function(const graft_node *node, graft_post_op *out)
{
    (void)node;
    *out = (graft_post_op){.function = GRAFT_CLIP, .low = 0.0F, .high = INFINITY};
    return true;
}

const graft_op graft_op_relu = {
    .name = "relu",
    .shape = graft_shape_same,
    .forward = graft_elementwise_lower_forward,
    .backward = graft_elementwise_lower_backward,
    .post_op = function,
};
