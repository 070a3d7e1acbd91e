/* Some channels of a tensor: (N, C, H, W) -> (N, channels, H, W), channels begin to begin + channels - 1.
 * What torch's chunk(2, 1) gives is two of these. */
#include "ops/channels.h"

#include "base/status.h"

static graft_status shape(const graft_node *node, const graft_shape *inputs, graft_shape *out)
{
    const graft_slice_attributes *a = node->attributes;
    char text[GRAFT_SHAPE_TEXT];
    if (inputs[0].rank != 4 || a->begin < 0 || a->channels < 1 || a->begin + a->channels > inputs[0].dims[1])
        return graft_fail(GRAFT_ESHAPE, "channels %d to %d are not in %s", a->begin,
                          a->begin + a->channels - 1, graft_shape_text(&inputs[0], text));
    *out = inputs[0];
    out->dims[1] = a->channels;
    return GRAFT_OK;
}

static graft_status forward(graft_lowering *l, const graft_node *node)
{
    const graft_slice_attributes *a = node->attributes;
    graft_shape y = graft_lowering_shape(l, node);
    graft_channel_run run = {0, a->begin, 1, 0, 1, a->channels};
    graft_value value;
    graft_status status =
        graft_lowering_copy_channels(l, graft_lowering_input(l, node, 0), &y, &run, 1, &value);
    if (status == GRAFT_OK)
        graft_lowering_set_output(l, node, value);
    return status;
}

static graft_status backward(graft_lowering *l, const graft_node *node)
{
    const graft_slice_attributes *a = node->attributes;
    graft_shape x = graft_lowering_input_shape(l, node, 0);
    graft_channel_run run = {0, 0, 1, a->begin, 1, a->channels};
    graft_value value;
    if (!graft_lowering_wants_gradient(l, node, 0))
        return GRAFT_OK;
    graft_status status =
        graft_lowering_copy_channels(l, graft_lowering_gradient(l, node), &x, &run, 1, &value);
    return status == GRAFT_OK ? graft_lowering_add_gradient(l, node, 0, value) : status;
}

const graft_op graft_op_slice_channels = {
    .name = "slice_channels",
    .attributes = sizeof(graft_slice_attributes),
    .shape = shape,
    .forward = forward,
    .backward = backward,
};
