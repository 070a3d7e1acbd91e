/* Collecting outcomes, and the figures that are read off them.
 *
 * A matrix of all pairs would be large for many classes and almost empty, so a confusion is looked up among
 * the sorted pairs that did occur. */
#include "report/evaluation.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/status.h"

/* ---- Collecting ---- */

graft_status graft_evaluation_create(graft_evaluation **out, size_t classes)
{
    graft_evaluation *e;
    graft_status status = GRAFT_NEW(&e);
    if (status != GRAFT_OK)
        return status;
    e->classes = classes;
    *out = e;
    return GRAFT_OK;
}

void graft_evaluation_free(graft_evaluation *e)
{
    if (!e)
        return;
    for (size_t i = 0; i < e->missing_count; i++)
        free((char *)(uintptr_t)e->missing[i].cause);
    free(e->missing);
    free(e->outcomes);
    free(e->probabilities);
    free(e->figures);
    free(e->pairs);
    free(e);
}

static bool all_finite(const float *row, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!isfinite(row[i]))
            return false;
    return true;
}

static int largest(const float *row, size_t count)
{
    size_t best = 0;
    for (size_t i = 1; i < count; i++)
        if (row[i] > row[best])
            best = i;
    return (int)best;
}

/* How many classes are likelier than the label; of equal ones the first counts as likelier. */
static int rank_of(const float *row, size_t count, int label)
{
    int rank = 0;
    for (size_t i = 0; i < count; i++)
        rank += row[i] > row[label] || (row[i] == row[label] && (int)i < label);
    return rank;
}

/* -log softmax(row)[label], from the logits: a float probability would round to 0. */
static double loss_of(const float *row, size_t count, int label)
{
    double most = row[largest(row, count)], sum = 0.0;
    for (size_t i = 0; i < count; i++)
        sum += exp(row[i] - most);
    return log(sum) + (most - row[label]);
}

graft_status graft_evaluation_add(graft_evaluation *e, int sample, int label, const float *logits)
{
    graft_status status;
    if (label < 0 || (size_t)label >= e->classes)
        return graft_fail(GRAFT_EARGUMENT, "label %d is none of the model's %zu classes", label, e->classes);
    if (!all_finite(logits, e->classes))
        return graft_fail(GRAFT_EDIVERGED, "the model's output is not a finite number");
    GRAFT_TRY(GRAFT_GROW(&e->outcomes, e->count, &e->capacity));
    GRAFT_TRY(graft_grow(&e->probabilities, e->count, &e->row_capacity, e->classes * sizeof(float)));
    float *row = e->probabilities + e->count * e->classes;
    int predicted = largest(logits, e->classes);
    memcpy(row, logits, e->classes * sizeof(float));
    graft_softmax(row, 1, e->classes);
    e->outcomes[e->count++] = (graft_outcome){
        .sample = sample,
        .label = label,
        .predicted = predicted,
        .probability = (double)row[predicted],
        .loss = loss_of(logits, e->classes, label),
        .rank = rank_of(logits, e->classes, label),
    };
out:
    return status;
}

graft_status graft_evaluation_miss(graft_evaluation *e, int sample, const char *cause)
{
    graft_status status;
    char *copy = NULL;
    GRAFT_TRY(graft_duplicate(&copy, cause));
    GRAFT_TRY(GRAFT_GROW(&e->missing, e->missing_count, &e->missing_capacity));
    e->missing[e->missing_count++] = (graft_missing){sample, copy};
    return GRAFT_OK;
out:
    free(copy);
    return status;
}

/* ---- Counting ---- */

static double ratio(size_t part, size_t whole)
{
    return whole ? (double)part / (double)whole : 0.0;
}

static void count_classes(graft_evaluation *e)
{
    for (size_t i = 0; i < e->count; i++) {
        const graft_outcome *o = &e->outcomes[i];
        e->figures[o->label].support++;
        e->figures[o->predicted].said++;
        e->figures[o->label].correct += o->label == o->predicted;
    }
    for (size_t k = 0; k < e->classes; k++) {
        graft_class_figures *f = &e->figures[k];
        f->precision = ratio(f->correct, f->said);
        f->recall = ratio(f->correct, f->support);
        f->f1 = ratio(2 * f->correct, f->said + f->support);
    }
}

static uint64_t pair_of(int label, int predicted)
{
    return (uint64_t)(uint32_t)label << 32 | (uint32_t)predicted;
}

static int compare_pairs(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

graft_status graft_evaluation_finish(graft_evaluation *e)
{
    graft_status status;
    GRAFT_TRY(GRAFT_NEW_ARRAY(&e->figures, e->classes));
    GRAFT_TRY(GRAFT_NEW_ARRAY(&e->pairs, e->count));
    count_classes(e);
    for (size_t i = 0; i < e->count; i++)
        e->pairs[i] = pair_of(e->outcomes[i].label, e->outcomes[i].predicted);
    qsort(e->pairs, e->count, sizeof *e->pairs, compare_pairs);
out:
    return status;
}

/* ---- Asking ---- */

graft_dtype graft_evaluation_precision(const graft_evaluation *evaluation)
{
    return evaluation->precision;
}

size_t graft_evaluation_count(const graft_evaluation *e)
{
    return e->count;
}

const graft_outcome *graft_evaluation_outcome(const graft_evaluation *e, size_t index)
{
    return &e->outcomes[index];
}

const float *graft_evaluation_probabilities(const graft_evaluation *e, size_t index)
{
    return e->probabilities + index * e->classes;
}

size_t graft_evaluation_missing_count(const graft_evaluation *e)
{
    return e->missing_count;
}

graft_missing graft_evaluation_missing(const graft_evaluation *e, size_t index)
{
    return e->missing[index];
}

double graft_evaluation_top(const graft_evaluation *e, int k)
{
    size_t right = 0;
    for (size_t i = 0; i < e->count; i++)
        right += e->outcomes[i].rank < k;
    return ratio(right, e->count);
}

double graft_evaluation_accuracy(const graft_evaluation *e)
{
    return graft_evaluation_top(e, 1);
}

double graft_evaluation_log_loss(const graft_evaluation *e)
{
    double sum = 0.0;
    for (size_t i = 0; i < e->count; i++)
        sum += e->outcomes[i].loss;
    return e->count ? sum / (double)e->count : 0.0;
}

/* How many pairs are smaller. */
static size_t pairs_below(const graft_evaluation *e, uint64_t pair)
{
    size_t low = 0, high = e->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (e->pairs[middle] < pair)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

size_t graft_evaluation_confusion(const graft_evaluation *e, int label, int predicted)
{
    uint64_t pair = pair_of(label, predicted);
    return pairs_below(e, pair + 1) - pairs_below(e, pair);
}

graft_class_figures graft_evaluation_class(const graft_evaluation *e, int label)
{
    return e->figures[label];
}

int graft_evaluation_majority(const graft_evaluation *e, size_t *count)
{
    size_t best = 0;
    for (size_t k = 1; k < e->classes; k++)
        if (e->figures[k].support > e->figures[best].support)
            best = k;
    if (count)
        *count = e->figures[best].support;
    return (int)best;
}

/* E. B. Wilson, "Probable inference, the law of succession, and statistical inference", JASA 22 (1927). */
void graft_wilson(size_t right, size_t count, double *low, double *high)
{
    const double z = 1.959963984540054; /* the normal distribution's 97.5 % */
    if (count == 0) {
        *low = 0.0;
        *high = 1.0;
        return;
    }
    double n = (double)count, p = (double)right / n, square = z * z;
    double centre = (p + square / (2.0 * n)) / (1.0 + square / n);
    double half = z / (1.0 + square / n) * sqrt(p * (1.0 - p) / n + square / (4.0 * n * n));
    *low = right == 0 ? 0.0 : centre - half; /* exact at both ends, whatever the rounding */
    *high = right == count ? 1.0 : centre + half;
}
