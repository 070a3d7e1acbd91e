/* A batch's gradient, added to what there is: two backwards accumulate, as in PyTorch. And sums of columns, a
 * bias's gradient. */
#include "base/status.h"
#include "kernels/host/host.h"
#include "kernels/host/sgd.h"

typedef struct accumulate {
    graft_host_kernel host;
    graft_gradient_rule rule;
    int64_t count;
} accumulate;

static graft_status run(graft_kernel *kernel)
{
    const accumulate *self = (const accumulate *)kernel;
    graft_gradient_add(self->host.buffers[1], self->host.buffers[0], self->count,
                       *self->rule.fresh ? self->rule.kept : 1.0F);
    return GRAFT_OK;
}

graft_status graft_accumulate(graft_kernel **out, graft_device *device, const graft_layout *layout,
                              const graft_gradient_rule *rule)
{
    (void)device;
    accumulate *self;
    graft_status status = graft_host_create(&self, sizeof *self, "host:accumulate", run);
    if (status != GRAFT_OK)
        return status;
    self->rule = *rule;
    self->count = (int64_t)(graft_layout_bytes(layout) / sizeof(float));
    graft_host_slot(&self->host, 0, GRAFT_READS, layout);
    graft_host_slot(&self->host, 1, GRAFT_UPDATES, layout);
    *out = &self->host.kernel;
    return GRAFT_OK;
}

/* ---- Sums of columns ---- */

typedef struct sums {
    graft_host_kernel host;
    int64_t rows, columns;
} sums;

enum { COLUMNS = 512 };

static graft_status run_sums(graft_kernel *kernel)
{
    const sums *self = (const sums *)kernel;
    const float *restrict x = self->host.buffers[0];
    float *restrict y = self->host.buffers[1];
#pragma omp parallel for schedule(static)
    for (int64_t from = 0; from < self->columns; from += COLUMNS) {
        int64_t to = from + COLUMNS < self->columns ? from + COLUMNS : self->columns;
        for (int64_t k = from; k < to; k++)
            y[k] = x[k];
        for (int64_t n = 1; n < self->rows; n++)
            for (int64_t k = from; k < to; k++)
                y[k] += x[n * self->columns + k];
    }
    return GRAFT_OK;
}

graft_status graft_column_sums(graft_kernel **out, graft_device *device, int64_t rows, int64_t columns)
{
    graft_status status;
    sums *self = NULL;
    const graft_layout *x, *y;
    GRAFT_TRY(graft_layout_plain(device, &GRAFT_SHAPE(rows, columns), &x));
    GRAFT_TRY(graft_layout_plain(device, &GRAFT_SHAPE(columns), &y));
    GRAFT_TRY(graft_host_create(&self, sizeof *self, "host:column_sums", run_sums));
    self->rows = rows;
    self->columns = columns;
    graft_host_slot(&self->host, 0, GRAFT_READS, x);
    graft_host_slot(&self->host, 1, GRAFT_WRITES, y);
    *out = &self->host.kernel;
out:
    return status;
}
