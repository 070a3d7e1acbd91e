/* Hue, equal to torchvision's adjust_hue on a picture of Pillow to the bit (Pillow 9.4,
 * src/libImaging/Convert.c, after Python's colorsys): RGB to HSV of 8 bits each, the hue moved around its
 * circle of 256 steps, and back.
 *
 * The widths of the numbers belong to the result: what is float here is rounded to float there, what is
 * double is double. */
#include <stddef.h>

#include "image/adjust.h"

enum { CHANNELS = 3 };

struct hsv {
    uint8_t hue, saturation, value;
};

/* The hue in turns; `most` is the largest of the three, `range` its distance from the smallest. */
static float hue_of(const uint8_t *rgb, int most, float range)
{
    float red = (float)(most - rgb[0]) / range;
    float green = (float)(most - rgb[1]) / range;
    float blue = (float)(most - rgb[2]) / range;
    float sixth;
    if (rgb[0] == most)
        sixth = blue - green;
    else if (rgb[1] == most)
        sixth = (float)(2.0 + (double)red - (double)blue);
    else
        sixth = (float)(4.0 + (double)green - (double)red);
    double turn = (double)sixth / 6.0 + 1.0; /* from 5/6 to 11/6 */
    return (float)(turn >= 1.0 ? turn - 1.0 : turn);
}

static struct hsv to_hsv(const uint8_t *rgb)
{
    int most = rgb[0], least = rgb[0];
    for (int c = 1; c < CHANNELS; c++) {
        most = rgb[c] > most ? rgb[c] : most;
        least = rgb[c] < least ? rgb[c] : least;
    }
    if (most == least)
        return (struct hsv){0, 0, (uint8_t)most};
    float range = (float)(most - least), saturation = range / (float)most;
    float hue = hue_of(rgb, most, range);
    return (struct hsv){(uint8_t)((double)hue * 255.0), (uint8_t)((double)saturation * 255.0), (uint8_t)most};
}

static void set(uint8_t *rgb, uint8_t red, uint8_t green, uint8_t blue)
{
    rgb[0] = red;
    rgb[1] = green;
    rgb[2] = blue;
}

/* Rounded; for each of the 2^24 there are, one half more and cut off is what round() gives. */
static uint8_t part(int value, double share)
{
    return (uint8_t)(int)((double)value * share + 0.5);
}

static void to_rgb(uint8_t *rgb, struct hsv in)
{
    double sixths = (double)in.hue * 6.0 / 255.0;
    int side = (int)sixths; /* of the hexagon; the last hue lies on its seventh, which is the first */
    float past = (float)(sixths - (double)side), saturation = (float)(in.saturation / 255.0);
    uint8_t v = in.value, p = part(v, 1.0 - (double)saturation);
    uint8_t q = part(v, 1.0 - (double)(saturation * past));
    uint8_t t = part(v, 1.0 - (double)saturation * (1.0 - (double)past));
    switch (side % 6) {
    case 0:
        set(rgb, v, t, p);
        break;
    case 1:
        set(rgb, q, v, p);
        break;
    case 2:
        set(rgb, p, v, t);
        break;
    case 3:
        set(rgb, p, q, v);
        break;
    case 4:
        set(rgb, t, p, v);
        break;
    default:
        set(rgb, v, p, q);
        break;
    }
}

void graft_image_adjust_hue(graft_image *image, float turn)
{
    int steps = (int)((double)turn * 255.0);
    size_t count = (size_t)image->width * (size_t)image->height;
    for (size_t i = 0; i < count; i++) {
        struct hsv pixel = to_hsv(image->pixels + i * CHANNELS);
        pixel.hue = (uint8_t)(pixel.hue + steps);
        to_rgb(image->pixels + i * CHANNELS, pixel);
    }
}
