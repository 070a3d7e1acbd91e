/* The figures of an evaluation as a person reads them; train and eval say them alike. */
#ifndef GRAFT_CLI_FIGURES_H
#define GRAFT_CLI_FIGURES_H

#include <stdbool.h>
#include <stdio.h>

#include <graft/report.h>

/* Outcomes that went wrong, the most confident first. */
typedef struct figures_wrong {
    const graft_outcome **outcomes; /* (count) */
    size_t count;
} figures_wrong;

/* False where memory is out, with a sentence. */
bool figures_wrong_create(figures_wrong *wrong, const graft_evaluation *evaluation);
void figures_wrong_dispose(figures_wrong *wrong);

/* How many were right. */
size_t figures_right(const graft_evaluation *evaluation);

/* "accuracy    81.4 % of 70 held-out pictures (95 % interval 70.8 to 88.8); always "mammals" would be 18.6
 * %". `pictures` says which. */
void figures_accuracy(FILE *stream, const graft_evaluation *evaluation, const graft_model *model,
                      const char *pictures);
/* The three commonest confusions: "fish for birds 3" is fish said three times of birds. Silent where nothing
 * went wrong. */
void figures_mixed_up(FILE *stream, figures_wrong *wrong, const graft_model *model);
/* Five pictures that were contradicted most confidently. `tail` follows them. */
void figures_look_at(FILE *stream, const figures_wrong *wrong, const graft_model *model,
                     const graft_dataset *dataset, const char *tail);

#endif
