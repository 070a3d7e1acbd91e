/* Operators against PyTorch: forward and every gradient, in each form that a tensor can lie in, and no kernel
 * named `ref`. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>

#include "cases.h"

#include "base/file.h"

/* ---- Comparing ---- */

/* The largest difference in parts of the largest expected number. */
static double distance(const float *got, const float *expected, int64_t count)
{
    double difference = 0.0, largest = 1e-30;
    for (int64_t i = 0; i < count; i++) {
        double d = fabs((double)got[i] - expected[i]);
        difference = d <= difference ? difference : d; /* not a number is the largest */
        largest = fabs(expected[i]) > largest ? fabs(expected[i]) : largest;
    }
    return difference / largest;
}

static void compare(const char *line, const char *what, const float *got, const float *expected,
                    int64_t count, double limit)
{
    double d = distance(got, expected, count);
    if (!(d <= limit))
        fail_msg("%s: %s is off by %.3g", line, what, d);
}

/* ---- Running a case ---- */

/* What oneDNN has only reference code for, and no network has: a max pool of a single plane. */
static bool is_excused(const run *u, const char *name)
{
    const graft_node *node = graft_graph_find(u->rig->graph, name);
    return node && node->op == &graft_op_max_pool2d && u->batch == 1 && node->shape.dims[1] == 1;
}

static void check_implementations(const run *u)
{
    for (size_t i = 0; i < graft_plan_step_count(u->upper); i++) {
        graft_plan_step step = graft_plan_step_at(u->upper, i);
        if (strstr(step.implementation, "ref") && !is_excused(u, step.node))
            fail_msg("%s is %s", step.node, step.implementation);
    }
}

/* Forward, and with `training` backward; the output, borrowed. */
static const float *run_all(run *u, bool training)
{
    static const float picture[INPUTS * 3];
    static const int32_t labels[INPUTS];
    check_implementations(u);
    const float *y = run_forward(u, picture);
    if (training) {
        run_loss(u, labels);
        run_backward(u);
    }
    return y;
}

/* Returns the numbers behind the case's. */
static const float *compare_gradients(const rig *r, const test_case *c, const float *numbers)
{
    const graft_node *op = graft_graph_find(r->graph, "op");
    for (int i = 0; i < c->input_count; i++)
        compare(c->line, "an input's gradient", leaf_of(r, i)->gradient, take(&numbers, &c->inputs[i]),
                graft_shape_count(&c->inputs[i]), 5e-6);
    for (int j = 0; j < op->parameter_count; j++) {
        const graft_shape *shape = &op->parameters[j].shape;
        const float *gradient = take(&numbers, shape);
        if (op->trains)
            compare(c->line, op->parameters[j].suffix, r->tensors[op->first_tensor + j].gradient, gradient,
                    graft_shape_count(shape), 5e-6);
    }
    return numbers;
}

/* Returns the numbers behind the case's. */
static const float *run_case(const test_case *c, const way *how)
{
    rig r;
    run u;
    build_case(&r, c, how, 1);
    const graft_shape *whole = &graft_graph_find(r.graph, "sink")->parameters[0].shape;
    const float *numbers = fill_case(&r, c), *y = take(&numbers, whole);
    run_open(&u, &r, (int)whole->dims[0], true, false);
    compare(c->line, "the output", run_all(&u, true), y, graft_shape_count(whole), 2e-6);
    numbers = compare_gradients(&r, c, numbers);
    run_close(&u);
    run_open(&u, &r, (int)whole->dims[0], false, false);
    compare(c->line, "the output without a backward", run_all(&u, false), y, graft_shape_count(whole), 2e-6);
    run_close(&u);
    rig_close(&r);
    return numbers;
}

static const float *run_ways(const test_case *c)
{
    /* All pairs of forms would be slow and show nothing new. */
    for (form input = PLAIN; input < FORMS; input++)
        for (form gradient = PLAIN; gradient < FORMS; gradient++) {
            bool pair = gradient == input || gradient == (input + 1) % FORMS;
            if (pair && has_form(input, &c->inputs[0]) && has_form(gradient, &c->inputs[0]))
                run_case(c, &(way){input, gradient, gradient == input, false});
        }
    return run_case(c, &(way){PLAIN, PLAIN, true, true});
}

/* ---- The reference ---- */

static char *open_reference(const char *name)
{
    char path[4096];
    uint8_t *data;
    size_t size;
    const char *folder = getenv("GRAFT_TEST_REFERENCE");
    assert_non_null(folder);
    snprintf(path, sizeof path, "%s/operators/%s", folder, name);
    assert_int_equal(graft_file_read(path, SIZE_MAX, &data, &size), GRAFT_OK);
    char *text = realloc(data, size + 1); /* a text ends */
    assert_non_null(text);
    text[size] = 0;
    return text;
}

static void test_equal_pytorch(void **state)
{
    (void)state;
    char *lines = open_reference("cases.txt"), *numbers = open_reference("cases.bin"), *rest;
    const float *at = (const float *)(void *)numbers;
    int count = 0;
    for (char *line = strtok_r(lines, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        test_case c;
        parse_case(&c, line);
        c.numbers = at;
        at = run_ways(&c);
        count++;
    }
    assert_true(count > 300);
    free(lines);
    free(numbers);
}

/* ---- What is the same with any number of threads ---- */

static bool is_ours(const run *u)
{
    for (size_t i = 0; i < graft_plan_step_count(u->upper); i++) {
        graft_plan_step step = graft_plan_step_at(u->upper, i);
        if (strcmp(step.node, "op") == 0 && !step.reorders && strncmp(step.implementation, "host:", 5) != 0)
            return false;
    }
    return true;
}

/* The output and all gradients behind one another; the caller's. 0 numbers where a kernel is not ours. */
static float *numbers_with(const test_case *c, const way *how, int threads, int64_t *count)
{
    rig r;
    run u;
    build_case(&r, c, how, threads);
    const graft_node *op = graft_graph_find(r.graph, "op");
    const graft_shape *whole = &graft_graph_find(r.graph, "sink")->parameters[0].shape;
    fill_case(&r, c);
    run_open(&u, &r, (int)whole->dims[0], true, false);
    *count = is_ours(&u) ? graft_shape_count(whole) : 0;
    float *numbers = malloc(sizeof(float) * (size_t)graft_shape_count(whole) * 64);
    assert_non_null(numbers);
    memcpy(numbers, run_all(&u, true), sizeof(float) * (size_t)graft_shape_count(whole));
    for (int i = 0; i < r.graph->tensor_count - 1 && *count > 0; i++) {
        const graft_node *node = i < c->input_count ? &r.graph->nodes[1 + i] : op;
        const graft_shape *shape = &node->parameters[i < c->input_count ? 0 : i - c->input_count].shape;
        assert_true(*count + graft_shape_count(shape) <= 64 * graft_shape_count(whole));
        memcpy(numbers + *count, r.tensors[i].gradient, sizeof(float) * (size_t)graft_shape_count(shape));
        *count += graft_shape_count(shape);
    }
    run_close(&u);
    rig_close(&r);
    return numbers;
}

static void test_threads_change_nothing(void **state)
{
    (void)state;
    char *lines = open_reference("cases.txt"), *numbers = open_reference("cases.bin"), *rest;
    const float *at = (const float *)(void *)numbers;
    int compared = 0;
    for (char *line = strtok_r(lines, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        test_case c;
        int64_t one_count, many_count;
        parse_case(&c, line);
        c.numbers = at; /* any numbers do */
        for (form form = PLAIN; form < FORMS; form += LAST) {
            way how = {form, form, true, false};
            if (!has_form(form, &c.inputs[0]) || c.operator->op == & graft_op_conv2d)
                continue;
            float *one = numbers_with(&c, &how, 1, &one_count),
                  *many = numbers_with(&c, &how, 3, &many_count);
            assert_int_equal(one_count, many_count);
            if (memcmp(one, many, sizeof(float) * (size_t)one_count) != 0)
                fail_msg("%s: threads change the numbers", line);
            compared += one_count > 0;
            free(one);
            free(many);
        }
    }
    assert_true(compared > 100);
    free(lines);
    free(numbers);
}

/* ---- Losses ---- */

static void check_loss(graft_device *device, const char *line, const float **numbers)
{
    char name[32];
    int rows, classes;
    float smoothing, loss;
    graft_kernel *kernel;
    assert_int_equal(sscanf(line, "%31s %d %d %f", name, &rows, &classes, &smoothing), 4);
    graft_shape shape = GRAFT_SHAPE(rows, classes), labels = GRAFT_SHAPE(rows), one = GRAFT_SHAPE(1);
    float *gradient = calloc((size_t)(rows * classes), sizeof(float));
    const float *x = take(numbers, &shape), *label = take(numbers, &labels), *expected = take(numbers, &one);
    void *buffers[GRAFT_KERNEL_SLOTS] = {(void *)(uintptr_t)x, (void *)(uintptr_t)label, &loss, gradient};
    if (strcmp(name, "nll") == 0)
        assert_ok(graft_nll(&kernel, device, rows, classes, 1.0F));
    else
        assert_ok(graft_cross_entropy(&kernel, device, rows, classes, 1.0F, smoothing));
    assert_ok(graft_kernel_bind(kernel, buffers, NULL));
    assert_ok(graft_kernel_run(kernel));
    compare(line, "the loss", &loss, expected, 1, 2e-7);
    compare(line, "the gradient", gradient, take(numbers, &shape), (int64_t)rows * classes, 2e-7);
    graft_kernel_free(kernel);
    free(gradient);
}

static void test_losses(void **state)
{
    (void)state;
    graft_device *device;
    char *lines = open_reference("losses.txt"), *numbers = open_reference("losses.bin"), *rest;
    const float *at = (const float *)(void *)numbers;
    assert_ok(graft_device_create(&device, 1));
    for (char *line = strtok_r(lines, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
        check_loss(device, line, &at);
    graft_device_free(device);
    free(lines);
    free(numbers);
}

/* ---- Shapes that do not fit ---- */

static void test_refusals(void **state)
{
    (void)state;
    static const struct {
        const char *line, *words;
    } cases[] = {
        {"max_pool2d 1,3,2,2 kernel=3", "too small for a window of 3"},
        {"max_pool2d 1,3,9,9 kernel=3 padding=2", "cannot have a padding of 2"},
        {"avg_pool2d 1,3 kernel=1", "a pool needs (N, C, H, W)"},
        {"adaptive_avg_pool2d 1,3 height=1 width=1", "a pool needs (N, C, H, W)"},
        {"concat 1,3,5,5 1,3,5,4", "does not fit behind (1, 3, 5, 5)"},
        {"concat 1,3", "needs (N, C, H, W)"},
        {"slice_channels 1,8,3,3 begin=4 channels=5", "channels 4 to 8 are not in (1, 8, 3, 3)"},
        {"channel_shuffle 1,8,3,3 groups=3", "does not divide into 3 groups"},
        {"permute 1,8", "four dimensions are permuted"},
        {"mul 1,8,3,3 1,4,1,1", "cannot be multiplied by (1, 4, 1, 1)"},
        {"affine 1,4,3,3", "no picture of at most 3 channels"},
        {"linear 1,3,5,5 features=2", "needs (N, features), not (1, 3, 5, 5)"},
        {"linear 1,3 features=2 last=1", "needs (N, H, W, features), not (1, 3)"},
        {"log_softmax 1,3,5,5", "needs (N, classes)"},
        {"conv2d 1,3,5,5 channels=4 kernel_height=7 kernel_width=1", "too small for a kernel of 7 x 1"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        test_case c;
        int inputs[2], index, picture = 0;
        graft_graph *graph = new_graph();
        parse_case(&c, cases[i].line);
        for (int j = 0; j < c.input_count; j++)
            inputs[j] =
                append(graph, j ? "b" : "a", &op_leaf, &(held_attributes){c.inputs[j], PLAIN}, &picture, 1);
        assert_int_equal(
            graft_graph_append(graph, &index, "op", c.operator->op, &c.attributes, inputs, c.input_count),
            GRAFT_ESHAPE);
        if (!strstr(graft_error_message(), cases[i].words))
            fail_msg("%s: \"%s\"", cases[i].line, graft_error_message());
        graft_graph_free(graph);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_equal_pytorch),
        cmocka_unit_test(test_threads_change_nothing),
        cmocka_unit_test(test_losses),
        cmocka_unit_test(test_refusals),
    };
    return cmocka_run_group_tests_name("operators", tests, NULL, NULL);
}
