/* What `graft train` says on stderr while it works and when it is done. */
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "cli/figures.h"
#include "cli/precision.h"
#include "cli/train.h"

enum { SHOWN = 3, NAME_COLUMNS = 60, CAUSE_COLUMNS = 90 };

/* ---- Pictures ---- */

/* "held out (a fixed fifth of each class)" */
static void say_pictures(const train_job *job)
{
    const graft_dataset *d = job->dataset;
    size_t train = graft_dataset_set_count(d, GRAFT_SET_TRAIN, -1);
    size_t held_out = graft_dataset_set_count(d, GRAFT_SET_HELD_OUT, -1);
    const graft_dataset_options *o = &job->request.dataset;
    double fraction = o->held_out == GRAFT_AUTO ? 0.2 : o->held_out;
    char how[256] = "";
    if (o->held_out_folder)
        snprintf(how, sizeof how, " (%s)", screen_name(o->held_out_folder, NAME_COLUMNS));
    else if (graft_dataset_has_own_held_out(d))
        snprintf(how, sizeof how, " (DATA's own folder)");
    else if (held_out > 0)
        snprintf(how, sizeof how, " (a fixed %.4g %% of each class)", 100.0 * fraction);
    screen_line(stderr, "pictures", "%s in %s classes: %s to train, %s held out%s",
                screen_count(train + held_out), screen_count(graft_dataset_class_count(d)),
                screen_count(train), held_out ? screen_count(held_out) : "nothing", how);
}

static void say_skipped(const graft_dataset *d)
{
    size_t skipped = graft_dataset_set_count(d, GRAFT_SET_SKIPPED, -1), shown = 0;
    for (size_t i = 0; i < graft_dataset_count(d) && shown < SHOWN; i++) {
        graft_sample sample = graft_dataset_sample(d, i);
        char count[48] = "";
        if (sample.set != GRAFT_SET_SKIPPED)
            continue;
        if (shown == 0 && skipped > 1)
            snprintf(count, sizeof count, "%s: ", screen_count(skipped));
        screen_line(stderr, shown ? "" : "skipped", "%s%s: %s", count, screen_name(sample.name, NAME_COLUMNS),
                    screen_name(sample.cause, CAUSE_COLUMNS));
        shown++;
    }
    if (skipped > shown)
        screen_line(stderr, "", "and %s more; all of them will stand in pictures.csv",
                    screen_count(skipped - shown));
}

static void say_ignored(const graft_dataset *d)
{
    size_t ignored = graft_dataset_ignored_count(d);
    if (ignored == 0)
        return;
    screen_line(stderr, "ignored", "%s %s no picture by name, or in no class: %s%s", screen_count(ignored),
                ignored == 1 ? "entry that is" : "entries that are",
                screen_name(graft_dataset_ignored(d, 0), NAME_COLUMNS), ignored > 1 ? ", ..." : "");
}

/* Nothing could be held out of these classes. */
static void say_single(const train_job *job)
{
    const graft_dataset *d = job->dataset;
    bool drawn = graft_dataset_set_count(d, GRAFT_SET_HELD_OUT, -1) > 0 &&
                 !graft_dataset_has_own_held_out(d) && !job->request.dataset.held_out_folder;
    size_t single = 0, last = 0;
    for (size_t i = 0; drawn && i < graft_dataset_class_count(d); i++)
        if (graft_dataset_set_count(d, GRAFT_SET_HELD_OUT, (int)i) == 0) {
            single++;
            last = i;
        }
    if (single > 0)
        screen_line(stderr, "single", "%s%s has one picture, which is trained on and never held out",
                    screen_name(graft_dataset_class(d, last), NAME_COLUMNS),
                    single > 1 ? " (one of several such classes)" : "");
}

void train_say_data(const train_job *job)
{
    if (job->request.quiet)
        return;
    say_pictures(job);
    say_skipped(job->dataset);
    say_ignored(job->dataset);
    say_single(job);
}

void train_say_network(const train_job *job)
{
    if (job->request.quiet)
        return;
    const char *name = graft_model_network(job->model)->name;
    if (job->request.random_weights)
        screen_line(stderr, "network", "%s, random weights", name);
    else
        screen_line(stderr, "network", "%s, weights %s%s", name,
                    screen_name(graft_model_source_name(job->model), NAME_COLUMNS),
                    job->other_classes ? " (its class layer is for other classes: it is replaced)" : "");
}

/* ---- The plan ---- */

/* "_fc", "features.* and _fc", "all but _blocks.0" */
static void name_trained(char *text, size_t size, const train_job *job)
{
    const train_request *r = &job->request;
    const char *head = graft_model_head(job->model);
    bool probe = strcmp(job->phase, "train") != 0;
    size_t used = 0;
    text[0] = 0;
    if (!probe && r->freeze)
        used += (size_t)snprintf(text, size, "all but %s", r->freeze[0]);
    for (size_t i = 1; !probe && i < r->fit.freeze_count && used < size; i++)
        used += (size_t)snprintf(text + used, size - used, ", %s", r->freeze[i]);
    for (size_t i = 0; !probe && i < r->fit.trainable_count && used < size; i++)
        if (strcmp(r->trainable[i], "head") != 0)
            used += (size_t)snprintf(text + used, size - used, "%s%s", used ? ", " : "", r->trainable[i]);
    if (used == 0)
        snprintf(text, size, "%s", head);
}

/* Where kept features are, how much lies there, and what is to be known of it. */
static void say_cache(const graft_fit_event *event)
{
    graft_cache_list *list = NULL;
    if (event->word)
        screen_line(stderr, "cache", "%s%s", event->word,
                    event->cache == GRAFT_CACHE_MEMORY ? "; features are kept in memory"
                    : event->cache == GRAFT_CACHE_NONE ? "; features are computed in every epoch"
                                                       : "");
    if (event->cache != GRAFT_CACHE_DISK || graft_cache_list_open(&list, NULL) != GRAFT_OK)
        return;
    screen_line(stderr, "cache", "%s has %s; %s of %s views are there already",
                screen_name(graft_cache_list_folder(list), NAME_COLUMNS),
                screen_bytes(graft_cache_list_bytes(list)), screen_count(event->found),
                screen_count(event->views));
    graft_cache_list_free(list);
}

/* Only what was measured is worth a line. */
static void say_kernels(const char *what, const graft_kernels_choice *choice)
{
    if (choice->seconds > 0.0)
        screen_line(stderr, "kernels", "%s: %s, %.1f ms; by the rule %s, %.1f ms", what,
                    graft_kernels_name(choice->taken), 1e3 * choice->seconds,
                    graft_kernels_name(choice->by_rule), 1e3 * choice->seconds_by_rule);
}

void train_say_plan(train_job *job, const graft_fit_event *event)
{
    char what[256], views[80];
    size_t frozen = event->parameters - event->trained, features = event->views * event->memory.features_each;
    size_t products = event->views * event->memory.products_each;
    job->last_line = graft_clock();
    if (job->request.quiet || screen_interrupted())
        return;
    screen_close(&job->screen);
    name_trained(what, sizeof what, job);
    snprintf(views, sizeof views, " frozen, run once for each of %d random views of a picture", event->drawn);
    screen_line(stderr, strcmp(event->phase, "train") == 0 ? "training" : event->phase,
                "%s, %s of %s parameters%s%s%s%s%s", screen_name(what, NAME_COLUMNS),
                screen_rounded(event->trained), screen_rounded(event->parameters), frozen ? "; " : "",
                frozen ? screen_rounded(frozen) : "",
                !frozen                            ? ""
                : event->every_epoch               ? " frozen, run every epoch, because views are random"
                : event->cache == GRAFT_CACHE_NONE ? " frozen, run every epoch"
                : event->drawn > 0                 ? views
                : event->views > 0                 ? " frozen, run once a picture"
                                                   : " frozen",
                frozen && event->precision == GRAFT_BF16 ? ", in bf16" : "",
                event->gram ? "; from products of features (Gram form)" : "");
    screen_line(stderr, "memory", "%s planned: weights %s, features %s%s, workspace %s",
                screen_bytes(event->planned), screen_bytes(event->memory.weights), screen_bytes(features),
                event->cache == GRAFT_CACHE_DISK ? " on disk" : "", screen_bytes(event->memory.workspace));
    if (products > 0)
        screen_line(stderr, "", "and products of features %s, in memory", screen_bytes(products));
    say_kernels("frozen part", &event->backbone);
    say_kernels("training", &event->training);
    if (frozen && !job->told_precision) {
        precision_say(job->request.fit.precision, event->precision);
        job->told_precision = true;
    }
    say_cache(event);
}

void train_say_word(train_job *job, const graft_fit_event *event)
{
    if (job->request.quiet)
        return;
    screen_close(&job->screen);
    if (event->kind == GRAFT_FIT_SHORT)
        screen_line(stderr, event->phase, "ended early: %s; training starts without it", event->word);
    else
        screen_line(stderr, "cache", "%s", event->word);
}

/* ---- Epochs ---- */

int train_progress(void *context, const char *what, size_t done, size_t total)
{
    train_job *job = context;
    screen_state *s = &job->screen;
    double now = graft_clock();
    bool is_features = strcmp(what, "features") == 0, is_epoch = strcmp(what, "epoch") == 0;
    if (is_epoch && done <= job->epoch_done) /* another epoch; within folds nobody else says so */
        job->epoch_began = now;
    job->epoch_done = is_epoch ? done : SIZE_MAX;
    if (is_epoch && now - job->epoch_began < 0.5) /* the line of the last epoch says enough */
        return screen_interrupted();
    s->passing = !is_features;
    s->unit = is_features ? "views" : "pictures";
    return screen_progress(s, is_features || is_epoch ? what : job->phase, done, total);
}

/* Where lines stay, a long training says an epoch now and then: ten in all, and one in ten seconds. */
static bool is_told(const train_job *job, const graft_fit_event *event, double now)
{
    int stride = event->epochs > 10 ? event->epochs / 10 : 1;
    return event->epoch == 1 || event->epoch == event->epochs || event->epoch % stride == 0 ||
           now - job->last_line >= 10.0;
}

void train_say_epoch(train_job *job, const graft_fit_event *event)
{
    char text[256];
    double now = graft_clock();
    const char *label = strcmp(event->phase, "train") == 0 ? "epoch" : event->phase;
    int used = snprintf(text, sizeof text, "%d/%d  loss %.3f", event->epoch, event->epochs, event->loss);
    if (isfinite(event->held_out_accuracy))
        snprintf(text + used, sizeof text - (size_t)used, "  held out: loss %.3f, accuracy %s",
                 event->held_out_loss, screen_percent(event->held_out_accuracy));
    screen_redraw(&job->screen, label, "%s", text);
    if (event->epoch == event->epochs)
        screen_close(&job->screen);
    if (job->request.quiet || screen_redraws(&job->screen) || !is_told(job, event, now))
        return;
    screen_line(stderr, label, "%s", text);
    job->last_line = now;
}

/* ---- Folds ---- */

typedef struct sums {
    int count;
    double accuracy, squares, loss;
} sums;

/* Of a fold that came to its end. */
static void add_fold(sums *s, const graft_fit_event *event)
{
    if (event->kind != GRAFT_FIT_FOLD || !isfinite(event->held_out_accuracy))
        return;
    s->count++;
    s->accuracy += event->held_out_accuracy;
    s->squares += event->held_out_accuracy * event->held_out_accuracy;
    s->loss += event->held_out_loss;
}

/* Of the folds so far and this one. */
static void say_mean(const train_job *job, const graft_fit_event *event)
{
    sums s = {.count = 0};
    char some[48] = "";
    for (size_t i = 0; i < job->history.count; i++)
        add_fold(&s, &job->history.events[i]);
    add_fold(&s, event);
    if (s.count < event->epochs)
        snprintf(some, sizeof some, " of the %d that came to an end", s.count);
    if (s.count < 2)
        return;
    double mean = s.accuracy / s.count, variance = (s.squares - s.accuracy * mean) / (s.count - 1);
    screen_line(stderr, "folds",
                "mean accuracy%s %s (standard deviation %.1f), loss %.3f, of training pictures", some,
                screen_percent(mean), 100.0 * sqrt(variance > 0.0 ? variance : 0.0), s.loss / s.count);
}

void train_say_fold(train_job *job, const graft_fit_event *event)
{
    if (job->request.quiet)
        return;
    screen_erase(&job->screen);
    if (event->word)
        screen_line(stderr, "fold", "%d/%d  ended early: %s", event->epoch, event->epochs, event->word);
    else
        screen_line(stderr, "fold", "%d/%d  held out: loss %.3f, accuracy %s", event->epoch, event->epochs,
                    event->held_out_loss, screen_percent(event->held_out_accuracy));
    if (event->epoch == event->epochs)
        say_mean(job, event);
}

/* ---- The closing block ---- */

/* The command that comes next, RUN as a shell takes it. */
static void say_next(const train_job *job)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./+-,:@%=";
    const char *path = job->run.path;
    char quoted[4 * PATH_MAX];
    size_t used = 0;
    bool simple = path[strspn(path, plain)] == 0 && path[0] != '-';
    for (; *path && used < sizeof quoted - 8; path++)
        if (*path == '\'')
            used += (size_t)snprintf(quoted + used, 8, "'\\''");
        else
            quoted[used++] = (unsigned char)*path < 0x20 || *path == 0x7f ? '?' : *path;
    quoted[used] = 0;
    screen_command(stderr, "next", "%s predict %s%s%s PICTURE...", program_invocation_name, simple ? "" : "'",
                   quoted, simple ? "" : "'");
}

/* How far it came, where that is not the whole way. */
static void say_stop(const train_job *job)
{
    const graft_fit_report *report = &job->report;
    const graft_fit_event *last = &job->history.events[job->history.count - 1];
    if (report->stopped)
        screen_line(stderr, "stopped", "%s epoch %d of %d",
                    strcmp(last->phase, "train") == 0 ? "after" : "in the probe, after", last->epoch,
                    last->epochs);
}

static void say_chosen(const train_job *job)
{
    if (job->report.chosen && job->report.best_epoch > 0)
        screen_line(stderr, "chosen",
                    "epoch %d, the best on these very pictures: on others expect somewhat less",
                    job->report.best_epoch);
}

static void say_figures(const train_job *job, const graft_evaluation *evaluation)
{
    figures_wrong wrong;
    char tail[512];
    size_t missing = graft_evaluation_missing_count(evaluation);
    if (missing > 0)
        screen_line(stderr, "left out", "%s that could be read at first and no longer can",
                    screen_count(missing));
    snprintf(tail, sizeof tail, "all in %s/pictures.csv", screen_name(job->run.path, NAME_COLUMNS));
    if (!figures_wrong_create(&wrong, evaluation))
        return;
    figures_mixed_up(stderr, &wrong, job->trained);
    figures_look_at(stderr, &wrong, job->trained, job->dataset, tail);
    figures_wrong_dispose(&wrong);
}

void train_say_result(train_job *job)
{
    if (job->request.quiet)
        return;
    screen_erase(&job->screen);
    fputc('\n', stderr);
    say_stop(job);
    if (job->held_out) {
        figures_accuracy(stderr, job->held_out, job->trained, "held-out pictures");
        say_chosen(job);
        say_figures(job, job->held_out);
    } else if (graft_dataset_set_count(job->dataset, GRAFT_SET_HELD_OUT, -1) == 0) {
        screen_line(stderr, "accuracy", "not known: nothing was held out to measure it on");
    } else {
        screen_line(stderr, "accuracy", "not measured: graft eval does it");
    }
    screen_line(stderr, "took", "%s, %s at the peak", screen_time(graft_clock() - job->began),
                screen_bytes(graft_memory_peak()));
    say_next(job);
}
