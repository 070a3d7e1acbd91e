/* Frozen parameters, as kernels want them: folded with the batch norm behind, packed in the layout of the
 * kernel, made once and shared by all plans of an executor. While plans are compiled it is only said what
 * they will need: the numbers are made when it is known which plan stays. */
#ifndef GRAFT_PLAN_CONSTANTS_H
#define GRAFT_PLAN_CONSTANTS_H

#include "base/chunk.h"
#include "graph/graph.h"
#include "kernels/kernel.h"

/* Where a tensor of the graph lies while plans run: f32. `gradient` is NULL for what does not train. */
typedef struct graft_plan_tensor {
    float *value;
    float *gradient;
    const graft_layout *layout; /* of both, of what trains; NULL: row-major */
} graft_plan_tensor;

typedef struct graft_constant graft_constant;
struct graft_constant {
    int node;
    int slot;   /* the node's parameter: 0 weight, 1 bias */
    int affine; /* the node whose scale and shift are folded in; -1: none */
    const graft_layout *layout;
    graft_constant *source;   /* until it is filled: what it is packed from; NULL: it is plain */
    const graft_layout *from; /* how the source is looked at: a view of it */
    void *data;               /* NULL until it is filled */
    graft_chunk *chunk;       /* where data lies; NULL: it is the model's */
    int users;                /* steps of plans that read it */
    graft_constant *next;
};

typedef struct graft_constants {
    graft_constant *first;
    graft_chunks chunks;
} graft_constants;

/* What the numbers are made of: a graph, with its tensors. */
typedef struct graft_constants_origin {
    graft_device *device;
    const graft_graph *graph;
    const graft_plan_tensor *tensors;
} graft_constants_origin;

void graft_constants_dispose(graft_constants *constants);
/* The plain values of a parameter of the node, folded with the affine node where that is not -1. */
graft_status graft_constants_plain(graft_constants *constants, const graft_constants_origin *origin, int node,
                                   int slot, int affine, graft_constant **constant);
/* The same numbers in another layout; `from` is how `constant` is looked at (a view of it). */
graft_status graft_constants_packed(graft_constants *constants, graft_constant *constant,
                                    const graft_layout *from, const graft_layout *to,
                                    graft_constant **packed);
/* Makes the numbers of all that steps read; then trims. */
graft_status graft_constants_fill(graft_constants *constants, const graft_constants_origin *origin);
void graft_constants_trim(graft_constants *constants); /* frees what no step reads */
size_t graft_constants_bytes(const graft_constants *constants);

#endif
