/* What a classifier did with labelled pictures: figures and what to look at. */
#ifndef GRAFT_REPORT_H
#define GRAFT_REPORT_H

#include <stddef.h>

#include <graft/data.h>
#include <graft/model.h>
#include <graft/status.h>
#include <graft/train.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct graft_evaluation graft_evaluation;

typedef struct graft_outcome {
    int sample; /* index in the dataset */
    int label;
    int predicted;
    double probability; /* of the predicted class */
    double loss;        /* -log of the label's probability */
    int rank;           /* of the label among the classes, from 0; equal ones in the classes' order */
} graft_outcome;

typedef struct graft_evaluate_options {
    graft_set set;
    int threads, workers;
    graft_features *features; /* graft_fit_report.features, used where they are this model's and this
                                 dataset's; NULL: none */
    graft_progress progress;
    graft_dtype precision; /* of all but kept features, as in graft_executor_options */
} graft_evaluate_options;
#define GRAFT_EVALUATE_OPTIONS_INIT                                               \
    {                                                                             \
        GRAFT_SET_HELD_OUT, GRAFT_AUTO, GRAFT_AUTO, NULL, {NULL, NULL}, GRAFT_F32 \
    }

/* Runs the model over a set of the dataset, whose labels are the model's; `options` NULL: the defaults. A
 * picture that cannot be read any more (it was deleted since the scan) is left out of every figure and listed
 * as missing. GRAFT_EARGUMENT (a set without pictures, a label that is none of the model's classes),
 * GRAFT_EIO (none could be read), GRAFT_EDIVERGED (a logit is not a finite number). */
GRAFT_API graft_status graft_evaluate(graft_evaluation **evaluation, graft_model *model,
                                      const graft_dataset *dataset, const graft_evaluate_options *options);
GRAFT_API void graft_evaluation_free(graft_evaluation *evaluation); /* NULL is legal */

/* As graft_executor_precision says. */
GRAFT_API graft_dtype graft_evaluation_precision(const graft_evaluation *evaluation);
/* What was evaluated, in the dataset's order. */
GRAFT_API size_t graft_evaluation_count(const graft_evaluation *evaluation);
GRAFT_API const graft_outcome *graft_evaluation_outcome(const graft_evaluation *evaluation, size_t index);
/* (classes) probabilities of an outcome. */
GRAFT_API const float *graft_evaluation_probabilities(const graft_evaluation *evaluation, size_t index);

typedef struct graft_missing {
    int sample;        /* index in the dataset */
    const char *cause; /* why it could not be read; borrowed from the evaluation */
} graft_missing;
GRAFT_API size_t graft_evaluation_missing_count(const graft_evaluation *evaluation);
GRAFT_API graft_missing graft_evaluation_missing(const graft_evaluation *evaluation, size_t index);

GRAFT_API double graft_evaluation_accuracy(const graft_evaluation *evaluation); /* 0 to 1 */
/* How often the label was among the k likeliest classes. */
GRAFT_API double graft_evaluation_top(const graft_evaluation *evaluation, int k);
GRAFT_API double graft_evaluation_log_loss(const graft_evaluation *evaluation); /* mean, natural logarithm */
/* How often `predicted` was said of `label`. */
GRAFT_API size_t graft_evaluation_confusion(const graft_evaluation *evaluation, int label, int predicted);

typedef struct graft_class_figures {
    size_t support, said, correct;
    double precision, recall, f1; /* 0 where undefined */
} graft_class_figures;
GRAFT_API graft_class_figures graft_evaluation_class(const graft_evaluation *evaluation, int label);

/* Wilson's score interval of `right` out of `count` at 95 %; 0 to 1 where count is 0. */
GRAFT_API void graft_wilson(size_t right, size_t count, double *low, double *high);

/* The commonest class among the outcomes (the first of equals) and how many it has: what always saying it
 * would reach. `count` may be NULL. */
GRAFT_API int graft_evaluation_majority(const graft_evaluation *evaluation, size_t *count);

/* A line a picture: path,class,set,cause,predicted,probability,loss (RFC 4180: lines end in CR LF), the
 * greatest loss first, then what has no prediction, then the skipped ones. `evaluations` are of sets of
 * `dataset`; what none of them holds has no prediction. Classes without names are written by index. Whole or
 * not at all. GRAFT_EIO. */
GRAFT_API graft_status graft_pictures_write(const char *path, const graft_model *model,
                                            const graft_dataset *dataset,
                                            const graft_evaluation *const *evaluations, size_t count);
/* The same of one evaluation's pictures alone: its outcomes, then what was missing. */
GRAFT_API graft_status graft_evaluation_write(const char *path, const graft_model *model,
                                              const graft_dataset *dataset,
                                              const graft_evaluation *evaluation);

#ifdef __cplusplus
}
#endif
#endif
