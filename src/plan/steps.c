/* Looking at a compiled plan: what each step is, what memory is in use while it runs, how long it takes. */
#include "plan/internal.h"

#include <stdlib.h>
#include <string.h>

#include <graft/tools.h>

#include "base/memory.h"

size_t graft_plan_step_count(const graft_plan *plan)
{
    return plan->step_count;
}

static size_t live_bytes(const graft_plan *plan, int at)
{
    size_t bytes = 0;
    for (size_t i = 0; i < plan->value_count; i++) {
        const value *v = &plan->values[i];
        if (v->home == HOME_WORKSPACE && v->root == (int)i && v->first <= at && v->last >= at)
            bytes += v->bytes;
    }
    return bytes;
}

/* Of the largest that is written: statistics are written too. */
static const graft_layout *written_layout(const graft_kernel *kernel)
{
    const graft_layout *largest = NULL;
    for (int slot = 0; slot < GRAFT_KERNEL_SLOTS; slot++) {
        bool writes = kernel->access[slot] == GRAFT_WRITES || kernel->access[slot] == GRAFT_UPDATES;
        const graft_layout *layout = kernel->layouts[slot];
        if (writes && (!largest || graft_layout_bytes(layout) > graft_layout_bytes(largest)))
            largest = layout;
    }
    return largest;
}

graft_plan_step graft_plan_step_at(const graft_plan *plan, size_t index)
{
    const step *s = &plan->steps[index];
    return (graft_plan_step){
        .phase = s->phase,
        .node = s->node >= 0 ? plan->graph->nodes[s->node].name : "loss",
        .implementation = s->kernel->implementation,
        .reorders = s->reorders,
        .from = s->kernel->layouts[0],
        .to = written_layout(s->kernel),
        .scratch = s->kernel->scratch,
        .live = live_bytes(plan, (int)index),
        .seconds = s->seconds,
    };
}

/* ---- Time ---- */

static int by_value(const void *a, const void *b)
{
    const double *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

double graft_plan_median(double *values, int count)
{
    qsort(values, (size_t)count, sizeof *values, by_value);
    return values[count / 2];
}

/* Numbers between -1 and 1, so that nothing is quicker for being zero. */
void graft_plan_make_up(float *values, size_t count)
{
    for (size_t i = 0; i < count; i++)
        values[i] = (float)(i * 2654435761U >> 8 & 0xff) / 128.0F - 1.0F;
}

/* What a run reads of the workspace: a picture may lie where something else was written since. */
static void make_up_inputs(graft_plan *plan)
{
    if (plan->labels >= 0)
        memset(graft_plan_labels(plan), 0, sizeof(int32_t) * (size_t)plan->batch);
    if (plan->picture >= 0)
        graft_plan_make_up(graft_plan_picture(plan),
                           graft_layout_bytes(plan->values[plan->picture].layout) / sizeof(float));
}

/* One run of all steps in their order; `seconds` NULL: not timed. */
static graft_status run_round(graft_plan *plan, double *seconds)
{
    graft_status status = GRAFT_OK;
    make_up_inputs(plan);
    for (size_t i = 0; i < plan->step_count; i++) {
        double began = graft_clock();
        GRAFT_TRY(graft_kernel_run(plan->steps[i].kernel));
        if (seconds)
            seconds[i] = graft_clock() - began;
    }
out:
    return status;
}

graft_status graft_plan_rehearse(graft_plan *plan)
{
    return run_round(plan, NULL);
}

graft_status graft_plan_time(graft_plan *plan, int rounds)
{
    graft_status status;
    double *all = NULL, *one = NULL;
    GRAFT_TRY(GRAFT_NEW_ARRAY(&all, (size_t)rounds * plan->step_count));
    GRAFT_TRY(GRAFT_NEW_ARRAY(&one, (size_t)rounds));
    GRAFT_TRY(run_round(plan, NULL));
    for (int round = 0; round < rounds; round++)
        GRAFT_TRY(run_round(plan, all + (size_t)round * plan->step_count));
    for (size_t i = 0; i < plan->step_count; i++) {
        for (int round = 0; round < rounds; round++)
            one[round] = all[(size_t)round * plan->step_count + i];
        plan->steps[i].seconds = graft_plan_median(one, rounds);
    }
out:
    free(all);
    free(one);
    return status;
}
