/* Accuracy with its interval and what it is to be compared with, confusions, pictures to look at. */
#include "cli/figures.h"

#include <stdlib.h>
#include <string.h>

#include "cli/screen.h"

enum { CONFUSIONS = 3, PICTURES = 5, CLASS_COLUMNS = 30, NAME_COLUMNS = 60 };

static const char *class_name(const graft_model *model, int index)
{
    const char *name = graft_model_class(model, (size_t)index);
    return name ? screen_name(name, CLASS_COLUMNS) : screen_count((size_t)index);
}

/* ---- What went wrong ---- */

static int by_confidence(const void *a, const void *b)
{
    const graft_outcome *x = *(const graft_outcome *const *)a, *y = *(const graft_outcome *const *)b;
    if (x->probability != y->probability)
        return x->probability < y->probability ? 1 : -1;
    return x->sample < y->sample ? -1 : x->sample > y->sample;
}

bool figures_wrong_create(figures_wrong *wrong, const graft_evaluation *evaluation)
{
    size_t count = graft_evaluation_count(evaluation);
    wrong->outcomes = calloc(count + 1, sizeof(const graft_outcome *));
    wrong->count = 0;
    if (!wrong->outcomes) {
        screen_fail("out of memory");
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        const graft_outcome *outcome = graft_evaluation_outcome(evaluation, i);
        if (outcome->predicted != outcome->label)
            wrong->outcomes[wrong->count++] = outcome;
    }
    qsort(wrong->outcomes, wrong->count, sizeof(const graft_outcome *), by_confidence);
    return true;
}

void figures_wrong_dispose(figures_wrong *wrong)
{
    free(wrong->outcomes);
    wrong->outcomes = NULL;
    wrong->count = 0;
}

/* ---- Accuracy ---- */

size_t figures_right(const graft_evaluation *evaluation)
{
    size_t right = 0;
    for (size_t i = 0; i < graft_evaluation_count(evaluation); i++) {
        const graft_outcome *outcome = graft_evaluation_outcome(evaluation, i);
        right += outcome->predicted == outcome->label;
    }
    return right;
}

void figures_accuracy(FILE *stream, const graft_evaluation *evaluation, const graft_model *model,
                      const char *pictures)
{
    size_t count = graft_evaluation_count(evaluation), largest;
    double low, high, accuracy = graft_evaluation_accuracy(evaluation);
    graft_wilson(figures_right(evaluation), count, &low, &high);
    int majority = graft_evaluation_majority(evaluation, &largest);
    screen_line(stream, "accuracy", "%s of %s %s (95 %% interval %.1f to %.1f); always \"%s\" would be %s",
                screen_percent(accuracy), screen_count(count), pictures, 100.0 * low, 100.0 * high,
                class_name(model, majority), screen_percent((double)largest / (double)count));
}

/* ---- Confusions ---- */

static int same_confusion(const graft_outcome *x, const graft_outcome *y)
{
    if (x->label != y->label)
        return x->label < y->label ? -1 : 1;
    return x->predicted < y->predicted ? -1 : x->predicted > y->predicted;
}

static int by_confusion(const void *a, const void *b)
{
    const graft_outcome *x = *(const graft_outcome *const *)a, *y = *(const graft_outcome *const *)b;
    int order = same_confusion(x, y);
    return order ? order : by_confidence(a, b);
}

typedef struct confusion {
    const graft_outcome *first;
    size_t count;
} confusion;

/* Puts it among the commonest, which stand in order. */
static void rank(confusion *best, confusion fresh)
{
    for (int i = 0; i < CONFUSIONS; i++)
        if (fresh.count > best[i].count) {
            confusion pushed = best[i];
            best[i] = fresh;
            fresh = pushed;
        }
}

void figures_mixed_up(FILE *stream, figures_wrong *wrong, const graft_model *model)
{
    confusion best[CONFUSIONS] = {{NULL, 0}}, run = {NULL, 0};
    char text[512] = "";
    qsort(wrong->outcomes, wrong->count, sizeof(const graft_outcome *), by_confusion);
    for (size_t i = 0; i < wrong->count; i++) {
        if (!run.first || same_confusion(run.first, wrong->outcomes[i]) != 0) {
            rank(best, run);
            run = (confusion){wrong->outcomes[i], 0};
        }
        run.count++;
    }
    rank(best, run);
    for (int i = 0; i < CONFUSIONS && best[i].count > 0; i++)
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s%s for %s %zu", i ? ", " : "",
                 class_name(model, best[i].first->predicted), class_name(model, best[i].first->label),
                 best[i].count);
    qsort(wrong->outcomes, wrong->count, sizeof(const graft_outcome *), by_confidence);
    if (wrong->count > 0)
        screen_line(stream, "mixed up", "%s", text);
}

/* ---- Pictures ---- */

void figures_look_at(FILE *stream, const figures_wrong *wrong, const graft_model *model,
                     const graft_dataset *dataset, const char *tail)
{
    for (size_t i = 0; i < wrong->count && i < PICTURES; i++) {
        const graft_outcome *outcome = wrong->outcomes[i];
        graft_sample sample = graft_dataset_sample(dataset, (size_t)outcome->sample);
        bool last = i + 1 == wrong->count || i + 1 == PICTURES;
        screen_line(stream, i ? "" : "look at", "%s (said %s, %.0f %%)%s%s",
                    screen_name(sample.name, NAME_COLUMNS), class_name(model, outcome->predicted),
                    100.0 * outcome->probability, last && tail[0] ? "; " : "", last ? tail : "");
    }
}
