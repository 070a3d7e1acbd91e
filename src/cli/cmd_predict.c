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

#include <graft/graft.h>

#include "cli/command.h"
#include "cli/paths.h"
#include "cli/pictures.h"
#include "cli/precision.h"
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

static void say_bad(void *context, const char *path, const char *cause)
{
    predictor *p = context;
    cause = pictures_cause(path, cause,
                           "a folder; name its pictures: `graft predict RUN FOLDER/*`, or "
                           "`find FOLDER -type f | graft predict RUN -`");
    screen_flush(); /* in the order in which things happened */
    screen_fail("%s: %s", path, cause);
    prediction_say_failure(&p->form, path, cause);
    p->failed = true;
}

static graft_status say_good(void *context, const char *path, const float *logits)
{
    predictor *p = context;
    for (size_t i = 0; i < p->form.classes; i++)
        if (!isfinite(logits[i])) {
            say_bad(p, path, "the model's output is not a finite number");
            return GRAFT_OK;
        }
    prediction_say(&p->form, path, logits);
    return GRAFT_OK;
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

/* ---- All ---- */

static int predict_all(predictor *p, const arguments *given, size_t first)
{
    path_source source;
    const char *const *list;
    size_t count;
    graft_status status = GRAFT_OK;
    const picture_pass pass = {p->model, p->executor, p->form.classes, p->workers,
                               BATCH,    p,           say_good,        say_bad};
    paths_open(&source, given, first);
    while (status == GRAFT_OK && !ferror(stdout) && (count = paths_take(&source, &list)) > 0) {
        if (count == 1)
            predict_one(p, list[0]);
        else
            status = pictures_pass(&pass, list, count);
        screen_flush();
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
    how.precision = precision_asked(given);
    subject_threads(&how.threads, &p->workers, given);
    p->form.model = p->model;
    p->form.classes = graft_model_class_count(p->model);
    p->form.top = (size_t)argument_integer(given, "top", 1);
    p->form.logits = argument_word(given, "emit", 0) == 1;
    p->form.json = argument_given(given, "json");
    graft_status status = graft_executor_create(&p->executor, p->model, &how);
    if (status == GRAFT_OK)
        precision_say(how.precision, graft_executor_precision(p->executor));
    return status;
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
    .network_usage = "--model NAME PICTURE... [OPTION...]",
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
