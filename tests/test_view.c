/* Views are what their steps make of a picture, one behind another, with numbers that depend on the row and
 * the step's word alone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/memory.h"
#include "data/view.h"
#include "image/adjust.h"
#include "image/augment.h"

enum { CROP = 12, BYTES = CROP * CROP * 3 };

static const graft_transform transform = {
    16, CROP, GRAFT_BILINEAR, 255.0F, {0.0F, 0.0F, 0.0F}, {1.0F, 1.0F, 1.0F}, GRAFT_DECODE_EXACT};

static graft_image picture(int width, int height)
{
    graft_image image;
    assert_int_equal(graft_image_create(&image, width, height), GRAFT_OK);
    for (int i = 0; i < width * height * 3; i++)
        image.pixels[i] = (uint8_t)(i * 7 + i / width * 3 + i % 5 * 40);
    return image;
}

static graft_augmentation parsed(const char *text)
{
    graft_augmentation all;
    assert_int_equal(graft_augmentation_parse(&all, text, NULL), GRAFT_OK);
    return all;
}

/* A part with no more than what is wished. */
static graft_part cut_out(const graft_image *image, const graft_wish *wish)
{
    graft_box box = {0, 0, image->width, image->height};
    if (wish->needs)
        box = wish->needs(wish->context, image->width, image->height);
    graft_part part = {GRAFT_IMAGE_INIT, box.x, box.y, image->width, image->height};
    assert_int_equal(graft_image_create(&part.image, box.width, box.height), GRAFT_OK);
    for (int y = 0; y < box.height; y++)
        memcpy(part.image.pixels + (size_t)(y * box.width) * 3,
               image->pixels + (size_t)((box.y + y) * image->width + box.x) * 3, (size_t)box.width * 3);
    return part;
}

static void draw(uint8_t out[BYTES], const char *text, const graft_place *place)
{
    graft_augmentation all = parsed(text);
    graft_part part = {picture(31, 23), 0, 0, 31, 23};
    graft_view view = {graft_view_choose(&all, place), &all, &transform, *place};
    graft_wish wish = graft_view_wish(&view);
    graft_part small = cut_out(&part.image, &wish);
    uint8_t same[BYTES];
    assert_int_equal(graft_view_draw(out, &part, &view), GRAFT_OK);
    assert_int_equal(graft_view_draw(same, &small, &view), GRAFT_OK);
    assert_memory_equal(same, out, BYTES);
    graft_part_dispose(&part);
    graft_part_dispose(&small);
}

/* ---- By hand ---- */

static graft_random stream(const graft_place *place, const char *name)
{
    return graft_random_stream(place->seed, GRAFT_RANDOM_VIEW, name, place->epoch, place->row);
}

static void resize_to(graft_image *image, const graft_box *box)
{
    graft_image cut;
    assert_int_equal(graft_image_create(&cut, CROP, CROP), GRAFT_OK);
    assert_int_equal(box ? graft_image_fit_box(cut.pixels, image, box, &transform)
                         : graft_image_fit(cut.pixels, image, &transform),
                     GRAFT_OK);
    graft_image_dispose(image);
    *image = cut;
}

static void crop(graft_image *image, const graft_place *place, float lo, float hi)
{
    graft_random random = stream(place, "crop 0");
    graft_box box = graft_random_crop(&random, image->width, image->height, lo, hi);
    resize_to(image, &box);
}

static void flip(graft_image *image, const graft_place *place)
{
    graft_random random = stream(place, "flip 0");
    if (graft_random_below(&random, 2))
        graft_image_mirror(image->pixels, image->width, image->height);
}

static void rotate(graft_image *image, const graft_place *place, const char *name, float most)
{
    graft_random random = stream(place, name);
    graft_image turned;
    assert_int_equal(graft_image_create(&turned, image->width, image->height), GRAFT_OK);
    graft_image_rotate(turned.pixels, image, (double)graft_random_angle(&random, most));
    graft_image_dispose(image);
    *image = turned;
}

static void jitter(graft_image *image, const graft_place *place, const double amounts[4])
{
    void (*const adjust[])(graft_image *, float) = {graft_image_adjust_brightness,
                                                    graft_image_adjust_contrast,
                                                    graft_image_adjust_saturation, graft_image_adjust_hue};
    graft_random random = stream(place, "jitter 0");
    graft_jitter drawn = graft_random_jitter(&random, amounts);
    for (int i = 0; i < 4; i++)
        if (amounts[drawn.order[i]] > 0.0)
            adjust[drawn.order[i]](image, drawn.factors[drawn.order[i]]);
}

static void assert_view(const char *text, const graft_place *place, graft_image *expected)
{
    uint8_t out[BYTES];
    draw(out, text, place);
    assert_int_equal(expected->width, CROP);
    assert_int_equal(expected->height, CROP);
    assert_memory_equal(out, expected->pixels, BYTES);
    graft_image_dispose(expected);
}

static void test_steps_run_in_the_order_written(void **state)
{
    (void)state;
    const double amounts[4] = {0.4, 0.4, 0.4, 0.1}, hue[4] = {0.0, 0.0, 0.0, 0.5}, light[4] = {0.5};
    for (uint32_t row = 0; row < 50; row++) {
        const graft_place place = {9, row % 3, row};
        graft_image image = picture(31, 23);
        crop(&image, &place, 0.35F, 1.0F);
        flip(&image, &place);
        rotate(&image, &place, "rotate 0", 15.0F);
        jitter(&image, &place, amounts);
        assert_view("crop(0.35,1) flip rotate(15) jitter(0.4,0.4,0.4,0.1)", &place, &image);

        image = picture(31, 23);
        crop(&image, &place, 0.5F, 1.0F);
        flip(&image, &place);
        assert_view("crop", &place, &image);

        image = picture(31, 23); /* what stands before a crop works on the whole picture */
        jitter(&image, &place, hue);
        rotate(&image, &place, "rotate 0", 90.0F);
        crop(&image, &place, 0.1F, 0.5F);
        assert_view("jitter(0,0,0,0.5) rotate(90) crop(0.1,0.5)", &place, &image);

        image = picture(31, 23); /* without a crop the picture is resized first */
        resize_to(&image, NULL);
        rotate(&image, &place, "rotate 0", 30.0F);
        rotate(&image, &place, "rotate 1", 30.0F);
        jitter(&image, &place, light);
        assert_view("rotate(30) rotate(30) jitter(0.5)", &place, &image);
    }
}

static void test_a_list_of_nothing_but_a_flip_is_exact(void **state)
{
    (void)state;
    const graft_augmentation flips = parsed("flip"), none = parsed("none"), twice = parsed("flip rotate(0)");
    uint8_t exact[BYTES], listed[BYTES];
    int mirrored = 0;
    for (uint32_t row = 0; row < 40; row++) {
        const graft_place place = {4, 1, row};
        assert_int_equal(graft_view_choose(&none, &place), GRAFT_VIEW_PLAIN);
        assert_int_equal(graft_view_choose(&twice, &place), GRAFT_VIEW_RANDOM);
        mirrored += graft_view_choose(&flips, &place) == GRAFT_VIEW_MIRROR;
        draw(exact, "flip", &place); /* mirrored in the same rows as in any other list */
        draw(listed, "flip rotate(0)", &place);
        assert_memory_equal(exact, listed, BYTES);
    }
    assert_in_range(mirrored, 10, 30);
}

static void test_the_row_alone_decides(void **state)
{
    (void)state;
    static const char text[] = "crop(0.35,1) flip rotate(15) jitter(0.4,0.4,0.4,0.1)";
    const graft_place places[] = {{9, 3, 7}, {9, 3, 8}, {9, 4, 7}, {10, 3, 7}};
    uint8_t views[4][BYTES], again[BYTES];
    for (int i = 0; i < 4; i++) {
        draw(views[i], text, &places[i]);
        for (int j = 0; j < i; j++)
            assert_memory_not_equal(views[i], views[j], BYTES);
    }
    draw(again, text, &places[0]);
    assert_memory_equal(again, views[0], BYTES);
}

static void test_no_more_is_wished_than_a_view_needs(void **state)
{
    (void)state;
    const graft_augmentation flip = parsed("flip"), crop = parsed("crop(0.1,0.2)"),
                             late = parsed("rotate(5) crop(0.1,0.2)");
    const graft_view plain = {GRAFT_VIEW_PLAIN, &flip, &transform, {1, 0, 0}};
    const graft_view cropped = {GRAFT_VIEW_RANDOM, &crop, &transform, {1, 0, 0}};
    const graft_view all = {GRAFT_VIEW_RANDOM, &late, &transform, {1, 0, 0}};
    graft_wish wish = graft_view_wish(&plain);
    graft_box box = wish.needs(wish.context, 320, 160); /* 160 becomes 16, of which the crop takes 12 */
    assert_in_range(box.width, 120, 142);
    assert_in_range(box.height, 120, 142);
    assert_in_range(box.x, 89, 100);
    assert_in_range(box.y, 9, 20);
    wish = graft_view_wish(&cropped);
    box = wish.needs(wish.context, 320, 160);
    assert_in_range(box.width * box.height, 320 * 160 / 11, 320 * 160 / 4);
    wish = graft_view_wish(&all);
    assert_null(wish.needs);
    assert_int_equal(wish.least, 0);
    graft_transform scaled = transform;
    scaled.decode = GRAFT_DECODE_SCALED;
    assert_int_equal(graft_wish_fit(&scaled).least, 32);
}

static void test_without_memory(void **state)
{
    (void)state;
    const graft_augmentation all = parsed("rotate(5) crop(0.35,1) rotate(15) jitter(0.4)");
    const graft_view view = {GRAFT_VIEW_RANDOM, &all, &transform, {9, 3, 7}};
    uint8_t out[BYTES];
    graft_status status = GRAFT_EMEMORY;
    long n = 0;
    while (status == GRAFT_EMEMORY && n < 50) {
        graft_part part = {picture(31, 23), 0, 0, 31, 23};
        graft_memory_fail_after(++n);
        status = graft_view_draw(out, &part, &view);
        graft_memory_fail_after(0);
        graft_part_dispose(&part);
    }
    assert_int_equal(status, GRAFT_OK);
    assert_true(n > 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_steps_run_in_the_order_written),
        cmocka_unit_test(test_a_list_of_nothing_but_a_flip_is_exact),
        cmocka_unit_test(test_the_row_alone_decides),
        cmocka_unit_test(test_no_more_is_wished_than_a_view_needs),
        cmocka_unit_test(test_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
