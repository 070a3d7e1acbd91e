/* Augmentation: how a picture varies from epoch to epoch, so that a network learns to look past what does not
 * matter. */
#ifndef GRAFT_AUGMENT_H
#define GRAFT_AUGMENT_H

#include <stddef.h>

#include <graft/status.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { GRAFT_AUGMENT_STEPS = 16, GRAFT_AUGMENT_NUMBERS = 4 };

typedef struct graft_augment_step {
    const char *word; /* "crop", "flip", "rotate", "jitter"; borrowed, from parse: static */
    double numbers[GRAFT_AUGMENT_NUMBERS];
} graft_augment_step;

/* What torchvision's transforms.Compose is, without its last steps (ToTensor, Normalize). No step: the
 * picture as it is. */
typedef struct graft_augmentation {
    int count;
    graft_augment_step steps[GRAFT_AUGMENT_STEPS];
} graft_augmentation;

#define GRAFT_AUGMENTATION_INIT \
    {                           \
        0,                      \
        {                       \
            {                   \
                NULL,           \
                {               \
                    0.0         \
                }               \
            }                   \
        }                       \
    }

/* Steps behind one another, with a space between them:
 *
 *   crop(LO,HI)       RandomResizedCrop(crop, scale=(LO, HI)); the only step that changes a picture's size
 *   flip              RandomHorizontalFlip()
 *   rotate(DEGREES)   RandomRotation(DEGREES)
 *   jitter(B,C,S,H)   ColorJitter(B, C, S, H); what is left out is 0
 *
 * Each is torchvision's on an 8-bit picture of Pillow, to the bit; its random numbers have the same
 * distribution and depend on the seed, the epoch, the picture's row in it and the step's word alone. Without
 * a crop a picture is first resized and its centre cut out, by the transform; what stands before a crop works
 * on the picture as it was decoded. "none" is no step, and the word "crop" alone is "crop(0.5,1) flip".
 * GRAFT_EARGUMENT sets *place (NULL is legal) to the byte of `text` that could not be read. */
GRAFT_API graft_status graft_augmentation_parse(graft_augmentation *augmentation, const char *text,
                                                size_t *place);
/* The same as text, every number written out. *text is the caller's (free). */
GRAFT_API graft_status graft_augmentation_print(char **text, const graft_augmentation *augmentation);
/* How many views a picture has that are exact and can be kept: 1 without any step, 2 (it and its mirror
 * image) with "flip" alone; otherwise 0: every view is a new one. */
GRAFT_API int graft_augmentation_views(const graft_augmentation *augmentation);

#ifdef __cplusplus
}
#endif
#endif
