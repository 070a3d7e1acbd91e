/* 3x3 convolutions of stride 1 by Winograd's method F(4x4, 3x3), and their gradient by x, which is such a
 * convolution too: inputs of tiles are transformed, multiplied by transformed weights at 36 points, a matrix
 * product each, and transformed back.
 *
 * A batch goes in chunks, so that what lies between the transforms stays in caches. A thread takes chunks of
 * its own, with the products of one pair of groups at a time, while they fit its second cache; where it would
 * then read weights again too often, all threads share one large chunk. The sums do not depend on that. */
#include <math.h>
#include <omp.h>
#include <unistd.h>

#include "base/status.h"
#include "kernels/host/host.h"
#include "kernels/host/winograd_frame.h"
#include "kernels/primitive.h"

enum { SLOT_BIAS = 2, WINDOW = 9 };

typedef struct winograd {
    graft_host_kernel host;
    graft_winograd_frame frame;
    graft_winograd_ending ending;
    int threads, slot_y;
    bool shared;
} winograd;

/* ---- Running ---- */

/* The products of a pair are, or come to be, at `place` among the chunk's. */
static void multiply(const winograd *self, const graft_winograd_chunk *c, int64_t point, int64_t pair,
                     int64_t place)
{
    const graft_winograd_frame *f = &self->frame;
    const float *weights = self->host.buffers[1];
    f->code->multiply(graft_winograd_products_of(c, place) + point * f->product_step,
                      c->inputs + point * f->input_step, weights + graft_winograd_weights_at(f, point, pair),
                      f->shape.channels_in, graft_winograd_groups_of(f, pair), c->blocks);
}

static void transform_output(const winograd *self, const graft_winograd_chunk *c, int64_t block, int64_t pair,
                             int64_t place)
{
    const graft_winograd_frame *f = &self->frame;
    int64_t groups = graft_winograd_groups_of(f, pair);
    for (int64_t i = 0; i < groups; i++)
        f->code->transform_output(&f->shape, &f->y, c->first + block, 2 * pair + i,
                                  graft_winograd_products_of(c, place) + (block * groups + i) * f->block,
                                  f->product_step, &self->ending);
}

static void run_alone(const winograd *self, const graft_winograd_chunk *c)
{
    for (int64_t block = 0; block < c->blocks; block++)
        for (int64_t group = 0; group < self->frame.groups_in; group++)
            graft_winograd_chunk_input(c, block, group);
    for (int64_t pair = 0; pair < self->frame.pairs_out; pair++) {
        for (int64_t point = 0; point < GRAFT_WINOGRAD_POINTS; point++)
            multiply(self, c, point, pair, 0);
        for (int64_t block = 0; block < c->blocks; block++)
            transform_output(self, c, block, pair, 0);
    }
}

/* Called by all threads of a team. */
static void run_together(const winograd *self, const graft_winograd_chunk *c)
{
    graft_winograd_chunk_inputs(c);
#pragma omp for collapse(2) schedule(static)
    for (int64_t point = 0; point < GRAFT_WINOGRAD_POINTS; point++)
        for (int64_t pair = 0; pair < self->frame.pairs_out; pair++)
            multiply(self, c, point, pair, pair);
#pragma omp for collapse(2) schedule(static)
    for (int64_t block = 0; block < c->blocks; block++)
        for (int64_t pair = 0; pair < self->frame.pairs_out; pair++)
            transform_output(self, c, block, pair, pair);
}

static graft_status run(graft_kernel *kernel)
{
    winograd *self = (winograd *)kernel;
    graft_winograd_frame *f = &self->frame;
    f->x.data = self->host.buffers[0];
    f->y.data = self->host.buffers[self->slot_y];
    self->ending.bias = self->slot_y == SLOT_BIAS ? NULL : self->host.buffers[SLOT_BIAS];
    if (self->shared) {
#pragma omp parallel num_threads(self->threads)
        for (int64_t first = 0; first < f->blocks; first += f->chunk) {
            graft_winograd_chunk c = graft_winograd_chunk_at(f, first, self->host.scratch, 0);
            run_together(self, &c);
        }
        return GRAFT_OK;
    }
#pragma omp parallel for schedule(static) num_threads(self->threads)
    for (int64_t first = 0; first < f->blocks; first += f->chunk) {
        graft_winograd_chunk c = graft_winograd_chunk_at(f, first, self->host.scratch, omp_get_thread_num());
        run_alone(self, &c);
    }
    return GRAFT_OK;
}

/* ---- Making one ---- */

static int64_t second_cache(void)
{
    enum { USUAL = 1 << 20 };
    long bytes = sysconf(_SC_LEVEL2_CACHE_SIZE);
    return bytes > 0 ? bytes : USUAL;
}

/* Alone a chunk's tiles read all weights; together they write inputs and products and read them again. */
static size_t cut(winograd *self)
{
    graft_winograd_frame *f = &self->frame;
    size_t alone = graft_winograd_frame_cut(f, second_cache() / 8 * 5, 1);
    int64_t tiles = f->chunk * f->code->rows, in = f->shape.channels_in, out = f->shape.channels_out;
    self->shared = in * out / tiles > 2 * (in + out);
    return self->shared ? graft_winograd_frame_cut(f, GRAFT_WINOGRAD_SHARED, f->pairs_out)
                        : alone * (size_t)self->threads;
}

/* `turned`: c is what the function of that name made. */
static graft_status create(winograd **out, graft_device *device, const graft_convolution *c, bool is_turned)
{
    graft_status status;
    graft_winograd_frame frame;
    const graft_layout *x, *weight, *y;
    winograd *self = NULL;
    GRAFT_TRY(graft_winograd_frame_init(&frame, device, c, &x, &y));
    GRAFT_TRY(graft_layout_winograd(device, c->channels_in, c->channels_out, is_turned, &weight));
    GRAFT_TRY(graft_host_create(&self, sizeof *self, frame.code->name, run));
    self->frame = frame;
    self->threads = graft_device_threads(device);
    self->ending = (graft_winograd_ending){.low = -INFINITY, .high = INFINITY};
    self->slot_y = is_turned ? 2 : 3;
    self->host.kernel.scratch = cut(self);
    graft_host_slot(&self->host, 0, GRAFT_READS, x);
    graft_host_slot(&self->host, 1, GRAFT_READS, weight);
    graft_host_slot(&self->host, self->slot_y, GRAFT_WRITES, y);
    *out = self;
out:
    return status;
}

graft_status graft_winograd_forward(graft_kernel **out, graft_device *device, const graft_convolution *c,
                                    bool bias, bool residual, const graft_post_op *post_ops, int post_count)
{
    graft_status status;
    winograd *self;
    const graft_layout *row;
    GRAFT_TRY(graft_layout_plain(device, &GRAFT_SHAPE(c->channels_out), &row));
    GRAFT_TRY(create(&self, device, c, false));
    self->ending.adds = residual;
    self->ending.squares = c->squares;
    if (post_count > 0) {
        self->ending.low = post_ops[0].low;
        self->ending.high = post_ops[0].high;
    }
    if (bias)
        graft_host_slot(&self->host, SLOT_BIAS, GRAFT_READS, row);
    if (residual)
        self->host.kernel.access[self->slot_y] = GRAFT_UPDATES;
    *out = &self->host.kernel;
out:
    return status;
}

bool graft_winograd_applies(const graft_post_op *post_ops, int post_count)
{
    return post_count == 0 || (post_count == 1 && post_ops[0].function == GRAFT_CLIP);
}

/* The convolution that takes the gradient of y to that of x: its window is turned around. */
static graft_convolution turned(const graft_convolution *c)
{
    graft_convolution back = *c;
    back.channels_in = c->channels_out;
    back.channels_out = c->channels_in;
    back.height_in = c->height_out;
    back.width_in = c->width_out;
    back.height_out = c->height_in;
    back.width_out = c->width_in;
    back.pad_top = 2 - c->pad_top;
    back.pad_left = 2 - c->pad_left;
    return back;
}

graft_status graft_winograd_backward_data(graft_kernel **out, graft_device *device,
                                          const graft_convolution *c)
{
    winograd *self;
    graft_convolution back = turned(c);
    graft_status status = create(&self, device, &back, true);
    if (status == GRAFT_OK)
        *out = &self->host.kernel;
    return status;
}

/* ---- Weights ---- */

typedef struct packing {
    graft_host_kernel host;
    const graft_winograd_code *code;
    graft_winograd_source weights;
    int64_t channels_in, channels_out;
} packing;

static graft_status run_packing(graft_kernel *kernel)
{
    packing *self = (packing *)kernel;
    int64_t pair = 2 * self->code->lanes;
    self->weights.data = self->host.buffers[0];
#pragma omp parallel for collapse(2) schedule(static)
    for (int64_t out = 0; out < self->channels_out; out += pair)
        for (int64_t in = 0; in < self->channels_in; in++)
            self->code->transform_weights(self->host.buffers[1], &self->weights, self->channels_in,
                                          self->channels_out, out, in);
    return GRAFT_OK;
}

/* Of weights (O, I, 3, 3) row-major: by O, and by I. */
static void lie_plain(graft_winograd_axis axes[2], int64_t *window, int64_t channels_in, int64_t lanes)
{
    axes[0] = (graft_winograd_axis){lanes * channels_in * WINDOW, channels_in * WINDOW};
    axes[1] = (graft_winograd_axis){lanes * WINDOW, WINDOW};
    *window = 1;
}

/* In blocks of lanes by lanes, O innermost. */
static void lie_in_blocks(graft_winograd_axis axes[2], int64_t *window, int64_t channels_in, int64_t lanes)
{
    axes[0] = (graft_winograd_axis){lanes * channels_in * WINDOW, 1};
    axes[1] = (graft_winograd_axis){lanes * lanes * WINDOW, lanes};
    *window = lanes * lanes;
}

graft_status graft_winograd_weights(graft_kernel **out, const graft_layout *from, const graft_layout *to)
{
    packing *self;
    graft_winograd_axis axes[2];
    bool is_turned = to->transformed == GRAFT_WINOGRAD_TURNED;
    graft_status status = graft_host_create(&self, sizeof *self, "host:transform_weights", run_packing);
    if (status != GRAFT_OK)
        return status;
    self->code = graft_winograd_here();
    self->channels_out = to->shape.dims[1];
    self->channels_in = to->shape.dims[2];
    (from->plain ? lie_plain : lie_in_blocks)(axes, &self->weights.window, from->shape.dims[1],
                                              self->code->lanes);
    self->weights.out = axes[is_turned];
    self->weights.in = axes[!is_turned];
    self->weights.flipped = is_turned;
    graft_host_slot(&self->host, 0, GRAFT_READS, from);
    graft_host_slot(&self->host, 1, GRAFT_WRITES, to);
    *out = &self->host.kernel;
    return GRAFT_OK;
}
