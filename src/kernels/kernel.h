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
void graft_device_enter(const graft_device *device);
/* "avx2", "avx512_core", ... as oneDNN has it; its version. Static storage. */
const char *graft_device_instructions(void);
const char *graft_device_library(void);

/* ---- Layouts: how a tensor lies in memory ---- */

/* Interned: two tensors lie alike if their layouts are the same pointer. Owned by the device. */
typedef struct graft_layout graft_layout;

/* f32, dense, row-major. */
graft_status graft_layout_plain(graft_device *device, const graft_shape *shape, const graft_layout **layout);
/* f32, (N, C, H, W) with `width` (8 or 16) channels side by side: nChw8c, nChw16c; the last block is padded.
 */
graft_status graft_layout_blocked(graft_device *device, const graft_shape *shape, int64_t width,
                                  const graft_layout **layout);
const graft_shape *graft_layout_shape(const graft_layout *layout);
size_t graft_layout_bytes(const graft_layout *layout); /* with padding of blocks */
bool graft_layout_is_plain(const graft_layout *layout);

/* ---- Kernels ---- */

enum { GRAFT_KERNEL_SLOTS = 9 };
typedef enum graft_access { GRAFT_UNUSED = 0, GRAFT_READS, GRAFT_WRITES, GRAFT_UPDATES } graft_access;

typedef struct graft_kernel graft_kernel;
struct graft_kernel {
    const char *implementation; /* "jit:avx2", "host:sgd": static or the library's */
    graft_access access[GRAFT_KERNEL_SLOTS];
    const graft_layout *layouts[GRAFT_KERNEL_SLOTS];
    size_t scratch; /* bytes it needs beside its slots while it runs */
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

/* ---- oneDNN's kernels: slots are numbered in the order of the comment ---- */

/* y = clip(x, low, high), applied by a convolution as it writes. */
typedef struct graft_post_op {
    float low, high; /* high may be INFINITY: relu */
} graft_post_op;

typedef struct graft_convolution {
    int64_t batch, channels_in, height_in, width_in, channels_out, height_out, width_out;
    int64_t kernel_height, kernel_width, stride, groups;
    int64_t pad_top, pad_left, pad_bottom, pad_right;
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
graft_status graft_clip_forward(graft_kernel **kernel, graft_device *device, const graft_layout *x, float low,
                                float high);
/* 0 y, 1 gradient of y, 2 gradient of x (0 at both ends); in place of 1. */
graft_status graft_clip_backward(graft_kernel **kernel, graft_device *device, const graft_layout *y,
                                 float low, float high);

/* 0 a, 1 b, 2 a + b; in place of 0. */
graft_status graft_add(graft_kernel **kernel, graft_device *device, const graft_layout *layout);

/* Mean over H and W: 0 x (N, C, H, W), 1 y (N, C, 1, 1). */
graft_status graft_global_pool_forward(graft_kernel **kernel, graft_device *device, const graft_layout *x,
                                       bool training);
/* 0 gradient of y, 1 gradient of x, which lies as `x`. */
graft_status graft_global_pool_backward(graft_kernel **kernel, graft_device *device, const graft_layout *x);

/* All plain. 0 x (N, I), 1 weight (O, I), 2 bias (O), 3 y (N, O). */
graft_status graft_linear_forward(graft_kernel **kernel, graft_device *device, int64_t batch, int64_t in,
                                  int64_t out, bool training);
/* 0 gradient of y, 1 weight, 2 gradient of x. */
graft_status graft_linear_backward_data(graft_kernel **kernel, graft_device *device, int64_t batch,
                                        int64_t in, int64_t out);
/* 0 x, 1 gradient of y, 2 gradient of weight, 3 gradient of bias. */
graft_status graft_linear_backward_weights(graft_kernel **kernel, graft_device *device, int64_t batch,
                                           int64_t in, int64_t out);

/* 0 from, 1 to: the same elements in another layout. */
graft_status graft_reorder(graft_kernel **kernel, graft_device *device, const graft_layout *from,
                           const graft_layout *to);

/* ---- Kernels in plain C ---- */

/* The gradient of a depthwise convolution's weight, where channels divide by 8: as
 * graft_convolution_backward_weights; x and the gradient of y lie in blocks of `width` channels. */
graft_status graft_depthwise_backward_weights(graft_kernel **kernel, graft_device *device,
                                              const graft_convolution *shape, bool bias, int64_t width);

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
/* weight scale, and bias scale + shift, by the first dimension. 0 weight (O, ...), 1 scale (O), 2 shift (O),
 * 3 bias (O) (with `bias`), 4 folded weight, 5 folded bias. */
graft_status graft_fold(graft_kernel **kernel, graft_device *device, const graft_shape *weight, bool bias);
/* 0 weight, 1 scale, 2 gradient of the folded weight, 3 of the folded bias, 4 bias, 5 gradient of weight, 6
 * of scale, 7 of bias (4 and 7 with `bias`). */
graft_status graft_fold_backward(graft_kernel **kernel, graft_device *device, const graft_shape *weight,
                                 bool bias);

/* Where dropout's numbers come from; `step` is read when the kernel runs. */
typedef struct graft_drop_source {
    uint64_t seed;
    uint64_t step;
} graft_drop_source;

/* Mean softmax cross-entropy of the rows, times `weight`. 0 logits (N, K) plain, 1 labels (N) as int32 in an
 * f32's place, 2 loss (1), 3 gradient of the logits (N, K). */
graft_status graft_cross_entropy(graft_kernel **kernel, graft_device *device, int64_t batch, int64_t classes,
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

/* 0 gradient of this batch, 1 gradient so far: added, or written where *fresh is set. Plain. */
graft_status graft_accumulate(graft_kernel **kernel, graft_device *device, const graft_layout *layout,
                              const bool *fresh);

#endif
