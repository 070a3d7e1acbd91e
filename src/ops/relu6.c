/* ReLU6 (Krizhevsky 2010): min(max(x, 0), 6). Its gradient is 0 at both ends, as torch's, so the output is
 * all that backward needs. */
#include "ops/op.h"

#include "ops/shapes.h"

static const graft_post_op clip = {0.0F, 6.0F};

static bool post_op(const graft_node *node, graft_post_op *out)
{
    (void)node;
    *out = clip;
    return true;
}

static graft_status forward(graft_lowering *l, const graft_node *node)
{
    graft_status status;
    graft_value values[] = {graft_lowering_input(l, node, 0), GRAFT_NEW_VALUE};
    graft_kernel *kernel;
    GRAFT_TRY(graft_clip_forward(&kernel, graft_lowering_device(l), graft_lowering_layout(l, values[0]),
                                 clip.low, clip.high));
    GRAFT_TRY(graft_lowering_emit(l, kernel, values));
    graft_lowering_set_output(l, node, values[1]);
out:
    return status;
}

static graft_status backward(graft_lowering *l, const graft_node *node)
{
    graft_status status;
    if (!graft_lowering_wants_gradient(l, node, 0))
        return GRAFT_OK;
    graft_value values[] = {graft_lowering_output(l, node), graft_lowering_gradient(l, node),
                            GRAFT_NEW_VALUE};
    graft_kernel *kernel;
    GRAFT_TRY(graft_clip_backward(&kernel, graft_lowering_device(l), graft_lowering_layout(l, values[0]),
                                  clip.low, clip.high));
    GRAFT_TRY(graft_lowering_emit(l, kernel, values));
    GRAFT_TRY(graft_lowering_add_gradient(l, node, 0, values[2]));
out:
    return status;
}

const graft_op graft_op_relu6 = {
    .name = "relu6",
    .shape = graft_shape_same,
    .forward = forward,
    .backward = backward,
    .post_op = post_op,
};
