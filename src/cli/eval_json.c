/* An evaluation as one JSON object:
 *
 *   run, network, data   strings; run is null with --model
 *   set                  "held-out" or "all"
 *   pictures             how many were evaluated
 *   trained_on           how many of the set the model was trained on; null where it does not know
 *   accuracy, accuracy_low, accuracy_high, log_loss, top5 (null with five classes or fewer)
 *   majority             {class, accuracy}
 *   classes              [{class, index, pictures, said, correct, precision, recall, f1}]
 *   confusion            [{class, said, pictures}], every pair that occurred
 *   outcomes             [{path, class, said, probability, loss, rank}]
 *   skipped              [{path, cause}], what could not be read */
#include "cli/eval_report.h"

#include <stdlib.h>

#include "cli/json_lines.h"

enum { TOP = 5 };

static json_t *class_json(const eval_report *r, int index)
{
    char number[16];
    const char *name = graft_model_class(r->subject->model, (size_t)index);
    snprintf(number, sizeof number, "%d", index);
    return json_text(name ? name : number);
}

static json_t *classes_json(const eval_report *r)
{
    json_t *list = json_array();
    for (size_t i = 0; i < graft_model_class_count(r->subject->model); i++) {
        graft_class_figures f = graft_evaluation_class(r->evaluation, (int)i);
        json_array_append_new(list, json_pack("{s:o, s:I, s:I, s:I, s:I, s:f, s:f, s:f}", "class",
                                              class_json(r, (int)i), "index", (json_int_t)i, "pictures",
                                              (json_int_t)f.support, "said", (json_int_t)f.said, "correct",
                                              (json_int_t)f.correct, "precision", f.precision, "recall",
                                              f.recall, "f1", f.f1));
    }
    return list;
}

static int by_pair(const void *a, const void *b)
{
    const graft_outcome *x = *(const graft_outcome *const *)a, *y = *(const graft_outcome *const *)b;
    return x->label != y->label ? x->label - y->label : x->predicted - y->predicted;
}

/* Each pair once: the first outcome of a run of equal ones. */
static json_t *confusion_json(const eval_report *r)
{
    size_t count = graft_evaluation_count(r->evaluation);
    const graft_outcome **sorted = calloc(count + 1, sizeof(const graft_outcome *));
    json_t *list = sorted ? json_array() : NULL;
    for (size_t i = 0; sorted && i < count; i++)
        sorted[i] = graft_evaluation_outcome(r->evaluation, i);
    if (sorted)
        qsort(sorted, count, sizeof(const graft_outcome *), by_pair);
    for (size_t i = 0; sorted && i < count; i++) {
        const graft_outcome *o = sorted[i];
        if (i > 0 && by_pair(&sorted[i - 1], &sorted[i]) == 0)
            continue;
        size_t pictures = graft_evaluation_confusion(r->evaluation, o->label, o->predicted);
        json_array_append_new(list, json_pack("{s:o, s:o, s:I}", "class", class_json(r, o->label), "said",
                                              class_json(r, o->predicted), "pictures", (json_int_t)pictures));
    }
    free(sorted);
    return list;
}

static json_t *outcomes_json(const eval_report *r)
{
    json_t *list = json_array();
    for (size_t i = 0; i < graft_evaluation_count(r->evaluation); i++) {
        const graft_outcome *o = graft_evaluation_outcome(r->evaluation, i);
        const char *path = graft_dataset_sample(r->data->dataset, (size_t)o->sample).path;
        json_array_append_new(list,
                              json_pack("{s:o, s:o, s:o, s:f, s:f, s:i}", "path", json_text(path), "class",
                                        class_json(r, o->label), "said", class_json(r, o->predicted),
                                        "probability", o->probability, "loss", o->loss, "rank", o->rank));
    }
    return list;
}

static void add_unread(void *list, const graft_sample *sample, const char *cause)
{
    json_array_append_new(
        list, json_pack("{s:o, s:o}", "path", json_text(sample->path), "cause", json_text(cause)));
}

static json_t *skipped_json(const eval_report *r)
{
    json_t *list = json_array();
    eval_report_unread(r, add_unread, list);
    return list;
}

static void add_figures(json_t *object, const eval_report *r)
{
    const graft_evaluation *e = r->evaluation;
    size_t count = graft_evaluation_count(e), right = 0, largest;
    double low, high;
    for (size_t i = 0; i < count; i++)
        right += graft_evaluation_outcome(e, i)->rank == 0;
    graft_wilson(right, count, &low, &high);
    int majority = graft_evaluation_majority(e, &largest);
    json_object_set_new(object, "pictures", json_integer((json_int_t)count));
    json_object_set_new(object, "accuracy", json_real(graft_evaluation_accuracy(e)));
    json_object_set_new(object, "accuracy_low", json_real(low));
    json_object_set_new(object, "accuracy_high", json_real(high));
    json_object_set_new(object, "log_loss", json_real(graft_evaluation_log_loss(e)));
    json_object_set_new(object, "top5",
                        graft_model_class_count(r->subject->model) > TOP
                            ? json_real(graft_evaluation_top(e, TOP))
                            : json_null());
    json_object_set_new(object, "majority",
                        json_pack("{s:o, s:f}", "class", class_json(r, majority), "accuracy",
                                  (double)largest / (double)count));
}

void eval_report_json(const eval_report *r)
{
    const eval_data *d = r->data;
    json_t *object =
        json_pack("{s:o?, s:s, s:o, s:s, s:o}", "run", r->subject->run ? json_text(r->subject->run) : NULL,
                  "network", graft_model_network(r->subject->model)->name, "data", json_text(d->folder),
                  "set", d->held_out ? "held-out" : "all", "trained_on",
                  d->knows ? json_integer((json_int_t)d->trained_on) : json_null());
    add_figures(object, r);
    json_object_set_new(object, "classes", classes_json(r));
    json_object_set_new(object, "confusion", confusion_json(r));
    json_object_set_new(object, "outcomes", outcomes_json(r));
    json_object_set_new(object, "skipped", skipped_json(r));
    json_say(object);
}
