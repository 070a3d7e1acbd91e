/* Running a model over a set of a dataset. */
#include <stdlib.h>

#include <graft/tools.h>

#include "base/memory.h"
#include "base/status.h"
#include "data/features.h"
#include "report/evaluation.h"
#include "train/executor.h"

enum { BATCH = 32 };

typedef struct run {
    graft_evaluation *evaluation;
    const graft_dataset *dataset;
    graft_executor *executor;
    graft_loader *loader;
    int samples[BATCH], views[BATCH], labels[BATCH];
    const uint8_t *pixels[BATCH];
} run;

static graft_status open_run(run *r, graft_model *model, const graft_evaluate_options *options)
{
    graft_status status;
    graft_executor_options how = GRAFT_EXECUTOR_OPTIONS_INIT;
    graft_loader_options what = GRAFT_LOADER_OPTIONS_INIT;
    int cores = options->threads == GRAFT_AUTO ? graft_cores() : options->threads;
    bool kept = options->features && graft_features_serve(options->features, model, r->dataset);
    how.batch = 0;
    how.threads = cores;
    how.keep = kept;
    how.precision = options->precision;
    what.set = options->set;
    what.batch = BATCH;
    what.shuffle = false;
    what.workers = options->workers != GRAFT_AUTO ? options->workers : graft_workers(cores);
    GRAFT_TRY(graft_evaluation_create(&r->evaluation, graft_model_class_count(model)));
    GRAFT_TRY(graft_loader_create(&r->loader, r->dataset, graft_model_transform(model), &what));
    GRAFT_TRY(graft_executor_create_with(&r->executor, model, &how, kept ? options->features : NULL));
    graft_executor_attach(r->executor, r->loader);
    r->evaluation->precision = graft_executor_precision(r->executor);
out:
    return status;
}

static void close_run(run *r)
{
    graft_loader_free(r->loader);
    graft_executor_free(r->executor);
    graft_evaluation_free(r->evaluation);
}

static graft_status miss(run *r, int sample, const char *cause)
{
    const char *path = graft_dataset_sample(r->dataset, (size_t)sample).path;
    return graft_evaluation_miss(r->evaluation, sample, graft_cause_without(cause, path));
}

/* What can be run of a batch; the rest is missing. */
static graft_status take_batch(run *r, const graft_batch *all, graft_batch *readable)
{
    graft_status status = GRAFT_OK;
    int count = 0;
    for (int i = 0; i < all->count; i++) {
        if (all->causes[i]) {
            GRAFT_TRY(miss(r, all->samples[i], all->causes[i]));
            continue;
        }
        r->samples[count] = all->samples[i];
        r->views[count] = all->views[i];
        r->labels[count] = all->labels[i];
        r->pixels[count++] = all->pixels[i];
    }
    *readable = (graft_batch){.count = count,
                              .samples = r->samples,
                              .views = r->views,
                              .labels = r->labels,
                              .pixels = r->pixels,
                              .dataset = all->dataset};
out:
    return status;
}

static graft_status run_batch(run *r, const graft_batch *all)
{
    graft_status status;
    graft_batch batch;
    size_t classes = r->evaluation->classes;
    GRAFT_TRY(take_batch(r, all, &batch));
    if (batch.count == 0)
        return GRAFT_OK;
    GRAFT_TRY(graft_executor_forward(r->executor, &batch));
    for (int i = 0; i < batch.count; i++) {
        const float *logits = graft_executor_logits(r->executor) + (size_t)i * classes;
        status = graft_evaluation_add(r->evaluation, batch.samples[i], batch.labels[i], logits);
        if (status != GRAFT_OK)
            return graft_fail_within(status, "%s",
                                     graft_dataset_sample(r->dataset, (size_t)batch.samples[i]).path);
    }
out:
    return status;
}

static graft_status tell(const graft_progress *progress, size_t done, size_t total)
{
    if (progress && progress->call && progress->call(progress->context, "evaluate", done, total))
        return graft_fail(GRAFT_ECANCELLED, "stopped");
    return GRAFT_OK;
}

static graft_status run_all(run *r, const graft_progress *progress)
{
    graft_status status;
    graft_batch batch;
    size_t done = 0, total = graft_loader_samples(r->loader);
    if (total == 0)
        return graft_fail(GRAFT_EARGUMENT, "there is no picture to evaluate");
    GRAFT_TRY(tell(progress, 0, total)); /* from here a clock may run */
    while ((status = graft_loader_next(r->loader, &batch)) == GRAFT_OK) {
        GRAFT_TRY(run_batch(r, &batch));
        done += (size_t)batch.count;
        GRAFT_TRY(tell(progress, done, total));
    }
    if (status == GRAFT_DONE)
        status = GRAFT_OK;
out:
    return status;
}

static graft_status check_any(const graft_evaluation *e)
{
    if (e->count > 0)
        return GRAFT_OK;
    return graft_fail(GRAFT_EIO, "none of the %zu pictures can be read any more; the first: %s",
                      e->missing_count, e->missing[0].cause);
}

graft_status graft_evaluate(graft_evaluation **evaluation, graft_model *model, const graft_dataset *dataset,
                            const graft_evaluate_options *options)
{
    const graft_evaluate_options defaults = GRAFT_EVALUATE_OPTIONS_INIT;
    graft_status status;
    run *r = NULL;
    GRAFT_TRY(GRAFT_NEW(&r));
    options = options ? options : &defaults;
    r->dataset = dataset;
    GRAFT_TRY(open_run(r, model, options));
    GRAFT_TRY(run_all(r, &options->progress));
    GRAFT_TRY(check_any(r->evaluation));
    GRAFT_TRY(graft_evaluation_finish(r->evaluation));
    *evaluation = r->evaluation;
    r->evaluation = NULL;
out:
    if (r)
        close_run(r);
    free(r);
    return status;
}
