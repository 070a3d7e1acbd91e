/* The mean over height and width (AdaptiveAvgPool2d(1)): (N, C, H, W) -> (N, C, 1, 1). */
#include "ops/op.h"

#include "base/status.h"

static graft_status shape(const graft_node *node, const graft_shape *inputs, graft_shape *out)
{
    (void)node;
    if (inputs[0].rank != 4)
        return graft_fail(GRAFT_ESHAPE, "a pool needs (N, C, H, W)");
    *out = GRAFT_SHAPE(inputs[0].dims[0], inputs[0].dims[1], 1, 1);
    return GRAFT_OK;
}

static graft_status forward(graft_lowering *l, const graft_node *node)
{
    graft_status status;
    graft_value values[] = {graft_lowering_input(l, node, 0), GRAFT_NEW_VALUE};
    graft_kernel *kernel;
    GRAFT_TRY(graft_global_pool_forward(&kernel, graft_lowering_device(l),
                                        graft_lowering_layout(l, values[0]), false));
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
    const graft_layout *x = graft_lowering_layout(l, graft_lowering_input(l, node, 0));
    graft_value values[] = {graft_lowering_gradient(l, node), GRAFT_NEW_VALUE};
    graft_kernel *kernel;
    GRAFT_TRY(graft_global_pool_backward(&kernel, graft_lowering_device(l), x));
    GRAFT_TRY(graft_lowering_emit(l, kernel, values));
    GRAFT_TRY(graft_lowering_add_gradient(l, node, 0, values[1]));
out:
    return status;
}

const graft_op graft_op_global_average_pool = {
    .name = "global_average_pool",
    .shape = shape,
    .forward = forward,
    .backward = backward,
};
