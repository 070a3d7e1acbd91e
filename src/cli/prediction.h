/* How a prediction is written: lines of three fields with tabs between them, or JSON Lines. */
#ifndef GRAFT_CLI_PREDICTION_H
#define GRAFT_CLI_PREDICTION_H

#include <stdbool.h>
#include <stddef.h>

#include <graft/model.h>

typedef struct prediction_form {
    const graft_model *model;
    size_t classes;
    size_t top;  /* classes a picture; 0: all */
    bool logits; /* in place of probabilities */
    bool json;
    int *order;    /* (classes) scratch, the rest is the writer's own */
    float *values; /* (classes) scratch */
} prediction_form;

/* False where memory is out; dispose is legal either way. */
bool prediction_open(prediction_form *form);
void prediction_dispose(prediction_form *form);

/* Writes to stdout what the logits of one picture say. */
void prediction_say(prediction_form *form, const char *path, const float *logits);
/* In JSON a picture that cannot be read has its object too; elsewhere nothing is written. */
void prediction_say_failure(const prediction_form *form, const char *path, const char *cause);

#endif
