/* Channels to the end, (N, C, H, W) -> (N, H, W, C), or back. Where the channels of a pixel already lie side
 * by side nothing is moved: it is another name for the same bytes. */
#include "ops/op.h"

#include "base/status.h"

static graft_status shape(const graft_node *node, const graft_shape *inputs, graft_shape *out)
{
    const graft_permute_attributes *a = node->attributes;
    const int64_t *x = inputs[0].dims;
    char text[GRAFT_SHAPE_TEXT];
    if (inputs[0].rank != 4)
        return graft_fail(GRAFT_ESHAPE, "four dimensions are permuted, not %s",
                          graft_shape_text(&inputs[0], text));
    *out = a->back ? GRAFT_SHAPE(x[0], x[3], x[1], x[2]) : GRAFT_SHAPE(x[0], x[2], x[3], x[1]);
    return GRAFT_OK;
}

/* (N, C, H, W) with channels last in memory is (N, H, W, C) row-major. */
static graft_status permute(graft_lowering *l, graft_value x, bool back, graft_value *y)
{
    graft_status status;
    graft_device *device = graft_lowering_device(l);
    const graft_layout *from = graft_lowering_layout(l, x);
    const int64_t *d = graft_layout_shape(from)->dims;
    graft_shape nchw = back ? GRAFT_SHAPE(d[0], d[3], d[1], d[2]) : GRAFT_SHAPE(d[0], d[1], d[2], d[3]);
    graft_shape nhwc = back ? GRAFT_SHAPE(d[0], d[1], d[2], d[3]) : GRAFT_SHAPE(d[0], d[2], d[3], d[1]);
    const graft_layout *last, *plain;
    GRAFT_TRY(graft_layout_channels_last(device, &nchw, graft_layout_type(from), &last));
    GRAFT_TRY(graft_layout_plain_of(device, &nhwc, graft_layout_type(from), &plain));
    GRAFT_TRY(graft_lowering_reorder(l, x, back ? plain : last, &x));
    GRAFT_TRY(graft_lowering_relabel(l, x, back ? last : plain, y));
out:
    return status;
}

static graft_status forward(graft_lowering *l, const graft_node *node)
{
    const graft_permute_attributes *a = node->attributes;
    graft_value y;
    graft_status status = permute(l, graft_lowering_input(l, node, 0), a->back, &y);
    if (status == GRAFT_OK)
        graft_lowering_set_output(l, node, y);
    return status;
}

static graft_status backward(graft_lowering *l, const graft_node *node)
{
    const graft_permute_attributes *a = node->attributes;
    graft_value x;
    if (!graft_lowering_wants_gradient(l, node, 0))
        return GRAFT_OK;
    graft_status status = permute(l, graft_lowering_gradient(l, node), !a->back, &x);
    return status == GRAFT_OK ? graft_lowering_add_gradient(l, node, 0, x) : status;
}

const graft_op graft_op_permute = {
    .name = "permute",
    .attributes = sizeof(graft_permute_attributes),
    .shape = shape,
    .forward = forward,
    .backward = backward,
    .is_view = true,
};
