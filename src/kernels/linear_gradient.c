/* The gradient of a linear layer's weight, (O, I) = dy^T x, added where gradients are gathered. oneDNN's
 * product with a sum reads what is there in an order that costs 50 ms on a weight of 411 MB where writing
 * takes 20: so some rows at a time are multiplied into scratch that stays in the cache, and added from there.
 * Where nothing was there they are written at once. */
#include "kernels/primitive.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "kernels/host/sgd.h"

enum { TILE = 1 << 20, ALIGNMENT = 64 }; /* floats; bytes */

typedef struct gradient {
    graft_kernel kernel;
    graft_kernel *tile, *rest; /* of `rows` rows of the weight, and of those that are left; NULL: none are */
    int64_t in, out, rows;
    graft_gradient_rule rule;
    float *x, *dy, *place;
    char *scratch;
    size_t inner; /* bytes of scratch that the products need */
} gradient;

static graft_status bind(graft_kernel *kernel, void *const *buffers, void *scratch)
{
    gradient *self = (gradient *)kernel;
    self->x = buffers[0];
    self->dy = buffers[1];
    self->place = buffers[2];
    self->scratch = scratch;
    return GRAFT_OK;
}

static graft_status add_rows(gradient *self, int64_t from, int64_t count)
{
    graft_status status;
    const float kept = *self->rule.fresh ? self->rule.kept : 1.0F;
    graft_kernel *product = count == self->rows ? self->tile : self->rest;
    float *place = self->place + from * self->in, *tile = (float *)(self->scratch + self->inner);
    void *buffers[GRAFT_KERNEL_SLOTS] = {self->dy + from, self->x, kept == 0.0F ? place : tile};
    GRAFT_TRY(graft_kernel_bind(product, buffers, self->scratch));
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
    self->kernel.scratch = self->inner + sizeof(float) * (size_t)(self->rows * self->in);
    self->kernel.implementation = self->tile->implementation;
out:
    return status;
}

static graft_status set_slot(gradient *self, graft_device *device, int slot, graft_access access,
                             graft_shape shape)
{
    self->kernel.access[slot] = access;
    return graft_layout_plain(device, &shape, &self->kernel.layouts[slot]);
}

graft_status graft_linear_accumulate(graft_kernel **kernel, graft_device *device, int64_t batch, int64_t in,
                                     int64_t out, const graft_gradient_rule *rule)
{
    graft_status status;
    gradient *self = NULL;
    int64_t rows = in < TILE ? TILE / in : 1;
    GRAFT_TRY(GRAFT_NEW(&self));
    self->kernel.in_place = -1;
    self->kernel.bind = bind;
    self->kernel.run = run;
    self->kernel.destroy = destroy;
    self->in = in;
    self->out = out;
    self->rows = rows < out ? rows : out;
    self->rule = *rule;
    GRAFT_TRY(create_products(self, device, batch));
    GRAFT_TRY(set_slot(self, device, 0, GRAFT_READS, GRAFT_SHAPE(batch, in)));
    GRAFT_TRY(set_slot(self, device, 1, GRAFT_READS, GRAFT_SHAPE(batch, out)));
    GRAFT_TRY(set_slot(self, device, 2, GRAFT_UPDATES, GRAFT_SHAPE(out, in)));
    *kernel = &self->kernel;
    return GRAFT_OK;
out:
    if (self)
        destroy(&self->kernel);
    return status;
}
