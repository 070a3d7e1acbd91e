/* What computes. A kernel is one compiled piece of arithmetic on tensors whose layouts it knows: it is
 * created when a plan is compiled, bound to addresses once, and run many times without allocating. This
 * header names no library: src/kernels/ holds oneDNN's kernels, src/kernels/host/ those in plain C. */
#ifndef GRAFT_KERNELS_KERNEL_H
#define GRAFT_KERNELS_KERNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tensor/tensor.h"

/* ---- The machine ---- */

typedef struct graft_device graft_device;

graft_status graft_device_create(graft_device **device, int threads);
void graft_device_free(graft_device *device);
/* Makes this thread's arithmetic use the device's threads; before compiling and before running. */
void graft_device_enter(graft_device *device);
/* Between the two calls kernels that are the same get the same code: around compiling. */
void graft_device_share_code(bool share);
/* How fast multiply-adds in bf16 are here, beside those in f32. */
typedef enum graft_bf16 {
    GRAFT_BF16_NONE = 0, /* oneDNN has no kernels */
    GRAFT_BF16_SLOW,     /* no faster, or slower */
    GRAFT_BF16_TWICE,
    GRAFT_BF16_TILES /* many times: AMX */
} graft_bf16;
graft_bf16 graft_device_bf16(void);
/* "avx2", "avx512_core", ... as oneDNN has it; its version. Static storage. */
const char *graft_device_instructions(void);
const char *graft_device_library(void);

/* ---- Layouts: how a tensor lies in memory ---- */

/* Interned: two tensors lie alike if their layouts are the same pointer. Owned by the device. */
typedef struct graft_layout graft_layout;

/* f32, dense, row-major; the same of a type, GRAFT_F32 or GRAFT_BF16. */
graft_status graft_layout_plain(graft_device *device, const graft_shape *shape, const graft_layout **layout);
graft_status graft_layout_plain_of(graft_device *device, const graft_shape *shape, graft_dtype type,
                                   const graft_layout **layout);
/* f32, (N, C, H, W) with `width` (8 or 16) channels side by side: nChw8c, nChw16c; the last block is padded.
 */
graft_status graft_layout_blocked(graft_device *device, const graft_shape *shape, int64_t width,
                                  const graft_layout **layout);
/* (N, C, H, W) with the channels of a pixel side by side (nhwc). */
graft_status graft_layout_channels_last(graft_device *device, const graft_shape *shape, graft_dtype type,
                                        const graft_layout **layout);
/* f32, another shape (N, C, H, W) in the form of `like`: row-major, blocked by channels, channels last;
 * row-major where it is none of these. With `like`'s own shape: what a kernel that computes in f32 alone sees
 * of it, in bf16 or in a form of oneDNN's own as it may be. */
graft_status graft_layout_like(graft_device *device, const graft_layout *like, const graft_shape *shape,
                               const graft_layout **layout);
/* The same of this type. */
graft_status graft_layout_typed_like(graft_device *device, const graft_layout *like, const graft_shape *shape,
                                     graft_dtype type, const graft_layout **layout);
/* In which weights are kept that a kernel reads as `wanted`: that itself, but where it is transformed for
 * Winograd's method in blocks of channels, from which that is quick. */
graft_status graft_layout_kept(graft_device *device, const graft_layout *wanted, const graft_layout **layout);
const graft_shape *graft_layout_shape(const graft_layout *layout);
size_t graft_layout_bytes(const graft_layout *layout); /* with padding of blocks */
/* "nchw", "nChw16c", "nhwc" as the field writes them, "plain" row-major of another rank, "other" what only
 * oneDNN knows; "nhwc bf16" where it is not f32. */
const char *graft_layout_name(const graft_layout *layout);
graft_dtype graft_layout_type(const graft_layout *layout); /* GRAFT_F32, GRAFT_BF16 */
bool graft_layout_is_plain(const graft_layout *layout);    /* row-major */
bool graft_layout_is_channels_last(const graft_layout *layout);
/* How many rows (of the first dimension) lie interleaved, number by number, in a block behind which the next
 * block's begin: 1 where each lies apart, as row-major; 0 where that is not so. */
int64_t graft_layout_rows(const graft_layout *layout);

/* ---- Kernels ---- */

enum { GRAFT_KERNEL_SLOTS = 10 };
typedef enum graft_access { GRAFT_UNUSED = 0, GRAFT_READS, GRAFT_WRITES, GRAFT_UPDATES } graft_access;

typedef struct graft_kernel graft_kernel;
struct graft_kernel {
    const char *implementation; /* "jit:avx2", "host:sgd": static or the library's */
    graft_access access[GRAFT_KERNEL_SLOTS];
    const graft_layout *layouts[GRAFT_KERNEL_SLOTS];
    size_t scratch; /* bytes it needs beside its slots while it runs */
    double effort;  /* of a convolution, to compare methods by: multiply-adds of one that is computed directly
                       with channels last in the same time; 0: not estimated */
    int in_place;   /* this written slot may lie on the read slot `in_place_of`; -1: none may */
    int in_place_of;
    graft_status (*bind)(graft_kernel *kernel, void *const *buffers, void *scratch);
    graft_status (*run)(graft_kernel *kernel);
    void (*destroy)(graft_kernel *kernel);
};

/* Addresses of the slots (NULL where unused), and of the scratch; they hold until the next bind. */
graft_status graft_kernel_bind(graft_kernel *kernel, void *const *buffers, void *scratch);
graft_status graft_kernel_run(graft_kernel *kernel);
void graft_kernel_free(graft_kernel *kernel); /* NULL is legal */
/* By its implementation: it is oneDNN's slow reference code; it computes by Winograd's method; by AMX. */
bool graft_kernel_is_reference(const graft_kernel *kernel);
bool graft_kernel_is_winograd(const graft_kernel *kernel);
bool graft_kernel_uses_tiles(const graft_kernel *kernel);

/* ---- oneDNN's kernels: slots are numbered in the order of the comment ---- */

/* Element-wise functions. */
typedef enum graft_function {
    GRAFT_CLIP = 0, /* min(max(x, low), high); high may be INFINITY: relu */
    GRAFT_SIGMOID,
    GRAFT_HARD_SIGMOID, /* min(max(x + 3, 0), 6) / 6 */
    GRAFT_SILU,         /* x sigmoid(x) */
    GRAFT_HARD_SWISH,   /* x hard_sigmoid(x) */
    GRAFT_GELU          /* x / 2 (1 + erf(x / sqrt(2))) */
} graft_function;

/* One, applied to a tensor of its own or by a convolution as it writes. */
typedef struct graft_post_op {
    graft_function function;
    float low, high; /* of a clip */
} graft_post_op;

/* How a convolution's input and output lie. */
typedef enum graft_form {
    GRAFT_FORM_ANY = 0,      /* oneDNN chooses */
    GRAFT_FORM_BLOCKED,      /* nChw16c, nChw8c with shorter vectors; a picture stays row-major */
    GRAFT_FORM_CHANNELS_LAST /* nhwc */
} graft_form;

typedef struct graft_convolution {
    int64_t batch, channels_in, height_in, width_in, channels_out, height_out, width_out;
    int64_t kernel_height, kernel_width, stride, groups;
    int64_t pad_top, pad_left, pad_bottom, pad_right;
    graft_form form;
    bool winograd; /* by Winograd's method where it suits, directly elsewhere */
    bool squares;  /* y is the largest of each square of 2x2, (N, O, H' / 2, W' / 2) rounded down: forward by
                      Winograd's method only */
    bool bf16;     /* x, weight and y; the bias and all sums are f32. Only without a backward, and directly */
} graft_convolution;

/* 0 x (N, C, H, W), 1 weight ([G,] O, I, kh, kw), 2 bias (O), 3 y; with `residual` y is updated: y += conv.
 * `training`: a backward follows. */
graft_status graft_convolution_forward(graft_kernel **kernel, graft_device *device,
                                       const graft_convolution *shape, bool bias, bool residual,
                                       const graft_post_op *post_ops, int post_count, bool training);
/* 0 gradient of y, 1 weight, 2 gradient of x. */
graft_status graft_convolution_backward_data(graft_kernel **kernel, graft_device *device,
                                             const graft_convolution *shape);
/* 0 x, 1 gradient of y, 2 gradient of weight, 3 gradient of bias (with `bias`). */
graft_status graft_convolution_backward_weights(graft_kernel **kernel, graft_device *device,
                                                const graft_convolution *shape, bool bias);
/* Whether this convolution can be computed by Winograd's method on this machine; whether that can apply these
 * as it writes: otherwise the forward is direct. */
bool graft_convolution_suits_winograd(const graft_convolution *shape);
bool graft_winograd_applies(const graft_post_op *post_ops, int post_count);
/* The shape in which a convolution's weight is handed over: five-dimensional with groups. */
graft_shape graft_convolution_weight_shape(const graft_convolution *shape);

/* `x` is the layout that the input has. Running statistics are used (still), or the batch's are computed and
 * written. 0 x, 1 gamma, 2 beta, 3 mean, 4 variance (biased), 5 y. */
graft_status graft_batch_norm_forward(graft_kernel **kernel, graft_device *device, const graft_layout *x,
                                      float epsilon, bool still, bool training);
/* 0 x, 1 gradient of y, 2 gamma, 3 mean, 4 variance, 5 gradient of x, 6 of gamma, 7 of beta, 8 beta. */
graft_status graft_batch_norm_backward(graft_kernel **kernel, graft_device *device, const graft_layout *x,
                                       float epsilon, bool still);

/* 0 x, 1 y; in place. */
graft_status graft_elementwise_forward(graft_kernel **kernel, graft_device *device, const graft_layout *x,
                                       const graft_post_op *function);
/* 0 y where graft_function_reads_output, x elsewhere, 1 gradient of y, 2 gradient of x; in place of 1. Clip
 * and hard sigmoid have a gradient of 0 at both ends, as torch's. */
graft_status graft_elementwise_backward(graft_kernel **kernel, graft_device *device,
                                        const graft_layout *layout, const graft_post_op *function);
bool graft_function_reads_output(const graft_post_op *function);

/* 0 a, 1 b, 2 a + b; in place of 0. */
graft_status graft_add(graft_kernel **kernel, graft_device *device, const graft_layout *layout);

/* The windows of a pool along one axis: window i begins at i stride - padding and has `kernel` elements; with
 * kernel 0 it is adaptive, from floor(i in / out) to ceil((i + 1) in / out). */
typedef struct graft_pool_axis {
    int64_t in, out, kernel, stride, padding;
} graft_pool_axis;

typedef struct graft_pool {
    graft_pool_axis height, width;
    bool padding_counts; /* averages: padding is among what the sum is divided by */
} graft_pool;

/* Not adaptive. 0 x, 1 y; where `training`: 2 which element of each window it was. */
graft_status graft_max_pool(graft_kernel **kernel, graft_device *device, const graft_layout *x,
                            const graft_pool *pool, bool training);
/* 0 gradient of y, 1 which it was, 2 gradient of x, which lies as `x`. */
graft_status graft_max_pool_backward(graft_kernel **kernel, graft_device *device, const graft_layout *x,
                                     const graft_pool *pool);

/* 0 x, 1 y: f32 where it is one pixel a channel, also of bf16. */
graft_status graft_average_pool(graft_kernel **kernel, graft_device *device, const graft_layout *x,
                                const graft_pool *pool);
/* 0 gradient of y, 1 gradient of x, which lies as `x`. */
graft_status graft_average_pool_backward(graft_kernel **kernel, graft_device *device, const graft_layout *x,
                                         const graft_pool *pool);

typedef struct graft_linear {
    int64_t batch, in, out;
    bool bf16;     /* x and weight; the bias and all sums are f32. Only without a backward */
    graft_dtype y; /* with bf16: GRAFT_F32 or GRAFT_BF16 */
} graft_linear;

/* All plain, but in bf16 the weight, which is packed. 0 x (N, I), 1 weight (O, I), 2 bias (O), 3 y (N, O);
 * with `residual` y is updated. */
graft_status graft_linear_forward(graft_kernel **kernel, graft_device *device, const graft_linear *shape,
                                  bool residual, const graft_post_op *post_ops, int post_count);
/* 0 gradient of y, 1 weight, 2 gradient of x. */
graft_status graft_linear_backward_data(graft_kernel **kernel, graft_device *device, int64_t batch,
                                        int64_t in, int64_t out);
/* 0 x, 1 gradient of y, 2 gradient of weight, 3 gradient of bias. */
graft_status graft_linear_backward_weights(graft_kernel **kernel, graft_device *device, int64_t batch,
                                           int64_t in, int64_t out);

typedef struct graft_matmul_shape {
    int64_t rows, inner, columns;
    bool transposed_a, transposed_b; /* the bytes hold the transpose, row-major */
    int64_t lead_a;                  /* numbers from row to row in a's bytes; 0: no more than a row has */
    bool adds;                       /* to what there is */
} graft_matmul_shape;

/* c = a b. 0 a (rows, inner), 1 b (inner, columns), 2 c (rows, columns); where it `adds` c is updated. */
graft_status graft_matmul(graft_kernel **kernel, graft_device *device, const graft_matmul_shape *shape);

/* 0 from, 1 to: the same elements in another layout. */
graft_status graft_reorder(graft_kernel **kernel, graft_device *device, const graft_layout *from,
                           const graft_layout *to);
/* The same, now. */
graft_status graft_reorder_once(graft_device *device, const graft_layout *from, const void *source,
                                const graft_layout *to, void *target);

/* ---- Kernels in plain C ---- */

/* The gradient of a depthwise convolution's weight, where channels divide by 8: as
 * graft_convolution_backward_weights; x and the gradient of y lie as `x` where that is in blocks of 8 or 16
 * or has channels last, and in blocks of 8 elsewhere. */
graft_status graft_depthwise_backward_weights(graft_kernel **kernel, graft_device *device,
                                              const graft_convolution *shape, bool bias,
                                              const graft_layout *x);

/* Batch norm with the batch's statistics and what stands behind it: y = clip(gamma (x - mean) / sqrt(variance
 * + epsilon) + beta + residual). */
typedef struct graft_batch_norm_form {
    float epsilon;
    bool residual;
    const graft_post_op *clip; /* low <= 0 <= high; NULL: none */
} graft_batch_norm_form;

/* Whether a tensor lies so that these take it: f32, in blocks of 8 or 16 channels, or channels last that
 * divide by 8. */
bool graft_batch_norm_suits(const graft_layout *x);
/* 0 x, 1 gamma, 2 beta, 3 mean, 4 variance (biased), 5 y, in place of 6 residual (with `residual`). `again`:
 * mean and variance are given, and y has the same bits as when they were computed. */
graft_status graft_batch_norm_group(graft_kernel **kernel, graft_device *device, const graft_layout *x,
                                    const graft_batch_norm_form *form, bool again);
/* 0 x, 1 gradient of y, 2 gamma, 3 mean, 4 variance, 5 gradient of x, 6 of gamma, 7 of beta. With a clip 8
 * beta; with a clip and a residual 8 is y, and 9 the gradient of the residual, in place of 1; else 5 is in
 * place of 1, and without a clip 1 is the residual's gradient. */
graft_status graft_batch_norm_group_backward(graft_kernel **kernel, graft_device *device,
                                             const graft_layout *x, const graft_batch_norm_form *form);

/* Batch norm with running statistics as a factor and a summand: scale = gamma / sqrt(variance + epsilon),
 * shift = beta - mean scale. */
void graft_batch_norm_fold(float *scale, float *shift, const float *gamma, const float *beta,
                           const float *mean, const float *variance, int64_t channels, float epsilon);
/* The same as a kernel: 0 gamma, 1 beta, 2 mean, 3 variance, 4 scale, 5 shift; all (C). */
graft_status graft_batch_norm_affine(graft_kernel **kernel, graft_device *device, int64_t channels,
                                     float epsilon);
/* 0 gradient of scale, 1 of shift (which is beta's too), 2 mean, 3 variance, 4 gradient of gamma. */
graft_status graft_batch_norm_affine_backward(graft_kernel **kernel, graft_device *device, int64_t channels,
                                              float epsilon);
/* Whether the two behind take a weight that lies so. */
bool graft_fold_takes(const graft_layout *weight);
/* weight scale, and bias scale + shift, by the first dimension. 0 weight (O, ...), 1 scale (O), 2 shift (O),
 * 3 bias (O) (with `bias`), 4 folded weight, 5 folded bias. */
graft_status graft_fold(graft_kernel **kernel, graft_device *device, const graft_layout *weight, bool bias);
/* 0 weight, 1 scale, 2 gradient of the folded weight, 3 of the folded bias, 4 bias, 5 gradient of weight, 6
 * of scale, 7 of bias (4 and 7 with `bias`). */
graft_status graft_fold_backward(graft_kernel **kernel, graft_device *device, const graft_layout *weight,
                                 bool bias);

/* What graft_average_pool and graft_average_pool_backward take from here; slots as theirs. Means are f32. */
graft_status graft_any_average_pool(graft_kernel **kernel, graft_device *device, const graft_layout *x,
                                    const graft_pool *pool);
graft_status graft_any_average_pool_backward(graft_kernel **kernel, graft_device *device,
                                             const graft_layout *x, const graft_pool *pool);

/* Channels from + i from_step of an input become channels to + i to_step of the output, 0 <= i < count. */
typedef struct graft_channel_run {
    int source; /* the input: a slot */
    int64_t from, from_step, to, to_step, count;
} graft_channel_run;

enum { GRAFT_COPY_SOURCES = 8 };

/* Concatenation, slices, shuffles. 0 to GRAFT_COPY_SOURCES - 1 the inputs, GRAFT_COPY_SOURCES y. `fresh`: the
 * other channels of y become zero; otherwise y is updated. All lie in y's form and type. */
graft_status graft_copy_channels(graft_kernel **kernel, graft_device *device,
                                 const graft_layout *const *sources, int source_count, const graft_layout *y,
                                 const graft_channel_run *runs, int run_count, bool fresh);

/* y = x * factor, a factor a channel, (C), or `per_sample`, (N, C, 1, 1), in f32; y has x's type. 0 x, 1
 * factor, 2 y; in place of 0. */
graft_status graft_scale(graft_kernel **kernel, graft_device *device, const graft_layout *x, bool per_sample);
/* 0 x, 1 gradient of y, 2 gradient of the factor. */
graft_status graft_scale_backward(graft_kernel **kernel, graft_device *device, const graft_layout *x,
                                  bool per_sample);

enum { GRAFT_PICTURE_CHANNELS = 3 };

/* y = scale[c] x + shift[c] of (N, C <= 3, H, W) plain; the numbers are copied, no shift is 0. 0 x, 1 y; in
 * place. */
graft_status graft_affine(graft_kernel **kernel, graft_device *device, const graft_layout *x,
                          const float *scale, const float *shift);

/* Layer norm over the channels of (N, C, H, W), or over the last dimension, plain; y has x's type, what is
 * computed is f32. 0 x, 1 gamma, 2 beta, 3 y; in place of 0. */
graft_status graft_layer_norm(graft_kernel **kernel, graft_device *device, const graft_layout *x, bool last,
                              float epsilon);
/* 0 x, 1 gradient of y, 2 gamma, 3 gradient of x, 4 of gamma, 5 of beta; in place of 1. */
graft_status graft_layer_norm_backward(graft_kernel **kernel, graft_device *device, const graft_layout *x,
                                       bool last, float epsilon);

/* What graft_elementwise_forward and graft_elementwise_backward take from here: slots as theirs. */
graft_status graft_sigmoid_forward(graft_kernel **kernel, const graft_layout *x, bool hard);
graft_status graft_hard_sigmoid_backward(graft_kernel **kernel, const graft_layout *y);

/* Of rows, plain. 0 x, 1 y; in place. */
graft_status graft_log_softmax(graft_kernel **kernel, graft_device *device, int64_t rows, int64_t columns);
/* 0 y, 1 gradient of y, 2 gradient of x; in place of 1. */
graft_status graft_log_softmax_backward(graft_kernel **kernel, graft_device *device, int64_t rows,
                                        int64_t columns);

/* Where dropout's numbers come from; `step` is read when the kernel runs. */
typedef struct graft_drop_source {
    uint64_t seed;
    uint64_t step;
} graft_drop_source;

/* Mean softmax cross-entropy of the rows with label smoothing, times `weight`. 0 logits (N, K) plain, 1
 * labels (N) as int32 in an f32's place, 2 loss (1), 3 gradient of the logits (N, K). */
graft_status graft_cross_entropy(graft_kernel **kernel, graft_device *device, int64_t batch, int64_t classes,
                                 float weight, float smoothing);
/* Mean negative log-likelihood; slots as above, of log-probabilities. */
graft_status graft_nll(graft_kernel **kernel, graft_device *device, int64_t batch, int64_t classes,
                       float weight);

/* y = x * mask / (1 - p). The mask is a function of (seed, step, name, index): backward draws it again.
 * `whole`: one draw a sample (stochastic depth), in any layout whose outermost dimension is the batch;
 * otherwise one an element, plain. 0 x, 1 y; in place. */
graft_status graft_drop(graft_kernel **kernel, graft_device *device, const graft_layout *x, float probability,
                        bool whole, const char *name, const graft_drop_source *source);

/* running = (1 - momentum) running + momentum batch; the variance with n / (n - 1), n = `count` elements a
 * channel. 0 mean (C), 1 variance (C, biased), 2 running mean, 3 running variance. */
graft_status graft_running_statistics(graft_kernel **kernel, graft_device *device, int64_t channels,
                                      int64_t count, float momentum);

/* The ends of a linear layer in the Gram form (ops/gram_linear.c).
 * y = factor start + bias. 0 start (N, O), 1 factor (1, 1), 2 bias (O), 3 y (N, O). */
graft_status graft_gram_begin(graft_kernel **kernel, graft_device *device, int64_t batch, int64_t out);
/* A gradient's place: what a backward leaves there is added to what is there, which is first multiplied by
 * `kept` where *fresh is set: 0, a gradient of its own; the momentum, where the place is the velocity. */
typedef struct graft_gradient_rule {
    const bool *fresh;
    float kept;
} graft_gradient_rule;

/* 0 gradient of this batch, 1 the place. Plain. */
graft_status graft_accumulate(graft_kernel **kernel, graft_device *device, const graft_layout *layout,
                              const graft_gradient_rule *rule);
/* The gradient of a linear layer's weight, straight to its place. 0 x (N, I), 1 gradient of y (N, O), 2 the
 * place (O, I). */
graft_status graft_linear_accumulate(graft_kernel **kernel, graft_device *device, int64_t batch, int64_t in,
                                     int64_t out, const graft_gradient_rule *rule);
/* 0 x (N, O), 1 sums over N (O). */
graft_status graft_column_sums(graft_kernel **kernel, graft_device *device, int64_t rows, int64_t columns);

/* Rows of a batch's gradient go to their places among all rows. 0 gradient of y (N, O), 1 places (N) as int32
 * in an f32's place, 2 the place of A's gradient (rows, O), 3 of the factor's (1, 1), which has none. */
graft_status graft_gram_scatter(graft_kernel **kernel, graft_device *device, int64_t batch, int64_t rows,
                                int64_t out, const graft_gradient_rule *rule);

#endif
