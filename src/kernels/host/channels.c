/* Copies of channels between tensors of one form: concatenation, slices, shuffles. The output is walked
 * through group by group; what lies side by side on both sides is one copy, found when the kernel is made.
 * Each thread owns a stretch of the output. */
#include "kernels/host/host.h"

#include <string.h>

#include "kernels/lanes.h"

/* Floats of one piece of work, which stay in the first cache, and the pixels that it has at least. */
enum { STRETCH = 2048, PIXELS = 16 };

typedef struct segment {
    int slot;         /* of the input; -1: nothing is copied here */
    int64_t to, from; /* of the first: its channel in the output, its place in a sample of the input */
    int64_t length;
} segment;

typedef struct copy {
    graft_host_kernel host;
    graft_lanes x[GRAFT_COPY_SOURCES], y;
    bool clears;        /* there is something of the output that no input fills */
    bool scattered;     /* one input, and no two channels side by side on both sides */
    int64_t stretch;    /* pixels of one piece of work */
    int64_t *first;     /* of each group of the output: its first segment; and one more */
    segment segments[]; /* sorted by `to` */
} copy;

static void copy_segment(const copy *self, const segment *s, int64_t sample, int64_t pixel, int64_t pixels,
                         float *y)
{
    const graft_lanes *from = &self->x[s->slot], *to = &self->y;
    const float *x = self->host.buffers[s->slot];
    x += sample * from->sample + s->from + pixel * from->pixel;
    y += s->to % to->lanes;
    if (s->length == from->pixel && s->length == to->pixel)
        memcpy(y, x, sizeof(float) * (size_t)(s->length * pixels));
    else if (s->length == 1)
        for (int64_t p = 0; p < pixels; p++)
            y[p * to->pixel] = x[p * from->pixel];
    else
        for (int64_t p = 0; p < pixels; p++)
            memcpy(y + p * to->pixel, x + p * from->pixel, sizeof(float) * (size_t)s->length);
}

/* Pixel by pixel, so that what is written lies side by side. */
static void copy_scattered(const copy *self, int64_t group, int64_t sample, int64_t pixel, int64_t pixels,
                           float *y)
{
    const graft_lanes *from = &self->x[0], *to = &self->y;
    const segment *first = &self->segments[self->first[group]];
    int64_t count = self->first[group + 1] - self->first[group];
    const float *x = (const float *)self->host.buffers[0] + sample * from->sample + pixel * from->pixel;
    for (int64_t p = 0; p < pixels; p++, x += from->pixel, y += to->pixel)
        for (int64_t i = 0; i < count; i++)
            y[i] = x[first[i].from];
}

/* Pixels from `pixel` of one group: they lie behind one another. */
static void copy_stretch(const copy *self, int64_t sample, int64_t group, int64_t pixel)
{
    const graft_lanes *to = &self->y;
    int64_t left = to->pixels - pixel, pixels = left < self->stretch ? left : self->stretch;
    float *y = (float *)self->host.buffers[GRAFT_COPY_SOURCES] + sample * to->sample + group * to->group +
               pixel * to->pixel;
    if (self->clears)
        memset(y, 0, sizeof(float) * (size_t)(pixels * to->pixel));
    if (self->scattered) {
        copy_scattered(self, group, sample, pixel, pixels, y);
        return;
    }
    for (int64_t i = self->first[group]; i < self->first[group + 1]; i++)
        if (self->segments[i].slot >= 0)
            copy_segment(self, &self->segments[i], sample, pixel, pixels, y);
}

static graft_status run(graft_kernel *kernel)
{
    const copy *self = (const copy *)kernel;
#pragma omp parallel for collapse(3) schedule(static)
    for (int64_t sample = 0; sample < self->y.samples; sample++)
        for (int64_t group = 0; group < self->y.groups; group++)
            for (int64_t pixel = 0; pixel < self->y.pixels; pixel += self->stretch)
                copy_stretch(self, sample, group, pixel);
    return GRAFT_OK;
}

/* A segment for every channel of the output. */
static void fill_in(copy *self, const graft_channel_run *runs, int count)
{
    for (int64_t c = 0; c < self->y.channels; c++)
        self->segments[c] = (segment){-1, c, 0, 1};
    for (int r = 0; r < count; r++)
        for (int64_t i = 0; i < runs[r].count; i++) {
            const graft_lanes *x = &self->x[runs[r].source];
            int64_t from = runs[r].from + i * runs[r].from_step;
            segment *s = &self->segments[runs[r].to + i * runs[r].to_step];
            s->slot = runs[r].source;
            s->from = from / x->lanes * x->group + from % x->lanes;
        }
}

/* Joins neighbours on both sides within a group. */
static void join(copy *self)
{
    int64_t count = 0, group = 0;
    for (int64_t c = 0; c < self->y.channels; c++) {
        const segment *s = &self->segments[c];
        segment *last = count > 0 ? &self->segments[count - 1] : NULL;
        bool begins = c == group * self->y.lanes;
        if (begins)
            self->first[group++] = count;
        if (!begins && s->slot == last->slot && s->from == last->from + last->length)
            last->length++;
        else
            self->segments[count++] = *s;
    }
    self->first[group] = count;
}

static void choose_way(copy *self, bool fresh)
{
    const graft_lanes *y = &self->y;
    int64_t count = self->first[y->groups];
    self->clears = fresh && y->stored > graft_lanes_in(y, y->groups - 1);
    self->scattered = count == y->channels && y->lanes > 1;
    for (int64_t i = 0; i < count; i++) {
        self->clears = self->clears || (fresh && self->segments[i].slot < 0);
        self->scattered = self->scattered && self->segments[i].slot == 0;
    }
}

static graft_status set_up_slots(copy *self, graft_device *device, const graft_layout *const *sources,
                                 int count, const graft_layout *y, bool fresh)
{
    graft_status status = GRAFT_OK;
    for (int i = 0; i < count; i++) {
        const graft_layout *x;
        GRAFT_TRY(graft_layout_like(device, y, graft_layout_shape(sources[i]), &x));
        self->x[i] = graft_lanes_of(x, INT64_MAX);
        graft_host_slot(&self->host, i, GRAFT_READS, x);
    }
    graft_host_slot(&self->host, GRAFT_COPY_SOURCES, fresh ? GRAFT_WRITES : GRAFT_UPDATES, y);
out:
    return status;
}

graft_status graft_copy_channels(graft_kernel **out, graft_device *device, const graft_layout *const *sources,
                                 int source_count, const graft_layout *y, const graft_channel_run *runs,
                                 int run_count, bool fresh)
{
    graft_status status;
    copy *self = NULL;
    GRAFT_TRY(graft_layout_like(device, y, graft_layout_shape(y), &y));
    graft_lanes lanes = graft_lanes_of(y, INT64_MAX);
    size_t segments = sizeof(segment) * (size_t)lanes.channels;
    size_t firsts = sizeof(int64_t) * (size_t)(lanes.groups + 1);
    GRAFT_TRY(graft_host_create(&self, sizeof *self + segments + firsts, "host:copy_channels", run));
    self->first = (int64_t *)(void *)((char *)self->segments + segments);
    self->y = lanes;
    self->stretch = lanes.pixel < STRETCH / PIXELS ? STRETCH / lanes.pixel : PIXELS;
    status = set_up_slots(self, device, sources, source_count, y, fresh);
    if (status != GRAFT_OK) {
        graft_kernel_free(&self->host.kernel);
        goto out;
    }
    fill_in(self, runs, run_count);
    join(self);
    choose_way(self, fresh);
    *out = &self->host.kernel;
out:
    return status;
}
