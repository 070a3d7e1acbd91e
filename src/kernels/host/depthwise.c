/* The gradient of a depthwise convolution's weight,
 *   dW[c][i][j] = sum over n, y, x of in[n][c][y s + i - top][x s + j - left] dY[n][c][y][x],
 * eight channels at a time. A thread owns its channels, so the sums are the same with any number of threads.
 */
#include "kernels/host/host.h"

#include <string.h>

#include "kernels/lanes.h"

enum { LANES = 8, WIDEST = 7 };

typedef float lanes __attribute__((vector_size(LANES * sizeof(float)), aligned(4)));

typedef struct depthwise {
    graft_host_kernel host;
    graft_convolution c;
    int64_t step; /* lanes from a pixel to the next: 1 in nChw8c, 2 in nChw16c, all of a pixel's in nhwc */
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
                                                          const graft_convolution *c, int64_t step)
{
    for (int64_t j = 0; j < c->kernel_width; j++) {
        int64_t from, to, along = c->stride * step;
        valid_outputs(c, j, &from, &to);
        lanes even = sums[j], odd = {0};
        int64_t x = from, at = (from * c->stride + j - c->pad_left) * step;
        for (; x + 2 <= to; x += 2, at += 2 * along) {
            even += in[at] * gradient[x * step];
            odd += in[at + along] * gradient[(x + 1) * step];
        }
        if (x < to)
            even += in[at] * gradient[x * step];
        sums[j] = even + odd;
    }
}

/* One block of eight channels: sums (kernel_height, kernel_width) of lanes. */
__attribute__((target_clones("avx2", "default"))) static void block_sums(lanes *sums, const lanes *in,
                                                                         const lanes *gradient,
                                                                         const graft_convolution *c,
                                                                         int64_t step)
{
    for (int64_t y = 0; y < c->height_out; y++)
        for (int64_t i = 0; i < c->kernel_height; i++) {
            int64_t row = y * c->stride + i - c->pad_top;
            if (row >= 0 && row < c->height_in)
                add_row(sums + i * c->kernel_width, in + row * c->width_in * step,
                        gradient + y * c->width_out * step, c, step);
        }
}

/* Adds a block's lanes of a picture. */
static void add_pixels(lanes *sum, const lanes *gradient, int64_t pixels, int64_t step)
{
    lanes all = {0};
    for (int64_t i = 0; i < pixels; i++)
        all += gradient[i * step];
    *sum += all;
}

/* Where picture n's block of eight channels begins. */
static const lanes *block_of(const depthwise *self, const void *tensor, int64_t n, int64_t block,
                             int64_t pixels)
{
    int64_t width = LANES * self->step, wide_blocks = (self->c.channels_in + width - 1) / width;
    return (const lanes *)tensor +
           ((n * wide_blocks + block / self->step) * pixels * self->step + block % self->step);
}

static void channel_block(const depthwise *self, int64_t block)
{
    const graft_convolution *c = &self->c;
    int64_t window = c->kernel_height * c->kernel_width;
    int64_t in_size = c->height_in * c->width_in, out_size = c->height_out * c->width_out;
    float *weight = (float *)self->host.buffers[2] + block * LANES * window; /* (C, 1, 1, kh, kw) */
    float *bias = self->host.buffers[3];                                     /* (C) */
    lanes sums[WIDEST * WIDEST], bias_sum = {0};
    memset(sums, 0, sizeof sums);
    for (int64_t n = 0; n < c->batch; n++) {
        const lanes *gradient = block_of(self, self->host.buffers[1], n, block, out_size);
        block_sums(sums, block_of(self, self->host.buffers[0], n, block, in_size), gradient, c, self->step);
        if (bias)
            add_pixels(&bias_sum, gradient, out_size, self->step);
    }
    for (int64_t lane = 0; lane < LANES; lane++) {
        for (int64_t k = 0; k < window; k++)
            weight[lane * window + k] = sums[k][lane];
        if (bias)
            bias[block * LANES + lane] = bias_sum[lane];
    }
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
                                              const graft_convolution *c, bool bias, const graft_layout *x)
{
    graft_status status;
    depthwise *self = NULL;
    const graft_layout *in, *gradient, *weight, *row;
    graft_shape shape = graft_convolution_weight_shape(c);
    graft_shape x_shape = GRAFT_SHAPE(c->batch, c->channels_in, c->height_in, c->width_in);
    graft_shape y_shape = GRAFT_SHAPE(c->batch, c->channels_out, c->height_out, c->width_out);
    int64_t width = graft_lanes_of(x, INT64_MAX).lanes;
    if (width % LANES)
        GRAFT_TRY(graft_layout_blocked(device, &x_shape, width = LANES, &x));
    GRAFT_TRY(graft_layout_like(device, x, &x_shape, &in));
    GRAFT_TRY(graft_layout_like(device, x, &y_shape, &gradient));
    GRAFT_TRY(graft_layout_plain(device, &shape, &weight));
    GRAFT_TRY(graft_layout_plain(device, &GRAFT_SHAPE(c->channels_out), &row));
    GRAFT_TRY(graft_host_create(&self, sizeof *self, "host:depthwise_backward_weights", run));
    self->c = *c;
    self->step = width / LANES;
    graft_host_slot(&self->host, 0, GRAFT_READS, in);
    graft_host_slot(&self->host, 1, GRAFT_READS, gradient);
    graft_host_slot(&self->host, 2, GRAFT_WRITES, weight);
    if (bias)
        graft_host_slot(&self->host, 3, GRAFT_WRITES, row);
    *out = &self->host.kernel;
out:
    return status;
}
