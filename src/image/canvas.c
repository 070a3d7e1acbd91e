/* From a codec's canvas to an image: alpha, orientation, CMYK.
 *
 * Alpha is laid on white as Pillow's paste with a mask does it: (c a + 255 (255 - a)) / 255, rounded. The
 * orientations are EXIF's (tag 274): 2 mirrored, 3 turned by 180 degrees, 4 upside down, 5 transposed, 6 to
 * be turned clockwise, 7 transversed, 8 to be turned counter-clockwise. */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/status.h"
#include "image/codec.h"

graft_status graft_canvas_check(const graft_encoded *encoded, int64_t width, int64_t height)
{
    if (width <= 0 || height <= 0)
        return graft_fail(GRAFT_EFORMAT, "has no pixels (%lld x %lld)", (long long)width, (long long)height);
    if (width > INT32_MAX || height > INT32_MAX || width * height > encoded->max_pixels)
        return graft_fail(GRAFT_EFORMAT, "is too large: %lld x %lld pixels, where %lld million are the limit",
                          (long long)width, (long long)height, (long long)encoded->max_pixels / 1000000);
    return GRAFT_OK;
}

graft_status graft_canvas_create_part(graft_canvas *canvas, int width, int height, const graft_box *part,
                                      int channels)
{
    uint8_t *pixels;
    graft_status status =
        graft_allocate_aligned(&pixels, (size_t)part->width * (size_t)part->height * (size_t)channels);
    if (status != GRAFT_OK)
        return status;
    *canvas = (graft_canvas){part->width, part->height, part->x, part->y, width, height, channels, 1, pixels};
    return GRAFT_OK;
}

graft_status graft_canvas_create(graft_canvas *canvas, const graft_encoded *encoded, int64_t width,
                                 int64_t height, int channels)
{
    graft_status status = graft_canvas_check(encoded, width, height);
    graft_box all = {0, 0, (int)width, (int)height};
    return status == GRAFT_OK ? graft_canvas_create_part(canvas, all.width, all.height, &all, channels)
                              : status;
}

void graft_canvas_dispose(graft_canvas *canvas)
{
    free(canvas->pixels);
    memset(canvas, 0, sizeof *canvas);
}

/* a * b / 255, rounded; exact for bytes. */
static uint8_t multiply(unsigned a, unsigned b)
{
    unsigned product = a * b + 128;
    return (uint8_t)((product + (product >> 8)) >> 8);
}

void graft_cmyk_to_rgb(uint8_t *pixels, size_t count)
{
    for (size_t i = 0; i < count; i++, pixels += 4) {
        unsigned light = 255U - pixels[3];
        for (int c = 0; c < 3; c++)
            pixels[c] = (uint8_t)(light - multiply(pixels[c], light));
        pixels[3] = 255;
    }
}

static uint8_t on_white(unsigned colour, unsigned alpha)
{
    unsigned sum = colour * alpha + 255 * (255 - alpha) + 128;
    return (uint8_t)((sum + (sum >> 8)) >> 8);
}

/* RGBA to RGB, in place: a pixel is never written before it is read. */
static void flatten(graft_canvas *canvas, graft_sight sight)
{
    size_t count = (size_t)canvas->width * (size_t)canvas->height;
    const uint8_t *in = canvas->pixels;
    uint8_t *out = canvas->pixels;
    for (size_t i = 0; i < count; i++, in += 4, out += 3) {
        unsigned alpha = sight == GRAFT_AS_SEEN ? in[3] : 255;
        for (int c = 0; c < 3; c++)
            out[c] = on_white(in[c], alpha);
    }
    canvas->channels = 3;
}

/* Where the pixel (0, 0) of the upright picture lies in the stored one, and the steps in bytes from there to
 * the next column and the next row. */
struct walk {
    ptrdiff_t start, column, row;
    bool transposed;
};

static struct walk walk_of(const graft_canvas *canvas)
{
    ptrdiff_t right = 3, down = 3 * (ptrdiff_t)canvas->width;
    ptrdiff_t last_column = right * (canvas->width - 1), last_row = down * (canvas->height - 1);
    switch (canvas->orientation) {
    case 2:
        return (struct walk){last_column, -right, down, false};
    case 3:
        return (struct walk){last_column + last_row, -right, -down, false};
    case 4:
        return (struct walk){last_row, right, -down, false};
    case 5:
        return (struct walk){0, down, right, true};
    case 6:
        return (struct walk){last_row, -down, right, true};
    case 7:
        return (struct walk){last_column + last_row, -down, -right, true};
    case 8:
        return (struct walk){last_column, down, -right, true};
    default:
        return (struct walk){0, right, down, false};
    }
}

/* Where a box of a width x height picture lies when that is turned upright. */
static graft_box turn_box(const graft_box *box, int width, int height, int orientation)
{
    int right = width - box->x - box->width, below = height - box->y - box->height;
    switch (orientation) {
    case 2:
        return (graft_box){right, box->y, box->width, box->height};
    case 3:
        return (graft_box){right, below, box->width, box->height};
    case 4:
        return (graft_box){box->x, below, box->width, box->height};
    case 5:
        return (graft_box){box->y, box->x, box->height, box->width};
    case 6:
        return (graft_box){below, box->x, box->height, box->width};
    case 7:
        return (graft_box){below, right, box->height, box->width};
    case 8:
        return (graft_box){box->y, right, box->height, box->width};
    default:
        return *box;
    }
}

graft_box graft_wish_stored(const graft_wish *wish, int width, int height, int orientation)
{
    bool transposed = orientation >= 5;
    int back = orientation == 6 ? 8 : orientation == 8 ? 6 : orientation; /* the others undo themselves */
    int seen_width = transposed ? height : width, seen_height = transposed ? width : height;
    graft_box seen = wish->needs(wish->context, seen_width, seen_height);
    return turn_box(&seen, seen_width, seen_height, back);
}

static graft_status turn_upright(graft_canvas *canvas)
{
    struct walk walk = walk_of(canvas);
    graft_canvas turned;
    graft_box stored = {canvas->x, canvas->y, canvas->width, canvas->height};
    graft_box part = turn_box(&stored, canvas->picture_width, canvas->picture_height, canvas->orientation);
    graft_status status =
        graft_canvas_create_part(&turned, walk.transposed ? canvas->picture_height : canvas->picture_width,
                                 walk.transposed ? canvas->picture_width : canvas->picture_height, &part, 3);
    if (status != GRAFT_OK)
        return status;
    uint8_t *out = turned.pixels;
    for (int y = 0; y < turned.height; y++) {
        const uint8_t *in = canvas->pixels + walk.start + y * walk.row;
        for (int x = 0; x < turned.width; x++, out += 3)
            memcpy(out, in + x * walk.column, 3);
    }
    graft_canvas_dispose(canvas);
    *canvas = turned;
    return GRAFT_OK;
}

graft_status graft_canvas_finish(graft_part *part, graft_canvas *canvas, graft_sight sight)
{
    graft_status status = GRAFT_OK;
    if (canvas->channels == 4)
        flatten(canvas, sight);
    if (canvas->orientation > 1)
        GRAFT_TRY(turn_upright(canvas));
    *part = (graft_part){{canvas->width, canvas->height, canvas->pixels},
                         canvas->x,
                         canvas->y,
                         canvas->picture_width,
                         canvas->picture_height};
    canvas->pixels = NULL;
out:
    graft_canvas_dispose(canvas);
    return status;
}
