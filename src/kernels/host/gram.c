/* The ends of a linear layer in the Gram form: what its output begins with, and where its gradient goes. */
#include "kernels/host/host.h"

typedef struct gram {
    graft_host_kernel host;
    int64_t batch, rows, out;
    graft_gradient_rule rule;
} gram;

static graft_status create(gram **out, const gram *like, const char *implementation,
                           graft_status (*run)(graft_kernel *kernel))
{
    gram *self;
    graft_status status = graft_host_create(&self, sizeof *self, implementation, run);
    if (status != GRAFT_OK)
        return status;
    self->batch = like->batch;
    self->rows = like->rows;
    self->out = like->out;
    self->rule = like->rule;
    *out = self;
    return GRAFT_OK;
}

static graft_status set_slot(gram *self, graft_device *device, int slot, graft_access access,
                             graft_shape shape)
{
    const graft_layout *layout;
    graft_status status = graft_layout_plain(device, &shape, &layout);
    if (status == GRAFT_OK)
        graft_host_slot(&self->host, slot, access, layout);
    return status;
}

static graft_status run_begin(graft_kernel *kernel)
{
    const gram *self = (const gram *)kernel;
    const float *restrict start = self->host.buffers[0], factor = *(const float *)self->host.buffers[1];
    const float *restrict bias = self->host.buffers[2];
    float *restrict y = self->host.buffers[3];
#pragma omp parallel for schedule(static)
    for (int64_t n = 0; n < self->batch; n++)
        for (int64_t k = 0; k < self->out; k++)
            y[n * self->out + k] = factor * start[n * self->out + k] + bias[k];
    return GRAFT_OK;
}

graft_status graft_gram_begin(graft_kernel **kernel, graft_device *device, int64_t batch, int64_t out)
{
    graft_status status;
    gram *self = NULL;
    GRAFT_TRY(create(&self, &(gram){.batch = batch, .out = out}, "host:gram_begin", run_begin));
    GRAFT_TRY(set_slot(self, device, 0, GRAFT_READS, GRAFT_SHAPE(batch, out)));
    GRAFT_TRY(set_slot(self, device, 1, GRAFT_READS, GRAFT_SHAPE(1, 1)));
    GRAFT_TRY(set_slot(self, device, 2, GRAFT_READS, GRAFT_SHAPE(out)));
    GRAFT_TRY(set_slot(self, device, 3, GRAFT_WRITES, GRAFT_SHAPE(batch, out)));
    *kernel = &self->host.kernel;
    return GRAFT_OK;
out:
    if (self)
        graft_kernel_free(&self->host.kernel);
    return status;
}

enum { COLUMNS = 512 };

static void scale(float *restrict values, int64_t count, float factor)
{
    for (int64_t i = 0; i < count; i++)
        values[i] = factor != 0.0F ? factor * values[i] : 0.0F;
}

/* Some of the columns. A view may be in a batch twice, so all rows are one thread's. */
static void scatter_columns(const gram *self, int64_t from, int64_t count)
{
    const float *restrict gradient = self->host.buffers[0];
    const int32_t *restrict places = self->host.buffers[1];
    float *restrict all = self->host.buffers[2];
    for (int64_t row = 0; *self->rule.fresh && row < self->rows; row++)
        scale(all + row * self->out + from, count, self->rule.kept);
    for (int64_t n = 0; n < self->batch; n++) {
        float *restrict row = all + places[n] * self->out;
        for (int64_t k = from; k < from + count; k++)
            row[k] += gradient[n * self->out + k];
    }
}

static graft_status run_scatter(graft_kernel *kernel)
{
    const gram *self = (const gram *)kernel;
#pragma omp parallel for schedule(static)
    for (int64_t from = 0; from < self->out; from += COLUMNS) {
        int64_t left = self->out - from;
        scatter_columns(self, from, left < COLUMNS ? left : COLUMNS);
    }
    if (*self->rule.fresh)
        scale(self->host.buffers[3], 1, self->rule.kept);
    return GRAFT_OK;
}

graft_status graft_gram_scatter(graft_kernel **kernel, graft_device *device, int64_t batch, int64_t rows,
                                int64_t out, const graft_gradient_rule *rule)
{
    graft_status status;
    gram *self = NULL;
    const gram like = {.batch = batch, .rows = rows, .out = out, .rule = *rule};
    GRAFT_TRY(create(&self, &like, "host:gram_scatter", run_scatter));
    GRAFT_TRY(set_slot(self, device, 0, GRAFT_READS, GRAFT_SHAPE(batch, out)));
    GRAFT_TRY(set_slot(self, device, 1, GRAFT_READS, GRAFT_SHAPE(batch)));
    GRAFT_TRY(set_slot(self, device, 2, GRAFT_UPDATES, GRAFT_SHAPE(rows, out)));
    GRAFT_TRY(set_slot(self, device, 3, GRAFT_UPDATES, GRAFT_SHAPE(1, 1)));
    *kernel = &self->host.kernel;
    return GRAFT_OK;
out:
    if (self)
        graft_kernel_free(&self->host.kernel);
    return status;
}
