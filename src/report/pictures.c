/* A line a picture, what the model got most wrong first. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <graft/tools.h>

#include "base/memory.h"
#include "base/number.h"
#include "report/csv.h"
#include "report/evaluation.h"

enum { FIELDS = 7 };

typedef struct line {
    size_t sample;
    const graft_outcome *outcome; /* NULL: no prediction */
    const char *cause;            /* of a picture that cannot be read, else NULL */
} line;

typedef struct table {
    const graft_model *model;
    const graft_dataset *dataset;
    line *lines; /* one a sample of the dataset, in its order until they are sorted */
    size_t count;
} table;

static graft_status open_table(table *t, const graft_model *model, const graft_dataset *dataset)
{
    graft_status status;
    *t = (table){.model = model, .dataset = dataset, .count = graft_dataset_count(dataset)};
    GRAFT_TRY(GRAFT_NEW_ARRAY(&t->lines, t->count));
    for (size_t i = 0; i < t->count; i++)
        t->lines[i] = (line){.sample = i, .cause = graft_dataset_sample(dataset, i).cause};
out:
    return status;
}

static void add_evaluation(table *t, const graft_evaluation *e)
{
    for (size_t i = 0; i < e->count; i++)
        t->lines[e->outcomes[i].sample].outcome = &e->outcomes[i];
    for (size_t i = 0; i < e->missing_count; i++)
        t->lines[e->missing[i].sample].cause = e->missing[i].cause;
}

/* 0: has a prediction; 1: has none; 2: cannot be read. */
static int place_of(const line *l)
{
    return l->outcome ? 0 : l->cause ? 2 : 1;
}

static int compare_lines(const void *a, const void *b)
{
    const line *x = a, *y = b;
    if (place_of(x) != place_of(y))
        return place_of(x) - place_of(y);
    if (x->outcome && x->outcome->loss != y->outcome->loss)
        return x->outcome->loss < y->outcome->loss ? 1 : -1;
    return (x->sample > y->sample) - (x->sample < y->sample);
}

/* Only what an evaluation says something about. */
static void keep_evaluated(table *t)
{
    size_t kept = 0;
    for (size_t i = 0; i < t->count; i++) {
        bool skipped = graft_dataset_sample(t->dataset, t->lines[i].sample).set == GRAFT_SET_SKIPPED;
        if (t->lines[i].outcome || (t->lines[i].cause && !skipped))
            t->lines[kept++] = t->lines[i];
    }
    t->count = kept;
}

static const char *class_name(const graft_model *model, int index, char number[16])
{
    const char *name = index < 0 ? "" : graft_model_class(model, (size_t)index);
    snprintf(number, 16, "%d", index);
    return name ? name : number;
}

static graft_status print_line(graft_buffer *buffer, const table *t, const line *l)
{
    static const char *const sets[] = {"train", "held-out", "skipped"};
    graft_sample sample = graft_dataset_sample(t->dataset, l->sample);
    char label[16], predicted[16], probability[32] = "", loss[32] = "";
    if (l->outcome) {
        graft_number_print(probability, sizeof probability, "%.9g", l->outcome->probability);
        graft_number_print(loss, sizeof loss, "%.9g", l->outcome->loss);
    }
    const char *fields[FIELDS] = {
        sample.path,
        class_name(t->model, sample.label, label),
        sets[sample.set],
        l->cause,
        l->outcome ? class_name(t->model, l->outcome->predicted, predicted) : "",
        probability,
        loss,
    };
    return graft_csv_line(buffer, fields, FIELDS);
}

static graft_status write_table(const char *path, table *t)
{
    static const char *const heads[FIELDS] = {"path",      "class",       "set", "cause",
                                              "predicted", "probability", "loss"};
    graft_status status;
    graft_buffer buffer = GRAFT_BUFFER_INIT;
    qsort(t->lines, t->count, sizeof *t->lines, compare_lines);
    GRAFT_TRY(graft_csv_line(&buffer, heads, FIELDS));
    for (size_t i = 0; i < t->count; i++)
        GRAFT_TRY(print_line(&buffer, t, &t->lines[i]));
    GRAFT_TRY(graft_file_write(path, buffer.data, buffer.size));
out:
    graft_buffer_dispose(&buffer);
    return status;
}

graft_status graft_pictures_write(const char *path, const graft_model *model, const graft_dataset *dataset,
                                  const graft_evaluation *const *evaluations, size_t count)
{
    table t;
    graft_status status = open_table(&t, model, dataset);
    if (status != GRAFT_OK)
        return status;
    for (size_t i = 0; i < count; i++)
        add_evaluation(&t, evaluations[i]);
    status = write_table(path, &t);
    free(t.lines);
    return status;
}

graft_status graft_evaluation_write(const char *path, const graft_model *model, const graft_dataset *dataset,
                                    const graft_evaluation *evaluation)
{
    table t;
    graft_status status = open_table(&t, model, dataset);
    if (status != GRAFT_OK)
        return status;
    add_evaluation(&t, evaluation);
    keep_evaluated(&t);
    status = write_table(path, &t);
    free(t.lines);
    return status;
}
