/* The inside of one phase, which phase.c runs and phase_features.c keeps the features of. */
#ifndef GRAFT_TRAIN_PHASE_H
#define GRAFT_TRAIN_PHASE_H

#include "train/fit.h"
#include "train/keep.h"

typedef struct graft_fit_phase {
    graft_fit_job *job;
    const graft_phase_settings *settings;
    graft_executor *executor;
    graft_keep keep;
    graft_loader *train, *held_out; /* held_out NULL: nothing is */
    double rate, body_rate;
    long step, steps;
    graft_snapshot good; /* the weights after the last good epoch, or the best */
    int good_epoch;
    bool ahead; /* training went on since */
    double best_accuracy, best_loss;
    double loss, accuracy, held_out_loss; /* of the last epoch */
    double step_rate;                     /* of the last step */
    double began;
} graft_fit_phase;

/* Runs the backbone once for each picture and each exact view, where features are kept. A stop is noted. */
graft_status graft_phase_keep(graft_fit_phase *phase, const graft_model *model);

/* A rate that suits the features' size: 20 / mean |f|^2 over the views of the training pictures that are
 * kept, or would be: in the same order, so that it has the same bits. */
graft_status graft_phase_find_rate(graft_fit_phase *phase, const graft_model *model);

/* Tells the caller how far work has come; whether it asks for a stop. */
bool graft_phase_progress(const graft_fit_phase *phase, const char *what, size_t done, size_t total);

#endif
