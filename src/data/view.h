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

/* GRAFT_VIEW_KEPT and up: one of `views` that were drawn once. */
int graft_view_choose_kept(int views, const graft_place *place);

/* All that a view's pixels depend on, beside the picture. */
typedef struct graft_view {
    int kind; /* what graft_view_choose said */
    const graft_augmentation *augment;
    const graft_transform *transform;
    graft_place place;
} graft_view;

/* What of a picture the view needs; it borrows the view. */
graft_wish graft_view_wish(const graft_view *view);

/* out (crop, crop, 3) = the view of a picture that was decoded by its wish. A random one uses the part up. */
graft_status graft_view_draw(uint8_t *out, graft_part *part, const graft_view *view);

#endif
