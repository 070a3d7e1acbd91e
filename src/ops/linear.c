/* y = x W^T + b: (N, I) -> (N, features). */
#include "ops/op.h"

#include <math.h>

#include "base/status.h"
#include "ops/shapes.h"

static graft_status shape(const graft_node *node, const graft_shape *inputs, graft_shape *out)
{
    const graft_linear_attributes *a = node->attributes;
    char text[GRAFT_SHAPE_TEXT];
    if (inputs[0].rank != 2)
        return graft_fail(GRAFT_ESHAPE, "a linear layer needs (N, features), not %s",
                          graft_shape_text(&inputs[0], text));
    *out = GRAFT_SHAPE(inputs[0].dims[0], a->features);
    return GRAFT_OK;
}

static void parameters(graft_node *node, const graft_shape *inputs)
{
    const graft_linear_attributes *a = node->attributes;
    graft_add_parameter(node, "weight", GRAFT_PARAMETER_LEARNED, GRAFT_SHAPE(a->features, inputs[0].dims[1]));
    graft_add_parameter(node, "bias", GRAFT_PARAMETER_LEARNED, GRAFT_SHAPE(a->features));
}

static int64_t macs(const graft_node *node, const graft_shape *inputs)
{
    (void)inputs;
    return graft_shape_count(&node->parameters[0].shape);
}

/* nn.Linear: weight and bias uniform in +-1 / sqrt(in). */
static void initialize(const graft_node *node, int index, float *values, graft_random *random)
{
    int64_t count = graft_shape_count(&node->parameters[index].shape);
    graft_fill_uniform(values, count, 1.0F / sqrtf((float)node->parameters[0].shape.dims[1]), random);
}

static graft_status forward(graft_lowering *l, const graft_node *node)
{
    graft_status status;
    graft_shape x = graft_lowering_input_shape(l, node, 0), y = graft_lowering_shape(l, node);
    graft_value values[] = {graft_lowering_input(l, node, 0), GRAFT_NO_VALUE, GRAFT_NO_VALUE,
                            GRAFT_NEW_VALUE};
    graft_kernel *kernel;
    GRAFT_TRY(graft_lowering_parameter(l, node, "weight", &values[1]));
    GRAFT_TRY(graft_lowering_parameter(l, node, "bias", &values[2]));
    GRAFT_TRY(
        graft_linear_forward(&kernel, graft_lowering_device(l), x.dims[0], x.dims[1], y.dims[1], false));
    GRAFT_TRY(graft_lowering_emit(l, kernel, values));
    graft_lowering_set_output(l, node, values[3]);
out:
    return status;
}

static graft_status backward_weights(graft_lowering *l, const graft_node *node, const graft_shape *x,
                                     int64_t out_features)
{
    graft_status status;
    graft_value values[] = {graft_lowering_input(l, node, 0), graft_lowering_gradient(l, node),
                            GRAFT_NEW_VALUE, GRAFT_NEW_VALUE};
    graft_kernel *kernel;
    GRAFT_TRY(graft_linear_backward_weights(&kernel, graft_lowering_device(l), x->dims[0], x->dims[1],
                                            out_features));
    GRAFT_TRY(graft_lowering_emit(l, kernel, values));
    GRAFT_TRY(graft_lowering_add_parameter_gradient(l, node, "weight", values[2]));
    GRAFT_TRY(graft_lowering_add_parameter_gradient(l, node, "bias", values[3]));
out:
    return status;
}

static graft_status backward(graft_lowering *l, const graft_node *node)
{
    graft_status status = GRAFT_OK;
    graft_shape x = graft_lowering_input_shape(l, node, 0), y = graft_lowering_shape(l, node);
    if (graft_lowering_trains(l, node))
        GRAFT_TRY(backward_weights(l, node, &x, y.dims[1]));
    if (graft_lowering_wants_gradient(l, node, 0)) {
        graft_value values[] = {graft_lowering_gradient(l, node), GRAFT_NO_VALUE, GRAFT_NEW_VALUE};
        graft_kernel *kernel;
        GRAFT_TRY(graft_lowering_parameter(l, node, "weight", &values[1]));
        GRAFT_TRY(
            graft_linear_backward_data(&kernel, graft_lowering_device(l), x.dims[0], x.dims[1], y.dims[1]));
        GRAFT_TRY(graft_lowering_emit(l, kernel, values));
        GRAFT_TRY(graft_lowering_add_gradient(l, node, 0, values[2]));
    }
out:
    return status;
}

const graft_op graft_op_linear = {
    .name = "linear",
    .attributes = sizeof(graft_linear_attributes),
    .shape = shape,
    .parameters = parameters,
    .macs = macs,
    .initialize = initialize,
    .forward = forward,
    .backward = backward,
};
