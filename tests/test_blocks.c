/* Operators together: blocks as torchvision's networks have them. What is fused gives the same numbers;
 * gradients are the slopes of the loss; nothing runs in oneDNN's reference code and no activation is
 * reordered on the way; an allocation that fails is said so. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>

#include "rig.h"

enum { BATCH = 4, SIZE = 32, CLASSES = 5 };

/* ---- Blocks ---- */

static graft_output unit(graft_builder *b, const char *name, graft_output x, int width, int kernel,
                         int stride)
{
    GRAFT_SCOPE (b, "%s", name) {
        x = conv(b, "conv", x, width, .kernel = kernel, .stride = stride, .padding = kernel / 2);
        x = relu(b, "relu", batch_norm(b, "bn", x, .epsilon = 1e-3F));
    }
    return x;
}

static graft_output depthwise(graft_builder *b, const char *name, graft_output x, int width, int stride)
{
    GRAFT_SCOPE (b, "%s", name) {
        x = conv(b, "conv", x, width, .kernel = 3, .stride = stride, .padding = 1, .groups = width);
        x = batch_norm(b, "bn", x, .epsilon = 1e-3F);
    }
    return x;
}

/* MobileNet v3's and EfficientNet's inverted residual with squeeze and excitation. */
static graft_output squeeze(graft_builder *b, graft_output x)
{
    x = unit(b, "stem", x, 24, 3, 2);
    graft_output y = hard_swish(b, "act", depthwise(b, "dw", unit(b, "expand", x, 40, 1, 1), 40, 1));
    graft_output s = adaptive_avg_pool(b, "avgpool", y, 1);
    s = silu(b, "silu", conv(b, "fc1", s, 10, .kernel = 1, .bias = true));
    s = hard_sigmoid(b, "gate", conv(b, "fc2", s, 40, .kernel = 1, .bias = true));
    y = conv(b, "project", mul(b, "mul", y, s), 24, .kernel = 1);
    return add(b, "add", batch_norm(b, "bn", y, .epsilon = 1e-3F), x);
}

/* ShuffleNet v2's two kinds of unit; 58 channels fill no block. */
static graft_output shuffle(graft_builder *b, graft_output x)
{
    x = max_pool(b, "pool", unit(b, "stem", x, 24, 3, 2), .kernel = 3, .stride = 2, .padding = 1);
    graft_output left = unit(b, "left", depthwise(b, "left_dw", x, 24, 2), 58, 1, 1);
    graft_output right = depthwise(b, "right_dw", unit(b, "right", x, 58, 1, 1), 58, 2);
    x = concat(b, "cat", left, unit(b, "right2", right, 58, 1, 1));
    x = channel_shuffle(b, "shuffle", x, 2);
    right = depthwise(b, "dw", unit(b, "q", slice_channels(b, "second", x, 58, 58), 58, 1, 1), 58, 1);
    return concat(b, "cat2", slice_channels(b, "first", x, 0, 58), unit(b, "r", right, 58, 1, 1));
}

static graft_output inception(graft_builder *b, graft_output x)
{
    x = affine(b, "transform_input", x, .scale = {0.5F, 2.0F, 1.5F}, .shift = {0.1F, -0.1F, 0.3F});
    x = unit(b, "stem", x, 32, 3, 2);
    graft_output wide =
        conv(b, "wide", x, 48, .kernel_height = 1, .kernel_width = 7, .padding_width = 3, .bias = true);
    graft_output pooled = avg_pool(b, "avgpool", x, .kernel = 3, .stride = 1, .padding = 1);
    x = concat(b, "cat", unit(b, "one", x, 16, 1, 1), relu(b, "relu", wide),
               unit(b, "pool", pooled, 24, 1, 1));
    return max_pool(b, "maxpool", x, .kernel = 3, .stride = 2, .ceil_mode = true);
}

/* ResNeXt's bottleneck: groups of several channels. */
static graft_output resnext(graft_builder *b, graft_output x)
{
    x = unit(b, "stem", x, 32, 3, 2);
    graft_output y =
        conv(b, "conv", unit(b, "reduce", x, 64, 1, 1), 64, .kernel = 3, .padding = 1, .groups = 4);
    y = relu(b, "relu", batch_norm(b, "bn", y, .epsilon = 1e-3F));
    y = batch_norm(b, "bn3", conv(b, "expand", y, 32, .kernel = 1), .epsilon = 1e-3F);
    return relu(b, "relu3", add(b, "add", y, x));
}

/* DenseNet's block, longer than a copy has inputs, and its transition. */
static graft_output dense(graft_builder *b, graft_output x)
{
    graft_output all[12] = {unit(b, "stem", x, 16, 3, 2)};
    int count = 1;
    for (; count < 11; count++)
        GRAFT_SCOPE (b, "layer%d", count) {
            graft_output y = concat_all(b, "cat", all, count);
            y = relu(b, "relu1", batch_norm(b, "norm1", y, .epsilon = 1e-3F));
            y = unit(b, "bottleneck", y, 16, 1, 1);
            all[count] = conv(b, "conv2", y, 8, .kernel = 3, .padding = 1);
        }
    x = relu(b, "relu", batch_norm(b, "norm", concat_all(b, "cat", all, count), .epsilon = 1e-3F));
    return avg_pool(b, "pool", conv(b, "conv", x, 24, .kernel = 1), .kernel = 2);
}

static graft_output convnext_blocks(graft_builder *b, graft_output x, int count)
{
    for (int i = 0; i < count; i++)
        GRAFT_SCOPE (b, "block%d", i) {
            graft_output y = conv(b, "dw", x, 24, .kernel = 7, .padding = 3, .groups = 24, .bias = true);
            y = layer_norm(b, "norm", channels_last(b, "permute", y), .epsilon = 1e-6F, .last = true);
            y = gelu(b, "gelu", linear(b, "fc1", y, 96, .last = true));
            y = channels_first(b, "back", linear(b, "fc2", y, 24, .last = true));
            x = add(b, "add", layer_scale(b, "scale", y, .start = 1.0F), x);
        }
    return x;
}

static graft_output convnext_of(graft_builder *b, graft_output x, int count)
{
    x = layer_norm(b, "stem_norm", conv(b, "stem", x, 24, .kernel = 4, .stride = 4, .bias = true),
                   .epsilon = 1e-6F);
    x = layer_norm(b, "norm", convnext_blocks(b, x, count), .epsilon = 1e-6F);
    return conv(b, "down", x, 40, .kernel = 2, .stride = 2, .bias = true);
}

static graft_output convnext(graft_builder *b, graft_output x)
{
    return convnext_of(b, x, 2);
}

static graft_output longer_convnext(graft_builder *b, graft_output x)
{
    return convnext_of(b, x, 4);
}

typedef graft_output (*body)(graft_builder *b, graft_output x);

static const struct block {
    const char *name;
    body body;
} blocks[] = {{"squeeze", squeeze}, {"shuffle", shuffle}, {"inception", inception},
              {"resnext", resnext}, {"dense", dense},     {"convnext", convnext}};

enum { BLOCKS = sizeof blocks / sizeof *blocks };

/* The block between the picture and a classifier whose output are log-probabilities. */
static graft_graph *build(body body)
{
    graft_builder b = {.size = SIZE};
    assert_ok(graft_graph_create(&b.graph));
    graft_output x = body(&b, graft_build_input(&b));
    x = flatten(&b, "flatten", adaptive_avg_pool(&b, "global_pool", x, 1));
    x = batch_norm(&b, "head.1", linear(&b, "head.0", x, 24), .epsilon = 1e-3F);
    x = linear(&b, "head.3", relu(&b, "head.2", x), CLASSES);
    log_softmax(&b, "log_softmax", x);
    assert_ok(b.status);
    return b.graph;
}

/* ---- Gradients ---- */

static const int32_t labels[BATCH] = {3, 0, 4, 1};

static double loss_of(run *u, const float *pictures)
{
    run_forward(u, pictures);
    return run_loss(u, labels);
}

static double norm_of(const float *x, int64_t count)
{
    double squares = 0;
    for (int64_t i = 0; i < count; i++)
        squares += (double)x[i] * x[i];
    return sqrt(squares);
}

static double loss_at(run *u, const float *pictures, graft_plan_tensor *tensor, const float *start,
                      int64_t count, double step)
{
    double size = norm_of(tensor->gradient, count);
    for (int64_t i = 0; i < count; i++)
        tensor->value[i] = (float)(start[i] + step * tensor->gradient[i] / size);
    double loss = loss_of(u, pictures);
    memcpy(tensor->value, start, sizeof(float) * (size_t)count);
    return loss;
}

/* Along its gradient the loss rises by the gradient's size; a step may cross where a function bends, so a
 * shorter one may show it. False where the gradient is too small to be seen in an f32. */
static bool check_slope(run *u, const float *pictures, const graft_node *node, int slot)
{
    graft_plan_tensor *tensor = &u->rig->tensors[node->first_tensor + slot];
    int64_t count = rig_count(&node->parameters[slot]);
    float *start = malloc(sizeof(float) * (size_t)count);
    memcpy(start, tensor->value, sizeof(float) * (size_t)count);
    double size = norm_of(tensor->gradient, count), step = 5e-4 * (norm_of(start, count) + 1e-3), slope = 0;
    bool seen = step * size > 1e-5, agrees = false;
    for (int i = 0; i < 3 && seen && !agrees; i++, step /= 3) {
        double above = loss_at(u, pictures, tensor, start, count, step);
        slope = (above - loss_at(u, pictures, tensor, start, count, -step)) / (2 * step);
        agrees = fabs(slope - size) < 0.03 * size;
    }
    free(start);
    if (seen && !agrees)
        fail_msg("%s.%s: the slope is %g, the gradient %g", node->name, node->parameters[slot].suffix, slope,
                 size);
    return seen;
}

static void check_gradients(const struct block *block)
{
    static float pictures[BATCH * 3 * SIZE * SIZE];
    rig r;
    run u;
    int matched, checked = 0, parameters = 0;
    graft_graph *graph = build(block->body);
    graft_graph_mark(graph, "*", true, &matched);
    rig_draw(pictures, BATCH * 3 * SIZE * SIZE, 1);
    rig_open(&r, graph, 1);
    r.loss = GRAFT_NLL;
    rig_fill(&r, 2);
    run_open(&u, &r, BATCH, true, false);
    loss_of(&u, pictures);
    run_backward(&u);
    for (size_t i = 0; i < graph->count; i++)
        for (int j = 0; j < graph->nodes[i].parameter_count; j++)
            if (graph->nodes[i].parameters[j].kind == GRAFT_PARAMETER_LEARNED) {
                checked += check_slope(&u, pictures, &graph->nodes[i], j);
                parameters++;
            }
    assert_true(checked * 4 > parameters * 3);
    run_close(&u);
    rig_close(&r);
}

static void test_gradients_are_slopes(void **state)
{
    (void)state;
    for (int i = 0; i < BLOCKS; i++)
        check_gradients(&blocks[i]);
}

/* ---- Fusion ---- */

/* Every function behind a convolution or a linear layer, and a factor that is folded; five channels leave
 * zeros in a block. */
static graft_output functions(graft_builder *b, graft_output x)
{
    x = sigmoid(b, "f0", conv(b, "c0", x, 5, .kernel = 3, .stride = 2, .bias = true));
    x = hard_sigmoid(b, "f1", conv(b, "c1", x, 5, .kernel = 3, .bias = true));
    x = silu(b, "f2", conv(b, "c2", x, 6, .kernel = 3, .bias = true));
    x = hard_swish(b, "f3", conv(b, "c3", x, 5, .kernel = 1, .bias = true));
    x = gelu(b, "f4", conv(b, "c4", x, 6, .kernel = 3, .padding = 1, .groups = 1, .bias = true));
    x = relu6(b, "f5", conv(b, "c5", x, 7, .kernel = 1, .bias = true));
    x = channels_last(b, "permute", relu(b, "f6", conv(b, "c6", x, 8, .kernel = 1)));
    x = gelu(b, "f7", linear(b, "l7", x, 12, .last = true));
    x = silu(b, "f8", linear(b, "l8", x, 12, .last = true));
    x = layer_scale(b, "fold", linear(b, "l9", x, 9, .last = true), .last = true);
    x = sigmoid(b, "f9", x);
    return channels_first(b, "back", x);
}

/* Log-probabilities of the pictures, (BATCH, CLASSES), as a plan of this kind computes them. */
static void compute(float *out, body body, const float *pictures, const char *trained, bool training)
{
    rig r;
    run u;
    int matched;
    graft_graph *graph = build(body);
    graft_graph_mark(graph, trained, true, &matched);
    rig_open(&r, graph, 1);
    rig_fill(&r, 3);
    run_open(&u, &r, BATCH, training, false);
    memcpy(out, run_forward(&u, pictures), sizeof(float) * BATCH * CLASSES);
    run_close(&u);
    rig_close(&r);
}

/* With a backward little is fused, frozen much is folded too. */
static void check_numbers(body body, const char *name)
{
    static float pictures[BATCH * 3 * SIZE * SIZE];
    float plain[BATCH * CLASSES], evaluated[BATCH * CLASSES], frozen[BATCH * CLASSES];
    rig_draw(pictures, BATCH * 3 * SIZE * SIZE, 4);
    compute(plain, body, pictures, "*", true);
    compute(evaluated, body, pictures, "*", false);
    compute(frozen, body, pictures, "nothing", false);
    double a = distance_of(evaluated, plain, BATCH * CLASSES),
           b = distance_of(frozen, plain, BATCH * CLASSES);
    if (!(a < 2e-6) || !(b < 2e-6))
        fail_msg("%s: %.3g in evaluation, %.3g frozen", name, a, b);
}

static void test_what_is_fused_gives_the_same_numbers(void **state)
{
    (void)state;
    check_numbers(functions, "functions");
    for (int i = 0; i < BLOCKS; i++)
        check_numbers(blocks[i].body, blocks[i].name);
}

static void test_functions_are_fused(void **state)
{
    (void)state;
    rig r;
    run u;
    rig_open(&r, build(functions), 1);
    run_open(&u, &r, BATCH, false, false);
    for (size_t i = 0; i < graft_plan_step_count(u.backbone); i++) {
        graft_plan_step step = graft_plan_step_at(u.backbone, i);
        if (step.node[0] == 'f' && strcmp(step.node, "flatten") != 0)
            fail_msg("%s is a step of its own, %s", step.node, step.implementation);
    }
    run_close(&u);
    rig_close(&r);
}

/* ---- Implementations and layouts ---- */

static int count_reorders(const graft_plan *plan, const char *what)
{
    int reorders = 0;
    for (size_t i = 0; plan && i < graft_plan_step_count(plan); i++) {
        graft_plan_step step = graft_plan_step_at(plan, i);
        if (strstr(step.implementation, "ref"))
            fail_msg("%s: %s runs in %s", what, step.node, step.implementation);
        const graft_shape *shape = step.reorders ? graft_layout_shape(step.from) : NULL;
        reorders += shape && shape->rank == 4 && shape->dims[0] == BATCH;
    }
    return reorders;
}

/* Reorders of activations in a training step, or in the frozen block. */
static int reorders_of(body body, const char *name, bool training)
{
    rig r;
    run u;
    int matched;
    graft_graph *graph = build(body);
    graft_graph_mark(graph, training ? "*" : "nothing", true, &matched);
    rig_open(&r, graph, 1);
    run_open(&u, &r, BATCH, training, false);
    int reorders = count_reorders(u.backbone, name) + count_reorders(u.upper, name);
    run_close(&u);
    rig_close(&r);
    return reorders;
}

/* The pooled output is made plain, and its gradient comes from there. */
static void test_nothing_is_reordered(void **state)
{
    (void)state;
    for (int i = 0; i < BLOCKS && is_new_enough(); i++) {
        if (blocks[i].body == convnext)
            continue;
        assert_in_range(reorders_of(blocks[i].body, blocks[i].name, false), 0, 1);
        assert_in_range(reorders_of(blocks[i].body, blocks[i].name, true), 0, 2);
    }
}

/* RegNet's and ResNeXt's, eight channels a group. */
static graft_output grouped(graft_builder *b, graft_output x)
{
    x = unit(b, "a", unit(b, "stem", x, 32, 3, 2), 48, 1, 1);
    x = relu(b, "relu",
             conv(b, "b", x, 48, .kernel = 3, .stride = 2, .padding = 1, .groups = 6, .bias = true));
    return unit(b, "c", x, 64, 1, 1);
}

/* With a backward oneDNN's fast kernels want blocks of a group's width. */
static void test_groups_are_not_reordered_without_a_backward(void **state)
{
    (void)state;
    if (is_new_enough())
        assert_in_range(reorders_of(grouped, "grouped", false), 0, 1);
    check_numbers(grouped, "grouped");
}

/* Between blocks of ConvNeXt channels stay last; before the first and behind the last they may not be. */
static void test_convnext_reorders_at_its_ends_only(void **state)
{
    (void)state;
    for (int training = 0; training < 2 && is_new_enough(); training++)
        assert_int_equal(reorders_of(convnext, "convnext", training),
                         reorders_of(longer_convnext, "longer convnext", training));
}

/* ---- Averages of many ---- */

enum { WIDE = 240 };

/* 57,600 numbers, added up one behind another in f32, lose two digits. */
static void test_an_average_of_a_whole_picture(void **state)
{
    (void)state;
    static float picture[3 * WIDE * WIDE];
    double sums[3] = {0};
    rig r;
    run u;
    graft_random random = graft_random_stream(3, GRAFT_RANDOM_TEST, "wide", 0, 0);
    graft_builder b = {.size = WIDE};
    for (int i = 0; i < 3 * WIDE * WIDE; i++) {
        picture[i] = 1.0F + graft_random_uniform(&random);
        sums[i / (WIDE * WIDE)] += (double)picture[i];
    }
    assert_ok(graft_graph_create(&b.graph));
    flatten(&b, "flatten", global_average_pool(&b, "avgpool", graft_build_input(&b)));
    assert_ok(b.status);
    rig_open(&r, b.graph, 1);
    run_open(&u, &r, 1, false, false);
    const float *means = run_forward(&u, picture);
    for (int c = 0; c < 3; c++) {
        double mean = sums[c] / (WIDE * WIDE);
        if (fabs((double)means[c] - mean) > 5e-7 * mean)
            fail_msg("the mean of plane %d is %.9g, not %.9g", c, (double)means[c], mean);
    }
    run_close(&u);
    rig_close(&r);
}

/* ---- Batch norm of rows ---- */

enum { ROWS = 6, QUARTER = SIZE / 2, POOLED = 12 };

/* Feature k of a row: ten times the mean of quarter k of the planes, and a bias. */
static void build_rows(rig *r)
{
    int64_t count;
    int matched;
    graft_builder b = {.size = SIZE};
    assert_ok(graft_graph_create(&b.graph));
    graft_output x = adaptive_avg_pool(&b, "quarters", graft_build_input(&b), 2);
    x = linear(&b, "rows", flatten(&b, "flatten", x), ROWS);
    linear(&b, "head", batch_norm(&b, "norm", x, .momentum = 0.25F), CLASSES);
    assert_ok(b.status);
    graft_graph_mark(b.graph, "*", true, &matched);
    rig_open(r, b.graph, 1);
    rig_fill(r, 7);
    float *weight = rig_tensor(r, "rows", "weight", &count)->value;
    memset(weight, 0, sizeof(float) * (size_t)count);
    for (int k = 0; k < ROWS; k++)
        weight[k * POOLED + k] = 10.0F;
}

static double mean_of_quarter(const float *picture, int k)
{
    const float *quarter = picture + k / 4 * SIZE * SIZE + k / 2 % 2 * QUARTER * SIZE + k % 2 * QUARTER;
    double sum = 0;
    for (int i = 0; i < QUARTER; i++)
        for (int j = 0; j < QUARTER; j++)
            sum += quarter[i * SIZE + j];
    return sum / (QUARTER * QUARTER);
}

/* nn.BatchNorm1d is batch norm of one pixel: the running variance takes N / (N - 1) of the batch's. */
static void test_batch_norm_of_rows(void **state)
{
    (void)state;
    static float pictures[BATCH * 3 * SIZE * SIZE];
    rig r;
    run u;
    int64_t count;
    float means[ROWS], variances[ROWS];
    rig_draw(pictures, BATCH * 3 * SIZE * SIZE, 6);
    build_rows(&r);
    const float *mean = rig_tensor(&r, "norm", "running_mean", &count)->value;
    const float *variance = rig_tensor(&r, "norm", "running_var", &count)->value;
    memcpy(means, mean, sizeof means);
    memcpy(variances, variance, sizeof variances);
    run_open(&u, &r, BATCH, true, true);
    count_reorders(u.upper, "rows");
    loss_of(&u, pictures);
    run_backward(&u);
    for (int k = 0; k < ROWS; k++) {
        double sum = 0, squares = 0, bias = rig_tensor(&r, "rows", "bias", &count)->value[k];
        for (int n = 0; n < BATCH; n++) {
            double x = 10 * mean_of_quarter(pictures + n * 3 * SIZE * SIZE, k) + bias;
            sum += x;
            squares += x * x;
        }
        double unbiased = (squares - sum * sum / BATCH) / (BATCH - 1);
        assert_true(fabs(mean[k] - (0.75 * means[k] + 0.25 * sum / BATCH)) < 1e-5);
        assert_true(fabs(variance[k] - (0.75 * variances[k] + 0.25 * unbiased)) < 1e-5);
    }
    run_close(&u);
    rig_close(&r);
}

/* ---- Memory that is refused ---- */

static graft_output small(graft_builder *b, graft_output x)
{
    x = max_pool(b, "maxpool", conv(b, "conv", x, 8, .kernel = 3, .stride = 2), .kernel = 3, .stride = 2);
    x = concat(b, "cat", slice_channels(b, "slice", x, 3, 5), channel_shuffle(b, "shuffle", x, 4));
    x = mul(b, "mul", x, hard_sigmoid(b, "gate", adaptive_avg_pool(b, "squeeze", x, 1)));
    x = layer_scale(b, "scale", layer_norm(b, "norm", x, .last = false), .start = 1.0F);
    x = linear(b, "linear", channels_last(b, "permute", x), 8, .last = true);
    return adaptive_avg_pool(b, "uneven", channels_first(b, "back", x), 2);
}

static void test_failing_allocations(void **state)
{
    (void)state;
    rig r;
    int matched;
    long failing = 0;
    graft_status status = GRAFT_EMEMORY;
    graft_graph *graph = build(small);
    graft_graph_mark(graph, "*", true, &matched);
    rig_open(&r, graph, 1);
    graft_plan_request request = {.graph = graph,
                                  .device = r.device,
                                  .constants = &r.constants,
                                  .tensors = r.tensors,
                                  .batch = 2,
                                  .part = GRAFT_PLAN_UPPER,
                                  .training = true,
                                  .gradients = {&r.fresh, 0.0F}};
    while (status != GRAFT_OK) {
        graft_plan *plan = NULL;
        graft_memory_fail_after(++failing);
        status = graft_plan_compile(&plan, &request);
        graft_memory_fail_after(0);
        assert_true(status == GRAFT_EMEMORY || status == GRAFT_OK);
        assert_true((status == GRAFT_OK) == (plan != NULL));
        graft_plan_free(plan);
    }
    assert_true(failing > 60);
    rig_close(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gradients_are_slopes),
        cmocka_unit_test(test_what_is_fused_gives_the_same_numbers),
        cmocka_unit_test(test_functions_are_fused),
        cmocka_unit_test(test_nothing_is_reordered),
        cmocka_unit_test(test_groups_are_not_reordered_without_a_backward),
        cmocka_unit_test(test_convnext_reorders_at_its_ends_only),
        cmocka_unit_test(test_an_average_of_a_whole_picture),
        cmocka_unit_test(test_batch_norm_of_rows),
        cmocka_unit_test(test_failing_allocations),
    };
    return cmocka_run_group_tests_name("blocks", tests, NULL, NULL);
}
