/* What augmentation does to a picture once its random numbers are drawn: torchvision's functional transforms
 * (0.14) on an 8-bit RGB picture of Pillow (9.4), equal to the bit. */
#ifndef GRAFT_IMAGE_ADJUST_H
#define GRAFT_IMAGE_ADJUST_H

#include "image/image.h"

/* F.rotate: counter-clockwise about the centre, the nearest pixel, the size stays, black comes in. out is
 * (height, width, 3), not the picture's own bytes. */
void graft_image_rotate(uint8_t *out, const graft_image *image, double degrees);

/* F.adjust_brightness, F.adjust_contrast, F.adjust_saturation, in place: away from black, from the mean grey,
 * from each pixel's grey. A factor (0 or more) of 1 leaves the picture alone. */
void graft_image_adjust_brightness(graft_image *image, float factor);
void graft_image_adjust_contrast(graft_image *image, float factor);
void graft_image_adjust_saturation(graft_image *image, float factor);

/* F.adjust_hue, in place; `turn` is in turns, from -0.5 to 0.5. A turn of 0 is not the same picture: it went
 * through HSV of 8 bits. */
void graft_image_adjust_hue(graft_image *image, float turn);

#endif
