/* A tensor times one factor a sample and channel, (N, C, H, W) x (N, C, 1, 1): squeeze and excitation. */
#include "ops/op.h"

#include "base/status.h"

enum { TENSOR, FACTOR }; /* inputs */

static graft_status shape(const graft_node *node, const graft_shape *inputs, graft_shape *out)
{
    char a[GRAFT_SHAPE_TEXT], b[GRAFT_SHAPE_TEXT];
    const graft_shape *x = &inputs[TENSOR];
    (void)node;
    graft_shape factor = GRAFT_SHAPE(x->dims[0], x->dims[1], 1, 1);
    if (x->rank != 4 || !graft_shape_equal(&inputs[FACTOR], &factor))
        return graft_fail(GRAFT_ESHAPE, "%s cannot be multiplied by %s, only by one factor a channel",
                          graft_shape_text(x, a), graft_shape_text(&inputs[FACTOR], b));
    *out = *x;
    return GRAFT_OK;
}

static graft_status forward(graft_lowering *l, const graft_node *node)
{
    graft_status status;
    graft_value values[] = {graft_lowering_input(l, node, TENSOR), graft_lowering_input(l, node, FACTOR),
                            GRAFT_NEW_VALUE};
    graft_kernel *kernel;
    GRAFT_TRY(graft_scale(&kernel, graft_lowering_device(l), graft_lowering_layout(l, values[0]), true));
    GRAFT_TRY(graft_lowering_emit(l, kernel, values));
    graft_lowering_set_output(l, node, values[2]);
out:
    return status;
}

static graft_status backward_tensor(graft_lowering *l, const graft_node *node)
{
    graft_status status;
    graft_value values[] = {graft_lowering_gradient(l, node), graft_lowering_input(l, node, FACTOR),
                            GRAFT_NEW_VALUE};
    graft_kernel *kernel;
    GRAFT_TRY(graft_scale(&kernel, graft_lowering_device(l), graft_lowering_layout(l, values[0]), true));
    GRAFT_TRY(graft_lowering_emit(l, kernel, values));
    GRAFT_TRY(graft_lowering_add_gradient(l, node, TENSOR, values[2]));
out:
    return status;
}

static graft_status backward_factor(graft_lowering *l, const graft_node *node)
{
    graft_status status;
    graft_value values[] = {graft_lowering_input(l, node, TENSOR), graft_lowering_gradient(l, node),
                            GRAFT_NEW_VALUE};
    graft_kernel *kernel;
    GRAFT_TRY(
        graft_scale_backward(&kernel, graft_lowering_device(l), graft_lowering_layout(l, values[0]), true));
    GRAFT_TRY(graft_lowering_emit(l, kernel, values));
    GRAFT_TRY(graft_lowering_add_gradient(l, node, FACTOR, values[2]));
out:
    return status;
}

static graft_status backward(graft_lowering *l, const graft_node *node)
{
    graft_status status = GRAFT_OK;
    if (graft_lowering_wants_gradient(l, node, FACTOR))
        GRAFT_TRY(backward_factor(l, node));
    if (graft_lowering_wants_gradient(l, node, TENSOR))
        GRAFT_TRY(backward_tensor(l, node));
out:
    return status;
}

const graft_op graft_op_mul = {
    .name = "mul",
    .shape = shape,
    .forward = forward,
    .backward = backward,
};
