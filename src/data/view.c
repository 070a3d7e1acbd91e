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

int graft_view_choose_kept(int views, const graft_place *place)
{
    graft_random random = stream_of(place, "view", 0);
    return GRAFT_VIEW_KEPT + (int)graft_random_below(&random, (uint32_t)views);
}

static bool is_crop(const graft_augment_step *step)
{
    return graft_augment_find(step->word)->box != NULL;
}

static bool has_crop(const graft_augmentation *augment)
{
    for (int i = 0; i < augment->count; i++)
        if (is_crop(&augment->steps[i]))
            return true;
    return false;
}

static graft_random stream_of_step(const graft_view *view, int step)
{
    const graft_augmentation *augment = view->augment;
    const char *word = augment->steps[step].word;
    int nth = 0;
    for (int i = 0; i < step; i++)
        nth += strcmp(augment->steps[i].word, word) == 0;
    return stream_of(&view->place, word, nth);
}

static graft_box draw_box(const graft_view *view, int step, int width, int height)
{
    graft_random random = stream_of_step(view, step);
    const graft_augment_step *crop = &view->augment->steps[step];
    return graft_augment_find(crop->word)->box(crop->numbers, &random, width, height);
}

/* ---- What is needed ---- */

static graft_box needs_of_crop(const void *context, int width, int height)
{
    return draw_box(context, 0, width, height);
}

graft_wish graft_view_wish(const graft_view *view)
{
    if (view->kind != GRAFT_VIEW_RANDOM || !has_crop(view->augment))
        return graft_wish_fit(view->transform);
    bool first = is_crop(&view->augment->steps[0]);
    return (graft_wish){first ? needs_of_crop : NULL, view, graft_wish_least(view->transform)};
}

/* ---- Drawing ---- */

/* Replaces the picture by (crop, crop) of it: of the box that the step draws, or of all of it. */
static graft_status cut(graft_part *part, const graft_view *view, int step)
{
    graft_status status;
    const graft_transform *transform = view->transform;
    graft_image image = GRAFT_IMAGE_INIT;
    GRAFT_TRY(graft_image_create(&image, transform->crop, transform->crop));
    if (step >= 0) {
        graft_box box = draw_box(view, step, part->width, part->height);
        GRAFT_TRY(graft_part_fit_box(image.pixels, part, &box, transform));
    } else {
        GRAFT_TRY(graft_part_fit(image.pixels, part, transform));
    }
    graft_part_dispose(part);
    *part = (graft_part){image, 0, 0, image.width, image.height};
    image = (graft_image)GRAFT_IMAGE_INIT;
out:
    graft_image_dispose(&image);
    return status;
}

static graft_status take_step(graft_part *part, const graft_view *view, int step)
{
    const graft_augment_step *what = &view->augment->steps[step];
    if (is_crop(what))
        return cut(part, view, step);
    graft_random random = stream_of_step(view, step);
    return graft_augment_find(what->word)->apply(&part->image, what->numbers, &random, view->transform);
}

/* A crop makes (crop, crop) of whatever it gets; where there is none, that is done before the first step. */
static graft_status draw_random(uint8_t *out, graft_part *part, const graft_view *view)
{
    graft_status status;
    size_t crop = (size_t)view->transform->crop;
    if (!has_crop(view->augment))
        GRAFT_TRY(cut(part, view, -1));
    for (int i = 0; i < view->augment->count; i++)
        GRAFT_TRY(take_step(part, view, i));
    memcpy(out, part->image.pixels, crop * crop * 3);
out:
    return status;
}

graft_status graft_view_draw(uint8_t *out, graft_part *part, const graft_view *view)
{
    if (view->kind == GRAFT_VIEW_RANDOM)
        return draw_random(out, part, view);
    graft_status status = graft_part_fit(out, part, view->transform);
    if (status == GRAFT_OK && view->kind == GRAFT_VIEW_MIRROR)
        graft_image_mirror(out, view->transform->crop, view->transform->crop);
    return status;
}
