/* `graft predict RUN PICTURE...`: what each picture shows, in the order in which they were given, as soon as
 * it is known.
 *
 * Pictures go through in portions of PATHS_MOST: threads decode ahead of the arithmetic, and memory does not
 * grow with how many there are. A picture that comes alone is run alone, which starts sooner. */
#include <math.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <graft/graft.h>

#include "cli/command.h"
#include "cli/paths.h"
#include "cli/prediction.h"
#include "cli/screen.h"
#include "cli/subject.h"

enum { BATCH = 16 };

static const option options[] = {
    {"top", "K", "1", "the K likeliest classes, a line each; 0: all", .kind = OPTION_INTEGER, 0, 1e6},
    {"emit", "probs|logits", "probs", "the number beside a class", .kind = OPTION_WORD,
     .words = "probs|logits"},
    {"json", NULL, NULL, "JSON Lines: an object a picture", .kind = OPTION_FLAG},
    SUBJECT_OPTIONS,
    {.name = NULL},
};

typedef struct predictor {
    graft_model *model;
    graft_executor *executor;
    int workers;
    prediction_form form;
    float *logits; /* (classes) of a picture that comes alone */
    bool failed;   /* one picture at least could not be read */
} predictor;

/* ---- What cannot be predicted ---- */

static bool is_folder(const char *path)
{
    struct stat about;
    return stat(path, &about) == 0 && S_ISDIR(about.st_mode);
}

/* The cause without the path that it may begin with; of a folder what to do about it. */
static const char *cause_of(const char *path, const char *cause)
{
    size_t length = strlen(path);
    if (is_folder(path))
        return "a folder; name its pictures: `graft predict RUN FOLDER/*`, or "
               "`find FOLDER -type f | graft predict RUN -`";
    bool named = strncmp(cause, path, length) == 0 && strncmp(cause + length, ": ", 2) == 0;
    return named ? cause + length + 2 : cause;
}

static void say_bad(predictor *p, const char *path, const char *cause)
{
    cause = cause_of(path, cause);
    fflush(stdout); /* in the order in which things happened */
    screen_fail("%s: %s", path, cause);
    prediction_say_failure(&p->form, path, cause);
    p->failed = true;
}

static void say_good(predictor *p, const char *path, const float *logits)
{
    for (size_t i = 0; i < p->form.classes; i++)
        if (!isfinite(logits[i])) {
            say_bad(p, path, "the model's output is not a finite number");
            return;
        }
    prediction_say(&p->form, path, logits);
}

/* ---- One picture ---- */

static void predict_one(predictor *p, const char *path)
{
    uint8_t *bytes = NULL;
    size_t size;
    graft_status status = graft_file_read(path, SIZE_MAX, &bytes, &size);
    if (status == GRAFT_OK) {
        graft_picture picture = graft_picture_encoded(bytes, size);
        status = graft_executor_score(p->executor, &picture, 1, p->logits);
    }
    free(bytes);
    if (status == GRAFT_OK)
        say_good(p, path, p->logits);
    else
        say_bad(p, path, graft_error_message());
}

/* ---- Several ---- */

static graft_status predict_batch(predictor *p, const graft_batch *batch, const char *const *paths)
{
    const uint8_t *pixels[BATCH];
    graft_batch readable = {.pixels = pixels};
    for (int i = 0; i < batch->count; i++)
        if (batch->pixels[i])
            pixels[readable.count++] = batch->pixels[i];
    graft_status status = graft_executor_forward(p->executor, &readable);
    const float *logits = graft_executor_logits(p->executor);
    for (int i = 0; i < batch->count && status == GRAFT_OK; i++) {
        const char *path = paths[batch->samples[i]];
        if (!batch->pixels[i]) {
            say_bad(p, path, batch->causes[i]);
            continue;
        }
        say_good(p, path, logits);
        logits += p->form.classes;
    }
    fflush(stdout);
    return status;
}

static graft_status predict_list(predictor *p, const char *const *paths, size_t count)
{
    graft_status status;
    graft_dataset *dataset = NULL;
    graft_loader *loader = NULL;
    graft_batch batch;
    graft_loader_options what = GRAFT_LOADER_OPTIONS_INIT;
    what.set = GRAFT_SET_ALL;
    what.batch = BATCH;
    what.shuffle = false;
    what.workers = p->workers;
    GRAFT_TRY(graft_dataset_list(&dataset, paths, count, graft_model_sight(p->model)));
    GRAFT_TRY(graft_loader_create(&loader, dataset, graft_model_transform(p->model), &what));
    while ((status = graft_loader_next(loader, &batch)) == GRAFT_OK)
        GRAFT_TRY(predict_batch(p, &batch, paths));
    if (status == GRAFT_DONE)
        status = GRAFT_OK;
out:
    graft_loader_free(loader);
    graft_dataset_free(dataset);
    return status;
}

/* ---- All ---- */

static int predict_all(predictor *p, const arguments *given, size_t first)
{
    path_source source;
    const char *const *list;
    size_t count;
    graft_status status = GRAFT_OK;
    paths_open(&source, given, first);
    while (status == GRAFT_OK && !ferror(stdout) && (count = paths_take(&source, &list)) > 0) {
        if (count == 1)
            predict_one(p, list[0]);
        else
            status = predict_list(p, list, count);
        fflush(stdout);
    }
    paths_dispose(&source);
    if (status != GRAFT_OK)
        return screen_fail_status();
    return p->failed || source.failed ? EXIT_FAILED : EXIT_GOOD;
}

static graft_status prepare(predictor *p, const arguments *given)
{
    graft_executor_options how = GRAFT_EXECUTOR_OPTIONS_INIT;
    how.batch = 0;
    how.keep = false;
    subject_threads(&how.threads, &p->workers, given);
    p->form.model = p->model;
    p->form.classes = graft_model_class_count(p->model);
    p->form.top = (size_t)argument_integer(given, "top", 1);
    p->form.logits = argument_word(given, "emit", 0) == 1;
    p->form.json = argument_given(given, "json");
    return graft_executor_create(&p->executor, p->model, &how);
}

static int run_model(const arguments *given, const subject *s)
{
    predictor p = {.model = s->model};
    int status = EXIT_FAILED;
    if (prepare(&p, given) != GRAFT_OK)
        screen_fail_status();
    else if (prediction_open(&p.form) && (p.logits = calloc(p.form.classes, sizeof *p.logits)) != NULL)
        status = predict_all(&p, given, s->rest);
    else
        screen_fail("out of memory");
    free(p.logits);
    prediction_dispose(&p.form);
    graft_executor_free(p.executor);
    return status;
}

static int run(const arguments *given)
{
    subject s;
    if (!argument_given(given, "model") && argument_count(given) < 2) {
        screen_fail("no picture was given: graft predict RUN PICTURE...");
        return EXIT_USAGE;
    }
    signal(SIGPIPE, SIG_DFL); /* a reader that leaves ends this quietly */
    int status = subject_open(&s, given);
    if (status == EXIT_GOOD)
        status = run_model(given, &s);
    subject_dispose(&s);
    return status;
}

const command command_predict = {
    .name = "predict",
    .usage = "RUN PICTURE... [OPTION...]",
    .summary = "Says what pictures show",
    .description = "RUN is a folder that `graft train` made, or a model.safetensors. Each picture\n"
                   "becomes a line on stdout, in the order given and as soon as it is known:\n"
                   "\n"
                   "    PATH <tab> CLASS <tab> PROBABILITY\n"
                   "\n"
                   "A PICTURE `-` reads paths from stdin, one a line. With --model every argument\n"
                   "is a picture, and classes without names are written as their index. A picture\n"
                   "that cannot be read is named on stderr, the others go on, and the exit status\n"
                   "is 1. In paths and classes a tab, a line end and a backslash are written as\n"
                   "\\t, \\n (\\r) and \\\\, so that a line is always one record of three fields.\n"
                   "\n"
                   "--json: {path, predictions: [{class, index, probability}]}, with --emit logits\n"
                   "{class, index, logit}; and {path, error} for a picture that cannot be read.",
    .options = options,
    .least = 1,
    .most = -1,
    .run = run,
};
