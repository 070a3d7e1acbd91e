/* The sum of two tensors of one shape: a residual connection. */
#include "ops/op.h"

#include "base/status.h"
#include "ops/shapes.h"

static graft_status shape(const graft_node *node, const graft_shape *inputs, graft_shape *out)
{
    char a[GRAFT_SHAPE_TEXT], b[GRAFT_SHAPE_TEXT];
    (void)node;
    if (!graft_shape_equal(&inputs[0], &inputs[1]))
        return graft_fail(GRAFT_ESHAPE, "%s cannot be added to %s", graft_shape_text(&inputs[1], b),
                          graft_shape_text(&inputs[0], a));
    *out = inputs[0];
    return GRAFT_OK;
}

static graft_status forward(graft_lowering *l, const graft_node *node)
{
    graft_status status;
    graft_value values[] = {graft_lowering_input(l, node, 0), graft_lowering_input(l, node, 1),
                            GRAFT_NEW_VALUE};
    graft_kernel *kernel;
    GRAFT_TRY(graft_add(&kernel, graft_lowering_device(l), graft_lowering_layout(l, values[0])));
    GRAFT_TRY(graft_lowering_emit(l, kernel, values));
    graft_lowering_set_output(l, node, values[2]);
out:
    return status;
}

static graft_status backward(graft_lowering *l, const graft_node *node)
{
    graft_status status = GRAFT_OK;
    for (int i = 0; i < 2; i++)
        if (graft_lowering_wants_gradient(l, node, i))
            GRAFT_TRY(graft_lowering_add_gradient(l, node, i, graft_lowering_gradient(l, node)));
out:
    return status;
}

const graft_op graft_op_add = {
    .name = "add",
    .shape = shape,
    .forward = forward,
    .backward = backward,
    .is_sum = true,
};
