/* Running statistics of batch norm, as PyTorch moves them: the variance unbiased. */
#include "kernels/host/host.h"

typedef struct statistics {
    graft_host_kernel host;
    int64_t channels;
    float momentum, unbiased;
} statistics;

static void move(float *running, const float *batch, int64_t channels, float momentum, float factor)
{
    for (int64_t c = 0; c < channels; c++)
        running[c] = (1.0F - momentum) * running[c] + momentum * (batch[c] * factor);
}

static graft_status run(graft_kernel *kernel)
{
    const statistics *self = (const statistics *)kernel;
    void *const *buffers = self->host.buffers;
    move(buffers[2], buffers[0], self->channels, self->momentum, 1.0F);
    move(buffers[3], buffers[1], self->channels, self->momentum, self->unbiased);
    return GRAFT_OK;
}

graft_status graft_running_statistics(graft_kernel **out, graft_device *device, int64_t channels,
                                      int64_t count, float momentum)
{
    graft_status status;
    statistics *self = NULL;
    const graft_layout *row;
    GRAFT_TRY(graft_layout_plain(device, &GRAFT_SHAPE(channels), &row));
    GRAFT_TRY(graft_host_create(&self, sizeof *self, "host:running_statistics", run));
    self->channels = channels;
    self->momentum = momentum;
    self->unbiased = count > 1 ? (float)((double)count / (double)(count - 1)) : 1.0F;
    graft_host_slot(&self->host, 0, GRAFT_READS, row);
    graft_host_slot(&self->host, 1, GRAFT_READS, row);
    graft_host_slot(&self->host, 2, GRAFT_UPDATES, row);
    graft_host_slot(&self->host, 3, GRAFT_UPDATES, row);
    *out = &self->host.kernel;
out:
    return status;
}
