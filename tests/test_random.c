/* Random numbers: Philox by known answers, what is drawn from it by its distribution. Seeds are fixed, so a
 * test of a distribution passes always or never. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <math.h>

#include "base/random.h"

/* Random123's kat_vectors, philox4x32 with 10 rounds. */
static void test_known_answers(void **state)
{
    static const struct {
        uint32_t counter[4], key[2], out[4];
    } known[] = {
        {{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
        {{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff},
         {0xffffffff, 0xffffffff},
         {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
        {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
         {0xa4093822, 0x299f31d0},
         {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
    };
    (void)state;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        uint32_t out[4];
        graft_philox(out, known[i].counter, known[i].key);
        assert_memory_equal(out, known[i].out, sizeof out);
    }
}

/* Blocks in one call, and uniform numbers in one, are those of as many calls, wherever a stream stands. */
static void test_many_at_once(void **state)
{
    static const uint32_t counter[4] = {0xfffffff0, 3, 5, 7}, key[2] = {11, 13};
    static uint32_t blocks[4 * 77];
    static float values[2000];
    (void)state;
    graft_philox_blocks(blocks, counter, key, 77);
    for (uint32_t i = 0; i < 77; i++) {
        const uint32_t at[4] = {counter[0] + i, 3, 5, 7};
        uint32_t one[4];
        graft_philox(one, at, key);
        assert_memory_equal(one, blocks + 4 * i, sizeof one);
    }
    for (int skipped = 0; skipped < 6; skipped++)
        for (int count = 0; count < 2000; count += 271) {
            graft_random a = graft_random_stream(7, GRAFT_RANDOM_TEST, "x", 3, 4), b;
            for (int i = 0; i < skipped; i++)
                graft_random_bits(&a);
            b = a;
            graft_random_uniforms(&a, values, count);
            for (int i = 0; i < count; i++)
                assert_true(values[i] == graft_random_uniform(&b));
            assert_int_equal(graft_random_bits(&a), graft_random_bits(&b));
        }
}

static void test_a_stream_is_a_function_of_its_name(void **state)
{
    (void)state;
    graft_random a = graft_random_stream(7, GRAFT_RANDOM_TEST, "x", 3, 4);
    const graft_random others[] = {
        graft_random_stream(8, GRAFT_RANDOM_TEST, "x", 3, 4),
        graft_random_stream(7 + (UINT64_C(1) << 32), GRAFT_RANDOM_TEST, "x", 3, 4),
        graft_random_stream(7, GRAFT_RANDOM_VIEW, "x", 3, 4),
        graft_random_stream(7, GRAFT_RANDOM_TEST, "y", 3, 4),
        graft_random_stream(7, GRAFT_RANDOM_TEST, NULL, 3, 4),
        graft_random_stream(7, GRAFT_RANDOM_TEST, "x", 2, 4),
        graft_random_stream(7, GRAFT_RANDOM_TEST, "x", 3, 5),
    };
    graft_random same = graft_random_stream(7, GRAFT_RANDOM_TEST, "x", 3, 4);
    uint32_t first[9];
    for (int i = 0; i < 9; i++)
        first[i] = graft_random_bits(&a);
    for (int i = 0; i < 9; i++)
        assert_int_equal(graft_random_bits(&same), first[i]);
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        graft_random other = others[i];
        int equal = 0;
        for (int j = 0; j < 9; j++)
            equal += graft_random_bits(&other) == first[j];
        assert_int_equal(equal, 0);
    }
}

/* Multiply and shift alone would give every third number of 0..3 * 2^30 - 1 twice as often. */
static void test_below_is_fair(void **state)
{
    (void)state;
    graft_random random = graft_random_stream(1, GRAFT_RANDOM_TEST, "below", 0, 0);
    enum { DRAWS = 30000 };
    int counts[3] = {0};
    for (int i = 0; i < DRAWS; i++) {
        uint32_t value = graft_random_below(&random, UINT32_C(3) << 30);
        assert_true(value < UINT32_C(3) << 30);
        counts[value % 3]++;
    }
    for (int i = 0; i < 3; i++)
        assert_in_range(counts[i], DRAWS / 3 - 300, DRAWS / 3 + 300); /* 3.7 deviations */
    for (int i = 0; i < 100; i++)
        assert_int_equal(graft_random_below(&random, 1), 0);
}

static void test_uniform_and_normal(void **state)
{
    (void)state;
    enum { DRAWS = 100000 };
    graft_random random = graft_random_stream(2, GRAFT_RANDOM_TEST, "moments", 0, 0);
    double sum = 0, squares = 0, normal[5] = {0};
    for (int i = 0; i < DRAWS; i++) {
        float u = graft_random_uniform(&random);
        assert_true(u >= 0.0F && u < 1.0F);
        sum += u;
        squares += (double)u * u;
        double z = graft_random_normal(&random), power = 1;
        for (int k = 1; k < 5; k++)
            normal[k] += power *= z;
    }
    assert_true(fabs(sum / DRAWS - 0.5) < 0.004);
    assert_true(fabs(squares / DRAWS - 1.0 / 3.0) < 0.004);
    assert_true(fabs(normal[1] / DRAWS) < 0.013);
    assert_true(fabs(normal[2] / DRAWS - 1.0) < 0.018);
    assert_true(fabs(normal[3] / DRAWS) < 0.05);
    assert_true(fabs(normal[4] / DRAWS - 3.0) < 0.13);
}

/* All 24 orders of four things come equally often. */
static void test_shuffle_is_fair(void **state)
{
    (void)state;
    enum { DRAWS = 24000 };
    graft_random random = graft_random_stream(3, GRAFT_RANDOM_TEST, "shuffle", 0, 0);
    int counts[256] = {0}, orders = 0;
    double chi = 0;
    for (int i = 0; i < DRAWS; i++) {
        int values[] = {0, 1, 2, 3};
        graft_random_shuffle(&random, values, 4);
        counts[values[0] << 6 | values[1] << 4 | values[2] << 2 | values[3]]++;
    }
    for (int i = 0; i < 256; i++)
        if (counts[i] > 0) {
            orders++;
            chi += (counts[i] - 1000.0) * (counts[i] - 1000.0) / 1000.0;
        }
    assert_int_equal(orders, 24);
    assert_true(chi < 49.7); /* 23 degrees of freedom: .1 % */
}

/* FNV-1a's published values. */
static void test_hash(void **state)
{
    (void)state;
    assert_true(graft_hash_text("", GRAFT_HASH_START) == UINT64_C(0xcbf29ce484222325));
    assert_true(graft_hash_text("a", GRAFT_HASH_START) == UINT64_C(0xaf63dc4c8601ec8c));
    assert_true(graft_hash_text("foobar", GRAFT_HASH_START) == UINT64_C(0x85944171f73967e8));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_answers),
        cmocka_unit_test(test_many_at_once),
        cmocka_unit_test(test_a_stream_is_a_function_of_its_name),
        cmocka_unit_test(test_below_is_fair),
        cmocka_unit_test(test_uniform_and_normal),
        cmocka_unit_test(test_shuffle_is_fair),
        cmocka_unit_test(test_hash),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
