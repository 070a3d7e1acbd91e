/* The safetensors reader: a header that does not describe its file exactly is refused with a sentence. */
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
#include "base/memory.h"
#include "base/random.h"
#include "formats/weights.h"

/* Opens a file of this header and so many bytes of data, from a block of its exact size. */
static graft_status open_made(graft_weights **weights, uint8_t **block, const char *header, size_t length,
                              size_t data_size)
{
    *block = calloc(8 + length + data_size, 1);
    assert_non_null(*block);
    memcpy(*block, &(uint64_t){length}, 8);
    memcpy(*block + 8, header, length);
    return graft_weights_open_bytes(weights, "made", *block, 8 + length + data_size);
}

static void test_headers_that_are_read(void **state)
{
    (void)state;
    static const struct {
        const char *header;
        size_t data, count;
    } good[] = {
        {"{}", 0, 0},
        {"{}      ", 0, 0},
        {"{\"__metadata__\":{}}", 0, 0},
        {"{\"x\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[0,4]}}", 4, 1},
        {"{ \"x\" : { \"data_offsets\" : [0, 0] , \"shape\" : [3, 0], \"dtype\" : \"BF16\" } } \n", 0, 1},
        {"{\"b\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[1,3]},"
         "\"a\":{\"dtype\":\"BOOL\",\"shape\":[1],\"data_offsets\":[0,1]}}",
         3, 2},
        {"{\"x\":{\"dtype\":\"I8\",\"shape\":[1,1,1,1,1,1,1,2],\"data_offsets\":[0,2]}}", 2, 1},
    };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        graft_weights *weights;
        uint8_t *block;
        if (open_made(&weights, &block, good[i].header, strlen(good[i].header), good[i].data) != GRAFT_OK)
            fail_msg("%s: %s", good[i].header, graft_error_message());
        assert_int_equal(graft_weights_count(weights), good[i].count);
        graft_weights_close(weights);
        free(block);
    }
}

#define ONE(dtype, shape, offsets) \
    "{\"x\":{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":" offsets "}}"
#define TWO(offsets, others)                                                \
    "{\"x\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":" offsets "}," \
    "\"y\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":" others "}}"

static const struct {
    const char *header;
    size_t data;
    const char *words;
} bad[] = {
    {" {}", 0, "does not begin with {"},
    {"[]", 0, "does not begin with {"},
    {"\"x\"", 0, "does not begin with {"},
    {"  ", 0, "does not begin with {"},
    {"{", 0, "a safetensors header of 1 bytes"},
    {"{{", 0, "not proper JSON"},
    {"{}x", 0, "not proper JSON"},
    {"{}{}", 0, "not proper JSON"},
    {"{\"x\":1,}", 0, "not proper JSON"},
    {"{'x':1}", 0, "not proper JSON"},
    {"{\"\xff\":1}", 0, "not proper JSON"},
    {"{\"\\ud800\":1}", 0, "not proper JSON"},
    {"{\"a\\u0000b\":1}", 0, "not proper JSON"},
    {"{\"x\":1,\"x\":1}", 0, "duplicate"},
    {"{\"__metadata__\":{\"a\":\"b\",\"a\":\"c\"}}", 0, "duplicate"},
    {"{\"x\":{\"dtype\":\"U8\",\"dtype\":\"U8\",\"shape\":[],\"data_offsets\":[0,1]}}", 1, "duplicate"},
    {"{\"__metadata__\":{\"a\":1}}", 0, "__metadata__ has a, which is no text"},
    {"{\"__metadata__\":[]}", 0, "__metadata__ is not an object"},
    {"{\"__metadata__\":null}", 0, "__metadata__ is not an object"},
    {"{\"x\":1}", 0, "the tensor x: is not described"},
    {"{\"x\":{}}", 0, "is not described"},
    {"{\"x\":[]}", 0, "is not described"},
    {"{\"x\":{\"dtype\":\"U8\",\"shape\":[]}}", 1, "is not described"},
    {"{\"x\":{\"dtype\":\"U8\",\"shape\":[],\"data_offsets\":[0,1],\"more\":1}}", 1, "is not described"},
    {ONE("U8", "[]", "[0]"), 1, "is not described"},
    {ONE("U8", "[]", "[0,1,2]"), 1, "is not described"},
    {ONE("U8", "[]", "[0,1.0]"), 1, "is not described"},
    {ONE("U8", "[]", "[0,\"1\"]"), 1, "is not described"},
    {ONE("U8", "[]", "[-1,0]"), 1, "is not described"},
    {ONE("U8", "[]", "{}"), 1, "is not described"},
    {ONE("U8", "[]", "[0,18446744073709551615]"), 1, "not proper JSON"}, /* beyond an int64 */
    {ONE("F4", "[2]", "[0,1]"), 1, "is of the type F4, which graft does not read"},
    {ONE("C64", "[]", "[0,8]"), 8, "is of the type C64"},
    {ONE("f32", "[]", "[0,4]"), 4, "is of the type f32"},
    {ONE("U8", "{}", "[0,1]"), 1, "has no shape"},
    {ONE("U8", "1", "[0,1]"), 1, "has no shape"},
    {ONE("U8", "[-1]", "[0,1]"), 1, "its shape is not made of"},
    {ONE("U8", "[1.5]", "[0,1]"), 1, "its shape is not made of"},
    {ONE("U8", "[null]", "[0,1]"), 1, "its shape is not made of"},
    {ONE("U8", "[1,1,1,1,1,1,1,1,1]", "[0,1]"), 1, "has 9 dimensions"},
    {ONE("F32", "[4611686018427387904]", "[0,0]"), 0, "is too large"}, /* times 4 is 0, modulo 2^64 */
    {ONE("U8", "[4294967296,4294967296]", "[0,0]"), 0, "is too large"},
    {ONE("U8", "[4294967296,4294967296,0]", "[0,0]"), 0, "is too large"},
    {ONE("F32", "[2]", "[0,4]"), 4, "has the place 0 to 4 for 8 bytes"},
    {ONE("F32", "[1]", "[0,8]"), 8, "has the place 0 to 8 for 4 bytes"},
    {ONE("F32", "[1]", "[4,0]"), 4, "has the place 4 to 0"},
    {ONE("F32", "[1]", "[0,4]"), 3, "ends early: 3 bytes of data"},
    {ONE("F32", "[1]", "[0,4]"), 0, "ends early: 0 bytes of data"},
    {ONE("U8", "[1]", "[9223372036854775806,9223372036854775807]"), 1, "a hole"},
    {ONE("F32", "[1]", "[0,4]"), 5, "1 bytes follow its last tensor"}, /* another file's place */
    {"{}", 1, "1 bytes follow its last tensor"},
    {ONE("F32", "[1]", "[1,5]"), 5, "begins at 1 where 0 is due (a hole)"},
    {TWO("[0,4]", "[5,9]"), 9, "begins at 5 where 4 is due (a hole)"},
    {TWO("[0,4]", "[3,7]"), 7, "begins at 3 where 4 is due (tensors overlap)"},
    {TWO("[0,4]", "[0,4]"), 4, "tensors overlap"},
    {TWO("[4,8]", "[0,4]"), 7, "ends early"},
};

static void test_headers_that_are_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        graft_weights *untouched = (graft_weights *)0x1234;
        uint8_t *block;
        if (open_made(&untouched, &block, bad[i].header, strlen(bad[i].header), bad[i].data) != GRAFT_EFORMAT)
            fail_msg("%s was not refused", bad[i].header);
        if (!strstr(graft_error_message(), bad[i].words))
            fail_msg("%s: \"%s\" does not contain \"%s\"", bad[i].header, graft_error_message(),
                     bad[i].words);
        assert_ptr_equal(untouched, (graft_weights *)0x1234);
        free(block);
    }
}

static void test_lengths_of_the_header(void **state)
{
    (void)state;
    static const struct {
        uint64_t length;
        size_t size;
        const char *words;
    } lengths[] = {
        {2, 9, "ends early"},
        {3, 10, "ends early"},
        {0, 10, "cannot be"},
        {1, 10, "cannot be"},
        {100000000, 10, "ends early: a safetensors header of 100000000 bytes in a file of 10"},
        {100000001, 10, "cannot be"},
        {UINT64_MAX, 10, "cannot be"},
        {UINT64_MAX - 7, 10, "cannot be"},
        {INT64_MAX, 10, "cannot be"},
    };
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        uint8_t file[10];
        graft_weights *weights;
        memcpy(file, &lengths[i].length, 8);
        memcpy(file + 8, "{}", 2);
        assert_int_equal(graft_weights_open_bytes(&weights, "made", file, lengths[i].size), GRAFT_EFORMAT);
        if (!strstr(graft_error_message(), lengths[i].words))
            fail_msg("%s", graft_error_message());
    }
}

enum { MANY = 100000 };

static void test_many_tensors_on_one_range(void **state)
{
    (void)state;
    graft_buffer header = GRAFT_BUFFER_INIT;
    graft_weights *weights;
    uint8_t *block;
    for (int i = 0; i < MANY; i++)
        graft_buffer_print(&header, "%c\"%d\":{\"dtype\":\"U8\",\"shape\":[1000],\"data_offsets\":[0,1000]}",
                           i ? ',' : '{', i);
    graft_buffer_text(&header, "}");
    assert_int_equal(open_made(&weights, &block, header.data, header.size, 1000), GRAFT_EFORMAT);
    assert_non_null(strstr(graft_error_message(), "tensors overlap"));
    free(block);
    graft_buffer_dispose(&header);
}

/* ---- Damage ---- */

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

static void read_reference(uint8_t **bytes, size_t *size)
{
    char path[4096];
    assert_non_null(getenv("GRAFT_TEST_REFERENCE"));
    snprintf(path, sizeof path, "%s/weights/all.safetensors", getenv("GRAFT_TEST_REFERENCE"));
    assert_int_equal(graft_file_read(path, 1 << 20, bytes, size), GRAFT_OK);
}

static void test_damage(void **state)
{
    (void)state;
    uint8_t *bytes;
    size_t size;
    read_reference(&bytes, &size);
    for (size_t length = 0; length < size; length++)
        assert_int_equal(open_copy(bytes, length), GRAFT_EFORMAT);
    graft_random random = graft_random_stream(6, GRAFT_RANDOM_TEST, "safetensors", 0, 0);
    for (int round = 0; round < 5000; round++) {
        uint32_t flipped = graft_random_below(&random, (uint32_t)size);
        uint32_t replaced = graft_random_below(&random, (uint32_t)size);
        uint8_t saved = bytes[replaced], bit = (uint8_t)(1 << graft_random_below(&random, 8));
        bytes[replaced] = (uint8_t)graft_random_bits(&random);
        bytes[flipped] ^= bit;
        graft_status status = open_copy(bytes, size);
        assert_true(status == GRAFT_OK || status == GRAFT_EFORMAT);
        bytes[flipped] ^= bit;
        bytes[replaced] = saved;
    }
    assert_int_equal(open_copy(bytes, size), GRAFT_OK);
    free(bytes);
}

static void test_failing_allocations(void **state)
{
    (void)state;
    uint8_t *bytes;
    size_t size;
    read_reference(&bytes, &size);
    for (long n = 1;; n++) {
        graft_weights *weights = NULL;
        graft_memory_fail_after(n);
        graft_status status = graft_weights_open_bytes(&weights, "all", bytes, size);
        graft_memory_fail_after(0);
        graft_weights_close(weights);
        if (status == GRAFT_OK)
            break;
        assert_int_equal(status, GRAFT_EMEMORY);
        assert_null(weights);
        assert_true(n < 40);
    }
    free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_headers_that_are_read),
        cmocka_unit_test(test_headers_that_are_refused),
        cmocka_unit_test(test_lengths_of_the_header),
        cmocka_unit_test(test_many_tensors_on_one_range),
        cmocka_unit_test(test_damage),
        cmocka_unit_test(test_failing_allocations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
