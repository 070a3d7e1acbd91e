/* The steps of an augmentation: what each is called, what it draws, and what it does. */
#ifndef GRAFT_IMAGE_AUGMENT_H
#define GRAFT_IMAGE_AUGMENT_H

#include <stdbool.h>

#include <graft/augment.h>

#include "base/random.h"
#include "image/image.h"

typedef struct graft_augment_number {
    const char *name;
    double least, most;
} graft_augment_number;

/* A kind of step; each is defined in the file of its operation and stands in the table of augment.c. */
typedef struct graft_augment_kind {
    const char *name;
    const char *python; /* what it is called in torchvision */
    const char *form;   /* "crop(lo,hi)" */
    int least, most;    /* how many numbers it takes; those left out are 0 */
    bool ascending;     /* of its numbers none is below the one before */
    graft_augment_number numbers[GRAFT_AUGMENT_NUMBERS];
    /* Draws which box of a picture, of whatever size, becomes (crop, crop). NULL: it is no crop. */
    graft_box (*box)(const double *numbers, graft_random *random, int width, int height);
    /* What is no crop: draws what is random, and replaces the picture's pixels or the whole picture. */
    graft_status (*apply)(graft_image *image, const double *numbers, graft_random *random,
                          const graft_transform *transform);
} graft_augment_kind;

extern const graft_augment_kind graft_augment_crop, graft_augment_flip, graft_augment_rotate,
    graft_augment_jitter;

/* What the words "flip" and "crop" stand for where they are alone. */
extern const graft_augmentation graft_augment_flips, graft_augment_crops;

/* NULL where there is none. */
const graft_augment_kind *graft_augment_find(const char *name);
/* Whether all steps exist and their numbers are in range, of a list that nobody parsed. */
graft_status graft_augment_check(const graft_augmentation *augmentation);

/* ---- What is drawn ---- */

/* torchvision's RandomResizedCrop.get_params with ratios 3/4 to 4/3: a box of lo to hi of the area, inside
 * width x height pixels. */
graft_box graft_random_crop(graft_random *random, int width, int height, float lo, float hi);

/* RandomRotation.get_params: degrees, uniform in [-most, most]. */
float graft_random_angle(graft_random *random, float most);

/* ColorJitter.get_params: brightness, contrast, saturation, hue, of which each is uniform around 1 (hue: 0)
 * as far as the amounts say, and the order in which they are adjusted. */
typedef struct graft_jitter {
    int order[4];
    float factors[4];
} graft_jitter;
graft_jitter graft_random_jitter(graft_random *random, const double amounts[4]);

#endif
