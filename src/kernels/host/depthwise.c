/* The gradient of a depthwise convolution's weight,
 *   dW[c][i][j] = sum over n, y, x of in[n][c][y s + i - top][x s + j - left] dY[n][c][y][x],
 * eight channels at a time. A thread owns its channels, so the sums are the same with any number of threads.
 */
#include "kernels/host/host.h"

#include <string.h>

enum { LANES = 8, WIDEST = 7 };

typedef float lanes __attribute__((vector_size(LANES * sizeof(float)), aligned(4)));

typedef struct depthwise {
    graft_host_kernel host;
    graft_convolution c;
} depthwise;

/* The outputs x of a row for which x s + j - left lies in the input for window column j. */
static void valid_outputs(const graft_convolution *c, int64_t j, int64_t *from, int64_t *to)
{
    int64_t shift = c->pad_left - j;
    *from = shift > 0 ? (shift + c->stride - 1) / c->stride : 0;
    int64_t end = (c->width_in - 1 + shift) / c->stride + 1;
    *to = c->width_in - 1 + shift < 0 ? 0 : end < c->width_out ? end : c->width_out;
}

/* sums[j] += the row's products for every window column j. */
static inline __attribute__((always_inline)) void add_row(lanes *sums, const lanes *in, const lanes *gradient,
                                                          const graft_convolution *c)
{
    for (int64_t j = 0; j < c->kernel_width; j++) {
        int64_t from, to;
        valid_outputs(c, j, &from, &to);
        lanes even = sums[j], odd = {0};
        const lanes *at = in + (j - c->pad_left);
        int64_t x = from;
        for (; x + 2 <= to; x += 2) {
            even += at[x * c->stride] * gradient[x];
            odd += at[(x + 1) * c->stride] * gradient[x + 1];
        }
        if (x < to)
            even += at[x * c->stride] * gradient[x];
        sums[j] = even + odd;
    }
}

/* One block of eight channels: sums (kernel_height, kernel_width) of lanes. */
__attribute__((target_clones("avx2", "default"))) static void block_sums(lanes *sums, const lanes *in,
                                                                         const lanes *gradient,
                                                                         const graft_convolution *c)
{
    for (int64_t y = 0; y < c->height_out; y++)
        for (int64_t i = 0; i < c->kernel_height; i++) {
            int64_t row = y * c->stride + i - c->pad_top;
            if (row >= 0 && row < c->height_in)
                add_row(sums + i * c->kernel_width, in + row * c->width_in, gradient + y * c->width_out, c);
        }
}

/* db[c] = sum of dY[n][c]; `next` is from one picture to the next. */
static void bias_sums(float *bias, const lanes *gradient, int64_t next, const graft_convolution *c)
{
    lanes all = {0};
    for (int64_t n = 0; n < c->batch; n++) {
        lanes sum = {0};
        for (int64_t i = 0; i < c->height_out * c->width_out; i++)
            sum += gradient[n * next + i];
        all += sum;
    }
    for (int64_t lane = 0; lane < LANES; lane++)
        bias[lane] = all[lane];
}

static void channel_block(const depthwise *self, int64_t block)
{
    const graft_convolution *c = &self->c;
    int64_t blocks = c->channels_in / LANES, window = c->kernel_height * c->kernel_width;
    int64_t in_size = c->height_in * c->width_in, out_size = c->height_out * c->width_out;
    const lanes *in = self->host.buffers[0], *gradient = self->host.buffers[1]; /* nChw8c */
    float *weight = (float *)self->host.buffers[2] + block * LANES * window;    /* (C, 1, 1, kh, kw) */
    lanes sums[WIDEST * WIDEST];
    memset(sums, 0, sizeof sums);
    for (int64_t n = 0; n < c->batch; n++)
        block_sums(sums, in + (n * blocks + block) * in_size, gradient + (n * blocks + block) * out_size, c);
    for (int64_t lane = 0; lane < LANES; lane++)
        for (int64_t k = 0; k < window; k++)
            weight[lane * window + k] = sums[k][lane];
    if (self->host.buffers[3])
        bias_sums((float *)self->host.buffers[3] + block * LANES, gradient + block * out_size,
                  blocks * out_size, c);
}

static graft_status run(graft_kernel *kernel)
{
    const depthwise *self = (const depthwise *)kernel;
    int64_t blocks = self->c.channels_in / LANES;
#pragma omp parallel for schedule(static)
    for (int64_t block = 0; block < blocks; block++)
        channel_block(self, block);
    return GRAFT_OK;
}

graft_status graft_depthwise_backward_weights(graft_kernel **out, graft_device *device,
                                              const graft_convolution *c, bool bias)
{
    graft_status status;
    depthwise *self = NULL;
    const graft_layout *in, *gradient, *weight, *row;
    graft_shape shape = graft_convolution_weight_shape(c);
    GRAFT_TRY(graft_layout_by_eights(device,
                                     &GRAFT_SHAPE(c->batch, c->channels_in, c->height_in, c->width_in), &in));
    GRAFT_TRY(graft_layout_by_eights(
        device, &GRAFT_SHAPE(c->batch, c->channels_out, c->height_out, c->width_out), &gradient));
    GRAFT_TRY(graft_layout_plain(device, &shape, &weight));
    GRAFT_TRY(graft_layout_plain(device, &GRAFT_SHAPE(c->channels_out), &row));
    GRAFT_TRY(graft_host_create(&self, sizeof *self, "host:depthwise_backward_weights", run));
    self->c = *c;
    graft_host_slot(&self->host, 0, GRAFT_READS, in);
    graft_host_slot(&self->host, 1, GRAFT_READS, gradient);
    graft_host_slot(&self->host, 2, GRAFT_WRITES, weight);
    if (bias)
        graft_host_slot(&self->host, 3, GRAFT_WRITES, row);
    *out = &self->host.kernel;
out:
    return status;
}
