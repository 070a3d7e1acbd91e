/* Layer normalisation (Ba et al. 2016, arXiv 1607.06450) over the channels of every pixel:
 * y = gamma (x - mean) / sqrt(variance + epsilon) + beta. Channels are the second dimension of (N, C, H, W)
 * (ConvNeXt's LayerNorm2d), or the last one with `last` and in (N, C) (nn.LayerNorm). */
#include "ops/op.h"

#include "ops/shapes.h"

static bool is_last(const graft_node *node)
{
    const graft_layer_norm_attributes *a = node->attributes;
    return a->last || node->shape.rank != 4;
}

static float epsilon_of(const graft_node *node)
{
    const graft_layer_norm_attributes *a = node->attributes;
    return a->epsilon > 0.0F ? a->epsilon : 1e-5F;
}

static void parameters(graft_node *node, const graft_shape *inputs)
{
    graft_shape row = GRAFT_SHAPE(inputs[0].dims[is_last(node) ? inputs[0].rank - 1 : 1]);
    graft_add_parameter(node, "weight", GRAFT_PARAMETER_LEARNED, row);
    graft_add_parameter(node, "bias", GRAFT_PARAMETER_LEARNED, row);
}

static void initialize(const graft_node *node, int index, float *values, graft_random *random)
{
    (void)random;
    for (int64_t c = 0; c < node->parameters[index].shape.dims[0]; c++)
        values[c] = index == 0 ? 1.0F : 0.0F;
}

static graft_status forward(graft_lowering *l, const graft_node *node)
{
    graft_status status;
    graft_value values[] = {graft_lowering_input(l, node, 0), GRAFT_NO_VALUE, GRAFT_NO_VALUE,
                            GRAFT_NEW_VALUE};
    graft_kernel *kernel;
    GRAFT_TRY(graft_lowering_parameter(l, node, "weight", &values[1]));
    GRAFT_TRY(graft_lowering_parameter(l, node, "bias", &values[2]));
    GRAFT_TRY(graft_layer_norm(&kernel, graft_lowering_device(l), graft_lowering_layout(l, values[0]),
                               is_last(node), epsilon_of(node)));
    GRAFT_TRY(graft_lowering_emit(l, kernel, values));
    graft_lowering_set_output(l, node, values[3]);
out:
    return status;
}

static graft_status backward(graft_lowering *l, const graft_node *node)
{
    graft_status status;
    graft_value values[] = {graft_lowering_input(l, node, 0),
                            graft_lowering_gradient(l, node),
                            GRAFT_NO_VALUE,
                            GRAFT_NEW_VALUE,
                            GRAFT_NEW_VALUE,
                            GRAFT_NEW_VALUE};
    graft_kernel *kernel;
    GRAFT_TRY(graft_lowering_parameter(l, node, "weight", &values[2]));
    GRAFT_TRY(graft_layer_norm_backward(&kernel, graft_lowering_device(l),
                                        graft_lowering_layout(l, values[0]), is_last(node),
                                        epsilon_of(node)));
    GRAFT_TRY(graft_lowering_emit(l, kernel, values));
    if (graft_lowering_trains(l, node))
        GRAFT_TRY(graft_lowering_add_weight_gradients(l, node, values[4], values[5]));
    if (graft_lowering_wants_gradient(l, node, 0))
        GRAFT_TRY(graft_lowering_add_gradient(l, node, 0, values[3]));
out:
    return status;
}

const graft_op graft_op_layer_norm = {
    .name = "layer_norm",
    .attributes = sizeof(graft_layer_norm_attributes),
    .shape = graft_shape_same,
    .parameters = parameters,
    .initialize = initialize,
    .forward = forward,
    .backward = backward,
};
