/* Batch norm with the batch's statistics and what stands behind it, in as few walks over memory as there can
 * be: y = clip(gamma (x - mean) / sqrt(variance + epsilon) + beta + residual). With g = dY where the clip let
 * y through, and 0 elsewhere, the gradients are
 *   dX = gamma (g - mean(g) - x^ mean(g x^)) / sqrt(variance + epsilon), x^ = (x - mean) / sqrt(...),
 *   dgamma = sum of g x^, dbeta = sum of g, and the residual's is g.
 * What the clip let through is seen in y where there is a residual, and computed from x again elsewhere.
 *
 * Statistics come from one walk: a sample's pixels are summed in stretches, each around the mean of those
 * before it (the first around that of its own first pixels), and stretches and samples are merged in doubles
 * by Chan, Golub and LeVeque's formula (1979). However far the mean is from zero, the squares that are summed
 * are at most 1 + STRETCH / HEAD times those around the mean itself: no digit is lost. The order is always
 * the same, whatever the number of threads. */
#include "kernels/host/batch_norm.h"

#include <math.h>
#include <string.h>

#include "kernels/host/host.h"
#include "kernels/lanes.h"
#include "kernels/primitive.h"

/* Pixels whose sums are floats, and from which the first mean is. */
enum { WIDEST = GRAFT_NORM_WIDEST, STRETCH = 256, HEAD = 32 };

/* Slots forward, and backward. What is seen in y needs no beta. */
enum { X, GAMMA, BETA, MEAN, VARIANCE, Y, RESIDUAL };
enum { GRADIENT = 1, B_GAMMA, B_MEAN, B_VARIANCE, DX, DGAMMA, DBETA, B_BETA, B_Y = B_BETA, KEPT };

/* Of one group of one sample: the mean and the sum of squared deviations; backward the sums of g and of
 * g (x - mean). */
typedef struct sums {
    double first[WIDEST], second[WIDEST];
} sums;

typedef struct norm norm;
struct norm {
    graft_host_kernel host;
    const graft_norm_code *code;
    graft_lanes x;
    float epsilon, low, high;
    bool adds;  /* forward: a residual */
    bool whole; /* a thread takes a group, so that the second walk finds in its cache what the first read */
    graft_norm_view view;
    void (*begin)(const norm *self, int64_t group);               /* NULL: nothing is needed */
    void (*sum)(const norm *self, int64_t sample, int64_t group); /* NULL: there is no first walk */
    void (*finish)(const norm *self, int64_t group);
    void (*write)(const norm *self, int64_t sample, int64_t group);
};

static float *buffer(const norm *self, int slot)
{
    return self->host.buffers[slot];
}

static int64_t offset_of(const norm *self, int64_t sample, int64_t group)
{
    return sample * self->x.sample + group * self->x.group;
}

static graft_norm_factors *factors_of(const norm *self, int64_t group)
{
    return (graft_norm_factors *)self->host.scratch + group;
}

static sums *sums_of(const norm *self, int64_t sample, int64_t group)
{
    return (sums *)factors_of(self, self->x.groups) + group * self->x.samples + sample;
}

/* From pixel p on, `most` pixels at most. */
static graft_norm_stretch stretch_of(const norm *self, int64_t group, int64_t p, int64_t most)
{
    int64_t left = self->x.pixels - p;
    return (graft_norm_stretch){left < most ? left : most, self->x.pixel,
                                (int)(graft_lanes_stored(&self->x, group) / self->code->lanes)};
}

/* With `beta` NULL without a shift. */
static void set_factors(const norm *self, int64_t group, const float *gamma, const float *beta,
                        const float *mean, const float *variance)
{
    int64_t from = group * self->x.lanes;
    graft_norm_factors *f = factors_of(self, group);
    memset(f, 0, sizeof *f);
    f->low = self->low;
    f->high = self->high;
    for (int64_t lane = 0; lane < graft_lanes_in(&self->x, group); lane++) {
        f->mean[lane] = mean[from + lane];
        f->scale[lane] = gamma[from + lane] / sqrtf(variance[from + lane] + self->epsilon);
        f->shift[lane] = beta ? beta[from + lane] : 0.0F;
    }
}

/* ---- Forward ---- */

/* Merges what is known of `more` elements a channel into what is known of `count`. */
static void merge(sums *to, double count, const sums *from, double more, int64_t channels)
{
    double share = more / (count + more);
    for (int64_t lane = 0; lane < channels; lane++) {
        double far = from->first[lane] - to->first[lane];
        to->first[lane] += far * share;
        to->second[lane] += from->second[lane] + far * far * count * share;
    }
}

/* From the sums around `middle`. */
static void set_stretch(sums *to, const float *middle, const float *first, const float *second,
                        int64_t pixels, int64_t channels)
{
    double share = 1.0 / (double)pixels;
    for (int64_t lane = 0; lane < channels; lane++) {
        double mean = (double)first[lane] * share;
        to->first[lane] = (double)middle[lane] + mean;
        to->second[lane] = (double)second[lane] - mean * (double)first[lane];
    }
}

static void measure(const norm *self, int64_t sample, int64_t group)
{
    const float *x = buffer(self, X) + offset_of(self, sample, group);
    float middle[WIDEST] = {0}, first[WIDEST], second[WIDEST];
    int64_t channels = graft_lanes_in(&self->x, group);
    sums *to = sums_of(self, sample, group), part;
    graft_norm_stretch stretch = stretch_of(self, group, 0, HEAD);
    self->code->measure(first, second, x, middle, stretch);
    set_stretch(to, middle, first, second, stretch.pixels, channels);
    for (int64_t p = 0; p < self->x.pixels; p += STRETCH) {
        stretch = stretch_of(self, group, p, STRETCH);
        for (int64_t lane = 0; lane < channels; lane++)
            middle[lane] = (float)to->first[lane];
        self->code->measure(first, second, x + p * self->x.pixel, middle, stretch);
        set_stretch(p == 0 ? to : &part, middle, first, second, stretch.pixels, channels);
        if (p > 0)
            merge(to, (double)p, &part, (double)stretch.pixels, channels);
    }
}

static void merge_samples(const norm *self, int64_t group)
{
    double pixels = (double)self->x.pixels;
    int64_t channels = graft_lanes_in(&self->x, group), from = group * self->x.lanes;
    sums all = *sums_of(self, 0, group);
    for (int64_t n = 1; n < self->x.samples; n++)
        merge(&all, (double)n * pixels, sums_of(self, n, group), pixels, channels);
    for (int64_t lane = 0; lane < channels; lane++) {
        buffer(self, MEAN)[from + lane] = (float)all.first[lane];
        buffer(self, VARIANCE)[from + lane] = (float)(all.second[lane] / (pixels * (double)self->x.samples));
    }
}

static void finish_forward(const norm *self, int64_t group)
{
    if (self->sum)
        merge_samples(self, group);
    set_factors(self, group, buffer(self, GAMMA), buffer(self, BETA), buffer(self, MEAN),
                buffer(self, VARIANCE));
}

static void write_forward(const norm *self, int64_t sample, int64_t group)
{
    int64_t offset = offset_of(self, sample, group);
    self->code->normalize(buffer(self, Y) + offset, buffer(self, X) + offset,
                          self->adds ? buffer(self, RESIDUAL) + offset : NULL, *factors_of(self, group),
                          stretch_of(self, group, 0, INT64_MAX));
}

/* ---- Backward ---- */

static graft_norm_walk walk_of(const norm *self, int64_t sample, int64_t group, int64_t p)
{
    int64_t offset = offset_of(self, sample, group) + p * self->x.pixel;
    bool keeps = self->view == GRAFT_NORM_FROM_Y;
    return (graft_norm_walk){.x = buffer(self, X) + offset,
                             .gradient = buffer(self, GRADIENT) + offset,
                             .y = keeps ? buffer(self, B_Y) + offset : NULL,
                             .kept = keeps ? buffer(self, KEPT) + offset : NULL,
                             .out = buffer(self, DX) + offset};
}

static void begin_backward(const norm *self, int64_t group)
{
    set_factors(self, group, buffer(self, B_GAMMA),
                self->view == GRAFT_NORM_FROM_X ? buffer(self, B_BETA) : NULL, buffer(self, B_MEAN),
                buffer(self, B_VARIANCE));
}

static void sum_backward(const norm *self, int64_t sample, int64_t group)
{
    float first[WIDEST], second[WIDEST];
    sums *to = sums_of(self, sample, group);
    memset(to, 0, sizeof *to);
    for (int64_t p = 0; p < self->x.pixels; p += STRETCH) {
        self->code->sum(first, second, walk_of(self, sample, group, p), *factors_of(self, group),
                        stretch_of(self, group, p, STRETCH), self->view);
        for (int64_t lane = 0; lane < graft_lanes_in(&self->x, group); lane++) {
            to->first[lane] += (double)first[lane];
            to->second[lane] += (double)second[lane];
        }
    }
}

static void finish_backward(const norm *self, int64_t group)
{
    graft_norm_factors *f = factors_of(self, group);
    double count = (double)(self->x.pixels * self->x.samples);
    int64_t from = group * self->x.lanes;
    for (int64_t lane = 0; lane < graft_lanes_in(&self->x, group); lane++) {
        double sum = 0.0, slope = 0.0;
        double square = (double)buffer(self, B_VARIANCE)[from + lane] + (double)self->epsilon;
        for (int64_t n = 0; n < self->x.samples; n++) {
            sum += sums_of(self, n, group)->first[lane];
            slope += sums_of(self, n, group)->second[lane];
        }
        buffer(self, DGAMMA)[from + lane] = (float)(slope / sqrt(square));
        buffer(self, DBETA)[from + lane] = (float)sum;
        f->level[lane] = (float)(sum / count);
        f->slope[lane] = (float)(slope / square / count);
    }
}

/* What the first walk kept is g. */
static void write_backward(const norm *self, int64_t sample, int64_t group)
{
    graft_norm_walk walk = walk_of(self, sample, group, 0);
    bool kept = self->view == GRAFT_NORM_FROM_Y;
    if (kept)
        walk.gradient = walk.kept;
    self->code->differentiate(walk, *factors_of(self, group), stretch_of(self, group, 0, INT64_MAX),
                              kept ? GRAFT_NORM_EVERYTHING : self->view);
}

/* ---- Running ---- */

/* Backwards through the samples: what was read last is still in the cache. */
static void run_group(const norm *self, int64_t group)
{
    if (self->begin)
        self->begin(self, group);
    for (int64_t n = 0; n < self->x.samples && self->sum; n++)
        self->sum(self, n, group);
    self->finish(self, group);
    for (int64_t n = self->x.samples; n-- > 0;)
        self->write(self, n, group);
}

static graft_status run_groups(const norm *self)
{
#pragma omp parallel for schedule(static)
    for (int64_t group = 0; group < self->x.groups; group++)
        run_group(self, group);
    return GRAFT_OK;
}

static graft_status run(graft_kernel *kernel)
{
    const norm *self = (const norm *)kernel;
    int64_t groups = self->x.groups, samples = self->x.samples;
    if (self->whole)
        return run_groups(self);
#pragma omp parallel
    {
#pragma omp for schedule(static)
        for (int64_t group = 0; group < groups; group++)
            if (self->begin)
                self->begin(self, group);
#pragma omp for collapse(2) schedule(static)
        for (int64_t group = 0; group < groups; group++)
            for (int64_t n = 0; n < samples; n++)
                if (self->sum)
                    self->sum(self, n, group);
#pragma omp for schedule(static)
        for (int64_t group = 0; group < groups; group++)
            self->finish(self, group);
#pragma omp for collapse(2) schedule(static)
        for (int64_t group = 0; group < groups; group++)
            for (int64_t n = 0; n < samples; n++)
                self->write(self, n, group);
    }
    return GRAFT_OK;
}

/* ---- Making ---- */

/* The widest vectors that the groups are made of. */
static const graft_norm_code *code_of(const graft_lanes *x)
{
    const graft_norm_code *codes[] = {graft_norm_avx512(), graft_norm_avx2()};
    for (int i = 0; i < 2; i++)
        if (codes[i] && codes[i]->lanes <= graft_device_lanes() && x->lanes % codes[i]->lanes == 0 &&
            x->stored % codes[i]->lanes == 0)
            return codes[i];
    return NULL;
}

bool graft_batch_norm_suits(const graft_layout *x)
{
    if (graft_layout_type(x) != GRAFT_F32 || !graft_layout_has_lanes(x))
        return false;
    graft_lanes lanes = graft_lanes_of(x, WIDEST);
    return code_of(&lanes) != NULL;
}

/* Groups go to threads whole where that leaves no thread without work for long. */
static bool deals_evenly(int64_t groups, int64_t threads)
{
    enum { ROUNDS = 8 };
    return groups % threads == 0 || groups >= ROUNDS * threads;
}

static graft_status create(norm **out, graft_device *device, const graft_layout *x,
                           const graft_batch_norm_form *form, const char *implementation)
{
    norm *self;
    graft_status status = graft_host_create(&self, sizeof *self, implementation, run);
    if (status != GRAFT_OK)
        return status;
    self->x = graft_lanes_of(x, WIDEST);
    self->code = code_of(&self->x);
    self->epsilon = form->epsilon;
    self->low = form->clip ? form->clip->low : -INFINITY;
    self->high = form->clip ? form->clip->high : INFINITY;
    self->whole = deals_evenly(self->x.groups, graft_device_threads(device));
    self->host.kernel.scratch =
        (size_t)self->x.groups * (sizeof(graft_norm_factors) + (size_t)self->x.samples * sizeof(sums));
    *out = self;
    return GRAFT_OK;
}

graft_status graft_batch_norm_group(graft_kernel **out, graft_device *device, const graft_layout *x,
                                    const graft_batch_norm_form *form, bool again)
{
    graft_status status;
    norm *self;
    const graft_layout *row;
    GRAFT_TRY(graft_layout_plain(device, &GRAFT_SHAPE(graft_layout_shape(x)->dims[1]), &row));
    GRAFT_TRY(create(&self, device, x, form, again ? "host:batch_norm_again" : "host:batch_norm"));
    self->sum = again ? NULL : measure;
    self->finish = finish_forward;
    self->write = write_forward;
    self->adds = form->residual;
    for (int slot = X; slot <= Y; slot++)
        graft_host_slot(&self->host, slot, slot < MEAN || (slot < Y && again) ? GRAFT_READS : GRAFT_WRITES,
                        slot == X || slot == Y ? x : row);
    if (form->residual) {
        graft_host_slot(&self->host, RESIDUAL, GRAFT_READS, x);
        self->host.kernel.in_place = Y;
        self->host.kernel.in_place_of = RESIDUAL;
    }
    *out = &self->host.kernel;
out:
    return status;
}

static void set_backward_slots(norm *self, const graft_layout *x, const graft_layout *row)
{
    for (int slot = X; slot <= DBETA; slot++)
        graft_host_slot(&self->host, slot, slot < DX ? GRAFT_READS : GRAFT_WRITES,
                        slot == X || slot == GRADIENT || slot == DX ? x : row);
    self->host.kernel.in_place = DX;
    self->host.kernel.in_place_of = GRADIENT;
    if (self->view == GRAFT_NORM_FROM_X)
        graft_host_slot(&self->host, B_BETA, GRAFT_READS, row);
    if (self->view == GRAFT_NORM_FROM_Y) {
        graft_host_slot(&self->host, B_Y, GRAFT_READS, x);
        graft_host_slot(&self->host, KEPT, GRAFT_WRITES, x);
        self->host.kernel.in_place = KEPT;
    }
}

graft_status graft_batch_norm_group_backward(graft_kernel **out, graft_device *device, const graft_layout *x,
                                             const graft_batch_norm_form *form)
{
    graft_status status;
    norm *self;
    const graft_layout *row;
    GRAFT_TRY(graft_layout_plain(device, &GRAFT_SHAPE(graft_layout_shape(x)->dims[1]), &row));
    GRAFT_TRY(create(&self, device, x, form, "host:batch_norm_backward"));
    self->begin = begin_backward;
    self->sum = sum_backward;
    self->finish = finish_backward;
    self->write = write_backward;
    self->view = !form->clip ? GRAFT_NORM_EVERYTHING : form->residual ? GRAFT_NORM_FROM_Y : GRAFT_NORM_FROM_X;
    set_backward_slots(self, x, row);
    *out = &self->host.kernel;
out:
    return status;
}
