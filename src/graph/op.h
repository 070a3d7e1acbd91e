/* An operator's table: everything that is to be known of it stands here, so that plan/ and model/ know no
 * operator by name. The tables themselves are in ops/. */
#ifndef GRAFT_GRAPH_OP_H
#define GRAFT_GRAPH_OP_H

#include "base/random.h"
#include "graph/graph.h"

struct graft_lowering; /* ops/lowering.h */
struct graft_post_op;  /* kernels/kernel.h */

struct graft_op {
    const char *name;
    size_t attributes; /* bytes of its attributes' type */

    /* The output's shape from the inputs' (whose first dimension, the batch, it keeps). */
    graft_status (*shape)(const graft_node *node, const graft_shape *inputs, graft_shape *out);
    /* Fills node->parameters; NULL: none. */
    void (*parameters)(graft_node *node, const graft_shape *inputs);
    /* Multiply-adds for one picture; NULL: none are counted. */
    int64_t (*macs)(const graft_node *node, const graft_shape *inputs);
    /* First values of parameter `index`, as PyTorch's module would draw them; NULL: zeros. */
    void (*initialize)(const graft_node *node, int index, float *values, graft_random *random);

    /* Emits what computes the output; with the group's folded parameters and post-ops, where it takes them.
     */
    graft_status (*forward)(struct graft_lowering *lowering, const graft_node *node);
    /* Emits what turns the output's gradient into gradients of inputs and parameters; NULL: none needed. */
    graft_status (*backward)(struct graft_lowering *lowering, const graft_node *node);

    bool gives_log_probabilities; /* what NLL needs, and cross-entropy must not have */
    bool is_view;                 /* its output may be its input's bytes (flatten, permute) */
    /* Identity unless it trains, and in evaluation (dropout, stochastic depth). */
    bool identity_unless_trained;
    /* Batch norm: when frozen it is scale[c] * x + shift[c]. `tensors` are the node's parameters. */
    void (*affine)(const graft_node *node, const float *const *tensors, float *scale, float *shift);
    /* The same while it trains, or what is before it does: emits scale and shift (C) as values, and turns
     * their gradients into those of its parameters. */
    graft_status (*lower_affine)(struct graft_lowering *lowering, const graft_node *node, int *scale,
                                 int *shift);
    graft_status (*lower_affine_backward)(struct graft_lowering *lowering, const graft_node *node,
                                          int scale_gradient, int shift_gradient);
    /* Batch norm: while it trains it may use the batch's statistics. It is then the head of a group: a
     * residual and a clip behind it are its own, backward too. */
    bool uses_statistics;
    /* In backward: emits what makes the group's output again, for a node that forgot it in forward. */
    graft_status (*again)(struct graft_lowering *lowering, const graft_node *node, int *out);
    /* A convolution that Winograd's method computes faster, and that oneDNN can compute so on this machine.
     */
    bool (*suits_winograd)(struct graft_lowering *lowering, const graft_node *node);
    bool computes_bf16;  /* where a backbone's plan wants it */
    bool absorbs_affine; /* convolution: a frozen affine behind it becomes part of weight and bias */
    /* An element-wise function that a convolution can apply as it writes. */
    bool (*post_op)(const graft_node *node, struct graft_post_op *out);
    bool takes_post_ops;
    bool is_sum; /* two inputs, added: a convolution can add onto the other one */
    /* It gives the largest of each square of 2x2, and nothing of an odd row or column that is left: a
     * convolution can do that as it writes. */
    bool (*takes_squares)(const graft_node *node);
};

#endif
