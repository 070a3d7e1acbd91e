/* Shapes, element types, and tensors that are shared. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <math.h>

#include "tensor/tensor.h"

static void test_bytes_are_checked(void **state)
{
    size_t bytes = 77;
    const graft_shape bad[] = {
        GRAFT_SHAPE(-1),
        GRAFT_SHAPE(0, -1),
        GRAFT_SHAPE(INT64_MAX, 2),
        GRAFT_SHAPE(INT64_MAX / 2),
        GRAFT_SHAPE(1 << 20, 1 << 20, 1 << 20, 1 << 20),
    };
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(graft_shape_bytes(&bytes, &bad[i], GRAFT_F32), GRAFT_ESHAPE);
    assert_int_equal(bytes, 77);
    assert_int_equal(graft_shape_bytes(&bytes, &GRAFT_SHAPE(2, 3, 5), GRAFT_F64), GRAFT_OK);
    assert_int_equal(bytes, 240);
    assert_int_equal(graft_shape_bytes(&bytes, &(graft_shape){0, {0}}, GRAFT_I64), GRAFT_OK);
    assert_int_equal(bytes, 8);
    assert_int_equal(graft_shape_bytes(&bytes, &GRAFT_SHAPE(2, 0), GRAFT_F32), GRAFT_OK);
    assert_int_equal(bytes, 0);
}

static void test_text_and_equality(void **state)
{
    char text[GRAFT_SHAPE_TEXT];
    graft_shape widest = {GRAFT_MAX_RANK, {0}};
    (void)state;
    assert_string_equal(graft_shape_text(&GRAFT_SHAPE(64, 3, 3, 3), text), "(64, 3, 3, 3)");
    assert_string_equal(graft_shape_text(&GRAFT_SHAPE(5), text), "(5,)");
    assert_string_equal(graft_shape_text(&(graft_shape){0, {0}}, text), "()");
    for (int i = 0; i < GRAFT_MAX_RANK; i++)
        widest.dims[i] = INT64_MIN;
    assert_int_equal(strlen(graft_shape_text(&widest, text)), 8 * 20 + 7 * 2 + 2);
    assert_true(graft_shape_equal(&GRAFT_SHAPE(1, 2), &GRAFT_SHAPE(1, 2)));
    assert_false(graft_shape_equal(&GRAFT_SHAPE(1, 2), &GRAFT_SHAPE(1, 2, 1)));
    assert_false(graft_shape_equal(&GRAFT_SHAPE(1, 2), &GRAFT_SHAPE(2, 1)));
}

/* Views may be unaligned, and wider or narrower floats become f32. */
static void check_conversion(graft_dtype dtype, const void *bytes, size_t size, const float *expected,
                             int count)
{
    unsigned char unaligned[64];
    graft_tensor *tensor;
    memcpy(unaligned + 1, bytes, size);
    graft_tensor_view view = {"t", dtype, GRAFT_SHAPE(count), unaligned + 1, size};
    assert_int_equal(graft_tensor_from_view(&tensor, NULL, &view), GRAFT_OK);
    assert_int_equal(tensor->dtype, GRAFT_F32);
    for (int i = 0; i < count; i++) {
        float value = ((const float *)tensor->data)[i];
        assert_true(isnan(expected[i]) ? isnan(value) != 0 : value == expected[i]);
    }
    graft_tensor_release(tensor);
}

static void test_conversions(void **state)
{
    const uint16_t halves[] = {0x3c00, 0xc000, 0x0001, 0x0400, 0x7bff,
                               0x7c00, 0xfc00, 0x7e00, 0x8000, 0x3555};
    const float half_values[] = {1, -2, 0x1p-24F, 0x1p-14F, 65504, INFINITY, -INFINITY, NAN, 0, 0.33325195F};
    const uint16_t bfloats[] = {0x3f80, 0xc000, 0x7f80, 0x7fc0, 0x4049};
    const float bfloat_values[] = {1, -2, INFINITY, NAN, 3.140625F};
    const double doubles[] = {1.5, -1e300, 1e-3};
    const float double_values[] = {1.5F, -INFINITY, 1e-3F};
    const float floats[] = {1, 2.5F, -0.0F};
    (void)state;
    check_conversion(GRAFT_F16, halves, sizeof halves, half_values, 10);
    check_conversion(GRAFT_BF16, bfloats, sizeof bfloats, bfloat_values, 5);
    check_conversion(GRAFT_F64, doubles, sizeof doubles, double_values, 3);
    check_conversion(GRAFT_F32, floats, sizeof floats, floats, 3);
}

static void test_whole_numbers_are_kept(void **state)
{
    const int64_t number = INT64_MAX - 1;
    graft_tensor_view view = {"n", GRAFT_I64, {0, {0}}, &number, sizeof number};
    graft_tensor *tensor;
    (void)state;
    assert_int_equal(graft_tensor_from_view(&tensor, NULL, &view), GRAFT_OK);
    assert_int_equal(tensor->dtype, GRAFT_I64);
    assert_true(*(int64_t *)tensor->data == number);
    graft_tensor_view back = graft_tensor_view_of(graft_tensor_share(tensor), "m");
    graft_tensor_release(tensor);
    assert_true(*(const int64_t *)back.data == number && back.bytes == 8);
    graft_tensor_release(tensor);
    graft_tensor_release(NULL);
}

static void test_nonfinite_are_counted(void **state)
{
    const float values[] = {1, NAN, INFINITY, -INFINITY, 0, NAN};
    const uint16_t halves[] = {0x7c00, 0x7e00, 0};
    const uint8_t bytes[] = {255, 255};
    graft_tensor_view views[] = {{"f", GRAFT_F32, GRAFT_SHAPE(6), values, sizeof values},
                                 {"h", GRAFT_F16, GRAFT_SHAPE(3), halves, sizeof halves},
                                 {"u", GRAFT_U8, GRAFT_SHAPE(2), bytes, sizeof bytes}};
    const int expected[][2] = {{2, 2}, {1, 1}, {0, 0}};
    (void)state;
    for (int i = 0; i < 3; i++) {
        int64_t nans, infinities;
        graft_tensor_count_nonfinite(&views[i], &nans, &infinities);
        assert_int_equal(nans, expected[i][0]);
        assert_int_equal(infinities, expected[i][1]);
    }
}

static void test_names_and_sizes(void **state)
{
    static const size_t sizes[] = {4, 8, 2, 2, 1, 2, 4, 8, 1, 2, 4, 8, 1, 1, 1};
    (void)state;
    for (int i = GRAFT_F32; i <= GRAFT_F8_E5M2; i++)
        assert_int_equal(graft_dtype_size((graft_dtype)i), sizes[i]);
    assert_string_equal(graft_dtype_name(GRAFT_BF16), "bf16");
    assert_string_equal(graft_dtype_name(GRAFT_F8_E5M2), "f8_e5m2");
    assert_string_equal(graft_dtype_name((graft_dtype)77), "unknown");
    assert_int_equal(graft_dtype_size((graft_dtype)-1), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bytes_are_checked),     cmocka_unit_test(test_text_and_equality),
        cmocka_unit_test(test_conversions),           cmocka_unit_test(test_whole_numbers_are_kept),
        cmocka_unit_test(test_nonfinite_are_counted), cmocka_unit_test(test_names_and_sizes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
