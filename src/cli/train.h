/* The inside of `graft train`: what was asked for, the job under way, and what is said and written of it. */
#ifndef GRAFT_CLI_TRAIN_H
#define GRAFT_CLI_TRAIN_H

#include <stdbool.h>
#include <stddef.h>

#include <graft/graft.h>

#include "cli/command.h"
#include "cli/history.h"
#include "cli/run_folder.h"
#include "cli/screen.h"

/* ---- What was asked for ---- */

typedef struct train_request {
    const arguments *given;
    const char *data;
    const char *network;
    const char *weights; /* NULL: the published file */
    bool random_weights; /* --weights none */
    const char *head;    /* layers of a new head; NULL: the class layer alone */
    int size;            /* of the pictures; 0: the network's */
    const char *out;     /* NULL: the next number in runs/ */
    bool force, json, quiet;
    const char **trainable, **freeze; /* what `fit` borrows */
    graft_dataset_options dataset;
    graft_decode decode;
    graft_augmentation augment; /* what `fit` borrows where it was given */
    graft_fit_options fit;
} train_request;

extern const option train_options[];

/* From the arguments; false where they contradict each other, after a sentence. */
bool train_request_read(train_request *request, const arguments *given);
void train_request_dispose(train_request *request);
/* "none", "memory" or "disk". */
const char *train_cache_name(int kind);
const char *train_kernels_name(const graft_kernels_choice *choice); /* NULL: there is no such plan */
/* Whether --val is a number, and which. */
bool train_val_fraction(double *fraction, const char *text);

/* ---- The job ---- */

typedef struct train_job {
    train_request request;
    run_folder run;
    graft_dataset *dataset;
    graft_model *model;                    /* as it begins */
    graft_model *trained;                  /* as it ends */
    bool other_classes;                    /* the weights file's class layer was for other classes */
    graft_evaluation *held_out, *training; /* NULL: not evaluated */
    graft_fit_report report;
    history history;
    bool no_memory; /* the history could not grow */
    screen_state screen;
    const char *phase;   /* the one that is under way */
    bool without_probe;  /* it ended early, and nothing came of it */
    bool told_precision; /* that it is another than was asked for */
    double began, epoch_began, last_line;
    size_t epoch_done; /* pictures of the epoch under way that were reported last */
    bool hurry;        /* Ctrl-C came: what is left is done without asking again */
} train_job;

/* ---- On the screen (stderr) ---- */

void train_say_data(const train_job *job);
void train_say_network(const train_job *job);
void train_say_plan(train_job *job, const graft_fit_event *event);
void train_say_word(train_job *job, const graft_fit_event *event); /* of GRAFT_FIT_WORD and _SHORT */
void train_say_epoch(train_job *job, const graft_fit_event *event);
void train_say_fold(train_job *job, const graft_fit_event *event);
void train_say_result(train_job *job);
/* As graft_progress with the job as its context. */
int train_progress(void *job, const char *what, size_t done, size_t total);

/* ---- On stdout, with --json ---- */

void train_json_data(const train_job *job);
void train_json_plan(const train_job *job, const graft_fit_event *event);
void train_json_word(const train_job *job, const graft_fit_event *event);
void train_json_epoch(const train_job *job, const graft_fit_event *event);
void train_json_result(const train_job *job);

/* ---- In RUN; each says why it could not ---- */

/* model.safetensors, with notes of what it was trained on. */
bool train_save_model(train_job *job);
/* history.csv, args.json, pictures.csv. */
bool train_save_tables(const train_job *job);

#endif
