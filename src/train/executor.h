/* The inside of an executor. */
#ifndef GRAFT_TRAIN_EXECUTOR_H
#define GRAFT_TRAIN_EXECUTOR_H

#include <graft/train.h>

#include "data/features.h"
#include "model/model.h"
#include "plan/plan.h"
#include "train/gram.h"

/* The backbone's batch: fixed, so that what it computes for a picture does not depend on its neighbours. */
enum { GRAFT_SLICE = 8 };
/* Rows that go through the upper part at once when it is only evaluated and convolves nothing: what reads its
 * weights reads them once for all of them. Otherwise a slice, whose tensors are large. */
enum { GRAFT_LIGHT_ROWS = 32 };

/* In the Gram form what trains of a weight is not that tensor itself. */
typedef enum graft_gram_role { GRAFT_GRAM_NONE = 0, GRAFT_GRAM_A, GRAFT_GRAM_C } graft_gram_role;

typedef struct graft_trained {
    const graft_node *node;
    int slot;   /* its parameter */
    int tensor; /* the model's */
    graft_gram_role role;
    int64_t count;                      /* floats of each of these, with the padding of the layout */
    float *value, *gradient, *velocity; /* gradient and velocity NULL for running statistics */
} graft_trained;

typedef struct graft_plan_entry {
    graft_plan *plan;
    graft_plan_part part;
    bool training;
    int batch;
} graft_plan_entry;

typedef struct graft_cut {
    int node;
    size_t count; /* floats of one picture */
    float *feed;  /* (capacity, count): the upper plan's input */
} graft_cut;

/* What has run of the last training batch, while its values are in the workspace. */
typedef enum graft_stage {
    GRAFT_STAGE_NONE = 0,
    GRAFT_STAGE_FORWARD,
    GRAFT_STAGE_LOSS,
    GRAFT_STAGE_BACKWARD
} graft_stage;

struct graft_executor {
    graft_model *model;
    graft_executor_options options;
    graft_device *device;
    graft_constants constants;
    graft_plan_tensor *tensors;
    graft_trained *trained;
    size_t trained_count;
    float *trained_memory;
    size_t trained_bytes;
    graft_kernels_choice choices[2]; /* [part], of the backbone's slice and of training */
    graft_plan_entry *plans;
    size_t plan_count, plan_capacity;
    void *workspace;
    size_t workspace_bytes;
    graft_gram *gram; /* the upper part's graph, tensors and inputs instead of the model's; NULL: plain */
    graft_cut *cuts;
    int cut_count;
    size_t row;               /* floats of one picture across the cut */
    int capacity;             /* rows of the feeds */
    bool upper;               /* something is above the cut */
    graft_features *features; /* NULL: nothing is kept */
    int slice;                /* pictures that go through the backbone at once */
    int rows;                 /* through the upper part in evaluation */
    graft_dtype precision;    /* of the backbone */
    bool training;
    graft_plan *current; /* of the last training batch, unless the stage is NONE */
    graft_stage stage;
    bool fresh; /* the gradients are as after zero_grad */
    bool fused; /* gradients are added to the velocities, and have no place of their own */
    graft_drop_source drops;
    int64_t moves; /* times that running statistics moved */
    float *logits; /* (logit_rows, classes), of an evaluation */
    size_t logit_rows;
    float *picture_row; /* assembling a row across several cuts */
};

/* GRAFT_EFORMAT names the first tensor that the logits depend on and that is not all numbers. */
graft_status graft_model_check_finite(const graft_model *model);

/* As graft_executor_create, with kept features that other executors of the same backbone share (NULL: its
 * own). */
graft_status graft_executor_create_with(graft_executor **executor, graft_model *model,
                                        const graft_executor_options *options, graft_features *features);
graft_status graft_executor_plan(graft_executor *executor, graft_plan_part part, bool training, int batch,
                                 graft_plan **plan);
/* Where the options say so, times the kernels of the backbone's slice, and plans it with those that are
 * taken. */
graft_status graft_executor_measure(graft_executor *executor);
/* For rehearsals: numbers in all that crosses the cut. */
void graft_executor_make_up_feeds(graft_executor *executor);
/* What a training run needs, so that memory is known before it starts; the kernels of the training batch are
 * timed before where the options say so. */
graft_status graft_executor_compile(graft_executor *executor);
/* Training is over: what only runs plans is given back, and what was trained can still be read. */
void graft_executor_retire(graft_executor *executor);
/* Lists what trains. */
graft_status graft_executor_list_trained(graft_executor *executor);
/* Gives it memory, as the plan has it (NULL: row-major): all is as the model has it, and nothing is moving.
 * The memory stays where it is while it is large enough. */
graft_status graft_executor_place_trained(graft_executor *executor, const graft_plan *plan);
/* The values or the gradient of what trains, row-major; of the Gram form's A, the weight's. */
graft_status graft_executor_read_trained(const graft_executor *executor, const graft_trained *trained,
                                         bool gradient, float *out);
/* A part of the model has convolutions. */
bool graft_executor_convolves(const graft_executor *executor, graft_plan_part part);
/* What the upper plans run over. */
const graft_graph *graft_executor_upper_graph(const graft_executor *executor);
graft_plan_tensor *graft_executor_upper_tensors(const graft_executor *executor);
/* What is trained, as it was: to come back to. Zeroed before the first save. */
typedef struct graft_snapshot {
    float *values; /* of everything that trains, one behind another; NULL: nothing was saved */
    int64_t moves;
} graft_snapshot;
graft_status graft_executor_save(const graft_executor *executor, graft_snapshot *snapshot);
void graft_executor_restore(graft_executor *executor, const graft_snapshot *snapshot);
void graft_snapshot_dispose(graft_snapshot *snapshot);

/* Of a batch so many pictures. */
graft_batch graft_batch_part(const graft_batch *batch, int from, int count);
/* Rows of what crosses the cut into the feeds from 0, kept or from pixels (crop, crop, 3); no more of them
 * than the feeds have. */
graft_status graft_executor_gather(graft_executor *executor, const graft_batch *batch);

#endif
