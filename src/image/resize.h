/* The resampler behind graft_image_resize and graft_image_fit. */
#ifndef GRAFT_IMAGE_RESIZE_H
#define GRAFT_IMAGE_RESIZE_H

#include "image/image.h"

/* RGB pixels that somebody else owns. */
typedef struct graft_window {
    const uint8_t *pixels;
    size_t stride; /* bytes from row to row */
    int width, height;
} graft_window;

/* What is resampled to what: `box` of the window becomes width x height pixels, of which `kept` is computed.
 */
typedef struct graft_resampling {
    graft_box box;
    int64_t width, height;
    int64_t kept_x, kept_y;
    int kept_width, kept_height;
    graft_filter filter;
} graft_resampling;

/* Writes kept_width x kept_height pixels to out, rows `stride` bytes apart. */
graft_status graft_window_resample(uint8_t *out, size_t stride, const graft_window *window,
                                   const graft_resampling *how);

#endif
