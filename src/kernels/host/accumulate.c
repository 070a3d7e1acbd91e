/* A batch's gradient, added to what there is: two backwards accumulate, as in PyTorch. */
#include "kernels/host/host.h"

typedef struct accumulate {
    graft_host_kernel host;
    const bool *fresh;
    int64_t count;
} accumulate;

static graft_status run(graft_kernel *kernel)
{
    const accumulate *self = (const accumulate *)kernel;
    const float *restrict from = self->host.buffers[0];
    float *restrict to = self->host.buffers[1];
    if (*self->fresh) {
#pragma omp parallel for simd schedule(static)
        for (int64_t i = 0; i < self->count; i++)
            to[i] = from[i];
    } else {
#pragma omp parallel for simd schedule(static)
        for (int64_t i = 0; i < self->count; i++)
            to[i] += from[i];
    }
    return GRAFT_OK;
}

graft_status graft_accumulate(graft_kernel **out, graft_device *device, const graft_layout *layout,
                              const bool *fresh)
{
    (void)device;
    accumulate *self;
    graft_status status = graft_host_create(&self, sizeof *self, "host:accumulate", run);
    if (status != GRAFT_OK)
        return status;
    self->fresh = fresh;
    self->count = (int64_t)(graft_layout_bytes(layout) / sizeof(float));
    graft_host_slot(&self->host, 0, GRAFT_READS, layout);
    graft_host_slot(&self->host, 1, GRAFT_UPDATES, layout);
    *out = &self->host.kernel;
    return GRAFT_OK;
}
