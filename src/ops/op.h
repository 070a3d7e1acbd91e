/* An operator's table: everything that is to be known of it stands here, so that plan/ and model/ know no
 * operator by name. */
#ifndef GRAFT_OPS_OP_H
#define GRAFT_OPS_OP_H

#include "base/random.h"
#include "graph/graph.h"
#include "kernels/kernel.h"
#include "ops/lowering.h"

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
    graft_status (*forward)(graft_lowering *lowering, const graft_node *node);
    /* Emits what turns the output's gradient into gradients of inputs and parameters; NULL: none needed. */
    graft_status (*backward)(graft_lowering *lowering, const graft_node *node);

    /* Identity unless it trains, and in evaluation (dropout, stochastic depth). */
    bool identity_unless_trained;
    /* Batch norm: when frozen it is scale[c] * x + shift[c]. `tensors` are the node's parameters. */
    void (*affine)(const graft_node *node, const float *const *tensors, float *scale, float *shift);
    bool absorbs_affine; /* convolution: a frozen affine behind it becomes part of weight and bias */
    /* An element-wise function that a convolution can apply as it writes. Its backward must need the output
     * only. */
    bool (*post_op)(const graft_node *node, graft_post_op *out);
    bool takes_post_ops;
    bool is_sum; /* two inputs, added: a convolution can add onto the other one */
};

/* The table of all operators is the linker's: each is one of these. */
extern const graft_op graft_op_input;
extern const graft_op graft_op_conv2d;
extern const graft_op graft_op_batch_norm;
extern const graft_op graft_op_relu6;
extern const graft_op graft_op_add;
extern const graft_op graft_op_global_average_pool;
extern const graft_op graft_op_flatten;
extern const graft_op graft_op_dropout;
extern const graft_op graft_op_stochastic_depth;
extern const graft_op graft_op_linear;

/* Attributes. What is 0 has the operator's usual value. */
typedef struct graft_input_attributes {
    int channels, height, width;
} graft_input_attributes;

typedef struct graft_conv2d_attributes {
    int channels; /* of the output */
    int kernel;
    int stride; /* 0: 1 */
    int padding;
    int groups; /* 0: 1 */
    bool same; /* TensorFlow's "same": the output is ceil(input / stride), the odd pixel of padding goes below
                  and right */
    bool bias;
} graft_conv2d_attributes;

typedef struct graft_batch_norm_attributes {
    float epsilon;  /* 0: 1e-5 */
    float momentum; /* of the running statistics, 0: 0.1 */
} graft_batch_norm_attributes;

typedef struct graft_drop_attributes {
    float probability;
} graft_drop_attributes;

typedef struct graft_linear_attributes {
    int features; /* of the output */
    bool zero;    /* starts from zeros and not as nn.Linear does */
} graft_linear_attributes;

#endif
