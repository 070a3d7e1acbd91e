/* The steps of an executor's plans, for whoever looks for lost time. */
#include <graft/plan.h>

#include "train/executor.h"

const char *graft_instructions(void)
{
    return graft_device_instructions();
}

graft_status graft_executor_plan_prediction(graft_executor *e)
{
    graft_status status = GRAFT_OK;
    graft_plan *plan;
    const int slices[] = {1, e->slice}, rows[] = {1, e->rows};
    graft_device_enter(e->device);
    for (int i = 0; i < 2; i++) {
        GRAFT_TRY(graft_executor_plan(e, GRAFT_PLAN_BACKBONE, false, slices[i], &plan));
        if (e->upper)
            GRAFT_TRY(graft_executor_plan(e, GRAFT_PLAN_UPPER, false, rows[i], &plan));
    }
out:
    return status;
}

size_t graft_executor_step_count(const graft_executor *e)
{
    size_t count = 0;
    for (size_t i = 0; i < e->plan_count; i++)
        count += graft_plan_step_count(e->plans[i].plan);
    return count;
}

static const char *part_name(const graft_plan_entry *entry)
{
    if (entry->part == GRAFT_PLAN_BACKBONE)
        return "backbone";
    return entry->training ? "training" : "evaluation";
}

void graft_executor_step_info(const graft_executor *e, size_t index, graft_step_info *info)
{
    static const char *const phases[] = {"forward", "loss", "backward"};
    size_t plan = 0;
    for (; index >= graft_plan_step_count(e->plans[plan].plan); plan++)
        index -= graft_plan_step_count(e->plans[plan].plan);
    const graft_plan_entry *entry = &e->plans[plan];
    graft_plan_step step = graft_plan_step_at(entry->plan, index);
    *info = (graft_step_info){
        .plan = plan,
        .kernels = graft_plan_kernels(entry->plan),
        .part = part_name(entry),
        .batch = entry->batch,
        .workspace = graft_plan_workspace(entry->plan),
        .phase = phases[step.phase],
        .node = step.node,
        .kernel = step.implementation,
        .layout = graft_layout_name(step.to),
        .from = step.reorders ? graft_layout_name(step.from) : NULL,
        .shape = *graft_layout_shape(step.to),
        .scratch = step.scratch,
        .live = step.live,
        .seconds = step.seconds,
    };
}

graft_status graft_executor_time_steps(graft_executor *e, int rounds)
{
    graft_status status = GRAFT_OK;
    e->stage = GRAFT_STAGE_NONE;
    e->fresh = true;
    graft_device_enter(e->device);
    graft_executor_make_up_feeds(e);
    for (size_t i = 0; i < e->plan_count; i++)
        GRAFT_TRY(graft_plan_time(e->plans[i].plan, rounds > 0 ? rounds : 1));
out:
    return status;
}
