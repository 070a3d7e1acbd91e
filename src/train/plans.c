/* An executor's plans: compiled when they are wanted first, bound to one workspace, found again by part and
 * batch. */
#include "train/executor.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "ops/op.h"

static void list_feeds(const graft_executor *e, float **inputs)
{
    for (int i = 0; i < e->cut_count; i++)
        inputs[i] = e->cuts[i].feed;
}

void graft_executor_make_up_feeds(graft_executor *e)
{
    for (int i = 0; i < e->cut_count; i++)
        graft_plan_make_up(e->cuts[i].feed, e->cuts[i].count * (size_t)e->capacity);
}

static graft_status bind_entry(graft_executor *e, const graft_plan_entry *entry)
{
    if (e->gram && entry->part == GRAFT_PLAN_UPPER)
        return graft_plan_bind(entry->plan, e->workspace, e->gram->inputs);
    float *inputs[e->cut_count > 0 ? e->cut_count : 1];
    list_feeds(e, inputs);
    return graft_plan_bind(entry->plan, e->workspace, inputs);
}

/* A larger workspace moves: every plan is bound anew. */
static graft_status fit_workspace(graft_executor *e, const graft_plan_entry *entry)
{
    graft_status status = GRAFT_OK;
    size_t needed = graft_plan_workspace(entry->plan);
    if (needed <= e->workspace_bytes)
        return bind_entry(e, entry);
    void *workspace;
    GRAFT_TRY(graft_allocate_aligned(&workspace, needed));
    memset(workspace, 0, needed);
    free(e->workspace);
    e->workspace = workspace;
    e->workspace_bytes = needed;
    for (size_t i = 0; i < e->plan_count; i++)
        GRAFT_TRY(bind_entry(e, &e->plans[i]));
    status = bind_entry(e, entry);
out:
    return status;
}

static graft_plan_request request_of(graft_executor *e, graft_plan_part part, bool training, int batch)
{
    bool upper = part == GRAFT_PLAN_UPPER, alone = batch == 1 && !training;
    graft_kernels taken = e->choices[part].taken;
    graft_kernels asked = upper ? e->options.training_kernels : e->options.kernels;
    return (graft_plan_request){
        .graph = upper ? graft_executor_upper_graph(e) : e->model->state.graph,
        .device = e->device,
        .constants = upper && e->gram ? &e->gram->constants : &e->constants,
        .tensors = upper ? graft_executor_upper_tensors(e) : e->tensors,
        .batch = batch,
        .part = part,
        .precision = e->precision,
        .training = training,
        .loss = e->options.loss,
        .label_smoothing = e->options.label_smoothing,
        .kernels = alone   ? GRAFT_KERNELS_DIRECT
                   : taken ? taken
                           : asked,
        .move_statistics = e->options.batch_norm == GRAFT_BATCH_NORM_TRAIN,
        .drops = e->options.stochastic ? &e->drops : NULL,
        .gradients = {&e->fresh, e->fused ? e->options.optimizer.momentum : 0.0F},
    };
}

/* Binds the plan, and takes it, also on failure. */
static graft_status add_plan(graft_executor *e, const graft_plan_entry *entry)
{
    graft_status status;
    GRAFT_TRY(GRAFT_GROW(&e->plans, e->plan_count, &e->plan_capacity));
    graft_device_share_code(true);
    status = fit_workspace(e, entry);
    graft_device_share_code(false);
    GRAFT_TRY(status);
    e->plans[e->plan_count++] = *entry;
    return GRAFT_OK;
out:
    graft_plan_free(entry->plan);
    return status;
}

/* NULL: not compiled yet. */
static graft_plan *find_plan(const graft_executor *e, graft_plan_part part, bool training, int batch)
{
    for (size_t i = 0; i < e->plan_count; i++)
        if (e->plans[i].part == part && e->plans[i].training == training && e->plans[i].batch == batch)
            return e->plans[i].plan;
    return NULL;
}

static graft_status compile(graft_plan **plan, const graft_plan_request *request)
{
    graft_device_share_code(true); /* also what packs constants */
    graft_status status = graft_plan_compile(plan, request);
    graft_device_share_code(false);
    return status;
}

graft_status graft_executor_plan(graft_executor *e, graft_plan_part part, bool training, int batch,
                                 graft_plan **plan)
{
    graft_status status = GRAFT_OK;
    graft_plan_entry entry = {find_plan(e, part, training, batch), part, training, batch};
    if (!entry.plan) {
        graft_plan_request request = request_of(e, part, training, batch);
        GRAFT_TRY(compile(&entry.plan, &request));
        GRAFT_TRY(add_plan(e, &entry));
    }
    *plan = entry.plan;
out:
    return status;
}

bool graft_executor_convolves(const graft_executor *e, graft_plan_part part)
{
    const graft_graph *graph = e->model->state.graph;
    for (size_t i = 0; i < graph->count; i++)
        if (graph->nodes[i].op == &graft_op_conv2d && graph->nodes[i].backbone != (part == GRAFT_PLAN_UPPER))
            return true;
    return false;
}

static graft_status lay_out(void *context, const graft_plan *plan)
{
    return graft_executor_place_trained(context, plan);
}

/* Times the kernels of a part, and gives a plan of those that are taken. */
static graft_status measure(graft_executor *e, graft_plan **plan, const graft_plan_request *request)
{
    graft_status status;
    float *inputs[e->cut_count > 0 ? e->cut_count : 1];
    const graft_plan_stage stage = {inputs, request->packs ? lay_out : NULL, e};
    list_feeds(e, inputs);
    graft_executor_make_up_feeds(e);
    GRAFT_TRY(graft_plan_measure(plan, &e->choices[request->part], request, &stage));
    for (int i = 0; i < e->cut_count; i++)
        memset(inputs[i], 0, sizeof(float) * e->cuts[i].count * (size_t)e->capacity);
out:
    return status;
}

graft_status graft_executor_measure(graft_executor *e)
{
    graft_status status = GRAFT_OK;
    graft_plan_entry entry = {NULL, GRAFT_PLAN_BACKBONE, false, e->slice};
    const graft_plan_request request = request_of(e, entry.part, entry.training, entry.batch);
    if (e->options.kernels != GRAFT_KERNELS_MEASURE || !graft_executor_convolves(e, GRAFT_PLAN_BACKBONE))
        return GRAFT_OK;
    GRAFT_TRY(measure(e, &entry.plan, &request));
    status = add_plan(e, &entry);
out:
    return status;
}

/* What trains lies as the training plan reads it; the other plans take it from there. */
static graft_status compile_training(graft_executor *e, graft_plan **plan)
{
    graft_plan_request request = request_of(e, GRAFT_PLAN_UPPER, true, e->options.batch);
    request.packs = true;
    if (request.kernels == GRAFT_KERNELS_MEASURE && graft_executor_convolves(e, GRAFT_PLAN_UPPER))
        return measure(e, plan, &request);
    return compile(plan, &request);
}

graft_status graft_executor_compile(graft_executor *e)
{
    graft_status status = GRAFT_OK;
    graft_plan *plan, *training = NULL;
    if (e->upper)
        GRAFT_TRY(compile_training(e, &training));
    GRAFT_TRY(graft_executor_place_trained(e, training));
    GRAFT_TRY(graft_executor_plan(e, GRAFT_PLAN_BACKBONE, false, e->slice, &plan));
    if (e->upper) {
        const graft_plan_entry entry = {training, GRAFT_PLAN_UPPER, true, e->options.batch};
        GRAFT_TRY(graft_executor_plan(e, GRAFT_PLAN_UPPER, false, e->rows, &plan));
        training = NULL;
        status = add_plan(e, &entry);
    }
out:
    graft_plan_free(training);
    return status;
}

/* ---- What was chosen ---- */

static graft_kernels_choice choice_of(const graft_executor *e, graft_plan_part part, bool training, int batch)
{
    graft_kernels_choice choice = e->choices[part];
    const graft_plan *plan = find_plan(e, part, training, batch);
    if (choice.taken == GRAFT_KERNELS_RULE && plan)
        choice.taken = choice.by_rule = graft_plan_kernels(plan);
    return choice;
}

void graft_executor_kernels(const graft_executor *e, graft_kernels_choice *backbone,
                            graft_kernels_choice *training)
{
    *backbone = choice_of(e, GRAFT_PLAN_BACKBONE, false, e->slice);
    *training = choice_of(e, GRAFT_PLAN_UPPER, true, e->options.batch);
}
