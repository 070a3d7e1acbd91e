/* A plan: one part of a graph at one batch size, compiled to a list of kernels on buffers whose offsets in a
 * workspace are known. Plans of one executor share the workspace, the parameters and the packed constants;
 * nothing is allocated while one runs.
 *
 * The backbone's plan reads pictures and gives what crosses the cut. The upper plan reads that and gives
 * logits, and in training the loss and the gradients. */
#ifndef GRAFT_PLAN_PLAN_H
#define GRAFT_PLAN_PLAN_H

#include <graft/train.h>

#include "graph/graph.h"
#include "ops/lowering.h"
#include "plan/constants.h"

typedef enum graft_plan_part { GRAFT_PLAN_BACKBONE = 0, GRAFT_PLAN_UPPER } graft_plan_part;

typedef struct graft_plan_request {
    const graft_graph *graph;
    graft_device *device;
    graft_constants *constants;
    const graft_plan_tensor *tensors; /* one for each of the graph's; borrowed while the plan lives */
    int64_t batch;
    graft_plan_part part;
    bool training; /* with loss and backward */
    graft_loss loss;
    float label_smoothing; /* of cross-entropy */
    graft_dtype precision; /* of what multiplies in the backbone: f32, or bf16 as far as oneDNN has it */
    graft_kernels kernels;
    bool packs;                     /* the plan decides how what trains lies: graft_plan_kept */
    bool move_statistics;           /* training batch norm uses the batch's statistics */
    const graft_drop_source *drops; /* NULL: dropout and stochastic depth are the identity */
    graft_gradient_rule gradients;
} graft_plan_request;

typedef struct graft_plan graft_plan;

/* By request.kernels; where the machine has none such, or nothing suits them, directly. MEASURE is the rule's
 * choice here. */
graft_status graft_plan_compile(graft_plan **plan, const graft_plan_request *request);
graft_kernels graft_plan_kernels(const graft_plan *plan); /* what it was compiled by, in the end */
/* What candidates run on while they are timed. */
typedef struct graft_plan_stage {
    float *const *inputs; /* as for bind */
    /* Of a request that packs: lays what trains out as this plan has it, in memory that stays where it is if
     * it is large enough. All candidates are laid out once before the first is bound. */
    graft_status (*lay_out)(void *context, const graft_plan *plan);
    void *context;
} graft_plan_stage;
/* Compiles all candidates, times them in turns on made up numbers in a workspace of its own, and gives the
 * one that is taken, to be bound anew. All that the plan writes outside of a workspace is written. */
graft_status graft_plan_measure(graft_plan **plan, graft_kernels_choice *choice,
                                const graft_plan_request *request, const graft_plan_stage *stage);
void graft_plan_free(graft_plan *plan);

/* Whether bf16 would make this request's part clearly faster on this machine than f32 by the rule. */
graft_status graft_plan_gains_by_bf16(bool *gains, const graft_plan_request *request);

/* Bytes that its buffers take in a workspace aligned to 64. */
size_t graft_plan_workspace(const graft_plan *plan);
/* How a tensor that trains has to lie when the plan is bound, and its gradient: as the request's tensors say,
 * unless it `packs`. NULL: row-major. */
const graft_layout *graft_plan_kept(const graft_plan *plan, int tensor);
/* Sets every kernel's addresses; those of the request's tensors are as they are then. `inputs`: for the upper
 * plan one address a cut node, in the nodes' order, (N, C, H, W) plain; NULL for the backbone's, whose input
 * lies in the workspace. */
graft_status graft_plan_bind(graft_plan *plan, void *workspace, float *const *inputs);

typedef enum graft_phase { GRAFT_PHASE_FORWARD = 0, GRAFT_PHASE_LOSS, GRAFT_PHASE_BACKWARD } graft_phase;
graft_status graft_plan_run(graft_plan *plan, graft_phase phase);

float *graft_plan_picture(const graft_plan *plan); /* backbone: (N, 3, H, W) */
/* Output `index` (the backbone's: cut nodes in order; the upper plan's only one: the logits): (N, ...) plain.
 */
const float *graft_plan_output(const graft_plan *plan, int index);
int32_t *graft_plan_labels(const graft_plan *plan); /* training: (N) */
float graft_plan_loss(const graft_plan *plan);      /* training, after its phase: of all outputs that train */

/* What was compiled, for tests and for whoever looks for lost time. */
typedef struct graft_plan_step {
    graft_phase phase;
    const char *node;           /* for whom it works, "loss" */
    const char *implementation; /* "jit:avx2", "host:drop" */
    bool reorders;              /* it only brings a tensor into another layout */
    const graft_layout *from;   /* of slot 0 */
    const graft_layout *to;     /* of the first slot that is written */
    size_t scratch;             /* bytes beside its slots */
    size_t live;                /* bytes of the workspace in use while it runs */
    double seconds;             /* as it was timed last; 0 before */
} graft_plan_step;
size_t graft_plan_step_count(const graft_plan *plan);
graft_plan_step graft_plan_step_at(const graft_plan *plan, size_t index);
/* Runs a bound plan `rounds` times, and once before that does not count, on made up pictures and labels and
 * on what lies in its other inputs. Each step's time is the median. */
graft_status graft_plan_time(graft_plan *plan, int rounds);
void graft_plan_make_up(float *values, size_t count);

#endif
