/* The picture, normalised: (1, C, H, W). */
#include "ops/op.h"

static graft_status shape(const graft_node *node, const graft_shape *inputs, graft_shape *out)
{
    (void)inputs;
    const graft_input_attributes *a = node->attributes;
    *out = GRAFT_SHAPE(1, a->channels, a->height, a->width);
    return GRAFT_OK;
}

const graft_op graft_op_input = {
    .name = "input",
    .attributes = sizeof(graft_input_attributes),
    .shape = shape,
};
