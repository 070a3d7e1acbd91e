/* The resampler behind graft_image_resize and graft_image_fit. */
#ifndef GRAFT_IMAGE_RESIZE_H
#define GRAFT_IMAGE_RESIZE_H

#include "image/image.h"
#include "image/resampler.h"

/* RGB pixels that somebody else owns: those of `part`, of a picture of width x height. */
typedef struct graft_window {
    const uint8_t *pixels;
    size_t stride; /* bytes from row to row */
    int width, height;
    graft_box part; /* holds what graft_resampling_needs says */
} graft_window;

/* What is resampled to what: `box` of the picture becomes width x height pixels, of which `kept` is computed.
 */
typedef struct graft_resampling {
    graft_box box;
    int64_t width, height;
    int64_t kept_x, kept_y;
    int kept_width, kept_height;
    graft_filter filter;
} graft_resampling;

/* The pixels of a width x height picture that are read. */
graft_box graft_resampling_needs(const graft_resampling *how, int width, int height);

/* Writes kept_width x kept_height pixels to out, rows `stride` bytes apart. */
graft_status graft_window_resample(uint8_t *out, size_t stride, const graft_window *window,
                                   const graft_resampling *how, const graft_resampler *resampler);

#endif
