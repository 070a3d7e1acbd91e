/* The confusion matrix in 80 columns.
 *
 *     said:         0   1   2
 *     0 birds       8   .   1      a row is a class that has pictures, a column what was said, a point is 0
 *
 * As many classes as fit stand in it: all, or those that took part in the most confusions. */
#include "cli/eval_report.h"

#include <stdlib.h>
#include <string.h>

#include "cli/screen.h"

enum { WIDTH = 80, NAME = 24, NARROWEST = 3, MOST_COLUMNS = (WIDTH - 8) / NARROWEST };

#define SAID "said:"

typedef struct matrix {
    const eval_report *report;
    int classes[MOST_COLUMNS]; /* ascending */
    size_t count, present;     /* shown; there or said at all */
    int number, name, cell;    /* columns of a class's number, its name (0: it has none), a count */
} matrix;

/* ---- Which classes ---- */

typedef struct ranked {
    int class;
    size_t confusions; /* of it for another, or of another for it */
} ranked;

static int by_confusions(const void *a, const void *b)
{
    const ranked *x = a, *y = b;
    if (x->confusions != y->confusions)
        return x->confusions > y->confusions ? -1 : 1;
    return x->class - y->class;
}

static int by_class(const void *a, const void *b)
{
    return *(const int *)a - *(const int *)b;
}

static size_t rank_classes(ranked *list, const eval_report *r)
{
    size_t present = 0;
    for (size_t i = 0; i < graft_model_class_count(r->subject->model); i++) {
        graft_class_figures f = graft_evaluation_class(r->evaluation, (int)i);
        if (f.support > 0 || f.said > 0)
            list[present++] = (ranked){(int)i, f.support + f.said - 2 * f.correct};
    }
    qsort(list, present, sizeof *list, by_confusions);
    return present;
}

/* ---- How wide ---- */

static int digits_of(size_t number)
{
    int digits = 1;
    for (; number >= 10; number /= 10)
        digits++;
    return digits;
}

static size_t largest_support(const eval_report *r)
{
    size_t largest;
    graft_evaluation_majority(r->evaluation, &largest);
    return largest;
}

static int label_width(const matrix *m)
{
    int width = m->number + m->name, said = (int)strlen(SAID);
    return width > said ? width : said;
}

/* Takes classes from the most confused on while they fit. */
static void fill(matrix *m, const ranked *list, size_t present)
{
    const graft_model *model = m->report->subject->model;
    size_t fits = present;
    m->present = present;
    m->number = digits_of(graft_model_class_count(model) - 1);
    int digits = digits_of(largest_support(m->report));
    m->cell = (digits > m->number ? digits : m->number) + 1;
    m->cell = m->cell < NARROWEST ? NARROWEST : m->cell;
    for (;; fits--) {
        m->count = fits < MOST_COLUMNS ? fits : MOST_COLUMNS;
        for (size_t i = 0; i < m->count; i++)
            m->classes[i] = list[i].class;
        if (graft_model_class(model, 0))
            m->name = 1 + eval_report_class_width(model, m->classes, m->count, NAME);
        if (label_width(m) + (int)m->count * m->cell <= WIDTH)
            break;
    }
    qsort(m->classes, m->count, sizeof *m->classes, by_class);
}

/* ---- Printing ---- */

static void print_head(FILE *stream, const matrix *m)
{
    size_t all = graft_model_class_count(m->report->subject->model);
    fprintf(stream, "\n");
    if (m->count < m->present || m->present < all)
        fprintf(stream, "the %zu of %s classes %s (all of them: --json)\n", m->count, screen_count(all),
                m->count < m->present ? "that were confused most" : "that were there or were said");
    fprintf(stream, "%-*s", label_width(m), SAID);
    for (size_t i = 0; i < m->count; i++)
        fprintf(stream, "%*d", m->cell, m->classes[i]);
    fprintf(stream, "\n");
}

static void print_row(FILE *stream, const matrix *m, int class)
{
    fprintf(stream, "%*d", m->number, class);
    if (m->name > 0) {
        fputc(' ', stream);
        eval_report_class(stream, m->report->subject->model, class, m->name - 1);
    }
    fprintf(stream, "%*s", label_width(m) - m->number - m->name, "");
    for (size_t i = 0; i < m->count; i++) {
        size_t count = graft_evaluation_confusion(m->report->evaluation, class, m->classes[i]);
        if (count > 0)
            fprintf(stream, "%*zu", m->cell, count);
        else
            fprintf(stream, "%*s", m->cell, ".");
    }
    fprintf(stream, "\n");
}

void eval_report_confusion(FILE *stream, const eval_report *r)
{
    matrix m = {.report = r};
    ranked *list = calloc(graft_model_class_count(r->subject->model), sizeof *list);
    if (!list) {
        screen_fail("out of memory");
        return;
    }
    fill(&m, list, rank_classes(list, r));
    free(list);
    print_head(stream, &m);
    for (size_t i = 0; i < m.count; i++)
        if (graft_evaluation_class(r->evaluation, m.classes[i]).support > 0)
            print_row(stream, &m, m.classes[i]);
}
