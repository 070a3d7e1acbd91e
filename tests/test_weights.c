/* Checkpoints: every tensor equals what torch.load gives; what is no checkpoint is named as what it is; and
 * damage of any kind is a sentence, never a crash. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buffer.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/memory.h"
#include "base/random.h"
#include "formats/weights.h"

enum { PATH = 4096, SMALL = 6000 };

static void path_to(char out[PATH], const char *name, const char *suffix)
{
    const char *folder = getenv("GRAFT_TEST_REFERENCE");
    assert_non_null(folder);
    snprintf(out, PATH, "%s/weights/%s%s", folder, name, suffix);
}

static void read_file(const char *name, const char *suffix, uint8_t **data, size_t *size)
{
    char path[PATH];
    path_to(path, name, suffix);
    assert_int_equal(graft_file_read(path, SIZE_MAX, data, size), GRAFT_OK);
}

/* Calls `check` for every line of files.txt: "same NAME" or "fail NAME|WORDS". */
static int for_each(void (*check)(bool same, const char *name, const char *words))
{
    uint8_t *text;
    size_t size;
    int count = 0;
    read_file("files.txt", "", &text, &size);
    assert_true(size > 0 && text[size - 1] == '\n');
    text[size - 1] = 0;
    char *rest = NULL;
    for (char *line = strtok_r((char *)text, "\n", &rest); line;
         line = strtok_r(NULL, "\n", &rest), count++) {
        char *name = line + 5, *words = strchr(name, '|');
        if (words)
            *words++ = 0;
        check(line[0] == 's', name, words ? words : "");
    }
    free(text);
    return count;
}

/* ---- What is read ---- */

/* "NAME DTYPE DIMS HEX\n", as make_weights.py writes it. */
static void describe(graft_buffer *out, const graft_tensor_view *view)
{
    graft_buffer_print(out, "%s %s ", view->name, graft_dtype_name(view->dtype));
    for (int i = 0; i < view->shape.rank; i++)
        graft_buffer_print(out, "%s%lld", i ? "," : "", (long long)view->shape.dims[i]);
    graft_buffer_text(out, view->shape.rank ? " " : "- ");
    for (size_t i = 0; i < view->bytes; i++)
        graft_buffer_print(out, "%02x", ((const uint8_t *)view->data)[i]);
    graft_buffer_text(out, view->bytes ? "\n" : "-\n");
}

static void check_tensors(bool same, const char *name, const char *words)
{
    (void)words;
    if (!same)
        return;
    char path[PATH];
    uint8_t *expected;
    size_t size;
    graft_weights *weights;
    graft_buffer text = GRAFT_BUFFER_INIT;
    path_to(path, name, "");
    if (graft_weights_open(&weights, path) != GRAFT_OK)
        fail_msg("%s", graft_error_message());
    for (size_t i = 0; i < graft_weights_count(weights); i++)
        describe(&text, graft_weights_at(weights, i));
    read_file(name, ".txt", &expected, &size);
    if (text.size != size || (size && memcmp(text.data, expected, size) != 0))
        fail_msg("%s holds\n%swhere this is expected:\n%.*s", name, text.size ? text.data : "\n", (int)size,
                 (char *)expected);
    assert_string_equal(graft_weights_format(weights),
                        strstr(name, "legacy") ? "PyTorch (legacy)" : "PyTorch (zip)");
    free(expected);
    graft_buffer_dispose(&text);
    graft_weights_close(weights);
}

static void test_tensors_equal_pytorch(void **state)
{
    (void)state;
    assert_true(for_each(check_tensors) > 70);
}

static void test_contiguous_tensors_are_views(void **state)
{
    (void)state;
    char path[PATH];
    path_to(path, "shapes.pth", "");
    graft_weights *weights;
    assert_int_equal(graft_weights_open(&weights, path), GRAFT_OK);
    static const struct {
        const char *name;
        bool view;
    } expected[] = {{"shared.first", true},   {"shared.again", true}, {"eight", true},
                    {"transposed", false},    {"stepped", false},     {"expanded", false},
                    {"channels_last", false}, {"parameter", true}};
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
        const graft_tensor_view *view = graft_weights_find(weights, expected[i].name);
        assert_non_null(view);
        const uint8_t *data = view->data;
        assert_int_equal(data >= weights->bytes && data < weights->bytes + weights->size, expected[i].view);
    }
    graft_weights_close(weights);
}

static void test_access(void **state)
{
    (void)state;
    char path[PATH], sum[65];
    uint8_t *bytes;
    size_t size;
    graft_weights *weights;
    path_to(path, "training.legacy.pth", "");
    assert_int_equal(graft_weights_open(&weights, path), GRAFT_OK);
    assert_string_equal(graft_weights_path(weights), path);
    read_file("training.legacy.pth", "", &bytes, &size);
    graft_sha256(bytes, size, sum);
    free(bytes);
    assert_string_equal(graft_weights_sha256(weights), sum);
    assert_string_equal(graft_weights_sha256(weights), sum);
    for (size_t i = 0; i < graft_weights_count(weights); i++) {
        const graft_tensor_view *view = graft_weights_at(weights, i);
        assert_ptr_equal(graft_weights_find(weights, view->name), view);
    }
    assert_null(graft_weights_at(weights, graft_weights_count(weights)));
    assert_null(graft_weights_find(weights, "module.conv.weight"));
    assert_null(graft_weights_find(weights, ""));
    assert_null(graft_weights_metadata(weights, "x"));
    assert_null(graft_weights_metadata_key(weights, 0));
    assert_int_equal(graft_weights_metadata_count(weights), 0);
    graft_weights_close(weights);
    graft_weights_close(NULL);
}

/* ---- What is refused ---- */

static void check_refusal(bool same, const char *name, const char *words)
{
    if (same)
        return;
    char path[PATH];
    graft_weights *untouched = (graft_weights *)0x1234;
    path_to(path, name, "");
    if (graft_weights_open(&untouched, path) != GRAFT_EFORMAT)
        fail_msg("%s was not refused", name);
    const char *message = graft_error_message();
    if (strncmp(message, path, strlen(path)) != 0 || !strstr(message + strlen(path), words))
        fail_msg("%s: \"%s\" does not contain \"%s\"", name, message, words);
    assert_ptr_equal(untouched, (graft_weights *)0x1234);
}

static void test_other_files_are_named_as_what_they_are(void **state)
{
    (void)state;
    assert_true(for_each(check_refusal) > 70);
    assert_false(graft_path_exists("/tmp/graft-was-here")); /* evil.pth would have made it */
}

static void test_what_cannot_be_opened(void **state)
{
    (void)state;
    char path[PATH];
    graft_weights *untouched = (graft_weights *)0x1234;
    path_to(path, "no such file", "");
    assert_int_equal(graft_weights_open(&untouched, path), GRAFT_EIO);
    assert_non_null(strstr(graft_error_message(), "no such file: No such file or directory"));
    path_to(path, "", "");
    assert_int_equal(graft_weights_open(&untouched, path), GRAFT_EIO);
    assert_non_null(strstr(graft_error_message(), "a folder, not a file"));
    assert_ptr_equal(untouched, (graft_weights *)0x1234);
}

/* ---- Damage: worth running under sanitizers ---- */

/* In a block of its exact size, so that a sanitizer sees one byte too many; every tensor is read. */
static graft_status open_copy(const uint8_t *bytes, size_t size)
{
    uint8_t *copy = malloc(size ? size : 1);
    assert_non_null(copy);
    memcpy(copy, bytes, size);
    graft_weights *weights = NULL;
    graft_status status = graft_weights_open_bytes(&weights, "copy", copy, size);
    assert_true((status == GRAFT_OK) == (weights != NULL));
    volatile uint8_t sum = 0;
    for (size_t i = 0; weights && i < graft_weights_count(weights); i++) {
        const graft_tensor_view *view = graft_weights_at(weights, i);
        for (size_t j = 0; j < view->bytes; j++)
            sum = (uint8_t)(sum + ((const uint8_t *)view->data)[j]);
    }
    graft_weights_close(weights);
    free(copy);
    return status;
}

static void cut_everywhere(bool same, const char *name, const char *words)
{
    (void)words;
    uint8_t *bytes;
    size_t size;
    read_file(name, "", &bytes, &size);
    for (size_t length = 0; same && size < SMALL && length < size; length++)
        if (open_copy(bytes, length) != GRAFT_EFORMAT)
            fail_msg("%s: %zu of %zu bytes gave \"%s\"", name, length, size, graft_error_message());
    free(bytes);
}

static void test_cut_files_are_refused(void **state)
{
    (void)state;
    for_each(cut_everywhere);
}

static void flip(bool same, const char *name, const char *words)
{
    (void)same, (void)words;
    uint8_t *bytes;
    size_t size;
    read_file(name, "", &bytes, &size);
    graft_random random = graft_random_stream(5, GRAFT_RANDOM_TEST, name, 0, 0);
    for (int round = 0; round < 300 && size > 0; round++) {
        uint8_t *copy = malloc(size);
        assert_non_null(copy);
        memcpy(copy, bytes, size);
        for (uint32_t i = graft_random_below(&random, 4) + 1; i > 0; i--)
            copy[graft_random_below(&random, (uint32_t)size)] ^=
                (uint8_t)(1 << graft_random_below(&random, 8));
        graft_status status = open_copy(copy, size);
        if (status != GRAFT_OK && status != GRAFT_EFORMAT)
            fail_msg("%s: %s", name, graft_error_message());
        free(copy);
    }
    free(bytes);
}

static void test_flipped_bits_never_crash(void **state)
{
    (void)state;
    for_each(flip);
}

static void fail_allocations(bool same, const char *name, const char *words)
{
    (void)words;
    uint8_t *bytes;
    size_t size;
    read_file(name, "", &bytes, &size);
    for (long n = 1; same; n++) {
        graft_weights *weights = NULL;
        graft_memory_fail_after(n);
        graft_status status = graft_weights_open_bytes(&weights, name, bytes, size);
        graft_memory_fail_after(0);
        graft_weights_close(weights);
        assert_true(n > 1 || status == GRAFT_EMEMORY);
        if (status == GRAFT_OK)
            break;
        assert_int_equal(status, GRAFT_EMEMORY);
        assert_true(n < 1000);
    }
    free(bytes);
}

static void test_failing_allocations(void **state)
{
    (void)state;
    for_each(fail_allocations);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tensors_equal_pytorch),
        cmocka_unit_test(test_contiguous_tensors_are_views),
        cmocka_unit_test(test_access),
        cmocka_unit_test(test_other_files_are_named_as_what_they_are),
        cmocka_unit_test(test_what_cannot_be_opened),
        cmocka_unit_test(test_cut_files_are_refused),
        cmocka_unit_test(test_flipped_bits_never_crash),
        cmocka_unit_test(test_failing_allocations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
