/* What operators call while a plan is compiled: values, layouts and the list of steps. */
#include "plan/internal.h"

#include <string.h>

#include "base/memory.h"
#include "base/status.h"
#include "graph/op.h"

graft_device *graft_lowering_device(const graft_lowering *l)
{
    return l->request->device;
}

int64_t graft_lowering_batch(const graft_lowering *l)
{
    return l->request->batch;
}

bool graft_lowering_trains(const graft_lowering *l, const graft_node *node)
{
    return l->request->training && node->trains;
}

bool graft_lowering_moves_statistics(const graft_lowering *l)
{
    return l->request->move_statistics;
}

graft_kernels graft_lowering_kernels(const graft_lowering *l)
{
    return l->plan->kernels;
}

bool graft_lowering_uses_bf16(const graft_lowering *l)
{
    return l->request->precision == GRAFT_BF16 && l->request->part == GRAFT_PLAN_BACKBONE;
}

bool graft_lowering_leaves(const graft_lowering *l, const graft_node *node)
{
    return l->visible[l->groups[node->index].last];
}

const graft_drop_source *graft_lowering_drop_source(const graft_lowering *l)
{
    return l->request->drops;
}

graft_shape graft_lowering_shape(const graft_lowering *l, const graft_node *node)
{
    graft_shape shape = node->shape;
    shape.dims[0] = l->request->batch;
    return shape;
}

graft_shape graft_lowering_input_shape(const graft_lowering *l, const graft_node *node, int input)
{
    return graft_lowering_shape(l, &l->request->graph->nodes[node->inputs[input]]);
}

graft_value graft_lowering_input(graft_lowering *l, const graft_node *node, int input)
{
    return l->forward[node->inputs[input]];
}

/* A group's output is its last member's; what lies between was never written. */
graft_value graft_lowering_output(graft_lowering *l, const graft_node *node)
{
    return l->forward[l->groups[node->index].last];
}

void graft_lowering_set_output(graft_lowering *l, const graft_node *node, graft_value v)
{
    l->forward[l->groups[node->index].last] = v;
}

const graft_layout *graft_lowering_layout(const graft_lowering *l, graft_value v)
{
    return l->plan->values[v].layout;
}

graft_status graft_plan_add_value(graft_plan *plan, const value *model, graft_value *out)
{
    graft_status status = GRAFT_GROW(&plan->values, plan->value_count, &plan->value_capacity);
    if (status != GRAFT_OK)
        return status;
    graft_value v = (graft_value)plan->value_count;
    plan->values[v] = *model;
    plan->values[v].root = v;
    plan->value_count++;
    *out = v;
    return GRAFT_OK;
}

graft_status graft_lowering_constant(graft_lowering *l, graft_constant *constant, graft_value *out)
{
    value v = {.layout = constant->layout, .home = HOME_CONSTANT, .constant = constant};
    return graft_plan_add_value(l->plan, &v, out);
}

const graft_post_op *graft_lowering_post_ops(const graft_lowering *l, const graft_node *node, int *count)
{
    const graft_group *group = &l->groups[node->index];
    *count = group->post_count;
    return group->post_ops;
}

graft_value graft_lowering_residual(graft_lowering *l, const graft_node *node)
{
    int residual = l->groups[node->index].residual;
    return residual < 0 ? GRAFT_NO_VALUE : l->forward[residual];
}

bool graft_lowering_takes_squares(const graft_lowering *l, const graft_node *node)
{
    return l->groups[node->index].squares;
}

static graft_status add_step(graft_lowering *l, graft_kernel *kernel, const graft_value *values,
                             bool reorders)
{
    graft_status status;
    graft_plan *plan = l->plan;
    step s = {.kernel = kernel,
              .scratch = GRAFT_NO_VALUE,
              .phase = l->phase,
              .node = l->node,
              .reorders = reorders};
    for (int i = 0; i < GRAFT_KERNEL_SLOTS; i++)
        if (kernel->access[i] != GRAFT_UNUSED)
            s.values[i] = values[i];
    if (kernel->scratch > 0) {
        value scratch = {.home = HOME_WORKSPACE};
        graft_shape shape = GRAFT_SHAPE((int64_t)((kernel->scratch + 3) / 4));
        GRAFT_TRY(graft_layout_plain(l->request->device, &shape, &scratch.layout));
        GRAFT_TRY(graft_plan_add_value(plan, &scratch, &s.scratch));
    }
    GRAFT_TRY(GRAFT_GROW(&plan->steps, plan->step_count, &plan->step_capacity));
    plan->steps[plan->step_count++] = s;
    graft_plan_count_users(plan, &s, 1);
    return GRAFT_OK;
out:
    graft_kernel_free(kernel);
    return status;
}

/* A new value of this layout, filled from `from` by a step of its own. */
static graft_status copy_value(graft_lowering *l, graft_value from, const graft_layout *layout,
                               graft_value *out)
{
    graft_status status;
    graft_kernel *kernel;
    value v = {.layout = layout, .home = HOME_WORKSPACE};
    graft_value values[GRAFT_KERNEL_SLOTS] = {from, GRAFT_NO_VALUE};
    GRAFT_TRY(graft_plan_add_value(l->plan, &v, &values[1]));
    GRAFT_TRY(graft_reorder(&kernel, l->request->device, l->plan->values[from].layout, layout));
    GRAFT_TRY(add_step(l, kernel, values, true));
    *out = values[1];
out:
    return status;
}

graft_status graft_lowering_reorder(graft_lowering *l, graft_value v, const graft_layout *layout,
                                    graft_value *out)
{
    graft_status status;
    const value *from = &l->plan->values[v];
    if (from->layout == layout) {
        *out = v;
        return GRAFT_OK;
    }
    if (from->home == HOME_CONSTANT) {
        graft_constant *packed;
        GRAFT_TRY(
            graft_constants_packed(l->request->constants, from->constant, from->layout, layout, &packed));
        return graft_lowering_constant(l, packed, out);
    }
    for (size_t i = 0; i < l->copy_count; i++)
        if (l->copies[i].from == v && l->plan->values[l->copies[i].to].layout == layout) {
            *out = l->copies[i].to;
            return GRAFT_OK;
        }
    GRAFT_TRY(GRAFT_GROW(&l->copies, l->copy_count, &l->copy_capacity));
    GRAFT_TRY(copy_value(l, v, layout, out));
    l->copies[l->copy_count++] = (copy_of){v, *out};
out:
    return status;
}

/* One view of a layout, so that its copies are found again. It has the root's home too, so that addresses and
 * constants are found without following. */
graft_status graft_lowering_relabel(graft_lowering *l, graft_value v, const graft_layout *layout,
                                    graft_value *out)
{
    value view = l->plan->values[v];
    if (view.layout == layout) {
        *out = v;
        return GRAFT_OK;
    }
    for (size_t i = 0; i < l->plan->value_count; i++)
        if (l->plan->values[i].root == v && l->plan->values[i].layout == layout && (graft_value)i != v) {
            *out = (graft_value)i;
            return GRAFT_OK;
        }
    view.layout = layout;
    graft_status status = graft_plan_add_value(l->plan, &view, out);
    if (status == GRAFT_OK)
        l->plan->values[*out].root = v;
    return status;
}

graft_status graft_lowering_view(graft_lowering *l, graft_value v, const graft_shape *shape, graft_value *out)
{
    graft_status status;
    const graft_layout *from = l->plan->values[v].layout, *plain, *wanted;
    graft_dtype type = graft_layout_type(from);
    GRAFT_TRY(graft_layout_plain_of(l->request->device, graft_layout_shape(from), type, &plain));
    GRAFT_TRY(graft_layout_plain_of(l->request->device, shape, type, &wanted));
    GRAFT_TRY(graft_lowering_reorder(l, v, plain, &v));
    status = graft_lowering_relabel(l, v, wanted, out);
out:
    return status;
}

/* What is overwritten gets a new number on the same bytes, so that a copy of the old numbers is not taken for
 * one of the new. What others own (a kept feature) is not overwritten: a copy is. */
static graft_status prepare_update(graft_lowering *l, const graft_layout *layout, graft_value *v)
{
    graft_status status;
    value updated = l->plan->values[*v];
    if (updated.home == HOME_INPUT || updated.layout != layout)
        return copy_value(l, *v, layout, v);
    if (updated.home != HOME_WORKSPACE)
        return GRAFT_OK;
    graft_value before = *v;
    GRAFT_TRY(graft_plan_add_value(l->plan, &updated, v));
    l->plan->values[*v].root = before;
out:
    return status;
}

static graft_status prepare_slot(graft_lowering *l, const graft_kernel *kernel, int slot, graft_value *v)
{
    graft_status status;
    const graft_layout *layout = kernel->layouts[slot];
    switch (kernel->access[slot]) {
    case GRAFT_UNUSED:
        return GRAFT_OK;
    case GRAFT_READS:
        status = graft_lowering_recall(l, layout, v);
        return status == GRAFT_OK ? graft_lowering_reorder(l, *v, layout, v) : status;
    case GRAFT_UPDATES:
        return prepare_update(l, layout, v);
    case GRAFT_WRITES:
        break;
    }
    if (*v == GRAFT_NEW_VALUE) {
        value fresh = {.layout = layout, .home = HOME_WORKSPACE};
        return graft_plan_add_value(l->plan, &fresh, v);
    }
    if (l->plan->values[*v].layout != layout)
        return graft_fail(GRAFT_EINTERNAL, "slot %d of %s has another layout", slot, kernel->implementation);
    return GRAFT_OK;
}

graft_status graft_lowering_emit(graft_lowering *l, graft_kernel *kernel, graft_value *values)
{
    for (int slot = 0; slot < GRAFT_KERNEL_SLOTS; slot++) {
        graft_status status =
            kernel->access[slot] == GRAFT_UNUSED ? GRAFT_OK : prepare_slot(l, kernel, slot, &values[slot]);
        if (status != GRAFT_OK) {
            graft_kernel_free(kernel);
            return status;
        }
    }
    return add_step(l, kernel, values, false);
}

graft_value graft_lowering_gradient(graft_lowering *l, const graft_node *node)
{
    const graft_group *group = &l->groups[node->index];
    return l->gradient[group->whole ? group->last : node->index];
}

static int source_of(const graft_lowering *l, const graft_node *node, int input)
{
    return input == GRAFT_RESIDUAL ? l->groups[node->index].residual : node->inputs[input];
}

bool graft_lowering_wants_gradient(const graft_lowering *l, const graft_node *node, int input)
{
    return l->needs_gradient[source_of(l, node, input)];
}

graft_status graft_lowering_add_gradient(graft_lowering *l, const graft_node *node, int input,
                                         graft_value gradient)
{
    graft_status status;
    graft_value *sum = &l->gradient[source_of(l, node, input)];
    if (*sum == GRAFT_NO_VALUE) {
        *sum = gradient;
        return GRAFT_OK;
    }
    graft_kernel *kernel;
    graft_value values[] = {*sum, gradient, GRAFT_NEW_VALUE};
    GRAFT_TRY(graft_add(&kernel, l->request->device, l->plan->values[*sum].layout));
    GRAFT_TRY(graft_lowering_emit(l, kernel, values));
    *sum = values[2];
out:
    return status;
}

void graft_lowering_save(graft_lowering *l, const graft_node *node, int slot, graft_value v)
{
    l->saved[node->index * SAVED_SLOTS + slot] = v;
}

graft_value graft_lowering_saved(graft_lowering *l, const graft_node *node, int slot)
{
    return l->saved[node->index * SAVED_SLOTS + slot];
}
