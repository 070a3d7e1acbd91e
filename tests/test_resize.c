/* Resampling equals Pillow's to the bit, whole or in part. */
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
#include "image/resize.h"

struct fixture {
    uint8_t *pool, *out;
    size_t pool_size, out_size;
    FILE *cases;
};

static void open_part(const char *name, uint8_t **data, size_t *size)
{
    char path[4096];
    const char *folder = getenv("GRAFT_TEST_REFERENCE");
    assert_non_null(folder);
    snprintf(path, sizeof path, "%s/images/%s", folder, name);
    assert_int_equal(graft_file_read(path, SIZE_MAX, data, size), GRAFT_OK);
}

static int setup(void **state)
{
    static struct fixture fixture;
    char path[4096];
    open_part("pool.bin", &fixture.pool, &fixture.pool_size);
    open_part("out.bin", &fixture.out, &fixture.out_size);
    snprintf(path, sizeof path, "%s/images/transform.txt", getenv("GRAFT_TEST_REFERENCE"));
    fixture.cases = fopen(path, "r");
    assert_non_null(fixture.cases);
    *state = &fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    free(fixture->pool);
    free(fixture->out);
    fclose(fixture->cases);
    return 0;
}

/* Pixels in a block of their exact size, so that a sanitizer sees one byte too many. */
static uint8_t *copy_part(const graft_image *image, const graft_box *part)
{
    size_t row = (size_t)part->width * 3;
    uint8_t *pixels = malloc(row * (size_t)part->height);
    assert_non_null(pixels);
    for (int y = 0; y < part->height; y++)
        memcpy(pixels + (size_t)y * row,
               image->pixels + ((size_t)(part->y + y) * (size_t)image->width + (size_t)part->x) * 3, row);
    return pixels;
}

/* Parts of the output, each computed alone from the pixels that it needs, equal the same part of the whole.
 */
static void check_parts(const graft_image *image, const graft_box *box, const graft_image *whole,
                        graft_filter filter, const graft_resampler *resampler)
{
    int kept_width = (whole->width + 1) / 2, kept_height = (whole->height + 2) / 3;
    uint8_t *part = malloc((size_t)kept_width * (size_t)kept_height * 3);
    assert_non_null(part);
    for (int corner = 0; corner < 4; corner++) {
        int x = corner % 2 ? whole->width - kept_width : 0, y = corner / 2 ? whole->height - kept_height : 0;
        graft_resampling how = {*box, whole->width, whole->height, x, y, kept_width, kept_height, filter};
        graft_box needed = graft_resampling_needs(&how, image->width, image->height);
        uint8_t *pixels = copy_part(image, &needed);
        graft_window window = {pixels, (size_t)needed.width * 3, image->width, image->height, needed};
        assert_int_equal(graft_window_resample(part, (size_t)kept_width * 3, &window, &how, resampler),
                         GRAFT_OK);
        for (int row = 0; row < kept_height; row++)
            assert_memory_equal(part + (size_t)row * (size_t)kept_width * 3,
                                whole->pixels + ((size_t)(y + row) * (size_t)whole->width + (size_t)x) * 3,
                                (size_t)kept_width * 3);
        free(pixels);
    }
    free(part);
}

static void check_case(const struct fixture *fixture, const char *line)
{
    size_t at, expected;
    int width, height, new_width, new_height, filter;
    graft_box box;
    assert_int_equal(sscanf(line, "resize %zu %d %d %d %d %d %d %d %d %d %zu", &at, &width, &height, &box.x,
                            &box.y, &box.width, &box.height, &new_width, &new_height, &filter, &expected),
                     11);
    graft_image image = {width, height, fixture->pool + at}, out = GRAFT_IMAGE_INIT;
    assert_int_equal(graft_image_resize(&out, &image, &box, new_width, new_height, (graft_filter)filter),
                     GRAFT_OK);
    assert_int_equal(out.width, new_width);
    assert_int_equal(out.height, new_height);
    size_t size = (size_t)new_width * (size_t)new_height * 3;
    assert_true(expected + size <= fixture->out_size);
    for (size_t i = 0; i < size; i++)
        if (out.pixels[i] != fixture->out[expected + i])
            fail_msg("%sbyte %zu is %d, should be %d", line, i, out.pixels[i], fixture->out[expected + i]);
    for (const graft_resampler *const *all = graft_resamplers(); *all; all++)
        if ((*all)->runs_here())
            check_parts(&image, &box, &out, (graft_filter)filter, *all);
    graft_image_dispose(&out);
}

static void test_equals_pillow(void **state)
{
    struct fixture *fixture = *state;
    char line[256];
    int count = 0;
    while (fgets(line, sizeof line, fixture->cases))
        if (strncmp(line, "resize ", 7) == 0) {
            check_case(fixture, line);
            count++;
        }
    assert_true(count > 200);
}

/* Extreme pixels, many weights, rows whose size is no multiple of any register's. */
static void test_resamplers_agree(void **state)
{
    (void)state;
    enum { WIDTH = 211, HEIGHT = 97, MOST = 3 * 300 * 130 };
    static uint8_t pixels[WIDTH * HEIGHT * 3], plain[MOST], other[MOST];
    for (size_t i = 0; i < sizeof pixels; i++)
        pixels[i] = (uint8_t)(i % 7 < 3 ? 255 : i % 11 < 4 ? 0 : i * 2654435761U >> 7);
    const int sizes[][2] = {{1, 1}, {3, 2}, {22, 97}, {211, 9}, {150, 61}, {299, 130}};
    graft_window window = {pixels, WIDTH * 3, WIDTH, HEIGHT, {0, 0, WIDTH, HEIGHT}};
    for (size_t i = 0; i < 2 * sizeof sizes / sizeof *sizes; i++) {
        int width = sizes[i / 2][0], height = sizes[i / 2][1];
        graft_resampling how = {{0, 0, WIDTH, HEIGHT},
                                width,
                                height,
                                0,
                                0,
                                width,
                                height,
                                i % 2 ? GRAFT_BICUBIC : GRAFT_BILINEAR};
        size_t stride = (size_t)width * 3;
        assert_int_equal(graft_window_resample(plain, stride, &window, &how, &graft_resampler_plain),
                         GRAFT_OK);
        for (const graft_resampler *const *all = graft_resamplers(); *all; all++) {
            if (!(*all)->runs_here())
                continue;
            assert_int_equal(graft_window_resample(other, stride, &window, &how, *all), GRAFT_OK);
            assert_memory_equal(other, plain, stride * (size_t)height);
        }
    }
}

static void test_box_outside_is_refused(void **state)
{
    struct fixture *fixture = *state;
    graft_image image = {10, 8, fixture->pool}, out = GRAFT_IMAGE_INIT;
    const graft_box boxes[] = {
        {-1, 0, 5, 5}, {0, 0, 11, 8}, {0, 0, 0, 8}, {5, 5, 5, 4}, {INT32_MAX, 0, 1, 1}};
    for (size_t i = 0; i < sizeof boxes / sizeof *boxes; i++)
        assert_int_equal(graft_image_resize(&out, &image, &boxes[i], 3, 3, GRAFT_BILINEAR), GRAFT_EARGUMENT);
    assert_null(out.pixels);
}

static void test_failing_allocations(void **state)
{
    struct fixture *fixture = *state;
    graft_image image = {40, 30, fixture->pool}, out = GRAFT_IMAGE_INIT;
    const graft_box box = {0, 0, 40, 30};
    graft_status status = GRAFT_EMEMORY;
    long n = 0;
    while (status == GRAFT_EMEMORY && n < 100) {
        graft_memory_fail_after(++n);
        status = graft_image_resize(&out, &image, &box, 17, 13, GRAFT_BICUBIC);
        graft_memory_fail_after(0);
        assert_true((status == GRAFT_OK) == (out.pixels != NULL));
    }
    assert_int_equal(status, GRAFT_OK);
    assert_true(n > 5);
    graft_image_dispose(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_equals_pillow),
        cmocka_unit_test(test_resamplers_agree),
        cmocka_unit_test(test_box_outside_is_refused),
        cmocka_unit_test(test_failing_allocations),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
