/* Which part of a picture a random crop takes. */
#ifndef GRAFT_IMAGE_RANDOM_CROP_H
#define GRAFT_IMAGE_RANDOM_CROP_H

#include "base/random.h"
#include "image/image.h"

/* torchvision's RandomResizedCrop.get_params with ratios 3/4 to 4/3: a box of lo to hi of the area, inside
 * width x height pixels. */
graft_box graft_random_crop(graft_random *random, int width, int height, float lo, float hi);

#endif
