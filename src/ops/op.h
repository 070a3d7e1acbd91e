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
extern const graft_op graft_op_layer_norm;
extern const graft_op graft_op_layer_scale;
extern const graft_op graft_op_affine;
extern const graft_op graft_op_relu;
extern const graft_op graft_op_relu6;
extern const graft_op graft_op_sigmoid;
extern const graft_op graft_op_hard_sigmoid;
extern const graft_op graft_op_silu;
extern const graft_op graft_op_hard_swish;
extern const graft_op graft_op_gelu;
extern const graft_op graft_op_add;
extern const graft_op graft_op_mul;
extern const graft_op graft_op_concat;
extern const graft_op graft_op_slice_channels;
extern const graft_op graft_op_channel_shuffle;
extern const graft_op graft_op_permute;
extern const graft_op graft_op_max_pool2d;
extern const graft_op graft_op_avg_pool2d;
extern const graft_op graft_op_adaptive_avg_pool2d;
extern const graft_op graft_op_flatten;
extern const graft_op graft_op_dropout;
extern const graft_op graft_op_stochastic_depth;
extern const graft_op graft_op_linear;
extern const graft_op graft_op_gram_linear;
extern const graft_op graft_op_log_softmax;

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
    bool uniform; /* first values as nn.Conv2d draws them; else Kaiming's, as torchvision's networks have */
    int kernel_height, kernel_width, padding_height, padding_width; /* 0: `kernel`, `padding` */
} graft_conv2d_attributes;

typedef struct graft_batch_norm_attributes {
    float epsilon;  /* 0: 1e-5 */
    float momentum; /* of the running statistics, 0: 0.1 */
} graft_batch_norm_attributes;

typedef struct graft_layer_norm_attributes {
    float epsilon; /* 0: 1e-5 */
    bool last;     /* channels are the last of four dimensions */
} graft_layer_norm_attributes;

typedef struct graft_layer_scale_attributes {
    float start; /* first value of every factor, 0: 1e-6 */
    bool last;   /* channels are the last dimension */
} graft_layer_scale_attributes;

typedef struct graft_affine_attributes {
    float scale[GRAFT_PICTURE_CHANNELS], shift[GRAFT_PICTURE_CHANNELS];
} graft_affine_attributes;

typedef struct graft_pool_attributes {
    int kernel;
    int stride; /* 0: kernel */
    int padding;
    bool ceil_mode;       /* the number of windows is rounded up */
    bool exclude_padding; /* averages: torch's count_include_pad=False */
} graft_pool_attributes;

typedef struct graft_size_attributes {
    int height, width; /* of the output, 0: 1 */
} graft_size_attributes;

typedef struct graft_slice_attributes {
    int begin, channels;
} graft_slice_attributes;

typedef struct graft_groups_attributes {
    int groups;
} graft_groups_attributes;

typedef struct graft_permute_attributes {
    bool back; /* (N, H, W, C) -> (N, C, H, W); false: the other way */
} graft_permute_attributes;

typedef struct graft_drop_attributes {
    float probability;
} graft_drop_attributes;

typedef struct graft_linear_attributes {
    int features; /* of the output */
    bool last;    /* works on the last of four dimensions */
} graft_linear_attributes;

#endif
