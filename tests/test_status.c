/* Messages: one sentence, UTF-8, whatever a file name or a file's content brings in. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>
#include <pthread.h>

#include "base/status.h"
#include "base/text.h"

static void test_a_failure_leaves_its_sentence(void **state)
{
    (void)state;
    assert_int_equal(graft_fail(GRAFT_EFORMAT, "%s: %d bytes", "a.png", 7), GRAFT_EFORMAT);
    assert_string_equal(graft_error_message(), "a.png: 7 bytes");
    assert_int_equal(graft_fail_errno(ENOENT, "%s", "b.png"), GRAFT_EIO);
    assert_string_equal(graft_error_message(), "b.png: No such file or directory");
    assert_int_equal(graft_fail_within(GRAFT_EARGUMENT, "picture %d", 3), GRAFT_EARGUMENT);
    assert_string_equal(graft_error_message(), "picture 3: b.png: No such file or directory");
}

static void test_the_last_message_may_be_an_argument(void **state)
{
    (void)state;
    graft_fail(GRAFT_EIO, "one");
    graft_fail(GRAFT_EIO, "%s, two", graft_error_message());
    assert_string_equal(graft_error_message(), "one, two");
}

static void test_controls_are_shown_as_question_marks(void **state)
{
    (void)state;
    graft_fail(GRAFT_EIO, "%s", "a\nb\tc\x1b[31m\x7f.png");
    assert_string_equal(graft_error_message(), "a?b?c?[31m?.png");
    graft_fail(GRAFT_EIO, "%s",
               "csi \xc2\x9b"
               "31m"); /* U+009B: a terminal may take it for ESC [ */
    assert_string_equal(graft_error_message(), "csi ?31m");
    graft_fail(GRAFT_EIO, "%s", "\xc2\xa0 and \xc3\xa4 and \xe2\x82\xac stay");
    assert_string_equal(graft_error_message(), "\xc2\xa0 and \xc3\xa4 and \xe2\x82\xac stay");
}

static void test_what_is_not_utf8_is_shown_as_question_marks(void **state)
{
    (void)state;
    graft_fail(GRAFT_EIO, "%s", "k\xe4se.jpg: \xff\xfe, \xed\xa0\x80");
    assert_string_equal(graft_error_message(), "k?se.jpg: ??, ???");
}

static void test_a_long_message_is_cut_between_characters(void **state)
{
    char text[16384];
    (void)state;
    for (size_t shift = 0; shift < 3; shift++) {
        memset(text, 'x', shift);
        for (size_t i = shift; i + 3 < sizeof text; i += 3)
            memcpy(text + i, "\xe2\x82\xac", 4);
        graft_fail(GRAFT_EIO, "%s", text);
        size_t length = strlen(graft_error_message());
        assert_in_range(length, 8100, 8191);
        assert_true(graft_text_is_utf8(graft_error_message(), length));
        assert_null(strchr(graft_error_message(), '?'));
    }
}

static void *fail_elsewhere(void *context)
{
    (void)context;
    graft_fail(GRAFT_EIO, "elsewhere");
    return NULL;
}

static void test_each_thread_has_its_own(void **state)
{
    pthread_t thread;
    (void)state;
    graft_fail(GRAFT_EIO, "here");
    assert_int_equal(pthread_create(&thread, NULL, fail_elsewhere, NULL), 0);
    pthread_join(thread, NULL);
    assert_string_equal(graft_error_message(), "here");
}

static void test_every_status_has_a_name(void **state)
{
    (void)state;
    for (int i = GRAFT_OK; i <= GRAFT_EINTERNAL; i++) {
        assert_string_not_equal(graft_status_name((graft_status)i), "unknown status");
        for (int j = GRAFT_OK; j < i; j++)
            assert_string_not_equal(graft_status_name((graft_status)i), graft_status_name((graft_status)j));
    }
    assert_string_equal(graft_status_name((graft_status)99), "unknown status");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_failure_leaves_its_sentence),
        cmocka_unit_test(test_the_last_message_may_be_an_argument),
        cmocka_unit_test(test_controls_are_shown_as_question_marks),
        cmocka_unit_test(test_what_is_not_utf8_is_shown_as_question_marks),
        cmocka_unit_test(test_a_long_message_is_cut_between_characters),
        cmocka_unit_test(test_each_thread_has_its_own),
        cmocka_unit_test(test_every_status_has_a_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
