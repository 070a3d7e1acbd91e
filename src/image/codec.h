/* What the codecs share: the bytes they are given, the canvas they fill, and one reader and one sniffer each.
 * A codec decodes to 8-bit RGB, or RGBA where the file has alpha; what the sight makes of alpha and
 * orientation is done once, by graft_canvas_finish. */
#ifndef GRAFT_IMAGE_CODEC_H
#define GRAFT_IMAGE_CODEC_H

#include <stdbool.h>

#include "image/image.h"

/* A file in memory. */
typedef struct graft_encoded {
    const uint8_t *bytes;
    size_t size;
    graft_sight sight;
    int64_t max_pixels;     /* a larger picture is refused before anything is allocated for it */
    const graft_wish *wish; /* what a codec may leave out; NULL: nothing */
} graft_encoded;

/* A decoded picture, or a part of it, before the sight is applied. */
typedef struct graft_canvas {
    int width;
    int height;
    int x, y; /* where it lies in the picture */
    int picture_width, picture_height;
    int channels;    /* 3: RGB, 4: RGBA with the colour not multiplied by alpha */
    int orientation; /* EXIF's 1 to 8; 1 where it is to be ignored */
    uint8_t *pixels; /* (height, width, channels), owned: free() */
} graft_canvas;

/* Checks the size against the limit and makes an upright canvas, its pixels uninitialised. */
graft_status graft_canvas_create(graft_canvas *canvas, const graft_encoded *encoded, int64_t width,
                                 int64_t height, int channels);
/* The same of a part of a picture, whose size was checked. */
graft_status graft_canvas_check(const graft_encoded *encoded, int64_t width, int64_t height);
graft_status graft_canvas_create_part(graft_canvas *canvas, int width, int height, const graft_box *part,
                                      int channels);
void graft_canvas_dispose(graft_canvas *canvas);

/* Lays alpha on white (as-seen) or drops it (as-pillow), turns the picture upright, and moves the pixels to
 * *part. The canvas is empty afterwards, also on failure. */
graft_status graft_canvas_finish(graft_part *part, graft_canvas *canvas, graft_sight sight);

/* graft_part_decode with a limit of its own. */
graft_status graft_part_decode_limited(graft_part *part, const graft_encoded *encoded);

/* The wished box of a stored picture of this size and orientation, in its own columns and rows. */
graft_box graft_wish_stored(const graft_wish *wish, int width, int height, int orientation);

/* The orientation (1 to 8) in an EXIF block that begins with its TIFF header; 1 where there is none. */
int graft_exif_orientation(const uint8_t *exif, size_t size);

/* CMYK as Pillow turns it into RGB: (255 - K) - C * (255 - K) / 255, rounded. In place; the fourth byte
 * becomes an opaque alpha. */
void graft_cmyk_to_rgb(uint8_t *pixels, size_t count);

/* One reader a codec: fills *canvas, untouched on failure. */
graft_status graft_jpeg_decode(graft_canvas *canvas, const graft_encoded *encoded);
graft_status graft_png_decode(graft_canvas *canvas, const graft_encoded *encoded);
graft_status graft_webp_decode(graft_canvas *canvas, const graft_encoded *encoded);
graft_status graft_tiff_decode(graft_canvas *canvas, const graft_encoded *encoded);
graft_status graft_bmp_decode(graft_canvas *canvas, const graft_encoded *encoded);
graft_status graft_pnm_decode(graft_canvas *canvas, const graft_encoded *encoded);

/* Whether the first bytes are this codec's. */
bool graft_jpeg_sniff(const uint8_t *bytes, size_t size);
bool graft_png_sniff(const uint8_t *bytes, size_t size);
bool graft_webp_sniff(const uint8_t *bytes, size_t size);
bool graft_tiff_sniff(const uint8_t *bytes, size_t size);
bool graft_bmp_sniff(const uint8_t *bytes, size_t size);
bool graft_pnm_sniff(const uint8_t *bytes, size_t size);

#endif
