/* From a picture to what a network sees of it, as torchvision does it: Resize, CenterCrop, resized_crop.
 *
 * The short side becomes transform->resize, the long side is cut down to a whole number; a picture whose
 * short side is that already is left alone. A crop's offset is rounded half to even; where the picture is
 * smaller than the crop, the black border's smaller half lies before it. */
#include <stdbool.h>
#include <string.h>

#include "base/status.h"
#include "image/image.h"
#include "image/resize.h"

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

static graft_status check(const graft_part *part, const graft_transform *transform)
{
    if (part->width <= 0 || part->height <= 0 || !part->image.pixels)
        return graft_fail(GRAFT_EARGUMENT, "the picture has no pixels");
    if (transform->resize <= 0 || transform->crop <= 0)
        return graft_fail(GRAFT_EARGUMENT, "a picture cannot be resized to %d and cropped to %d",
                          transform->resize, transform->crop);
    return GRAFT_OK;
}

static graft_window window_of(const graft_part *part)
{
    const graft_image *image = &part->image;
    return (graft_window){image->pixels,
                          (size_t)image->width * CHANNELS,
                          part->width,
                          part->height,
                          {part->x, part->y, image->width, image->height}};
}

static graft_part whole(const graft_image *image)
{
    return (graft_part){*image, 0, 0, image->width, image->height};
}

/* ---- Resize, CenterCrop ---- */

/* How a picture becomes `how.kept` pixels of the output, from (x, y) on. */
struct fit {
    graft_resampling how;
    int x, y;
};

static struct fit plan_fit(const graft_transform *transform, int width, int height)
{
    int resize = transform->resize;
    bool upright = width <= height;
    int64_t new_width = upright ? resize : scaled(resize, width, height);
    int64_t new_height = upright ? scaled(resize, height, width) : resize;
    struct cut across = cut_axis(new_width, transform->crop), down = cut_axis(new_height, transform->crop);
    graft_resampling how = {{0, 0, width, height}, new_width,  new_height,       across.start, down.start,
                            across.count,          down.count, transform->filter};
    return (struct fit){how, across.place, down.place};
}

/* Twice what is needed, so that most of the shrinking is still the filter's. */
int graft_wish_least(const graft_transform *transform)
{
    return transform->decode == GRAFT_DECODE_SCALED ? 2 * transform->resize : 0;
}

static graft_box needs_of_fit(const void *transform, int width, int height)
{
    struct fit fit = plan_fit(transform, width, height);
    return graft_resampling_needs(&fit.how, width, height);
}

graft_wish graft_wish_fit(const graft_transform *transform)
{
    return (graft_wish){needs_of_fit, transform, graft_wish_least(transform)};
}

graft_status graft_part_fit(uint8_t *out, const graft_part *part, const graft_transform *transform)
{
    graft_status status = check(part, transform);
    if (status != GRAFT_OK)
        return status;
    struct fit fit = plan_fit(transform, part->width, part->height);
    size_t crop = (size_t)transform->crop, stride = crop * CHANNELS;
    if (fit.how.kept_width < transform->crop || fit.how.kept_height < transform->crop)
        memset(out, 0, stride * crop);
    graft_window window = window_of(part);
    return graft_window_resample(out + (size_t)fit.y * stride + (size_t)fit.x * CHANNELS, stride, &window,
                                 &fit.how, graft_resampler_here());
}

graft_status graft_image_fit(uint8_t *out, const graft_image *image, const graft_transform *transform)
{
    graft_part part = whole(image);
    return graft_part_fit(out, &part, transform);
}

/* ---- resized_crop ---- */

graft_status graft_part_fit_box(uint8_t *out, const graft_part *part, const graft_box *box,
                                const graft_transform *transform)
{
    graft_status status = check(part, transform);
    if (status != GRAFT_OK)
        return status;
    if (box->x < part->x || box->y < part->y || box->width <= 0 || box->height <= 0 ||
        box->width > part->image.width - (box->x - part->x) ||
        box->height > part->image.height - (box->y - part->y))
        return graft_fail(GRAFT_EARGUMENT, "the box %d x %d at (%d, %d) does not lie in %d x %d pixels",
                          box->width, box->height, box->x, box->y, part->width, part->height);
    int crop = transform->crop;
    graft_window window = window_of(part);
    window.width = box->width;
    window.height = box->height;
    window.part.x -= box->x;
    window.part.y -= box->y;
    graft_resampling how = {{0, 0, box->width, box->height}, crop, crop, 0, 0, crop, crop, transform->filter};
    return graft_window_resample(out, (size_t)crop * CHANNELS, &window, &how, graft_resampler_here());
}

graft_status graft_image_fit_box(uint8_t *out, const graft_image *image, const graft_box *box,
                                 const graft_transform *transform)
{
    graft_part part = whole(image);
    return graft_part_fit_box(out, &part, box, transform);
}
