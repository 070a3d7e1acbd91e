/* Windows of kernel x kernel, as PyTorch places them. */
#include "ops/pool.h"

#include "base/status.h"

/* The output has (in + 2 padding - kernel) / stride + 1 elements, rounded down, or up in ceil mode, but no
 * window begins behind the input and the padding before it. */
static graft_pool_axis axis_of(const graft_pool_attributes *a, int64_t in)
{
    graft_pool_axis axis = {
        .in = in, .kernel = a->kernel, .stride = a->stride ? a->stride : a->kernel, .padding = a->padding};
    int64_t room = in + 2 * axis.padding - axis.kernel;
    axis.out = (room + (a->ceil_mode ? axis.stride - 1 : 0)) / axis.stride + 1;
    if (a->ceil_mode && (axis.out - 1) * axis.stride >= in + axis.padding)
        axis.out--;
    return axis;
}

graft_pool graft_pool_of(const graft_node *node, const graft_shape *x)
{
    const graft_pool_attributes *a = node->attributes;
    return (graft_pool){axis_of(a, x->dims[2]), axis_of(a, x->dims[3]), !a->exclude_padding};
}

graft_status graft_pool_shape(const graft_node *node, const graft_shape *inputs, graft_shape *out)
{
    const graft_pool_attributes *a = node->attributes;
    const graft_shape *x = &inputs[0];
    char text[GRAFT_SHAPE_TEXT];
    if (x->rank != 4)
        return graft_fail(GRAFT_ESHAPE, "a pool needs (N, C, H, W), not %s", graft_shape_text(x, text));
    if (a->kernel < 1 || 2 * a->padding > a->kernel)
        return graft_fail(GRAFT_ESHAPE, "a window of %d cannot have a padding of %d", a->kernel, a->padding);
    for (int i = 2; i < 4; i++)
        if (x->dims[i] + 2 * a->padding < a->kernel)
            return graft_fail(GRAFT_ESHAPE, "%s is too small for a window of %d", graft_shape_text(x, text),
                              a->kernel);
    graft_pool pool = graft_pool_of(node, x);
    *out = GRAFT_SHAPE(x->dims[0], x->dims[1], pool.height.out, pool.width.out);
    return GRAFT_OK;
}
