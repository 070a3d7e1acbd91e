/* Backbones in bf16 beside the same in f32: near, not the same, and in f32 wherever only f32 is computed.
 * Skipped where oneDNN has no kernels in bf16. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>

#include "rig.h"

#include "kernels/host/element.h"
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

/* ---- One linear layer ---- */

enum { IN = 70, WIDE = 50, ROWS = 9 };

static void round_all(graft_device *device, float *values, const graft_shape *shape)
{
    const graft_layout *plain, *half;
    assert_ok(graft_layout_plain(device, shape, &plain));
    assert_ok(graft_layout_plain_of(device, shape, GRAFT_BF16, &half));
    void *rounded = new_buffer(half);
    bring(device, plain, values, half, rounded);
    bring(device, half, rounded, plain, values);
    free(rounded);
}

/* y, where it is `adds` what it was, + x W^T + b, and a ReLU. */
static void multiply(const float *x, const float *weight, const float *bias, float *y, int rows, bool adds)
{
    for (int i = 0; i < rows; i++)
        for (int o = 0; o < WIDE; o++) {
            double sum = (double)bias[o] + (adds ? (double)y[i * WIDE + o] : 0.0);
            for (int j = 0; j < IN; j++)
                sum += (double)x[i * IN + j] * (double)weight[o * IN + j];
            y[i * WIDE + o] = sum > 0.0 ? (float)sum : 0.0F;
        }
}

static void run_kernel(graft_device *device, graft_kernel *kernel, float *const *values, int count)
{
    void *buffers[GRAFT_KERNEL_SLOTS] = {NULL};
    const graft_layout *plain;
    for (int slot = 0; slot < count; slot++) {
        buffers[slot] = new_buffer(kernel->layouts[slot]);
        assert_ok(graft_layout_plain(device, graft_layout_shape(kernel->layouts[slot]), &plain));
        bring(device, plain, values[slot], kernel->layouts[slot], buffers[slot]);
    }
    void *scratch = new_scratch(kernel);
    assert_ok(graft_kernel_bind(kernel, buffers, scratch));
    assert_ok(graft_kernel_run(kernel));
    bring(device, kernel->layouts[count - 1], buffers[count - 1], plain, values[count - 1]);
    for (int slot = 0; slot < count; slot++)
        free(buffers[slot]);
    free(scratch);
    graft_kernel_free(kernel);
}

/* Of numbers that are bf16 already products are exact: what is left are sums, which are f32, and y. */
static void check_linear(int rows, graft_dtype type, bool adds)
{
    static float x[ROWS * IN], weight[WIDE * IN], bias[WIDE], y[ROWS * WIDE], expected[ROWS * WIDE];
    const graft_linear shape = {.batch = rows, .in = IN, .out = WIDE, .bf16 = true, .y = type};
    const graft_post_op relu = {GRAFT_CLIP, 0.0F, INFINITY};
    float *const values[] = {x, weight, bias, y};
    graft_kernel *kernel;
    graft_device *device;
    assert_ok(graft_device_create(&device, 2));
    rig_draw(x, (int64_t)rows * IN, 1);
    rig_draw(weight, WIDE * IN, 2);
    rig_draw(bias, WIDE, 3);
    rig_draw(y, (int64_t)rows * WIDE, 4);
    round_all(device, x, &GRAFT_SHAPE(rows, IN));
    round_all(device, weight, &GRAFT_SHAPE(WIDE, IN));
    round_all(device, y, &GRAFT_SHAPE(rows, WIDE));
    memcpy(expected, y, sizeof y);
    multiply(x, weight, bias, expected, rows, adds);
    assert_ok(graft_linear_forward(&kernel, device, &shape, adds, &relu, 1));
    assert_int_equal(graft_layout_type(kernel->layouts[0]), GRAFT_BF16);
    assert_int_equal(graft_layout_type(kernel->layouts[1]), GRAFT_BF16);
    assert_int_equal(graft_layout_type(kernel->layouts[2]), GRAFT_F32);
    assert_int_equal(graft_layout_type(kernel->layouts[3]), type);
    assert_false(graft_kernel_is_reference(kernel));
    run_kernel(device, kernel, values, 4);
    double distance = distance_of(y, expected, (int64_t)rows * WIDE);
    bool fits = type == GRAFT_BF16 ? distance < 4e-3 && distance > apart : distance < 1e-6;
    if (!fits)
        fail_msg("%d rows%s, to %s: %g", rows, adds ? ", added" : "", graft_dtype_name(type), distance);
    graft_device_free(device);
}

static void test_linear_layers(void **state)
{
    (void)state;
    if (is_missing())
        skip();
    for (int adds = 0; adds < 2; adds++) {
        check_linear(1, GRAFT_F32, adds);
        check_linear(1, GRAFT_BF16, adds);
        check_linear(ROWS, GRAFT_F32, adds);
        check_linear(ROWS, GRAFT_BF16, adds);
    }
}

/* ---- Kernels in plain C ---- */

/* Ties, what rounds up to infinity, the smallest normal ones (an instruction may take smaller ones as 0),
 * what is no number. */
static void test_rounding_is_onednns(void **state)
{
    enum { COUNT = 16 };
    static const uint32_t bits[COUNT] = {
        0x3f800000, 0x3f808000, 0x3f818000, 0x3f807fff, 0x3f808001, 0xbf808000, 0xbf818000, 0x7f7fffff,
        0x7f800000, 0xff800000, 0x00800000, 0x00808000, 0x80000000, 0x7fc00000, 0x00818000, 0x7f7f7fff};
    const graft_layout *plain, *half;
    graft_device *device;
    uint16_t *expected;
    float values[COUNT];
    (void)state;
    if (is_missing())
        skip();
    assert_ok(graft_device_create(&device, 1));
    assert_ok(graft_layout_plain(device, &GRAFT_SHAPE(COUNT), &plain));
    assert_ok(graft_layout_plain_of(device, &GRAFT_SHAPE(COUNT), GRAFT_BF16, &half));
    expected = new_buffer(half);
    memcpy(values, bits, sizeof values);
    bring(device, plain, values, half, expected);
    for (int i = 0; i < COUNT; i++) {
        uint16_t rounded;
        graft_element_set(&rounded, 0, values[i], true);
        assert_int_equal(rounded, expected[i]);
        float back = graft_element_get(&rounded, 0, true);
        assert_memory_equal(&back, &(uint32_t){(uint32_t)rounded << 16}, sizeof back);
    }
    free(expected);
    graft_device_free(device);
}

enum { FORMS = 3, CHANNELS = 21, PIXELS = 12, ELEMENTS = 2 * CHANNELS * PIXELS };

static const graft_layout *form_of(graft_device *device, int form, graft_dtype type)
{
    const graft_shape shape = GRAFT_SHAPE(2, CHANNELS, 4, 3);
    const graft_layout *layout;
    if (form == 0)
        assert_ok(graft_layout_plain(device, &shape, &layout));
    else if (form == 1)
        assert_ok(graft_layout_channels_last(device, &shape, GRAFT_F32, &layout));
    else
        assert_ok(graft_layout_blocked(device, &shape, 16, &layout));
    assert_ok(graft_layout_typed_like(device, layout, &shape, type, &layout));
    return layout;
}

typedef graft_kernel *(*making)(graft_device *device, const graft_layout *x);

static graft_kernel *make_scale(graft_device *device, const graft_layout *x)
{
    graft_kernel *kernel;
    assert_ok(graft_scale(&kernel, device, x, true));
    return kernel;
}

static graft_kernel *make_norm(graft_device *device, const graft_layout *x)
{
    graft_kernel *kernel;
    assert_ok(graft_layer_norm(&kernel, device, x, false, 1e-6F));
    return kernel;
}

static graft_kernel *make_mean(graft_device *device, const graft_layout *x)
{
    const graft_pool pool = {{4, 1, 0, 1, 0}, {3, 1, 0, 1, 0}, false};
    graft_kernel *kernel;
    assert_ok(graft_average_pool(&kernel, device, x, &pool));
    return kernel;
}

/* In bf16, on numbers that are, it gives what it gives in f32, rounded once; a mean not even that. */
static void check_host(making make, int slots, const char *name)
{
    static float values[2][4][ELEMENTS];
    graft_device *device;
    assert_ok(graft_device_create(&device, 2));
    for (int form = 0; form < FORMS; form++) {
        const graft_layout *y = NULL;
        for (int half = 0; half < 2; half++) {
            float *const slot[] = {values[half][0], values[half][1], values[half][2], values[half][3]};
            for (int i = 0; i < slots; i++)
                rig_draw(slot[i], ELEMENTS, (uint64_t)i);
            round_all(device, slot[0], &GRAFT_SHAPE(ELEMENTS));
            graft_kernel *kernel = make(device, form_of(device, form, half ? GRAFT_BF16 : GRAFT_F32));
            assert_int_equal(graft_layout_type(kernel->layouts[0]), half ? GRAFT_BF16 : GRAFT_F32);
            assert_string_equal(kernel->implementation, half ? name : kernel->implementation);
            y = kernel->layouts[slots - 1];
            run_kernel(device, kernel, slot, slots);
        }
        float *expected = values[0][slots - 1];
        if (graft_layout_type(y) == GRAFT_BF16)
            round_all(device, expected, &GRAFT_SHAPE(ELEMENTS));
        double distance =
            distance_of(values[1][slots - 1], expected, graft_shape_count(graft_layout_shape(y)));
        if (!(distance <= (make == make_mean ? 1e-6 : 0.0)))
            fail_msg("%s, form %d: %g", name, form, distance);
    }
    graft_device_free(device);
}

static void test_kernels_in_plain_c(void **state)
{
    (void)state;
    if (is_missing())
        skip();
    check_host(make_scale, 3, "host:scale");
    check_host(make_norm, 4, "host:layer_norm");
    check_host(make_mean, 2, "host:average_pool");
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
    assert_ok(graft_layout_channels_last(device, graft_layout_shape(y), GRAFT_F32, &again));
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

/* As ConvNeXt: norms, linear layers and a function for every pixel, learned factors and a sum; then as VGG's
 * classifier, layers of rows. */
static graft_graph *build_rows(void)
{
    graft_builder builder = {.size = SIDE}, *b = &builder;
    assert_ok(graft_graph_create(&b->graph));
    graft_output x = graft_build_input(b), y;
    x = layer_norm(b, "stem_norm", conv(b, "stem", x, 32, .kernel = 4, .stride = 4, .bias = true));
    y = conv(b, "depth", x, 32, .kernel = 3, .padding = 1, .groups = 32, .bias = true);
    y = layer_norm(b, "norm", channels_last(b, "to", y), .last = true);
    y = linear(b, "narrow", gelu(b, "gelu", linear(b, "wide", y, 64, .last = true)), 32, .last = true);
    x = add(b, "sum", layer_scale(b, "factors", channels_first(b, "fro", y), .start = 0.5F), x);
    x = flatten(b, "flat", max_pool(b, "pool", x, .kernel = 2, .stride = 2));
    x = relu(b, "hidden_relu", linear(b, "hidden", x, 40));
    linear(b, "fc", x, CLASSES);
    assert_ok(b->status);
    return b->graph;
}

static bool is_half(const graft_layout *layout)
{
    return layout && graft_layout_type(layout) == GRAFT_BF16;
}

/* Of kernels in plain C these take bf16. */
static bool is_host_in_bf16(const char *implementation)
{
    static const char *const names[] = {"copy_channels", "scale", "average_pool", "layer_norm"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(implementation + strlen("host:"), names[i]) == 0)
            return true;
    return false;
}

/* Its group's output leaves the plan: a function behind it may be fused. */
static bool leaves(const graft_graph *graph, const graft_node *node)
{
    for (size_t i = 0; i < graph->count; i++)
        if (graph->nodes[i].op->post_op && graph->nodes[i].cut && graph->nodes[i].inputs[0] == node->index)
            return true;
    return node->cut || node == graft_graph_logits(graph);
}

/* Convolutions and linear layers compute in bf16 and write it where it does not leave the plan, kernels in
 * plain C see it only if they know it, and nothing runs in oneDNN's reference code. */
static void check_steps(const rig *r, const graft_plan *plan)
{
    for (size_t i = 0; i < graft_plan_step_count(plan); i++) {
        graft_plan_step step = graft_plan_step_at(plan, i);
        const graft_node *node = graft_graph_find(r->graph, step.node);
        bool multiplies = node && node->op->computes_bf16 && !step.reorders;
        if (strstr(step.implementation, "ref"))
            fail_msg("%s runs in %s", step.node, step.implementation);
        if (multiplies && !(is_half(step.from) && (is_half(step.to) || leaves(r->graph, node))))
            fail_msg("%s is in f32", step.node);
        bool ignorant =
            strncmp(step.implementation, "host:", 5) == 0 && !is_host_in_bf16(step.implementation);
        if (ignorant && (is_half(step.from) || is_half(step.to)))
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

static void test_rows(void **state)
{
    (void)state;
    if (is_missing())
        skip();
    check_graph(build_rows, NULL);
    check_graph(build_rows, "fc");
    check_graph(build_rows, "hidden");
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
    assert_int_equal(gains("vgg16", "classifier.6"), tiles); /* elsewhere Winograd's method is as fast */
    assert_int_equal(gains("convnext_tiny", NULL), fast);
    assert_false(gains("resnet50", "*"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_convolutions),
        cmocka_unit_test(test_linear_layers),
        cmocka_unit_test(test_rounding_is_onednns),
        cmocka_unit_test(test_kernels_in_plain_c),
        cmocka_unit_test(test_forms),
        cmocka_unit_test(test_a_chain),
        cmocka_unit_test(test_a_mixture),
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_what_trains),
        cmocka_unit_test(test_where_it_pays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
