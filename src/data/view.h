/* Which view of a picture is shown, and its pixels. */
#ifndef GRAFT_DATA_VIEW_H
#define GRAFT_DATA_VIEW_H

#include <graft/data.h>

#include "image/image.h"

/* A row of an epoch. All that is random about it follows from this. */
typedef struct graft_place {
    uint64_t seed;
    uint32_t epoch;
    uint32_t row;
} graft_place;

/* GRAFT_VIEW_PLAIN, _MIRROR or _RANDOM. */
int graft_view_choose(const graft_augmentation *augment, const graft_place *place);

/* out (crop, crop, 3) = that view of the picture, which a random one uses up. */
graft_status graft_view_draw(uint8_t *out, graft_image *image, int view, const graft_augmentation *augment,
                             const graft_transform *transform, const graft_place *place);

#endif
