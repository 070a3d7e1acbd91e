/* What `graft train --json` says on stdout; the help text documents it. */
#include "cli/figures.h"
#include "cli/json_lines.h"
#include "cli/train.h"

static json_t *classes_json(const graft_dataset *d)
{
    json_t *array = json_array();
    for (size_t i = 0; i < graft_dataset_class_count(d); i++)
        json_array_append_new(array, json_text(graft_dataset_class(d, i)));
    return array;
}

static json_t *skipped_json(const graft_dataset *d)
{
    json_t *array = json_array();
    for (size_t i = 0; i < graft_dataset_count(d); i++) {
        graft_sample sample = graft_dataset_sample(d, i);
        if (sample.set == GRAFT_SET_SKIPPED)
            json_array_append_new(array, json_pack("{s:o,s:o}", "name", json_text(sample.name), "cause",
                                                   json_text(sample.cause)));
    }
    return array;
}

static json_int_t set_count(const train_job *job, graft_set set)
{
    return (json_int_t)graft_dataset_set_count(job->dataset, set, -1);
}

void train_json_data(const train_job *job)
{
    if (!job->request.json)
        return;
    json_say(json_pack(
        "{s:s,s:o,s:I,s:I,s:I,s:o}", "event", "data", "classes", classes_json(job->dataset), "train",
        set_count(job, GRAFT_SET_TRAIN), "held_out", set_count(job, GRAFT_SET_HELD_OUT), "ignored",
        (json_int_t)graft_dataset_ignored_count(job->dataset), "skipped", skipped_json(job->dataset)));
}

void train_json_plan(const train_job *job, const graft_fit_event *e)
{
    if (!job->request.json)
        return;
    bool in_memory = e->cache == GRAFT_CACHE_MEMORY;
    json_say(json_pack("{s:s,s:s,s:I,s:I,s:b,s:b,s:s,s:I,s:I,s:I,s:I,s:I,s:s,s:I,s:I,s:s?,s:s?}", "event",
                       "plan", "phase", e->phase, "parameters", (json_int_t)e->parameters, "trained",
                       (json_int_t)e->trained, "every_epoch", (int)e->every_epoch, "gram", (int)e->gram,
                       "precision", graft_dtype_name(e->precision), "planned", (json_int_t)e->planned,
                       "weights", (json_int_t)e->memory.weights, "workspace", (json_int_t)e->memory.workspace,
                       "features", (json_int_t)(in_memory ? e->views * e->memory.features_each : 0),
                       "products", (json_int_t)(e->views * e->memory.products_each), "cache",
                       train_cache_name(e->cache), "views", (json_int_t)e->views, "found",
                       (json_int_t)e->found, "backbone", train_kernels_name(&e->backbone), "training",
                       train_kernels_name(&e->training)));
}

void train_json_word(const train_job *job, const graft_fit_event *e)
{
    if (job->request.json)
        json_say(json_pack("{s:s,s:s,s:o}", "event", "word", "phase", e->phase, "word", json_text(e->word)));
}

void train_json_epoch(const train_job *job, const graft_fit_event *e)
{
    if (!job->request.json)
        return;
    if (e->kind == GRAFT_FIT_FOLD)
        json_say(json_pack("{s:s,s:i,s:i,s:o,s:o,s:o,s:o}", "event", "fold", "fold", e->epoch, "folds",
                           e->epochs, "held_out_loss", json_figure(e->held_out_loss), "held_out_accuracy",
                           json_figure(e->held_out_accuracy), "rate", json_figure(e->rate), "word",
                           e->word ? json_text(e->word) : json_null()));
    else
        json_say(json_pack("{s:s,s:s,s:i,s:i,s:o,s:o,s:o,s:o,s:o}", "event", "epoch", "phase", e->phase,
                           "epoch", e->epoch, "epochs", e->epochs, "loss", json_figure(e->loss),
                           "held_out_loss", json_figure(e->held_out_loss), "held_out_accuracy",
                           json_figure(e->held_out_accuracy), "rate", json_figure(e->rate), "seconds",
                           json_figure(e->seconds)));
}

static json_t *held_out_json(const train_job *job)
{
    const graft_evaluation *e = job->held_out;
    if (!e)
        return json_null();
    size_t count = graft_evaluation_count(e), largest;
    double low, high, accuracy = graft_evaluation_accuracy(e);
    graft_wilson(figures_right(e), count, &low, &high);
    int majority = graft_evaluation_majority(e, &largest);
    return json_pack("{s:I,s:o,s:o,s:o,s:o,s:o,s:o}", "count", (json_int_t)count, "accuracy",
                     json_figure(accuracy), "low", json_figure(low), "high", json_figure(high), "log_loss",
                     json_figure(graft_evaluation_log_loss(e)), "majority",
                     json_text(graft_dataset_class(job->dataset, (size_t)majority)), "majority_accuracy",
                     json_figure((double)largest / (double)count));
}

void train_json_result(const train_job *job)
{
    const graft_fit_report *r = &job->report;
    if (!job->request.json)
        return;
    json_say(json_pack(
        "{s:s,s:o,s:i,s:i,s:b,s:b,s:b,s:o,s:o,s:I}", "event", "result", "run", json_text(job->run.path),
        "epochs", r->epochs, "best_epoch", r->best_epoch, "chosen", (int)r->chosen, "stopped",
        (int)r->stopped, "diverged", (int)(r->failure == GRAFT_EDIVERGED), "held_out", held_out_json(job),
        "seconds", json_figure(graft_clock() - job->began), "peak_bytes", (json_int_t)graft_memory_peak()));
}
