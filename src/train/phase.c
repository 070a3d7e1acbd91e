/* One phase: loaders, an executor, epochs of the loop that a program would write itself, and which weights
 * are kept of them. */
#include "train/fit.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include <graft/tools.h>

#include "base/status.h"
#include "train/schedule.h"

typedef struct phase {
    graft_fit_job *job;
    const graft_phase_settings *settings;
    graft_executor *executor;
    graft_loader *train, *held_out; /* held_out NULL: nothing is */
    double rate, body_rate;
    long step, steps;
    graft_model *good; /* the weights after the last good epoch, or the best */
    int good_epoch;
    double best_accuracy, best_loss;
    double loss, accuracy, held_out_loss; /* of the last epoch */
    double began;
} phase;

/* ---- Setting up ---- */

static graft_status open_loader(graft_loader **loader, const phase *p, const graft_model *model,
                                graft_set set, bool training)
{
    graft_loader_options options = GRAFT_LOADER_OPTIONS_INIT;
    options.set = set;
    options.batch = p->settings->batch;
    options.shuffle = training;
    if (training)
        options.augment = p->settings->augment;
    options.seed = p->settings->seed;
    options.workers = p->settings->workers;
    return graft_loader_create(loader, p->job->dataset, graft_model_transform(model), &options);
}

/* The last batch of an epoch is planned with the others, so that memory is known before the first step. */
static graft_status plan_short_batch(phase *p, int count)
{
    graft_plan *plan;
    if (count == 0 || !p->executor->upper)
        return GRAFT_OK;
    return graft_executor_plan(p->executor, GRAFT_PLAN_UPPER, true, count, &plan);
}

static graft_status open_all(phase *p, graft_model *model, graft_features *features)
{
    graft_status status;
    const graft_phase_settings *s = p->settings;
    graft_executor_options options = GRAFT_EXECUTOR_OPTIONS_INIT;
    size_t samples = graft_dataset_set_count(p->job->dataset, GRAFT_SET_TRAIN, -1);
    options.batch = (size_t)s->batch < samples ? s->batch : (int)samples;
    options.threads = s->threads;
    options.optimizer =
        (graft_sgd_options){(float)s->rate, (float)s->body_rate, (float)s->momentum, (float)s->decay, false};
    options.batch_norm = s->batch_norm;
    options.loss = s->loss;
    options.label_smoothing = (float)s->label_smoothing;
    options.clip = (float)s->clip;
    options.stochastic = s->stochastic;
    options.seed = s->seed;
    GRAFT_TRY(graft_executor_create_with(&p->executor, model, &options, features));
    GRAFT_TRY(plan_short_batch(p, (int)(samples % (size_t)options.batch)));
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

static void close_all(phase *p)
{
    graft_loader_free(p->train);
    graft_loader_free(p->held_out);
    graft_executor_free(p->executor);
    graft_model_free(p->good);
}

/* How many views of a training picture are kept: of random ones none, but the rate is found from the plain
 * one. */
static int views_of_train(const phase *p)
{
    int views = graft_augmentation_views(&p->settings->augment);
    return views == 0 && p->settings->find_rate ? 1 : views;
}

/* How many views the features pass will compute: with flips both of each training picture. */
static size_t count_views(const phase *p)
{
    size_t train = graft_dataset_set_count(p->job->dataset, GRAFT_SET_TRAIN, -1);
    size_t held_out = graft_dataset_set_count(p->job->dataset, GRAFT_SET_HELD_OUT, -1);
    if (!p->executor->features)
        return 0;
    return train * (size_t)views_of_train(p) + held_out;
}

static void tell_plan(phase *p, const graft_model *model)
{
    graft_fit_event event = {
        .kind = GRAFT_FIT_PLANNED, .phase = p->settings->name, .epochs = p->settings->epochs};
    graft_executor_memory(p->executor, &event.memory);
    event.views = count_views(p);
    event.every_epoch = graft_augmentation_views(&p->settings->augment) == 0;
    event.planned = event.memory.weights + event.memory.workspace + event.views * event.memory.features_each;
    for (size_t i = 0; i < graft_model_node_count(model); i++) {
        graft_node_info info;
        graft_model_node(model, i, &info);
        event.parameters += (size_t)info.parameters;
        event.trained += info.trains ? (size_t)info.parameters : 0;
    }
    graft_fit_tell(p->job, &event);
}

/* ---- Features ---- */

typedef struct counted {
    graft_progress outer;
    size_t before, total;
} counted;

static int add_up(void *context, const char *what, size_t done, size_t total)
{
    const counted *c = context;
    (void)total;
    return c->outer.call ? c->outer.call(c->outer.context, what, c->before + done, c->total) : 0;
}

static graft_status keep_views(phase *p, const graft_model *model, graft_set set, int views, counted *c)
{
    graft_status status;
    graft_loader *loader = NULL;
    graft_loader_options options = GRAFT_LOADER_OPTIONS_INIT;
    graft_progress progress = {add_up, c};
    options.set = set;
    options.batch = p->settings->batch;
    options.shuffle = false;
    options.both_views = views == 2;
    options.workers = p->settings->workers;
    GRAFT_TRY(graft_loader_create(&loader, p->job->dataset, graft_model_transform(model), &options));
    GRAFT_TRY(graft_executor_keep(p->executor, loader, &progress));
    c->before += graft_loader_samples(loader);
out:
    graft_loader_free(loader);
    return status;
}

static bool is_kept(const phase *p, int sample, int views)
{
    for (int view = 0; view < views; view++)
        if (!graft_features_find(p->executor->features, sample, view))
            return false;
    return true;
}

/* A fold before this one has others of the pictures held out, of which one view is kept. */
static bool all_are_kept(const phase *p)
{
    for (size_t i = 0; i < graft_dataset_count(p->job->dataset); i++) {
        graft_set set = graft_dataset_sample(p->job->dataset, i).set;
        int views = set == GRAFT_SET_TRAIN ? views_of_train(p) : set == GRAFT_SET_HELD_OUT ? 1 : 0;
        if (!is_kept(p, (int)i, views))
            return false;
    }
    return true;
}

/* Runs the backbone once for each picture and each exact view. */
static graft_status keep_all(phase *p, const graft_model *model)
{
    graft_status status = GRAFT_OK;
    counted c = {p->job->options->progress, 0, count_views(p)};
    if (!p->executor->features || all_are_kept(p))
        return GRAFT_OK;
    if (views_of_train(p) > 0)
        GRAFT_TRY(keep_views(p, model, GRAFT_SET_TRAIN, views_of_train(p), &c));
    if (p->held_out)
        GRAFT_TRY(keep_views(p, model, GRAFT_SET_HELD_OUT, 1, &c));
out:
    if (status == GRAFT_ECANCELLED) {
        p->job->stopped = true;
        status = GRAFT_OK;
    }
    return status;
}

/* A step that suits the features' size: 20 / mean |f|^2 over the kept views of the training pictures. */
static void find_rate(phase *p)
{
    double sum = 0.0;
    size_t rows = 0, count;
    for (size_t i = 0; i < graft_dataset_count(p->job->dataset); i++) {
        graft_sample sample = graft_dataset_sample(p->job->dataset, i);
        for (int view = 0; sample.set == GRAFT_SET_TRAIN && view < 2; view++) {
            const float *row = graft_executor_features(p->executor, (int)i, view, &count);
            for (size_t j = 0; row && j < count; j++)
                sum += (double)row[j] * row[j];
            rows += row != NULL;
        }
    }
    if (rows > 0 && sum > 0.0)
        p->rate = p->body_rate = 20.0 / (sum / (double)rows);
}

/* ---- Epochs ---- */

static int tell_progress(const phase *p, const char *what, size_t done, size_t total)
{
    const graft_progress *progress = &p->job->options->progress;
    return progress->call ? progress->call(progress->context, what, done, total) : 0;
}

static graft_status train_batch(phase *p, const graft_batch *batch, double *sum)
{
    graft_status status;
    float loss;
    double factor = graft_schedule_factor(p->settings->schedule, p->settings->warmup, p->step, p->steps);
    graft_executor_set_rates(p->executor, (float)(p->rate * factor), (float)(p->body_rate * factor));
    GRAFT_TRY(graft_executor_zero_grad(p->executor));
    GRAFT_TRY(graft_executor_forward(p->executor, batch));
    GRAFT_TRY(graft_executor_loss(p->executor, batch, &loss));
    if (!isfinite(loss))
        return graft_fail(GRAFT_EDIVERGED, "the loss is %f at step %ld (a smaller rate may help)",
                          (double)loss, p->step + 1);
    GRAFT_TRY(graft_executor_backward(p->executor));
    GRAFT_TRY(graft_executor_step(p->executor));
    *sum += (double)loss * batch->count;
    p->step++;
out:
    return status;
}

static graft_status train_epoch(phase *p, int epoch)
{
    graft_status status;
    graft_batch batch;
    double sum = 0.0;
    size_t done = 0, total = graft_loader_samples(p->train);
    graft_executor_train(p->executor);
    GRAFT_TRY(graft_loader_rewind(p->train, epoch));
    while ((status = graft_loader_next(p->train, &batch)) == GRAFT_OK) {
        GRAFT_TRY(train_batch(p, &batch, &sum));
        done += (size_t)batch.count;
        if (tell_progress(p, "epoch", done, total)) {
            p->job->stopped = true;
            break;
        }
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

static graft_status measure(phase *p)
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
out:
    return status;
}

/* The last step's loss is that of the weights before it. */
static graft_status check_weights(const phase *p)
{
    for (size_t i = 0; i < p->executor->trained_count; i++) {
        const graft_trained *t = &p->executor->trained[i];
        for (int64_t j = 0; j < t->count; j++)
            if (!isfinite(t->value[j]))
                return graft_fail(GRAFT_EDIVERGED,
                                  "%s is not finite behind step %ld (a smaller rate may help)",
                                  p->executor->model->state.names[t->tensor], p->step);
    }
    return GRAFT_OK;
}

/* Choosing, an epoch replaces what is kept only if it is better; not choosing, it always does. */
static graft_status keep_weights(phase *p, int epoch)
{
    graft_status status;
    graft_model *model;
    bool better = p->accuracy > p->best_accuracy ||
                  (p->accuracy == p->best_accuracy && p->held_out_loss < p->best_loss);
    if (p->settings->choose && p->held_out && p->good_epoch > 0 && !better)
        return GRAFT_OK;
    GRAFT_TRY(graft_executor_model(p->executor, &model));
    graft_model_free(p->good);
    p->good = model;
    p->good_epoch = epoch;
    p->best_accuracy = p->accuracy;
    p->best_loss = p->held_out_loss;
out:
    return status;
}

static void tell_epoch(phase *p, int epoch)
{
    graft_fit_event event = {
        .kind = GRAFT_FIT_EPOCH,
        .phase = p->settings->name,
        .epoch = epoch,
        .epochs = p->settings->epochs,
        .loss = p->loss,
        .held_out_loss = p->held_out_loss,
        .held_out_accuracy = p->accuracy,
        .rate = p->rate,
        .seconds = graft_clock() - p->began,
    };
    graft_fit_tell(p->job, &event);
}

static graft_status run_epoch(phase *p, int epoch)
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

static graft_status run_epochs(phase *p, int *epochs)
{
    graft_status status = GRAFT_OK;
    GRAFT_TRY(graft_executor_model(p->executor, &p->good)); /* what there is if nothing good comes */
    for (int epoch = 1; epoch <= p->settings->epochs && !p->job->stopped; epoch++) {
        GRAFT_TRY(run_epoch(p, epoch));
        *epochs = epoch;
    }
out:
    if (status == GRAFT_EDIVERGED || (status == GRAFT_EIO && p->good_epoch > 0)) {
        p->job->failure = status;
        status = GRAFT_OK;
    }
    return status;
}

graft_status graft_phase_run(graft_fit_job *job, graft_model *model, const graft_phase_settings *settings,
                             graft_features *features, graft_phase_result *result)
{
    graft_status status;
    phase p = {.job = job, .settings = settings, .best_loss = INFINITY, .best_accuracy = -1.0};
    int epochs = 0;
    GRAFT_TRY(open_all(&p, model, features));
    tell_plan(&p, model);
    if (!job->stopped)
        GRAFT_TRY(keep_all(&p, model));
    if (settings->find_rate)
        find_rate(&p);
    GRAFT_TRY(run_epochs(&p, &epochs));
    if (p.good_epoch == 0)
        p.best_accuracy = p.best_loss = NAN;
    *result = (graft_phase_result){p.good, epochs, p.good_epoch, p.rate, p.best_accuracy, p.best_loss};
    p.good = NULL;
out:
    close_all(&p);
    return status;
}
