/* One phase: loaders, an executor, epochs of the loop that a program would write itself, and which weights
 * are kept of them. */
#include "train/phase.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include <graft/tools.h>

#include "base/status.h"
#include "train/schedule.h"

/* ---- Setting up ---- */

static graft_status open_loader(graft_loader **loader, const graft_fit_phase *p, const graft_model *model,
                                graft_set set, bool training)
{
    graft_loader_options options = GRAFT_LOADER_OPTIONS_INIT;
    options.set = set;
    options.shuffle = training;
    if (training) {
        options.batch = p->settings->batch;
        options.augment = p->settings->augment;
        options.views = p->settings->views;
    }
    options.seed = p->settings->seed;
    options.workers = p->settings->workers;
    return graft_loader_create(loader, p->job->dataset, graft_model_transform(model), &options);
}

/* The last batch of an epoch is planned with the others, so that memory is known before the first step. */
static graft_status plan_short_batch(graft_fit_phase *p, int count)
{
    graft_plan *plan;
    if (count == 0 || !p->executor->upper)
        return GRAFT_OK;
    return graft_executor_plan(p->executor, GRAFT_PLAN_UPPER, true, count, &plan);
}

static bool are_random(const graft_fit_phase *p)
{
    return graft_augmentation_views(&p->settings->augment) == 0;
}

/* How many views of a training picture are kept: of random ones those that were drawn once, and else none,
 * but the rate is found from the plain one. */
static int views_of_train(const graft_fit_phase *p)
{
    if (!are_random(p))
        return graft_augmentation_views(&p->settings->augment);
    return p->settings->views > 0 ? p->settings->views : p->settings->find_rate;
}

/* The views that training goes over in the Gram form; 0: the plain form. Where features are kept, in memory
 * or not at all, has no part in it: what the Gram form needs it keeps. */
static size_t gram_views(const graft_fit_phase *p, const graft_model *model, int batch)
{
    const graft_phase_settings *s = p->settings;
    size_t samples = graft_dataset_set_count(p->job->dataset, GRAFT_SET_TRAIN, -1);
    size_t views = are_random(p) && s->views == 0 ? 0 : samples * (size_t)views_of_train(p);
    size_t others = graft_dataset_set_count(p->job->dataset, GRAFT_SET_HELD_OUT, -1);
    size_t steps = (samples + (size_t)batch - 1) / (size_t)batch * (size_t)s->epochs;
    bool wanted = s->gram == GRAFT_GRAM_ON ||
                  (s->gram == GRAFT_AUTO && graft_gram_worthwhile(model, views, others, batch, steps));
    return wanted && graft_gram_possible(model) ? views : 0;
}

static graft_status settle(graft_fit_phase *p)
{
    graft_status status;
    const graft_cache *cache = &p->job->options->cache;
    graft_features *features = p->executor->features;
    p->keep = (graft_keep){.cache = cache, .dataset = p->job->dataset, .views = views_of_train(p)};
    p->keep.first = p->settings->views > 0 ? GRAFT_VIEW_KEPT : GRAFT_VIEW_PLAIN;
    if (features)
        GRAFT_TRY(graft_features_bind(features, p->job->dataset));
    GRAFT_TRY(graft_keep_settle(&p->keep, p->executor));
    if (p->keep.kind != GRAFT_CACHE_NONE)
        p->job->report->cache = (int)p->keep.kind;
out:
    return status;
}

/* What was measured for an earlier phase with this frozen part is measured. */
static void note_kernels(graft_fit_phase *p)
{
    graft_fit_report *report = p->job->report;
    graft_kernels_choice backbone;
    graft_executor_kernels(p->executor, &backbone, &report->training);
    if (report->backbone.seconds == 0.0)
        report->backbone = backbone;
}

static graft_status open_all(graft_fit_phase *p, graft_model *model, graft_features *features)
{
    graft_status status;
    const graft_phase_settings *s = p->settings;
    graft_executor_options options = GRAFT_EXECUTOR_OPTIONS_INIT;
    size_t samples = graft_dataset_set_count(p->job->dataset, GRAFT_SET_TRAIN, -1);
    options.batch = (size_t)s->batch < samples ? s->batch : (int)samples;
    options.threads = s->threads;
    options.optimizer = (graft_sgd_options){
        (float)s->rate, (float)s->body_rate, (float)s->momentum, (float)s->decay, false, s->nesterov};
    options.batch_norm = s->batch_norm;
    options.loss = s->loss;
    options.label_smoothing = (float)s->label_smoothing;
    options.clip = (float)s->clip;
    options.fuse_step = true;
    options.stochastic = s->stochastic;
    options.seed = s->seed;
    /* What was measured once is the backbone of all phases that share its features. */
    const graft_kernels_choice *backbone = &p->job->report->backbone;
    options.precision = p->job->options->precision;
    options.kernels = backbone->seconds > 0.0 ? backbone->taken : s->kernels;
    options.training_kernels = s->kernels;
    options.gram = gram_views(p, model, options.batch);
    options.keep = p->job->options->cache.kind != GRAFT_CACHE_NONE || options.gram > 0;
    GRAFT_TRY(graft_executor_create_with(&p->executor, model, &options, features));
    note_kernels(p);
    if (p->executor->precision != GRAFT_F32)
        p->job->report->precision = p->executor->precision;
    GRAFT_TRY(plan_short_batch(p, (int)(samples % (size_t)options.batch)));
    GRAFT_TRY(settle(p));
    GRAFT_TRY(open_loader(&p->train, p, model, GRAFT_SET_TRAIN, true));
    if (graft_dataset_set_count(p->job->dataset, GRAFT_SET_HELD_OUT, -1) > 0)
        GRAFT_TRY(open_loader(&p->held_out, p, model, GRAFT_SET_HELD_OUT, false));
    graft_executor_attach(p->executor, p->train);
    if (p->held_out)
        graft_executor_attach(p->executor, p->held_out);
    p->steps = (long)graft_loader_batches(p->train) * s->epochs;
    p->rate = s->rate;
    p->body_rate = s->body_rate;
out:
    return status;
}

static void close_all(graft_fit_phase *p)
{
    graft_loader_free(p->train);
    graft_loader_free(p->held_out);
    graft_executor_free(p->executor);
    graft_snapshot_dispose(&p->good);
}

static void tell_plan(graft_fit_phase *p, const graft_model *model)
{
    graft_fit_event event = {
        .kind = GRAFT_FIT_PLANNED, .phase = p->settings->name, .epochs = p->settings->epochs};
    graft_executor_memory(p->executor, &event.memory);
    event.gram = p->executor->gram != NULL;
    event.backbone = p->job->report->backbone;
    event.training = p->job->report->training;
    event.precision = p->executor->precision;
    event.views = p->keep.wanted;
    event.found = p->keep.found;
    event.cache = p->keep.kind;
    event.word = p->keep.word[0] ? p->keep.word : NULL;
    event.every_epoch = are_random(p) && p->settings->views == 0;
    event.drawn = p->settings->views;
    event.planned = event.memory.weights + event.memory.workspace + event.views * event.memory.products_each;
    if (event.cache == GRAFT_CACHE_MEMORY)
        event.planned += event.views * event.memory.features_each;
    for (size_t i = 0; i < graft_model_node_count(model); i++) {
        graft_node_info info;
        graft_model_node(model, i, &info);
        event.parameters += (size_t)info.parameters;
        event.trained += info.trains ? (size_t)info.parameters : 0;
    }
    graft_fit_tell(p->job, &event);
}

/* ---- Epochs ---- */

bool graft_phase_progress(const graft_fit_phase *p, const char *what, size_t done, size_t total)
{
    const graft_progress *progress = &p->job->options->progress;
    return progress->call && progress->call(progress->context, what, done, total) != 0;
}

/* `what` is not finite. A probe's rate is graft's own. */
static graft_status diverged(const graft_fit_phase *p, const char *what)
{
    return graft_fail(GRAFT_EDIVERGED, "%s is not a finite number behind step %ld%s", what, p->step,
                      strcmp(p->settings->name, "probe") == 0 ? "" : " (a smaller rate may help)");
}

static graft_status train_batch(graft_fit_phase *p, const graft_batch *batch, double *sum)
{
    graft_status status;
    float loss;
    double factor = graft_schedule_factor(p->settings->schedule, p->settings->warmup, p->step, p->steps);
    p->step_rate = p->rate * factor;
    graft_executor_set_rates(p->executor, (float)p->step_rate, (float)(p->body_rate * factor));
    GRAFT_TRY(graft_executor_zero_grad(p->executor));
    GRAFT_TRY(graft_executor_forward(p->executor, batch));
    GRAFT_TRY(graft_executor_loss(p->executor, batch, &loss));
    if (!isfinite(loss))
        return diverged(p, "the loss");
    GRAFT_TRY(graft_executor_backward(p->executor));
    GRAFT_TRY(graft_executor_step(p->executor));
    *sum += (double)loss * batch->count;
    p->step++;
out:
    return status;
}

/* Weights that are finite may give what is not: where nothing is held out, the last batch of an epoch tells.
 */
static graft_status check_outputs(graft_fit_phase *p, const graft_batch *batch)
{
    graft_status status;
    graft_executor_eval(p->executor);
    GRAFT_TRY(graft_executor_forward(p->executor, batch));
    const float *logits = graft_executor_logits(p->executor);
    for (size_t i = 0; i < (size_t)batch->count * p->executor->model->class_count; i++)
        if (!isfinite(logits[i]))
            return diverged(p, "the model's output");
out:
    return status;
}

static graft_status train_epoch(graft_fit_phase *p, int epoch)
{
    graft_status status;
    graft_batch batch;
    double sum = 0.0;
    size_t done = 0, total = graft_loader_samples(p->train);
    p->ahead = true;
    graft_executor_train(p->executor);
    GRAFT_TRY(graft_loader_rewind(p->train, epoch));
    while ((status = graft_loader_next(p->train, &batch)) == GRAFT_OK) {
        GRAFT_TRY(train_batch(p, &batch, &sum));
        done += (size_t)batch.count;
        p->job->stopped |= graft_phase_progress(p, "epoch", done, total);
        if (!p->held_out && (p->job->stopped || done == total))
            GRAFT_TRY(check_outputs(p, &batch));
        if (p->job->stopped)
            break;
    }
    if (status == GRAFT_DONE)
        status = GRAFT_OK;
    p->loss = done > 0 ? sum / (double)done : 0.0;
out:
    return status;
}

/* -log softmax(row)[label], and whether the label is the largest. */
static double row_loss(const float *row, size_t classes, int label, bool *right)
{
    double largest = row[0], sum = 0.0;
    size_t best = 0;
    for (size_t k = 1; k < classes; k++)
        if (row[k] > largest) {
            largest = row[k];
            best = k;
        }
    for (size_t k = 0; k < classes; k++)
        sum += exp(row[k] - largest);
    *right = (int)best == label;
    return log(sum) + largest - row[label];
}

static graft_status measure(graft_fit_phase *p)
{
    graft_status status;
    graft_batch batch;
    size_t right = 0, count = 0, classes = p->executor->model->class_count;
    double sum = 0.0;
    p->accuracy = p->held_out_loss = NAN;
    if (!p->held_out)
        return GRAFT_OK;
    graft_executor_eval(p->executor);
    GRAFT_TRY(graft_loader_rewind(p->held_out, 0));
    while ((status = graft_loader_next(p->held_out, &batch)) == GRAFT_OK) {
        GRAFT_TRY(graft_executor_forward(p->executor, &batch));
        for (int i = 0; i < batch.count; i++) {
            bool is_right;
            sum += row_loss(graft_executor_logits(p->executor) + (size_t)i * classes, classes,
                            batch.labels[i], &is_right);
            right += is_right;
        }
        count += (size_t)batch.count;
    }
    if (status == GRAFT_DONE)
        status = GRAFT_OK;
    p->accuracy = count ? (double)right / (double)count : NAN;
    p->held_out_loss = count ? sum / (double)count : NAN;
    if (status == GRAFT_OK && !isfinite(p->held_out_loss))
        status = diverged(p, "the held-out loss");
out:
    return status;
}

/* The last step's loss is that of the weights before it. */
static graft_status check_weights(const graft_fit_phase *p)
{
    for (size_t i = 0; i < p->executor->trained_count; i++) {
        const graft_trained *t = &p->executor->trained[i];
        for (int64_t j = 0; j < t->count; j++)
            if (!isfinite(t->value[j]))
                return diverged(p, p->executor->model->state.names[t->tensor]);
    }
    return GRAFT_OK;
}

/* Choosing, an epoch replaces what is kept only if it is better; not choosing, it always does. */
static graft_status keep_weights(graft_fit_phase *p, int epoch)
{
    graft_status status;
    bool better = p->accuracy > p->best_accuracy ||
                  (p->accuracy == p->best_accuracy && p->held_out_loss < p->best_loss);
    if (p->settings->choose && p->held_out && p->good_epoch > 0 && !better)
        return GRAFT_OK;
    GRAFT_TRY(graft_executor_save(p->executor, &p->good));
    p->ahead = false;
    p->good_epoch = epoch;
    p->best_accuracy = p->accuracy;
    p->best_loss = p->held_out_loss;
out:
    return status;
}

static void tell_epoch(graft_fit_phase *p, int epoch)
{
    graft_fit_event event = {
        .kind = GRAFT_FIT_EPOCH,
        .phase = p->settings->name,
        .epoch = epoch,
        .epochs = p->settings->epochs,
        .loss = p->loss,
        .held_out_loss = p->held_out_loss,
        .held_out_accuracy = p->accuracy,
        .rate = p->step_rate,
        .seconds = graft_clock() - p->began,
    };
    graft_fit_tell(p->job, &event);
}

static graft_status run_epoch(graft_fit_phase *p, int epoch)
{
    graft_status status;
    p->began = graft_clock();
    GRAFT_TRY(train_epoch(p, epoch - 1));
    GRAFT_TRY(check_weights(p));
    GRAFT_TRY(measure(p));
    if (p->job->stopped && p->good_epoch > 0 && p->settings->choose)
        return GRAFT_OK; /* half an epoch is not chosen */
    GRAFT_TRY(keep_weights(p, epoch));
    tell_epoch(p, epoch);
out:
    return status;
}

static graft_status run_epochs(graft_fit_phase *p, graft_phase_result *result)
{
    graft_status status = GRAFT_OK;
    for (int epoch = 1; epoch <= p->settings->epochs && !p->job->stopped; epoch++) {
        GRAFT_TRY(run_epoch(p, epoch));
        result->epochs = epoch;
    }
out:
    if (status == GRAFT_EDIVERGED || (status == GRAFT_EIO && p->good_epoch > 0)) {
        result->failure = status;
        snprintf(result->cause, sizeof result->cause, "%s", graft_error_message());
        status = GRAFT_OK;
    }
    return status;
}

/* What was good as a model; what there was before, if nothing good came. */
static graft_status make_model(graft_fit_phase *p, graft_model **model)
{
    if (p->good_epoch == 0)
        return graft_model_clone(model, p->executor->model);
    if (p->ahead)
        graft_executor_restore(p->executor, &p->good);
    graft_snapshot_dispose(&p->good);
    graft_executor_retire(p->executor);
    return graft_executor_model(p->executor, model);
}

graft_status graft_phase_run(graft_fit_job *job, graft_model *model, const graft_phase_settings *settings,
                             graft_features *features, graft_phase_result *result)
{
    graft_status status;
    graft_fit_phase p = {.job = job, .settings = settings, .best_loss = INFINITY, .best_accuracy = -1.0};
    *result = (graft_phase_result){.failure = GRAFT_OK};
    GRAFT_TRY(open_all(&p, model, features));
    tell_plan(&p, model);
    if (!job->stopped)
        GRAFT_TRY(graft_phase_keep(&p, model));
    if (settings->find_rate && !job->stopped && !model->state.graph->nodes[0].cut)
        GRAFT_TRY(graft_phase_find_rate(&p, model));
    GRAFT_TRY(run_epochs(&p, result));
    result->best_epoch = p.good_epoch;
    result->rate = p.rate;
    result->gram = p.executor->gram != NULL;
    result->held_out_accuracy = p.good_epoch > 0 ? p.best_accuracy : NAN;
    result->held_out_loss = p.good_epoch > 0 ? p.best_loss : NAN;
    GRAFT_TRY(make_model(&p, &result->model));
out:
    close_all(&p);
    return status;
}
