/* What trains: which tensors, and their memory. Each lies as the training plan reads it (plan/parameters.c),
 * with its gradient and its velocity; whoever looks from outside reads it row-major. */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "graph/op.h"
#include "train/executor.h"

/* Running statistics are the executor's own only where they move. Who only runs a model trains nothing, also
 * where its marks say so. */
static bool is_trained(const graft_executor *e, const graft_node *node, int slot)
{
    if (e->options.batch == 0)
        return false;
    graft_parameter_kind kind = node->parameters[slot].kind;
    bool moves = kind == GRAFT_PARAMETER_RUNNING && e->options.batch_norm == GRAFT_BATCH_NORM_TRAIN;
    return node->trains && (kind == GRAFT_PARAMETER_LEARNED || moves);
}

static graft_gram_role gram_role(const graft_executor *e, const graft_node *node, int slot)
{
    if (!e->gram || e->gram->tensors[node->first_tensor + slot].value)
        return GRAFT_GRAM_NONE;
    return slot == graft_node_parameter(node, "weight") ? GRAFT_GRAM_A : GRAFT_GRAM_C;
}

static size_t count_trained(const graft_executor *e)
{
    const graft_graph *graph = graft_executor_upper_graph(e);
    size_t count = 0;
    for (size_t i = 0; i < graph->count; i++)
        for (int j = 0; j < graph->nodes[i].parameter_count; j++)
            count += is_trained(e, &graph->nodes[i], j);
    return count;
}

graft_status graft_executor_list_trained(graft_executor *e)
{
    const graft_graph *graph = graft_executor_upper_graph(e);
    graft_status status = GRAFT_NEW_ARRAY(&e->trained, count_trained(e));
    for (size_t i = 0; i < graph->count && status == GRAFT_OK; i++)
        for (int j = 0; j < graph->nodes[i].parameter_count; j++) {
            const graft_node *node = &graph->nodes[i];
            int tensor = node->first_tensor + j;
            if (is_trained(e, node, j))
                e->trained[e->trained_count++] =
                    (graft_trained){.node = node,
                                    .slot = j,
                                    .tensor = e->gram ? e->gram->tensor_of[tensor] : tensor,
                                    .role = gram_role(e, node, j)};
        }
    return status;
}

/* ---- Memory ---- */

static graft_plan_tensor *tensor_of(const graft_executor *e, const graft_trained *t)
{
    return &graft_executor_upper_tensors(e)[t->node->first_tensor + t->slot];
}

static bool is_learned(const graft_trained *t)
{
    return t->node->parameters[t->slot].kind == GRAFT_PARAMETER_LEARNED;
}

static int64_t aligned(int64_t count)
{
    return (count + 15) / 16 * 16;
}

/* Decides how what trains lies; returns the floats that it takes in all. */
static int64_t lay_out(graft_executor *e, const graft_plan *plan)
{
    int64_t floats = 0;
    for (size_t i = 0; i < e->trained_count; i++) {
        graft_trained *t = &e->trained[i];
        const graft_layout *layout = plan ? graft_plan_kept(plan, t->node->first_tensor + t->slot) : NULL;
        tensor_of(e, t)->layout = layout;
        t->count = layout ? (int64_t)(graft_layout_bytes(layout) / sizeof(float))
                          : graft_shape_count(&t->node->parameters[t->slot].shape);
        floats += aligned(t->count) * (!is_learned(t) ? 1 : e->fused ? 2 : 3);
    }
    return floats;
}

static void place(graft_executor *e)
{
    float *at = e->trained_memory;
    for (size_t i = 0; i < e->trained_count; i++) {
        graft_trained *t = &e->trained[i];
        int64_t room = aligned(t->count);
        t->value = at;
        at += room;
        if (is_learned(t)) {
            t->gradient = at;
            t->velocity = e->fused ? at : at + room;
            at = t->velocity + room;
        }
        tensor_of(e, t)->value = t->value;
        tensor_of(e, t)->gradient = t->gradient;
    }
}

/* ---- Numbers ---- */

/* Between the executor's memory and row-major numbers. */
static graft_status copy(const graft_executor *e, const graft_trained *t, float *own, float *plain, bool out)
{
    graft_status status;
    const graft_layout *layout = tensor_of(e, t)->layout, *row_major;
    if (!layout || graft_layout_is_plain(layout)) {
        memcpy(out ? plain : own, out ? own : plain, sizeof(float) * (size_t)t->count);
        return GRAFT_OK;
    }
    GRAFT_TRY(graft_layout_plain(e->device, graft_layout_shape(layout), &row_major));
    status = out ? graft_reorder_once(e->device, layout, own, row_major, plain)
                 : graft_reorder_once(e->device, row_major, plain, layout, own);
out:
    return status;
}

static graft_status begin(graft_executor *e)
{
    graft_status status = GRAFT_OK;
    memset(e->trained_memory, 0, e->trained_bytes);
    graft_device_enter(e->device);
    graft_device_share_code(true);
    for (size_t i = 0; i < e->trained_count; i++) {
        const graft_trained *t = &e->trained[i];
        if (t->role == GRAFT_GRAM_NONE)
            GRAFT_TRY(copy(e, t, t->value, e->model->state.tensors[t->tensor]->data, false));
        else if (t->role == GRAFT_GRAM_C)
            *t->value = 1.0F; /* and A begins as zeros */
    }
out:
    graft_device_share_code(false);
    return status;
}

graft_status graft_executor_place_trained(graft_executor *e, const graft_plan *plan)
{
    graft_status status;
    size_t bytes = sizeof(float) * (size_t)lay_out(e, plan);
    if (!e->trained_memory || bytes > e->trained_bytes) {
        free(e->trained_memory);
        e->trained_memory = NULL;
        GRAFT_TRY(graft_allocate_aligned(&e->trained_memory, bytes));
        e->trained_bytes = bytes;
    }
    place(e);
    status = begin(e);
out:
    return status;
}

static float gram_factor(const graft_executor *e)
{
    float c = 0.0F;
    for (size_t i = 0; i < e->trained_count; i++)
        c = e->trained[i].role == GRAFT_GRAM_C ? *e->trained[i].value : c;
    return c;
}

graft_status graft_executor_read_trained(const graft_executor *e, const graft_trained *t, bool gradient,
                                         float *out)
{
    float *values = gradient ? t->gradient : t->value;
    graft_device_enter(e->device);
    if (t->role == GRAFT_GRAM_NONE)
        return copy(e, t, values, out, true);
    return graft_gram_weight(e->gram, e->device, values, gradient ? 0.0F : gram_factor(e), out);
}
