/* Every operator forward and backward, in chains, against PyTorch in double precision
 * (tests/reference/make_ops.py, which also describes the chains) and against finite differences of the loss.
 *
 * A chain's input must be a parameter for its gradient to be seen: the picture is one-hot, (N, NHW, H, W)
 * with channel n * H * W + h * W + w set at (n, h, w), so the weight of a 1x1 convolution on it is the input.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>

#include "rig.h"

#include "base/file.h"

enum { STEPS = 16, PICTURES = 16 };

typedef struct chain {
    int n, c, h, w, classes;
    bool moves;
    const char *names[STEPS]; /* nodes with parameters, in order; the last is "fc" */
    int count;
} chain;

/* ---- The reference ---- */

typedef struct reference {
    char *lines;
    float *numbers; /* read from the front */
    size_t left;
} reference;

static reference opened;

static int open_reference(void **state)
{
    char path[4096];
    uint8_t *data;
    size_t size;
    const char *folder = getenv("GRAFT_TEST_REFERENCE");
    assert_non_null(folder);
    snprintf(path, sizeof path, "%s/ops/cases.bin", folder);
    assert_ok(graft_file_read(path, SIZE_MAX, &data, &size));
    opened.numbers = (float *)(void *)data;
    opened.left = size / sizeof(float);
    snprintf(path, sizeof path, "%s/ops/cases.txt", folder);
    assert_ok(graft_file_read(path, SIZE_MAX, &data, &size));
    opened.lines = calloc(1, size + 1);
    memcpy(opened.lines, data, size);
    free(data);
    *state = &opened;
    return 0;
}

static int close_reference(void **state)
{
    (void)state;
    free(opened.lines);
    free(opened.numbers);
    return 0;
}

static const float *take(reference *from, int64_t count)
{
    assert_true((size_t)count <= from->left);
    const float *numbers = from->numbers;
    from->numbers += count;
    from->left -= (size_t)count;
    return numbers;
}

/* ---- Building a chain ---- */

static graft_output build_step(graft_builder *b, chain *chain, const char *name, const char *numbers,
                               graft_output x, graft_output kept)
{
    char label[16];
    float epsilon, momentum;
    graft_conv2d_attributes a = {0};
    int same, bias;
    snprintf(label, sizeof label, "step%d", chain->count);
    if (strcmp(name, "conv") == 0) {
        assert_int_equal(sscanf(numbers, "%d,%d,%d,%d,%d,%d,%d", &a.channels, &a.kernel, &a.stride,
                                &a.padding, &a.groups, &same, &bias),
                         7);
        a.same = same;
        a.bias = bias;
        return graft_build(b, label, &graft_op_conv2d, &a, &x, 1);
    }
    if (strcmp(name, "bn") == 0) {
        assert_int_equal(sscanf(numbers, "%f,%f", &epsilon, &momentum), 2);
        return batch_norm(b, label, x, .epsilon = epsilon, .momentum = momentum);
    }
    if (strcmp(name, "relu6") == 0)
        return relu6(b, label, x);
    if (strcmp(name, "pool") == 0)
        return global_average_pool(b, label, x);
    if (strcmp(name, "flatten") == 0)
        return flatten(b, label, x);
    if (strcmp(name, "linear") == 0)
        return linear(b, label, x, atoi(numbers));
    assert_string_equal(name, "add");
    return add(b, label, x, kept);
}

/* One step of the line: "NAME[!][:NUMBERS]". */
static graft_output add_step(graft_builder *b, chain *chain, char *text, graft_output x, graft_output kept)
{
    char *numbers = strchr(text, ':');
    if (numbers)
        *numbers++ = 0;
    char *frozen = strchr(text, '!');
    if (frozen)
        *frozen = 0;
    graft_output y = build_step(b, chain, text, numbers, x, kept);
    assert_ok(b->status);
    graft_node *node = &b->graph->nodes[y];
    node->trains = !frozen;
    assert_true(chain->count < STEPS - 1);
    chain->names[chain->count++] = node->name;
    return y;
}

static graft_graph *build_chain(chain *chain, char *line)
{
    char statistics[8], *rest;
    graft_builder b = {.status = GRAFT_OK};
    assert_ok(graft_graph_create(&b.graph));
    assert_int_equal(sscanf(line, "%d %d %d %d %d %7s", &chain->n, &chain->c, &chain->h, &chain->w,
                            &chain->classes, statistics),
                     6);
    chain->moves = strcmp(statistics, "move") == 0;
    graft_input_attributes picture = {chain->n * chain->h * chain->w, chain->h, chain->w};
    graft_output x = graft_build(&b, "picture", &graft_op_input, &picture, NULL, 0), kept = -1;
    x = conv(&b, "x", x, chain->c, .kernel = 1);
    b.graph->nodes[x].trains = true;
    for (char *text = strtok_r(strchr(line, ':') + 1, " ", &rest); text; text = strtok_r(NULL, " ", &rest))
        if (strcmp(text, "keep") == 0)
            kept = x;
        else
            x = add_step(&b, chain, text, x, kept);
    if (b.graph->nodes[x].shape.rank == 4)
        x = flatten(&b, "flat", x);
    x = linear(&b, "fc", x, chain->classes);
    assert_ok(b.status);
    b.graph->nodes[x].trains = true;
    chain->names[chain->count++] = "fc";
    return b.graph;
}

/* ---- Numbers in ---- */

static float *one_hot(const chain *c)
{
    size_t area = (size_t)c->h * (size_t)c->w, all = (size_t)c->n * area;
    float *picture = calloc((size_t)c->n * all * area, sizeof(float));
    for (size_t n = 0; n < (size_t)c->n; n++)
        for (size_t at = 0; at < area; at++)
            picture[(n * all + n * area + at) * area + at] = 1.0F;
    return picture;
}

/* x (N, C, HW) and the selecting weight (C, N HW), one into the other. */
static void transpose_x(float *out, const float *in, const chain *c, bool to_weight)
{
    size_t area = (size_t)c->h * (size_t)c->w, channels = (size_t)c->c, pictures = (size_t)c->n;
    for (size_t n = 0; n < pictures; n++)
        for (size_t k = 0; k < channels; k++)
            for (size_t at = 0; at < area; at++) {
                size_t x = (n * channels + k) * area + at, w = (k * pictures + n) * area + at;
                out[to_weight ? w : x] = in[to_weight ? x : w];
            }
}

static void read_parameters(rig *r, const chain *c, reference *from)
{
    int64_t count;
    graft_plan_tensor *x = rig_tensor(r, "x", "weight", &count);
    transpose_x(x->value, take(from, count), c, true);
    for (int i = 0; i < c->count; i++) {
        const graft_node *node = graft_graph_find(r->graph, c->names[i]);
        for (int j = 0; j < node->parameter_count; j++)
            if (node->parameters[j].kind != GRAFT_PARAMETER_COUNTER) {
                int64_t size = rig_count(&node->parameters[j]);
                memcpy(r->tensors[node->first_tensor + j].value, take(from, size),
                       sizeof(float) * (size_t)size);
            }
    }
}

/* ---- Numbers out ---- */

static void check(const char *line, const char *what, const float *got, const float *wanted, int64_t count,
                  double tolerance)
{
    double distance = distance_of(got, wanted, count);
    if (!(distance <= tolerance))
        fail_msg("%s\n%s differs by %g", line, what, distance);
}

static bool has_gradient(const graft_node *node, int slot)
{
    return node->trains && node->parameters[slot].kind == GRAFT_PARAMETER_LEARNED;
}

static void check_gradients(const char *line, const rig *r, const chain *c, reference *from)
{
    int64_t count;
    const graft_plan_tensor *x = rig_tensor(r, "x", "weight", &count);
    float *gradient = malloc(sizeof(float) * (size_t)count);
    transpose_x(gradient, x->gradient, c, false);
    check(line, "the gradient of x", gradient, take(from, count), count, 1e-5);
    free(gradient);
    for (int i = 0; i < c->count; i++) {
        const graft_node *node = graft_graph_find(r->graph, c->names[i]);
        for (int j = 0; j < node->parameter_count; j++)
            if (has_gradient(node, j)) {
                char what[64];
                snprintf(what, sizeof what, "the gradient of %s.%s", node->name, node->parameters[j].suffix);
                int64_t size = rig_count(&node->parameters[j]);
                check(line, what, r->tensors[node->first_tensor + j].gradient, take(from, size), size, 1e-5);
            }
    }
}

static void check_statistics(const char *line, const rig *r, const chain *c, reference *from)
{
    for (int i = 0; i < c->count; i++) {
        const graft_node *node = graft_graph_find(r->graph, c->names[i]);
        for (int j = 0; j < node->parameter_count; j++)
            if (node->parameters[j].kind == GRAFT_PARAMETER_RUNNING) {
                int64_t size = rig_count(&node->parameters[j]);
                check(line, node->parameters[j].suffix, r->tensors[node->first_tensor + j].value,
                      take(from, size), size, 1e-6);
            }
    }
}

/* ---- Finite differences ---- */

typedef struct probe {
    run *run;
    const float *picture;
    const int32_t *labels;
} probe;

static double loss_at(const probe *p, float *value, const float *start, const float *direction, int64_t count,
                      double step)
{
    for (int64_t i = 0; i < count; i++)
        value[i] = (float)(start[i] + step * direction[i]);
    run_forward(p->run, p->picture);
    return run_loss(p->run, p->labels);
}

/* Along its own gradient g a parameter changes the loss by |g| a unit. The step is as long as changes the
 * loss by .02, but a twentieth of the parameter at most; behind ReLU6 it is shorter and the test laxer,
 * because elements that step over an end add an error that grows with the step. */
static void check_difference(const char *line, const char *name, const probe *p, graft_plan_tensor *tensor,
                             int64_t count)
{
    double size = 0, length = 0;
    float *start = malloc(sizeof(float) * (size_t)count), *direction = malloc(sizeof(float) * (size_t)count);
    memcpy(start, tensor->value, sizeof(float) * (size_t)count);
    for (int64_t i = 0; i < count; i++) {
        length += (double)tensor->gradient[i] * tensor->gradient[i];
        size += (double)start[i] * start[i];
    }
    length = sqrt(length);
    bool rough = strstr(line, "relu6") != NULL;
    double step = fmin((rough ? 0.001 : 0.02) / length, 0.05 * sqrt(size)), f[4];
    static const double places[4] = {-2, -1, 1, 2};
    for (int64_t i = 0; i < count; i++)
        direction[i] = (float)(tensor->gradient[i] / length);
    for (int i = 0; i < 4; i++)
        f[i] = loss_at(p, tensor->value, start, direction, count, places[i] * step);
    double derivative = (8 * (f[2] - f[1]) - (f[3] - f[0])) / (12 * step);
    memcpy(tensor->value, start, sizeof(float) * (size_t)count);
    free(start);
    free(direction);
    if (length * step > 0.9e-3 && !(fabs(derivative - length) <= (rough ? 2e-2 : 1e-3) * length))
        fail_msg("%s\n%s: gradient %g, finite difference %g", line, name, length, derivative);
}

static void check_differences(const char *line, const rig *r, const chain *c, const probe *p)
{
    int64_t count;
    check_difference(line, "x", p, rig_tensor(r, "x", "weight", &count), c->c * c->n * c->h * c->w);
    for (int i = 0; i < c->count; i++) {
        const graft_node *node = graft_graph_find(r->graph, c->names[i]);
        for (int j = 0; j < node->parameter_count; j++)
            if (has_gradient(node, j))
                check_difference(line, node->name, p, &r->tensors[node->first_tensor + j],
                                 rig_count(&node->parameters[j]));
    }
}

/* ---- A case ---- */

static void check_evaluation(const char *line, rig *r, const chain *c, const float *picture,
                             const float *wanted)
{
    run u;
    run_open(&u, r, c->n, false, c->moves);
    check(line, "the logits in evaluation", run_forward(&u, picture), wanted, c->n * c->classes, 3e-6);
    run_close(&u);
}

static void check_training(const char *line, rig *r, const chain *c, const float *picture,
                           const int32_t *labels, reference *from)
{
    run u;
    run_open(&u, r, c->n, true, c->moves);
    const float *logits = run_forward(&u, picture);
    check(line, "the logits in training", logits, take(from, c->n * c->classes), c->n * c->classes, 3e-6);
    float loss = (float)run_loss(&u, labels);
    check(line, "the loss", &loss, take(from, 1), 1, 1e-5);
    run_backward(&u);
    check_gradients(line, r, c, from);
    check_statistics(line, r, c, from);
    check_differences(line, r, c, &(probe){&u, picture, labels});
    run_close(&u);
}

static void check_case(char *line, reference *from, int threads)
{
    rig r;
    chain c = {.count = 0};
    int32_t labels[PICTURES];
    char *copy = strdup(line);
    rig_open(&r, build_chain(&c, copy), threads);
    read_parameters(&r, &c, from);
    float *picture = one_hot(&c);
    const float *as_floats = take(from, c.n);
    for (int i = 0; i < c.n; i++)
        labels[i] = (int32_t)as_floats[i];
    check_evaluation(line, &r, &c, picture, take(from, c.n * c.classes));
    check_training(line, &r, &c, picture, labels, from);
    free(picture);
    rig_close(&r);
    free(copy);
}

static void check_all(void **state, int threads)
{
    reference from = *(reference *)*state;
    char *lines = strdup(from.lines), *rest;
    int count = 0;
    for (char *line = strtok_r(lines, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        check_case(line, &from, threads);
        count++;
    }
    free(lines);
    assert_int_equal(from.left, 0);
    assert_true(count > 40);
}

static void test_one_thread(void **state)
{
    check_all(state, 1);
}

static void test_two_threads(void **state)
{
    check_all(state, 2);
}

/* ---- Beside the chains ---- */

/* Runs the kernel on one row; returns the loss. */
static float cross_entropy(const float *logits, int64_t classes, int32_t label, float weight, float *gradient)
{
    graft_device *device;
    graft_kernel *kernel;
    float loss;
    assert_ok(graft_device_create(&device, 1));
    assert_ok(graft_cross_entropy(&kernel, device, 1, classes, weight, 0.0F));
    void *buffers[GRAFT_KERNEL_SLOTS] = {(void *)(uintptr_t)logits, &label, &loss, gradient};
    assert_ok(graft_kernel_bind(kernel, buffers, NULL));
    assert_ok(graft_kernel_run(kernel));
    graft_kernel_free(kernel);
    graft_device_free(device);
    return loss;
}

static void test_cross_entropy_at_the_ends(void **state)
{
    float gradient[3];
    (void)state;
    assert_true(cross_entropy((float[]){3e38F, -3e38F, 0}, 3, 0, 1, gradient) == 0);
    assert_true(gradient[0] == 0 && gradient[1] == 0 && gradient[2] == 0);
    assert_true(cross_entropy((float[]){1000, -1000, 0}, 3, 1, 1, gradient) == 2000);
    assert_true(gradient[0] == 1 && gradient[1] == -1 && gradient[2] == 0);
    assert_true(fabs(cross_entropy((float[]){7, 7}, 2, 1, 0.5F, gradient) - 0.5 * log(2)) < 1e-7);
    assert_true(gradient[0] == 0.25F && gradient[1] == -0.25F);
    assert_true(isnan(cross_entropy((float[]){0, NAN}, 2, 0, 1, gradient)));
    assert_true(isinf(cross_entropy((float[]){0, -INFINITY}, 2, 1, 1, gradient)));
}

static void initial_values(const graft_op *op, const void *attributes, const graft_shape *input, int slot,
                           float *values)
{
    graft_node node = {.name = "node", .op = op, .attributes = attributes};
    graft_random random = graft_random_stream(9, GRAFT_RANDOM_WEIGHTS, node.name, 0, 0);
    op->parameters(&node, input);
    op->initialize(&node, slot, values, &random);
}

static void test_first_values(void **state)
{
    enum { COUNT = 64 * 32 * 9 };
    static float values[COUNT];
    double squares = 0, largest = 0;
    (void)state;
    graft_conv2d_attributes conv = {.channels = 64, .kernel = 3, .bias = true};
    initial_values(&graft_op_conv2d, &conv, &GRAFT_SHAPE(1, 32, 8, 8), 0, values);
    for (int i = 0; i < COUNT; i++)
        squares += (double)values[i] * values[i];
    assert_true(fabs(squares / COUNT / (2.0 / (9 * 64)) - 1) < 0.04);
    initial_values(&graft_op_conv2d, &conv, &GRAFT_SHAPE(1, 32, 8, 8), 1, values);
    assert_true(values[0] == 0 && values[63] == 0);
    graft_linear_attributes linear = {.features = 32};
    initial_values(&graft_op_linear, &linear, &GRAFT_SHAPE(1, 400), 0, values);
    squares = 0;
    for (int i = 0; i < 32 * 400; i++) {
        squares += (double)values[i] * values[i];
        largest = fmax(largest, fabs(values[i]));
    }
    assert_true(largest <= 0.05 && largest > 0.0499); /* 1 / sqrt(400) */
    assert_true(fabs(squares / (32 * 400) / (0.05 * 0.05 / 3) - 1) < 0.03);
    graft_batch_norm_attributes norm = {0};
    static const float expected[] = {1, 0, 0, 1};
    for (int slot = 0; slot < 4; slot++) {
        initial_values(&graft_op_batch_norm, &norm, &GRAFT_SHAPE(1, 5, 2, 2), slot, values);
        for (int i = 0; i < 5; i++)
            assert_true(values[i] == expected[slot]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_thread),
        cmocka_unit_test(test_two_threads),
        cmocka_unit_test(test_cross_entropy_at_the_ends),
        cmocka_unit_test(test_first_values),
    };
    return cmocka_run_group_tests(tests, open_reference, close_reference);
}
