/* The hard sigmoid (Howard et al. 2019), min(max(x + 3, 0), 6) / 6, which oneDNN lacks, and the sigmoid
 * 1 / (1 + exp(-x)) for tensors with zeros behind their channels: neither function keeps a zero, so they are
 * written again. */
#include "kernels/host/host.h"

#include <math.h>

#include "kernels/lanes.h"

typedef struct sigmoid {
    graft_host_kernel host;
    int64_t count; /* of all that is stored */
    bool hard, padded;
    graft_lanes lanes; /* where it is padded */
} sigmoid;

static void sigmoids(float *restrict y, const float *restrict x, int64_t count)
{
#pragma omp parallel for schedule(static)
    for (int64_t i = 0; i < count; i++)
        y[i] = 1.0F / (1.0F + expf(-x[i]));
}

static void hard_sigmoids(float *y, const float *x, int64_t count)
{
#pragma omp parallel for simd schedule(static)
    for (int64_t i = 0; i < count; i++) {
        float shifted = x[i] + 3.0F;
        float low = shifted < 0.0F ? 0.0F : shifted;
        y[i] = (low > 6.0F ? 6.0F : low) / 6.0F;
    }
}

static graft_status run_forward(graft_kernel *kernel)
{
    const sigmoid *self = (const sigmoid *)kernel;
    const graft_lanes *at = &self->lanes;
    float *y = self->host.buffers[1];
    (self->hard ? hard_sigmoids : sigmoids)(y, self->host.buffers[0], self->count);
    for (int64_t sample = 0; sample < at->samples && self->padded; sample++)
        graft_lanes_clear(at, at->groups - 1, y + graft_lanes_at(at, sample, (at->groups - 1) * at->lanes),
                          sizeof *y);
    return GRAFT_OK;
}

/* As torch's: 0 at both ends, so that the output is enough. */
static graft_status run_backward(graft_kernel *kernel)
{
    const sigmoid *self = (const sigmoid *)kernel;
    const float *y = self->host.buffers[0], *gradient = self->host.buffers[1];
    float *x = self->host.buffers[2];
#pragma omp parallel for simd schedule(static)
    for (int64_t i = 0; i < self->count; i++)
        x[i] = y[i] > 0.0F && y[i] < 1.0F ? gradient[i] / 6.0F : 0.0F;
    return GRAFT_OK;
}

static graft_status create(graft_kernel **out, const graft_layout *x, bool hard, const char *implementation,
                           graft_status (*run)(graft_kernel *kernel), int slots)
{
    sigmoid *self;
    graft_status status = graft_host_create(&self, sizeof *self, implementation, run);
    if (status != GRAFT_OK)
        return status;
    self->count = (int64_t)(graft_layout_bytes(x) / sizeof(float));
    self->hard = hard;
    self->padded = self->count != graft_shape_count(graft_layout_shape(x));
    if (self->padded)
        self->lanes = graft_lanes_of(x, INT64_MAX);
    for (int i = 0; i < slots; i++)
        graft_host_slot(&self->host, i, i + 1 < slots ? GRAFT_READS : GRAFT_WRITES, x);
    self->host.kernel.in_place = slots - 1;
    self->host.kernel.in_place_of = slots - 2;
    *out = &self->host.kernel;
    return GRAFT_OK;
}

graft_status graft_sigmoid_forward(graft_kernel **kernel, const graft_layout *x, bool hard)
{
    return create(kernel, x, hard, hard ? "host:hard_sigmoid" : "host:sigmoid", run_forward, 2);
}

graft_status graft_hard_sigmoid_backward(graft_kernel **kernel, const graft_layout *y)
{
    return create(kernel, y, true, "host:hard_sigmoid_backward", run_backward, 3);
}
