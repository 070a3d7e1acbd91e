/* Dropout (Srivastava et al. 2014) and stochastic depth (Huang et al. 2016): y = x * mask / (1 - p). The mask
 * is drawn by counter, so that backward draws the same one and nothing is stored. */
#include "kernels/host/host.h"

#include "base/random.h"

typedef struct drop {
    graft_host_kernel host;
    const graft_drop_source *source;
    uint32_t name;      /* hash of the node's name */
    uint32_t threshold; /* an element stays where its 32 bits are at least this */
    float scale;
    int64_t samples, each; /* one draw covers `each` elements behind one another */
} drop;

/* Four draws a block; element i is number i % 4 of block i / 4. */
static void draw(uint32_t bits[4], const drop *self, int64_t block)
{
    const uint32_t key[2] = {(uint32_t)self->source->seed ^ self->name, (uint32_t)(self->source->seed >> 32)};
    const uint32_t counter[4] = {(uint32_t)block, GRAFT_RANDOM_DROPOUT, (uint32_t)self->source->step,
                                 (uint32_t)(self->source->step >> 32)};
    graft_philox(bits, counter, key);
}

static void drop_one(const drop *self, const float *x, float *y, int64_t index, uint32_t bits)
{
    float factor = bits >= self->threshold ? self->scale : 0.0F;
    for (int64_t i = index * self->each; i < (index + 1) * self->each; i++)
        y[i] = x[i] * factor;
}

static graft_status run(graft_kernel *kernel)
{
    const drop *self = (const drop *)kernel;
    const float *x = self->host.buffers[0];
    float *y = self->host.buffers[1];
    int64_t blocks = (self->samples + 3) / 4;
#pragma omp parallel for schedule(static)
    for (int64_t block = 0; block < blocks; block++) {
        uint32_t bits[4];
        draw(bits, self, block);
        for (int64_t i = 0; i < 4 && block * 4 + i < self->samples; i++)
            drop_one(self, x, y, block * 4 + i, bits[i]);
    }
    return GRAFT_OK;
}

graft_status graft_drop(graft_kernel **out, graft_device *device, const graft_layout *x, float probability,
                        bool whole, const char *name, const graft_drop_source *source)
{
    (void)device;
    drop *self;
    graft_status status = graft_host_create(&self, sizeof *self, "host:drop", run);
    if (status != GRAFT_OK)
        return status;
    int64_t elements = (int64_t)(graft_layout_bytes(x) / sizeof(float));
    self->samples = whole ? graft_layout_shape(x)->dims[0] : elements;
    self->each = elements / self->samples;
    self->name = (uint32_t)(graft_hash_text(name, GRAFT_HASH_START) >> 16);
    self->source = source;
    self->threshold = (uint32_t)((double)probability * 4294967296.0);
    self->scale = 1.0F / (1.0F - probability);
    graft_host_slot(&self->host, 0, GRAFT_READS, x);
    graft_host_slot(&self->host, 1, GRAFT_WRITES, x);
    self->host.kernel.in_place = 1;
    self->host.kernel.in_place_of = 0;
    *out = &self->host.kernel;
    return GRAFT_OK;
}
