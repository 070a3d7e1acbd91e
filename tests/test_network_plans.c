/* What the plans of networks are made of: nothing of oneDNN's reference kernels, and no activation
 * is brought from one layout to another on the way, but where it comes from outside or goes there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>

#include "rig.h"

#include "zoo/zoo.h"

/* Rows are plain: what a flatten reads, and in backward what it gives. */
static bool is_at_rows(const graft_graph *graph, const graft_node *node)
{
    for (size_t i = 0; i < graph->count; i++)
        if (graph->nodes[i].op->is_view && graph->nodes[i].inputs[0] == node->index)
            return true;
    return node->op->is_view;
}

/* Whether a step is at an end of its part: its node reads the picture or what crosses the cut or makes it, or
 * there is one pixel a channel (the pool's output), or rows begin. */
static bool is_at_an_end(const graft_graph *graph, const graft_plan_step *step)
{
    const graft_node *node = graft_graph_find(graph, step->node);
    for (int i = 0; node && i < node->input_count; i++)
        if (node->inputs[i] == 0 || graph->nodes[node->inputs[i]].cut)
            return true;
    return (node && (node->cut || is_at_rows(graph, node))) ||
           graft_layout_shape(step->from)->dims[2] * graft_layout_shape(step->from)->dims[3] == 1;
}

static bool is_activation(const graft_shape *shape, int64_t batch)
{
    return shape->rank == 4 && shape->dims[0] == batch;
}

static void check_plan(const graft_graph *graph, const graft_plan *plan, int64_t batch, const char *what)
{
    int reorders = 0;
    for (size_t i = 0; plan && i < graft_plan_step_count(plan); i++) {
        graft_plan_step step = graft_plan_step_at(plan, i);
        if (strstr(step.implementation, "ref"))
            fail_msg("%s: %s runs in %s", what, step.node, step.implementation);
        if (!step.reorders || !is_activation(graft_layout_shape(step.from), batch))
            continue;
        reorders++;
        if (!is_at_an_end(graph, &step))
            fail_msg("%s: %s has an activation reordered in phase %d", what, step.node, (int)step.phase);
    }
    if (plan)
        print_message("%s: %zu steps, %d reorders of activations, %zu MB\n", what,
                      graft_plan_step_count(plan), reorders, graft_plan_workspace(plan) >> 20);
}

static bool has_groups(const graft_node *node)
{
    const graft_conv2d_attributes *a = node->attributes;
    return node->op == &graft_op_conv2d && a->groups > 1;
}

/* Weights that train lie as forward reads them, but for what Winograd's method makes of them, and gradients
 * come as they lie, but those of a depthwise convolution, which are few. */
static void check_packed(const graft_graph *graph, const graft_plan *plan, const char *what)
{
    for (size_t i = 0; i < graft_plan_step_count(plan); i++) {
        graft_plan_step step = graft_plan_step_at(plan, i);
        const graft_node *node = graft_graph_find(graph, step.node);
        if (!step.reorders || !node || node->op != &graft_op_conv2d || has_groups(node))
            continue;
        const graft_layout *weight = graft_plan_kept(plan, node->first_tensor);
        bool packs = step.from == weight && step.phase == GRAFT_PHASE_FORWARD &&
                     strcmp(graft_layout_name(step.to), "winograd") != 0;
        if (packs || step.to == weight)
            fail_msg("%s: %s is packed in phase %d", what, step.node, (int)step.phase);
    }
}

enum { SLICE = 8 };

static void check_pattern(const char *pattern, bool moves)
{
    enum { BATCH = 2 };
    rig r;
    run u;
    int matched;
    char what[128];
    graft_graph *graph;
    const graft_network *network = graft_network_find("efficientnet_lite0");
    assert_ok(graft_zoo_build(&graph, graft_zoo_row_of(network), 10, 224));
    graft_graph_mark(graph, pattern, true, &matched);
    assert_true(matched > 0);
    rig_open(&r, graph, 2);
    rig_fill(&r, 1);
    run_open(&u, &r, SLICE, false, moves);
    snprintf(what, sizeof what, "%s trains: backbone", pattern);
    check_plan(graph, u.backbone, SLICE, what);
    snprintf(what, sizeof what, "%s trains: evaluation", pattern);
    check_plan(graph, u.upper, SLICE, what);
    run_close(&u);
    r.packs = true;
    run_open(&u, &r, BATCH, true, moves);
    snprintf(what, sizeof what, "%s trains: training, statistics %s", pattern, moves ? "move" : "still");
    check_plan(graph, u.upper, BATCH, what);
    check_packed(graph, u.upper, what);
    run_close(&u);
    rig_close(&r);
}

static void test_the_head(void **state)
{
    (void)state;
    if (is_new_enough())
        check_pattern("_fc", false);
}

static void test_the_last_blocks(void **state)
{
    (void)state;
    if (is_new_enough())
        check_pattern("_blocks.1*", false);
}

static void test_all_layers(void **state)
{
    (void)state;
    if (is_new_enough())
        check_pattern("*", false);
}

static void test_all_layers_with_statistics_that_move(void **state)
{
    (void)state;
    if (is_new_enough())
        check_pattern("*", true);
}

/* Of which the head trains; the graph is the rig's. */
static graft_graph *open_network(rig *r, const char *name, const char *head, int size)
{
    int matched;
    graft_graph *graph;
    assert_ok(graft_zoo_build(&graph, graft_zoo_row_of(graft_network_find(name)), 10, size));
    graft_graph_mark(graph, head, true, &matched);
    assert_int_equal(matched, 1);
    rig_open(r, graph, 2);
    return graph;
}

/* Networks of which Winograd's method has a part; with pictures of this size a part only of what it suits. */
static void check_network(const char *name, const char *head, int size)
{
    rig r;
    run u;
    int matched;
    char what[128];
    graft_graph *graph = open_network(&r, name, head, size);
    run_open(&u, &r, SLICE, false, false);
    snprintf(what, sizeof what, "%s: backbone", name);
    check_plan(graph, u.backbone, SLICE, what);
    run_close(&u);
    graft_graph_mark(graph, "*", true, &matched);
    graft_graph_bound(graph);
    r.packs = true;
    run_open(&u, &r, SLICE, true, false);
    snprintf(what, sizeof what, "%s: training", name);
    check_plan(graph, u.upper, SLICE, what);
    check_packed(graph, u.upper, what);
    run_close(&u);
    rig_close(&r);
}

static void test_networks_in_which_methods_mix(void **state)
{
    (void)state;
    if (!is_new_enough())
        return;
    check_network("resnet18", "fc", 96);
    check_network("googlenet", "fc", 128);
    check_network("densenet121", "classifier", 96);
}

/* Where the processor has tiles they do all that they can: what multiplies without groups. */
static void check_tiles(const graft_graph *graph, const graft_plan *plan, const char *what)
{
    for (size_t i = 0; i < graft_plan_step_count(plan); i++) {
        graft_plan_step step = graft_plan_step_at(plan, i);
        const graft_node *node = graft_graph_find(graph, step.node);
        if (step.reorders || !node || !node->op->computes_bf16)
            continue;
        if (!has_groups(node) && !strstr(step.implementation, "amx"))
            fail_msg("%s: %s runs in %s", what, step.node, step.implementation);
    }
}

static void check_bf16(const char *name, const char *head, int size)
{
    rig r;
    run u;
    char what[128];
    graft_graph *graph = open_network(&r, name, head, size);
    r.precision = GRAFT_BF16;
    run_open(&u, &r, SLICE, false, false);
    snprintf(what, sizeof what, "%s: backbone in bf16", name);
    check_plan(graph, u.backbone, SLICE, what);
    if (graft_device_bf16() == GRAFT_BF16_TILES)
        check_tiles(graph, u.backbone, what);
    run_close(&u);
    rig_close(&r);
}

static void test_networks_in_bf16(void **state)
{
    (void)state;
    if (graft_device_bf16() < GRAFT_BF16_TWICE)
        skip(); /* elsewhere it is not used */
    check_bf16("efficientnet_lite0", "_fc", 224);
    check_bf16("resnet50", "fc", 224);
    check_bf16("mobilenet_v2", "classifier.1", 224);
    check_bf16("vgg16", "classifier.6", 224);
    check_bf16("squeezenet1_1", "classifier.1", 224);
    check_bf16("densenet121", "classifier", 224);
    check_bf16("shufflenet_v2_x1_0", "fc", 224);
    check_bf16("efficientnet_b0", "classifier.1", 224);
    check_bf16("regnet_y_400mf", "fc", 224);
    check_bf16("mobilenet_v3_small", "classifier.3", 224);
    check_bf16("convnext_tiny", "classifier.2", 224);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_head),
        cmocka_unit_test(test_the_last_blocks),
        cmocka_unit_test(test_all_layers),
        cmocka_unit_test(test_all_layers_with_statistics_that_move),
        cmocka_unit_test(test_networks_in_which_methods_mix),
        cmocka_unit_test(test_networks_in_bf16),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
