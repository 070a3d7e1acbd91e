/* Log-probabilities, x - log(sum of exp(x)) over the classes: (N, K) -> (N, K). */
#include "ops/op.h"

#include "base/status.h"

static graft_status shape(const graft_node *node, const graft_shape *inputs, graft_shape *out)
{
    char text[GRAFT_SHAPE_TEXT];
    (void)node;
    if (inputs[0].rank != 2)
        return graft_fail(GRAFT_ESHAPE, "log-softmax needs (N, classes), not %s",
                          graft_shape_text(&inputs[0], text));
    *out = inputs[0];
    return GRAFT_OK;
}

static graft_status forward(graft_lowering *l, const graft_node *node)
{
    graft_status status;
    graft_shape x = graft_lowering_input_shape(l, node, 0);
    graft_value values[] = {graft_lowering_input(l, node, 0), GRAFT_NEW_VALUE};
    graft_kernel *kernel;
    GRAFT_TRY(graft_log_softmax(&kernel, graft_lowering_device(l), x.dims[0], x.dims[1]));
    GRAFT_TRY(graft_lowering_emit(l, kernel, values));
    graft_lowering_set_output(l, node, values[1]);
out:
    return status;
}

static graft_status backward(graft_lowering *l, const graft_node *node)
{
    graft_status status;
    graft_shape x = graft_lowering_input_shape(l, node, 0);
    graft_value values[] = {graft_lowering_output(l, node), graft_lowering_gradient(l, node),
                            GRAFT_NEW_VALUE};
    graft_kernel *kernel;
    if (!graft_lowering_wants_gradient(l, node, 0))
        return GRAFT_OK;
    GRAFT_TRY(graft_log_softmax_backward(&kernel, graft_lowering_device(l), x.dims[0], x.dims[1]));
    GRAFT_TRY(graft_lowering_emit(l, kernel, values));
    GRAFT_TRY(graft_lowering_add_gradient(l, node, 0, values[2]));
out:
    return status;
}

const graft_op graft_op_log_softmax = {
    .name = "log_softmax",
    .gives_log_probabilities = true,
    .shape = shape,
    .forward = forward,
    .backward = backward,
};
