/* Which kernels compute a plan's convolutions: all candidates say the same, the rule always takes the same
 * one, a measurement leaves nothing behind but its choice. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>

#include "model/model.h"
#include "rig.h"

enum { PICTURES = 2, SIDE = 24, CLASSES = 5, PIXELS = PICTURES * 3 * SIDE * SIDE };

/* With a stride, groups, a sum and a concatenation, and channels that do not fill a block. */
static graft_graph *build(void)
{
    graft_builder builder = {.size = SIDE}, *b = &builder;
    assert_ok(graft_graph_create(&b->graph));
    graft_output x = graft_build_input(b);
    x = relu(b, "stem_relu", conv(b, "stem", x, 64, .kernel = 3, .padding = 1, .bias = true));
    graft_output y = batch_norm(b, "a_norm", conv(b, "a", x, 64, .kernel = 3, .padding = 1));
    y = relu(b, "a_relu", add(b, "sum", y, x));
    y = concat(b, "cat", y, conv(b, "c", y, 40, .kernel = 1, .bias = true));
    y = conv(b, "d", y, 104, .kernel = 3, .stride = 2, .padding = 1, .groups = 104, .bias = true);
    y = relu6(b, "e_relu", conv(b, "e", y, 72, .kernel = 1, .bias = true));
    y = flatten(b, "flat", global_average_pool(b, "pool", y));
    linear(b, "fc", y, CLASSES);
    assert_ok(b->status);
    return b->graph;
}

static void open_rig(rig *r, int threads)
{
    int matched;
    graft_graph *graph = build();
    graft_graph_mark(graph, "fc", true, &matched);
    rig_open(r, graph, threads);
    rig_fill(r, 3);
}

/* Where a machine has none such, direct ones stand in. */
static void test_all_say_the_same(void **state)
{
    rig r;
    float pictures[PIXELS], direct[PICTURES * CLASSES];
    (void)state;
    rig_draw(pictures, PIXELS, 1);
    open_rig(&r, 2);
    for (graft_kernels k = GRAFT_KERNELS_DIRECT; k <= GRAFT_KERNELS_CHANNELS_LAST; k++) {
        run u;
        r.kernels = k;
        run_open(&u, &r, PICTURES, false, false);
        graft_kernels taken = graft_plan_kernels(u.backbone);
        assert_true(taken == k || taken == GRAFT_KERNELS_DIRECT);
        const float *logits = run_forward(&u, pictures);
        if (k == GRAFT_KERNELS_DIRECT)
            memcpy(direct, logits, sizeof direct);
        assert_true(distance_of(logits, direct, PICTURES * CLASSES) < 1e-5);
        run_close(&u);
    }
    rig_close(&r);
}

static size_t count_constants(const rig *r)
{
    size_t count = 0;
    for (const graft_constant *c = r->constants.first; c; c = c->next) {
        assert_non_null(c->data);
        assert_true(c->users > 0);
        count++;
    }
    return count;
}

/* What candidates that were not taken would have packed is not there. */
static void test_the_rule(void **state)
{
    rig r;
    graft_plan *plan, *again, *alone;
    (void)state;
    open_rig(&r, 2);
    graft_plan_request request = rig_request(&r, PICTURES);
    assert_ok(graft_plan_compile(&plan, &request));
    assert_ok(graft_plan_compile(&again, &request));
    assert_int_equal(graft_plan_kernels(plan), graft_plan_kernels(again));
    size_t both = count_constants(&r);
    graft_plan_free(again);
    request.kernels = graft_plan_kernels(plan);
    assert_ok(graft_plan_compile(&alone, &request));
    assert_int_equal(count_constants(&r), both);
    graft_plan_free(alone);
    graft_plan_free(plan);
    graft_constants_trim(&r.constants);
    assert_null(r.constants.first);
    rig_close(&r);
}

static void test_a_measurement(void **state)
{
    rig r;
    graft_plan *plan, *chosen;
    graft_kernels_choice choice;
    (void)state;
    open_rig(&r, 2);
    graft_plan_request request = rig_request(&r, PICTURES);
    assert_ok(graft_plan_compile(&plan, &request));
    assert_ok(graft_plan_measure(&chosen, &choice, &request, &(graft_plan_stage){NULL, NULL, NULL}));
    assert_int_equal(choice.by_rule, graft_plan_kernels(plan));
    assert_int_equal(choice.taken, graft_plan_kernels(chosen));
    assert_true(choice.seconds > 0.0 && choice.seconds_by_rule > 0.0);
    if (choice.taken != choice.by_rule)
        assert_true(choice.seconds < 0.9 * choice.seconds_by_rule);
    graft_plan_free(plan);
    graft_constants_trim(&r.constants);
    count_constants(&r);
    graft_plan_free(chosen);
    rig_close(&r);
}

/* A rehearsed training has moved weights and statistics: they are as the model has them. */
static void test_training_begins_where_it_did(void **state)
{
    enum { CHANNELS = 1280 };
    graft_model *model;
    graft_executor *executor;
    graft_kernels_choice backbone, training;
    float before[CHANNELS], after[CHANNELS];
    graft_executor_options how = GRAFT_EXECUTOR_OPTIONS_INIT;
    (void)state;
    assert_ok(graft_model_create(&model, "efficientnet_lite0", 1));
    assert_ok(graft_model_set_size(model, 64));
    assert_ok(graft_model_freeze(model, "*"));
    assert_ok(graft_model_unfreeze(model, "_conv_head"));
    assert_ok(graft_model_unfreeze(model, "_bn1"));
    how.batch = 4;
    how.threads = 2;
    how.fuse_step = true;
    how.batch_norm = GRAFT_BATCH_NORM_TRAIN;
    for (int i = 0; i < 2; i++) {
        how.kernels = how.training_kernels = i == 0 ? GRAFT_KERNELS_RULE : GRAFT_KERNELS_MEASURE;
        assert_ok(graft_executor_create(&executor, model, &how));
        graft_executor_kernels(executor, &backbone, &training);
        assert_true(backbone.taken >= GRAFT_KERNELS_DIRECT && training.taken >= GRAFT_KERNELS_DIRECT);
        assert_int_equal(training.seconds > 0.0, i == 1);
        assert_ok(graft_executor_parameter(executor, "_bn1.running_mean", i ? after : before, CHANNELS));
        graft_executor_free(executor);
    }
    assert_memory_equal(before, after, sizeof before);
    graft_model_free(model);
}

static void test_failing_allocations(void **state)
{
    rig r;
    graft_plan *plan = NULL;
    graft_kernels_choice choice;
    graft_status status = GRAFT_EMEMORY;
    (void)state;
    open_rig(&r, 1);
    graft_plan_request request = rig_request(&r, PICTURES);
    for (int n = 1; status != GRAFT_OK; n += n < 10 ? 1 : 13) {
        graft_memory_fail_after(n);
        status = graft_plan_measure(&plan, &choice, &request, &(graft_plan_stage){NULL, NULL, NULL});
        graft_memory_fail_after(0);
        assert_true(status == GRAFT_OK ? n > 100 : status == GRAFT_EMEMORY);
    }
    graft_plan_free(plan);
    rig_close(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_say_the_same),    cmocka_unit_test(test_the_rule),
        cmocka_unit_test(test_a_measurement),       cmocka_unit_test(test_training_begins_where_it_did),
        cmocka_unit_test(test_failing_allocations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
