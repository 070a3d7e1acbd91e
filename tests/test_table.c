/* Tables: what stands in the files, to the byte, and that they appear whole or not at all. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "asserts.h"

#include <graft/graft.h>

#include "base/memory.h"
#include "formats/npy.h"

static char folder[] = "/tmp/graft-test-table-XXXXXX";
static const float rows[][4] = {{1, 2, 3, 4}, {-1, 0.5F, 0, 8}};

static int setup(void **state)
{
    (void)state;
    return mkdtemp(folder) && chdir(folder) == 0 ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    unlink("x.npy");
    unlink("x.txt");
    unlink("x.safetensors");
    return chdir("/") == 0 && rmdir(folder) == 0 ? 0 : -1;
}

static graft_status write_table(const char *path)
{
    graft_status status;
    graft_table *table = NULL;
    const graft_shape shape = {4, {1, 2, 2, 1}};
    GRAFT_TRY(graft_table_create(&table, path, &shape));
    GRAFT_TRY(graft_table_add(table, rows[0], "a"));
    GRAFT_TRY(graft_table_add(table, rows[1], "b\n\\"));
    GRAFT_TRY(graft_table_commit(table));
out:
    graft_table_free(table);
    return status;
}

static uint8_t *read_file(const char *path, size_t *size)
{
    uint8_t *bytes;
    assert_int_equal(graft_file_read(path, SIZE_MAX, &bytes, size), GRAFT_OK);
    return bytes;
}

static void test_npy(void **state)
{
    (void)state;
    size_t size;
    static const char text[] = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2, 2, 1,), }";
    assert_int_equal(write_table("x.npy"), GRAFT_OK);
    uint8_t *bytes = read_file("x.npy", &size);
    assert_int_equal(size, GRAFT_NPY_HEADER + sizeof rows);
    assert_memory_equal(bytes, "\x93NUMPY\x01\x00\xf6\x00", 10);
    assert_memory_equal(bytes + 10, text, sizeof text - 1);
    assert_int_equal(bytes[GRAFT_NPY_HEADER - 1], '\n');
    assert_memory_equal(bytes + GRAFT_NPY_HEADER, rows, sizeof rows);
    free(bytes);
    bytes = read_file("x.txt", &size);
    assert_int_equal(size, 8);
    assert_memory_equal(bytes, "a\nb\\n\\\\\n", 8);
    free(bytes);
}

static void test_the_longest_header(void **state)
{
    (void)state;
    char header[GRAFT_NPY_HEADER];
    graft_shape shape = {GRAFT_MAX_RANK, {0}};
    for (int i = 0; i < GRAFT_MAX_RANK; i++)
        shape.dims[i] = INT64_MAX;
    graft_npy_header(header, &shape);
    assert_null(memchr(header + 10, 0, sizeof header - 10));
    assert_non_null(memchr(header + 10, '}', GRAFT_NPY_HEADER - 11));
    assert_int_equal(header[GRAFT_NPY_HEADER - 1], '\n');
}

static void test_safetensors_reads_back(void **state)
{
    (void)state;
    graft_weights *weights;
    assert_int_equal(write_table("x.safetensors"), GRAFT_OK);
    assert_int_equal(graft_weights_open(&weights, "x.safetensors"), GRAFT_OK);
    const graft_tensor_view *features = graft_weights_find(weights, "features");
    const graft_tensor_view *names = graft_weights_find(weights, "names");
    assert_int_equal(features->shape.rank, 4);
    assert_int_equal(features->shape.dims[0], 2);
    assert_memory_equal(features->data, rows, sizeof rows);
    assert_memory_equal(names->data, "a\nb\\n\\\\\n", 8);
    graft_weights_close(weights);
}

static void test_nothing_without_commit(void **state)
{
    (void)state;
    graft_table *table;
    const graft_shape shape = {2, {1, 4}};
    int before = entries();
    assert_int_equal(graft_table_create(&table, "y.npy", &shape), GRAFT_OK);
    assert_int_equal(graft_table_add(table, rows[0], "a"), GRAFT_OK);
    assert_int_equal(graft_table_rows(table), 1);
    assert_string_equal(graft_table_names(table), "y.txt");
    graft_table_free(table);
    graft_table_free(NULL);
    assert_int_equal(entries(), before);
    assert_int_equal(graft_table_create(&table, "y.csv", &shape), GRAFT_EARGUMENT);
    assert_int_equal(graft_table_create(&table, "no/y.npy", &shape), GRAFT_EIO);
}

static void test_every_allocation_may_fail(void **state)
{
    (void)state;
    graft_status status = GRAFT_EMEMORY;
    long n = 0;
    int before = entries();
    while (status != GRAFT_OK) {
        assert_int_equal(entries(), before);
        graft_memory_fail_after(++n);
        status = write_table("x.npy");
        graft_memory_fail_after(0);
        assert_true(status == GRAFT_OK || status == GRAFT_EMEMORY);
    }
    assert_true(n > 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_npy),
        cmocka_unit_test(test_the_longest_header),
        cmocka_unit_test(test_safetensors_reads_back),
        cmocka_unit_test(test_nothing_without_commit),
        cmocka_unit_test(test_every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
