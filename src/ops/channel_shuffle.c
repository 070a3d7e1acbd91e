/* Channel shuffle (Zhang et al., "ShuffleNet", arXiv 1707.01083): channels in `groups` groups are read across
 * the groups, so that channel i of group g becomes channel i groups + g. */
#include "ops/channels.h"

#include <stdlib.h>

#include "base/memory.h"
#include "base/status.h"

static graft_status shape(const graft_node *node, const graft_shape *inputs, graft_shape *out)
{
    const graft_groups_attributes *a = node->attributes;
    char text[GRAFT_SHAPE_TEXT];
    if (inputs[0].rank != 4 || a->groups < 1 || inputs[0].dims[1] % a->groups)
        return graft_fail(GRAFT_ESHAPE, "%s does not divide into %d groups of channels",
                          graft_shape_text(&inputs[0], text), a->groups);
    *out = inputs[0];
    return GRAFT_OK;
}

/* Backward is the shuffle the other way round: what was a step is the distance between two groups. */
static graft_status shuffle(graft_lowering *l, const graft_node *node, bool backward, graft_value x,
                            graft_value *y)
{
    graft_status status;
    const graft_groups_attributes *a = node->attributes;
    graft_shape whole = graft_lowering_shape(l, node);
    int64_t each = whole.dims[1] / a->groups;
    graft_channel_run *runs = NULL;
    GRAFT_TRY(GRAFT_NEW_ARRAY(&runs, (size_t)a->groups));
    for (int g = 0; g < a->groups; g++)
        runs[g] = backward ? (graft_channel_run){0, g, a->groups, g * each, 1, each}
                           : (graft_channel_run){0, g * each, 1, g, a->groups, each};
    status = graft_lowering_copy_channels(l, x, &whole, runs, a->groups, y);
out:
    free(runs);
    return status;
}

static graft_status forward(graft_lowering *l, const graft_node *node)
{
    graft_value y;
    graft_status status = shuffle(l, node, false, graft_lowering_input(l, node, 0), &y);
    if (status == GRAFT_OK)
        graft_lowering_set_output(l, node, y);
    return status;
}

static graft_status backward(graft_lowering *l, const graft_node *node)
{
    graft_value x;
    if (!graft_lowering_wants_gradient(l, node, 0))
        return GRAFT_OK;
    graft_status status = shuffle(l, node, true, graft_lowering_gradient(l, node), &x);
    return status == GRAFT_OK ? graft_lowering_add_gradient(l, node, 0, x) : status;
}

const graft_op graft_op_channel_shuffle = {
    .name = "channel_shuffle",
    .attributes = sizeof(graft_groups_attributes),
    .shape = shape,
    .forward = forward,
    .backward = backward,
};
