/* A fixed scale and shift of each channel of a picture: what is normalised by ImageNet's mean and deviation
 * is turned into what a network wants that was trained with others (Inception's transform_input). */
#include "ops/op.h"

#include "base/status.h"

static graft_status shape(const graft_node *node, const graft_shape *inputs, graft_shape *out)
{
    char text[GRAFT_SHAPE_TEXT];
    (void)node;
    if (inputs[0].rank != 4 || inputs[0].dims[1] > GRAFT_PICTURE_CHANNELS)
        return graft_fail(GRAFT_ESHAPE, "%s is no picture of at most %d channels",
                          graft_shape_text(&inputs[0], text), GRAFT_PICTURE_CHANNELS);
    *out = inputs[0];
    return GRAFT_OK;
}

static graft_status apply(graft_lowering *l, graft_value x, const float *scale, const float *shift,
                          graft_value *y)
{
    graft_status status;
    graft_value values[] = {x, GRAFT_NEW_VALUE};
    graft_kernel *kernel;
    GRAFT_TRY(graft_affine(&kernel, graft_lowering_device(l), graft_lowering_layout(l, x), scale, shift));
    GRAFT_TRY(graft_lowering_emit(l, kernel, values));
    *y = values[1];
out:
    return status;
}

static graft_status forward(graft_lowering *l, const graft_node *node)
{
    const graft_affine_attributes *a = node->attributes;
    graft_value y;
    graft_status status = apply(l, graft_lowering_input(l, node, 0), a->scale, a->shift, &y);
    if (status == GRAFT_OK)
        graft_lowering_set_output(l, node, y);
    return status;
}

static graft_status backward(graft_lowering *l, const graft_node *node)
{
    const graft_affine_attributes *a = node->attributes;
    graft_value x;
    if (!graft_lowering_wants_gradient(l, node, 0))
        return GRAFT_OK;
    graft_status status = apply(l, graft_lowering_gradient(l, node), a->scale, NULL, &x);
    return status == GRAFT_OK ? graft_lowering_add_gradient(l, node, 0, x) : status;
}

const graft_op graft_op_affine = {
    .name = "affine",
    .attributes = sizeof(graft_affine_attributes),
    .shape = shape,
    .forward = forward,
    .backward = backward,
};
