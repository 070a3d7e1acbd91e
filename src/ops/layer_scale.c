/* Layer scale (Touvron et al. 2021, arXiv 2103.17239): a tensor times one learned factor a channel,
 * NODE.layer_scale of shape (C, 1, 1). Channels are the second dimension, or the last with `last`. Frozen it
 * is an affine map, which the layer before it takes in. */
#include "ops/op.h"

#include "ops/shapes.h"

static void parameters(graft_node *node, const graft_shape *inputs)
{
    const graft_layer_scale_attributes *a = node->attributes;
    int64_t channels = inputs[0].dims[a->last ? inputs[0].rank - 1 : 1];
    graft_add_parameter(node, "layer_scale", GRAFT_PARAMETER_LEARNED, GRAFT_SHAPE(channels, 1, 1));
}

static void initialize(const graft_node *node, int index, float *values, graft_random *random)
{
    const graft_layer_scale_attributes *a = node->attributes;
    (void)random;
    for (int64_t c = 0; c < node->parameters[index].shape.dims[0]; c++)
        values[c] = a->start > 0.0F ? a->start : 1e-6F;
}

static void affine(const graft_node *node, const float *const *tensors, float *scale, float *shift)
{
    for (int64_t c = 0; c < node->parameters[0].shape.dims[0]; c++) {
        scale[c] = tensors[0][c];
        shift[c] = 0.0F;
    }
}

/* With the channels last every pixel is a sample of one pixel. */
static graft_status by_channels(graft_lowering *l, const graft_node *node, graft_value *value)
{
    const graft_layer_scale_attributes *a = node->attributes;
    int64_t channels = node->parameters[0].shape.dims[0];
    graft_shape rows =
        GRAFT_SHAPE(graft_lowering_batch(l) * graft_shape_count(&node->shape) / channels, channels, 1, 1);
    return a->last ? graft_lowering_view(l, *value, &rows, value) : GRAFT_OK;
}

/* x or a gradient, times the factors. */
static graft_status scale(graft_lowering *l, const graft_node *node, graft_value x, graft_value *y)
{
    graft_status status;
    graft_shape whole = graft_lowering_shape(l, node);
    const graft_layer_scale_attributes *a = node->attributes;
    graft_value values[] = {x, GRAFT_NO_VALUE, GRAFT_NEW_VALUE};
    graft_kernel *kernel;
    GRAFT_TRY(by_channels(l, node, &values[0]));
    GRAFT_TRY(graft_lowering_parameter(l, node, "layer_scale", &values[1]));
    GRAFT_TRY(graft_lowering_view(l, values[1], &GRAFT_SHAPE(node->parameters[0].shape.dims[0]), &values[1]));
    GRAFT_TRY(graft_scale(&kernel, graft_lowering_device(l), graft_lowering_layout(l, values[0]), false));
    GRAFT_TRY(graft_lowering_emit(l, kernel, values));
    if (a->last)
        GRAFT_TRY(graft_lowering_view(l, values[2], &whole, &values[2]));
    *y = values[2];
out:
    return status;
}

static graft_status forward(graft_lowering *l, const graft_node *node)
{
    graft_value y;
    graft_status status = scale(l, node, graft_lowering_input(l, node, 0), &y);
    if (status == GRAFT_OK)
        graft_lowering_set_output(l, node, y);
    return status;
}

static graft_status backward_factor(graft_lowering *l, const graft_node *node)
{
    graft_status status;
    graft_value values[] = {graft_lowering_input(l, node, 0), graft_lowering_gradient(l, node),
                            GRAFT_NEW_VALUE};
    graft_kernel *kernel;
    GRAFT_TRY(by_channels(l, node, &values[0]));
    GRAFT_TRY(by_channels(l, node, &values[1]));
    GRAFT_TRY(
        graft_scale_backward(&kernel, graft_lowering_device(l), graft_lowering_layout(l, values[0]), false));
    GRAFT_TRY(graft_lowering_emit(l, kernel, values));
    GRAFT_TRY(graft_lowering_add_parameter_gradient(l, node, "layer_scale", values[2]));
out:
    return status;
}

static graft_status backward(graft_lowering *l, const graft_node *node)
{
    graft_status status = GRAFT_OK;
    if (graft_lowering_trains(l, node))
        GRAFT_TRY(backward_factor(l, node));
    if (graft_lowering_wants_gradient(l, node, 0)) {
        graft_value gradient;
        GRAFT_TRY(scale(l, node, graft_lowering_gradient(l, node), &gradient));
        GRAFT_TRY(graft_lowering_add_gradient(l, node, 0, gradient));
    }
out:
    return status;
}

const graft_op graft_op_layer_scale = {
    .name = "layer_scale",
    .attributes = sizeof(graft_layer_scale_attributes),
    .shape = graft_shape_same,
    .parameters = parameters,
    .initialize = initialize,
    .forward = forward,
    .backward = backward,
    .affine = affine,
};
