/* Views: the picture as it is, its mirror image, or what an augmentation makes of it. */
#include "data/view.h"

#include <stdio.h>
#include <string.h>

#include "image/augment.h"

/* The random numbers of a step, which is the n-th of its word: other steps do not change them. */
static graft_random stream_of(const graft_place *place, const char *word, int nth)
{
    char name[32];
    snprintf(name, sizeof name, "%s %d", word, nth);
    return graft_random_stream(place->seed, GRAFT_RANDOM_VIEW, name, place->epoch, place->row);
}

int graft_view_choose(const graft_augmentation *augment, const graft_place *place)
{
    int views = graft_augmentation_views(augment);
    if (views == 0)
        return GRAFT_VIEW_RANDOM;
    graft_random random = stream_of(place, graft_augment_flip.name, 0);
    return graft_random_below(&random, (uint32_t)views) ? GRAFT_VIEW_MIRROR : GRAFT_VIEW_PLAIN;
}

static bool has_crop(const graft_augmentation *augment)
{
    for (int i = 0; i < augment->count; i++)
        if (graft_augment_find(augment->steps[i].word)->crops)
            return true;
    return false;
}

static graft_status take_step(graft_image *image, const graft_augmentation *augment, int step,
                              const graft_transform *transform, const graft_place *place)
{
    const char *word = augment->steps[step].word;
    int nth = 0;
    for (int i = 0; i < step; i++)
        nth += strcmp(augment->steps[i].word, word) == 0;
    graft_random random = stream_of(place, word, nth);
    return graft_augment_find(word)->apply(image, augment->steps[step].numbers, &random, transform);
}

/* A crop makes (crop, crop) of whatever it gets; where there is none, that is done before the first step. */
static graft_status draw_random(uint8_t *out, graft_image *image, const graft_augmentation *augment,
                                const graft_transform *transform, const graft_place *place)
{
    graft_status status;
    graft_image view = GRAFT_IMAGE_INIT;
    if (has_crop(augment)) {
        view = *image;
        *image = (graft_image)GRAFT_IMAGE_INIT;
    } else {
        GRAFT_TRY(graft_image_create(&view, transform->crop, transform->crop));
        GRAFT_TRY(graft_image_fit(view.pixels, image, transform));
    }
    for (int i = 0; i < augment->count; i++)
        GRAFT_TRY(take_step(&view, augment, i, transform, place));
    memcpy(out, view.pixels, (size_t)transform->crop * (size_t)transform->crop * 3);
out:
    graft_image_dispose(&view);
    return status;
}

graft_status graft_view_draw(uint8_t *out, graft_image *image, int view, const graft_augmentation *augment,
                             const graft_transform *transform, const graft_place *place)
{
    if (view == GRAFT_VIEW_RANDOM)
        return draw_random(out, image, augment, transform, place);
    graft_status status = graft_image_fit(out, image, transform);
    if (status == GRAFT_OK && view == GRAFT_VIEW_MIRROR)
        graft_image_mirror(out, transform->crop, transform->crop);
    return status;
}
