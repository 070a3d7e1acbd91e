/* A box of a JPEG has the same pixels and the same verdict as all of it, however the file is sampled, coded,
 * cut off or turned; scaled decoding is as small as it may be and no smaller. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jpeglib.h>

#include "base/memory.h"
#include "base/random.h"
#include "image/image.h"

/* How a file is made. */
struct form {
    int components, across, down; /* how many pixels share a colour */
    bool progressive;
    int restart; /* rows of blocks between restarts; 0: none */
};

static const struct form forms[] = {
    {3, 1, 1, false, 0}, {3, 2, 1, false, 0}, {3, 1, 2, false, 0}, {3, 2, 2, false, 0}, {3, 4, 1, false, 0},
    {3, 4, 2, false, 0}, {3, 1, 4, false, 0}, {1, 1, 1, false, 0}, {4, 1, 1, false, 0}, {3, 2, 2, false, 1},
    {3, 2, 1, false, 2}, {3, 2, 2, true, 0},  {3, 2, 1, true, 1},  {1, 1, 1, true, 0},
};

enum { FORMS = sizeof forms / sizeof *forms };

struct file {
    uint8_t *bytes;
    unsigned long size;
};

static void fill(uint8_t *row, int size, int y, graft_random *random)
{
    for (int x = 0; x < size; x++)
        row[x] = (uint8_t)(x * 3 + y * 5 + (x / 9 + y / 7) % 2 * 60 + (int)graft_random_below(random, 50));
}

static void set_form(struct jpeg_compress_struct *info, const struct form *form)
{
    const J_COLOR_SPACE spaces[] = {JCS_UNKNOWN, JCS_GRAYSCALE, JCS_UNKNOWN, JCS_RGB, JCS_CMYK};
    info->input_components = form->components;
    info->in_color_space = spaces[form->components];
    jpeg_set_defaults(info);
    jpeg_set_quality(info, 85, TRUE);
    info->comp_info[0].h_samp_factor = form->across;
    info->comp_info[0].v_samp_factor = form->down;
    info->restart_in_rows = form->restart;
    if (form->progressive)
        jpeg_simple_progression(info);
}

static struct file make(const struct form *form, int width, int height, graft_random *random)
{
    struct jpeg_compress_struct info;
    struct jpeg_error_mgr errors;
    struct file file = {NULL, 0};
    uint8_t *row = malloc((size_t)width * 4);
    info.err = jpeg_std_error(&errors);
    jpeg_create_compress(&info);
    jpeg_mem_dest(&info, &file.bytes, &file.size);
    info.image_width = (JDIMENSION)width;
    info.image_height = (JDIMENSION)height;
    set_form(&info, form);
    jpeg_start_compress(&info, TRUE);
    for (int y = 0; y < height; y++) {
        fill(row, width * form->components, y, random);
        jpeg_write_scanlines(&info, &row, 1);
    }
    jpeg_finish_compress(&info);
    jpeg_destroy_compress(&info);
    free(row);
    return file;
}

/* An EXIF block behind the first two bytes. */
static struct file turned(const struct file *file, int orientation)
{
    uint8_t exif[] = {0xFF, 0xE1, 0, 34, 'E', 'x', 'i', 'f', 0, 0, 'M', 'M', 0, 42, 0,
                      0,    0,    8, 0,  1,   1,   18,  0,   3, 0, 0,   0,   1, 0,  (uint8_t)orientation,
                      0,    0,    0, 0,  0,   0};
    struct file out = {malloc(file->size + sizeof exif), file->size + sizeof exif};
    memcpy(out.bytes, file->bytes, 2);
    memcpy(out.bytes + 2, exif, sizeof exif);
    memcpy(out.bytes + 2 + sizeof exif, file->bytes + 2, file->size - 2);
    return out;
}

static graft_box given_box(const void *context, int width, int height)
{
    graft_box box = *(const graft_box *)context;
    assert_true(box.x + box.width <= width && box.y + box.height <= height);
    return box;
}

static graft_box random_box(graft_random *random, int width, int height)
{
    int w = (int)graft_random_below(random, (uint32_t)width) + 1;
    int h = (int)graft_random_below(random, (uint32_t)height) + 1;
    return (graft_box){(int)graft_random_below(random, (uint32_t)(width - w + 1)),
                       (int)graft_random_below(random, (uint32_t)(height - h + 1)), w, h};
}

static void assert_same(const graft_image *all, const graft_part *part, const graft_box *box)
{
    assert_int_equal(part->width, all->width);
    assert_int_equal(part->height, all->height);
    assert_true(part->x <= box->x && part->y <= box->y);
    assert_true(part->x + part->image.width >= box->x + box->width);
    assert_true(part->y + part->image.height >= box->y + box->height);
    for (int y = box->y; y < box->y + box->height; y++)
        assert_memory_equal(
            all->pixels + ((size_t)y * (size_t)all->width + (size_t)box->x) * 3,
            part->image.pixels +
                ((size_t)(y - part->y) * (size_t)part->image.width + (size_t)(box->x - part->x)) * 3,
            (size_t)box->width * 3);
}

static void check_boxes(const struct file *file, graft_random *random, int count)
{
    graft_image all = GRAFT_IMAGE_INIT;
    graft_status status = graft_image_decode(&all, file->bytes, file->size, GRAFT_AS_SEEN);
    for (int i = 0; i < count; i++) {
        graft_box box =
            status == GRAFT_OK ? random_box(random, all.width, all.height) : (graft_box){0, 0, 1, 1};
        if (i == 0)
            box = (graft_box){0, 0, 0, 0};
        graft_wish wish = {given_box, &box, 0};
        graft_part part = {.width = 0};
        assert_int_equal(graft_part_decode(&part, file->bytes, file->size, GRAFT_AS_SEEN, &wish), status);
        if (status == GRAFT_OK)
            assert_same(&all, &part, &box);
        graft_part_dispose(&part);
    }
    graft_image_dispose(&all);
}

static void test_boxes_are_exact(void **state)
{
    (void)state;
    graft_random random = graft_random_stream(1, GRAFT_RANDOM_VIEW, "boxes", 0, 0);
    for (int i = 0; i < FORMS * 8; i++) {
        int width = 1 + (int)graft_random_below(&random, 150),
            height = 1 + (int)graft_random_below(&random, 150);
        struct file file = make(&forms[i % FORMS], width, height, &random);
        check_boxes(&file, &random, 12);
        free(file.bytes);
    }
}

static void test_a_box_of_a_turned_picture(void **state)
{
    (void)state;
    graft_random random = graft_random_stream(2, GRAFT_RANDOM_VIEW, "boxes", 0, 0);
    struct file file = make(&forms[3], 90, 61, &random);
    for (int orientation = 1; orientation <= 8; orientation++) {
        struct file other = turned(&file, orientation);
        check_boxes(&other, &random, 12);
        free(other.bytes);
    }
    free(file.bytes);
}

static void test_damage_has_the_same_verdict(void **state)
{
    (void)state;
    graft_random random = graft_random_stream(3, GRAFT_RANDOM_VIEW, "boxes", 0, 0);
    for (int i = 0; i < FORMS * 30; i++) {
        struct file file = make(&forms[i % FORMS], 70, 85, &random);
        for (uint32_t n = graft_random_below(&random, 4); n > 0; n--)
            file.bytes[graft_random_below(&random, (uint32_t)file.size)] =
                (uint8_t)graft_random_below(&random, 256);
        if (i % 3 == 0)
            file.size = graft_random_below(&random, (uint32_t)file.size);
        if (i % 3 == 1) {
            size_t at = graft_random_below(&random, (uint32_t)file.size - 2);
            file.bytes[at] = 0xFF;
            file.bytes[at + 1] = (uint8_t)graft_random_below(&random, 256);
        }
        graft_image all = GRAFT_IMAGE_INIT;
        check_boxes(&file, &random, 4);
        graft_image_dispose(&all);
        free(file.bytes);
    }
}

static void assert_size(const struct file *file, int least, int width, int height)
{
    graft_wish wish = {.least = least};
    graft_part part = {.width = 0};
    assert_int_equal(graft_part_decode(&part, file->bytes, file->size, GRAFT_AS_SEEN, &wish), GRAFT_OK);
    assert_int_equal(part.width, width);
    assert_int_equal(part.height, height);
    assert_int_equal(part.image.width, width);
    graft_part_dispose(&part);
}

static void test_scaled(void **state)
{
    (void)state;
    graft_random random = graft_random_stream(4, GRAFT_RANDOM_VIEW, "boxes", 0, 0);
    struct file file = make(&forms[3], 330, 161, &random);
    assert_size(&file, 0, 330, 161);
    assert_size(&file, 81, 330, 161);
    assert_size(&file, 80, 165, 81);
    assert_size(&file, 40, 83, 41);
    assert_size(&file, 20, 42, 21);
    assert_size(&file, 1, 42, 21);
    free(file.bytes);
}

/* The pixels of a box do not depend on the box where the picture is decoded smaller either. */
static void test_a_box_of_a_scaled_picture(void **state)
{
    (void)state;
    graft_random random = graft_random_stream(5, GRAFT_RANDOM_VIEW, "boxes", 0, 0);
    for (int i = 0; i < FORMS * 3; i++) {
        struct file file = make(&forms[i % FORMS], 233, 190, &random);
        graft_wish wish = {.least = 20 << i / FORMS};
        graft_part all = {.width = 0}, part = {.width = 0};
        assert_int_equal(graft_part_decode(&all, file.bytes, file.size, GRAFT_AS_SEEN, &wish), GRAFT_OK);
        for (int n = 0; n < 8; n++) {
            graft_box box = random_box(&random, all.width, all.height);
            wish.needs = given_box;
            wish.context = &box;
            assert_int_equal(graft_part_decode(&part, file.bytes, file.size, GRAFT_AS_SEEN, &wish), GRAFT_OK);
            assert_same(&all.image, &part, &box);
            graft_part_dispose(&part);
        }
        graft_part_dispose(&all);
        free(file.bytes);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_boxes_are_exact),
        cmocka_unit_test(test_a_box_of_a_turned_picture),
        cmocka_unit_test(test_damage_has_the_same_verdict),
        cmocka_unit_test(test_scaled),
        cmocka_unit_test(test_a_box_of_a_scaled_picture),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
