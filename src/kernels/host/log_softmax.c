/* Log-softmax of rows, y = x - log(sum of exp(x)), and its gradient, dX = dY - exp(y) sum of dY. */
#include "kernels/host/host.h"

#include <math.h>

typedef struct log_softmax {
    graft_host_kernel host;
    int64_t rows, columns;
} log_softmax;

static void forward_row(float *y, const float *x, int64_t columns)
{
    double largest = x[0], sum = 0.0;
    for (int64_t k = 1; k < columns; k++)
        if (x[k] > largest)
            largest = x[k];
    for (int64_t k = 0; k < columns; k++)
        sum += exp(x[k] - largest);
    double logarithm = log(sum);
    for (int64_t k = 0; k < columns; k++)
        y[k] = (float)(x[k] - largest - logarithm);
}

static void backward_row(float *x, const float *y, const float *gradient, int64_t columns)
{
    double sum = 0.0;
    for (int64_t k = 0; k < columns; k++)
        sum += gradient[k];
    for (int64_t k = 0; k < columns; k++)
        x[k] = (float)(gradient[k] - exp(y[k]) * sum);
}

static graft_status run_forward(graft_kernel *kernel)
{
    const log_softmax *self = (const log_softmax *)kernel;
    const float *x = self->host.buffers[0];
    float *y = self->host.buffers[1];
#pragma omp parallel for schedule(static)
    for (int64_t row = 0; row < self->rows; row++)
        forward_row(y + row * self->columns, x + row * self->columns, self->columns);
    return GRAFT_OK;
}

static graft_status run_backward(graft_kernel *kernel)
{
    const log_softmax *self = (const log_softmax *)kernel;
    const float *y = self->host.buffers[0], *gradient = self->host.buffers[1];
    float *x = self->host.buffers[2];
#pragma omp parallel for schedule(static)
    for (int64_t row = 0; row < self->rows; row++)
        backward_row(x + row * self->columns, y + row * self->columns, gradient + row * self->columns,
                     self->columns);
    return GRAFT_OK;
}

static graft_status create(graft_kernel **out, graft_device *device, int64_t rows, int64_t columns,
                           bool backward)
{
    graft_status status;
    log_softmax *self;
    const graft_layout *layout;
    int slots = backward ? 3 : 2;
    GRAFT_TRY(graft_layout_plain(device, &GRAFT_SHAPE(rows, columns), &layout));
    GRAFT_TRY(graft_host_create(&self, sizeof *self,
                                backward ? "host:log_softmax_backward" : "host:log_softmax",
                                backward ? run_backward : run_forward));
    self->rows = rows;
    self->columns = columns;
    for (int slot = 0; slot < slots; slot++)
        graft_host_slot(&self->host, slot, slot + 1 < slots ? GRAFT_READS : GRAFT_WRITES, layout);
    self->host.kernel.in_place = slots - 1;
    self->host.kernel.in_place_of = slots - 2;
    *out = &self->host.kernel;
out:
    return status;
}

graft_status graft_log_softmax(graft_kernel **kernel, graft_device *device, int64_t rows, int64_t columns)
{
    return create(kernel, device, rows, columns, false);
}

graft_status graft_log_softmax_backward(graft_kernel **kernel, graft_device *device, int64_t rows,
                                        int64_t columns)
{
    return create(kernel, device, rows, columns, true);
}
