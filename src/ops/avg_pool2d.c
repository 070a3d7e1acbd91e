/* The mean of each window: (N, C, H, W) -> (N, C, H', W').
 * avg_pool2d has windows of one size: padding counts as zeros unless it is excluded; what ceil mode lets hang
 * over the padding does not count. adaptive_avg_pool2d has windows that give the size which is asked for:
 * window i goes from floor(i H / H') to ceil((i + 1) H / H'). */
#include "ops/pool.h"

#include "base/status.h"
#include "ops/shapes.h"

static graft_status forward(graft_lowering *l, const graft_node *node, const graft_pool *pool)
{
    graft_status status;
    graft_value values[] = {graft_lowering_input(l, node, 0), GRAFT_NEW_VALUE};
    graft_kernel *kernel;
    GRAFT_TRY(
        graft_average_pool(&kernel, graft_lowering_device(l), graft_lowering_layout(l, values[0]), pool));
    GRAFT_TRY(graft_lowering_emit(l, kernel, values));
    graft_lowering_set_output(l, node, values[1]);
out:
    return status;
}

static graft_status backward(graft_lowering *l, const graft_node *node, const graft_pool *pool)
{
    graft_status status;
    if (!graft_lowering_wants_gradient(l, node, 0))
        return GRAFT_OK;
    const graft_layout *x = graft_lowering_layout(l, graft_lowering_input(l, node, 0));
    graft_value values[] = {graft_lowering_gradient(l, node), GRAFT_NEW_VALUE};
    graft_kernel *kernel;
    GRAFT_TRY(graft_average_pool_backward(&kernel, graft_lowering_device(l), x, pool));
    GRAFT_TRY(graft_lowering_emit(l, kernel, values));
    GRAFT_TRY(graft_lowering_add_gradient(l, node, 0, values[1]));
out:
    return status;
}

static graft_status fixed_forward(graft_lowering *l, const graft_node *node)
{
    graft_shape x = graft_lowering_input_shape(l, node, 0);
    graft_pool pool = graft_pool_of(node, &x);
    return forward(l, node, &pool);
}

static graft_status fixed_backward(graft_lowering *l, const graft_node *node)
{
    graft_shape x = graft_lowering_input_shape(l, node, 0);
    graft_pool pool = graft_pool_of(node, &x);
    return backward(l, node, &pool);
}

static graft_status adaptive_shape(const graft_node *node, const graft_shape *inputs, graft_shape *out)
{
    const graft_size_attributes *a = node->attributes;
    char text[GRAFT_SHAPE_TEXT];
    if (inputs[0].rank != 4)
        return graft_fail(GRAFT_ESHAPE, "a pool needs (N, C, H, W), not %s",
                          graft_shape_text(&inputs[0], text));
    *out =
        GRAFT_SHAPE(inputs[0].dims[0], inputs[0].dims[1], a->height ? a->height : 1, a->width ? a->width : 1);
    return GRAFT_OK;
}

/* Where the size divides, the windows are all of one size. */
static graft_pool_axis adaptive_axis(int64_t in, int64_t out)
{
    int64_t each = in % out == 0 ? in / out : 0;
    return (graft_pool_axis){.in = in, .out = out, .kernel = each, .stride = each};
}

/* False where the size fits already: nothing is computed. */
static bool adaptive_pool(const graft_node *node, graft_pool *pool)
{
    const int64_t *x = node->input_shapes[0].dims, *y = node->shape.dims;
    *pool = (graft_pool){adaptive_axis(x[2], y[2]), adaptive_axis(x[3], y[3]), false};
    return x[2] != y[2] || x[3] != y[3];
}

static graft_status adaptive_forward(graft_lowering *l, const graft_node *node)
{
    graft_pool pool;
    if (adaptive_pool(node, &pool))
        return forward(l, node, &pool);
    graft_lowering_set_output(l, node, graft_lowering_input(l, node, 0));
    return GRAFT_OK;
}

static graft_status adaptive_backward(graft_lowering *l, const graft_node *node)
{
    graft_pool pool;
    if (adaptive_pool(node, &pool))
        return backward(l, node, &pool);
    return graft_backward_identity(l, node);
}

const graft_op graft_op_avg_pool2d = {
    .name = "avg_pool2d",
    .attributes = sizeof(graft_pool_attributes),
    .shape = graft_pool_shape,
    .forward = fixed_forward,
    .backward = fixed_backward,
};

const graft_op graft_op_adaptive_avg_pool2d = {
    .name = "adaptive_avg_pool2d",
    .attributes = sizeof(graft_size_attributes),
    .shape = adaptive_shape,
    .forward = adaptive_forward,
    .backward = adaptive_backward,
    .is_view = true,
};
