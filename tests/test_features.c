/* Kept features: rows by sample and view, that never move and are never written twice. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/memory.h"
#include "data/features.h"

enum { ROW = 3, SAMPLES = 200 };

static void add(graft_features *features, int sample, int view, float value)
{
    const float row[ROW] = {value, value + 0.25F, value + 0.5F};
    assert_int_equal(graft_features_add(features, sample, view, row), GRAFT_OK);
}

static void assert_row(const graft_features *features, int sample, int view, float value)
{
    const float *row = graft_features_find(features, sample, view);
    assert_non_null(row);
    for (int i = 0; i < ROW; i++)
        assert_true(row[i] == value + 0.25F * (float)i);
}

static void test_rows_stay_where_they_are(void **state)
{
    (void)state;
    graft_features *features;
    const float *rows[SAMPLES];
    assert_int_equal(graft_features_create(&features, ROW), GRAFT_OK);
    assert_int_equal(graft_features_reserve(features, SAMPLES), GRAFT_OK);
    assert_int_equal(graft_features_row(features), ROW);
    for (int i = 0; i < SAMPLES; i++) {
        add(features, i, i % 2, (float)i);
        rows[i] = graft_features_find(features, i, i % 2);
    }
    assert_int_equal(graft_features_reserve(features, 10 * SAMPLES), GRAFT_OK);
    assert_int_equal(graft_features_reserve(features, 1), GRAFT_OK);
    for (int i = 0; i < SAMPLES; i++) {
        assert_row(features, i, i % 2, (float)i);
        assert_ptr_equal(graft_features_find(features, i, i % 2), rows[i]);
        assert_null(graft_features_find(features, i, 1 - i % 2));
    }
    assert_null(graft_features_find(features, 10 * SAMPLES - 1, 0));
    assert_int_equal(graft_features_count(features), SAMPLES);
    graft_features_release(features);
    graft_features_release(NULL);
}

static void test_a_row_is_written_once(void **state)
{
    (void)state;
    graft_features *features;
    assert_int_equal(graft_features_create(&features, ROW), GRAFT_OK);
    assert_int_equal(graft_features_reserve(features, 1), GRAFT_OK);
    add(features, 0, 1, 1.0F);
    add(features, 0, 1, 2.0F);
    assert_row(features, 0, 1, 1.0F);
    assert_int_equal(graft_features_count(features), 1);
    graft_features_release(features);
}

static void test_what_has_no_room(void **state)
{
    (void)state;
    graft_features *features;
    const int bad[][2] = {{2, 0}, {-1, 0}, {0, 2}, {0, -1}};
    const float row[ROW] = {0};
    assert_int_equal(graft_features_create(&features, ROW), GRAFT_OK);
    assert_int_equal(graft_features_add(features, 0, 0, row), GRAFT_EINTERNAL);
    assert_int_equal(graft_features_reserve(features, 2), GRAFT_OK);
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(graft_features_add(features, bad[i][0], bad[i][1], row), GRAFT_EINTERNAL);
        assert_null(graft_features_find(features, bad[i][0], bad[i][1]));
    }
    graft_features_release(features);
}

static void test_the_last_release_frees(void **state)
{
    (void)state;
    graft_features *features;
    assert_int_equal(graft_features_create(&features, ROW), GRAFT_OK);
    assert_int_equal(graft_features_reserve(features, 1), GRAFT_OK);
    graft_features *shared = graft_features_share(features);
    add(features, 0, 0, 5.0F);
    graft_features_release(features);
    assert_row(shared, 0, 0, 5.0F); /* the sanitizers know */
    graft_features_release(shared);
}

static graft_status fill(graft_features **features)
{
    graft_status status;
    const float row[ROW] = {0};
    GRAFT_TRY(graft_features_create(features, ROW));
    GRAFT_TRY(graft_features_reserve(*features, SAMPLES));
    for (int i = 0; i < SAMPLES; i++)
        GRAFT_TRY(graft_features_add(*features, i, 0, row));
out:
    return status;
}

static void test_every_allocation_may_fail(void **state)
{
    (void)state;
    graft_status status = GRAFT_EMEMORY;
    long n = 0;
    while (status != GRAFT_OK) {
        graft_features *features = NULL;
        graft_memory_fail_after(++n);
        status = fill(&features);
        graft_memory_fail_after(0);
        assert_true(status == GRAFT_OK || status == GRAFT_EMEMORY);
        graft_features_release(features);
    }
    assert_true(n > 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows_stay_where_they_are),  cmocka_unit_test(test_a_row_is_written_once),
        cmocka_unit_test(test_what_has_no_room),          cmocka_unit_test(test_the_last_release_frees),
        cmocka_unit_test(test_every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
