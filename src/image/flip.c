/* Mirror images, left for right: torchvision's hflip, and RandomHorizontalFlip. */
#include <string.h>

#include "image/augment.h"

enum { CHANNELS = 3 };

void graft_image_mirror(uint8_t *pixels, int width, int height)
{
    for (int y = 0; y < height; y++) {
        uint8_t *left = pixels + (size_t)y * (size_t)width * CHANNELS;
        uint8_t *right = left + (size_t)(width - 1) * CHANNELS;
        for (; left < right; left += CHANNELS, right -= CHANNELS) {
            uint8_t pixel[CHANNELS];
            memcpy(pixel, left, CHANNELS);
            memcpy(left, right, CHANNELS);
            memcpy(right, pixel, CHANNELS);
        }
    }
}

static graft_status apply(graft_image *image, const double *numbers, graft_random *random,
                          const graft_transform *transform)
{
    (void)numbers;
    (void)transform;
    if (graft_random_below(random, 2))
        graft_image_mirror(image->pixels, image->width, image->height);
    return GRAFT_OK;
}

const graft_augment_kind graft_augment_flip = {
    .name = "flip",
    .python = "RandomHorizontalFlip",
    .form = "flip",
    .apply = apply,
};
