/* `graft eval RUN [DATA]`: what a model does with labelled pictures. */
#include <signal.h>
#include <stdio.h>

#include <graft/graft.h>

#include "cli/command.h"
#include "cli/eval_data.h"
#include "cli/eval_report.h"
#include "cli/precision.h"
#include "cli/screen.h"
#include "cli/subject.h"

static const option options[] = {
    {"csv", "FILE", NULL, "write a line a picture, the worst first, as in a run's pictures.csv",
     .kind = OPTION_TEXT},
    {"json", NULL, NULL, "everything as one JSON object on stdout", .kind = OPTION_FLAG},
    SUBJECT_OPTIONS,
    {"quiet", NULL, NULL, "say on stderr only what goes wrong", .kind = OPTION_FLAG},
    {.name = NULL},
};

/* The table of pictures: of all of DATA with what was skipped, or of the held-out ones alone. */
static graft_status write_csv(const char *path, const eval_report *r)
{
    const eval_data *d = r->data;
    if (!path)
        return GRAFT_OK;
    return d->set == GRAFT_SET_ALL
               ? graft_pictures_write(path, r->subject->model, d->dataset, &r->evaluation, 1)
               : graft_evaluation_write(path, r->subject->model, d->dataset, r->evaluation);
}

static int report(const arguments *given, const eval_report *r)
{
    if (write_csv(argument_text(given, "csv"), r) != GRAFT_OK)
        return screen_fail_status();
    if (argument_given(given, "json"))
        eval_report_json(r);
    else
        eval_report_print(stdout, r);
    return EXIT_GOOD;
}

static int evaluate(const arguments *given, const subject *s, const char *folder)
{
    screen_state screen = {.quiet = argument_given(given, "quiet"), .unit = "pictures", .passing = true};
    graft_evaluate_options how = GRAFT_EVALUATE_OPTIONS_INIT;
    graft_evaluation *evaluation = NULL;
    eval_data data;
    subject_threads(&how.threads, &how.workers, given);
    how.precision = precision_asked(given);
    how.progress = (graft_progress){screen_progress, &screen};
    int status = eval_data_open(&data, s, folder, how.workers, &screen);
    if (status == EXIT_GOOD) {
        how.set = data.set;
        graft_status done = graft_evaluate(&evaluation, s->model, data.dataset, &how);
        screen_close(&screen);
        if (done == GRAFT_OK && !screen.quiet)
            precision_say(how.precision, graft_evaluation_precision(evaluation));
        status =
            done == GRAFT_OK ? report(given, &(eval_report){s, &data, evaluation}) : screen_fail_status();
    }
    graft_evaluation_free(evaluation);
    eval_data_dispose(&data);
    return status;
}

static int run(const arguments *given)
{
    subject s;
    bool network = argument_given(given, "model");
    size_t count = argument_count(given), most = network ? 1 : 2;
    signal(SIGPIPE, SIG_DFL); /* a reader that leaves ends this quietly */
    if (count > most) {
        screen_fail("\"%s\" is one argument too many: with --model there is no RUN",
                    argument_at(given, most));
        return EXIT_USAGE;
    }
    int status = subject_open(&s, given);
    if (status == EXIT_GOOD)
        status = evaluate(given, &s, count > s.rest ? argument_at(given, s.rest) : NULL);
    subject_dispose(&s);
    return status;
}

const command command_eval = {
    .name = "eval",
    .usage = "RUN [DATA] [OPTION...]",
    .network_usage = "--model NAME DATA [OPTION...]",
    .summary = "Says how well a model does on pictures with known classes",
    .description = "RUN is a folder that `graft train` made, or a model.safetensors. Without DATA\n"
                   "its held-out pictures are evaluated; with DATA all of that folder's, by folders\n"
                   "named as the model's classes, and it is said how many of them the model was\n"
                   "trained on (by content, not by name). With --model a network is evaluated with\n"
                   "its published classes, and DATA's folders are named by class index.\n"
                   "\n"
                   "A picture that cannot be read is named and left out of every figure.\n"
                   "\n"
                   "--json: run, network, data, set (held-out or all), pictures, trained_on,\n"
                   "accuracy, accuracy_low, accuracy_high, log_loss, top5, majority: {class,\n"
                   "accuracy}, classes: [{class, index, pictures, said, correct, precision, recall,\n"
                   "f1}], confusion: [{class, said, pictures}], outcomes: [{path, class, said,\n"
                   "probability, loss, rank}], skipped: [{path, cause}]. What is not known is null.",
    .options = options,
    .least = 1,
    .most = 2,
    .run = run,
};
