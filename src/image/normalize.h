/* From bytes to a network's input, in plain C and in vector instructions: the same bits. */
#ifndef GRAFT_IMAGE_NORMALIZE_H
#define GRAFT_IMAGE_NORMALIZE_H

#include "image/image.h"

/* `count` RGB pixels become three planes of `count` floats each. */
typedef void (*graft_normalizer)(float *out, const uint8_t *pixels, size_t count,
                                 const graft_transform *transform);

void graft_normalize_plain(float *out, const uint8_t *pixels, size_t count, const graft_transform *transform);
#if defined(__x86_64__)
void graft_normalize_avx2(float *out, const uint8_t *pixels, size_t count, const graft_transform *transform);
#endif

/* The fastest that this machine runs. */
graft_normalizer graft_normalizer_here(void);

#endif
