/* The gradient of a linear layer's weight, (O, I) = dy^T x, added where gradients are gathered. oneDNN's
 * product with a sum reads what is there in an order that costs 50 ms on a weight of 411 MB where writing
 * takes 20: so some rows at a time are multiplied into scratch that stays in the cache, and added from there.
 * Where nothing was there they are written at once. */
#include <stdlib.h>

#include "kernels/host/host.h"
#include "kernels/host/sgd.h"

enum { TILE = 1 << 20, ALIGNMENT = 64 }; /* floats; bytes */

/* Slots: 0 x (N, I), 1 dy (N, O), 2 the gradient (O, I). */
typedef struct gradient {
    graft_host_kernel host;
    graft_kernel *tile, *rest; /* of `rows` rows of the weight, and of those that are left; NULL: none are */
    int64_t in, out, rows;
    graft_gradient_rule rule;
    size_t inner; /* bytes of scratch that the products need */
} gradient;

static graft_status add_rows(gradient *self, int64_t from, int64_t count)
{
    graft_status status;
    const float kept = *self->rule.fresh ? self->rule.kept : 1.0F;
    graft_kernel *product = count == self->rows ? self->tile : self->rest;
    char *scratch = self->host.scratch;
    float *dy = self->host.buffers[1], *place = (float *)self->host.buffers[2] + from * self->in;
    float *tile = (float *)(scratch + self->inner);
    void *buffers[GRAFT_KERNEL_SLOTS] = {dy + from, self->host.buffers[0], kept == 0.0F ? place : tile};
    GRAFT_TRY(graft_kernel_bind(product, buffers, scratch));
    GRAFT_TRY(graft_kernel_run(product));
    if (kept != 0.0F)
        graft_gradient_add(place, tile, count * self->in, kept);
out:
    return status;
}

static graft_status run(graft_kernel *kernel)
{
    graft_status status = GRAFT_OK;
    gradient *self = (gradient *)kernel;
    for (int64_t from = 0; from < self->out; from += self->rows) {
        int64_t left = self->out - from;
        GRAFT_TRY(add_rows(self, from, left < self->rows ? left : self->rows));
    }
out:
    return status;
}

static void destroy(graft_kernel *kernel)
{
    gradient *self = (gradient *)kernel;
    graft_kernel_free(self->tile);
    graft_kernel_free(self->rest);
    free(self);
}

/* `rows` columns of dy (batch, out), as a matrix (rows, batch), times x (batch, in). */
static graft_status create_product(graft_kernel **kernel, graft_device *device, const gradient *self,
                                   int64_t batch, int64_t rows)
{
    const graft_matmul_shape shape = {
        .rows = rows, .inner = batch, .columns = self->in, .transposed_a = true, .lead_a = self->out};
    return graft_matmul(kernel, device, &shape);
}

static graft_status create_products(gradient *self, graft_device *device, int64_t batch)
{
    graft_status status;
    int64_t rest = self->out % self->rows;
    GRAFT_TRY(create_product(&self->tile, device, self, batch, self->rows));
    if (rest > 0)
        GRAFT_TRY(create_product(&self->rest, device, self, batch, rest));
    size_t inner = self->tile->scratch;
    if (self->rest && self->rest->scratch > inner)
        inner = self->rest->scratch;
    self->inner = (inner + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    self->host.kernel.scratch = self->inner + sizeof(float) * (size_t)(self->rows * self->in);
    self->host.kernel.implementation = self->tile->implementation;
out:
    return status;
}

static graft_status add_slot(gradient *self, graft_device *device, int slot, graft_access access,
                             graft_shape shape)
{
    const graft_layout *layout = NULL;
    graft_status status = graft_layout_plain(device, &shape, &layout);
    graft_host_slot(&self->host, slot, access, layout);
    return status;
}

graft_status graft_linear_accumulate(graft_kernel **kernel, graft_device *device, int64_t batch, int64_t in,
                                     int64_t out, const graft_gradient_rule *rule)
{
    graft_status status;
    gradient *self = NULL;
    int64_t rows = in < TILE ? TILE / in : 1;
    GRAFT_TRY(graft_host_create(&self, sizeof *self, "", run));
    self->host.kernel.destroy = destroy;
    self->in = in;
    self->out = out;
    self->rows = rows < out ? rows : out;
    self->rule = *rule;
    GRAFT_TRY(create_products(self, device, batch));
    GRAFT_TRY(add_slot(self, device, 0, GRAFT_READS, GRAFT_SHAPE(batch, in)));
    GRAFT_TRY(add_slot(self, device, 1, GRAFT_READS, GRAFT_SHAPE(batch, out)));
    GRAFT_TRY(add_slot(self, device, 2, GRAFT_UPDATES, GRAFT_SHAPE(out, in)));
    *kernel = &self->host.kernel;
    return GRAFT_OK;
out:
    if (self)
        destroy(&self->host.kernel);
    return status;
}
