/* Frozen parameters, as kernels want them: folded with the batch norm behind, packed in the layout of the
 * kernel, made once and shared by all plans of an executor. */
#ifndef GRAFT_PLAN_CONSTANTS_H
#define GRAFT_PLAN_CONSTANTS_H

#include "graph/graph.h"
#include "kernels/kernel.h"

/* Where a tensor of the graph lies while plans run: plain f32. `gradient` is NULL for what does not train. */
typedef struct graft_plan_tensor {
    float *value;
    float *gradient;
} graft_plan_tensor;

typedef struct graft_constant graft_constant;
struct graft_constant {
    int node;
    int slot;   /* the node's parameter: 0 weight, 1 bias */
    int affine; /* the node whose scale and shift are folded in; -1: none */
    const graft_layout *layout;
    void *data;
    bool owned; /* data is this entry's; otherwise it is the model's */
    bool used;  /* a kernel is bound to it */
    graft_constant *next;
};

typedef struct graft_constants {
    graft_constant *first;
} graft_constants;

void graft_constants_dispose(graft_constants *constants);
/* The plain values of a parameter of the node, folded with the affine node where that is not -1. */
graft_status graft_constants_plain(graft_constants *constants, graft_device *device, const graft_graph *graph,
                                   const graft_plan_tensor *tensors, int node, int slot, int affine,
                                   graft_constant **constant);
/* The same numbers in another layout; `from` is how `constant` is looked at (a view of it). */
graft_status graft_constants_packed(graft_constants *constants, graft_device *device,
                                    const graft_constant *constant, const graft_layout *from,
                                    const graft_layout *to, graft_constant **packed);
/* Frees what no kernel is bound to. */
void graft_constants_trim(graft_constants *constants);
size_t graft_constants_bytes(const graft_constants *constants);

#endif
