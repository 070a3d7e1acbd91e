/* Colour jitter as torchvision's ColorJitter draws it: a factor of brightness, contrast and saturation each,
 * a turn of the hue, and an order of the four. An amount of 0 leaves its adjustment out, which matters for
 * the hue alone: the others leave a picture as it is at a factor of 1. */
#include "image/adjust.h"
#include "image/augment.h"

enum { BRIGHTNESS, CONTRAST, SATURATION, HUE, ADJUSTMENTS };

graft_jitter graft_random_jitter(graft_random *random, const double amounts[4])
{
    graft_jitter jitter = {.order = {BRIGHTNESS, CONTRAST, SATURATION, HUE}};
    graft_random_shuffle(random, jitter.order, ADJUSTMENTS);
    for (int i = 0; i < ADJUSTMENTS; i++) {
        double centre = i == HUE ? 0.0 : 1.0, least = centre - amounts[i];
        if (i != HUE && least < 0.0)
            least = 0.0;
        jitter.factors[i] = graft_random_between(random, (float)least, (float)(centre + amounts[i]));
    }
    return jitter;
}

static void adjust(graft_image *image, int what, float factor)
{
    switch (what) {
    case BRIGHTNESS:
        graft_image_adjust_brightness(image, factor);
        break;
    case CONTRAST:
        graft_image_adjust_contrast(image, factor);
        break;
    case SATURATION:
        graft_image_adjust_saturation(image, factor);
        break;
    default:
        graft_image_adjust_hue(image, factor);
        break;
    }
}

static graft_status apply(graft_image *image, const double *numbers, graft_random *random,
                          const graft_transform *transform)
{
    (void)transform;
    graft_jitter jitter = graft_random_jitter(random, numbers);
    for (int i = 0; i < ADJUSTMENTS; i++)
        if (numbers[jitter.order[i]] > 0.0)
            adjust(image, jitter.order[i], jitter.factors[jitter.order[i]]);
    return GRAFT_OK;
}

const graft_augment_kind graft_augment_jitter = {
    .name = "jitter",
    .python = "ColorJitter",
    .form = "jitter(brightness,contrast,saturation,hue)",
    .least = 1,
    .most = 4,
    .numbers = {{"brightness", 0.0, 100.0},
                {"contrast", 0.0, 100.0},
                {"saturation", 0.0, 100.0},
                {"hue", 0.0, 0.5}},
    .apply = apply,
};
