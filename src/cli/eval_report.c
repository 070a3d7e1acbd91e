/* The figures of an evaluation for people. */
#include "cli/eval_report.h"

#include <stdlib.h>
#include <string.h>

#include "cli/figures.h"
#include "cli/screen.h"

enum { MOST_CLASSES = 40, SHOWN_CLASSES = 20, MOST_NAMED = 3, TOP = 5, NAME_COLUMNS = 40, PATH_COLUMNS = 60 };

/* ---- Classes in columns ---- */

static int columns_of(const char *name)
{
    int columns = 0;
    for (; *name; name++)
        columns += ((unsigned char)*name & 0xc0) != 0x80;
    return columns;
}

void eval_report_class(FILE *stream, const graft_model *model, int index, int width)
{
    const char *name = subject_class(model, index, width);
    fprintf(stream, "%s%*s", name, width - columns_of(name), "");
}

int eval_report_class_width(const graft_model *model, const int *classes, size_t count, int most)
{
    int width = (int)strlen("class");
    for (size_t i = 0; i < count; i++) {
        int columns = columns_of(subject_class(model, classes[i], most));
        width = columns > width ? columns : width;
    }
    return width;
}

/* ---- What was evaluated ---- */

static void print_model(FILE *stream, const eval_report *r)
{
    const graft_model *model = r->subject->model;
    const char *name = graft_model_network(model)->name;
    if (r->subject->run)
        screen_line(stream, "model", "%s: %s, %s classes", screen_name(r->subject->run, PATH_COLUMNS), name,
                    screen_count(graft_model_class_count(model)));
    else
        screen_line(stream, "model", "%s, its published %s classes, weights %s", name,
                    screen_count(graft_model_class_count(model)),
                    screen_name(graft_model_source_name(model), NAME_COLUMNS));
}

static void print_pictures(FILE *stream, const eval_report *r)
{
    const eval_data *d = r->data;
    char trained[128] = "";
    if (d->trained_on > 0)
        snprintf(trained, sizeof trained, "; %s of them %s trained on, which flatters the figures",
                 screen_count(d->trained_on), d->trained_on == 1 ? "was" : "were");
    else if (!d->held_out && d->knows)
        snprintf(trained, sizeof trained, "; none of them was trained on");
    screen_line(stream, "pictures", "%s%s in %s%s", screen_count(d->count), d->held_out ? " held out" : "",
                screen_name(d->folder, PATH_COLUMNS), trained);
}

void eval_report_unread(const eval_report *r,
                        void (*call)(void *context, const graft_sample *sample, const char *cause),
                        void *context)
{
    const graft_dataset *dataset = r->data->dataset;
    /* what could not be read in a folder of which a part is held out belongs to no part */
    for (size_t i = 0; r->data->set == GRAFT_SET_ALL && i < graft_dataset_count(dataset); i++) {
        graft_sample sample = graft_dataset_sample(dataset, i);
        if (sample.set == GRAFT_SET_SKIPPED)
            call(context, &sample, sample.cause);
    }
    for (size_t i = 0; i < graft_evaluation_missing_count(r->evaluation); i++) {
        graft_missing gone = graft_evaluation_missing(r->evaluation, i);
        graft_sample sample = graft_dataset_sample(dataset, (size_t)gone.sample);
        call(context, &sample, gone.cause);
    }
}

typedef struct unread {
    FILE *stream;
    size_t count;
} unread;

/* "left out    birds/a.png: ends early": the first few. */
static void print_one_unread(void *context, const graft_sample *sample, const char *cause)
{
    unread *u = context;
    if (u->count < MOST_NAMED)
        screen_line(u->stream, u->count ? "" : "left out", "%s: %s", screen_name(sample->name, PATH_COLUMNS),
                    cause);
    u->count++;
}

static void print_unread(FILE *stream, const eval_report *r)
{
    unread u = {stream, 0};
    eval_report_unread(r, print_one_unread, &u);
    if (u.count > MOST_NAMED)
        screen_line(stream, "", "and %s more that cannot be read", screen_count(u.count - MOST_NAMED));
}

/* ---- Figures ---- */

static void print_figures(FILE *stream, const eval_report *r)
{
    const graft_model *model = r->subject->model;
    figures_wrong wrong;
    figures_accuracy(stream, r->evaluation, model, r->data->held_out ? "held-out pictures" : "pictures");
    if (graft_model_class_count(model) > TOP)
        screen_line(stream, "top 5", "%s", screen_percent(graft_evaluation_top(r->evaluation, TOP)));
    screen_line(stream, "log-loss", "%.4f", graft_evaluation_log_loss(r->evaluation));
    if (figures_wrong_create(&wrong, r->evaluation))
        figures_mixed_up(stream, &wrong, model);
    figures_wrong_dispose(&wrong);
}

/* ---- Classes ---- */

typedef struct ranked {
    int class;
    graft_class_figures figures;
} ranked;

static int by_f1(const void *a, const void *b)
{
    const ranked *x = a, *y = b;
    if (x->figures.f1 != y->figures.f1)
        return x->figures.f1 < y->figures.f1 ? -1 : 1;
    if (x->figures.support != y->figures.support)
        return x->figures.support > y->figures.support ? -1 : 1;
    return x->class - y->class;
}

/* The classes that have pictures; of many those with the lowest F1. */
static size_t choose_classes(ranked *list, const eval_report *r, size_t *present)
{
    size_t count = 0;
    for (size_t i = 0; i < graft_model_class_count(r->subject->model); i++) {
        graft_class_figures f = graft_evaluation_class(r->evaluation, (int)i);
        if (f.support > 0)
            list[count++] = (ranked){(int)i, f};
    }
    *present = count;
    if (count <= MOST_CLASSES)
        return count;
    qsort(list, count, sizeof *list, by_f1);
    return SHOWN_CLASSES;
}

static int width_of(const eval_report *r, const ranked *list, size_t count)
{
    int classes[MOST_CLASSES];
    for (size_t i = 0; i < count; i++)
        classes[i] = list[i].class;
    return eval_report_class_width(r->subject->model, classes, count, NAME_COLUMNS);
}

static void print_class(FILE *stream, const eval_report *r, const ranked *c, int width)
{
    const graft_class_figures *f = &c->figures;
    eval_report_class(stream, r->subject->model, c->class, width);
    fprintf(stream, "  %7.1f %%  %6.1f %%  %6.1f %%  %8s\n", 100.0 * f->precision, 100.0 * f->recall,
            100.0 * f->f1, screen_count(f->support));
}

/* What was said of pictures though no picture is of it. */
static void print_strangers(FILE *stream, const eval_report *r)
{
    size_t classes = 0, pictures = 0;
    for (size_t i = 0; i < graft_model_class_count(r->subject->model); i++) {
        graft_class_figures f = graft_evaluation_class(r->evaluation, (int)i);
        classes += f.support == 0 && f.said > 0;
        pictures += f.support == 0 ? f.said : 0;
    }
    if (classes > 0)
        fprintf(stream, "%s picture%s said to be of %s class%s that no picture here is of\n",
                screen_count(pictures), pictures == 1 ? " was" : "s were", screen_count(classes),
                classes == 1 ? "" : "es");
}

static void print_classes(FILE *stream, const eval_report *r)
{
    size_t present, count = graft_model_class_count(r->subject->model);
    ranked *list = calloc(count, sizeof *list);
    if (!list) {
        screen_fail("out of memory");
        return;
    }
    size_t shown = choose_classes(list, r, &present);
    int width = width_of(r, list, shown);
    if (shown < present)
        fprintf(stream, "\nthe %zu of %s classes with the lowest F1 (all of them: --json)", shown,
                screen_count(present));
    fprintf(stream, "\n%-*s  precision    recall        F1  pictures\n", width, "class");
    for (size_t i = 0; i < shown; i++)
        print_class(stream, r, &list[i], width);
    print_strangers(stream, r);
    free(list);
}

void eval_report_print(FILE *stream, const eval_report *r)
{
    print_model(stream, r);
    print_pictures(stream, r);
    print_unread(stream, r);
    print_figures(stream, r);
    print_classes(stream, r);
    eval_report_confusion(stream, r);
}
