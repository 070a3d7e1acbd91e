/* Dropout (Srivastava et al. 2014) and stochastic depth (Huang et al. 2016): y = x * mask / (1 - p). The mask
 * is drawn by counter, so that backward draws the same one and nothing is stored. */
#include <string.h>

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

enum { BLOCKS = 64, DRAWS = 4 * BLOCKS };

/* Draws from `first` on; draw i is number i % 4 of block i / 4. */
static void draw(uint32_t bits[DRAWS], const drop *self, int64_t first)
{
    const uint32_t key[2] = {(uint32_t)self->source->seed ^ self->name, (uint32_t)(self->source->seed >> 32)};
    const uint32_t counter[4] = {(uint32_t)(first / 4), GRAFT_RANDOM_DROPOUT, (uint32_t)self->source->step,
                                 (uint32_t)(self->source->step >> 32)};
    graft_philox_blocks(bits, counter, key, BLOCKS);
}

/* Of each draw what its element is multiplied with. Without a branch: half of the guesses would be wrong. */
__attribute__((target_clones("avx2", "default"))) static void factors_of(float factors[DRAWS],
                                                                         const uint32_t bits[DRAWS],
                                                                         uint32_t threshold, float scale)
{
    uint32_t kept, masked[DRAWS];
    memcpy(&kept, &scale, sizeof kept);
    for (int i = 0; i < DRAWS; i++)
        masked[i] = bits[i] >= threshold ? kept : 0;
    memcpy(factors, masked, sizeof masked);
}

static void drop_elements(const drop *self, const float *x, float *y, int64_t first, int64_t count)
{
    uint32_t bits[DRAWS];
    float factors[DRAWS];
    draw(bits, self, first);
    factors_of(factors, bits, self->threshold, self->scale);
    x += first;
    y += first;
#pragma omp simd
    for (int64_t i = 0; i < count; i++)
        y[i] = x[i] * factors[i];
}

/* One sample is a draw, but many elements. */
static void drop_samples(const drop *self, const float *x, float *y, int64_t first, int64_t count)
{
    uint32_t bits[DRAWS];
    float factors[DRAWS];
    draw(bits, self, first);
    factors_of(factors, bits, self->threshold, self->scale);
#pragma omp parallel for schedule(static)
    for (int64_t n = 0; n < count; n++) {
        int64_t from = (first + n) * self->each;
#pragma omp simd
        for (int64_t i = from; i < from + self->each; i++)
            y[i] = x[i] * factors[n];
    }
}

static graft_status run(graft_kernel *kernel)
{
    const drop *self = (const drop *)kernel;
    const float *x = self->host.buffers[0];
    float *y = self->host.buffers[1];
#pragma omp parallel for schedule(static) if (self->each == 1)
    for (int64_t first = 0; first < self->samples; first += DRAWS) {
        int64_t left = self->samples - first, count = left < DRAWS ? left : DRAWS;
        if (self->each == 1)
            drop_elements(self, x, y, first, count);
        else
            drop_samples(self, x, y, first, count);
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
