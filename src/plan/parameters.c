/* Parameters and their gradients, as kernels want them. What is frozen is a constant, folded and packed
 * (constants.c). What trains is the executor's, and a plan whose request says so decides how it lies there
 * from step to step: as its forward reads it first, so that no step packs it anew; weights that are
 * transformed for Winograd's method in blocks from which that is quick. Gradients lie alike. */
#include "plan/internal.h"

#include <string.h>

#include "base/status.h"
#include "graph/op.h"

/* ---- Layouts ---- */

/* How a parameter that trains lies. `wanted`: as the caller would like it, NULL: row-major. */
static graft_status decide(graft_lowering *l, const graft_node *node, int slot, const graft_layout *wanted,
                           const graft_layout **layout)
{
    const graft_layout **kept = &l->plan->kept[node->first_tensor + slot];
    graft_status status = GRAFT_OK;
    if (!*kept && wanted && l->request->packs)
        *kept = wanted;
    if (!*kept)
        GRAFT_TRY(graft_layout_plain(l->request->device, &node->parameters[slot].shape, kept));
    *layout = *kept;
out:
    return status;
}

graft_status graft_lowering_bring(graft_lowering *l, graft_value v, const graft_layout *layout,
                                  graft_value *out)
{
    graft_status status;
    const graft_layout *between, *from = l->plan->values[v].layout;
    GRAFT_TRY(graft_layout_kept(l->request->device, layout, &between));
    if (between != layout && graft_layout_is_plain(from))
        return graft_lowering_reorder(l, v, layout, out);
    if (!graft_shape_equal(graft_layout_shape(from), graft_layout_shape(between)))
        GRAFT_TRY(graft_lowering_view(l, v, graft_layout_shape(between), &v));
    GRAFT_TRY(graft_lowering_reorder(l, v, between, &v));
    status = graft_lowering_reorder(l, v, layout, out);
out:
    return status;
}

/* ---- Values ---- */

static graft_status trained(graft_lowering *l, const graft_node *node, int slot, const graft_layout *wanted,
                            bool gradient, graft_value *out)
{
    value v = {.home = HOME_PARAMETER,
               .tensor = &l->request->tensors[node->first_tensor + slot],
               .gradient = gradient};
    graft_status status = decide(l, node, slot, wanted, &v.layout);
    return status == GRAFT_OK ? graft_plan_add_value(l->plan, &v, out) : status;
}

/* `affine`: the node whose scale and shift are folded into a constant; -1: none. */
static graft_status parameter_of(graft_lowering *l, const graft_node *node, int slot, int affine,
                                 const graft_layout *wanted, graft_value *out)
{
    graft_constant *constant;
    if (node->trains)
        return trained(l, node, slot, wanted, false, out);
    graft_constants_origin origin = graft_plan_origin(l->request);
    graft_status status =
        graft_constants_plain(l->request->constants, &origin, node->index, slot, affine, &constant);
    return status == GRAFT_OK ? graft_lowering_constant(l, constant, out) : status;
}

graft_status graft_lowering_raw_parameter(graft_lowering *l, const graft_node *node, const char *suffix,
                                          const graft_layout *wanted, graft_value *out)
{
    int slot = graft_node_parameter(node, suffix);
    if (slot < 0)
        return graft_fail(GRAFT_EINTERNAL, "node %s has no %s", node->name, suffix);
    return parameter_of(l, node, slot, -1, wanted, out);
}

/* A weight, or the bias that belongs to it, folded where the node's group says so. */
static graft_status folded_parameter(graft_lowering *l, const graft_node *node, bool bias,
                                     const graft_layout *wanted, graft_value *out)
{
    live_fold *fold;
    if (!graft_lowering_is_folded(l, node)) /* slot 1: a convolution without a bias gets the folded one */
        return parameter_of(l, node, bias ? 1 : 0, l->groups[node->index].affine, wanted, out);
    graft_status status = graft_lowering_folded(l, node, wanted, &fold);
    if (status == GRAFT_OK)
        *out = bias ? fold->bias : fold->weight;
    return status;
}

graft_status graft_lowering_parameter(graft_lowering *l, const graft_node *node, const char *suffix,
                                      graft_value *out)
{
    if (l->groups[node->index].affine < 0)
        return graft_lowering_raw_parameter(l, node, suffix, NULL, out);
    return folded_parameter(l, node, strcmp(suffix, "bias") == 0, NULL, out);
}

graft_status graft_lowering_weight(graft_lowering *l, const graft_node *node, const graft_layout *layout,
                                   graft_value *out)
{
    graft_status status;
    const graft_layout *wanted;
    GRAFT_TRY(graft_layout_kept(l->request->device, layout, &wanted));
    GRAFT_TRY(folded_parameter(l, node, false, wanted, out));
    status = graft_lowering_bring(l, *out, layout, out);
out:
    return status;
}

bool graft_lowering_has_bias(const graft_lowering *l, const graft_node *node)
{
    return l->groups[node->index].affine >= 0 || graft_node_parameter(node, "bias") >= 0;
}

/* ---- Gradients ---- */

graft_status graft_lowering_parameter_gradient(graft_lowering *l, const graft_node *node, const char *suffix,
                                               graft_value *gradient)
{
    return trained(l, node, graft_node_parameter(node, suffix), NULL, true, gradient);
}

graft_status graft_lowering_add_parameter_gradient(graft_lowering *l, const graft_node *node,
                                                   const char *suffix, graft_value gradient)
{
    graft_status status;
    graft_value values[2];
    graft_kernel *kernel;
    GRAFT_TRY(graft_lowering_parameter_gradient(l, node, suffix, &values[1]));
    const graft_layout *layout = l->plan->values[values[1]].layout;
    GRAFT_TRY(graft_lowering_bring(l, gradient, layout, &values[0]));
    GRAFT_TRY(graft_accumulate(&kernel, l->request->device, layout, &l->request->gradients));
    GRAFT_TRY(graft_lowering_emit(l, kernel, values));
out:
    return status;
}

const graft_gradient_rule *graft_lowering_gradient_rule(const graft_lowering *l)
{
    return &l->request->gradients;
}

static bool weight_changes(const graft_lowering *l, const graft_node *node)
{
    int affine = l->groups[node->index].affine;
    return node->trains || (affine >= 0 && l->request->graph->nodes[affine].trains);
}

bool graft_lowering_wants_weights(const graft_lowering *l, const graft_node *node)
{
    return l->request->training && weight_changes(l, node);
}

graft_status graft_lowering_add_weight_gradients(graft_lowering *l, const graft_node *node,
                                                 graft_value weight, graft_value bias)
{
    if (graft_lowering_is_folded(l, node))
        return graft_lowering_unfold(l, node, weight, bias);
    graft_status status = graft_lowering_add_parameter_gradient(l, node, "weight", weight);
    if (status == GRAFT_OK && bias >= 0)
        status = graft_lowering_add_parameter_gradient(l, node, "bias", bias);
    return status;
}
