/* Cases of operators, as tests/reference/make_operators.py writes them, and the graph in which one stands:
 * between two operators that only tests have. A leaf's output is its trained parameter in a form that the
 * test chooses, so that the gradient of the operator's input is that parameter's; a sink hands a chosen
 * gradient down in place of the loss's. The includer brings cmocka. */
#ifndef GRAFT_TESTS_CASES_H
#define GRAFT_TESTS_CASES_H

#include "rig.h"

#include "ops/shapes.h"

enum { INPUTS = 24 };

/* ---- Forms ---- */

typedef enum form { PLAIN, EIGHTS, SIXTEENS, LAST, FORMS } form;

static inline graft_status form_layout(const graft_lowering *l, form form, const graft_shape *shape,
                                       const graft_layout **layout)
{
    graft_device *device = graft_lowering_device(l);
    if (form == EIGHTS)
        return graft_layout_blocked(device, shape, 8, layout);
    if (form == SIXTEENS)
        return graft_layout_blocked(device, shape, 16, layout);
    if (form == LAST)
        return graft_layout_channels_last(device, shape, GRAFT_F32, layout);
    return graft_layout_plain(device, shape, layout);
}

/* What oneDNN has no kernels for on this machine, and no convolution chooses. */
static inline bool has_form(form form, const graft_shape *shape)
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

static inline graft_status held_shape(const graft_node *node, const graft_shape *inputs, graft_shape *out)
{
    const held_attributes *a = node->attributes;
    (void)inputs;
    *out = a->shape;
    out->dims[0] = 1;
    return GRAFT_OK;
}

static inline void held_parameters(graft_node *node, const graft_shape *inputs)
{
    const held_attributes *a = node->attributes;
    (void)inputs;
    graft_add_parameter(node, "weight", GRAFT_PARAMETER_LEARNED, a->shape);
}

static inline graft_status held_value(graft_lowering *l, const graft_node *node, graft_value *value)
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

static inline graft_status leaf_forward(graft_lowering *l, const graft_node *node)
{
    graft_value y;
    graft_status status = held_value(l, node, &y);
    if (status == GRAFT_OK)
        graft_lowering_set_output(l, node, y);
    return status;
}

static inline graft_status leaf_backward(graft_lowering *l, const graft_node *node)
{
    return graft_lowering_add_parameter_gradient(l, node, "weight", graft_lowering_gradient(l, node));
}

static inline graft_status sink_forward(graft_lowering *l, const graft_node *node)
{
    graft_lowering_set_output(l, node, graft_lowering_input(l, node, 0));
    return GRAFT_OK;
}

static inline graft_status sink_backward(graft_lowering *l, const graft_node *node)
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

static inline int append(graft_graph *graph, const char *name, const graft_op *op, const void *attributes,
                         const int *inputs, int count)
{
    int index;
    assert_ok(graft_graph_append(graph, &index, name, op, attributes, inputs, count));
    return index;
}

static inline graft_graph *new_graph(void)
{
    graft_graph *graph;
    assert_ok(graft_graph_create(&graph));
    append(graph, "input", &graft_op_input, &(graft_input_attributes){1, 1, 3}, NULL, 0);
    return graph;
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

static inline void parse_shape(graft_shape *shape, const char *word)
{
    char *end;
    for (shape->rank = 0; *word; word = *end ? end + 1 : end)
        shape->dims[shape->rank++] = strtol(word, &end, 10);
}

static inline void parse_attribute(test_case *c, const char *word)
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

static inline void parse_case(test_case *c, const char *line)
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

/* Forms differ between inputs and gradient; `trains`: the operator's own parameters do; `neighbours`: between
 * convolutions that change nothing, but read the zeros that a form has behind its channels. */
typedef struct way {
    form input, gradient;
    bool trains, neighbours;
} way;

/* A 1x1 convolution behind node `x` whose weight will be the unit matrix. */
static inline int append_neighbour(graft_graph *graph, const char *name, int x)
{
    graft_conv2d_attributes a = {.channels = (int)graph->nodes[x].shape.dims[1], .kernel = 1};
    return graph->nodes[x].shape.rank == 4 ? append(graph, name, &graft_op_conv2d, &a, &x, 1) : x;
}

static inline int append_leaf(graft_graph *graph, const test_case *c, const way *how, int i)
{
    char name[24];
    int picture = 0;
    held_attributes leaf = {c->inputs[i], how->input};
    snprintf(name, sizeof name, "leaf %d", i);
    int index = append(graph, name, &op_leaf, &leaf, &picture, 1);
    graph->nodes[index].trains = true;
    snprintf(name, sizeof name, "before %d", i);
    return how->neighbours ? append_neighbour(graph, name, index) : index;
}

/* input -> leaf, ... -> op -> sink -> flatten */
static inline void build_case(rig *r, const test_case *c, const way *how, int threads)
{
    int inputs[INPUTS];
    graft_graph *graph = new_graph();
    for (int i = 0; i < c->input_count; i++)
        inputs[i] = append_leaf(graph, c, how, i);
    int op = append(graph, "op", c->operator->op, &c->attributes, inputs, c->input_count);
    held_attributes sink = {graph->nodes[op].shape, how->gradient};
    sink.shape.dims[0] = c->inputs[0].dims[0];
    int end = how->neighbours ? append_neighbour(graph, "behind", op) : op;
    end = append(graph, "sink", &op_sink, &sink, &end, 1);
    append(graph, "flatten", &graft_op_flatten, NULL, &end, 1);
    graph->nodes[op].trains = how->trains;
    rig_open(r, graph, threads);
}

static inline const float *take(const float **numbers, const graft_shape *shape)
{
    const float *at = *numbers;
    *numbers += graft_shape_count(shape);
    return at;
}

static inline graft_plan_tensor *leaf_of(const rig *r, int i)
{
    char name[16];
    int64_t count;
    snprintf(name, sizeof name, "leaf %d", i);
    return rig_tensor(r, name, "weight", &count);
}

/* Returns the numbers behind those that go in. */
static inline const float *fill_case(rig *r, const test_case *c)
{
    const float *numbers = c->numbers;
    const graft_node *op = graft_graph_find(r->graph, "op"), *sink = graft_graph_find(r->graph, "sink");
    for (size_t i = 0; i < r->graph->count; i++) {
        const graft_node *node = &r->graph->nodes[i];
        for (int64_t k = 0; node->op == &graft_op_conv2d && node != op && k < node->shape.dims[1]; k++)
            r->tensors[node->first_tensor].value[k * node->shape.dims[1] + k] = 1.0F;
    }
    for (int i = 0; i < c->input_count; i++)
        memcpy(leaf_of(r, i)->value, take(&numbers, &c->inputs[i]),
               sizeof(float) * (size_t)graft_shape_count(&c->inputs[i]));
    for (int j = 0; j < op->parameter_count; j++)
        memcpy(r->tensors[op->first_tensor + j].value, take(&numbers, &op->parameters[j].shape),
               sizeof(float) * (size_t)rig_count(&op->parameters[j]));
    memcpy(r->tensors[sink->first_tensor].value, take(&numbers, &sink->parameters[0].shape),
           sizeof(float) * (size_t)rig_count(&sink->parameters[0]));
    return numbers;
}

#endif
