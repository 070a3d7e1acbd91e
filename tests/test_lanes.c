/* Kernels in plain C walk through forms as oneDNN lays them out, and what they write has zeros behind its
 * channels. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>

#include "rig.h"

#include "kernels/lanes.h"

enum { FORMS = 5, SHAPES = 4 };

static const graft_shape shapes[SHAPES] = {
    {4, {2, 5, 3, 4}}, {4, {1, 24, 5, 5}}, {4, {3, 58, 1, 1}}, {4, {2, 1, 4, 3}}};

static graft_device *device;

static int open_device(void **state)
{
    (void)state;
    return graft_device_create(&device, 2) == GRAFT_OK ? 0 : -1;
}

static int close_device(void **state)
{
    (void)state;
    graft_device_free(device);
    return 0;
}

/* Row-major, channels last, blocks of four, eight, sixteen. */
static const graft_layout *form(int number, const graft_shape *shape)
{
    const graft_layout *layout;
    if (number == 0)
        assert_ok(graft_layout_plain(device, shape, &layout));
    else if (number == 1)
        assert_ok(graft_layout_channels_last(device, shape, GRAFT_F32, &layout));
    else
        assert_ok(graft_layout_blocked(device, shape, 1 << number, &layout));
    return layout;
}

/* ---- Addresses ---- */

static void check_addresses(const graft_layout *layout, const graft_layout *plain, int64_t widest)
{
    graft_lanes lanes = graft_lanes_of(layout, widest);
    int64_t count = graft_shape_count(graft_layout_shape(layout));
    float *from = malloc(sizeof(float) * (size_t)count), *to = malloc(graft_layout_bytes(layout));
    void *buffers[GRAFT_KERNEL_SLOTS] = {from, to};
    graft_kernel *kernel;
    for (int64_t i = 0; i < count; i++)
        from[i] = (float)i;
    assert_ok(graft_reorder(&kernel, device, plain, layout));
    assert_ok(graft_kernel_bind(kernel, buffers, NULL));
    assert_ok(graft_kernel_run(kernel));
    for (int64_t i = 0; i < count; i++) {
        int64_t p = i % lanes.pixels, c = i / lanes.pixels % lanes.channels;
        int64_t n = i / lanes.pixels / lanes.channels;
        assert_true(to[graft_lanes_at(&lanes, n, c) + p * lanes.pixel] == from[i]);
    }
    graft_kernel_free(kernel);
    free(from);
    free(to);
}

static void test_addresses_are_onednns(void **state)
{
    (void)state;
    for (int s = 0; s < SHAPES; s++)
        for (int f = 0; f < FORMS; f++) {
            const graft_layout *layout = form(f, &shapes[s]), *like;
            check_addresses(layout, form(0, &shapes[s]), INT64_MAX);
            check_addresses(layout, form(0, &shapes[s]), 8);
            assert_ok(graft_layout_like(device, layout, &shapes[s], &like));
            assert_ptr_equal(like, layout);
        }
}

static void test_like_is_the_same_form(void **state)
{
    (void)state;
    for (int f = 0; f < FORMS; f++) {
        const graft_layout *like;
        assert_ok(graft_layout_like(device, form(f, &shapes[0]), &shapes[1], &like));
        assert_ptr_equal(like, form(f, &shapes[1]));
    }
}

/* ---- Zeros ---- */

/* Whether what is stored behind the channels is zero; with `clear` it is made so. */
static bool has_zeros(float *x, const graft_layout *layout, bool clear)
{
    if (graft_layout_shape(layout)->rank != 4)
        return true;
    graft_lanes lanes = graft_lanes_of(layout, INT64_MAX);
    int64_t group = lanes.groups - 1;
    for (int64_t n = 0; n < lanes.samples; n++)
        for (int64_t p = 0; p < lanes.pixels; p++)
            for (int64_t lane = graft_lanes_in(&lanes, group); lane < graft_lanes_stored(&lanes, group);
                 lane++) {
                float *at = x + n * lanes.sample + group * lanes.group + p * lanes.pixel + lane;
                if (clear)
                    *at = 0.0F;
                else if (!(*at == 0.0F))
                    return false;
            }
    return true;
}

/* Runs a kernel on numbers with zeros behind them, into what is not a number. Takes it. */
static void check_zeros(graft_kernel *kernel, const char *what)
{
    void *buffers[GRAFT_KERNEL_SLOTS] = {NULL}, *scratch;
    graft_random random = graft_random_stream(1, GRAFT_RANDOM_TEST, what, 0, 0);
    assert_ok(graft_allocate_aligned(&scratch, kernel->scratch));
    for (int slot = 0; slot < GRAFT_KERNEL_SLOTS; slot++) {
        if (kernel->access[slot] == GRAFT_UNUSED)
            continue;
        size_t bytes = graft_layout_bytes(kernel->layouts[slot]);
        float *x;
        assert_ok(graft_allocate_aligned(&x, bytes));
        for (size_t i = 0; i < bytes / sizeof(float); i++)
            x[i] = kernel->access[slot] == GRAFT_READS ? graft_random_normal(&random) : NAN;
        if (kernel->access[slot] == GRAFT_READS)
            has_zeros(x, kernel->layouts[slot], true);
        buffers[slot] = x;
    }
    assert_ok(graft_kernel_bind(kernel, buffers, scratch));
    assert_ok(graft_kernel_run(kernel));
    for (int slot = 0; slot < GRAFT_KERNEL_SLOTS; slot++) {
        if (kernel->access[slot] == GRAFT_WRITES && !has_zeros(buffers[slot], kernel->layouts[slot], false))
            fail_msg("%s writes something behind the channels", what);
        free(buffers[slot]);
    }
    free(scratch);
    graft_kernel_free(kernel);
}

#define CHECK_ZEROS(call, what) \
    do {                        \
        graft_kernel *k = NULL; \
        assert_ok(call);        \
        check_zeros(k, what);   \
    } while (0)

static void check_functions(const graft_layout *x)
{
    for (int f = GRAFT_CLIP; f <= GRAFT_GELU; f++) {
        graft_post_op function = {(graft_function)f, 0.0F, 6.0F};
        CHECK_ZEROS(graft_elementwise_forward(&k, device, x, &function), "a function");
        CHECK_ZEROS(graft_elementwise_backward(&k, device, x, &function), "a function's gradient");
    }
}

static void check_batch_norm(const graft_layout *x)
{
    const graft_post_op relu = {GRAFT_CLIP, 0.0F, INFINITY};
    for (int way = 0; way < 4 && graft_batch_norm_suits(x); way++) {
        graft_batch_norm_form form = {1e-5F, way & 1, way & 2 ? &relu : NULL};
        CHECK_ZEROS(graft_batch_norm_group(&k, device, x, &form, false), "batch norm");
        CHECK_ZEROS(graft_batch_norm_group_backward(&k, device, x, &form), "batch norm's gradient");
    }
}

static void check_kernels(const graft_layout *x)
{
    const int64_t *d = graft_layout_shape(x)->dims;
    graft_pool uneven = {{.in = d[2], .out = 2}, {.in = d[3], .out = 3}, false};
    graft_channel_run run = {0, 0, 1, 0, 1, d[1] - d[1] / 2};
    check_functions(x);
    check_batch_norm(x);
    CHECK_ZEROS(graft_add(&k, device, x), "add");
    CHECK_ZEROS(graft_scale(&k, device, x, true), "scale");
    CHECK_ZEROS(graft_scale(&k, device, x, false), "scale of all samples");
    CHECK_ZEROS(graft_scale_backward(&k, device, x, true), "a factor's gradient");
    CHECK_ZEROS(graft_any_average_pool(&k, device, x, &uneven), "average pool");
    CHECK_ZEROS(graft_any_average_pool_backward(&k, device, x, &uneven), "average pool's gradient");
    CHECK_ZEROS(graft_copy_channels(&k, device, &x, 1, x, &run, 1, true), "copy of channels");
    CHECK_ZEROS(graft_layer_norm(&k, device, x, false, 1e-5F), "layer norm");
    CHECK_ZEROS(graft_layer_norm_backward(&k, device, x, false, 1e-5F), "layer norm's gradient");
}

static void test_zeros_stay_zeros(void **state)
{
    (void)state;
    for (int s = 0; s < SHAPES; s++)
        for (int f = 0; f < FORMS; f++)
            check_kernels(form(f, &shapes[s]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_addresses_are_onednns),
        cmocka_unit_test(test_like_is_the_same_form),
        cmocka_unit_test(test_zeros_stay_zeros),
    };
    return cmocka_run_group_tests_name("lanes", tests, open_device, close_device);
}
