/* The gradient of a 3x3 convolution's weight by Winograd's method. Turned around, Y = A^T [(G g G^T) *
 * (B^T d B)] A says that
 *     dg = G^T [sum over tiles of (A dY A^T) * (B^T d B)] G,
 * at each of the 36 points a matrix product whose inner dimension are the tiles. All threads share a chunk;
 * each sums at points and for channels of its own, chunk by chunk, so the sums do not depend on their number.
 */

#include "base/status.h"
#include "kernels/host/host.h"
#include "kernels/host/winograd_frame.h"
#include "kernels/primitive.h"

enum { SLOT_BIAS = 3 };

typedef struct winograd_gradient {
    graft_host_kernel host;
    graft_winograd_frame frame; /* its y is the gradient of y, its products are that transformed */
    int threads;
    size_t chunk_bytes; /* of the scratch; behind it are the sums, as transformed weights lie */
} winograd_gradient;

static float *sums_of(const winograd_gradient *self)
{
    return (float *)((char *)self->host.scratch + self->chunk_bytes);
}

static void transform_gradient(const winograd_gradient *self, const graft_winograd_chunk *c, int64_t block,
                               int64_t pair)
{
    const graft_winograd_frame *f = &self->frame;
    int64_t groups = graft_winograd_groups_of(f, pair);
    for (int64_t i = 0; i < groups; i++)
        f->code->transform_gradient(&f->shape, &f->y, c->first + block, 2 * pair + i,
                                    graft_winograd_products_of(c, pair) + (block * groups + i) * f->block,
                                    f->product_step);
}

static void add_products(const winograd_gradient *self, const graft_winograd_chunk *c, int64_t point,
                         int64_t pair)
{
    const graft_winograd_frame *f = &self->frame;
    f->code->add_products(sums_of(self) + graft_winograd_weights_at(f, point, pair),
                          c->inputs + point * f->input_step,
                          graft_winograd_products_of(c, pair) + point * f->product_step, f->shape.channels_in,
                          graft_winograd_groups_of(f, pair), c->blocks, c->first == 0);
}

/* Called by all threads of a team. */
static void run_chunk(const winograd_gradient *self, const graft_winograd_chunk *c)
{
    graft_winograd_chunk_inputs(c);
#pragma omp for collapse(2) schedule(static)
    for (int64_t block = 0; block < c->blocks; block++)
        for (int64_t pair = 0; pair < self->frame.pairs_out; pair++)
            transform_gradient(self, c, block, pair);
#pragma omp for collapse(2) schedule(static)
    for (int64_t point = 0; point < GRAFT_WINOGRAD_POINTS; point++)
        for (int64_t pair = 0; pair < self->frame.pairs_out; pair++)
            add_products(self, c, point, pair);
}

/* Called by all threads of a team. */
static void finish(const winograd_gradient *self)
{
    const graft_winograd_frame *f = &self->frame;
    int64_t lanes = f->code->lanes;
    float *bias = self->host.buffers[SLOT_BIAS];
#pragma omp for collapse(2) schedule(static) nowait
    for (int64_t pair = 0; pair < f->pairs_out; pair++)
        for (int64_t in = 0; in < f->shape.channels_in; in++)
            f->code->finish_weights(self->host.buffers[2], sums_of(self), f->shape.channels_in,
                                    f->shape.channels_out, 2 * pair * lanes, in);
    if (!bias)
        return;
#pragma omp for schedule(static)
    for (int64_t group = 0; group < f->groups_out; group++)
        f->code->sum_pixels(bias + group * lanes, &f->shape, &f->y, group);
}

static graft_status run(graft_kernel *kernel)
{
    winograd_gradient *self = (winograd_gradient *)kernel;
    graft_winograd_frame *f = &self->frame;
    f->x.data = self->host.buffers[0];
    f->y.data = self->host.buffers[1];
#pragma omp parallel num_threads(self->threads)
    {
        for (int64_t first = 0; first < f->blocks; first += f->chunk) {
            graft_winograd_chunk c = graft_winograd_chunk_at(f, first, self->host.scratch, 0);
            run_chunk(self, &c);
        }
        finish(self);
    }
    return GRAFT_OK;
}

graft_status graft_winograd_backward_weights(graft_kernel **out, graft_device *device,
                                             const graft_convolution *c, bool bias)
{
    graft_status status;
    graft_winograd_frame frame;
    const graft_layout *x, *y, *weight, *row;
    winograd_gradient *self = NULL;
    GRAFT_TRY(graft_winograd_frame_init(&frame, device, c, &x, &y));
    GRAFT_TRY(graft_layout_weights(device, c->channels_in, c->channels_out, &weight));
    GRAFT_TRY(graft_layout_plain(device, &GRAFT_SHAPE(c->channels_out), &row));
    GRAFT_TRY(graft_host_create(&self, sizeof *self, frame.code->name, run));
    self->frame = frame;
    self->threads = graft_device_threads(device);
    self->chunk_bytes = graft_winograd_frame_cut(&self->frame, GRAFT_WINOGRAD_SHARED, frame.pairs_out);
    self->host.kernel.scratch = self->chunk_bytes + sizeof(float) * GRAFT_WINOGRAD_POINTS *
                                                        (size_t)(c->channels_in * c->channels_out);
    graft_host_slot(&self->host, 0, GRAFT_READS, x);
    graft_host_slot(&self->host, 1, GRAFT_READS, y);
    graft_host_slot(&self->host, 2, GRAFT_WRITES, weight);
    if (bias)
        graft_host_slot(&self->host, SLOT_BIAS, GRAFT_WRITES, row);
    *out = &self->host.kernel;
out:
    return status;
}
