/* Operators against PyTorch: forward and every gradient, in each form that a tensor can lie in, and no kernel
 * named `ref`. An operator stands between two that only tests have: a leaf, whose output is its trained
 * parameter in a form that the test chooses, so that the gradient of the operator's input is that
 * parameter's; and a sink, which hands a chosen gradient down in place of the loss's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>

#include "rig.h"

#include "base/file.h"
#include "ops/shapes.h"

enum { INPUTS = 24 };

/* ---- Forms ---- */

typedef enum form { PLAIN, EIGHTS, SIXTEENS, LAST, FORMS } form;

static graft_status form_layout(const graft_lowering *l, form form, const graft_shape *shape,
                                const graft_layout **layout)
{
    graft_device *device = graft_lowering_device(l);
    if (form == EIGHTS)
        return graft_layout_blocked(device, shape, 8, layout);
    if (form == SIXTEENS)
        return graft_layout_blocked(device, shape, 16, layout);
    if (form == LAST)
        return graft_layout_channels_last(device, shape, layout);
    return graft_layout_plain(device, shape, layout);
}

/* What oneDNN has no kernels for on this machine, and no convolution chooses. */
static bool has_form(form form, const graft_shape *shape)
{
    if (form == SIXTEENS && !strstr(graft_device_instructions(), "avx512"))
        return false;
    return form == PLAIN || shape->rank == 4;
}

/* ---- The leaf and the sink ---- */

typedef struct held_attributes {
    graft_shape shape; /* with the batch */
    form form;
} held_attributes;

static graft_status held_shape(const graft_node *node, const graft_shape *inputs, graft_shape *out)
{
    const held_attributes *a = node->attributes;
    (void)inputs;
    *out = a->shape;
    out->dims[0] = 1;
    return GRAFT_OK;
}

static void held_parameters(graft_node *node, const graft_shape *inputs)
{
    const held_attributes *a = node->attributes;
    (void)inputs;
    graft_add_parameter(node, "weight", GRAFT_PARAMETER_LEARNED, a->shape);
}

static graft_status held_value(graft_lowering *l, const graft_node *node, graft_value *value)
{
    graft_status status;
    const held_attributes *a = node->attributes;
    const graft_layout *layout;
    GRAFT_TRY(form_layout(l, a->form, &a->shape, &layout));
    GRAFT_TRY(graft_lowering_parameter(l, node, "weight", value));
    GRAFT_TRY(graft_lowering_reorder(l, *value, layout, value));
out:
    return status;
}

static graft_status leaf_forward(graft_lowering *l, const graft_node *node)
{
    graft_value y;
    graft_status status = held_value(l, node, &y);
    if (status == GRAFT_OK)
        graft_lowering_set_output(l, node, y);
    return status;
}

static graft_status leaf_backward(graft_lowering *l, const graft_node *node)
{
    return graft_lowering_add_parameter_gradient(l, node, "weight", graft_lowering_gradient(l, node));
}

static graft_status sink_forward(graft_lowering *l, const graft_node *node)
{
    graft_lowering_set_output(l, node, graft_lowering_input(l, node, 0));
    return GRAFT_OK;
}

static graft_status sink_backward(graft_lowering *l, const graft_node *node)
{
    graft_value gradient;
    graft_status status = held_value(l, node, &gradient);
    return status == GRAFT_OK ? graft_lowering_add_gradient(l, node, 0, gradient) : status;
}

static const graft_op op_leaf = {.name = "leaf",
                                 .attributes = sizeof(held_attributes),
                                 .shape = held_shape,
                                 .parameters = held_parameters,
                                 .forward = leaf_forward,
                                 .backward = leaf_backward};
static const graft_op op_sink = {.name = "sink",
                                 .attributes = sizeof(held_attributes),
                                 .shape = held_shape,
                                 .parameters = held_parameters,
                                 .forward = sink_forward,
                                 .backward = sink_backward};

/* ---- Graphs and plans ---- */

static int append(graft_graph *graph, const char *name, const graft_op *op, const void *attributes,
                  const int *inputs, int count)
{
    int index;
    assert_ok(graft_graph_append(graph, &index, name, op, attributes, inputs, count));
    return index;
}

static graft_graph *new_graph(void)
{
    graft_graph *graph;
    assert_ok(graft_graph_create(&graph));
    append(graph, "input", &graft_op_input, &(graft_input_attributes){1, 1, 3}, NULL, 0);
    return graph;
}

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

/* ---- Cases ---- */

typedef struct key {
    const char *name;
    size_t offset;
    char type; /* i, f, b */
} key;

#define INTEGER(type, field)               \
    {                                      \
#field, offsetof(type, field), 'i' \
    }
#define BOOLEAN(type, field)               \
    {                                      \
#field, offsetof(type, field), 'b' \
    }
#define NUMBER(type, field)                \
    {                                      \
#field, offsetof(type, field), 'f' \
    }
#define POOL(field) INTEGER(graft_pool_attributes, field)
#define CONV(field) INTEGER(graft_conv2d_attributes, field)

static const struct operator
{
    const graft_op *op;
    key keys[10];
}
operators[] = {
    {&graft_op_conv2d,
     {CONV(channels), CONV(kernel_height), CONV(kernel_width), CONV(padding_height), CONV(padding_width),
      CONV(stride), CONV(groups), BOOLEAN(graft_conv2d_attributes, bias)}},
    {&graft_op_relu, {{0}}},
    {&graft_op_relu6, {{0}}},
    {&graft_op_sigmoid, {{0}}},
    {&graft_op_hard_sigmoid, {{0}}},
    {&graft_op_silu, {{0}}},
    {&graft_op_hard_swish, {{0}}},
    {&graft_op_gelu, {{0}}},
    {&graft_op_max_pool2d,
     {POOL(kernel), POOL(stride), POOL(padding), BOOLEAN(graft_pool_attributes, ceil_mode)}},
    {&graft_op_avg_pool2d,
     {POOL(kernel), POOL(stride), POOL(padding), BOOLEAN(graft_pool_attributes, ceil_mode),
      BOOLEAN(graft_pool_attributes, exclude_padding)}},
    {&graft_op_adaptive_avg_pool2d,
     {INTEGER(graft_size_attributes, height), INTEGER(graft_size_attributes, width)}},
    {&graft_op_concat, {{0}}},
    {&graft_op_slice_channels,
     {INTEGER(graft_slice_attributes, begin), INTEGER(graft_slice_attributes, channels)}},
    {&graft_op_channel_shuffle, {INTEGER(graft_groups_attributes, groups)}},
    {&graft_op_permute, {BOOLEAN(graft_permute_attributes, back)}},
    {&graft_op_mul, {{0}}},
    {&graft_op_layer_scale, {BOOLEAN(graft_layer_scale_attributes, last)}},
    {&graft_op_affine,
     {{"scale0", 0, 'f'},
      {"scale1", 4, 'f'},
      {"scale2", 8, 'f'},
      {"shift0", 12, 'f'},
      {"shift1", 16, 'f'},
      {"shift2", 20, 'f'}}},
    {&graft_op_layer_norm,
     {NUMBER(graft_layer_norm_attributes, epsilon), BOOLEAN(graft_layer_norm_attributes, last)}},
    {&graft_op_linear, {INTEGER(graft_linear_attributes, features), BOOLEAN(graft_linear_attributes, last)}},
    {&graft_op_log_softmax, {{0}}},
};

typedef struct test_case {
    char line[512];
    const struct operator* operator;
    union {
        char bytes[64];
        double aligned;
    } attributes;
    graft_shape inputs[INPUTS];
    int input_count;
    const float *numbers;
} test_case;

static void parse_shape(graft_shape *shape, const char *word)
{
    char *end;
    for (shape->rank = 0; *word; word = *end ? end + 1 : end)
        shape->dims[shape->rank++] = strtol(word, &end, 10);
}

static void parse_attribute(test_case *c, const char *word)
{
    const char *equals = strchr(word, '=');
    for (const key *k = c->operator->keys; k->name; k++) {
        if (strncmp(k->name, word, (size_t)(equals - word)) != 0 || k->name[equals - word])
            continue;
        char *at = c->attributes.bytes + k->offset;
        int integer = atoi(equals + 1);
        float number = strtof(equals + 1, NULL);
        bool boolean = integer != 0;
        if (k->type == 'b')
            memcpy(at, &boolean, sizeof boolean);
        else if (k->type == 'i')
            memcpy(at, &integer, sizeof integer);
        else
            memcpy(at, &number, sizeof number);
        return;
    }
    fail_msg("%s: no attribute %s", c->line, word);
}

static void parse_case(test_case *c, const char *line)
{
    char words[512], *rest;
    memset(c, 0, sizeof *c);
    snprintf(c->line, sizeof c->line, "%s", line);
    snprintf(words, sizeof words, "%s", line);
    const char *word = strtok_r(words, " ", &rest);
    for (size_t i = 0; i < sizeof operators / sizeof *operators; i++)
        if (strcmp(operators[i].op->name, word) == 0)
            c->operator= & operators[i];
    assert_non_null(c->operator);
    while ((word = strtok_r(NULL, " ", &rest)))
        if (strchr(word, '='))
            parse_attribute(c, word);
        else
            parse_shape(&c->inputs[c->input_count++], word);
}

/* ---- Running a case ---- */

/* Forms differ between inputs and gradient; `trains`: the operator's own parameters do. */
typedef struct way {
    form input, gradient;
    bool trains;
} way;

/* input -> leaf, ... -> op -> sink -> flatten; the operator's node. */
static const graft_node *build_case(rig *r, const test_case *c, const way *how, int threads)
{
    int picture = 0, leaves[INPUTS];
    graft_graph *graph = new_graph();
    for (int i = 0; i < c->input_count; i++) {
        char name[16];
        held_attributes leaf = {c->inputs[i], how->input};
        snprintf(name, sizeof name, "%d", i);
        leaves[i] = append(graph, name, &op_leaf, &leaf, &picture, 1);
        graph->nodes[leaves[i]].trains = true;
    }
    int op = append(graph, "op", c->operator->op, &c->attributes, leaves, c->input_count);
    held_attributes sink = {graph->nodes[op].shape, how->gradient};
    sink.shape.dims[0] = c->inputs[0].dims[0];
    int end = append(graph, "sink", &op_sink, &sink, &op, 1);
    append(graph, "flatten", &graft_op_flatten, NULL, &end, 1);
    graph->nodes[op].trains = how->trains;
    rig_open(r, graph, threads);
    return &graph->nodes[op];
}

static const float *take(const float **numbers, const graft_shape *shape)
{
    const float *at = *numbers;
    *numbers += graft_shape_count(shape);
    return at;
}

static void put(float *to, const float **numbers, const graft_shape *shape)
{
    memcpy(to, take(numbers, shape), sizeof(float) * (size_t)graft_shape_count(shape));
}

/* Returns the numbers behind those that go in. */
static const float *fill_case(rig *r, const test_case *c, const graft_node *op)
{
    const float *numbers = c->numbers;
    for (int i = 0; i < c->input_count; i++)
        put(r->tensors[i].value, &numbers, &c->inputs[i]);
    for (int j = 0; j < op->parameter_count; j++)
        put(r->tensors[op->first_tensor + j].value, &numbers, &op->parameters[j].shape);
    put(r->tensors[op[1].first_tensor].value, &numbers, &op[1].parameters[0].shape);
    return numbers;
}

/* Returns the numbers behind the case's. */
static const float *compare_gradients(const rig *r, const test_case *c, const graft_node *op,
                                      const float *numbers)
{
    for (int i = 0; i < c->input_count; i++)
        compare(c->line, "an input's gradient", r->tensors[i].gradient, take(&numbers, &c->inputs[i]),
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

static const float *run_case(const test_case *c, const way *how)
{
    rig r;
    run u;
    const graft_node *op = build_case(&r, c, how, 1);
    const graft_shape *whole = &op[1].parameters[0].shape;
    const float *numbers = fill_case(&r, c, op), *y = take(&numbers, whole);
    run_open(&u, &r, (int)whole->dims[0], true, false);
    compare(c->line, "the output", run_all(&u, true), y, graft_shape_count(whole), 2e-6);
    numbers = compare_gradients(&r, c, op, numbers);
    run_close(&u);
    run_open(&u, &r, (int)whole->dims[0], false, false);
    compare(c->line, "the output without a backward", run_all(&u, false), y, graft_shape_count(whole), 2e-6);
    run_close(&u);
    rig_close(&r);
    return numbers;
}

static const float *run_ways(const test_case *c)
{
    const float *end = NULL;
    for (form input = PLAIN; input < FORMS; input++)
        for (form gradient = PLAIN; gradient < FORMS; gradient++) {
            /* All pairs of forms for some cases would be slow and show nothing new for most. */
            bool pair = gradient == input || gradient == (input + 1) % FORMS;
            if (pair && has_form(input, &c->inputs[0]) && has_form(gradient, &c->inputs[0]))
                end = run_case(c, &(way){input, gradient, gradient == input});
        }
    return end;
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
    const graft_node *op = build_case(&r, c, how, threads);
    const graft_shape *whole = &op[1].parameters[0].shape;
    fill_case(&r, c, op);
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
            way how = {form, form, true};
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
