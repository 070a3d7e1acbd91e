/* Memory: each value of the workspace lives from its first step to its last; two that live at the same time
 * do not overlap. Greedy by size (Pisarchyk and Lee, "Efficient memory management for deep neural net
 * inference", 2020): the largest first, each at the lowest offset that is free during its life. A kernel that
 * may work in place writes onto an input whose life ends with it. */
#include "plan/internal.h"

#include <stdlib.h>

#include "base/memory.h"

enum { ALIGNMENT = 64, NEVER = -2 };

static graft_value root_of(const graft_plan *plan, graft_value v)
{
    while (plan->values[v].root != v)
        v = plan->values[v].root;
    return v;
}

static void touch(graft_plan *plan, graft_value v, int at)
{
    value *root = &plan->values[root_of(plan, v)];
    if (root->first == NEVER || at < root->first)
        root->first = at;
    if (at > root->last)
        root->last = at;
}

static void find_lives(graft_plan *plan)
{
    int end = (int)plan->step_count;
    for (int i = 0; i < end; i++) {
        const step *s = &plan->steps[i];
        for (int slot = 0; slot < GRAFT_KERNEL_SLOTS; slot++)
            if (s->kernel->access[slot] != GRAFT_UNUSED)
                touch(plan, s->values[slot], i);
        if (s->scratch >= 0)
            touch(plan, s->scratch, i);
    }
    const graft_value inputs[] = {plan->picture, plan->labels};
    for (int i = 0; i < 2; i++)
        if (inputs[i] >= 0)
            touch(plan, inputs[i], -1);
    for (int i = 0; i < plan->output_count; i++)
        touch(plan, plan->outputs[i], end);
    for (int i = 0; i < plan->loss_count; i++)
        touch(plan, plan->losses[i], end);
}

static void merge_in_place(graft_plan *plan)
{
    for (int i = 0; i < (int)plan->step_count; i++) {
        const step *s = &plan->steps[i];
        if (s->kernel->in_place < 0)
            continue;
        graft_value to = root_of(plan, s->values[s->kernel->in_place]);
        graft_value from = root_of(plan, s->values[s->kernel->in_place_of]);
        value *target = &plan->values[to], *source = &plan->values[from];
        if (to == from || target->home != HOME_WORKSPACE || source->home != HOME_WORKSPACE ||
            source->last != i || target->first != i || target->bytes != source->bytes)
            continue;
        target->root = from;
        source->last = target->last;
    }
}

typedef struct item {
    graft_value v;
    size_t bytes;
} item;

static int by_size(const void *a, const void *b)
{
    const item *x = a, *y = b;
    if (x->bytes != y->bytes)
        return x->bytes < y->bytes ? 1 : -1;
    return x->v - y->v;
}

/* `placed` is sorted by offset; the lowest gap among those alive at the same time. */
static size_t lowest_offset(value *const *placed, size_t count, const value *v)
{
    size_t offset = 0;
    for (size_t i = 0; i < count; i++) {
        const value *other = placed[i];
        if (other->last < v->first || other->first > v->last)
            continue;
        if (other->offset >= offset + v->bytes)
            break;
        size_t end = other->offset + other->bytes;
        if (end > offset)
            offset = end;
    }
    return offset;
}

/* Keeps `placed` sorted by offset. */
static void insert(value **placed, size_t count, value *v)
{
    size_t at = count;
    for (; at > 0 && placed[at - 1]->offset > v->offset; at--)
        placed[at] = placed[at - 1];
    placed[at] = v;
}

static void place_all(graft_plan *plan, const item *items, value **placed, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        value *v = &plan->values[items[i].v];
        v->offset = lowest_offset(placed, i, v);
        if (v->offset + v->bytes > plan->workspace)
            plan->workspace = v->offset + v->bytes;
        insert(placed, i, v);
    }
}

graft_status graft_plan_place(graft_plan *plan)
{
    graft_status status;
    item *items = NULL;
    value **placed = NULL;
    size_t count = 0;
    for (size_t i = 0; i < plan->value_count; i++) {
        value *v = &plan->values[i];
        v->first = v->last = NEVER;
        v->bytes = (graft_layout_bytes(v->layout) + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    }
    find_lives(plan);
    merge_in_place(plan);
    GRAFT_TRY(GRAFT_NEW_ARRAY(&items, plan->value_count));
    GRAFT_TRY(GRAFT_NEW_ARRAY(&placed, plan->value_count));
    for (size_t i = 0; i < plan->value_count; i++) {
        const value *v = &plan->values[i];
        if (v->home == HOME_WORKSPACE && v->root == (int)i && v->first != NEVER)
            items[count++] = (item){(int)i, v->bytes};
    }
    qsort(items, count, sizeof *items, by_size);
    place_all(plan, items, placed, count);
out:
    free(items);
    free(placed);
    return status;
}

void *graft_plan_address(const graft_plan *plan, graft_value v, float *const *inputs)
{
    const value *root = &plan->values[root_of(plan, v)];
    switch (root->home) {
    case HOME_WORKSPACE:
        return plan->base + root->offset;
    case HOME_CONSTANT:
        return root->constant->data;
    case HOME_INPUT:
        return inputs[root->input];
    case HOME_PARAMETER:
        break;
    }
    return root->gradient ? root->tensor->gradient : root->tensor->value;
}
