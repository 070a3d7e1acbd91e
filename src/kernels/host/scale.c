/* y = x * s with one factor a channel, (C), or a sample and channel, (N, C, 1, 1): layer scale, squeeze and
 * excitation. And the factor's gradient, the sum of x * dY over what shares it. A thread owns its factors, so
 * the sums are the same with any number of threads. */
#include "kernels/host/element.h"
#include "kernels/host/host.h"
#include "kernels/lanes.h"

/* Lanes of a group, and pixels that are summed up before doubles take them. */
enum { WIDEST = 32, STRETCH = 256 };

typedef struct scale {
    graft_host_kernel host;
    graft_lanes x;
    int64_t factors; /* of one sample, in memory; 0: all samples share them */
    bool half;       /* x and y are bf16 */
} scale;

/* All lanes of a pixel are read before one is written: y may be x. */
static inline __attribute__((always_inline)) void scale_pixels(void *y, const void *x, const float *factor,
                                                               const graft_lanes *at, int64_t lanes,
                                                               bool half)
{
    float own[WIDEST], products[WIDEST];
    for (int64_t lane = 0; lane < lanes; lane++)
        own[lane] = factor[lane];
    for (int64_t p = 0; p < at->pixels; p++) {
        for (int64_t lane = 0; lane < lanes; lane++)
            products[lane] = graft_element_get(x, p * at->pixel + lane, half) * own[lane];
        for (int64_t lane = 0; lane < lanes; lane++)
            graft_element_set(y, p * at->pixel + lane, products[lane], half);
    }
}

static inline __attribute__((always_inline)) void scale_row(void *y, const void *x, float factor,
                                                            int64_t pixels, bool half)
{
#pragma omp simd
    for (int64_t p = 0; p < pixels; p++)
        graft_element_set(y, p, graft_element_get(x, p, half) * factor, half);
}

/* With the usual numbers of lanes the compiler unrolls them. A group of one lane is a row. */
static inline __attribute__((always_inline)) void scale_lanes(void *y, const void *x, const float *factor,
                                                              const graft_lanes *at, int64_t lanes, bool half)
{
    if (at->pixel == 1)
        scale_row(y, x, factor[0], at->pixels, half);
    else if (lanes == WIDEST)
        scale_pixels(y, x, factor, at, WIDEST, half);
    else if (lanes == 16)
        scale_pixels(y, x, factor, at, 16, half);
    else if (lanes == 8)
        scale_pixels(y, x, factor, at, 8, half);
    else
        scale_pixels(y, x, factor, at, lanes, half);
}

/* One group of one sample. */
__attribute__((target_clones("avx2", "default"))) static void scale_group(void *y, const void *x,
                                                                          const float *factor,
                                                                          const graft_lanes *at,
                                                                          int64_t lanes, bool half)
{
    if (half)
        scale_lanes(y, x, factor, at, lanes, true);
    else
        scale_lanes(y, x, factor, at, lanes, false);
}

static graft_status run_forward(graft_kernel *kernel)
{
    const scale *self = (const scale *)kernel;
    const graft_lanes *at = &self->x;
    const char *x = self->host.buffers[0];
    const float *factors = self->host.buffers[1];
    char *y = self->host.buffers[2];
    int64_t size = (int64_t)graft_element_size(self->half);
#pragma omp parallel for collapse(2) schedule(static)
    for (int64_t sample = 0; sample < at->samples; sample++)
        for (int64_t group = 0; group < at->groups; group++) {
            int64_t offset = (sample * at->sample + group * at->group) * size;
            scale_group(y + offset, x + offset, factors + sample * self->factors + group * at->lanes, at,
                        graft_lanes_in(at, group), self->half);
            graft_lanes_clear(at, group, y + offset, (size_t)size);
        }
    return GRAFT_OK;
}

static inline __attribute__((always_inline)) void sum_pixels(float *sums, const float *x,
                                                             const float *gradient, int64_t pixels,
                                                             int64_t pixel, int64_t lanes)
{
    float own[WIDEST] = {0};
    for (int64_t p = 0; p < pixels; p++)
        for (int64_t lane = 0; lane < lanes; lane++)
            own[lane] += x[p * pixel + lane] * gradient[p * pixel + lane];
    for (int64_t lane = 0; lane < lanes; lane++)
        sums[lane] = own[lane];
}

static float sum_row(const float *x, const float *gradient, int64_t pixels)
{
    float sum = 0.0F;
#pragma omp simd reduction(+ : sum)
    for (int64_t p = 0; p < pixels; p++)
        sum += x[p] * gradient[p];
    return sum;
}

__attribute__((target_clones("avx2", "default"))) static void sum_stretch(float *sums, const float *x,
                                                                          const float *gradient,
                                                                          int64_t pixels, int64_t pixel,
                                                                          int64_t lanes)
{
    if (pixel == 1)
        sums[0] = sum_row(x, gradient, pixels);
    else if (lanes == 16)
        sum_pixels(sums, x, gradient, pixels, pixel, 16);
    else if (lanes == 8)
        sum_pixels(sums, x, gradient, pixels, pixel, 8);
    else
        sum_pixels(sums, x, gradient, pixels, pixel, lanes);
}

/* sums += the products of one sample's group. */
static void add_group(double *sums, const scale *self, int64_t sample, int64_t group)
{
    const graft_lanes *at = &self->x;
    int64_t offset = sample * at->sample + group * at->group, lanes = graft_lanes_in(at, group);
    const float *x = (const float *)self->host.buffers[0] + offset;
    const float *gradient = (const float *)self->host.buffers[1] + offset;
    for (int64_t p = 0; p < at->pixels; p += STRETCH) {
        int64_t left = at->pixels - p;
        float part[WIDEST] = {0};
        sum_stretch(part, x + p * at->pixel, gradient + p * at->pixel, left < STRETCH ? left : STRETCH,
                    at->pixel, lanes);
        for (int64_t lane = 0; lane < lanes; lane++)
            sums[lane] += part[lane];
    }
}

/* The factors of one group, of one sample or of all. */
static void reduce_group(const scale *self, int64_t from, int64_t to, int64_t group)
{
    double sums[WIDEST] = {0};
    int64_t stored = self->factors ? graft_lanes_stored(&self->x, group) : graft_lanes_in(&self->x, group);
    float *out = (float *)self->host.buffers[2] + from * self->factors + group * self->x.lanes;
    for (int64_t sample = from; sample < to; sample++)
        add_group(sums, self, sample, group);
    for (int64_t lane = 0; lane < stored; lane++)
        out[lane] = (float)sums[lane];
}

static graft_status run_reduce(graft_kernel *kernel)
{
    const scale *self = (const scale *)kernel;
    int64_t each = self->factors ? 1 : self->x.samples, turns = self->x.samples / each;
#pragma omp parallel for collapse(2) schedule(static)
    for (int64_t turn = 0; turn < turns; turn++)
        for (int64_t group = 0; group < self->x.groups; group++)
            reduce_group(self, turn * each, turn * each + each, group);
    return GRAFT_OK;
}

static graft_status create(scale **out, graft_device *device, const graft_layout **x, graft_dtype type,
                           const graft_layout **factors, bool per_sample, const char *implementation,
                           graft_status (*run)(graft_kernel *kernel))
{
    graft_status status;
    scale *self;
    const int64_t *dims = graft_layout_shape(*x)->dims;
    graft_shape row = per_sample ? GRAFT_SHAPE(dims[0], dims[1], 1, 1) : GRAFT_SHAPE(dims[1]);
    GRAFT_TRY(graft_layout_typed_like(device, *x, graft_layout_shape(*x), type, x));
    GRAFT_TRY(graft_layout_like(device, *x, &row, factors));
    GRAFT_TRY(graft_host_create(&self, sizeof *self, implementation, run));
    self->x = graft_lanes_of(*x, WIDEST);
    self->half = type == GRAFT_BF16;
    self->factors = per_sample ? graft_lanes_of(*factors, WIDEST).sample : 0;
    *out = self;
out:
    return status;
}

graft_status graft_scale(graft_kernel **out, graft_device *device, const graft_layout *x, bool per_sample)
{
    scale *self;
    const graft_layout *factors;
    graft_status status =
        create(&self, device, &x, graft_layout_type(x), &factors, per_sample, "host:scale", run_forward);
    if (status != GRAFT_OK)
        return status;
    graft_host_slot(&self->host, 0, GRAFT_READS, x);
    graft_host_slot(&self->host, 1, GRAFT_READS, factors);
    graft_host_slot(&self->host, 2, GRAFT_WRITES, x);
    self->host.kernel.in_place = 2;
    self->host.kernel.in_place_of = 0;
    *out = &self->host.kernel;
    return GRAFT_OK;
}

graft_status graft_scale_backward(graft_kernel **out, graft_device *device, const graft_layout *x,
                                  bool per_sample)
{
    scale *self;
    const graft_layout *factors;
    graft_status status =
        create(&self, device, &x, GRAFT_F32, &factors, per_sample, "host:scale_backward", run_reduce);
    if (status != GRAFT_OK)
        return status;
    graft_host_slot(&self->host, 0, GRAFT_READS, x);
    graft_host_slot(&self->host, 1, GRAFT_READS, x);
    graft_host_slot(&self->host, 2, GRAFT_WRITES, factors);
    *out = &self->host.kernel;
    return GRAFT_OK;
}
