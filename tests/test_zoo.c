/* The zoo against torchvision, and EfficientNet-Lite against its own package: every node with its name, its
 * shape and what it reads, every tensor of the state dict in its order, parameters and multiply-adds, and the
 * rows of published weights. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "graph/op.h"
#include "zoo/zoo.h"

enum { LINE = 8192, NAME = 64 };

/* Fails with the network's name in the message. */
#define expect(condition, ...)        \
    do {                              \
        if (!(condition)) {           \
            print_error(__VA_ARGS__); \
            fail();                   \
        }                             \
    } while (0)

static FILE *open_reference(const char *name)
{
    char path[512];
    snprintf(path, sizeof path, "%s/zoo/%s.txt", getenv("GRAFT_TEST_REFERENCE"), name);
    FILE *file = fopen(path, "r");
    expect(file, "%s is missing\n", path);
    return file;
}

/* ---- One network ---- */

typedef struct comparison {
    const graft_network *network;
    const graft_graph *graph;
    size_t nodes, published; /* lines so far */
    int tensors;
    int next_node; /* where tensors go on */
    int next_slot;
} comparison;

/* "64,112,112", or "-" of a scalar; without the first `skip` dimensions. */
static const char *dims_text(char text[NAME], const graft_shape *shape, int skip)
{
    size_t length = 0;
    strcpy(text, "-");
    for (int i = skip; i < shape->rank; i++)
        length += (size_t)snprintf(text + length, NAME - length, "%s%lld", i > skip ? "," : "",
                                   (long long)shape->dims[i]);
    return text;
}

static void inputs_text(char text[LINE], const graft_graph *graph, const graft_node *node)
{
    size_t length = 0;
    strcpy(text, "-");
    for (int i = 0; i < node->input_count; i++)
        length += (size_t)snprintf(text + length, LINE - length, "%s%s", i ? "," : "",
                                   graph->nodes[node->inputs[i]].name);
}

static void check_node(comparison *c, const char *name, const char *dims, const char *inputs)
{
    char mine[NAME], reads[LINE];
    const graft_node *node = graft_graph_find(c->graph, name);
    expect(node, "%s: there is no node %s\n", c->network->name, name);
    dims_text(mine, &node->shape, 1);
    inputs_text(reads, c->graph, node);
    expect(strcmp(mine, dims) == 0, "%s: %s gives %s, not %s\n", c->network->name, name, mine, dims);
    expect(strcmp(reads, inputs) == 0, "%s: %s reads %s, not %s\n", c->network->name, name, reads, inputs);
    c->nodes++;
}

/* The next parameter in the graph's order. */
static void check_tensor(comparison *c, const char *key, const char *dims)
{
    char mine[2 * NAME], shape[NAME];
    while (c->next_node < (int)c->graph->count &&
           c->next_slot == c->graph->nodes[c->next_node].parameter_count) {
        c->next_node++;
        c->next_slot = 0;
    }
    expect(c->next_node < (int)c->graph->count, "%s: %s is missing\n", c->network->name, key);
    const graft_node *node = &c->graph->nodes[c->next_node];
    const graft_parameter *parameter = &node->parameters[c->next_slot++];
    snprintf(mine, sizeof mine, "%s.%s", node->name, parameter->suffix);
    dims_text(shape, &parameter->shape, 0);
    expect(strcmp(mine, key) == 0 && strcmp(shape, dims) == 0, "%s: %s (%s) stands where %s (%s) should\n",
           c->network->name, mine, shape, key, dims);
    c->tensors++;
}

static void check_published(comparison *c, const char *line)
{
    char name[NAME], url[256], prefix[NAME], filter[NAME];
    float mean[3], std[3];
    int resize, crop;
    double top1;
    expect(c->published < c->network->published_count, "%s: not published here: %s", c->network->name, line);
    const graft_published *row = &c->network->published[c->published++];
    const graft_transform *t = &row->transform;
    int read = sscanf(line, "published %63s %255s %63s %d %d %63s %f,%f,%f %f,%f,%f %lf", name, url, prefix,
                      &resize, &crop, filter, &mean[0], &mean[1], &mean[2], &std[0], &std[1], &std[2], &top1);
    assert_int_equal(read, 13);
    assert_string_equal(row->name, name);
    assert_string_equal(row->file, strrchr(url, '/') + 1);
    assert_string_equal(row->place, url);
    assert_string_equal(row->sha256, prefix);
    assert_true(row->top1 == top1);
    assert_int_equal(t->resize, resize);
    assert_int_equal(t->crop, crop);
    assert_string_equal(t->filter == GRAFT_BILINEAR ? "bilinear" : "bicubic", filter);
    assert_true(t->divisor == 255.0F);
    for (int i = 0; i < 3; i++)
        assert_true(t->mean[i] == mean[i] && fabsf(t->std[i] - std[i]) <= 1e-7F * std[i]);
}

static void check_count(const comparison *c, const char *what, long long count)
{
    long long mine = 0;
    bool macs = strcmp(what, "macs") == 0;
    for (size_t i = 0; i < c->graph->count; i++) {
        const graft_node *node = &c->graph->nodes[i];
        if (macs && node->op->macs)
            mine += node->op->macs(node, node->input_shapes);
        for (int j = 0; j < node->parameter_count && !macs; j++)
            if (node->parameters[j].kind == GRAFT_PARAMETER_LEARNED)
                mine += graft_shape_count(&node->parameters[j].shape);
    }
    expect(mine == count, "%s: %lld %s, not %lld\n", c->network->name, mine, what, count);
}

static void check_line(comparison *c, const char *line)
{
    static char inputs[LINE];
    char kind[NAME], name[2 * NAME] = "", dims[NAME] = "";
    assert_true(sscanf(line, "%63s %127s %63s %8191s", kind, name, dims, inputs) >= 2);
    if (strcmp(kind, "size") == 0)
        assert_int_equal(c->network->size, atoi(name));
    else if (strcmp(kind, "node") == 0)
        check_node(c, name, dims, inputs);
    else if (strcmp(kind, "tensor") == 0)
        check_tensor(c, name, dims);
    else if (strcmp(kind, "published") == 0)
        check_published(c, line);
    else
        check_count(c, kind, atoll(name));
}

static void check_network(const char *name)
{
    char line[LINE];
    graft_graph *graph;
    comparison c = {.network = graft_network_find(name)};
    expect(c.network, "graft has no %s\n", name);
    assert_int_equal(
        graft_zoo_build(&graph, graft_zoo_row_of(c.network), c.network->classes, c.network->size), GRAFT_OK);
    c.graph = graph;
    FILE *file = open_reference(name);
    while (fgets(line, sizeof line, file))
        check_line(&c, line);
    fclose(file);
    expect(c.nodes == graph->count, "%s has %zu nodes, not %zu\n", name, graph->count, c.nodes);
    expect(c.tensors == graph->tensor_count, "%s has %d tensors, not %d\n", name, graph->tensor_count,
           c.tensors);
    if (!strstr(name, "_lite")) /* what is published of those is not torchvision's */
        assert_int_equal(c.published, c.network->published_count);
    graft_graph_free(graph);
}

static void test_networks_are_torchvisions(void **state)
{
    char name[NAME];
    size_t count = 0;
    (void)state;
    FILE *file = open_reference("networks");
    for (; fscanf(file, "%63s", name) == 1; count++)
        check_network(name);
    fclose(file);
    assert_int_equal(count, graft_network_count()); /* none goes unchecked */
}

/* ---- What every row promises ---- */

static void check_class_layer(const graft_graph *graph, const char *name, int64_t classes)
{
    const graft_node *layer = graft_graph_find(graph, name);
    expect(layer, "there is no class layer %s\n", name);
    assert_int_equal(layer->shape.dims[1], classes);
}

static void test_class_layers_get_the_classes(void **state)
{
    (void)state;
    for (size_t i = 0; i < graft_network_count(); i++) {
        const graft_network *network = graft_network_at(i);
        graft_graph *graph;
        assert_int_equal(graft_zoo_build(&graph, graft_zoo_row_of(network), 7, network->size), GRAFT_OK);
        assert_int_equal(graft_graph_logits(graph)->shape.rank, 2);
        assert_int_equal(graft_graph_logits(graph)->shape.dims[1], 7);
        check_class_layer(graph, network->class_layer, 7);
        for (int j = 0; j < 2 && network->auxiliary[j]; j++) {
            check_class_layer(graph, network->auxiliary[j], 7);
            assert_string_equal(graph->nodes[graph->outputs[j + 1].node].name, network->auxiliary[j]);
        }
        assert_int_equal(graph->output_count, 1 + !!network->auxiliary[0] + !!network->auxiliary[1]);
        assert_int_equal(strncmp(network->class_layer, network->head, strlen(network->head)), 0);
        graft_graph_free(graph);
    }
}

static void test_auxiliary_losses_have_their_weights(void **state)
{
    static const struct {
        const char *network, *names[2];
        float weight;
    } cases[] = {{"inception_v3", {"aux"}, 0.4F}, {"googlenet", {"aux1", "aux2"}, 0.3F}};
    (void)state;
    for (int i = 0; i < 2; i++) {
        const graft_network *network = graft_network_find(cases[i].network);
        graft_graph *graph;
        assert_int_equal(graft_zoo_build(&graph, graft_zoo_row_of(network), 7, network->size), GRAFT_OK);
        for (int j = 0; j < 2 && cases[i].names[j]; j++) {
            assert_string_equal(graph->outputs[j + 1].name, cases[i].names[j]);
            assert_true(graph->outputs[j + 1].weight == cases[i].weight);
        }
        graft_graph_free(graph);
    }
}

static void test_too_small_a_picture_ends_at_a_node(void **state)
{
    static const struct {
        const char *network, *node;
        int size; /* one less than torchvision's min_size */
    } cases[] = {{"vgg16", "features.30", 31},
                 {"alexnet", "features.12", 62},
                 {"squeezenet1_0", "features.11", 20},
                 {"squeezenet1_1", "features.8", 16},
                 {"densenet121", "features.transition3.pool", 28},
                 {"inception_v3", "AuxLogits.conv1.conv", 298}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const graft_network *network = graft_network_find(cases[i].network);
        graft_graph *graph = NULL;
        assert_int_equal(graft_zoo_build(&graph, graft_zoo_row_of(network), 7, cases[i].size), GRAFT_ESHAPE);
        assert_null(graph);
        expect(strstr(graft_error_message(), cases[i].node), "%s: %s\n", network->name,
               graft_error_message());
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_networks_are_torchvisions),
        cmocka_unit_test(test_class_layers_get_the_classes),
        cmocka_unit_test(test_auxiliary_losses_have_their_weights),
        cmocka_unit_test(test_too_small_a_picture_ends_at_a_node),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
