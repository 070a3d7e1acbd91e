/* Layer normalisation over the channels of every pixel: y = gamma (x - mean) / sqrt(variance + epsilon) +
 * beta, the variance biased. Backward computes the statistics again: with t = gamma dY and x^ the normalised
 * x,
 *   dX = (t - mean(t) - x^ mean(t x^)) / sqrt(variance + epsilon), dgamma = sum of dY x^, dbeta = sum of dY.
 * The pixels are dealt to PARTS, whatever the number of threads, so that the sums are always the same. */
#include "kernels/host/host.h"

#include <math.h>
#include <string.h>

#include "kernels/host/element.h"
#include "kernels/lanes.h"

enum { PARTS = 32 };

typedef struct norm {
    graft_host_kernel host;
    graft_lanes x;
    float epsilon;
    bool half; /* x and y are bf16 */
} norm;

typedef struct statistics {
    float mean, factor; /* factor = 1 / sqrt(variance + epsilon) */
} statistics;

/* One pixel's channels, side by side in `row`. */
static inline __attribute__((always_inline)) void gather(float *restrict row, const void *restrict x,
                                                         const graft_lanes *at, bool half)
{
    for (int64_t group = 0; group < at->groups; group++)
        for (int64_t lane = 0; lane < graft_lanes_in(at, group); lane++)
            row[group * at->lanes + lane] = graft_element_get(x, group * at->group + lane, half);
}

static inline __attribute__((always_inline)) void scatter(void *restrict y, const float *restrict row,
                                                          const graft_lanes *at, bool half)
{
    for (int64_t group = 0; group < at->groups; group++) {
        int64_t lanes = graft_lanes_in(at, group), stored = graft_lanes_stored(at, group);
        for (int64_t lane = 0; lane < lanes; lane++)
            graft_element_set(y, group * at->group + lane, row[group * at->lanes + lane], half);
        for (int64_t lane = lanes; lane < stored; lane++)
            graft_element_set(y, group * at->group + lane, 0.0F, half);
    }
}

static inline __attribute__((always_inline)) statistics statistics_of(const float *row, int64_t count,
                                                                      float epsilon)
{
    float sum = 0.0F, squares = 0.0F;
#pragma omp simd reduction(+ : sum)
    for (int64_t i = 0; i < count; i++)
        sum += row[i];
    float mean = sum / (float)count;
#pragma omp simd reduction(+ : squares)
    for (int64_t i = 0; i < count; i++)
        squares += (row[i] - mean) * (row[i] - mean);
    return (statistics){mean, 1.0F / sqrtf(squares / (float)count + epsilon)};
}

static inline __attribute__((always_inline)) void normalize_pixel(void *y, const void *x, float *restrict row,
                                                                  const norm *self, bool half)
{
    const float *restrict gamma = self->host.buffers[1], *restrict beta = self->host.buffers[2];
    int64_t count = self->x.channels;
    gather(row, x, &self->x, half);
    statistics s = statistics_of(row, count, self->epsilon);
    for (int64_t i = 0; i < count; i++)
        row[i] = (row[i] - s.mean) * s.factor * gamma[i] + beta[i];
    scatter(y, row, &self->x, half);
}

__attribute__((target_clones("avx2", "default"))) static void normalize(void *y, const void *x, float *row,
                                                                        const norm *self)
{
    if (self->half)
        normalize_pixel(y, x, row, self, true);
    else
        normalize_pixel(y, x, row, self, false);
}

/* `row` is x and becomes its gradient; the sums grow. */
__attribute__((target_clones("avx2", "default"))) static void differentiate(
    float *restrict row, const float *restrict gradient, int64_t count, float epsilon,
    const float *restrict gamma, float *restrict gamma_sum, float *restrict beta_sum)
{
    statistics s = statistics_of(row, count, epsilon);
    float mean = 0.0F, slope = 0.0F;
#pragma omp simd reduction(+ : mean, slope)
    for (int64_t i = 0; i < count; i++) {
        float x = (row[i] - s.mean) * s.factor;
        gamma_sum[i] += gradient[i] * x;
        beta_sum[i] += gradient[i];
        mean += gamma[i] * gradient[i];
        slope += gamma[i] * gradient[i] * x;
        row[i] = x;
    }
    mean /= (float)count;
    slope /= (float)count;
    for (int64_t i = 0; i < count; i++)
        row[i] = s.factor * (gamma[i] * gradient[i] - mean - row[i] * slope);
}

/* Where pixel number i of all samples begins. */
static int64_t offset_of(const graft_lanes *at, int64_t i)
{
    return i / at->pixels * at->sample + i % at->pixels * at->pixel;
}

static graft_status run_forward(graft_kernel *kernel)
{
    const norm *self = (const norm *)kernel;
    const graft_lanes *at = &self->x;
    const char *x = self->host.buffers[0];
    char *y = self->host.buffers[3];
    int64_t pixels = at->samples * at->pixels, size = (int64_t)graft_element_size(self->half);
#pragma omp parallel for schedule(static)
    for (int64_t part = 0; part < PARTS; part++) {
        float *row = (float *)self->host.scratch + part * at->channels;
        for (int64_t i = part * pixels / PARTS; i < (part + 1) * pixels / PARTS; i++)
            normalize(y + offset_of(at, i) * size, x + offset_of(at, i) * size, row, self);
    }
    return GRAFT_OK;
}

/* Scratch of a part: two rows and the two sums. */
static void differentiate_part(const norm *self, int64_t part)
{
    const graft_lanes *at = &self->x;
    int64_t pixels = at->samples * at->pixels, count = at->channels;
    float *row = (float *)self->host.scratch + part * 4 * count, *gradient = row + count;
    float *gamma_sum = row + 2 * count, *beta_sum = row + 3 * count;
    memset(gamma_sum, 0, sizeof(float) * 2 * (size_t)count);
    for (int64_t i = part * pixels / PARTS; i < (part + 1) * pixels / PARTS; i++) {
        gather(row, (const float *)self->host.buffers[0] + offset_of(at, i), at, false);
        gather(gradient, (const float *)self->host.buffers[1] + offset_of(at, i), at, false);
        differentiate(row, gradient, count, self->epsilon, self->host.buffers[2], gamma_sum, beta_sum);
        scatter((float *)self->host.buffers[3] + offset_of(at, i), row, at, false);
    }
}

static graft_status run_backward(graft_kernel *kernel)
{
    const norm *self = (const norm *)kernel;
    int64_t count = self->x.channels;
    float *gamma = self->host.buffers[4], *beta = self->host.buffers[5];
#pragma omp parallel for schedule(static)
    for (int64_t part = 0; part < PARTS; part++)
        differentiate_part(self, part);
#pragma omp parallel for schedule(static)
    for (int64_t c = 0; c < count; c++) {
        const float *sums = (const float *)self->host.scratch + 2 * count + c;
        double gamma_sum = 0.0, beta_sum = 0.0;
        for (int64_t part = 0; part < PARTS; part++, sums += 4 * count) {
            gamma_sum += sums[0];
            beta_sum += sums[count];
        }
        gamma[c] = (float)gamma_sum;
        beta[c] = (float)beta_sum;
    }
    return GRAFT_OK;
}

/* Row-major, the last dimension. */
static graft_lanes last_dimension(const graft_layout *layout)
{
    const graft_shape *shape = graft_layout_shape(layout);
    int64_t channels = shape->dims[shape->rank - 1];
    return (graft_lanes){.samples = 1,
                         .channels = channels,
                         .pixels = graft_shape_count(shape) / channels,
                         .groups = 1,
                         .lanes = channels,
                         .stored = channels,
                         .pixel = channels};
}

static graft_status create(norm **out, graft_device *device, const graft_layout **x, const graft_layout **row,
                           bool last, float epsilon, bool backward)
{
    graft_status status;
    norm *self;
    graft_dtype type = backward ? GRAFT_F32 : graft_layout_type(*x);
    if (last)
        GRAFT_TRY(graft_layout_plain_of(device, graft_layout_shape(*x), type, x));
    else
        GRAFT_TRY(graft_layout_typed_like(device, *x, graft_layout_shape(*x), type, x));
    graft_lanes lanes = last ? last_dimension(*x) : graft_lanes_of(*x, INT64_MAX);
    GRAFT_TRY(graft_layout_plain(device, &GRAFT_SHAPE(lanes.channels), row));
    GRAFT_TRY(graft_host_create(&self, sizeof *self,
                                backward ? "host:layer_norm_backward" : "host:layer_norm",
                                backward ? run_backward : run_forward));
    self->x = lanes;
    self->epsilon = epsilon;
    self->half = type == GRAFT_BF16;
    self->host.kernel.scratch = sizeof(float) * PARTS * (backward ? 4 : 1) * (size_t)lanes.channels;
    *out = self;
out:
    return status;
}

graft_status graft_layer_norm(graft_kernel **out, graft_device *device, const graft_layout *x, bool last,
                              float epsilon)
{
    norm *self;
    const graft_layout *row;
    graft_status status = create(&self, device, &x, &row, last, epsilon, false);
    if (status != GRAFT_OK)
        return status;
    graft_host_slot(&self->host, 0, GRAFT_READS, x);
    graft_host_slot(&self->host, 1, GRAFT_READS, row);
    graft_host_slot(&self->host, 2, GRAFT_READS, row);
    graft_host_slot(&self->host, 3, GRAFT_WRITES, x);
    self->host.kernel.in_place = 3;
    self->host.kernel.in_place_of = 0;
    *out = &self->host.kernel;
    return GRAFT_OK;
}

graft_status graft_layer_norm_backward(graft_kernel **out, graft_device *device, const graft_layout *x,
                                       bool last, float epsilon)
{
    norm *self;
    const graft_layout *row;
    graft_status status = create(&self, device, &x, &row, last, epsilon, true);
    if (status != GRAFT_OK)
        return status;
    for (int slot = 0; slot < 6; slot++)
        graft_host_slot(&self->host, slot, slot < 3 ? GRAFT_READS : GRAFT_WRITES,
                        slot == 0 || slot == 1 || slot == 3 ? x : row);
    self->host.kernel.in_place = 3;
    self->host.kernel.in_place_of = 1;
    *out = &self->host.kernel;
    return GRAFT_OK;
}
