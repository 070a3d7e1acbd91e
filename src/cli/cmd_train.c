/* `graft train`: pictures in folders become a classifier.
 *
 * The model is opened first, because that is quick and a wrong name shows at once; then the pictures are
 * read; then RUN is made, so that hours of training are not lost to a folder that nobody may write to; then
 * comes the training. The model is saved before anything else is done with it. */
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <graft/graft.h>

#include "cli/train.h"

/* Says graft's sentence where there is one, and what a stop before the training means. */
static bool good(train_job *job, graft_status status)
{
    if (status == GRAFT_OK)
        return true;
    screen_close(&job->screen);
    if (status == GRAFT_ECANCELLED)
        screen_fail("stopped before there was anything to keep");
    else
        screen_fail_status();
    return false;
}

/* ---- Before the training ---- */

static graft_status open_model(train_job *job)
{
    graft_status status;
    const train_request *r = &job->request;
    if (r->random_weights)
        GRAFT_TRY(graft_model_create(&job->model, r->network, r->fit.seed));
    else
        GRAFT_TRY(graft_model_open_body(&job->model, r->network, r->weights, r->head, &job->other_classes));
    if (r->size)
        GRAFT_TRY(graft_model_set_size(job->model, r->size));
    graft_model_set_sight(job->model, r->dataset.sight);
    graft_model_set_decode(job->model, r->decode);
    GRAFT_TRY(graft_model_select(job->model, r->fit.trainable, r->fit.trainable_count, r->fit.freeze,
                                 r->fit.freeze_count));
out:
    return status;
}

static graft_status open_data(train_job *job)
{
    graft_status status;
    graft_dataset_options options = job->request.dataset;
    options.progress = (graft_progress){train_progress, job};
    job->phase = "reading";
    GRAFT_TRY(graft_dataset_open(&job->dataset, job->request.data, &options));
    GRAFT_TRY(graft_model_replace_head(job->model, job->request.head, graft_dataset_classes(job->dataset),
                                       graft_dataset_class_count(job->dataset), GRAFT_START_ZERO,
                                       job->request.fit.seed));
out:
    return status;
}

/* ---- The training ---- */

static int on_event(void *context, const graft_fit_event *event)
{
    train_job *job = context;
    job->phase = event->phase;
    if (event->kind == GRAFT_FIT_PLANNED) {
        train_say_plan(job, event);
        train_json_plan(job, event);
        return screen_interrupted();
    }
    if (event->kind == GRAFT_FIT_WORD || event->kind == GRAFT_FIT_SHORT) {
        job->without_probe |= event->kind == GRAFT_FIT_SHORT;
        train_say_word(job, event);
        train_json_word(job, event);
        return screen_interrupted();
    }
    if (event->kind == GRAFT_FIT_EPOCH)
        train_say_epoch(job, event);
    else
        train_say_fold(job, event);
    train_json_epoch(job, event);
    job->no_memory |= !history_add(&job->history, event);
    return screen_interrupted() || job->no_memory;
}

static bool has_trained(const train_job *job)
{
    for (size_t i = 0; i < job->history.count; i++) {
        const graft_fit_event *e = &job->history.events[i];
        bool lost = job->without_probe && strcmp(e->phase, "probe") == 0;
        if (e->kind == GRAFT_FIT_EPOCH && !lost)
            return true;
    }
    return false;
}

/* False where nothing came of it that is worth keeping. */
static bool fit(train_job *job)
{
    graft_fit_options options = job->request.fit;
    options.event = on_event;
    options.context = job;
    options.progress = (graft_progress){train_progress, job};
    if (!good(job, graft_fit(&job->trained, job->model, job->dataset, &options, &job->report)))
        return false;
    screen_close(&job->screen);
    graft_model_free(job->model); /* a wide head's first weights are not kept beside the last */
    job->model = NULL;
    job->hurry = job->report.stopped;
    if (job->report.failure != GRAFT_OK)
        screen_fail("%s%s", graft_error_message(), has_trained(job) ? "; what was good before is kept" : "");
    else if (job->no_memory)
        screen_fail("out of memory");
    else if (!has_trained(job))
        screen_fail("stopped before there was anything to keep");
    return has_trained(job);
}

/* ---- After the training ---- */

static bool evaluate(train_job *job, graft_evaluation **evaluation, graft_set set)
{
    graft_evaluate_options how = GRAFT_EVALUATE_OPTIONS_INIT;
    how.set = set;
    how.threads = job->report.threads;
    how.workers = job->report.workers;
    how.features = job->report.features;
    how.precision = job->report.precision;
    if (!job->hurry)
        how.progress = (graft_progress){train_progress, job};
    if (graft_dataset_set_count(job->dataset, set, -1) == 0)
        return true;
    job->phase = "checking";
    graft_status status = graft_evaluate(evaluation, job->trained, job->dataset, &how);
    screen_erase(&job->screen);
    if (status == GRAFT_ECANCELLED)
        job->hurry = true;
    return status == GRAFT_ECANCELLED || good(job, status);
}

/* Every picture's prediction: of the held-out ones always, of the training ones as long as nobody waits. */
static bool evaluate_all(train_job *job)
{
    return evaluate(job, &job->held_out, GRAFT_SET_HELD_OUT) &&
           (job->hurry || evaluate(job, &job->training, GRAFT_SET_TRAIN));
}

/* Of the model's file, at least. */
static size_t model_bytes(const graft_model *model)
{
    size_t bytes = 0;
    for (size_t i = 0; i < graft_model_node_count(model); i++) {
        graft_node_info info;
        graft_model_node(model, i, &info);
        bytes += (size_t)info.parameters * sizeof(float);
    }
    return bytes;
}

static int train(train_job *job)
{
    const train_request *r = &job->request;
    if (!run_folder_check(r->out, r->force) || !good(job, open_model(job)) || !good(job, open_data(job)))
        return EXIT_FAILED;
    train_say_data(job);
    train_say_network(job);
    train_json_data(job);
    if (!run_folder_create(&job->run, r->out, r->force, r->data, model_bytes(job->model)))
        return EXIT_FAILED;
    if (!fit(job) || !train_save_model(job)) {
        run_folder_abandon(&job->run);
        return EXIT_FAILED;
    }
    bool complete = evaluate_all(job);
    complete = train_save_tables(job) && complete;
    train_say_result(job);
    train_json_result(job);
    return complete && job->report.failure == GRAFT_OK ? EXIT_GOOD : EXIT_FAILED;
}

static void dispose(train_job *job)
{
    graft_features_release(job->report.features);
    graft_evaluation_free(job->held_out);
    graft_evaluation_free(job->training);
    graft_model_free(job->trained);
    graft_model_free(job->model);
    graft_dataset_free(job->dataset);
    history_dispose(&job->history);
    run_folder_dispose(&job->run);
    train_request_dispose(&job->request);
}

static int run(const arguments *given)
{
    train_job job = {.began = graft_clock(), .epoch_done = SIZE_MAX};
    int status = EXIT_USAGE;
    if (train_request_read(&job.request, given)) {
        job.screen.quiet = job.request.quiet;
        screen_catch_interrupts();
        status = train(&job);
    }
    dispose(&job);
    return status;
}

const command command_train = {
    .name = "train",
    .usage = "DATA [OPTION...]",
    .summary = "Trains a classifier on a folder of pictures",
    .description = "DATA holds a folder of pictures for each class, or train/ and val/ with those.\n"
                   "JPEG, PNG, WebP, TIFF, BMP, PPM and PGM are read. What cannot be read is named\n"
                   "and skipped. Without a val folder a fixed part of each class is held out.\n"
                   "\n"
                   "RUN holds model.safetensors, which alone is enough for everything; history.csv,\n"
                   "a line an epoch; pictures.csv, a line a picture, the worst first; args.json,\n"
                   "every option with its value. Ctrl-C ends the training after the step; what was\n"
                   "best so far is kept. A second Ctrl-C ends graft at once.\n"
                   "\n"
                   "--json: a line an object on stdout, \"event\" says which:\n"
                   "  data    classes, train, held_out, ignored, skipped: [{name, cause}]\n"
                   "  plan    phase, parameters, trained, every_epoch, planned and of it weights,\n"
                   "          workspace, features and (Gram form) products, in bytes; cache: disk,\n"
                   "          memory or none; views: what is kept; found: of them those on disk\n"
                   "          already; backbone, training: what computes convolutions, as in\n"
                   "          --kernels; gram; precision: of the frozen part\n"
                   "  word    phase, word: something has changed with the cache, or the probe has\n"
                   "          ended early\n"
                   "  fold    fold, folds, held_out_loss, held_out_accuracy, rate, word: why it\n"
                   "          ended early and has no figures, else null\n"
                   "  epoch   phase, epoch, epochs, loss, held_out_loss, held_out_accuracy, rate (in\n"
                   "          its last step), seconds\n"
                   "  result  run, epochs, best_epoch, chosen, stopped, diverged, held_out: {count,\n"
                   "          accuracy, low, high, log_loss, majority, majority_accuracy}, seconds,\n"
                   "          peak_bytes\n"
                   "What is not known is null.",
    .options = train_options,
    .least = 1,
    .most = 1,
    .run = run,
};
