/* Folding what trains: a convolution and the batch norm behind it that uses running statistics, where one of
 * the two trains. The folded weight and bias are made by steps at the head of every forward; backward turns
 * their gradients back into those of the two nodes. What is frozen altogether is folded once (constants.c).
 */
#include "plan/internal.h"

#include "base/status.h"
#include "graph/op.h"

bool graft_lowering_is_folded(const graft_lowering *l, const graft_node *node)
{
    const graft_group *group = &l->groups[node->index];
    return group->anchor == node->index && group->affine >= 0 && group->live;
}

static graft_status fold_layout(graft_lowering *l, const graft_node *node, const graft_layout *wanted,
                                const graft_layout **layout)
{
    *layout = wanted;
    if (wanted && graft_fold_takes(wanted))
        return GRAFT_OK;
    return graft_layout_plain(l->request->device, &node->parameters[0].shape, layout);
}

static graft_status raw_weight(graft_lowering *l, const graft_node *node, const graft_layout *layout,
                               graft_value *out)
{
    graft_status status = graft_lowering_raw_parameter(l, node, "weight", layout, out);
    return status == GRAFT_OK ? graft_lowering_bring(l, *out, layout, out) : status;
}

static graft_status emit_fold(graft_lowering *l, const graft_node *node, const graft_layout *wanted,
                              live_fold *fold)
{
    graft_status status;
    const graft_node *affine = &l->request->graph->nodes[l->groups[node->index].affine];
    bool bias = graft_node_parameter(node, "bias") >= 0;
    const graft_layout *layout;
    graft_value values[] = {GRAFT_NO_VALUE, GRAFT_NO_VALUE,  GRAFT_NO_VALUE,
                            GRAFT_NO_VALUE, GRAFT_NEW_VALUE, GRAFT_NEW_VALUE};
    graft_kernel *kernel;
    GRAFT_TRY(fold_layout(l, node, wanted, &layout));
    GRAFT_TRY(raw_weight(l, node, layout, &values[0]));
    GRAFT_TRY(affine->op->lower_affine(l, affine, &values[1], &values[2]));
    if (bias)
        GRAFT_TRY(graft_lowering_raw_parameter(l, node, "bias", NULL, &values[3]));
    GRAFT_TRY(graft_fold(&kernel, l->request->device, layout, bias));
    GRAFT_TRY(graft_lowering_emit(l, kernel, values));
    *fold = (live_fold){.made = true, .scale = values[1], .weight = values[4], .bias = values[5]};
out:
    return status;
}

graft_status graft_lowering_folded(graft_lowering *l, const graft_node *node, const graft_layout *wanted,
                                   live_fold **out)
{
    live_fold *fold = &l->folds[node->index];
    graft_status status = fold->made ? GRAFT_OK : emit_fold(l, node, wanted, fold);
    if (status == GRAFT_OK)
        *out = fold;
    return status;
}

graft_status graft_lowering_unfold(graft_lowering *l, const graft_node *node, graft_value weight_gradient,
                                   graft_value bias_gradient)
{
    graft_status status;
    const graft_node *affine = &l->request->graph->nodes[l->groups[node->index].affine];
    const live_fold *fold = &l->folds[node->index]; /* forward has made it */
    const graft_layout *layout = l->plan->values[fold->weight].layout;
    bool bias = graft_node_parameter(node, "bias") >= 0;
    graft_value values[] = {GRAFT_NO_VALUE, fold->scale,     GRAFT_NO_VALUE,  bias_gradient,
                            GRAFT_NO_VALUE, GRAFT_NEW_VALUE, GRAFT_NEW_VALUE, GRAFT_NEW_VALUE};
    graft_kernel *kernel;
    GRAFT_TRY(raw_weight(l, node, layout, &values[0]));
    GRAFT_TRY(graft_lowering_bring(l, weight_gradient, layout, &values[2]));
    if (bias)
        GRAFT_TRY(graft_lowering_raw_parameter(l, node, "bias", NULL, &values[4]));
    GRAFT_TRY(graft_fold_backward(&kernel, l->request->device, layout, bias));
    GRAFT_TRY(graft_lowering_emit(l, kernel, values));
    if (node->trains)
        GRAFT_TRY(graft_lowering_add_parameter_gradient(l, node, "weight", values[5]));
    if (node->trains && bias)
        GRAFT_TRY(graft_lowering_add_parameter_gradient(l, node, "bias", values[7]));
    if (affine->trains)
        GRAFT_TRY(affine->op->lower_affine_backward(l, affine, values[6], bias_gradient));
out:
    return status;
}
