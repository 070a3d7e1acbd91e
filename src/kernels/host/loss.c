/* Losses of rows, and their gradients in one go. In double: a row is short, and the loss is what people
 * compare.
 *   Cross-entropy of logits z with smoothing s (Szegedy et al. 2015): the target is t = (1 - s) onehot + s /
 * K, loss = mean_n(log sum_k exp(z_nk) - sum_k t_nk z_nk), gradient (softmax - t) / N. Negative
 * log-likelihood of log-probabilities y: loss = mean_n(-y_n,label), gradient -onehot / N. */
#include "kernels/host/host.h"

#include <math.h>

typedef struct loss loss;

struct loss {
    graft_host_kernel host;
    int64_t batch, classes;
    double scale; /* weight / batch */
    double smoothing;
    double (*row)(const loss *self, const float *x, int label, float *gradient);
};

static double cross_entropy_row(const loss *self, const float *logits, int label, float *gradient)
{
    double largest = logits[0], sum = 0.0, wanted = 0.0, share = self->smoothing / (double)self->classes;
    for (int64_t k = 1; k < self->classes; k++)
        if (logits[k] > largest)
            largest = logits[k];
    for (int64_t k = 0; k < self->classes; k++)
        sum += exp(logits[k] - largest);
    for (int64_t k = 0; k < self->classes; k++) {
        double probability = exp(logits[k] - largest) / sum;
        double target = (k == label ? 1.0 - self->smoothing : 0.0) + share;
        gradient[k] = (float)((probability - target) * self->scale);
        wanted += target * (logits[k] - largest);
    }
    return log(sum) - wanted;
}

static double nll_row(const loss *self, const float *x, int label, float *gradient)
{
    for (int64_t k = 0; k < self->classes; k++)
        gradient[k] = (float)(k == label ? -self->scale : 0.0);
    return -x[label];
}

static graft_status run(graft_kernel *kernel)
{
    const loss *self = (const loss *)kernel;
    const float *x = self->host.buffers[0];        /* (N, K) */
    const int32_t *labels = self->host.buffers[1]; /* (N) */
    float *out = self->host.buffers[2];            /* (1) */
    float *gradient = self->host.buffers[3];       /* (N, K) */
    double sum = 0.0;
    for (int64_t n = 0; n < self->batch; n++)
        sum += self->row(self, x + n * self->classes, labels[n], gradient + n * self->classes);
    out[0] = (float)(sum * self->scale);
    return GRAFT_OK;
}

static graft_status create(loss **out, graft_device *device, int64_t batch, int64_t classes, float weight,
                           const char *implementation)
{
    graft_status status;
    loss *self = NULL;
    const graft_layout *rows, *labels, *one;
    GRAFT_TRY(graft_layout_plain(device, &GRAFT_SHAPE(batch, classes), &rows));
    GRAFT_TRY(graft_layout_plain(device, &GRAFT_SHAPE(batch), &labels));
    GRAFT_TRY(graft_layout_plain(device, &GRAFT_SHAPE(1), &one));
    GRAFT_TRY(graft_host_create(&self, sizeof *self, implementation, run));
    self->batch = batch;
    self->classes = classes;
    self->scale = (double)weight / (double)batch;
    graft_host_slot(&self->host, 0, GRAFT_READS, rows);
    graft_host_slot(&self->host, 1, GRAFT_READS, labels);
    graft_host_slot(&self->host, 2, GRAFT_WRITES, one);
    graft_host_slot(&self->host, 3, GRAFT_WRITES, rows);
    *out = self;
out:
    return status;
}

graft_status graft_cross_entropy(graft_kernel **out, graft_device *device, int64_t batch, int64_t classes,
                                 float weight, float smoothing)
{
    loss *self;
    graft_status status = create(&self, device, batch, classes, weight, "host:cross_entropy");
    if (status != GRAFT_OK)
        return status;
    self->smoothing = smoothing;
    self->row = cross_entropy_row;
    *out = &self->host.kernel;
    return GRAFT_OK;
}

graft_status graft_nll(graft_kernel **out, graft_device *device, int64_t batch, int64_t classes, float weight)
{
    loss *self;
    graft_status status = create(&self, device, batch, classes, weight, "host:nll");
    if (status != GRAFT_OK)
        return status;
    self->row = nll_row;
    *out = &self->host.kernel;
    return GRAFT_OK;
}
