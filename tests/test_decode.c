/* Decoding: every kind of picture equals Pillow's pixels in both sights; what is damaged, cut or too large is
 * a sentence and never a crash. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/random.h"
#include "image/codec.h"

enum { PATH = 4096, SMALL_LIMIT = 1 << 20 };

static void path_to(char out[PATH], const char *name, const char *suffix)
{
    const char *folder = getenv("GRAFT_TEST_REFERENCE");
    assert_non_null(folder);
    snprintf(out, PATH, "%s/images/%s%s", folder, name, suffix);
}

static void read_file(const char *name, const char *suffix, uint8_t **data, size_t *size)
{
    char path[PATH];
    path_to(path, name, suffix);
    assert_int_equal(graft_file_read(path, SIZE_MAX, data, size), GRAFT_OK);
}

/* Calls `check` for every line of decode.txt: "same NAME" or "fail NAME WORDS". */
static int for_each(void (*check)(bool same, const char *name, const char *words))
{
    uint8_t *text;
    size_t size;
    int count = 0;
    read_file("decode.txt", "", &text, &size);
    assert_true(size > 0 && text[size - 1] == '\n');
    text[size - 1] = 0;
    char *rest = NULL;
    for (char *line = strtok_r((char *)text, "\n", &rest); line;
         line = strtok_r(NULL, "\n", &rest), count++) {
        char *name = line + 5, *words = strchr(name, ' ');
        if (words)
            *words++ = 0;
        check(line[0] == 's', name, words ? words : "");
    }
    free(text);
    return count;
}

/* ---- Pixels */

static void check_sight(const char *name, const uint8_t *bytes, size_t size, graft_sight sight)
{
    uint8_t *expected;
    size_t expected_size;
    graft_image image = GRAFT_IMAGE_INIT;
    if (graft_image_decode(&image, bytes, size, sight) != GRAFT_OK)
        fail_msg("%s: %s", name, graft_error_message());
    read_file(name, sight == GRAFT_AS_SEEN ? ".seen" : ".pillow", &expected, &expected_size);
    char header[40];
    int length = snprintf(header, sizeof header, "%d %d\n", image.width, image.height);
    size_t pixels = (size_t)image.width * (size_t)image.height * 3;
    if (expected_size != pixels + (size_t)length || memcmp(expected, header, (size_t)length) != 0)
        fail_msg("%s: %.9s came where %.9s were expected", name, header, (char *)expected);
    for (size_t i = 0; i < pixels; i++)
        if (image.pixels[i] != expected[(size_t)length + i])
            fail_msg("%s, %s: byte %zu is %d, should be %d", name, sight == GRAFT_AS_SEEN ? "seen" : "pillow",
                     i, image.pixels[i], expected[(size_t)length + i]);
    free(expected);
    graft_image_dispose(&image);
}

static void check_pixels(bool same, const char *name, const char *words)
{
    (void)words;
    if (!same)
        return;
    uint8_t *bytes;
    size_t size;
    read_file(name, "", &bytes, &size);
    check_sight(name, bytes, size, GRAFT_AS_SEEN);
    check_sight(name, bytes, size, GRAFT_AS_PILLOW);
    free(bytes);
}

static void test_pixels_equal_pillow(void **state)
{
    (void)state;
    assert_true(for_each(check_pixels) > 200);
}

/* ---- Refusals */

static void check_refusal(bool same, const char *name, const char *words)
{
    if (same)
        return;
    uint8_t *bytes;
    size_t size;
    read_file(name, "", &bytes, &size);
    for (int sight = GRAFT_AS_SEEN; sight <= GRAFT_AS_PILLOW; sight++) {
        graft_image image = {-1, -2, NULL};
        if (graft_image_decode(&image, bytes, size, (graft_sight)sight) != GRAFT_EFORMAT)
            fail_msg("%s was not refused", name);
        if (!strstr(graft_error_message(), words))
            fail_msg("%s: \"%s\" does not contain \"%s\"", name, graft_error_message(), words);
        assert_int_equal(image.width, -1);
        assert_int_equal(image.height, -2);
    }
    free(bytes);
}

static void test_bad_pictures_are_refused_with_their_cause(void **state)
{
    (void)state;
    assert_true(for_each(check_refusal) > 30);
}

static void test_a_file_is_named(void **state)
{
    (void)state;
    char path[PATH];
    graft_image image = GRAFT_IMAGE_INIT;
    path_to(path, "cut_50.webp", "");
    assert_int_equal(graft_image_read(&image, path, GRAFT_AS_SEEN), GRAFT_EFORMAT);
    assert_non_null(strstr(graft_error_message(), "cut_50.webp: ends early"));
    path_to(path, "no such file", "");
    assert_int_equal(graft_image_read(&image, path, GRAFT_AS_SEEN), GRAFT_EIO);
    path_to(path, "one.png", "");
    assert_int_equal(graft_image_read(&image, path, GRAFT_AS_SEEN), GRAFT_OK);
    assert_int_equal(image.width * image.height, 1);
    graft_image_dispose(&image);
}

/* ---- Damage: nothing may crash, leak or leave a picture behind a failure. Worth running under sanitizers.
 */

static graft_status decode_small(const uint8_t *bytes, size_t size, graft_sight sight)
{
    graft_part part = {.width = 0};
    graft_encoded encoded = {bytes, size, sight, SMALL_LIMIT, NULL};
    graft_status status = graft_part_decode_limited(&part, &encoded);
    assert_true((status == GRAFT_OK) == (part.image.pixels != NULL));
    graft_part_dispose(&part);
    return status;
}

/* In a block of its exact size, so that a sanitizer sees one byte too many. */
static void decode_copy(const uint8_t *bytes, size_t size, graft_sight sight)
{
    uint8_t *copy = malloc(size ? size : 1);
    assert_non_null(copy);
    memcpy(copy, bytes, size);
    decode_small(copy, size, sight);
    free(copy);
}

static void cut_everywhere(bool same, const char *name, const char *words)
{
    (void)words;
    if (!same)
        return;
    uint8_t *bytes;
    size_t size;
    read_file(name, "", &bytes, &size);
    size_t step = size / 40 + 1;
    for (size_t length = 0; length < size; length += length < 200 ? 1 + step / 4 : step)
        decode_copy(bytes, length, length % 2 ? GRAFT_AS_SEEN : GRAFT_AS_PILLOW);
    free(bytes);
}

static void test_cut_files_never_crash(void **state)
{
    (void)state;
    for_each(cut_everywhere);
}

static void mutate(bool same, const char *name, const char *words)
{
    (void)same, (void)words;
    uint8_t *bytes;
    size_t size;
    read_file(name, "", &bytes, &size);
    graft_random random = graft_random_stream(7, GRAFT_RANDOM_TEST, name, 0, 0);
    for (int round = 0; round < 30 && size > 0; round++) {
        uint8_t *copy = malloc(size);
        assert_non_null(copy);
        memcpy(copy, bytes, size);
        for (uint32_t i = graft_random_below(&random, 6) + 1; i > 0; i--) { /* headers more often */
            uint32_t range = (uint32_t)(graft_random_below(&random, 2) && size > 100 ? 100 : size);
            copy[graft_random_below(&random, range)] = (uint8_t)graft_random_bits(&random);
        }
        decode_small(copy, size, round % 2 ? GRAFT_AS_SEEN : GRAFT_AS_PILLOW);
        free(copy);
    }
    free(bytes);
}

static void test_mutated_files_never_crash(void **state)
{
    (void)state;
    for_each(mutate);
}

static void fail_allocations(bool same, const char *name, const char *words)
{
    (void)words;
    if (!same)
        return;
    uint8_t *bytes;
    size_t size;
    read_file(name, "", &bytes, &size);
    for (long n = 1;; n++) {
        graft_memory_fail_after(n);
        graft_status status = decode_small(bytes, size, GRAFT_AS_SEEN);
        graft_memory_fail_after(0);
        assert_true(n > 1 || status == GRAFT_EMEMORY);
        if (status == GRAFT_OK)
            break;
        assert_int_equal(status, GRAFT_EMEMORY);
        assert_true(n < 20);
    }
    free(bytes);
}

static void test_failing_allocations(void **state)
{
    (void)state;
    for_each(fail_allocations);
}

/* ---- Views of pixels */

static void test_copy_of_pixels(void **state)
{
    (void)state;
    const uint8_t pixels[2][8] = {{1, 2, 3, 4, 5, 6, 99, 99}, {7, 8, 9, 10, 11, 12, 99, 99}};
    const uint8_t downwards[12] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
    const uint8_t upwards[12] = {7, 8, 9, 10, 11, 12, 1, 2, 3, 4, 5, 6};
    graft_part part = {.width = 0};
    graft_picture picture = graft_picture_rgb(pixels[0], 2, 2, 8);
    assert_int_equal(graft_part_copy(&part, &picture, GRAFT_AS_SEEN, NULL), GRAFT_OK);
    assert_memory_equal(part.image.pixels, downwards, sizeof downwards);
    graft_part_dispose(&part);
    picture = graft_picture_rgb(pixels[1], 2, 2, -8);
    assert_int_equal(graft_part_copy(&part, &picture, GRAFT_AS_SEEN, NULL), GRAFT_OK);
    assert_memory_equal(part.image.pixels, upwards, sizeof upwards);
    graft_part_dispose(&part);
    picture = graft_picture_rgb(pixels[0], 2, 2, 5);
    assert_int_equal(graft_part_copy(&part, &picture, GRAFT_AS_SEEN, NULL), GRAFT_EARGUMENT);
    picture = graft_picture_rgb(pixels[0], 2, -1, 8);
    assert_int_equal(graft_part_copy(&part, &picture, GRAFT_AS_SEEN, NULL), GRAFT_EARGUMENT);
    picture = graft_picture_encoded("P6 1 1 255 abc", 14);
    assert_int_equal(graft_part_copy(&part, &picture, GRAFT_AS_SEEN, NULL), GRAFT_OK);
    assert_memory_equal(part.image.pixels, "abc", 3);
    graft_part_dispose(&part);
}

static void test_size_limits(void **state)
{
    (void)state;
    graft_image image = GRAFT_IMAGE_INIT;
    assert_int_equal(graft_image_create(&image, 13378, 13378), GRAFT_EFORMAT); /* one row above the limit */
    assert_int_equal(graft_image_create(&image, INT32_MAX, INT32_MAX), GRAFT_EFORMAT);
    assert_int_equal(graft_image_create(&image, 0, 5), GRAFT_EFORMAT);
    assert_int_equal(graft_image_create(&image, 5, -1), GRAFT_EFORMAT);
    assert_null(image.pixels);
}

/* ---- EXIF */

static void test_exif(void **state)
{
    (void)state;
    const uint8_t plain[] = "II*\0\10\0\0\0\1\0\22\1\3\0\1\0\0\0\6\0\0\0";
    const size_t size = sizeof plain - 1;
    assert_int_equal(graft_exif_orientation(plain, size), 6);
    for (size_t length = 0; length < size; length++) {
        uint8_t *cut = malloc(length + 1);
        assert_non_null(cut);
        memcpy(cut, plain, length);
        assert_int_equal(graft_exif_orientation(cut, length), 1);
        free(cut);
    }
    const uint8_t outside[] = "II*\0\10\0\0\0\1\0\22\1\3\0\3\0\0\0\377\377\377\377";
    assert_int_equal(graft_exif_orientation(outside, sizeof outside - 1), 1);
    const uint8_t far[] = "MM\0*\377\377\377\377\0\1\1\22\0\3\0\0\0\1\0\6\0\0";
    assert_int_equal(graft_exif_orientation(far, sizeof far - 1), 1);
    const uint8_t nine[] = "MM\0*\0\0\0\10\0\1\1\22\0\3\0\0\0\1\0\11\0\0";
    assert_int_equal(graft_exif_orientation(nine, sizeof nine - 1), 1);
    const uint8_t offset[] = "MM\0*\0\0\0\10\0\1\1\22\0\3\0\0\0\3\0\0\0\26\0\10\0\1\0\1";
    assert_int_equal(graft_exif_orientation(offset, sizeof offset - 1), 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pixels_equal_pillow),
        cmocka_unit_test(test_bad_pictures_are_refused_with_their_cause),
        cmocka_unit_test(test_a_file_is_named),
        cmocka_unit_test(test_cut_files_never_crash),
        cmocka_unit_test(test_mutated_files_never_crash),
        cmocka_unit_test(test_failing_allocations),
        cmocka_unit_test(test_copy_of_pixels),
        cmocka_unit_test(test_size_limits),
        cmocka_unit_test(test_exif),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
