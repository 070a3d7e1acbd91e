/* Tensors one behind another along the channels: (N, C1, H, W), (N, C2, H, W), ... -> (N, C1 + C2 + ..., H,
 * W). A copy: oneDNN has no fast kernels for what reads or writes slices. */
#include "ops/channels.h"

#include "base/status.h"

static graft_status shape(const graft_node *node, const graft_shape *inputs, graft_shape *out)
{
    char a[GRAFT_SHAPE_TEXT], b[GRAFT_SHAPE_TEXT];
    *out = inputs[0];
    if (out->rank != 4)
        return graft_fail(GRAFT_ESHAPE, "a concatenation needs (N, C, H, W), not %s",
                          graft_shape_text(&inputs[0], a));
    for (int i = 1; i < node->input_count; i++) {
        graft_shape same = inputs[i];
        same.dims[1] = inputs[0].dims[1];
        if (!graft_shape_equal(&same, &inputs[0]))
            return graft_fail(GRAFT_ESHAPE, "%s does not fit behind %s", graft_shape_text(&inputs[i], b),
                              graft_shape_text(&inputs[0], a));
        out->dims[1] += inputs[i].dims[1];
    }
    return GRAFT_OK;
}

/* The form of the first input that is not row-major: kept features are, what convolutions give is not. */
static const graft_layout *form_of(graft_lowering *l, const graft_node *node)
{
    for (int i = 0; i < node->input_count; i++) {
        const graft_layout *layout = graft_lowering_layout(l, graft_lowering_input(l, node, i));
        if (!graft_layout_is_plain(layout))
            return layout;
    }
    return graft_lowering_layout(l, graft_lowering_input(l, node, 0));
}

/* Inputs from `first`, as many as one kernel takes; *to is the channel where they go and then the next. */
static graft_status copy_some(graft_lowering *l, const graft_node *node, const graft_layout *layout,
                              int first, int64_t *to, graft_value *y)
{
    graft_status status;
    const graft_layout *sources[GRAFT_COPY_SOURCES];
    graft_channel_run runs[GRAFT_COPY_SOURCES];
    graft_value values[GRAFT_COPY_SOURCES + 1];
    graft_kernel *kernel;
    int count = 0;
    for (; count < GRAFT_COPY_SOURCES && first + count < node->input_count; count++) {
        int64_t channels = node->input_shapes[first + count].dims[1];
        values[count] = graft_lowering_input(l, node, first + count);
        sources[count] = graft_lowering_layout(l, values[count]);
        runs[count] = (graft_channel_run){count, 0, 1, *to, 1, channels};
        *to += channels;
    }
    values[GRAFT_COPY_SOURCES] = *y;
    GRAFT_TRY(graft_copy_channels(&kernel, graft_lowering_device(l), sources, count, layout, runs, count,
                                  *y == GRAFT_NEW_VALUE));
    GRAFT_TRY(graft_lowering_emit(l, kernel, values));
    *y = values[GRAFT_COPY_SOURCES];
out:
    return status;
}

static graft_status forward(graft_lowering *l, const graft_node *node)
{
    graft_status status;
    graft_shape shape_out = graft_lowering_shape(l, node);
    const graft_layout *layout, *form = form_of(l, node);
    graft_value y = GRAFT_NEW_VALUE;
    int64_t to = 0;
    GRAFT_TRY(graft_layout_typed_like(graft_lowering_device(l), form, &shape_out, graft_layout_type(form),
                                      &layout));
    for (int i = 0; i < node->input_count; i += GRAFT_COPY_SOURCES)
        GRAFT_TRY(copy_some(l, node, layout, i, &to, &y));
    graft_lowering_set_output(l, node, y);
out:
    return status;
}

static graft_status backward(graft_lowering *l, const graft_node *node)
{
    graft_status status = GRAFT_OK;
    int64_t from = 0;
    for (int i = 0; i < node->input_count; i++) {
        graft_shape x = graft_lowering_input_shape(l, node, i);
        graft_channel_run run = {0, from, 1, 0, 1, x.dims[1]};
        from += x.dims[1];
        if (!graft_lowering_wants_gradient(l, node, i))
            continue;
        graft_value slice;
        GRAFT_TRY(graft_lowering_copy_channels(l, graft_lowering_gradient(l, node), &x, &run, 1, &slice));
        GRAFT_TRY(graft_lowering_add_gradient(l, node, i, slice));
    }
out:
    return status;
}

const graft_op graft_op_concat = {
    .name = "concat",
    .shape = shape,
    .forward = forward,
    .backward = backward,
};
