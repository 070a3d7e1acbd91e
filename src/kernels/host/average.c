/* Average pools that oneDNN lacks: over uneven windows (adaptive pools), over windows that hang over the
 * padding (ceil mode), over large windows. A window is summed row by row, so that rounding grows with its
 * width and not with its area; of bf16 too, whose means are f32. Each plane of a group of channels belongs to
 * one thread. */
#include "kernels/host/host.h"

#include <string.h>

#include "kernels/host/element.h"
#include "kernels/lanes.h"

enum { WIDEST = 32 };

typedef struct average {
    graft_host_kernel host;
    graft_lanes x, y;
    graft_pool pool;
    bool half; /* x is bf16 */
} average;

typedef struct span {
    int64_t begin, end; /* within the input */
    int64_t count;      /* by which the sum is divided */
} span;

static int64_t smaller(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static span span_of(const graft_pool_axis *axis, int64_t i, bool padding_counts)
{
    if (axis->kernel == 0) {
        int64_t begin = i * axis->in / axis->out, end = ((i + 1) * axis->in + axis->out - 1) / axis->out;
        return (span){begin, end, end - begin};
    }
    int64_t begin = i * axis->stride - axis->padding;
    int64_t end = smaller(begin + axis->kernel, axis->in + axis->padding);
    int64_t padded = end - begin;
    begin = begin > 0 ? begin : 0;
    end = smaller(end, axis->in);
    return (span){begin, end, padding_counts ? padded : end - begin};
}

/* y = the sum over a window of lanes, divided. */
static inline __attribute__((always_inline)) void window_mean(float *y, const void *x, span rows,
                                                              span columns, int64_t width, int64_t pixel,
                                                              int64_t lanes, bool half)
{
    double sums[WIDEST] = {0}, count = (double)(rows.count * columns.count);
    for (int64_t i = rows.begin; i < rows.end; i++) {
        float row[WIDEST] = {0};
        for (int64_t j = columns.begin; j < columns.end; j++)
            for (int64_t lane = 0; lane < lanes; lane++)
                row[lane] += graft_element_get(x, (i * width + j) * pixel + lane, half);
        for (int64_t lane = 0; lane < lanes; lane++)
            sums[lane] += (double)row[lane];
    }
    for (int64_t lane = 0; lane < lanes; lane++)
        y[lane] = (float)(sums[lane] / count);
}

/* x += gradient / count over a window. */
static inline __attribute__((always_inline)) void window_spread(float *x, const float *gradient, span rows,
                                                                span columns, int64_t width, int64_t pixel,
                                                                int64_t lanes)
{
    float shares[WIDEST], count = (float)(rows.count * columns.count);
    for (int64_t lane = 0; lane < lanes; lane++)
        shares[lane] = gradient[lane] / count;
    for (int64_t i = rows.begin; i < rows.end; i++)
        for (int64_t j = columns.begin; j < columns.end; j++)
            for (int64_t lane = 0; lane < lanes; lane++)
                x[(i * width + j) * pixel + lane] += shares[lane];
}

/* A row of windows; with the usual numbers of lanes the compiler unrolls them. */
static inline __attribute__((always_inline)) void mean_row(const average *self, float *y, const void *x,
                                                           span rows, int64_t lanes, bool half)
{
    const graft_pool_axis *axis = &self->pool.width;
    int64_t pixel = self->x.pixel;
    for (int64_t j = 0; j < axis->out; j++, y += self->y.pixel) {
        span columns = span_of(axis, j, self->pool.padding_counts);
        if (lanes == 16)
            window_mean(y, x, rows, columns, axis->in, pixel, 16, half);
        else if (lanes == WIDEST)
            window_mean(y, x, rows, columns, axis->in, pixel, WIDEST, half);
        else
            window_mean(y, x, rows, columns, axis->in, pixel, lanes, half);
    }
}

__attribute__((target_clones("avx2", "default"))) static void forward_row(const average *self, float *y,
                                                                          const void *x, span rows,
                                                                          int64_t lanes)
{
    if (self->half)
        mean_row(self, y, x, rows, lanes, true);
    else
        mean_row(self, y, x, rows, lanes, false);
}

__attribute__((target_clones("avx2", "default"))) static void backward_row(const average *self, float *x,
                                                                           const float *gradient, span rows,
                                                                           int64_t lanes)
{
    const graft_pool_axis *axis = &self->pool.width;
    int64_t pixel = self->x.pixel;
    for (int64_t j = 0; j < axis->out; j++, gradient += self->y.pixel) {
        span columns = span_of(axis, j, self->pool.padding_counts);
        if (lanes == 16)
            window_spread(x, gradient, rows, columns, axis->in, pixel, 16);
        else if (lanes == WIDEST)
            window_spread(x, gradient, rows, columns, axis->in, pixel, WIDEST);
        else
            window_spread(x, gradient, rows, columns, axis->in, pixel, lanes);
    }
}

static void forward_plane(const average *self, int64_t sample, int64_t group)
{
    const graft_pool_axis *axis = &self->pool.height;
    int64_t channel = group * self->x.lanes;
    const char *x = (const char *)self->host.buffers[0] +
                    graft_lanes_at(&self->x, sample, channel) * (int64_t)graft_element_size(self->half);
    float *y = (float *)self->host.buffers[1] + graft_lanes_at(&self->y, sample, channel);
    for (int64_t i = 0; i < axis->out; i++)
        forward_row(self, y + i * self->pool.width.out * self->y.pixel, x,
                    span_of(axis, i, self->pool.padding_counts), graft_lanes_stored(&self->x, group));
}

static void backward_plane(const average *self, int64_t sample, int64_t group)
{
    const graft_pool_axis *axis = &self->pool.height;
    int64_t channel = group * self->x.lanes, lanes = graft_lanes_stored(&self->x, group);
    const float *gradient = (const float *)self->host.buffers[0] + graft_lanes_at(&self->y, sample, channel);
    float *x = (float *)self->host.buffers[1] + graft_lanes_at(&self->x, sample, channel);
    for (int64_t p = 0; p < self->x.pixels; p++)
        memset(x + p * self->x.pixel, 0, sizeof(float) * (size_t)lanes);
    for (int64_t i = 0; i < axis->out; i++)
        backward_row(self, x, gradient + i * self->pool.width.out * self->y.pixel,
                     span_of(axis, i, self->pool.padding_counts), lanes);
}

static graft_status run_forward(graft_kernel *kernel)
{
    const average *self = (const average *)kernel;
#pragma omp parallel for collapse(2) schedule(static)
    for (int64_t sample = 0; sample < self->x.samples; sample++)
        for (int64_t group = 0; group < self->x.groups; group++)
            forward_plane(self, sample, group);
    return GRAFT_OK;
}

static graft_status run_backward(graft_kernel *kernel)
{
    const average *self = (const average *)kernel;
#pragma omp parallel for collapse(2) schedule(static)
    for (int64_t sample = 0; sample < self->x.samples; sample++)
        for (int64_t group = 0; group < self->x.groups; group++)
            backward_plane(self, sample, group);
    return GRAFT_OK;
}

static graft_status create(graft_kernel **out, graft_device *device, const graft_layout *x,
                           const graft_pool *pool, bool backward)
{
    graft_status status;
    average *self;
    const int64_t *dims = graft_layout_shape(x)->dims;
    graft_shape shape = GRAFT_SHAPE(dims[0], dims[1], pool->height.out, pool->width.out);
    graft_dtype type = backward ? GRAFT_F32 : graft_layout_type(x);
    const graft_layout *y;
    GRAFT_TRY(graft_layout_typed_like(device, x, graft_layout_shape(x), type, &x));
    GRAFT_TRY(graft_layout_like(device, x, &shape, &y));
    GRAFT_TRY(graft_host_create(&self, sizeof *self,
                                backward ? "host:average_pool_backward" : "host:average_pool",
                                backward ? run_backward : run_forward));
    self->x = graft_lanes_of(x, WIDEST);
    self->y = graft_lanes_of(y, WIDEST);
    self->pool = *pool;
    self->half = type == GRAFT_BF16;
    graft_host_slot(&self->host, 0, GRAFT_READS, backward ? y : x);
    graft_host_slot(&self->host, 1, GRAFT_WRITES, backward ? x : y);
    *out = &self->host.kernel;
out:
    return status;
}

graft_status graft_any_average_pool(graft_kernel **kernel, graft_device *device, const graft_layout *x,
                                    const graft_pool *pool)
{
    return create(kernel, device, x, pool, false);
}

graft_status graft_any_average_pool_backward(graft_kernel **kernel, graft_device *device,
                                             const graft_layout *x, const graft_pool *pool)
{
    return create(kernel, device, x, pool, true);
}
