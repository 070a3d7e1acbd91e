/* The operators and their attributes. */
#ifndef GRAFT_OPS_OP_H
#define GRAFT_OPS_OP_H

#include "graph/op.h"
#include "kernels/kernel.h"
#include "ops/lowering.h"

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
} graft_linear_attributes;

#endif
