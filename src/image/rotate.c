/* Rotation, equal to Pillow's Image.rotate to the bit (Pillow 9.4, PIL/Image.py and
 * src/libImaging/Geometry.c).
 *
 * An output pixel's centre is turned back into the picture by a matrix whose sines and cosines are rounded to
 * 15 decimals; the pixel under that place is taken. Places are counted in 1/65536 of a pixel and summed up
 * along a row, or, where a corner of the picture would lie 32768 pixels away or more, in double. */
#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "image/adjust.h"
#include "image/augment.h"

enum { CHANNELS = 3, FRACTION = 16 };

/* The place of (x, y): (a x + b y + c, d x + e y + f). */
struct matrix {
    double a, b, c, d, e, f;
};

/* So Pillow has it; it also takes away what one machine's sine may differ by from another's. */
static double round_15(double value)
{
    return rint(value * 1e15) / 1e15;
}

/* From the turned picture back into the picture. */
static struct matrix matrix_of(double degrees, int width, int height)
{
    const double pi = 3.14159265358979323846;
    double turn = fmod(degrees, 360.0);
    if (turn < 0.0)
        turn += 360.0;
    double angle = -(turn * (pi / 180.0)), x = width / 2.0, y = height / 2.0;
    double cosine = round_15(cos(angle)), sine = round_15(sin(angle));
    return (struct matrix){.a = cosine,
                           .b = sine,
                           .c = cosine * -x + sine * -y + x,
                           .d = -sine,
                           .e = cosine,
                           .f = -sine * -x + cosine * -y + y};
}

static bool is_near(const struct matrix *m, int x, int y)
{
    return fabs(x * m->a + y * m->b + m->c) < 32768.0 && fabs(x * m->d + y * m->e + m->f) < 32768.0;
}

static void take_pixel(uint8_t *out, const graft_image *image, int64_t x, int64_t y)
{
    if (x >= 0 && x < image->width && y >= 0 && y < image->height)
        memcpy(out, image->pixels + ((size_t)y * (size_t)image->width + (size_t)x) * CHANNELS, CHANNELS);
    else
        memset(out, 0, CHANNELS);
}

static int64_t to_fixed(double value)
{
    return (int64_t)floor(value * (1 << FRACTION) + 0.5);
}

static void rotate_fixed(uint8_t *out, const graft_image *image, const struct matrix *m)
{
    int64_t a = to_fixed(m->a), b = to_fixed(m->b), d = to_fixed(m->d), e = to_fixed(m->e);
    int64_t row_x = to_fixed(m->c + m->a * 0.5 + m->b * 0.5);
    int64_t row_y = to_fixed(m->f + m->d * 0.5 + m->e * 0.5);
    for (int i = 0; i < image->height; i++, row_x += b, row_y += e) {
        int64_t x = row_x, y = row_y;
        for (int j = 0; j < image->width; j++, x += a, y += d, out += CHANNELS)
            take_pixel(out, image, x >> FRACTION, y >> FRACTION);
    }
}

static void rotate_double(uint8_t *out, const graft_image *image, const struct matrix *m)
{
    double row_x = m->c + m->b * 0.5 + m->a * 0.5, row_y = m->f + m->e * 0.5 + m->d * 0.5;
    for (int i = 0; i < image->height; i++, row_x += m->b, row_y += m->e) {
        double x = row_x, y = row_y;
        for (int j = 0; j < image->width; j++, x += m->a, y += m->d, out += CHANNELS)
            take_pixel(out, image, x < 0.0 ? -1 : (int64_t)x, y < 0.0 ? -1 : (int64_t)y);
    }
}

void graft_image_rotate(uint8_t *out, const graft_image *image, double degrees)
{
    int width = image->width, height = image->height;
    struct matrix m = matrix_of(degrees, width, height);
    if (is_near(&m, 0, 0) && is_near(&m, width, 0) && is_near(&m, 0, height) && is_near(&m, width, height))
        rotate_fixed(out, image, &m);
    else
        rotate_double(out, image, &m);
}

float graft_random_angle(graft_random *random, float most)
{
    return graft_random_between(random, -most, most);
}

static graft_status apply(graft_image *image, const double *numbers, graft_random *random,
                          const graft_transform *transform)
{
    (void)transform;
    graft_image turned;
    graft_status status = graft_image_create(&turned, image->width, image->height);
    if (status != GRAFT_OK)
        return status;
    graft_image_rotate(turned.pixels, image, (double)graft_random_angle(random, (float)numbers[0]));
    graft_image_dispose(image);
    *image = turned;
    return GRAFT_OK;
}

const graft_augment_kind graft_augment_rotate = {
    .name = "rotate",
    .python = "RandomRotation",
    .form = "rotate(degrees)",
    .least = 1,
    .most = 1,
    .numbers = {{"degrees", 0.0, 360.0}},
    .apply = apply,
};
