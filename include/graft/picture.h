/* Pictures: what they are, how they are seen, and how they become a network's input. */
#ifndef GRAFT_PICTURE_H
#define GRAFT_PICTURE_H

#include <stddef.h>
#include <stdint.h>

#include <graft/status.h>

#ifdef __cplusplus
extern "C" {
#endif

/* as-seen: what a viewer shows; EXIF orientation applied, alpha laid on white, 16-bit grey scaled to 8.
 * as-pillow: what Image.open(f).convert("RGB") gives; orientation ignored, alpha dropped with the hidden
 * colour kept, 16-bit grey saturated at 255. The same bytes for an 8-bit picture with neither. */
typedef enum graft_sight { GRAFT_AS_SEEN = 0, GRAFT_AS_PILLOW } graft_sight;

typedef enum graft_filter { GRAFT_BILINEAR = 0, GRAFT_BICUBIC } graft_filter;

/* scaled: a JPEG whose short side is four times `resize` or more is decoded at a half, a quarter or an eighth
 * of its size, so that twice `resize` is left at least. Faster, and not the same pixels. */
typedef enum graft_decode { GRAFT_DECODE_EXACT = 0, GRAFT_DECODE_SCALED } graft_decode;

/* "as-seen", "bilinear", "exact", ...: the words in files and options; static storage. */
GRAFT_API const char *graft_sight_name(graft_sight sight);
GRAFT_API const char *graft_filter_name(graft_filter filter);
GRAFT_API const char *graft_decode_name(graft_decode decode);

/* From a picture to a network's input, as torchvision does it: the short side is resized to `resize` (with
 * antialias, 8 bits), the centre `crop` x `crop` is cut out, and a value v becomes
 * (v / divisor - mean) / std, in float. */
typedef struct graft_transform {
    int resize;
    int crop;
    graft_filter filter;
    float divisor;
    float mean[3];
    float std[3];
    graft_decode decode;
} graft_transform;

/* A picture that somebody else owns: the bytes of a file (JPEG, PNG, WebP, TIFF, BMP, PPM, PGM), or RGB
 * pixels, 8 bits a channel. */
typedef struct graft_picture {
    const uint8_t *data;
    size_t size; /* encoded: bytes; pixels: not used */
    int width;   /* 0: encoded */
    int height;
    ptrdiff_t stride; /* bytes from one row of pixels to the next; may be negative */
} graft_picture;

static inline graft_picture graft_picture_encoded(const void *bytes, size_t size)
{
    graft_picture picture;
    picture.data = (const uint8_t *)bytes;
    picture.size = size;
    picture.width = 0;
    picture.height = 0;
    picture.stride = 0;
    return picture;
}

static inline graft_picture graft_picture_rgb(const uint8_t *pixels, int width, int height, ptrdiff_t stride)
{
    graft_picture picture;
    picture.data = pixels;
    picture.size = 0;
    picture.width = width;
    picture.height = height;
    picture.stride = stride;
    return picture;
}

#ifdef __cplusplus
}
#endif
#endif
