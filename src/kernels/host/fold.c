/* Batch norm with running statistics is one factor and one summand a channel; behind a convolution they
 * become part of its weight and bias. Where one of the two trains this is done before every step, and the
 * gradients of the folded weight and bias are turned back:
 *
 *   W' = s W,  b' = s b + t             s = gamma / sqrt(variance + epsilon),  t = beta - mean s
 *   dW = s dW',  db = s db',  dt = db',  ds[o] = sum over W[o] dW'[o] + b[o] db'[o]
 *   dgamma = (ds - mean dt) / sqrt(variance + epsilon),  dbeta = dt
 *
 * So neither the convolution's own output nor batch norm's is needed for backward. */
#include "kernels/host/host.h"

#include <math.h>

void graft_batch_norm_fold(float *scale, float *shift, const float *gamma, const float *beta,
                           const float *mean, const float *variance, int64_t channels, float epsilon)
{
    for (int64_t c = 0; c < channels; c++) {
        double factor = gamma[c] / sqrt((double)variance[c] + (double)epsilon);
        scale[c] = (float)factor;
        shift[c] = (float)(beta[c] - mean[c] * factor);
    }
}

/* ---- Batch norm as scale and shift ---- */

typedef struct affine {
    graft_host_kernel host;
    int64_t channels;
    float epsilon;
} affine;

static graft_status run_affine(graft_kernel *kernel)
{
    const affine *self = (const affine *)kernel;
    void *const *b = self->host.buffers;
    graft_batch_norm_fold(b[4], b[5], b[0], b[1], b[2], b[3], self->channels, self->epsilon);
    return GRAFT_OK;
}

static graft_status run_affine_backward(graft_kernel *kernel)
{
    const affine *self = (const affine *)kernel;
    const float *scale = self->host.buffers[0], *shift = self->host.buffers[1]; /* gradients */
    const float *mean = self->host.buffers[2], *variance = self->host.buffers[3];
    float *gamma = self->host.buffers[4];
    for (int64_t c = 0; c < self->channels; c++)
        gamma[c] = (float)(((double)scale[c] - (double)mean[c] * (double)shift[c]) /
                           sqrt((double)variance[c] + (double)self->epsilon));
    return GRAFT_OK;
}

static graft_status create_affine(graft_kernel **out, graft_device *device, int64_t channels, float epsilon,
                                  bool backward)
{
    graft_status status;
    affine *self = NULL;
    const graft_layout *row;
    GRAFT_TRY(graft_layout_plain(device, &GRAFT_SHAPE(channels), &row));
    GRAFT_TRY(graft_host_create(&self, sizeof *self, backward ? "host:affine_backward" : "host:affine",
                                backward ? run_affine_backward : run_affine));
    self->channels = channels;
    self->epsilon = epsilon;
    for (int slot = 0; slot < 4; slot++)
        graft_host_slot(&self->host, slot, GRAFT_READS, row);
    graft_host_slot(&self->host, 4, GRAFT_WRITES, row);
    if (!backward)
        graft_host_slot(&self->host, 5, GRAFT_WRITES, row);
    *out = &self->host.kernel;
out:
    return status;
}

graft_status graft_batch_norm_affine(graft_kernel **kernel, graft_device *device, int64_t channels,
                                     float epsilon)
{
    return create_affine(kernel, device, channels, epsilon, false);
}

graft_status graft_batch_norm_affine_backward(graft_kernel **kernel, graft_device *device, int64_t channels,
                                              float epsilon)
{
    return create_affine(kernel, device, channels, epsilon, true);
}

/* ---- Into weight and bias ---- */

typedef struct fold {
    graft_host_kernel host;
    int64_t channels;
    int64_t width, each, blocks; /* rows of the weight lie in blocks of `width`, interleaved number by number;
                                    numbers of a block. The last may have rows of zeros */
} fold;

enum { WIDEST = 64 };

/* Written out for each width, so that a block's row is a vector's lane. */
#define BY_WIDTH(call, width) \
    switch (width) {          \
    case 1:                   \
        call(1);              \
        break;                \
    case 8:                   \
        call(8);              \
        break;                \
    case 16:                  \
        call(16);             \
        break;                \
    default:                  \
        call(width);          \
    }

static inline void scale_block(float *restrict folded, const float *restrict weight,
                               const float *restrict scale, int64_t count, int64_t width)
{
    for (int64_t i = 0; i < count; i += width)
        for (int64_t row = 0; row < width; row++)
            folded[i + row] = weight[i + row] * scale[row];
}

static void fold_rows(float *folded, const float *weight, const float *scale, int64_t count, int64_t width)
{
#define SCALE(rows) scale_block(folded, weight, scale, count, rows)
    BY_WIDTH(SCALE, width)
#undef SCALE
}

/* Rows of a block that are there. */
static int64_t rows_in(const fold *self, int64_t block)
{
    int64_t left = self->channels - block * self->width;
    return left < self->width ? left : self->width;
}

/* A block of `to` = `from` scale. */
static void scale_rows(const fold *self, int64_t block, float *to, const float *from, const float *scale)
{
    float scales[WIDEST] = {0.0F};
    for (int64_t row = 0; row < rows_in(self, block); row++)
        scales[row] = scale[block * self->width + row];
    fold_rows(to + block * self->each, from + block * self->each, scales, self->each, self->width);
}

static graft_status run_fold(graft_kernel *kernel)
{
    const fold *self = (const fold *)kernel;
    const float *weight = self->host.buffers[0], *scale = self->host.buffers[1],
                *shift = self->host.buffers[2];
    const float *bias = self->host.buffers[3]; /* NULL where there is none */
    float *folded = self->host.buffers[4], *folded_bias = self->host.buffers[5];
#pragma omp parallel for schedule(static)
    for (int64_t block = 0; block < self->blocks; block++)
        scale_rows(self, block, folded, weight, scale);
    for (int64_t o = 0; o < self->channels; o++)
        folded_bias[o] = (bias ? bias[o] * scale[o] : 0.0F) + shift[o];
    return GRAFT_OK;
}

static inline void multiply_block(double *restrict sums, const float *restrict a, const float *restrict b,
                                  int64_t count, int64_t width)
{
    double all[WIDEST] = {0.0};
    for (int64_t i = 0; i < count; i += width)
        for (int64_t row = 0; row < width; row++)
            all[row] += (double)a[i + row] * (double)b[i + row];
    for (int64_t row = 0; row < width; row++)
        sums[row] = all[row];
}

/* sums (width), of each row. */
static void multiply_rows(double *sums, const float *a, const float *b, int64_t count, int64_t width)
{
#define MULTIPLY(rows) multiply_block(sums, a, b, count, rows)
    BY_WIDTH(MULTIPLY, width)
#undef MULTIPLY
}

static graft_status run_fold_backward(graft_kernel *kernel)
{
    const fold *self = (const fold *)kernel;
    const float *weight = self->host.buffers[0], *scale = self->host.buffers[1];
    const float *folded = self->host.buffers[2], *folded_bias = self->host.buffers[3]; /* gradients */
    const float *bias = self->host.buffers[4];
    float *weight_gradient = self->host.buffers[5], *scale_gradient = self->host.buffers[6];
    float *bias_gradient = self->host.buffers[7];
#pragma omp parallel for schedule(static)
    for (int64_t block = 0; block < self->blocks; block++) {
        double sums[WIDEST];
        int64_t from = block * self->each;
        multiply_rows(sums, weight + from, folded + from, self->each, self->width);
        scale_rows(self, block, weight_gradient, folded, scale);
        for (int64_t row = 0; row < rows_in(self, block); row++) {
            int64_t o = block * self->width + row;
            scale_gradient[o] = (float)(sums[row] + (bias ? (double)bias[o] * (double)folded_bias[o] : 0.0));
        }
    }
    for (int64_t o = 0; bias && o < self->channels; o++)
        bias_gradient[o] = folded_bias[o] * scale[o];
    return GRAFT_OK;
}

bool graft_fold_takes(const graft_layout *weight)
{
    enum { WITH_GROUPS = 5 };
    const graft_shape *shape = graft_layout_shape(weight);
    int64_t width = graft_layout_rows(weight);
    bool row_each = shape->rank < WITH_GROUPS || shape->dims[1] == 1; /* else rows are two dimensions */
    return row_each && width > 0 && width <= WIDEST;
}

typedef struct fold_slot {
    int slot;
    graft_access access;
    bool whole; /* (O, ...), otherwise (O) */
    bool of_bias;
} fold_slot;

static graft_status create_fold(graft_kernel **out, graft_device *device, const graft_layout *weight,
                                bool bias, const fold_slot *slots, int count, const char *name,
                                graft_status (*run)(graft_kernel *kernel))
{
    graft_status status;
    fold *self = NULL;
    const graft_layout *row;
    int64_t channels = graft_layout_shape(weight)->dims[0];
    GRAFT_TRY(graft_layout_plain(device, &GRAFT_SHAPE(channels), &row));
    GRAFT_TRY(graft_host_create(&self, sizeof *self, name, run));
    self->channels = channels;
    self->width = graft_layout_rows(weight);
    self->blocks = (channels + self->width - 1) / self->width;
    self->each = (int64_t)(graft_layout_bytes(weight) / sizeof(float)) / self->blocks;
    for (int i = 0; i < count; i++)
        if (bias || !slots[i].of_bias)
            graft_host_slot(&self->host, slots[i].slot, slots[i].access, slots[i].whole ? weight : row);
    *out = &self->host.kernel;
out:
    return status;
}

graft_status graft_fold(graft_kernel **kernel, graft_device *device, const graft_layout *weight, bool bias)
{
    static const fold_slot slots[] = {
        {0, GRAFT_READS, true, false}, {1, GRAFT_READS, false, false}, {2, GRAFT_READS, false, false},
        {3, GRAFT_READS, false, true}, {4, GRAFT_WRITES, true, false}, {5, GRAFT_WRITES, false, false},
    };
    return create_fold(kernel, device, weight, bias, slots, 6, "host:fold", run_fold);
}

graft_status graft_fold_backward(graft_kernel **kernel, graft_device *device, const graft_layout *weight,
                                 bool bias)
{
    static const fold_slot slots[] = {
        {0, GRAFT_READS, true, false},   {1, GRAFT_READS, false, false}, {2, GRAFT_READS, true, false},
        {3, GRAFT_READS, false, false},  {4, GRAFT_READS, false, true},  {5, GRAFT_WRITES, true, false},
        {6, GRAFT_WRITES, false, false}, {7, GRAFT_WRITES, false, true},
    };
    return create_fold(kernel, device, weight, bias, slots, 8, "host:fold_backward", run_fold_backward);
}
