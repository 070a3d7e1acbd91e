/* Fitting, cropping and normalising equal torchvision's to the bit; random crops have its distribution. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/memory.h"
#include "image/augment.h"
#include "image/normalize.h"

static void open_part(const char *name, uint8_t **data, size_t *size)
{
    char path[4096];
    const char *folder = getenv("GRAFT_TEST_REFERENCE");
    assert_non_null(folder);
    snprintf(path, sizeof path, "%s/images/%s", folder, name);
    assert_int_equal(graft_file_read(path, SIZE_MAX, data, size), GRAFT_OK);
}

static FILE *open_lines(const char *name)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/images/%s", getenv("GRAFT_TEST_REFERENCE"), name);
    FILE *stream = fopen(path, "r");
    assert_non_null(stream);
    return stream;
}

/* ---- fit and fit_box */

static void check_fit(const char *line, uint8_t *pool, const uint8_t *outputs)
{
    size_t at, expected;
    int width, height, filter, boxed = line[0] == 'b';
    graft_box box;
    graft_transform transform = {.divisor = 255};
    if (boxed)
        assert_int_equal(sscanf(line, "box %zu %d %d %d %d %d %d %d %d %zu", &at, &width, &height, &box.x,
                                &box.y, &box.width, &box.height, &transform.crop, &filter, &expected),
                         10);
    else
        assert_int_equal(sscanf(line, "fit %zu %d %d %d %d %d %zu", &at, &width, &height, &transform.resize,
                                &transform.crop, &filter, &expected),
                         7);
    transform.filter = (graft_filter)filter;
    transform.resize = boxed ? transform.crop : transform.resize;
    graft_image image = {width, height, pool + at};
    size_t size = (size_t)transform.crop * (size_t)transform.crop * 3;
    uint8_t *out = malloc(size);
    assert_non_null(out);
    memset(out, 0xA5, size);
    graft_status status =
        boxed ? graft_image_fit_box(out, &image, &box, &transform) : graft_image_fit(out, &image, &transform);
    assert_int_equal(status, GRAFT_OK);
    for (size_t i = 0; i < size; i++)
        if (out[i] != outputs[expected + i])
            fail_msg("%sbyte %zu is %d, should be %d", line, i, out[i], outputs[expected + i]);
    free(out);
}

static void test_fit_equals_torchvision(void **state)
{
    (void)state;
    uint8_t *pool, *outputs;
    size_t pool_size, outputs_size;
    open_part("pool.bin", &pool, &pool_size);
    open_part("out.bin", &outputs, &outputs_size);
    FILE *cases = open_lines("transform.txt");
    char line[256];
    int fits = 0, boxes = 0;
    while (fgets(line, sizeof line, cases)) {
        if (line[0] == 'r')
            continue;
        check_fit(line, pool, outputs);
        fits += line[0] == 'f';
        boxes += line[0] == 'b';
    }
    assert_true(fits > 100 && boxes > 50);
    fclose(cases);
    free(pool);
    free(outputs);
}

static void test_wrong_arguments(void **state)
{
    (void)state;
    uint8_t pixels[12] = {0}, out[12];
    graft_image image = {2, 2, pixels}, nothing = GRAFT_IMAGE_INIT;
    graft_transform transform = {.resize = 2, .crop = 2, .divisor = 255};
    const graft_box outside = {1, 1, 2, 1};
    assert_int_equal(graft_image_fit(out, &nothing, &transform), GRAFT_EARGUMENT);
    assert_int_equal(graft_image_fit_box(out, &image, &outside, &transform), GRAFT_EARGUMENT);
    transform.resize = 0;
    assert_int_equal(graft_image_fit(out, &image, &transform), GRAFT_EARGUMENT);
}

static void test_failing_allocations(void **state)
{
    (void)state;
    uint8_t pixels[20 * 10 * 3] = {0}, out[8 * 8 * 3];
    graft_image image = {20, 10, pixels};
    graft_transform transform = {.resize = 9, .crop = 8, .divisor = 255};
    graft_status status = GRAFT_EMEMORY;
    long n = 0;
    while (status == GRAFT_EMEMORY && n < 100) {
        graft_memory_fail_after(++n);
        status = graft_image_fit(out, &image, &transform);
        graft_memory_fail_after(0);
    }
    assert_int_equal(status, GRAFT_OK);
    assert_true(n > 5);
}

/* ---- mirror and normalize */

static void test_mirror(void **state)
{
    (void)state;
    enum { HEIGHT = 3 };
    for (int width = 1; width <= 5; width++) {
        uint8_t pixels[HEIGHT * 5 * 3];
        for (int i = 0; i < HEIGHT * width * 3; i++)
            pixels[i] = (uint8_t)i;
        graft_image_mirror(pixels, width, HEIGHT);
        for (int y = 0; y < HEIGHT; y++)
            for (int x = 0; x < width; x++)
                for (int c = 0; c < 3; c++)
                    assert_int_equal(pixels[(y * width + x) * 3 + c], (y * width + width - 1 - x) * 3 + c);
    }
}

/* The table of make_images.py. */
static const graft_transform transforms[] = {
    {256,
     224,
     GRAFT_BILINEAR,
     255.0F,
     {0.485F, 0.456F, 0.406F},
     {0.229F, 0.224F, 0.225F},
     GRAFT_DECODE_EXACT},
    {256, 224, GRAFT_BILINEAR, 255.0F, {0.5F, 0.5F, 0.5F}, {0.5F, 0.5F, 0.5F}, GRAFT_DECODE_EXACT},
    {256, 224, GRAFT_BILINEAR, 1.0F, {127.0F, 127.0F, 127.0F}, {128.0F, 128.0F, 128.0F}, GRAFT_DECODE_EXACT},
    {256, 224, GRAFT_BILINEAR, 255.0F, {0.0F, 0.0F, 0.0F}, {1.0F, 1.0F, 1.0F}, GRAFT_DECODE_EXACT},
};

static void test_normalize_equals_torchvision(void **state)
{
    (void)state;
    enum { SIZE = 16, COUNT = 3 * SIZE * SIZE };
    uint8_t *pool, *expected;
    size_t pool_size, expected_size;
    float out[COUNT];
    open_part("pool.bin", &pool, &pool_size);
    open_part("normalize.bin", &expected, &expected_size);
    const size_t kinds = sizeof transforms / sizeof *transforms;
    assert_int_equal(expected_size, kinds * sizeof out);
    for (size_t i = 0; i < kinds; i++) {
        graft_image_normalize(out, pool, SIZE, &transforms[i]);
        assert_memory_equal(out, expected + i * sizeof out, sizeof out);
    }
    free(pool);
    free(expected);
}

/* Every value in every channel, with pixels left over behind the last whole register. */
static void test_normalizers_agree(void **state)
{
    (void)state;
    enum { COUNT = 260 };
    uint8_t pixels[COUNT * 3];
    float plain[COUNT * 3], here[COUNT * 3];
    for (size_t i = 0; i < sizeof pixels; i++)
        pixels[i] = (uint8_t)(i / 3 + i % 3 * 85);
    for (size_t i = 0; i < sizeof transforms / sizeof *transforms; i++)
        for (size_t count = COUNT - 9; count <= COUNT; count++) {
            graft_normalize_plain(plain, pixels, count, &transforms[i]);
            graft_normalizer_here()(here, pixels, count, &transforms[i]);
            assert_memory_equal(here, plain, count * 3 * sizeof *plain);
        }
}

/* ---- Random crops */

enum { MOMENTS = 6, DRAWS = 4000 };

static void measure(const graft_box *box, int width, int height, double out[MOMENTS])
{
    assert_true(box->x >= 0 && box->y >= 0 && box->width > 0 && box->height > 0);
    assert_true(box->x + box->width <= width && box->y + box->height <= height);
    double w = box->width, h = box->height;
    out[0] = w / width;
    out[1] = h / height;
    out[2] = w * h / ((double)width * height);
    out[3] = log(w / h);
    out[4] = (double)box->x / width;
    out[5] = (double)box->y / height;
}

/* Both means err by their standard errors; five of the two together are seen once in a million. */
static void test_random_crops_have_torchvisions_distribution(void **state)
{
    (void)state;
    FILE *lines = open_lines("crops.txt");
    int width, height, cases = 0;
    float lo, hi;
    while (fscanf(lines, "%d %d %f %f", &width, &height, &lo, &hi) == 4) {
        double mean[MOMENTS], error[MOMENTS], sum[MOMENTS] = {0};
        for (int i = 0; i < MOMENTS; i++)
            assert_int_equal(fscanf(lines, "%lf", &mean[i]), 1);
        for (int i = 0; i < MOMENTS; i++)
            assert_int_equal(fscanf(lines, "%lf", &error[i]), 1);
        for (uint32_t draw = 0; draw < DRAWS; draw++) {
            double values[MOMENTS];
            graft_random random = graft_random_stream(3, GRAFT_RANDOM_TEST, NULL, (uint32_t)cases, draw);
            graft_box box = graft_random_crop(&random, width, height, lo, hi);
            measure(&box, width, height, values);
            for (int i = 0; i < MOMENTS; i++)
                sum[i] += values[i] / DRAWS;
        }
        for (int i = 0; i < MOMENTS; i++)
            if (fabs(sum[i] - mean[i]) > 5 * sqrt(2.0) * error[i] + 1e-5)
                fail_msg("%d x %d, moment %d is %g, should be %g (+- %g)", width, height, i, sum[i], mean[i],
                         error[i]);
        cases++;
    }
    assert_true(cases >= 4);
    fclose(lines);
}

static void test_random_crops_of_extreme_pictures(void **state)
{
    (void)state;
    const int sizes[][2] = {{1, 1}, {1, 5000}, {5000, 1}, {3, 2}, {13000, 13000}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (uint32_t draw = 0; draw < 200; draw++) {
            double values[MOMENTS];
            graft_random random = graft_random_stream(3, GRAFT_RANDOM_TEST, NULL, 9, draw);
            graft_box box = graft_random_crop(&random, sizes[i][0], sizes[i][1], 0.5F, 1.0F);
            measure(&box, sizes[i][0], sizes[i][1], values);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fit_equals_torchvision),
        cmocka_unit_test(test_wrong_arguments),
        cmocka_unit_test(test_failing_allocations),
        cmocka_unit_test(test_mirror),
        cmocka_unit_test(test_normalize_equals_torchvision),
        cmocka_unit_test(test_normalizers_agree),
        cmocka_unit_test(test_random_crops_have_torchvisions_distribution),
        cmocka_unit_test(test_random_crops_of_extreme_pictures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
