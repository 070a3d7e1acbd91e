/* Antialiased bilinear and bicubic resampling of 8-bit RGB, equal to Pillow's to the bit (Pillow 9.4,
 * src/libImaging/Resample.c).
 *
 * Rows are resampled first, rounded to bytes, then columns (axis.h has the weights, resampler.h the sums). An
 * axis that does not change is skipped. Because every output pixel has its own weights, a part of the output
 * can be computed alone: only the input rows and columns that it needs are read. */
#include "image/resize.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/status.h"

enum { CHANNELS = 3, LINE = 64 };

static graft_stretch across_of(const graft_resampling *how, int width)
{
    const graft_box *box = &how->box;
    return (graft_stretch){width,      (float)box->x, (float)(box->x + box->width),
                           how->width, how->kept_x,   how->kept_width,
                           how->filter};
}

static graft_stretch down_of(const graft_resampling *how, int height)
{
    const graft_box *box = &how->box;
    return (graft_stretch){height,      (float)box->y, (float)(box->y + box->height),
                           how->height, how->kept_y,   how->kept_height,
                           how->filter};
}

static bool is_same_axis(const graft_stretch *s)
{
    return s->from == 0 && s->to == (float)s->inputs && s->outputs == s->inputs;
}

static void needs(const graft_stretch *s, int *first, int *last)
{
    *first = (int)s->kept;
    *last = (int)s->kept + s->count;
    if (!is_same_axis(s))
        graft_stretch_needs(s, first, last);
}

graft_box graft_resampling_needs(const graft_resampling *how, int width, int height)
{
    graft_stretch across = across_of(how, width), down = down_of(how, height);
    int left, right, top, bottom;
    needs(&across, &left, &right);
    needs(&down, &top, &bottom);
    return (graft_box){left, top, right - left, bottom - top};
}

/* Rows that were resampled already, or a view of them where the width stays. */
struct middle {
    graft_rows rows;
    int first; /* which row of the picture the first one is */
    uint8_t *owned;
};

static graft_status resample_rows(struct middle *middle, const graft_window *window,
                                  const graft_resampling *how, int first, int rows,
                                  const graft_resampler *resampler)
{
    const graft_box *part = &window->part;
    graft_rows in = {window->pixels + (size_t)(first - part->y) * window->stride, window->stride,
                     (size_t)part->width * CHANNELS, rows};
    graft_stretch stretch = across_of(how, window->width);
    size_t size = (size_t)how->kept_width * CHANNELS;
    if (is_same_axis(&stretch)) {
        in.pixels += (how->kept_x - part->x) * CHANNELS;
        in.size = size;
        *middle = (struct middle){in, first, NULL};
        return GRAFT_OK;
    }
    size_t stride = (size + GRAFT_RESAMPLER_SLACK + LINE - 1) / LINE * LINE;
    graft_axis axis = {0};
    uint8_t *pixels = NULL;
    graft_status status;
    GRAFT_TRY(graft_axis_init(&axis, &stretch, &resampler->packing));
    GRAFT_TRY(graft_allocate_aligned(&pixels, stride * (size_t)rows));
    for (int x = 0; x < axis.outputs; x++)
        axis.firsts[x] -= part->x;
    resampler->across(pixels, stride, &in, &axis);
    *middle = (struct middle){{pixels, stride, size, rows}, first, pixels};
out:
    graft_axis_dispose(&axis);
    return status;
}

static void copy_rows(uint8_t *out, size_t stride, const graft_rows *rows)
{
    for (int y = 0; y < rows->count; y++)
        memcpy(out + (size_t)y * stride, rows->pixels + (size_t)y * rows->stride, rows->size);
}

static void resample_columns(uint8_t *out, size_t stride, const struct middle *middle, const graft_axis *axis,
                             const graft_resampler *resampler)
{
    for (int y = 0; y < axis->outputs; y++) {
        graft_rows rows = middle->rows;
        rows.pixels += (size_t)(axis->firsts[y] - middle->first) * rows.stride;
        resampler->down(out + (size_t)y * stride, &rows, axis, y);
    }
}

graft_status graft_window_resample(uint8_t *out, size_t stride, const graft_window *window,
                                   const graft_resampling *how, const graft_resampler *resampler)
{
    graft_axis axis = {0};
    struct middle middle = {0};
    graft_stretch stretch = down_of(how, window->height);
    graft_status status;
    int first, last;
    needs(&stretch, &first, &last);
    GRAFT_TRY(resample_rows(&middle, window, how, first, last - first, resampler));
    if (is_same_axis(&stretch)) {
        copy_rows(out, stride, &middle.rows);
    } else {
        GRAFT_TRY(graft_axis_init(&axis, &stretch, &resampler->packing));
        resample_columns(out, stride, &middle, &axis, resampler);
    }
out:
    free(middle.owned);
    graft_axis_dispose(&axis);
    return status;
}

graft_status graft_image_resize(graft_image *out, const graft_image *image, const graft_box *box, int width,
                                int height, graft_filter filter)
{
    if (box->x < 0 || box->y < 0 || box->width <= 0 || box->height <= 0 ||
        box->width > image->width - box->x || box->height > image->height - box->y)
        return graft_fail(GRAFT_EARGUMENT, "the box %d x %d at (%d, %d) does not lie in %d x %d pixels",
                          box->width, box->height, box->x, box->y, image->width, image->height);
    graft_image made;
    graft_status status = graft_image_create(&made, width, height);
    if (status != GRAFT_OK)
        return status;
    graft_window window = {image->pixels,
                           (size_t)image->width * CHANNELS,
                           image->width,
                           image->height,
                           {0, 0, image->width, image->height}};
    graft_resampling how = {*box, width, height, 0, 0, width, height, filter};
    status =
        graft_window_resample(made.pixels, (size_t)width * CHANNELS, &window, &how, graft_resampler_here());
    if (status == GRAFT_OK)
        *out = made;
    else
        graft_image_dispose(&made);
    return status;
}
