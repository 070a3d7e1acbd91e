/* The inside of the whole job: phases, and the epochs of each. */
#ifndef GRAFT_TRAIN_FIT_H
#define GRAFT_TRAIN_FIT_H

#include <graft/train.h>

#include "base/status.h"
#include "data/features.h"
#include "train/executor.h"

/* Everything that one phase of training needs, with no AUTO left. */
typedef struct graft_phase_settings {
    const char *name; /* "probe", "train", "fold" */
    int epochs, batch, threads, workers;
    double rate, body_rate, momentum, decay, warmup, clip;
    graft_schedule schedule;
    graft_augmentation augment;
    int views; /* of a random augmentation: drawn once and kept; 0: every view is a new one */
    graft_batch_norm batch_norm;
    graft_loss loss;
    double label_smoothing;
    bool stochastic;
    bool choose; /* keep the epoch that is best on the held-out pictures */
    bool nesterov;
    int gram; /* graft_fit_gram */
    graft_kernels kernels;
    bool find_rate; /* rate = 20 / mean |f|^2 of the kept features */
    uint64_t seed;
} graft_phase_settings;

typedef struct graft_fit_job {
    const graft_fit_options *options;
    graft_dataset *dataset;
    graft_fit_report *report;
    bool stopped; /* the caller asked */
} graft_fit_job;

/* How far a phase came. */
typedef struct graft_phase_result {
    graft_model *model; /* the caller's */
    int epochs, best_epoch;
    double rate; /* as it was found */
    bool gram;   /* it trained in the Gram form */
    double held_out_accuracy, held_out_loss;
    graft_status failure;           /* why it ended early, GRAFT_OK where it did not */
    char cause[GRAFT_MESSAGE_SIZE]; /* that failure's sentence */
} graft_phase_result;

/* Trains `model` as it is marked. `features`: kept features to share, NULL: its own. A stop, a loss that
 * is not finite, or a picture that disappears after a good epoch is no failure here: the result is what was
 * good, and says so. */
graft_status graft_phase_run(graft_fit_job *job, graft_model *model, const graft_phase_settings *settings,
                             graft_features *features, graft_phase_result *result);

/* Asks the caller's callback; notes a stop. */
void graft_fit_tell(graft_fit_job *job, const graft_fit_event *event);

#endif
