/* Distances, near words, globs, UTF-8. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/text.h"

static void test_distance(void **state)
{
    static const struct {
        const char *a, *b;
        int distance;
    } cases[] = {
        {"", "", 0},           {"abc", "", 3},         {"abc", "abc", 0}, {"abc", "abd", 1},
        {"abc", "acb", 1},     {"ca", "abc", 3},       {"abc", "ab", 1},  {"kitten", "sitting", 3},
        {"batch", "bacth", 1}, {"epochs", "epoch", 1}, {"a", "b", 1},     {"momentum", "mometnum", 1},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(graft_text_distance(cases[i].a, cases[i].b), cases[i].distance);
        assert_int_equal(graft_text_distance(cases[i].b, cases[i].a), cases[i].distance);
    }
}

static void test_distance_of_long_names(void **state)
{
    char a[200], b[200];
    (void)state;
    memset(a, 'a', sizeof a);
    memset(b, 'b', sizeof b);
    a[199] = b[199] = 0;
    assert_int_equal(graft_text_distance(a, b), 63);
    assert_int_equal(graft_text_distance(a, a), 0);
}

static void test_nearest(void **state)
{
    static const char *const words[] = {"epochs", "batch", "lr", "warmup", "batch-norm"};
    (void)state;
    assert_string_equal(graft_text_nearest("bacth", words, 5), "batch");
    assert_string_equal(graft_text_nearest("epoch", words, 5), "epochs");
    assert_string_equal(graft_text_nearest("batch_norm", words, 5), "batch-norm");
    assert_string_equal(graft_text_nearest("rl", words, 5), "lr");
    assert_null(graft_text_nearest("imgsz", words, 5));
    assert_null(graft_text_nearest("lr", words, 0));
}

static void test_globs(void **state)
{
    static const struct {
        const char *pattern, *text;
        bool matches;
    } cases[] = {
        {"*", "", true},
        {"*", "a.b.c", true},
        {"a*", "a", true},
        {"*c", "a.b.c", true},
        {"a*c", "a.b.c", true},
        {"a*b", "a.b.c", false},
        {"*.b.*", "a.b.c", true},
        {"*.b.*", "a.c", false},
        {"a", "a", true},
        {"a", "ab", false},
        {"", "", true},
        {"", "a", false},
        {"*ab*ab", "abaab", true},
        {"*ab*ab", "abab", true},
        {"*ab*ab", "aba", false},
        {"**", "anything", true},
        {"a*b*c", "abbbcc", true},
        {"_blocks.*._bn0", "_blocks.12._bn0", true},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (graft_text_matches(cases[i].pattern, cases[i].text) != cases[i].matches)
            fail_msg("%s on %s", cases[i].pattern, cases[i].text);
}

static void test_starts_and_ends(void **state)
{
    (void)state;
    assert_true(graft_text_starts("module.fc", "module."));
    assert_false(graft_text_starts("mod", "module."));
    assert_true(graft_text_ends("fc.weight", ".weight"));
    assert_false(graft_text_ends("ght", ".weight"));
    assert_true(graft_text_starts("x", "") && graft_text_ends("x", ""));
}

static void test_utf8(void **state)
{
    static const char *const good[] = {"",
                                       "plain",
                                       "\xc2\x80",
                                       "\xdf\xbf",
                                       "\xe0\xa0\x80",
                                       "\xed\x9f\xbf",
                                       "\xee\x80\x80",
                                       "\xef\xbf\xbf",
                                       "\xf0\x90\x80\x80",
                                       "\xf4\x8f\xbf\xbf"};
    static const char *const bad[] = {"\x80",
                                      "\xbf",
                                      "\xc0\x80",
                                      "\xc1\xbf",
                                      "\xe0\x9f\xbf",
                                      "\xed\xa0\x80",
                                      "\xf0\x8f\xbf\xbf",
                                      "\xf4\x90\x80\x80",
                                      "\xf5\x80\x80\x80",
                                      "\xfe",
                                      "\xff",
                                      "a\xc3",
                                      "\xe2\x82",
                                      "\xf0\x90\x80",
                                      "\xc3(",
                                      "\xe2(\xa1",
                                      "\xe2\x82("};
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        if (!graft_text_is_utf8(good[i], strlen(good[i])))
            fail_msg("good %zu", i);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (graft_text_is_utf8(bad[i], strlen(bad[i])))
            fail_msg("bad %zu", i);
    assert_true(graft_text_is_utf8("\0x", 2));
}

static void test_a_cause_without_its_path(void **state)
{
    (void)state;
    assert_string_equal(graft_cause_without("a/b.png: ends early", "a/b.png"), "ends early");
    assert_string_equal(graft_cause_without("a?b.png: ends early", "a\nb.png"), "ends early");
    assert_string_equal(graft_cause_without("ends early", "a/b.png"), "ends early");
    assert_string_equal(graft_cause_without("a/b.png ends early", "a/b.png"), "a/b.png ends early");
    assert_string_equal(graft_cause_without("a", "a/b.png"), "a");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_distance),
        cmocka_unit_test(test_distance_of_long_names),
        cmocka_unit_test(test_nearest),
        cmocka_unit_test(test_globs),
        cmocka_unit_test(test_starts_and_ends),
        cmocka_unit_test(test_utf8),
        cmocka_unit_test(test_a_cause_without_its_path),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
