/* The safetensors writer: its files are what another implementation writes, read back equal, and appear whole
 * or not at all. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include "asserts.h"

#include "base/file.h"
#include "base/memory.h"
#include "formats/weights.h"
#include "tensor/tensor.h"

static char folder[] = "/tmp/graft-test-safetensors-XXXXXX";

static int setup(void **state)
{
    (void)state;
    const char *reference = getenv("GRAFT_TEST_REFERENCE");
    char *whole = reference ? realpath(reference, NULL) : NULL; /* it may be relative */
    if (!whole)
        return -1;
    setenv("GRAFT_TEST_REFERENCE", whole, 1);
    free(whole);
    return mkdtemp(folder) ? chdir(folder) : -1;
}

static int teardown(void **state)
{
    char command[128];
    (void)state;
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return chdir("/") || system(command);
}

/* ---- Writing and reading back ---- */

enum { TENSORS = 20 };

static const char data[] = "\1\2\3\4\5\6\7\10\11\12\13\14\15\16\17\20\21\22\23\24\25\26\27\30";

/* One tensor of every type, and shapes of every kind. The same stand in make_weights.py. */
static void make_tensors(graft_tensor_view tensors[TENSORS])
{
    static const char *const names[TENSORS] = {
        "f32", "f64", "f16",  "bf16",    "i8",      "i16",    "i32",  "i64",   "u8",       "u16",
        "u32", "u64", "bool", "f8_e4m3", "f8_e5m2", "scalar", "none", "none2", "\"q\"/\\", "ümläut",
    };
    for (int i = 0; i < TENSORS; i++) {
        graft_tensor_view *t = &tensors[i];
        *t = (graft_tensor_view){
            .name = names[i], .dtype = i <= GRAFT_F8_E5M2 ? (graft_dtype)i : GRAFT_I16, .data = data};
        t->shape = GRAFT_SHAPE(3, 1);
        if (i == 15)
            t->shape = (graft_shape){.rank = 0};
        else if (i == 16)
            t->shape = GRAFT_SHAPE(0);
        else if (i == 17)
            t->shape = GRAFT_SHAPE(2, 0, 3);
        assert_int_equal(graft_shape_bytes(&t->bytes, &t->shape, t->dtype), GRAFT_OK);
    }
}

static const char *const metadata[] = {"format", "pt",          "graft.classes", "[\"a\\\"b\",\"ü\"]",
                                       "",       "an empty key"};

static void test_written_as_another_implementation_does(void **state)
{
    (void)state;
    graft_tensor_view tensors[TENSORS];
    uint8_t *written, *expected;
    size_t size, expected_size;
    char path[4096];
    make_tensors(tensors);
    assert_int_equal(graft_safetensors_write("all.safetensors", tensors, TENSORS, metadata, 3), GRAFT_OK);
    assert_int_equal(graft_file_read("all.safetensors", 1 << 20, &written, &size), GRAFT_OK);
    snprintf(path, sizeof path, "%s/weights/all.safetensors", getenv("GRAFT_TEST_REFERENCE"));
    assert_int_equal(graft_file_read(path, 1 << 20, &expected, &expected_size), GRAFT_OK);
    if (size != expected_size || memcmp(written, expected, size) != 0)
        fail_msg("written: %.*s\nexpected: %.*s", (int)size - 8, (char *)written + 8, (int)expected_size - 8,
                 (char *)expected + 8);
    free(written);
    free(expected);
}

static void test_reads_back_equal(void **state)
{
    (void)state;
    graft_tensor_view tensors[TENSORS];
    graft_weights *weights;
    make_tensors(tensors);
    assert_int_equal(graft_safetensors_write("all.safetensors", tensors, TENSORS, metadata, 3), GRAFT_OK);
    assert_int_equal(graft_weights_open(&weights, "all.safetensors"), GRAFT_OK);
    assert_string_equal(graft_weights_format(weights), "safetensors");
    assert_int_equal(graft_weights_count(weights), TENSORS);
    for (int i = 0; i < TENSORS; i++) {
        const graft_tensor_view *view = graft_weights_find(weights, tensors[i].name);
        assert_non_null(view);
        assert_int_equal(view->dtype, tensors[i].dtype);
        assert_true(graft_shape_equal(&view->shape, &tensors[i].shape));
        assert_int_equal(view->bytes, tensors[i].bytes);
        assert_memory_equal(view->data, data, view->bytes);
        assert_int_equal((uintptr_t)view->data % graft_dtype_size(view->dtype), 0);
    }
    assert_int_equal(graft_weights_metadata_count(weights), 3);
    for (size_t i = 0; i < 3; i++) {
        assert_string_equal(graft_weights_metadata_key(weights, i), metadata[2 * i]);
        assert_string_equal(graft_weights_metadata(weights, metadata[2 * i]), metadata[2 * i + 1]);
    }
    assert_null(graft_weights_metadata_key(weights, 3));
    assert_null(graft_weights_metadata(weights, "Format"));
    graft_weights_close(weights);
}

/* The order of the file is the order given, where elements are equally wide. */
static void test_nothing_and_order(void **state)
{
    (void)state;
    graft_weights *weights;
    assert_int_equal(graft_safetensors_write("none", NULL, 0, NULL, 0), GRAFT_OK);
    assert_int_equal(graft_weights_open(&weights, "none"), GRAFT_OK);
    assert_int_equal(graft_weights_count(weights), 0);
    assert_int_equal(graft_weights_metadata_count(weights), 0);
    graft_weights_close(weights);
    graft_tensor_view tensors[4] = {{"z", GRAFT_F32, GRAFT_SHAPE(1), data, 4},
                                    {"y", GRAFT_F32, GRAFT_SHAPE(0), data, 0},
                                    {"x", GRAFT_I64, GRAFT_SHAPE(1), data, 8},
                                    {"a", GRAFT_F32, GRAFT_SHAPE(2), data, 8}};
    assert_int_equal(graft_safetensors_write("four", tensors, 4, NULL, 0), GRAFT_OK);
    assert_int_equal(graft_weights_open(&weights, "four"), GRAFT_OK);
    const char *const order[] = {"x", "z", "y", "a"};
    for (size_t i = 0; i < 4; i++)
        assert_string_equal(graft_weights_at(weights, i)->name, order[i]);
    graft_weights_close(weights);
}

static void test_what_cannot_be_written(void **state)
{
    (void)state;
    graft_tensor_view good = {"x", GRAFT_F32, GRAFT_SHAPE(1), data, 4};
    graft_tensor_view bad[] = {good, good, good, good, good, good, good, good};
    bad[0].name = NULL;
    bad[1].name = "__metadata__";
    bad[2].name = "\xff";
    bad[3].bytes = 8;
    bad[4].dtype = (graft_dtype)99;
    bad[5].shape.rank = 9;
    bad[6].shape.dims[0] = -1;
    bad[7].data = NULL;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(graft_safetensors_write("bad", &bad[i], 1, NULL, 0), GRAFT_EARGUMENT);
    graft_tensor_view twice[] = {good, good};
    assert_int_equal(graft_safetensors_write("bad", twice, 2, NULL, 0), GRAFT_EARGUMENT);
    assert_non_null(strstr(graft_error_message(), "named x"));
    const char *const pairs[] = {"k", "1", "k", "2"}, *const latin[] = {"k", "\xe4"};
    assert_int_equal(graft_safetensors_write("bad", &good, 1, pairs, 2), GRAFT_EARGUMENT);
    assert_int_equal(graft_safetensors_write("bad", &good, 1, latin, 1), GRAFT_EARGUMENT);
    graft_tensor_view huge[2] = {{"x", GRAFT_U8, GRAFT_SHAPE(INT64_MAX), data, INT64_MAX},
                                 {"y", GRAFT_U8, GRAFT_SHAPE(1), data, 1}}; /* never read: it fails before */
    assert_int_equal(graft_safetensors_write("bad", huge, 2, NULL, 0), GRAFT_EARGUMENT);
    assert_false(graft_path_exists("bad"));
    assert_int_equal(graft_safetensors_write("no/such/folder/x", &good, 1, NULL, 0), GRAFT_EIO);
    assert_non_null(strstr(graft_error_message(), "no/such/folder/x: "));
}

static void test_a_full_disk_leaves_the_old_file(void **state)
{
    (void)state;
    enum { BYTES = 1 << 20 };
    float *large;
    graft_weights *weights;
    assert_int_equal(GRAFT_NEW_ARRAY(&large, BYTES / 4), GRAFT_OK);
    graft_tensor_view small = {"x", GRAFT_F32, GRAFT_SHAPE(1), data, 4};
    graft_tensor_view tensor = {"x", GRAFT_F32, GRAFT_SHAPE(BYTES / 4), large, BYTES};
    assert_int_equal(graft_safetensors_write("kept", &small, 1, NULL, 0), GRAFT_OK);
    int before = entries();
    struct rlimit old, tight = {BYTES / 2, RLIM_INFINITY};
    getrlimit(RLIMIT_FSIZE, &old);
    tight.rlim_max = old.rlim_max;
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &tight);
    graft_status status = graft_safetensors_write("kept", &tensor, 1, NULL, 0);
    setrlimit(RLIMIT_FSIZE, &old);
    signal(SIGXFSZ, SIG_DFL);
    assert_int_equal(status, GRAFT_EIO);
    assert_string_equal(graft_error_message(), "kept: cannot be written: File too large");
    assert_int_equal(entries(), before);
    assert_int_equal(graft_weights_open(&weights, "kept"), GRAFT_OK);
    assert_int_equal(graft_weights_at(weights, 0)->bytes, 4);
    graft_weights_close(weights);
    free(large);
}

static void test_failing_allocations(void **state)
{
    (void)state;
    graft_tensor_view small = {"x", GRAFT_F32, GRAFT_SHAPE(1), data, 4};
    int before = entries();
    for (long n = 1;; n++) {
        graft_memory_fail_after(n);
        graft_status status = graft_safetensors_write("allocations", &small, 1, metadata, 3);
        graft_memory_fail_after(0);
        if (status == GRAFT_OK)
            break;
        assert_int_equal(status, GRAFT_EMEMORY);
        assert_int_equal(entries(), before);
        assert_true(n < 20);
    }
    assert_int_equal(entries(), before + 1);
}

enum { MANY = 100000 };

static char (*make_names(void))[16]
{
    char(*names)[16];
    assert_int_equal(GRAFT_NEW_ARRAY(&names, MANY), GRAFT_OK);
    for (int i = 0; i < MANY; i++)
        snprintf(names[i], sizeof *names, "t%d", i);
    return names;
}

static void test_many_tensors(void **state)
{
    (void)state;
    char(*names)[16] = make_names();
    graft_tensor_view *tensors;
    graft_weights *weights;
    assert_int_equal(GRAFT_NEW_ARRAY(&tensors, MANY), GRAFT_OK);
    for (int i = 0; i < MANY; i++)
        tensors[i] = (graft_tensor_view){names[i], GRAFT_U8, GRAFT_SHAPE(1), data + i % 8, 1};
    assert_int_equal(graft_safetensors_write("many", tensors, MANY, NULL, 0), GRAFT_OK);
    assert_int_equal(graft_weights_open(&weights, "many"), GRAFT_OK);
    for (int i = 0; i < MANY; i++) {
        const graft_tensor_view *view = graft_weights_find(weights, names[i]);
        assert_ptr_equal(view, graft_weights_at(weights, (size_t)i));
        assert_int_equal(*(const char *)view->data, data[i % 8]);
    }
    graft_weights_close(weights);
    free(tensors);
    free(names);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_written_as_another_implementation_does),
        cmocka_unit_test(test_reads_back_equal),
        cmocka_unit_test(test_nothing_and_order),
        cmocka_unit_test(test_what_cannot_be_written),
        cmocka_unit_test(test_a_full_disk_leaves_the_old_file),
        cmocka_unit_test(test_failing_allocations),
        cmocka_unit_test(test_many_tensors),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
