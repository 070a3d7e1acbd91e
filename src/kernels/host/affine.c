/* y = scale[c] x + shift[c] with numbers that are known when the plan is made: how a picture was normalised
 * is turned into how a network wants it. */
#include "kernels/host/host.h"

#include "kernels/lanes.h"

typedef struct affine {
    graft_host_kernel host;
    graft_lanes x;
    float scale[GRAFT_PICTURE_CHANNELS], shift[GRAFT_PICTURE_CHANNELS];
} affine;

static graft_status run(graft_kernel *kernel)
{
    const affine *self = (const affine *)kernel;
    const graft_lanes *at = &self->x;
    const float *x = self->host.buffers[0];
    float *y = self->host.buffers[1];
#pragma omp parallel for collapse(2) schedule(static)
    for (int64_t sample = 0; sample < at->samples; sample++)
        for (int64_t c = 0; c < at->channels; c++) {
            int64_t offset = graft_lanes_at(at, sample, c);
            for (int64_t p = 0; p < at->pixels; p++)
                y[offset + p * at->pixel] = x[offset + p * at->pixel] * self->scale[c] + self->shift[c];
        }
    return GRAFT_OK;
}

graft_status graft_affine(graft_kernel **out, graft_device *device, const graft_layout *x, const float *scale,
                          const float *shift)
{
    graft_status status;
    affine *self;
    const graft_shape *shape = graft_layout_shape(x);
    GRAFT_TRY(graft_layout_plain(device, shape, &x));
    GRAFT_TRY(graft_host_create(&self, sizeof *self, "host:affine", run));
    self->x = graft_lanes_of(x, INT64_MAX);
    for (int64_t c = 0; c < shape->dims[1]; c++) {
        self->scale[c] = scale[c];
        self->shift[c] = shift ? shift[c] : 0.0F;
    }
    graft_host_slot(&self->host, 0, GRAFT_READS, x);
    graft_host_slot(&self->host, 1, GRAFT_WRITES, x);
    self->host.kernel.in_place = 1;
    self->host.kernel.in_place_of = 0;
    *out = &self->host.kernel;
out:
    return status;
}
