/* Mean softmax cross-entropy: loss = mean_n(log sum_k exp(z_nk) - z_n,label), gradient (softmax - onehot) /
 * N. In double: a row is short, and the loss is what people compare. */
#include "kernels/host/host.h"

#include <math.h>

typedef struct cross_entropy {
    graft_host_kernel host;
    int64_t batch, classes;
    double scale; /* weight / batch */
} cross_entropy;

static double row_loss(const float *logits, int64_t classes, int label, double scale, float *gradient)
{
    double largest = logits[0], sum = 0.0;
    for (int64_t k = 1; k < classes; k++)
        if (logits[k] > largest)
            largest = logits[k];
    for (int64_t k = 0; k < classes; k++)
        sum += exp(logits[k] - largest);
    for (int64_t k = 0; k < classes; k++) {
        double probability = exp(logits[k] - largest) / sum;
        gradient[k] = (float)((probability - (k == label)) * scale);
    }
    return log(sum) + largest - logits[label];
}

static graft_status run(graft_kernel *kernel)
{
    const cross_entropy *self = (const cross_entropy *)kernel;
    const float *logits = self->host.buffers[0];   /* (N, K) */
    const int32_t *labels = self->host.buffers[1]; /* (N) */
    float *loss = self->host.buffers[2];           /* (1) */
    float *gradient = self->host.buffers[3];       /* (N, K) */
    double sum = 0.0;
    for (int64_t n = 0; n < self->batch; n++)
        sum += row_loss(logits + n * self->classes, self->classes, labels[n], self->scale,
                        gradient + n * self->classes);
    loss[0] = (float)(sum * self->scale);
    return GRAFT_OK;
}

graft_status graft_cross_entropy(graft_kernel **out, graft_device *device, int64_t batch, int64_t classes,
                                 float weight)
{
    graft_status status;
    cross_entropy *self = NULL;
    const graft_layout *rows, *labels, *one;
    GRAFT_TRY(graft_layout_plain(device, &GRAFT_SHAPE(batch, classes), &rows));
    GRAFT_TRY(graft_layout_plain(device, &GRAFT_SHAPE(batch), &labels));
    GRAFT_TRY(graft_layout_plain(device, &GRAFT_SHAPE(1), &one));
    GRAFT_TRY(graft_host_create(&self, sizeof *self, "host:cross_entropy", run));
    self->batch = batch;
    self->classes = classes;
    self->scale = (double)weight / (double)batch;
    graft_host_slot(&self->host, 0, GRAFT_READS, rows);
    graft_host_slot(&self->host, 1, GRAFT_READS, labels);
    graft_host_slot(&self->host, 2, GRAFT_WRITES, one);
    graft_host_slot(&self->host, 3, GRAFT_WRITES, rows);
    *out = &self->host.kernel;
out:
    return status;
}
