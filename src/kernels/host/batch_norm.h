/* The inner loops of batch norm (batch_norm.c) for one set of vector instructions (batch_norm_lanes.h). A
 * group of channels lies side by side in `vectors` vectors of `lanes` numbers; `pixel` numbers further is the
 * next pixel's. */
#ifndef GRAFT_KERNELS_HOST_BATCH_NORM_H
#define GRAFT_KERNELS_HOST_BATCH_NORM_H

#include <stdbool.h>
#include <stdint.h>

enum { GRAFT_NORM_WIDEST = 32 }; /* channels of a group */

/* Of one group's channels, 0 where a block has none: y = clip((x - mean) scale + shift + residual), and
 * dX = scale (g - level - (x - mean) slope). */
typedef struct graft_norm_factors {
    float mean[GRAFT_NORM_WIDEST], scale[GRAFT_NORM_WIDEST], shift[GRAFT_NORM_WIDEST];
    float level[GRAFT_NORM_WIDEST], slope[GRAFT_NORM_WIDEST];
    float low, high;
} graft_norm_factors;

/* A stretch of pixels of a group of channels. */
typedef struct graft_norm_stretch {
    int64_t pixels, pixel;
    int vectors;
} graft_norm_stretch;

/* Where backward sees what the clip let through. */
typedef enum graft_norm_view { GRAFT_NORM_EVERYTHING, GRAFT_NORM_FROM_X, GRAFT_NORM_FROM_Y } graft_norm_view;

/* What backward reads and writes of a stretch. */
typedef struct graft_norm_walk {
    const float *x, *gradient, *y;
    float *kept, *out;
} graft_norm_walk;

/* first and second: (channels of a group). */
typedef struct graft_norm_code {
    int64_t lanes;
    /* first = sum of x - middle, second = sum of (x - middle)^2. */
    void (*measure)(float *first, float *second, const float *x, const float *middle,
                    graft_norm_stretch stretch);
    /* `residual` may be NULL. The factors come as copies, which what is written cannot be: they stay in
     * registers. */
    void (*normalize)(float *y, const float *x, const float *residual, graft_norm_factors factors,
                      graft_norm_stretch stretch);
    /* first = sum of g, second = sum of g (x - mean); g that was seen in y goes to `kept`. */
    void (*sum)(float *first, float *second, graft_norm_walk walk, graft_norm_factors factors,
                graft_norm_stretch stretch, graft_norm_view view);
    /* dX, of g as `view` sees it: not in y. */
    void (*differentiate)(graft_norm_walk walk, graft_norm_factors factors, graft_norm_stretch stretch,
                          graft_norm_view view);
} graft_norm_code;

/* NULL where they were not compiled. */
const graft_norm_code *graft_norm_avx2(void);
const graft_norm_code *graft_norm_avx512(void);

#endif
