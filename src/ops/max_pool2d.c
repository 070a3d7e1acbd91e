/* The largest of each window: (N, C, H, W) -> (N, C, H', W'). The gradient goes to the first of the largest,
 * as torch's. */
#include "ops/pool.h"

enum { SAVED_WHICH }; /* which element of each window it was */

static graft_status forward(graft_lowering *l, const graft_node *node)
{
    graft_status status;
    graft_shape x = graft_lowering_input_shape(l, node, 0);
    graft_pool pool = graft_pool_of(node, &x);
    graft_value values[] = {graft_lowering_input(l, node, 0), GRAFT_NEW_VALUE, GRAFT_NEW_VALUE};
    graft_kernel *kernel;
    GRAFT_TRY(graft_max_pool(&kernel, graft_lowering_device(l), graft_lowering_layout(l, values[0]), &pool,
                             graft_lowering_wants_gradient(l, node, 0)));
    GRAFT_TRY(graft_lowering_emit(l, kernel, values));
    graft_lowering_set_output(l, node, values[1]);
    graft_lowering_save(l, node, SAVED_WHICH, values[2]);
out:
    return status;
}

static graft_status backward(graft_lowering *l, const graft_node *node)
{
    graft_status status;
    if (!graft_lowering_wants_gradient(l, node, 0))
        return GRAFT_OK;
    graft_shape x = graft_lowering_input_shape(l, node, 0);
    graft_pool pool = graft_pool_of(node, &x);
    graft_value values[] = {graft_lowering_gradient(l, node), graft_lowering_saved(l, node, SAVED_WHICH),
                            GRAFT_NEW_VALUE};
    graft_kernel *kernel;
    GRAFT_TRY(graft_max_pool_backward(&kernel, graft_lowering_device(l),
                                      graft_lowering_layout(l, graft_lowering_input(l, node, 0)), &pool));
    GRAFT_TRY(graft_lowering_emit(l, kernel, values));
    GRAFT_TRY(graft_lowering_add_gradient(l, node, 0, values[2]));
out:
    return status;
}

static bool takes_squares(const graft_node *node)
{
    const graft_pool_attributes *a = node->attributes;
    const int64_t *dims = node->input_shapes[0].dims;
    bool even = dims[2] % 2 == 0 && dims[3] % 2 == 0;
    return a->kernel == 2 && (a->stride == 0 || a->stride == 2) && a->padding == 0 && (even || !a->ceil_mode);
}

const graft_op graft_op_max_pool2d = {
    .name = "max_pool2d",
    .attributes = sizeof(graft_pool_attributes),
    .shape = graft_pool_shape,
    .forward = forward,
    .backward = backward,
    .takes_squares = takes_squares,
};
