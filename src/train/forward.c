/* The loop's calls. Rows across the cut come from the store or from the backbone, slice by slice; the upper
 * plan does the rest. */
#include "train/executor.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/status.h"
#include "image/image.h"
#include "kernels/host/sgd.h"

/* ---- Rows ---- */

static void put_row(graft_executor *e, int place, const float *row)
{
    for (int i = 0; i < e->cut_count; i++) {
        size_t count = e->cuts[i].count;
        memcpy(e->cuts[i].feed + (size_t)place * count, row, sizeof(float) * count);
        row += count;
    }
}

/* Row `index` of what the backbone gave, into the feeds. */
static void put_outputs(graft_executor *e, const graft_plan *backbone, int index, int place)
{
    for (int i = 0; i < e->cut_count; i++) {
        size_t count = e->cuts[i].count;
        memcpy(e->cuts[i].feed + (size_t)place * count,
               graft_plan_output(backbone, i) + (size_t)index * count, sizeof(float) * count);
    }
}

static graft_status keep_row(graft_executor *e, int place, int sample, int view)
{
    float *row = e->picture_row;
    for (int i = 0; i < e->cut_count; i++) {
        size_t count = e->cuts[i].count;
        memcpy(row, e->cuts[i].feed + (size_t)place * count, sizeof(float) * count);
        row += count;
    }
    return graft_features_add(e->features, sample, view, e->picture_row);
}

/* Pictures that wait for the backbone. */
typedef struct slice {
    graft_plan *plan;
    int places[GRAFT_SLICE]; /* rows of the feeds */
    int count;
    const int *samples, *views; /* by place; NULL: nothing is kept */
} slice;

static graft_status run_slice(graft_executor *e, slice *s)
{
    graft_status status = GRAFT_OK;
    if (s->count == 0)
        return GRAFT_OK;
    size_t picture = (size_t)graft_shape_count(&e->model->state.graph->nodes[0].shape);
    float *pictures = graft_plan_picture(s->plan);
    memset(pictures + (size_t)s->count * picture, 0, sizeof(float) * (size_t)(e->slice - s->count) * picture);
    GRAFT_TRY(graft_plan_run(s->plan, GRAFT_PHASE_FORWARD));
    for (int i = 0; i < s->count; i++) {
        int place = s->places[i];
        put_outputs(e, s->plan, i, place);
        if (s->samples && graft_features_has_room(e->features, s->samples[place], s->views[place]))
            GRAFT_TRY(keep_row(e, place, s->samples[place], s->views[place]));
    }
    s->count = 0;
out:
    return status;
}

graft_batch graft_batch_part(const graft_batch *batch, int from, int count)
{
    return (graft_batch){
        .count = count,
        .samples = batch->samples ? batch->samples + from : NULL,
        .views = batch->views ? batch->views + from : NULL,
        .labels = batch->labels ? batch->labels + from : NULL,
        .pixels = batch->pixels ? batch->pixels + from : NULL,
        .causes = batch->causes ? batch->causes + from : NULL,
        .dataset = batch->dataset,
    };
}

/* Whether kept rows may be meant by the numbers of a batch's samples. */
static bool are_numbered(const graft_executor *e, const graft_batch *batch)
{
    return e->features && batch->samples && batch->views &&
           graft_features_are_of(e->features, batch->dataset);
}

/* The pictures of the last training batch are gone from the workspace then. */
graft_status graft_executor_gather(graft_executor *e, const graft_batch *batch)
{
    graft_status status;
    const graft_transform *transform = &e->model->transform;
    size_t picture = (size_t)graft_shape_count(&e->model->state.graph->nodes[0].shape);
    slice s = {.count = 0};
    e->stage = GRAFT_STAGE_NONE;
    graft_device_enter(e->device);
    if (are_numbered(e, batch)) {
        s.samples = batch->samples;
        s.views = batch->views;
    }
    for (int i = 0; i < batch->count; i++) {
        const float *kept = s.samples ? graft_features_find(e->features, s.samples[i], s.views[i]) : NULL;
        if (kept) {
            put_row(e, i, kept);
            continue;
        }
        if (!batch->pixels || !batch->pixels[i])
            return graft_fail(GRAFT_EIO, "%s",
                              batch->causes && batch->causes[i] ? batch->causes[i]
                                                                : "a picture of the batch was not decoded");
        if (!s.plan) /* who finds all that he looks for needs no backbone */
            GRAFT_TRY(graft_executor_plan(e, GRAFT_PLAN_BACKBONE, false, e->slice, &s.plan));
        s.places[s.count] = i;
        graft_image_normalize(graft_plan_picture(s.plan) + (size_t)s.count * picture, batch->pixels[i],
                              transform->crop, transform);
        if (++s.count == e->slice)
            GRAFT_TRY(run_slice(e, &s));
    }
    status = run_slice(e, &s);
out:
    return status;
}

/* Rows of the upper plan's inputs for pictures of a batch. In the Gram form they are products, which are
 * known of what was kept for it; what is only looked at is multiplied here. */
static graft_status take_rows(graft_executor *e, const graft_batch *batch)
{
    graft_status status = GRAFT_OK;
    bool known = e->gram && e->gram->filled && are_numbered(e, batch);
    for (int i = 0; known && i < batch->count; i++) {
        const graft_gram_view *view = graft_gram_find(e->gram, batch->samples[i], batch->views[i]);
        known = view && (graft_gram_trains(e->gram, view) || !e->training);
        if (known)
            graft_gram_put(e->gram, i, view);
    }
    if (e->gram && e->training && !known)
        return graft_fail(GRAFT_EARGUMENT, "the batch has a view that the Gram form was not planned for: "
                                           "graft_executor_keep tells which there are");
    e->stage = GRAFT_STAGE_NONE;
    graft_device_enter(e->device);
    if (known)
        return GRAFT_OK;
    GRAFT_TRY(graft_executor_gather(e, batch));
    if (e->gram)
        status = graft_gram_put_features(e->gram, e->device, e->cuts[0].feed, batch->count);
out:
    return status;
}

/* ---- Forward ---- */

void graft_executor_train(graft_executor *e)
{
    e->training = e->options.batch > 0;
}

void graft_executor_eval(graft_executor *e)
{
    e->training = false;
}

static graft_status check_labels(const graft_executor *e, const graft_batch *batch)
{
    for (int i = 0; i < batch->count; i++)
        if (batch->labels[i] < 0 || (size_t)batch->labels[i] >= e->model->class_count)
            return graft_fail(GRAFT_EARGUMENT, "label %d is none of the %zu classes", batch->labels[i],
                              e->model->class_count);
    return GRAFT_OK;
}

static graft_status forward_training(graft_executor *e, const graft_batch *batch)
{
    graft_status status;
    graft_plan *plan;
    if (batch->count < 1 || batch->count > e->options.batch)
        return graft_fail(GRAFT_EARGUMENT, "a batch of %d where the executor was made for 1 to %d",
                          batch->count, e->options.batch);
    if (!e->upper)
        return graft_fail(GRAFT_EARGUMENT, "nothing of the model trains");
    GRAFT_TRY(check_labels(e, batch));
    GRAFT_TRY(graft_executor_plan(e, GRAFT_PLAN_UPPER, true, batch->count, &plan));
    GRAFT_TRY(take_rows(e, batch));
    e->drops.step++;
    e->moves += e->options.batch_norm == GRAFT_BATCH_NORM_TRAIN;
    GRAFT_TRY(graft_plan_run(plan, GRAFT_PHASE_FORWARD));
    for (int i = 0; i < batch->count; i++)
        graft_plan_labels(plan)[i] = batch->labels[i];
    e->current = plan;
    e->stage = GRAFT_STAGE_FORWARD;
out:
    return status;
}

static graft_status evaluate_rows(graft_executor *e, const graft_batch *batch, int from, int count,
                                  graft_plan *upper)
{
    graft_status status;
    size_t classes = e->model->class_count;
    const graft_batch part = graft_batch_part(batch, from, count);
    GRAFT_TRY(take_rows(e, &part));
    if (upper)
        GRAFT_TRY(graft_plan_run(upper, GRAFT_PHASE_FORWARD));
    const float *logits = upper ? graft_plan_output(upper, 0) : e->cuts[e->cut_count - 1].feed;
    memcpy(e->logits + (size_t)from * classes, logits, sizeof(float) * (size_t)count * classes);
out:
    return status;
}

static graft_status forward_evaluation(graft_executor *e, const graft_batch *batch)
{
    graft_status status = GRAFT_OK;
    graft_plan *upper = NULL;
    if (batch->count < 1)
        return graft_fail(GRAFT_EARGUMENT, "a batch of %d", batch->count);
    if ((size_t)batch->count > e->logit_rows) {
        GRAFT_TRY(graft_reallocate(&e->logits, (size_t)batch->count * e->model->class_count, sizeof(float)));
        e->logit_rows = (size_t)batch->count;
    }
    if (e->upper)
        GRAFT_TRY(graft_executor_plan(e, GRAFT_PLAN_UPPER, false, e->rows, &upper));
    for (int from = 0; from < batch->count; from += e->rows) {
        int left = batch->count - from;
        GRAFT_TRY(evaluate_rows(e, batch, from, left < e->rows ? left : e->rows, upper));
    }
out:
    return status;
}

graft_status graft_executor_forward(graft_executor *e, const graft_batch *batch)
{
    return e->training ? forward_training(e, batch) : forward_evaluation(e, batch);
}

const float *graft_executor_logits(const graft_executor *e)
{
    return e->stage == GRAFT_STAGE_NONE ? e->logits : graft_plan_output(e->current, 0);
}

/* ---- Loss, backward, step ---- */

static graft_status run_loss(graft_executor *e)
{
    graft_status status = GRAFT_OK;
    if (e->stage == GRAFT_STAGE_NONE)
        return graft_fail(GRAFT_EARGUMENT, "the loss needs a forward in training before it");
    if (e->stage == GRAFT_STAGE_FORWARD) {
        GRAFT_TRY(graft_plan_run(e->current, GRAFT_PHASE_LOSS));
        e->stage = GRAFT_STAGE_LOSS;
    }
out:
    return status;
}

graft_status graft_executor_loss(graft_executor *e, const graft_batch *batch, float *loss)
{
    graft_status status;
    (void)batch; /* its labels went in with forward */
    GRAFT_TRY(run_loss(e));
    *loss = graft_plan_loss(e->current);
out:
    return status;
}

graft_status graft_executor_zero_grad(graft_executor *e)
{
    e->fresh = true;
    return GRAFT_OK;
}

/* Its gradients lie where forward's values lay, so a forward has one backward. */
graft_status graft_executor_backward(graft_executor *e)
{
    graft_status status;
    if (e->stage == GRAFT_STAGE_NONE || e->stage == GRAFT_STAGE_BACKWARD)
        return graft_fail(GRAFT_EARGUMENT, "a backward needs a forward in training before it");
    graft_device_enter(e->device);
    GRAFT_TRY(run_loss(e));
    e->stage = GRAFT_STAGE_BACKWARD;
    GRAFT_TRY(graft_plan_run(e->current, GRAFT_PHASE_BACKWARD));
    e->fresh = false;
out:
    return status;
}

/* torch.nn.utils.clip_grad_norm_: what is left of every gradient. */
static float clip_scale(const graft_executor *e)
{
    double squares = 0.0;
    if (e->options.clip <= 0.0F)
        return 1.0F;
    for (size_t i = 0; i < e->trained_count; i++) {
        const graft_trained *t = &e->trained[i];
        if (t->role == GRAFT_GRAM_A)
            squares += graft_gram_squares(e->gram, t->gradient);
        else if (t->gradient)
            squares += graft_sum_of_squares(t->gradient, t->count);
    }
    double scale = (double)e->options.clip / (sqrt(squares) + 1e-6);
    return scale < 1.0 ? (float)scale : 1.0F;
}

graft_status graft_executor_step(graft_executor *e)
{
    const graft_sgd_options *sgd = &e->options.optimizer;
    if (e->fresh)
        return graft_fail(GRAFT_EARGUMENT, "a step needs a backward before it");
    graft_device_enter(e->device);
    float scale = clip_scale(e);
    for (size_t i = 0; i < e->trained_count; i++) {
        const graft_trained *t = &e->trained[i];
        if (!t->gradient)
            continue;
        bool decays = sgd->decay_all || t->node->parameters[t->slot].shape.rank > 1;
        graft_sgd_step step = {graft_model_in_head(e->model, t->node) ? sgd->rate : sgd->body_rate,
                               sgd->momentum, decays ? sgd->decay : 0.0F, scale, sgd->nesterov};
        if (e->fused)
            graft_sgd_follow(t->value, t->velocity, t->count, &step);
        else
            graft_sgd_update(t->value, t->gradient, t->velocity, t->count, &step);
    }
    return GRAFT_OK;
}

void graft_executor_set_rates(graft_executor *e, float rate, float body_rate)
{
    e->options.optimizer.rate = rate;
    e->options.optimizer.body_rate = body_rate;
}

void graft_executor_set_decay(graft_executor *e, float decay)
{
    e->options.optimizer.decay = decay;
}
