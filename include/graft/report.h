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
    int rank;           /* of the label among the classes, from 0 */
} graft_outcome;

/* Runs the model over a set of the dataset. `workers` and `threads` as elsewhere. */
GRAFT_API graft_status graft_evaluate(graft_evaluation **evaluation, graft_model *model,
                                      const graft_dataset *dataset, graft_set set, int threads, int workers,
                                      const graft_progress *progress);
GRAFT_API void graft_evaluation_free(graft_evaluation *evaluation);

GRAFT_API size_t graft_evaluation_count(const graft_evaluation *evaluation);
GRAFT_API const graft_outcome *graft_evaluation_outcome(const graft_evaluation *evaluation, size_t index);
/* (classes) probabilities of an outcome. */
GRAFT_API const float *graft_evaluation_probabilities(const graft_evaluation *evaluation, size_t index);

GRAFT_API double graft_evaluation_accuracy(const graft_evaluation *evaluation); /* 0 to 1 */
GRAFT_API double graft_evaluation_top(const graft_evaluation *evaluation, int k);
GRAFT_API double graft_evaluation_log_loss(const graft_evaluation *evaluation); /* mean, natural logarithm */
/* How often `predicted` was said of `label`. */
GRAFT_API size_t graft_evaluation_confusion(const graft_evaluation *evaluation, int label, int predicted);

typedef struct graft_class_figures {
    size_t support, said, correct;
    double precision, recall, f1; /* 0 where undefined */
} graft_class_figures;
GRAFT_API graft_class_figures graft_evaluation_class(const graft_evaluation *evaluation, int label);

/* Wilson's score interval of `right` out of `count` at 95 %. */
GRAFT_API void graft_wilson(size_t right, size_t count, double *low, double *high);

/* The commonest class among the outcomes and how many it has: what always saying it would reach. */
GRAFT_API int graft_evaluation_majority(const graft_evaluation *evaluation, size_t *count);

/* A line a picture: path,class,set,cause,predicted,probability,loss (RFC 4180), the greatest loss first, then
 * the skipped ones. `evaluations` are of sets of `dataset`; what none of them holds has no prediction. Whole
 * or not at all. GRAFT_EIO. */
GRAFT_API graft_status graft_pictures_write(const char *path, const graft_model *model,
                                            const graft_dataset *dataset,
                                            const graft_evaluation *const *evaluations, size_t count);

#ifdef __cplusplus
}
#endif
#endif
