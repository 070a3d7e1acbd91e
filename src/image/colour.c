/* Brightness, contrast and saturation, equal to Pillow's ImageEnhance to the bit (Pillow 9.4,
 * src/libImaging/Blend.c; after Haeberli and Voorhies, "Image processing by interpolation and extrapolation",
 * 1994).
 *
 * Each blends a degenerate picture with the picture itself: black, the mean grey everywhere, or each pixel's
 * grey. A factor below 1 interpolates, one above 1 extrapolates. Blends are computed in float, cut to 0..255
 * and truncated. Grey is ITU-R 601's luma with 16 fractional bits, rounded. */
#include <stddef.h>

#include "image/adjust.h"

enum { CHANNELS = 3 };

static uint8_t blend(int degenerate, int value, float factor)
{
    float sum = (float)degenerate + factor * (float)(value - degenerate);
    return (uint8_t)(sum <= 0.0F ? 0.0F : sum >= 255.0F ? 255.0F : sum);
}

static int grey_of(const uint8_t *pixel)
{
    return (pixel[0] * 19595 + pixel[1] * 38470 + pixel[2] * 7471 + 0x8000) >> 16;
}

static size_t count_of(const graft_image *image)
{
    return (size_t)image->width * (size_t)image->height;
}

/* The same grey under every pixel. */
static void blend_all(graft_image *image, int degenerate, float factor)
{
    uint8_t table[256];
    for (int value = 0; value < 256; value++)
        table[value] = blend(degenerate, value, factor);
    size_t bytes = count_of(image) * CHANNELS;
    for (size_t i = 0; i < bytes; i++)
        image->pixels[i] = table[image->pixels[i]];
}

void graft_image_adjust_brightness(graft_image *image, float factor)
{
    blend_all(image, 0, factor);
}

void graft_image_adjust_contrast(graft_image *image, float factor)
{
    size_t count = count_of(image);
    uint64_t sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += (uint64_t)grey_of(image->pixels + i * CHANNELS);
    blend_all(image, (int)((double)sum / (double)count + 0.5), factor);
}

void graft_image_adjust_saturation(graft_image *image, float factor)
{
    uint8_t *pixel = image->pixels;
    for (size_t left = count_of(image); left > 0; left--, pixel += CHANNELS) {
        int grey = grey_of(pixel);
        for (int c = 0; c < CHANNELS; c++)
            pixel[c] = blend(grey, pixel[c], factor);
    }
}
