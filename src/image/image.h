/* Decoded pictures, and the exact steps from a picture to a network's input. */
#ifndef GRAFT_IMAGE_IMAGE_H
#define GRAFT_IMAGE_IMAGE_H

#include <stddef.h>
#include <stdint.h>

#include <graft/picture.h>

/* RGB, 8 bits: (height, width, 3), rows without padding. */
typedef struct graft_image {
    int width;
    int height;
    uint8_t *pixels; /* owned: free() */
} graft_image;

#define GRAFT_IMAGE_INIT \
    {                    \
        0, 0, NULL       \
    }
/* Pillow's limit: above it a picture is refused before anything is allocated. */
#define GRAFT_IMAGE_MAX_PIXELS 178956970

/* *image takes over a new image of this size, its pixels uninitialised; GRAFT_EFORMAT above the limit. */
graft_status graft_image_create(graft_image *image, int width, int height);
void graft_image_dispose(graft_image *image);

/* Decodes the bytes of a file, whatever its codec (told by the first bytes). The message of a failure says
 * the cause without a file name ("ends early (8,192 of 20,113 bytes)" where that is known); the caller puts
 * the name before it. */
graft_status graft_image_decode(graft_image *image, const uint8_t *bytes, size_t size, graft_sight sight);

/* Reads and decodes a file; the message names the file. */
graft_status graft_image_read(graft_image *image, const char *path, graft_sight sight);

/* A line of the decoding libraries' versions and of graft's own, on which pixels may depend. */
enum { GRAFT_IMAGE_DECODERS = 256 };
void graft_image_decoders(char out[GRAFT_IMAGE_DECODERS]);

/* Pillow's Image.resize((width, height), filter, box=(x, y, x + w, y + h)) on 8 bits, to the bit. The box is
 * in source pixels and lies inside the picture. */
typedef struct graft_box {
    int x, y, width, height;
} graft_box;
graft_status graft_image_resize(graft_image *out, const graft_image *image, const graft_box *box, int width,
                                int height, graft_filter filter);

/* torchvision's Resize(transform->resize), CenterCrop(transform->crop): out is (crop, crop, 3), caller's
 * memory. Only the rows and columns that the crop keeps are computed. A picture smaller than the crop is
 * padded with black as CenterCrop does. */
graft_status graft_image_fit(uint8_t *out, const graft_image *image, const graft_transform *transform);

/* torchvision's resized_crop: the box, resized to (crop, crop). */
graft_status graft_image_fit_box(uint8_t *out, const graft_image *image, const graft_box *box,
                                 const graft_transform *transform);

/* ---- Parts: nothing is done for pixels that are not needed ---- */

/* What of a picture is wanted. */
typedef struct graft_wish {
    /* The pixels that are needed of a picture of this size, which is seen as it will be drawn; an empty box:
     * none, the picture is only looked through. NULL: all of them. */
    graft_box (*needs)(const void *context, int width, int height);
    const void *context;
    int least; /* > 0: a codec that decodes a half, a quarter or an eighth of the size at less cost does so,
                  as long as the short side keeps this many pixels; 0: never */
} graft_wish;

/* Pixels of a picture: `image` is its part from (x, y) on. What lies around the wished box has no meaning. */
typedef struct graft_part {
    graft_image image;
    int x, y;
    int width, height; /* of the picture */
} graft_part;

/* Refuses what graft_image_decode refuses, wherever in the file it is. */
graft_status graft_part_decode(graft_part *part, const uint8_t *bytes, size_t size, graft_sight sight,
                               const graft_wish *wish);
/* Of a picture that a program has: decoded by the wish, or its RGB pixels, all of them. */
graft_status graft_part_copy(graft_part *part, const graft_picture *picture, graft_sight sight,
                             const graft_wish *wish);
void graft_part_dispose(graft_part *part);

/* graft_image_fit and graft_image_fit_box, of parts that hold what was wished for it. */
graft_status graft_part_fit(uint8_t *out, const graft_part *part, const graft_transform *transform);
graft_status graft_part_fit_box(uint8_t *out, const graft_part *part, const graft_box *box,
                                const graft_transform *transform);
/* What graft_part_fit needs. The transform is borrowed. */
graft_wish graft_wish_fit(const graft_transform *transform);
/* How small a transform lets a picture be decoded: the wish's `least`. */
int graft_wish_least(const graft_transform *transform);

/* In place: the mirror image, left for right, of (height, width, 3). */
void graft_image_mirror(uint8_t *pixels, int width, int height);

/* (size, size, 3) bytes -> (3, size, size) floats, by the transform's divisor, mean and std; equal to torch's
 * ToTensor and Normalize to the bit. */
void graft_image_normalize(float *out, const uint8_t *pixels, int size, const graft_transform *transform);

#endif
