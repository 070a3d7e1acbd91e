/* Winograd's method beside direct convolutions: the same numbers, forward and backward, in the layouts and
 * with everything that is fused; where this machine has no code for it both are direct. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>

#include "plain.h"
#include "rig.h"
#include "winograd.h"

enum { PICTURES = 4, SIDE = 16, CLASSES = 5 };

static graft_output function(graft_builder *b, const char *name, graft_output x, bool smooth)
{
    return smooth ? silu(b, name, x) : relu(b, name, x);
}

/* Convolutions of both methods, with all that may follow one, and channels that do not fill a block. Where
 * gradients are compared functions are smooth: a number that is 0 but for rounding is on either side of a
 * ReLU's corner. */
static graft_graph *build(bool smooth)
{
    graft_builder builder = {.size = SIDE}, *b = &builder;
    assert_ok(graft_graph_create(&b->graph));
    graft_output x = graft_build_input(b);
    x = function(b, "stem_relu", conv(b, "stem", x, 64, .kernel = 3, .padding = 1, .bias = true), smooth);
    graft_output y = batch_norm(b, "a_norm", conv(b, "a", x, 64, .kernel = 3, .padding = 1));
    y = function(b, "a_relu", y, smooth);
    y = batch_norm(b, "b_norm", conv(b, "b", y, 64, .kernel = 3, .padding = 1));
    y = function(b, "b_relu", add(b, "sum", y, x), smooth);
    graft_output wide = silu(b, "c_silu", conv(b, "c", y, 48, .kernel = 1, .bias = true));
    y = concat(b, "cat", y, wide);
    y = function(b, "d_relu", batch_norm(b, "d_norm", conv(b, "d", y, 96, .kernel = 3, .padding = 1)),
                 smooth);
    y = conv(b, "e", y, 96, .kernel = 3, .padding = 1, .groups = 96, .bias = true);
    y = smooth ? y : relu6(b, "e_relu", y);
    y = conv(b, "f", y, 80, .kernel = 3, .padding = 1, .bias = true);
    y = function(b, "g_relu", conv(b, "g", y, 72, .kernel = 3, .stride = 2, .padding = 1), smooth);
    y = flatten(b, "flat", global_average_pool(b, "pool", y));
    linear(b, "fc", y, CLASSES);
    assert_ok(b->status);
    return b->graph;
}

static void open_rig(rig *r, const char *trains, bool smooth, bool direct)
{
    int matched;
    graft_graph *graph = build(smooth);
    if (trains)
        graft_graph_mark(graph, trains, true, &matched);
    rig_open(r, graph, 2);
    rig_fill(r, 3);
    r->kernels = direct ? GRAFT_KERNELS_DIRECT : GRAFT_KERNELS_WINOGRAD;
}

static void draw(float *pictures, int32_t *labels)
{
    rig_draw(pictures, PICTURES * 3 * SIDE * SIDE, 1);
    for (int i = 0; i < PICTURES; i++)
        labels[i] = i % CLASSES;
}

static void check_logits(run *fast, run *direct, const float *pictures)
{
    const float *logits = run_forward(direct, pictures);
    assert_true(distance_of(run_forward(fast, pictures), logits, PICTURES * CLASSES) < 1e-5);
}

static void test_a_frozen_network(void **state)
{
    rig fast, direct;
    run a, b;
    float pictures[PICTURES * 3 * SIDE * SIDE];
    int32_t labels[PICTURES];
    (void)state;
    draw(pictures, labels);
    open_rig(&fast, NULL, false, false);
    open_rig(&direct, NULL, false, true);
    run_open(&a, &fast, PICTURES, false, false);
    run_open(&b, &direct, PICTURES, false, false);
    assert_int_equal(winograd_steps(b.backbone, GRAFT_PHASE_FORWARD), 0);
    if (has_winograd()) /* a, b, d, f */
        assert_int_equal(winograd_steps(a.backbone, GRAFT_PHASE_FORWARD), 4);
    check_logits(&a, &b, pictures);
    run_close(&a);
    run_close(&b);
    rig_close(&fast);
    rig_close(&direct);
}

static void compare_gradients(const rig *a, const rig *b)
{
    for (size_t i = 0; i < a->graph->count; i++) {
        const graft_node *node = &a->graph->nodes[i];
        for (int j = 0; node->trains && j < node->parameter_count; j++) {
            const graft_parameter *p = &node->parameters[j];
            int tensor = node->first_tensor + j;
            if (p->kind != GRAFT_PARAMETER_LEARNED)
                continue;
            double distance =
                distance_of(a->tensors[tensor].gradient, b->tensors[tensor].gradient, rig_count(p));
            if (!(distance < 1e-5))
                fail_msg("%s.%s: %g", node->name, p->suffix, distance);
        }
    }
}

/* `packs`: weights lie in the blocks from which they are transformed. */
static void check_training(const char *trains, bool moves, bool packs, int least)
{
    rig fast, direct;
    run a, b;
    float pictures[PICTURES * 3 * SIDE * SIDE];
    int32_t labels[PICTURES];
    draw(pictures, labels);
    open_rig(&fast, trains, true, false);
    open_rig(&direct, trains, true, true);
    fast.packs = packs;
    run_open(&a, &fast, PICTURES, true, moves);
    run_open(&b, &direct, PICTURES, true, moves);
    if (has_winograd() && strcmp(trains, "b_norm") != 0) /* there weights are constants */
        assert_true((a.packed > 0) == packs);
    assert_int_equal(winograd_steps(b.upper, GRAFT_PHASE_BACKWARD), 0);
    if (has_winograd())
        assert_true(winograd_steps(a.upper, GRAFT_PHASE_BACKWARD) >= least);
    check_logits(&a, &b, pictures);
    assert_true(fabs(run_loss(&a, labels) - run_loss(&b, labels)) < 1e-5);
    run_backward(&a);
    run_backward(&b);
    run_close(&a);
    run_close(&b);
    compare_gradients(&fast, &direct);
    rig_close(&fast);
    rig_close(&direct);
}

static void test_training(void **state)
{
    (void)state;
    for (int packs = 0; packs < 2; packs++) {
        check_training("*", false, packs, 8); /* a, b, d, f: both gradients */
        check_training("*", true, packs, 8);
        check_training("b_norm", false, packs, 2); /* gradients through what is frozen */
        check_training("f", false, packs, 1);
    }
}

/* Evaluation of a part that trains transforms the weights each time, so it follows them. */
static void test_evaluation_while_weights_change(void **state)
{
    rig r;
    run u;
    float pictures[PICTURES * 3 * SIDE * SIDE], before[PICTURES * CLASSES];
    int32_t labels[PICTURES];
    int64_t count;
    (void)state;
    draw(pictures, labels);
    open_rig(&r, "b", false, false);
    run_open(&u, &r, PICTURES, false, false);
    if (has_winograd())
        assert_true(winograd_steps(u.upper, GRAFT_PHASE_FORWARD) > 0);
    memcpy(before, run_forward(&u, pictures), sizeof before);
    graft_plan_tensor *weight = rig_tensor(&r, "b", "weight", &count);
    for (int64_t i = 0; i < count; i++)
        weight->value[i] *= 2.0F;
    assert_true(distance_of(run_forward(&u, pictures), before, PICTURES * CLASSES) > 1e-3);
    run_close(&u);
    rig_close(&r);
}

/* ---- Pools of squares ---- */

enum { ODD_SIDE = 30 };

/* As VGG has it: a convolution that Winograd's method does not suit and one that it does, before a pool each,
 * the second over 15 x 15 pixels. */
static graft_graph *build_pools(void)
{
    graft_builder builder = {.size = ODD_SIDE}, *b = &builder;
    assert_ok(graft_graph_create(&b->graph));
    graft_output x = graft_build_input(b);
    x = relu(b, "stem_relu", conv(b, "stem", x, 64, .kernel = 3, .padding = 1, .bias = true));
    x = max_pool(b, "first", x, .kernel = 2, .stride = 2);
    x = relu(b, "a_relu", conv(b, "a", x, 64, .kernel = 3, .padding = 1, .bias = true));
    x = flatten(b, "flat", max_pool(b, "second", x, .kernel = 2, .stride = 2));
    linear(b, "fc", x, CLASSES);
    assert_ok(b->status);
    return b->graph;
}

/* The pixels a side of what the convolution's step writes. */
static int64_t side_of(const graft_plan *plan, const char *node)
{
    for (size_t i = 0; i < graft_plan_step_count(plan); i++) {
        graft_plan_step step = graft_plan_step_at(plan, i);
        if (strcmp(step.node, node) == 0 && !step.reorders)
            return graft_layout_shape(step.to)->dims[2];
    }
    return 0;
}

static void test_pools_behind_convolutions(void **state)
{
    rig fast, direct;
    run a, b;
    static float pictures[PICTURES * 3 * ODD_SIDE * ODD_SIDE];
    (void)state;
    rig_draw(pictures, PICTURES * 3 * ODD_SIDE * ODD_SIDE, 1);
    rig_open(&fast, build_pools(), 2);
    rig_open(&direct, build_pools(), 2);
    rig_fill(&fast, 3);
    rig_fill(&direct, 3);
    direct.kernels = GRAFT_KERNELS_DIRECT;
    fast.kernels = GRAFT_KERNELS_WINOGRAD;
    run_open(&a, &fast, PICTURES, false, false);
    run_open(&b, &direct, PICTURES, false, false);
    assert_int_equal(side_of(b.backbone, "a"), 15);
    assert_int_equal(side_of(a.backbone, "a"), has_winograd() ? 7 : 15);
    assert_int_equal(side_of(a.backbone, "stem"), 30);
    check_logits(&a, &b, pictures);
    run_close(&a);
    run_close(&b);
    rig_close(&fast);
    rig_close(&direct);
}

/* Pools that are none of squares alone, over 15 x 15 pixels, and one whose input is read by another, too. */
enum { WIDER_WINDOW, SHORTER_STEP, PADDED, ROUNDED_UP, READ_TWICE, KINDS };

static graft_graph *build_other_pool(int kind)
{
    graft_builder builder = {.size = ODD_SIDE / 2}, *b = &builder;
    assert_ok(graft_graph_create(&b->graph));
    graft_output x = conv(b, "stem", graft_build_input(b), 64, .kernel = 3, .padding = 1);
    x = relu(b, "a_relu", conv(b, "a", x, 64, .kernel = 3, .padding = 1, .bias = true));
    graft_output y = max_pool(b, "first", x, .kernel = kind == WIDER_WINDOW ? 3 : 2,
                              .stride = kind == SHORTER_STEP ? 1 : 2, .padding = kind == PADDED,
                              .ceil_mode = kind == ROUNDED_UP);
    y = flatten(b, "flat", global_average_pool(b, "mean", y));
    if (kind == READ_TWICE)
        y = add(b, "sum", y, flatten(b, "flat2", global_average_pool(b, "mean2", x)));
    linear(b, "fc", y, CLASSES);
    assert_ok(b->status);
    return b->graph;
}

static void test_pools_that_stay(void **state)
{
    (void)state;
    for (int kind = 0; kind < KINDS; kind++) {
        rig r;
        run u;
        rig_open(&r, build_other_pool(kind), 2);
        r.kernels = GRAFT_KERNELS_WINOGRAD;
        run_open(&u, &r, PICTURES, false, false);
        if (has_winograd())
            assert_int_equal(winograd_steps(u.backbone, GRAFT_PHASE_FORWARD), 1); /* a */
        assert_int_equal(side_of(u.backbone, "a"), 15);
        assert_true(side_of(u.backbone, "first") > 0);
        run_close(&u);
        rig_close(&r);
    }
}

/* ---- Kernels alone, with sizes that do not fill tiles ---- */

enum { TENSORS = 8 };
typedef enum tensor { X, WEIGHT, BIAS, Y, Y_GRADIENT, X_GRADIENT, WEIGHT_GRADIENT, BIAS_GRADIENT } tensor;

/* All tensors of a convolution, from the same numbers each time. */
static void fill_all(plain tensors[TENSORS], const graft_convolution *c)
{
    graft_shape x = GRAFT_SHAPE(c->batch, c->channels_in, c->height_in, c->width_in);
    graft_shape y = GRAFT_SHAPE(c->batch, c->channels_out, c->height_out, c->width_out);
    graft_shape weight = graft_convolution_weight_shape(c), row = GRAFT_SHAPE(c->channels_out);
    const graft_shape shapes[TENSORS] = {x, weight, row, y, y, x, weight, row};
    for (int i = 0; i < TENSORS; i++) {
        int64_t count = graft_shape_count(&shapes[i]);
        tensors[i].shape = shapes[i];
        assert_ok(GRAFT_NEW_ARRAY(&tensors[i].values, (size_t)count));
        rig_draw(tensors[i].values, (int)count, (uint64_t)i + 1);
    }
}

static void compute_all(plain tensors[TENSORS], graft_device *device, const graft_convolution *c)
{
    const graft_post_op relu6 = {GRAFT_CLIP, 0.0F, 6.0F};
    graft_kernel *kernel;
    fill_all(tensors, c);
    plain forward[GRAFT_KERNEL_SLOTS] = {tensors[X], tensors[WEIGHT], tensors[BIAS], tensors[Y]};
    plain data[GRAFT_KERNEL_SLOTS] = {tensors[Y_GRADIENT], tensors[WEIGHT], tensors[X_GRADIENT]};
    plain weights[GRAFT_KERNEL_SLOTS] = {tensors[X], tensors[Y_GRADIENT], tensors[WEIGHT_GRADIENT],
                                         tensors[BIAS_GRADIENT]};
    assert_ok(graft_convolution_forward(&kernel, device, c, true, true, &relu6, 1, true));
    assert_true(graft_kernel_is_winograd(kernel) == (c->winograd && has_winograd()));
    plain_run(device, kernel, forward);
    assert_ok(graft_convolution_backward_data(&kernel, device, c));
    plain_run(device, kernel, data);
    assert_ok(graft_convolution_backward_weights(&kernel, device, c, true));
    plain_run(device, kernel, weights);
}

static void compare_methods(graft_device *device, graft_convolution c)
{
    plain direct[TENSORS], fast[TENSORS];
    compute_all(direct, device, &c);
    c.winograd = true;
    c.form = GRAFT_FORM_BLOCKED;
    compute_all(fast, device, &c);
    for (int i = 0; i < TENSORS; i++) {
        double distance =
            distance_of(fast[i].values, direct[i].values, (int)graft_shape_count(&direct[i].shape));
        if (!(distance < 1e-5))
            fail_msg("tensor %d of %dx%d: %g", i, (int)c.height_in, (int)c.width_in, distance);
        free(fast[i].values);
        free(direct[i].values);
    }
}

/* Without a residual; y (N, O, H', W') or, of squares, halves of that. */
static plain forward_alone(graft_device *device, const graft_convolution *c)
{
    const graft_post_op relu = {GRAFT_CLIP, 0.0F, INFINITY};
    int64_t side = c->squares ? 2 : 1;
    graft_kernel *kernel;
    plain all[TENSORS];
    fill_all(all, c);
    all[Y].shape.dims[2] /= side;
    all[Y].shape.dims[3] /= side;
    plain slots[GRAFT_KERNEL_SLOTS] = {all[X], all[WEIGHT], all[BIAS], all[Y]};
    assert_ok(graft_convolution_forward(&kernel, device, c, true, false, &relu, 1, false));
    plain_run(device, kernel, slots);
    for (int i = 0; i < TENSORS; i++)
        if (i != Y)
            free(all[i].values);
    return all[Y];
}

/* The largest of each square, to the bit. */
static void check_squares(graft_device *device, graft_convolution c)
{
    c.winograd = true;
    c.form = GRAFT_FORM_BLOCKED;
    if (!graft_convolution_suits_winograd(&c))
        return;
    plain whole = forward_alone(device, &c);
    c.squares = true;
    plain squares = forward_alone(device, &c);
    int64_t width = c.width_out, down = c.height_out / 2, across = width / 2;
    for (int64_t i = 0; i < c.batch * c.channels_out * down * across; i++) {
        int64_t plane = i / (down * across), y = i / across % down, x = i % across;
        const float *from = whole.values + (plane * c.height_out + 2 * y) * width + 2 * x;
        float upper = fmaxf(from[0], from[1]), lower = fmaxf(from[width], from[width + 1]);
        if (squares.values[i] != fmaxf(upper, lower))
            fail_msg("square %d of %dx%d", (int)i, (int)c.height_out, (int)c.width_out);
    }
    free(whole.values);
    free(squares.values);
}

/* Heights and widths apart, paddings of 0 to 2 that differ from side to side, groups that are no pair, so
 * many tiles that a thread takes several chunks, and so many channels that all threads share them. */
static void test_kernels(void **state)
{
    static const graft_convolution shapes[] = {
        {.batch = 1,
         .channels_in = 64,
         .channels_out = 80,
         .height_in = 7,
         .width_in = 10,
         .pad_top = 1,
         .pad_left = 1,
         .pad_bottom = 1,
         .pad_right = 1},
        {.batch = 3, .channels_in = 16, .channels_out = 16, .height_in = 5, .width_in = 17},
        {.batch = 2,
         .channels_in = 32,
         .channels_out = 48,
         .height_in = 13,
         .width_in = 6,
         .pad_top = 2,
         .pad_left = 0,
         .pad_bottom = 0,
         .pad_right = 2},
        {.batch = 2,
         .channels_in = 48,
         .channels_out = 32,
         .height_in = 70,
         .width_in = 90,
         .pad_top = 2,
         .pad_left = 2,
         .pad_bottom = 2,
         .pad_right = 2},
        {.batch = 1,
         .channels_in = 512,
         .channels_out = 400,
         .height_in = 9,
         .width_in = 14,
         .pad_top = 1,
         .pad_left = 1,
         .pad_bottom = 1,
         .pad_right = 1},
    };
    graft_device *device;
    (void)state;
    assert_ok(graft_device_create(&device, 2));
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        graft_convolution c = shapes[i];
        c.height_out = c.height_in + c.pad_top + c.pad_bottom - 2;
        c.width_out = c.width_in + c.pad_left + c.pad_right - 2;
        c.kernel_height = c.kernel_width = 3;
        c.stride = c.groups = 1;
        compare_methods(device, c);
        check_squares(device, c);
    }
    graft_device_free(device);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kernels),
        cmocka_unit_test(test_a_frozen_network),
        cmocka_unit_test(test_training),
        cmocka_unit_test(test_evaluation_while_weights_change),
        cmocka_unit_test(test_pools_behind_convolutions),
        cmocka_unit_test(test_pools_that_stay),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
