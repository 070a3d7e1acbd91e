/* The inside of a plan, shared by the files of this folder. */
#ifndef GRAFT_PLAN_INTERNAL_H
#define GRAFT_PLAN_INTERNAL_H

#include "ops/lowering.h"
#include "plan/group.h"
#include "plan/plan.h"

typedef enum home {
    HOME_WORKSPACE = 0, /* at an offset */
    HOME_PARAMETER,     /* of what trains, or its gradient: the tensor's, when it is bound */
    HOME_CONSTANT,      /* frozen: constant->data */
    HOME_INPUT          /* handed over at bind: input number */
} home;

typedef struct value {
    const graft_layout *layout;
    home home;
    const graft_plan_tensor *tensor;
    bool gradient;
    graft_constant *constant;
    int input;
    int root;        /* the value whose bytes these are; itself where it has its own */
    int first, last; /* of a root: steps between which its bytes are wanted */
    size_t bytes;    /* of a root */
    size_t offset;
} value;

typedef struct step {
    graft_kernel *kernel;
    graft_value values[GRAFT_KERNEL_SLOTS];
    graft_value scratch;
    graft_phase phase;
    int node; /* for whom it works; -1: the loss */
    bool reorders;
    double seconds; /* as timed */
} step;

struct graft_plan {
    value *values;
    size_t value_count, value_capacity;
    step *steps;
    size_t step_count, step_capacity;
    size_t workspace;
    graft_value picture, labels;
    int64_t batch;
    graft_kernels kernels;
    graft_value losses[GRAFT_GRAPH_OUTPUTS]; /* of the outputs that train, each times its weight */
    int loss_count;
    graft_value *outputs;
    int output_count;
    const graft_layout **kept; /* [tensor of the graph] how what trains lies; NULL: nobody has asked */
    char *base;                /* the workspace it is bound to */
    const graft_graph *graph;
};

/* graft_lowering: the compiler's state. */
enum { SAVED_SLOTS = 2 };
typedef struct copy_of {
    graft_value from, to;
} copy_of;

/* The folded weight and bias of a group of which something trains, and the scale they were made with. */
typedef struct live_fold {
    bool made;
    graft_value scale, weight, bias;
} live_fold;

struct graft_lowering {
    const graft_plan_request *request;
    graft_plan *plan;
    bool *in_part, *visible, *needs_gradient;
    bool *winograd; /* [node] a convolution of a plan by Winograd's method that suits it */
    graft_group *groups;
    graft_value *forward;  /* [node] */
    graft_value *gradient; /* [node] */
    graft_value *again;    /* [node] its group's output as backward made it; GRAFT_NEW_VALUE: not yet made;
                              GRAFT_NO_VALUE: it is kept */
    live_fold *folds;      /* [node] */
    graft_value *saved;    /* [node * SAVED_SLOTS + slot] */
    copy_of *copies;       /* reorders that exist already */
    size_t copy_count, copy_capacity;
    graft_phase phase;
    int node; /* being lowered */
};

/* A parameter as the node has it, whatever its group folds; where it trains and nothing was decided before it
 * lies as `wanted` (NULL: row-major). */
graft_status graft_lowering_raw_parameter(graft_lowering *l, const graft_node *node, const char *suffix,
                                          const graft_layout *wanted, graft_value *out);
graft_status graft_lowering_constant(graft_lowering *l, graft_constant *constant, graft_value *out);
/* A weight or its gradient in this layout, of the same elements in whatever shape. */
graft_status graft_lowering_bring(graft_lowering *l, graft_value v, const graft_layout *layout,
                                  graft_value *out);
/* Made by the first call, in `wanted` if that can be folded (NULL: row-major). */
graft_status graft_lowering_folded(graft_lowering *l, const graft_node *node, const graft_layout *wanted,
                                   live_fold **out);
graft_status graft_lowering_unfold(graft_lowering *l, const graft_node *node, graft_value weight_gradient,
                                   graft_value bias_gradient);
/* What a kernel of this layout reads in place of v: itself, or made again. A value that would be brought to
 * another layout is kept: the copy may exist already. */
graft_status graft_lowering_recall(graft_lowering *l, const graft_layout *layout, graft_value *v);
/* One candidate: compiled by this method, its constants not filled. GRAFT_EUNSUPPORTED: nothing in it would
 * be by Winograd's method. */
graft_status graft_plan_compile_as(graft_plan **plan, const graft_plan_request *request,
                                   graft_kernels kernels);
/* Runs all steps of a bound plan once on made up pictures and labels. */
graft_status graft_plan_rehearse(graft_plan *plan);
double graft_plan_median(double *values, int count); /* sorts them */
graft_constants_origin graft_plan_origin(const graft_plan_request *request);
/* The step's constants have one more reader (1), or one less (-1). */
void graft_plan_count_users(graft_plan *plan, const step *step, int change);
graft_status graft_plan_add_value(graft_plan *plan, const value *model, graft_value *out);
/* Offsets for everything in the workspace; sets plan->workspace. */
graft_status graft_plan_place(graft_plan *plan);
void *graft_plan_address(const graft_plan *plan, graft_value v, float *const *inputs);

#endif
