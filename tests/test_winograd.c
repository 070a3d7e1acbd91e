/* Winograd's method beside direct convolutions: the same numbers, forward and backward, in the layouts and
 * with everything that is fused; where this machine's oneDNN does not have it both are direct. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>

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
    graft_output wide = silu(b, "c_silu", conv(b, "c", y, 40, .kernel = 1, .bias = true));
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
    r->kernels = direct ? GRAFT_KERNELS_DIRECT : GRAFT_KERNELS_RULE;
}

static void draw(float *pictures, int32_t *labels)
{
    rig_draw(pictures, PICTURES * 3 * SIDE * SIDE, 1);
    for (int i = 0; i < PICTURES; i++)
        labels[i] = i % CLASSES;
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
    if (has_winograd(fast.device)) /* a, b, f; and d, if its 104 channels suit oneDNN */
        assert_true(winograd_steps(a.backbone, GRAFT_PHASE_FORWARD) >= 3);
    const float *logits = run_forward(&b, pictures);
    assert_true(distance_of(run_forward(&a, pictures), logits, PICTURES * CLASSES) < 1e-5);
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

static void check_training(const char *trains, bool moves, int least)
{
    rig fast, direct;
    run a, b;
    float pictures[PICTURES * 3 * SIDE * SIDE];
    int32_t labels[PICTURES];
    draw(pictures, labels);
    open_rig(&fast, trains, true, false);
    open_rig(&direct, trains, true, true);
    run_open(&a, &fast, PICTURES, true, moves);
    run_open(&b, &direct, PICTURES, true, moves);
    assert_int_equal(winograd_steps(b.upper, GRAFT_PHASE_BACKWARD), 0);
    if (has_winograd(fast.device))
        assert_true(winograd_steps(a.upper, GRAFT_PHASE_BACKWARD) >= least);
    const float *logits = run_forward(&b, pictures);
    assert_true(distance_of(run_forward(&a, pictures), logits, PICTURES * CLASSES) < 1e-5);
    assert_true(fabs(run_loss(&a, labels) - run_loss(&b, labels)) < 1e-5);
    run_backward(&a);
    run_backward(&b);
    compare_gradients(&fast, &direct);
    run_close(&a);
    run_close(&b);
    rig_close(&fast);
    rig_close(&direct);
}

static void test_training(void **state)
{
    (void)state;
    check_training("*", false, 6); /* a, b, f: both gradients */
    check_training("*", true, 6);
    check_training("b_norm", false, 2); /* gradients through what is frozen */
    check_training("f", false, 1);
}

/* Evaluation of a part that trains: no step packs a weight for Winograd's method, which would take longer
 * than the convolution, and it follows the weights. */
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
    for (size_t i = 0; i < graft_plan_step_count(u.upper); i++) {
        graft_plan_step step = graft_plan_step_at(u.upper, i);
        assert_false(step.reorders && step.to && graft_layout_bytes(step.to) > 4 * 2 * 64 * 64 * 9 &&
                     graft_layout_shape(step.from)->dims[0] == 64);
    }
    memcpy(before, run_forward(&u, pictures), sizeof before);
    graft_plan_tensor *weight = rig_tensor(&r, "b", "weight", &count);
    for (int64_t i = 0; i < count; i++)
        weight->value[i] *= 2.0F;
    assert_true(distance_of(run_forward(&u, pictures), before, PICTURES * CLASSES) > 1e-3);
    run_close(&u);
    rig_close(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_frozen_network),
        cmocka_unit_test(test_training),
        cmocka_unit_test(test_evaluation_while_weights_change),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
