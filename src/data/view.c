/* Views: the picture as it is, its mirror image, a random crop that is mirrored half the time. */
#include "data/view.h"

#include "image/random_crop.h"

static const float smallest_area = 0.5F, largest_area = 1.0F;

static graft_random stream(graft_purpose purpose, const graft_place *place)
{
    return graft_random_stream(place->seed, purpose, NULL, place->epoch, place->row);
}

int graft_view_choose(graft_augment augment, const graft_place *place)
{
    graft_random random = stream(GRAFT_RANDOM_VIEW, place);
    switch (augment) {
    case GRAFT_AUGMENT_FLIP:
        return graft_random_below(&random, 2) ? GRAFT_VIEW_MIRROR : GRAFT_VIEW_PLAIN;
    case GRAFT_AUGMENT_CROP:
        return GRAFT_VIEW_RANDOM;
    case GRAFT_AUGMENT_BOTH:
        return place->row % 2 ? GRAFT_VIEW_MIRROR : GRAFT_VIEW_PLAIN;
    case GRAFT_AUGMENT_NONE:
        break;
    }
    return GRAFT_VIEW_PLAIN;
}

static graft_status draw_random(uint8_t *out, const graft_image *image, const graft_transform *transform,
                                const graft_place *place)
{
    graft_random random = stream(GRAFT_RANDOM_CROP, place);
    graft_box box = graft_random_crop(&random, image->width, image->height, smallest_area, largest_area);
    graft_status status = graft_image_fit_box(out, image, &box, transform);
    if (status == GRAFT_OK && graft_random_below(&random, 2))
        graft_image_mirror(out, transform->crop);
    return status;
}

graft_status graft_view_draw(uint8_t *out, const graft_image *image, const graft_transform *transform,
                             int view, const graft_place *place)
{
    if (view == GRAFT_VIEW_RANDOM)
        return draw_random(out, image, transform, place);
    graft_status status = graft_image_fit(out, image, transform);
    if (status == GRAFT_OK && view == GRAFT_VIEW_MIRROR)
        graft_image_mirror(out, transform->crop);
    return status;
}
