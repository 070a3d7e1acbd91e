/* Backbones in bf16 beside the same in f32: near, not the same, and in f32 wherever only f32 is computed.
 * Skipped where oneDNN has no kernels in bf16. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>

#include "rig.h"

#include "zoo/zoo.h"

enum { PICTURES = 4, SIDE = 32, CLASSES = 5, FLOATS = PICTURES * 3 * SIDE * SIDE };

/* bf16 has 8 bits of a number: each rounding is wrong by 2^-9 at most. */
static const double near = 1e-2, apart = 1e-4;

static bool is_missing(void)
{
    if (graft_device_bf16() != GRAFT_BF16_NONE)
        return false;
    print_message("skipped: oneDNN has no kernels in bf16 for %s\n", graft_device_instructions());
    return true;
}

static void draw(float *values, int64_t count)
{
    graft_random random = graft_random_stream(1, GRAFT_RANDOM_TEST, "bf16", 0, 0);
    for (int64_t i = 0; i < count; i++)
        values[i] = graft_random_normal(&random);
}

/* ---- One convolution ---- */

static void *new_buffer(const graft_layout *layout)
{
    void *buffer;
    assert_ok(graft_allocate_aligned(&buffer, graft_layout_bytes(layout)));
    return buffer;
}

static void *new_scratch(const graft_kernel *kernel)
{
    void *scratch = NULL;
    if (kernel->scratch)
        assert_ok(graft_allocate_aligned(&scratch, kernel->scratch));
    return scratch;
}

static void bring(graft_device *device, const graft_layout *from, void *x, const graft_layout *to, void *y)
{
    graft_kernel *kernel;
    void *buffers[GRAFT_KERNEL_SLOTS] = {x, y};
    assert_ok(graft_reorder(&kernel, device, from, to));
    void *scratch = new_scratch(kernel);
    assert_ok(graft_kernel_bind(kernel, buffers, scratch));
    assert_ok(graft_kernel_run(kernel));
    free(scratch);
    graft_kernel_free(kernel);
}

/* y (plain, f32) += the convolution of drawn numbers, and a ReLU, whatever the kernel's layouts. */
static void convolve(graft_device *device, const graft_convolution *c, float *y)
{
    const graft_post_op relu = {GRAFT_CLIP, 0.0F, INFINITY};
    graft_kernel *kernel;
    void *buffers[GRAFT_KERNEL_SLOTS] = {NULL};
    const graft_layout *plain = NULL;
    assert_ok(graft_convolution_forward(&kernel, device, c, true, true, &relu, 1, false));
    for (int slot = 0; slot < 4; slot++) {
        bool half = graft_layout_type(kernel->layouts[slot]) == GRAFT_BF16;
        assert_int_equal(half, c->bf16 && slot != 2);
        assert_int_equal(strstr(graft_layout_name(kernel->layouts[slot]), " bf16") != NULL, half);
        buffers[slot] = new_buffer(kernel->layouts[slot]);
        assert_ok(graft_layout_plain(device, graft_layout_shape(kernel->layouts[slot]), &plain));
        float *values = new_buffer(plain);
        draw(values, graft_shape_count(graft_layout_shape(plain)));
        bring(device, plain, values, kernel->layouts[slot], buffers[slot]);
        free(values);
    }
    void *scratch = new_scratch(kernel);
    assert_ok(graft_kernel_bind(kernel, buffers, scratch));
    assert_ok(graft_kernel_run(kernel));
    bring(device, kernel->layouts[3], buffers[3], plain, y);
    for (int slot = 0; slot < 4; slot++)
        free(buffers[slot]);
    free(scratch);
    graft_kernel_free(kernel);
}

static void check_convolution(int64_t groups, int64_t stride, int64_t side_out)
{
    enum { BATCH = 2, IN = 32, OUT = 64, SIDE_IN = 12, MOST = BATCH * OUT * SIDE_IN * SIDE_IN };
    static float a[MOST], b[MOST];
    graft_device *device;
    graft_convolution c = {.batch = BATCH,
                           .channels_in = IN,
                           .height_in = SIDE_IN,
                           .width_in = SIDE_IN,
                           .channels_out = groups == IN ? IN : OUT,
                           .height_out = side_out,
                           .width_out = side_out,
                           .kernel_height = 3,
                           .kernel_width = 3,
                           .stride = stride,
                           .groups = groups,
                           .pad_top = 1,
                           .pad_left = 1,
                           .pad_bottom = 1,
                           .pad_right = 1};
    int64_t count = BATCH * c.channels_out * side_out * side_out;
    assert_ok(graft_device_create(&device, 2));
    convolve(device, &c, a);
    c.bf16 = true;
    convolve(device, &c, b);
    double distance = distance_of(b, a, count);
    if (!(distance < near && distance > apart))
        fail_msg("groups %d, stride %d: %g", (int)groups, (int)stride, distance);
    graft_device_free(device);
}

static void test_convolutions(void **state)
{
    (void)state;
    if (is_missing())
        skip();
    check_convolution(1, 1, 12);
    check_convolution(1, 2, 6);
    check_convolution(32, 1, 12);
    check_convolution(2, 1, 12);
}

/* ---- Layouts ---- */

/* What a kernel in plain C sees of a tensor in bf16 is the same form in f32. */
static void test_forms(void **state)
{
    graft_device *device;
    graft_kernel *kernel;
    const graft_layout *like, *again;
    (void)state;
    if (is_missing())
        skip();
    assert_ok(graft_device_create(&device, 1));
    const graft_convolution c = {.batch = 1,
                                 .channels_in = 16,
                                 .height_in = 8,
                                 .width_in = 8,
                                 .channels_out = 16,
                                 .height_out = 8,
                                 .width_out = 8,
                                 .kernel_height = 1,
                                 .kernel_width = 1,
                                 .stride = 1,
                                 .groups = 1,
                                 .form = GRAFT_FORM_CHANNELS_LAST,
                                 .bf16 = true};
    assert_ok(graft_convolution_forward(&kernel, device, &c, false, false, NULL, 0, false));
    const graft_layout *y = kernel->layouts[3];
    assert_string_equal(graft_layout_name(y), "nhwc bf16");
    assert_true(graft_layout_is_channels_last(y));
    assert_false(graft_layout_is_plain(y));
    assert_ok(graft_layout_like(device, y, graft_layout_shape(y), &like));
    assert_string_equal(graft_layout_name(like), "nhwc");
    assert_int_equal(graft_layout_bytes(like), 2 * graft_layout_bytes(y));
    assert_ok(graft_layout_channels_last(device, graft_layout_shape(y), &again));
    assert_ptr_equal(like, again);
    graft_kernel_free(kernel);
    graft_device_free(device);
}

/* ---- Plans ---- */

/* As VGG: nothing but convolutions and pools. */
static graft_graph *build_chain(void)
{
    graft_builder builder = {.size = SIDE}, *b = &builder;
    assert_ok(graft_graph_create(&b->graph));
    graft_output x = graft_build_input(b);
    x = relu(b, "a_relu", conv(b, "a", x, 32, .kernel = 3, .padding = 1, .bias = true));
    x = relu(b, "b_relu", conv(b, "b", x, 64, .kernel = 3, .padding = 1, .bias = true));
    x = max_pool(b, "b_pool", x, .kernel = 2, .stride = 2);
    x = relu(b, "c_relu", conv(b, "c", x, 64, .kernel = 3, .padding = 1, .bias = true));
    x = max_pool(b, "c_pool", x, .kernel = 2, .stride = 2);
    linear(b, "fc", flatten(b, "flat", x), CLASSES);
    assert_ok(b->status);
    return b->graph;
}

/* Residuals, squeeze and excitation, a concatenation, a sum, functions and a norm that stand alone. */
static graft_graph *build_mixture(void)
{
    graft_builder builder = {.size = SIDE}, *b = &builder;
    assert_ok(graft_graph_create(&b->graph));
    graft_output x = graft_build_input(b);
    x = silu(b, "stem_silu",
             batch_norm(b, "stem_norm", conv(b, "stem", x, 24, .kernel = 3, .padding = 1, .stride = 2)));
    graft_output y = relu6(
        b, "a_relu", batch_norm(b, "a_norm", conv(b, "a", x, 24, .kernel = 3, .padding = 1, .groups = 24)));
    graft_output s = relu(
        b, "down_relu", conv(b, "down", global_average_pool(b, "squeeze", y), 8, .kernel = 1, .bias = true));
    s = sigmoid(b, "gate", conv(b, "up", s, 24, .kernel = 1, .bias = true));
    y = batch_norm(b, "b_norm", conv(b, "b", mul(b, "scaled", y, s), 24, .kernel = 1));
    x = add(b, "sum", y, x);
    graft_output wide = relu(b, "c_relu", conv(b, "c", x, 16, .kernel = 1));
    y = relu(b, "d_relu", batch_norm(b, "d_norm", concat(b, "cat", x, wide)));
    y = max_pool(b, "pool", y, .kernel = 3, .stride = 2, .padding = 1);
    graft_output left = conv(b, "e", y, 32, .kernel = 3, .padding = 1),
                 right = conv(b, "f", y, 32, .kernel = 1);
    y = hard_swish(b, "last", add(b, "both", add(b, "twice", left, right), right));
    linear(b, "fc", flatten(b, "flat", global_average_pool(b, "mean", y)), CLASSES);
    assert_ok(b->status);
    return b->graph;
}

static bool is_half(const graft_layout *layout)
{
    return layout && graft_layout_type(layout) == GRAFT_BF16;
}

/* Convolutions write bf16, kernels in plain C see none but those that only move, and nothing runs in oneDNN's
 * reference code. */
static void check_steps(const rig *r, const graft_plan *plan)
{
    for (size_t i = 0; i < graft_plan_step_count(plan); i++) {
        graft_plan_step step = graft_plan_step_at(plan, i);
        const graft_node *node = graft_graph_find(r->graph, step.node);
        bool convolves = node && strcmp(node->op->name, "conv2d") == 0 && !step.reorders;
        if (strstr(step.implementation, "ref"))
            fail_msg("%s runs in %s", step.node, step.implementation);
        if (convolves && !(is_half(step.from) && is_half(step.to)))
            fail_msg("%s is in f32", step.node);
        bool computes = strncmp(step.implementation, "host:", 5) == 0 &&
                        strcmp(step.implementation, "host:copy_channels") != 0;
        if (computes && (is_half(step.from) || is_half(step.to)))
            fail_msg("%s: %s is given bf16", step.node, step.implementation);
    }
}

static void check_graph(graft_graph *(*build)(void), const char *trains)
{
    static float pictures[FLOATS];
    float first[PICTURES * CLASSES];
    rig r;
    run single, half;
    int matched = 1;
    graft_graph *graph = build();
    if (trains)
        graft_graph_mark(graph, trains, true, &matched);
    assert_int_equal(matched, 1);
    draw(pictures, FLOATS);
    rig_open(&r, graph, 2);
    rig_fill(&r, 3);
    run_open(&single, &r, PICTURES, false, false);
    memcpy(first, run_forward(&single, pictures), sizeof first);
    r.precision = GRAFT_BF16;
    run_open(&half, &r, PICTURES, false, false);
    check_steps(&r, half.backbone);
    double distance = distance_of(run_forward(&half, pictures), first, PICTURES * CLASSES);
    if (!(distance < near && distance > apart))
        fail_msg("%s trains: %g", trains ? trains : "nothing", distance);
    for (size_t i = 0; half.upper && i < graft_plan_step_count(half.upper); i++)
        assert_false(is_half(graft_plan_step_at(half.upper, i).to));
    /* Both have their own constants. */
    assert_memory_equal(run_forward(&single, pictures), first, sizeof first);
    run_close(&half);
    run_close(&single);
    rig_close(&r);
}

static void test_a_chain(void **state)
{
    (void)state;
    if (is_missing())
        skip();
    check_graph(build_chain, NULL);
    check_graph(build_chain, "fc");
}

static void test_a_mixture(void **state)
{
    (void)state;
    if (is_missing())
        skip();
    check_graph(build_mixture, NULL);
    check_graph(build_mixture, "c");
}

/* A part that trains is f32, whatever is asked for. */
static void test_what_trains(void **state)
{
    static float pictures[FLOATS];
    const int32_t labels[PICTURES] = {0, 1, 2, 3};
    rig r;
    run u;
    int matched;
    graft_graph *graph = build_chain();
    (void)state;
    graft_graph_mark(graph, "*", true, &matched);
    draw(pictures, FLOATS);
    rig_open(&r, graph, 2);
    rig_fill(&r, 3);
    r.precision = GRAFT_BF16;
    run_open(&u, &r, PICTURES, true, false);
    for (size_t i = 0; i < graft_plan_step_count(u.upper); i++)
        assert_false(is_half(graft_plan_step_at(u.upper, i).to));
    run_forward(&u, pictures);
    assert_true(isfinite(run_loss(&u, labels)));
    run_backward(&u);
    run_close(&u);
    rig_close(&r);
}

/* ---- Where it pays ---- */

static bool gains(const char *network, const char *trains)
{
    graft_graph *graph;
    graft_device *device;
    int matched = 0;
    bool result = false;
    assert_ok(graft_zoo_build(&graph, graft_zoo_row_of(graft_network_find(network)), 10, 224));
    if (trains)
        graft_graph_mark(graph, trains, true, &matched);
    graft_graph_bound(graph);
    assert_ok(graft_device_create(&device, 1));
    const graft_plan_request request = {.graph = graph, .device = device, .batch = 8};
    assert_ok(graft_plan_gains_by_bf16(&result, &request));
    graft_device_free(device);
    graft_graph_free(graph);
    return result;
}

static void test_where_it_pays(void **state)
{
    bool fast = graft_device_bf16() >= GRAFT_BF16_TWICE, tiles = graft_device_bf16() == GRAFT_BF16_TILES;
    (void)state;
    assert_int_equal(gains("efficientnet_lite0", NULL), fast);
    assert_int_equal(gains("resnet50", "fc"), fast);
    if (!fast || tiles ||
        strncmp(graft_device_library(), "oneDNN 2.6", 10) == 0) /* where Winograd's is known */
        assert_int_equal(gains("vgg16", "classifier.6"), tiles);
    assert_false(gains("convnext_tiny", NULL));
    assert_false(gains("resnet50", "*"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_convolutions), cmocka_unit_test(test_forms),
        cmocka_unit_test(test_a_chain),      cmocka_unit_test(test_a_mixture),
        cmocka_unit_test(test_what_trains),  cmocka_unit_test(test_where_it_pays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
