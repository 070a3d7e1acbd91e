/* Augmentations written out, and what is drawn for them. Seeds are fixed, so a test of a distribution passes
 * always or never; its bounds are those that one correct program in a thousand misses. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/memory.h"
#include "image/augment.h"

/* ---- Words ---- */

static graft_augmentation parsed(const char *text)
{
    graft_augmentation all;
    size_t place = 77;
    assert_int_equal(graft_augmentation_parse(&all, text, &place), GRAFT_OK);
    assert_int_equal(place, 77);
    return all;
}

static void assert_prints(const graft_augmentation *all, const char *expected)
{
    char *text;
    assert_int_equal(graft_augmentation_print(&text, all), GRAFT_OK);
    assert_string_equal(text, expected);
    free(text);
}

static void test_lists_are_read(void **state)
{
    (void)state;
    static const char *const texts[][2] = {
        {"none", "none"},
        {"flip", "flip"},
        {"crop", "crop(0.5,1) flip"},
        {" crop ", "crop(0.5,1) flip"},
        {"none ", "none"},
        {"crop(0.35,1)", "crop(0.35,1)"},
        {"crop(0.35,1) flip rotate(15) jitter(0.4,0.4,0.4,0.1)",
         "crop(0.35,1) flip rotate(15) jitter(0.4,0.4,0.4,0.1)"},
        {"  rotate( 7.5 )   crop(0.08, 1.0) ", "rotate(7.5) crop(0.08,1)"},
        {"jitter(0.4)", "jitter(0.4,0,0,0)"},
        {"jitter(0,2,.5)", "jitter(0,2,0.5,0)"},
        {"flip flip", "flip flip"},
        {"crop(1,1) rotate(0) rotate(360) jitter(100,0,0,0.5)",
         "crop(1,1) rotate(0) rotate(360) jitter(100,0,0,0.5)"},
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        graft_augmentation all = parsed(texts[i][0]), again = parsed(texts[i][1]);
        assert_prints(&all, texts[i][1]);
        assert_prints(&again, texts[i][1]);
    }
}

static void test_what_cannot_be_read_is_pointed_at(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t place;
        const char *words;
    } wrong[] = {
        {"", 0, "there is no step here"},
        {"   ", 0, "there is no step here"},
        {"flipp", 0, "\"flipp\" (column 1) is no step of an augmentation; did you mean flip?"},
        {"flip ColorJitter(0.4)", 5, "did you mean jitter?"},
        {"RandomResizedCrop", 0, "did you mean crop?"},
        {"RandomHorizontalFlip()", 0, "did you mean flip?"},
        {"RandomRotation(15)", 0, "did you mean rotate?"},
        {"flip cutmix(1)", 5,
         "\"cutmix\" (column 6) is no step of an augmentation; there are crop, flip, rotate, jitter"},
        {"crop flip", 0, "column 1: this step is written crop(lo,hi)"},
        {"flip crop", 5, "column 6: this step is written crop(lo,hi)"},
        {"flip none", 5, "none stands alone"},
        {"none flip", 0, "none stands alone"},
        {"crop(0.5)", 0, "this step is written crop(lo,hi)"},
        {"crop(0.5,1,2)", 11, "this step is written crop(lo,hi)"},
        {"flip(1)", 0, "this step is written flip"},
        {"rotate", 0, "this step is written rotate(degrees)"},
        {"rotate()", 7, "a number is wanted here"},
        {"rotate(x)", 7, "a number is wanted here"},
        {"rotate(15", 9, "a comma or \")\" is wanted here"},
        {"rotate(15 16)", 10, "a comma or \")\" is wanted here"},
        {"crop(0.5,", 9, "a number is wanted here"},
        {"rotate(15)flip", 10, "a space is wanted between two steps"},
        {"rotate(15),flip", 10, "a space is wanted between two steps"},
        {"rotate(-1)", 7, "degrees is a number from 0 to 360"},
        {"rotate(361)", 7, "from 0 to 360"},
        {"rotate(nan)", 7, "from 0 to 360"},
        {"rotate(inf)", 7, "from 0 to 360"},
        {"flip crop(0,1)", 10, "column 11: crop(lo,hi): lo is a number from 0.001 to 1"},
        {"crop(0.5,1.1)", 9, "hi is a number from 0.001 to 1"},
        {"crop(0.9,0.5)", 9, "column 10: crop(lo,hi): hi is not below lo"},
        {"jitter(0.4,-0.1)", 11, "contrast is a number from 0 to 100"},
        {"jitter(0.4,0.4,101)", 15, "saturation is a number from 0 to 100"},
        {"jitter(0.4,0.4,0.4,0.6)", 19, "hue is a number from 0 to 0.5"},
        {"flip flip flip flip flip flip flip flip flip flip flip flip flip flip flip flip flip", 80,
         "these are too many steps"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        graft_augmentation all = {.count = 5};
        size_t place = 999;
        assert_int_equal(graft_augmentation_parse(&all, wrong[i].text, &place), GRAFT_EARGUMENT);
        assert_int_equal(graft_augmentation_parse(&all, wrong[i].text, NULL), GRAFT_EARGUMENT);
        assert_int_equal(all.count, 5);
        if (place != wrong[i].place || !strstr(graft_error_message(), wrong[i].words))
            fail_msg("\"%s\": place %zu, should be %zu: %s", wrong[i].text, place, wrong[i].place,
                     graft_error_message());
    }
}

static void test_lists_that_nobody_parsed_are_checked(void **state)
{
    (void)state;
    const graft_augmentation wrong[] = {
        {.count = -1},
        {.count = GRAFT_AUGMENT_STEPS + 1},
        {.count = 1},
        {1, {{"blur", {0.0}}}},
        {2, {{"flip", {0.0}}, {"rotate", {400.0}}}},
        {1, {{"crop", {0.5, 0.25}}}},
        {1, {{"jitter", {0.1, 0.1, 0.1, NAN}}}},
    };
    char *text = NULL;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_int_equal(graft_augment_check(&wrong[i]), GRAFT_EARGUMENT);
        assert_int_equal(graft_augmentation_print(&text, &wrong[i]), GRAFT_EARGUMENT);
    }
    assert_null(text);
    assert_int_equal(graft_augment_check(&graft_augment_flips), GRAFT_OK);
    assert_int_equal(graft_augment_check(&graft_augment_crops), GRAFT_OK);
}

static void test_what_is_exact(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int views;
    } lists[] = {{"none", 1},        {"flip", 2},           {" flip ", 2},    {"crop", 0},
                 {"crop(0.5,1)", 0}, {"flip rotate(1)", 0}, {"rotate(0)", 0}, {"flip flip", 0}};
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        graft_augmentation all = parsed(lists[i].text);
        assert_int_equal(graft_augmentation_views(&all), lists[i].views);
    }
    const graft_augmentation nothing = GRAFT_AUGMENTATION_INIT;
    assert_int_equal(graft_augmentation_views(&nothing), 1);
}

static void test_printing_without_memory(void **state)
{
    (void)state;
    graft_augmentation all =
        parsed("crop(0.35,1) flip rotate(15) jitter(0.4,0.4,0.4,0.1) rotate(1) rotate(2)");
    char *text = NULL;
    long n = 0;
    graft_status status = GRAFT_EMEMORY;
    while (status == GRAFT_EMEMORY && n < 20) {
        assert_null(text);
        graft_memory_fail_after(++n);
        status = graft_augmentation_print(&text, &all);
        graft_memory_fail_after(0);
    }
    assert_int_equal(status, GRAFT_OK);
    assert_true(n > 1);
    free(text);
}

/* ---- Draws ---- */

enum { DRAWS = 20000 };

/* The stream that a row of an epoch has, as views make it. */
static graft_random stream(const char *name, int row)
{
    return graft_random_stream(11, GRAFT_RANDOM_VIEW, name, 2, (uint32_t)row);
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Kolmogorov and Smirnov's test against the uniform distribution on [lo, hi]; sorts the values. */
static void assert_uniform(double *values, int count, double lo, double hi, const char *what)
{
    double distance = 0.0;
    qsort(values, (size_t)count, sizeof *values, compare);
    assert_true(values[0] >= lo && values[count - 1] <= hi);
    for (int i = 0; i < count; i++) {
        double share = (values[i] - lo) / (hi - lo);
        distance = fmax(distance, fmax(share - (double)i / count, (double)(i + 1) / count - share));
    }
    if (distance * sqrt(count) > 1.95)
        fail_msg("%s: the distance from uniform in [%g, %g] is %g", what, lo, hi, distance * sqrt(count));
}

static void test_angles_are_uniform(void **state)
{
    (void)state;
    static double angles[DRAWS];
    const float most[] = {15.0F, 180.0F};
    for (size_t k = 0; k < 2; k++) {
        for (int i = 0; i < DRAWS; i++) {
            graft_random random = stream("rotate 0", i);
            angles[i] = (double)graft_random_angle(&random, most[k]);
        }
        assert_uniform(angles, DRAWS, -(double)most[k], (double)most[k], "angle");
    }
    graft_random random = stream("rotate 0", 0);
    assert_true(graft_random_angle(&random, 0.0F) == 0.0F);
}

/* max(0, 1 - b) to 1 + b for three of them, -h to h for the hue. */
static void test_factors_are_uniform(void **state)
{
    (void)state;
    static const struct {
        double amounts[4], lo[4], hi[4];
    } cases[] = {
        {{0.4, 0.4, 0.4, 0.1}, {0.6, 0.6, 0.6, -0.1}, {1.4, 1.4, 1.4, 0.1}},
        {{1.5, 0.125, 1.0, 0.5}, {0.0, 0.875, 0.0, -0.5}, {2.5, 1.125, 2.0, 0.5}},
    };
    static double values[4][DRAWS];
    for (size_t k = 0; k < 2; k++) {
        for (int i = 0; i < DRAWS; i++) {
            graft_random random = stream("jitter 0", i);
            graft_jitter jitter = graft_random_jitter(&random, cases[k].amounts);
            for (int j = 0; j < 4; j++)
                values[j][i] = (double)jitter.factors[j];
        }
        for (int j = 0; j < 4; j++)
            assert_uniform(values[j], DRAWS, cases[k].lo[j] - 1e-7, cases[k].hi[j] + 1e-7, "factor");
    }
}

static void test_factors_do_not_know_each_other(void **state)
{
    (void)state;
    const double amounts[4] = {0.5, 0.5, 0.5, 0.5}, deviation = 1.0 / sqrt(12.0);
    double products[4][4] = {{0}};
    for (int i = 0; i < DRAWS; i++) {
        graft_random random = stream("jitter 0", i);
        graft_jitter jitter = graft_random_jitter(&random, amounts);
        double z[4]; /* mean 0, deviation 1 */
        for (int j = 0; j < 4; j++)
            z[j] = ((double)jitter.factors[j] - (j < 3 ? 1.0 : 0.0)) / deviation;
        for (int j = 0; j < 4; j++)
            for (int k = 0; k < j; k++)
                products[j][k] += z[j] * z[k] / DRAWS;
    }
    for (int j = 0; j < 4; j++)
        for (int k = 0; k < j; k++)
            assert_true(fabs(products[j][k]) * sqrt(DRAWS) < 3.7); /* six of them */
}

/* The 24 orders, each with the first factor below or above 1: 47 degrees of freedom. */
static void test_orders_are_uniform(void **state)
{
    (void)state;
    const double amounts[4] = {0.4, 0.4, 0.4, 0.1};
    int counts[256][2] = {{0}}, orders = 0;
    for (int i = 0; i < DRAWS; i++) {
        graft_random random = stream("jitter 0", i);
        graft_jitter jitter = graft_random_jitter(&random, amounts);
        int order = 0, seen = 0;
        for (int j = 0; j < 4; j++) {
            order = order * 4 + jitter.order[j];
            seen |= 1 << jitter.order[j];
        }
        assert_int_equal(seen, 15);
        counts[order][jitter.factors[0] > 1.0F]++;
    }
    double sum = 0.0, expected = DRAWS / 48.0;
    for (int order = 0; order < 256; order++)
        if (counts[order][0] + counts[order][1] > 0) {
            orders++;
            for (int above = 0; above < 2; above++)
                sum += pow(counts[order][above] - expected, 2) / expected;
        }
    assert_int_equal(orders, 24);
    if (sum > 82.7)
        fail_msg("chi-square is %g", sum);
}

/* Half of the pictures, whatever the rows before: pairs of neighbours, three degrees of freedom. */
static void test_flips_are_fair(void **state)
{
    (void)state;
    int counts[2][2] = {{0}}, before = 0;
    for (int i = 0; i < DRAWS; i++) {
        uint8_t pixels[6] = {1, 1, 1, 2, 2, 2};
        graft_image image = {2, 1, pixels};
        graft_random random = stream("flip 0", i);
        assert_int_equal(graft_augment_flip.apply(&image, NULL, &random, NULL), GRAFT_OK);
        int mirrored = pixels[0] == 2;
        counts[before][mirrored]++;
        before = mirrored;
    }
    double sum = 0.0, expected = DRAWS / 4.0;
    for (int i = 0; i < 4; i++)
        sum += pow(counts[i / 2][i % 2] - expected, 2) / expected;
    if (sum > 16.3)
        fail_msg("chi-square is %g", sum);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lists_are_read),
        cmocka_unit_test(test_what_cannot_be_read_is_pointed_at),
        cmocka_unit_test(test_lists_that_nobody_parsed_are_checked),
        cmocka_unit_test(test_what_is_exact),
        cmocka_unit_test(test_printing_without_memory),
        cmocka_unit_test(test_angles_are_uniform),
        cmocka_unit_test(test_factors_are_uniform),
        cmocka_unit_test(test_factors_do_not_know_each_other),
        cmocka_unit_test(test_orders_are_uniform),
        cmocka_unit_test(test_flips_are_fair),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
