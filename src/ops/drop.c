/* Dropout, element by element, and stochastic depth, sample by sample: y = x * mask / (1 - p) where the node
 * trains, the identity elsewhere. Backward draws the same mask by its counter. */
#include "ops/op.h"

#include "ops/shapes.h"

static bool is_on(const graft_lowering *l, const graft_node *node)
{
    const graft_drop_attributes *a = node->attributes;
    return a->probability > 0.0F && graft_lowering_trains(l, node) && graft_lowering_drop_source(l);
}

/* Element by element the mask follows the logical index, so the tensor is made plain. */
static graft_status apply(graft_lowering *l, const graft_node *node, bool whole, graft_value x,
                          graft_value *y)
{
    graft_status status;
    const graft_drop_attributes *a = node->attributes;
    graft_device *device = graft_lowering_device(l);
    const graft_layout *layout = graft_lowering_layout(l, x);
    graft_value values[] = {x, GRAFT_NEW_VALUE};
    graft_kernel *kernel;
    if (!whole)
        GRAFT_TRY(graft_layout_plain(device, graft_layout_shape(layout), &layout));
    GRAFT_TRY(graft_drop(&kernel, device, layout, a->probability, whole, node->name,
                         graft_lowering_drop_source(l)));
    GRAFT_TRY(graft_lowering_emit(l, kernel, values));
    *y = values[1];
out:
    return status;
}

static graft_status forward(graft_lowering *l, const graft_node *node, bool whole)
{
    graft_value y = graft_lowering_input(l, node, 0);
    graft_status status = is_on(l, node) ? apply(l, node, whole, y, &y) : GRAFT_OK;
    if (status == GRAFT_OK)
        graft_lowering_set_output(l, node, y);
    return status;
}

static graft_status backward(graft_lowering *l, const graft_node *node, bool whole)
{
    graft_status status;
    graft_value gradient = graft_lowering_gradient(l, node);
    if (!graft_lowering_wants_gradient(l, node, 0))
        return GRAFT_OK;
    if (is_on(l, node))
        GRAFT_TRY(apply(l, node, whole, gradient, &gradient));
    GRAFT_TRY(graft_lowering_add_gradient(l, node, 0, gradient));
out:
    return status;
}

static graft_status dropout_forward(graft_lowering *l, const graft_node *node)
{
    return forward(l, node, false);
}

static graft_status dropout_backward(graft_lowering *l, const graft_node *node)
{
    return backward(l, node, false);
}

static graft_status depth_forward(graft_lowering *l, const graft_node *node)
{
    return forward(l, node, true);
}

static graft_status depth_backward(graft_lowering *l, const graft_node *node)
{
    return backward(l, node, true);
}

const graft_op graft_op_dropout = {
    .name = "dropout",
    .attributes = sizeof(graft_drop_attributes),
    .shape = graft_shape_same,
    .forward = dropout_forward,
    .backward = dropout_backward,
    .identity_unless_trained = true,
};

const graft_op graft_op_stochastic_depth = {
    .name = "stochastic_depth",
    .attributes = sizeof(graft_drop_attributes),
    .shape = graft_shape_same,
    .forward = depth_forward,
    .backward = depth_backward,
    .identity_unless_trained = true,
};
