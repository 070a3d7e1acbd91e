/* The sums of a resampling: the same numbers in plain C and in vector instructions. */
#ifndef GRAFT_IMAGE_RESAMPLER_H
#define GRAFT_IMAGE_RESAMPLER_H

#include <stdbool.h>

#include "image/axis.h"

/* Rows of RGB pixels. */
typedef struct graft_rows {
    const uint8_t *pixels;
    size_t stride; /* bytes from row to row */
    size_t size;   /* bytes of a row that may be read */
    int count;
} graft_rows;

enum { GRAFT_RESAMPLER_SLACK = 16 }; /* bytes behind each row of an output that `across` may write */

/* A set of kernels for one kind of processor. Sums are 32-bit integers that begin at one half and wrap, so
 * that their order does not matter: all resamplers give the same bytes. */
typedef struct graft_resampler {
    const char *name;
    bool (*runs_here)(void);
    graft_packing packing;
    /* Rows of axis->outputs pixels each: every one is resampled along the axis. */
    void (*across)(uint8_t *out, size_t stride, const graft_rows *in, const graft_axis *axis);
    /* Row `output` of the axis: the weighted sum of axis->counts[output] rows, the first `in` bytes of each.
     */
    void (*down)(uint8_t *out, const graft_rows *in, const graft_axis *axis, int output);
} graft_resampler;

extern const graft_resampler graft_resampler_plain;
#if defined(__x86_64__)
extern const graft_resampler graft_resampler_avx2, graft_resampler_avx512;
#endif

/* All that were built, the fastest first, up to NULL. */
const graft_resampler *const *graft_resamplers(void);
/* The fastest that this machine runs. */
const graft_resampler *graft_resampler_here(void);

/* Plain C for what vector instructions leave over: outputs from `first` on of each row; bytes from `start` on
 * of a sum of rows. */
void graft_plain_across(uint8_t *out, size_t stride, const graft_rows *in, const graft_axis *axis, int first);
void graft_plain_down(uint8_t *out, const graft_rows *in, const graft_axis *axis, int output, size_t start);

/* How many outputs, from the first on, read nothing behind a row's end where each group of taps is a load of
 * `bytes`. */
int graft_axis_inside(const graft_axis *axis, const graft_rows *in, size_t bytes);

#endif
