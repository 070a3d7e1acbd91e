/* (N, C, H, W) -> (N, C * H * W): the same elements, row-major. */
#include "ops/op.h"

static graft_status shape(const graft_node *node, const graft_shape *inputs, graft_shape *out)
{
    (void)node;
    *out = GRAFT_SHAPE(inputs[0].dims[0], graft_shape_count(&inputs[0]) / inputs[0].dims[0]);
    return GRAFT_OK;
}

static graft_status forward(graft_lowering *l, const graft_node *node)
{
    graft_shape flat = graft_lowering_shape(l, node);
    graft_value y;
    graft_status status = graft_lowering_view(l, graft_lowering_input(l, node, 0), &flat, &y);
    if (status == GRAFT_OK)
        graft_lowering_set_output(l, node, y);
    return status;
}

static graft_status backward(graft_lowering *l, const graft_node *node)
{
    graft_status status;
    graft_shape x = graft_lowering_input_shape(l, node, 0);
    graft_value gradient;
    if (!graft_lowering_wants_gradient(l, node, 0))
        return GRAFT_OK;
    GRAFT_TRY(graft_lowering_view(l, graft_lowering_gradient(l, node), &x, &gradient));
    GRAFT_TRY(graft_lowering_add_gradient(l, node, 0, gradient));
out:
    return status;
}

const graft_op graft_op_flatten = {
    .name = "flatten",
    .shape = shape,
    .is_view = true,
    .forward = forward,
    .backward = backward,
};
