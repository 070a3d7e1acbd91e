/* Copies of channels between tensors of one form: concatenation, slices, shuffles. The output is walked
 * through group by group; what lies side by side on both sides is one copy, found when the kernel is made.
 * Each thread owns a stretch of the output. Elements are moved, whatever their type. */
#include "kernels/host/host.h"

#include <string.h>

#include "kernels/lanes.h"

/* Elements of one piece of work, which stay in the first cache, and the pixels that it has at least. */
enum { STRETCH = 2048, PIXELS = 16 };

typedef struct segment {
    int slot;         /* of the input; -1: nothing is copied here */
    int64_t to, from; /* of the first: its channel in the output, its place in a sample of the input */
    int64_t length;
} segment;

typedef struct copy {
    graft_host_kernel host;
    graft_lanes x[GRAFT_COPY_SOURCES], y;
    int64_t size;       /* bytes of an element */
    bool clears;        /* there is something of the output that no input fills */
    bool scattered;     /* one input, and no two channels side by side on both sides */
    int64_t stretch;    /* pixels of one piece of work */
    int64_t *first;     /* of each group of the output: its first segment; and one more */
    segment segments[]; /* sorted by `to` */
} copy;

/* So many bytes of each pixel; `to` and `from` are steps in bytes. */
static inline __attribute__((always_inline)) void copy_pixels(char *y, int64_t to, const char *x,
                                                              int64_t from, int64_t pixels, int64_t bytes)
{
    for (int64_t p = 0; p < pixels; p++)
        memcpy(y + p * to, x + p * from, (size_t)bytes);
}

static void copy_segment(const copy *self, const segment *s, int64_t sample, int64_t pixel, int64_t pixels,
                         char *y)
{
    const graft_lanes *from = &self->x[s->slot];
    int64_t size = self->size, bytes = s->length * size;
    int64_t to_step = self->y.pixel * size, from_step = from->pixel * size;
    const char *x = self->host.buffers[s->slot];
    x += (sample * from->sample + s->from + pixel * from->pixel) * size;
    y += s->to % self->y.lanes * size;
    if (bytes == from_step && bytes == to_step)
        memcpy(y, x, (size_t)(bytes * pixels));
    else if (bytes == 4)
        copy_pixels(y, to_step, x, from_step, pixels, 4);
    else if (bytes == 2)
        copy_pixels(y, to_step, x, from_step, pixels, 2);
    else
        copy_pixels(y, to_step, x, from_step, pixels, bytes);
}

/* Pixel by pixel, so that what is written lies side by side. */
static inline __attribute__((always_inline)) void copy_scattered(const copy *self, int64_t group,
                                                                 int64_t sample, int64_t pixel,
                                                                 int64_t pixels, char *y, int64_t size)
{
    const graft_lanes *from = &self->x[0], *to = &self->y;
    const segment *first = &self->segments[self->first[group]];
    int64_t count = self->first[group + 1] - self->first[group];
    const char *x = self->host.buffers[0];
    x += (sample * from->sample + pixel * from->pixel) * size;
    for (int64_t p = 0; p < pixels; p++, x += from->pixel * size, y += to->pixel * size)
        for (int64_t i = 0; i < count; i++)
            memcpy(y + i * size, x + first[i].from * size, (size_t)size);
}

/* Pixels from `pixel` of one group: they lie behind one another. */
static void copy_stretch(const copy *self, int64_t sample, int64_t group, int64_t pixel)
{
    const graft_lanes *to = &self->y;
    int64_t left = to->pixels - pixel, pixels = left < self->stretch ? left : self->stretch;
    char *y = self->host.buffers[GRAFT_COPY_SOURCES];
    y += (sample * to->sample + group * to->group + pixel * to->pixel) * self->size;
    if (self->clears)
        memset(y, 0, (size_t)(pixels * to->pixel * self->size));
    if (self->scattered) {
        if (self->size == 4)
            copy_scattered(self, group, sample, pixel, pixels, y, 4);
        else
            copy_scattered(self, group, sample, pixel, pixels, y, 2);
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
        GRAFT_TRY(
            graft_layout_typed_like(device, y, graft_layout_shape(sources[i]), graft_layout_type(y), &x));
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
    GRAFT_TRY(graft_layout_typed_like(device, y, graft_layout_shape(y), graft_layout_type(y), &y));
    graft_lanes lanes = graft_lanes_of(y, INT64_MAX);
    size_t segments = sizeof(segment) * (size_t)lanes.channels;
    size_t firsts = sizeof(int64_t) * (size_t)(lanes.groups + 1);
    GRAFT_TRY(graft_host_create(&self, sizeof *self + segments + firsts, "host:copy_channels", run));
    self->first = (int64_t *)(void *)((char *)self->segments + segments);
    self->y = lanes;
    self->size = (int64_t)graft_dtype_size(graft_layout_type(y));
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
