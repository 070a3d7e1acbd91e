/* The inside of an evaluation: outcomes one by one, then what is counted over all of them. */
#ifndef GRAFT_REPORT_EVALUATION_H
#define GRAFT_REPORT_EVALUATION_H

#include <graft/report.h>

struct graft_evaluation {
    size_t classes;
    graft_dtype precision;
    graft_outcome *outcomes;
    size_t count, capacity;
    float *probabilities; /* (count, classes) */
    size_t row_capacity;
    graft_missing *missing; /* causes are owned */
    size_t missing_count, missing_capacity;
    graft_class_figures *figures; /* (classes), after `finish` */
    uint64_t *pairs;              /* label and predicted of each outcome, sorted, after `finish` */
};

graft_status graft_evaluation_create(graft_evaluation **evaluation, size_t classes);
/* logits: (classes). GRAFT_EARGUMENT, GRAFT_EDIVERGED (where one is not finite), GRAFT_EMEMORY. */
graft_status graft_evaluation_add(graft_evaluation *evaluation, int sample, int label, const float *logits);
graft_status graft_evaluation_miss(graft_evaluation *evaluation, int sample, const char *cause);
/* Counts: afterwards every figure can be asked for, and nothing is added any more. */
graft_status graft_evaluation_finish(graft_evaluation *evaluation);

#endif
