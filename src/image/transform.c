/* From a picture to a network's input, as torchvision does it: Resize, CenterCrop, resized_crop, ToTensor,
 * Normalize.
 *
 * The short side becomes transform->resize, the long side is cut down to a whole number; a picture whose
 * short side is that already is left alone. A crop's offset is rounded half to even; where the picture is
 * smaller than the crop, the black border's smaller half lies before it. */
#include <stdbool.h>
#include <string.h>

#include "base/status.h"
#include "image/image.h"
#include "image/resize.h"

#ifdef __clang__
#pragma STDC FP_CONTRACT OFF
#else
#pragma GCC optimize("fp-contract=off")
#endif

enum { CHANNELS = 3 };

/* int(resize * long / short), Python's true division. */
static int64_t scaled(int resize, int long_side, int short_side)
{
    return (int64_t)((double)((int64_t)resize * long_side) / (double)short_side);
}

/* Of an axis of `size` pixels the crop keeps `count`, from `start`, and writes them from `place` on. */
struct cut {
    int64_t start;
    int count, place;
};

static struct cut cut_axis(int64_t size, int crop)
{
    if (size < crop)
        return (struct cut){0, (int)size, (crop - (int)size) / 2};
    int64_t half = (size - crop) / 2;
    bool odd = (size - crop) % 2 != 0;
    return (struct cut){odd && half % 2 != 0 ? half + 1 : half, crop, 0};
}

static graft_status check(const graft_image *image, const graft_transform *transform)
{
    if (image->width <= 0 || image->height <= 0 || !image->pixels)
        return graft_fail(GRAFT_EARGUMENT, "the picture has no pixels");
    if (transform->resize <= 0 || transform->crop <= 0)
        return graft_fail(GRAFT_EARGUMENT, "a picture cannot be resized to %d and cropped to %d",
                          transform->resize, transform->crop);
    return GRAFT_OK;
}

graft_status graft_image_fit(uint8_t *out, const graft_image *image, const graft_transform *transform)
{
    graft_status status = check(image, transform);
    if (status != GRAFT_OK)
        return status;
    int resize = transform->resize, crop = transform->crop, width = image->width, height = image->height;
    bool upright = width <= height;
    int64_t new_width = upright ? resize : scaled(resize, width, height);
    int64_t new_height = upright ? scaled(resize, height, width) : resize;
    struct cut across = cut_axis(new_width, crop), down = cut_axis(new_height, crop);
    size_t stride = (size_t)crop * CHANNELS;
    if (across.count < crop || down.count < crop)
        memset(out, 0, stride * (size_t)crop);
    graft_window window = {image->pixels, (size_t)width * CHANNELS, width, height};
    graft_resampling how = {{0, 0, width, height}, new_width,  new_height,       across.start, down.start,
                            across.count,          down.count, transform->filter};
    return graft_window_resample(out + (size_t)down.place * stride + (size_t)across.place * CHANNELS, stride,
                                 &window, &how);
}

graft_status graft_image_fit_box(uint8_t *out, const graft_image *image, const graft_box *box,
                                 const graft_transform *transform)
{
    graft_status status = check(image, transform);
    if (status != GRAFT_OK)
        return status;
    if (box->x < 0 || box->y < 0 || box->width <= 0 || box->height <= 0 ||
        box->width > image->width - box->x || box->height > image->height - box->y)
        return graft_fail(GRAFT_EARGUMENT, "the box %d x %d at (%d, %d) does not lie in %d x %d pixels",
                          box->width, box->height, box->x, box->y, image->width, image->height);
    int crop = transform->crop;
    size_t stride = (size_t)image->width * CHANNELS;
    graft_window window = {image->pixels + (size_t)box->y * stride + (size_t)box->x * CHANNELS, stride,
                           box->width, box->height};
    graft_resampling how = {{0, 0, box->width, box->height}, crop, crop, 0, 0, crop, crop, transform->filter};
    return graft_window_resample(out, (size_t)crop * CHANNELS, &window, &how);
}

void graft_image_normalize(float *out, const uint8_t *pixels, int size, const graft_transform *transform)
{
    size_t count = (size_t)size * (size_t)size;
    for (size_t c = 0; c < CHANNELS; c++) {
        float table[256];
        for (int v = 0; v < 256; v++)
            table[v] = ((float)v / transform->divisor - transform->mean[c]) / transform->std[c];
        for (size_t i = 0; i < count; i++)
            out[c * count + i] = table[pixels[i * CHANNELS + c]];
    }
}
