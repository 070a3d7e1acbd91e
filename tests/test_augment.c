/* Rotation and colour equal torchvision's on pictures of Pillow to the bit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/hash.h"
#include "image/adjust.h"

static char *path_of(char path[4096], const char *name)
{
    const char *folder = getenv("GRAFT_TEST_REFERENCE");
    assert_non_null(folder);
    snprintf(path, 4096, "%s/augment/%s", folder, name);
    return path;
}

static uint8_t *open_part(const char *name)
{
    char path[4096];
    uint8_t *data;
    size_t size;
    assert_int_equal(graft_file_read(path_of(path, name), SIZE_MAX, &data, &size), GRAFT_OK);
    return data;
}

static FILE *open_lines(const char *name)
{
    char path[4096];
    FILE *stream = fopen(path_of(path, name), "r");
    assert_non_null(stream);
    return stream;
}

static size_t bytes_of(const graft_image *image)
{
    return (size_t)image->width * (size_t)image->height * 3;
}

static void copy(graft_image *image, const uint8_t *pixels, int width, int height)
{
    assert_int_equal(graft_image_create(image, width, height), GRAFT_OK);
    memcpy(image->pixels, pixels, bytes_of(image));
}

/* ---- One step, or several behind one another ---- */

static const struct adjustment {
    const char *name;
    void (*adjust)(graft_image *image, float factor);
} adjustments[] = {
    {"brightness", graft_image_adjust_brightness},
    {"contrast", graft_image_adjust_contrast},
    {"saturation", graft_image_adjust_saturation},
    {"hue", graft_image_adjust_hue},
};

static const struct adjustment *find_adjustment(const char *name)
{
    for (size_t i = 0; i < 4; i++)
        if (strcmp(adjustments[i].name, name) == 0)
            return &adjustments[i];
    return NULL;
}

static void rotate(graft_image *image, double degrees)
{
    graft_image turned;
    copy(&turned, image->pixels, image->width, image->height);
    memset(turned.pixels, 0xA5, bytes_of(&turned));
    graft_image_rotate(turned.pixels, image, degrees);
    graft_image_dispose(image);
    *image = turned;
}

static void run_chain(graft_image *image, const char *arguments, size_t *expected)
{
    graft_box box;
    graft_image cut;
    graft_transform transform = {.divisor = 255, .filter = GRAFT_BILINEAR};
    int mirror;
    double degrees;
    char order[8];
    float factors[4];
    assert_int_equal(sscanf(arguments, "%d %d %d %d %d %d %lf %7s %f %f %f %f %zu", &box.x, &box.y,
                            &box.width, &box.height, &transform.crop, &mirror, &degrees, order, &factors[0],
                            &factors[1], &factors[2], &factors[3], expected),
                     13);
    transform.resize = transform.crop;
    assert_int_equal(graft_image_create(&cut, transform.crop, transform.crop), GRAFT_OK);
    assert_int_equal(graft_image_fit_box(cut.pixels, image, &box, &transform), GRAFT_OK);
    graft_image_dispose(image);
    *image = cut;
    if (mirror)
        graft_image_mirror(image->pixels, transform.crop, transform.crop);
    rotate(image, degrees);
    for (int i = 0; i < 4; i++)
        adjustments[order[i] - '0'].adjust(image, factors[order[i] - '0']);
}

static void run_case(graft_image *image, const char *name, const char *arguments, size_t *expected)
{
    double number;
    if (strcmp(name, "chain") == 0) {
        run_chain(image, arguments, expected);
        return;
    }
    assert_int_equal(sscanf(arguments, "%lf %zu", &number, expected), 2);
    if (strcmp(name, "rotate") == 0)
        rotate(image, number);
    else
        find_adjustment(name)->adjust(image, (float)number);
}

static void check_case(const char *line, const uint8_t *pool, const uint8_t *outputs)
{
    char name[16];
    size_t at, expected;
    int width, height, length;
    graft_image image;
    assert_int_equal(sscanf(line, "%15s %zu %d %d%n", name, &at, &width, &height, &length), 4);
    copy(&image, pool + at, width, height);
    run_case(&image, name, line + length, &expected);
    for (size_t i = 0; i < bytes_of(&image); i++)
        if (image.pixels[i] != outputs[expected + i])
            fail_msg("%sbyte %zu is %d, should be %d", line, i, image.pixels[i], outputs[expected + i]);
    graft_image_dispose(&image);
}

static void test_steps_equal_torchvisions(void **state)
{
    (void)state;
    uint8_t *pool = open_part("pool.bin"), *outputs = open_part("out.bin");
    FILE *cases = open_lines("cases.txt");
    char line[256];
    int count = 0;
    for (; fgets(line, sizeof line, cases); count++)
        check_case(line, pool, outputs);
    assert_true(count > 700);
    fclose(cases);
    free(pool);
    free(outputs);
}

/* ---- Every colour there is ---- */

static void set_every_colour(graft_image *image)
{
    uint8_t *pixel = image->pixels;
    for (int colour = 0; colour < 1 << 24; colour++, pixel += 3) {
        pixel[0] = (uint8_t)(colour >> 16);
        pixel[1] = (uint8_t)(colour >> 8);
        pixel[2] = (uint8_t)colour;
    }
}

static void test_every_colour_equals_pillows(void **state)
{
    (void)state;
    FILE *lines = open_lines("every.txt");
    char name[16], expected[65], sum[65];
    float factor;
    int count = 0;
    graft_image image;
    assert_int_equal(graft_image_create(&image, 4096, 4096), GRAFT_OK);
    for (; fscanf(lines, "%15s %f %64s", name, &factor, expected) == 3; count++) {
        set_every_colour(&image);
        find_adjustment(name)->adjust(&image, factor);
        graft_sha256(image.pixels, bytes_of(&image), sum);
        assert_string_equal(sum, expected);
    }
    assert_int_equal(count, 5);
    graft_image_dispose(&image);
    fclose(lines);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_steps_equal_torchvisions),
        cmocka_unit_test(test_every_colour_equals_pillows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
