/* Appending, editing and searching nodes. */
#include "graph/graph.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/status.h"
#include "base/text.h"
#include "graph/op.h"

graft_status graft_graph_create(graft_graph **out)
{
    graft_graph *graph;
    graft_status status = GRAFT_NEW(&graph);
    if (status != GRAFT_OK)
        return status;
    graft_arena_init(&graph->arena);
    graph->outputs[0] = (graft_graph_output){"logits", -1, 1.0F};
    graph->output_count = 1;
    *out = graph;
    return GRAFT_OK;
}

void graft_graph_free(graft_graph *graph)
{
    if (!graph)
        return;
    graft_arena_dispose(&graph->arena);
    free(graph->nodes);
    free(graph);
}

static graft_status copy_attributes(graft_graph *graph, const void **out, const graft_op *op,
                                    const void *attributes)
{
    if (op->attributes == 0) {
        *out = NULL;
        return GRAFT_OK;
    }
    char *copy;
    graft_status status = GRAFT_ARENA_NEW(&graph->arena, &copy, op->attributes);
    if (status != GRAFT_OK)
        return status;
    memcpy(copy, attributes, op->attributes);
    *out = copy;
    return GRAFT_OK;
}

static graft_status copy_inputs(graft_graph *graph, graft_node *node, const int *inputs)
{
    graft_status status;
    int *copy;
    for (int i = 0; i < node->input_count; i++)
        if (inputs[i] < 0 || inputs[i] >= node->index)
            return graft_fail(GRAFT_EARGUMENT, "node %s: its input %d is no earlier node", node->name, i);
    GRAFT_TRY(GRAFT_ARENA_NEW(&graph->arena, &copy, (size_t)node->input_count));
    GRAFT_TRY(GRAFT_ARENA_NEW(&graph->arena, &node->input_shapes, (size_t)node->input_count));
    for (int i = 0; i < node->input_count; i++)
        copy[i] = inputs[i];
    node->inputs = copy;
out:
    return status;
}

static graft_status infer_node(graft_graph *graph, graft_node *node)
{
    for (int i = 0; i < node->input_count; i++)
        node->input_shapes[i] = graph->nodes[node->inputs[i]].shape;
    graft_status status = node->op->shape(node, node->input_shapes, &node->shape);
    if (status != GRAFT_OK)
        return graft_fail_within(status, "node %s", node->name);
    node->parameter_count = 0;
    node->first_tensor = graph->tensor_count;
    if (node->op->parameters)
        node->op->parameters(node, node->input_shapes);
    graph->tensor_count += node->parameter_count;
    return GRAFT_OK;
}

graft_status graft_graph_append(graft_graph *graph, int *index, const char *name, const graft_op *op,
                                const void *attributes, const int *inputs, int input_count)
{
    graft_status status;
    graft_node node = {.index = (int)graph->count, .op = op, .input_count = input_count};
    if (graft_graph_find(graph, name))
        return graft_fail(GRAFT_EARGUMENT, "node %s: there is one of this name already", name);
    GRAFT_TRY(graft_arena_duplicate(&graph->arena, &node.name, name));
    GRAFT_TRY(copy_inputs(graph, &node, inputs));
    GRAFT_TRY(copy_attributes(graph, &node.attributes, op, attributes));
    GRAFT_TRY(GRAFT_GROW(&graph->nodes, graph->count, &graph->capacity));
    GRAFT_TRY(infer_node(graph, &node));
    graph->nodes[graph->count++] = node;
    graph->outputs[0].node = node.index;
    *index = node.index;
out:
    return status;
}

graft_status graft_graph_append_copy(graft_graph *graph, int *moved, const graft_node *node, const char *name)
{
    graft_status status;
    int *inputs = NULL;
    GRAFT_TRY(GRAFT_NEW_ARRAY(&inputs, (size_t)node->input_count));
    for (int i = 0; i < node->input_count; i++)
        inputs[i] = moved[node->inputs[i]];
    GRAFT_TRY(graft_graph_append(graph, &moved[node->index], name, node->op, node->attributes, inputs,
                                 node->input_count));
    graph->nodes[moved[node->index]].trains = node->trains;
out:
    free(inputs);
    return status;
}

graft_status graft_graph_add_output(graft_graph *graph, const char *name, int node, float weight)
{
    if (graph->output_count == GRAFT_GRAPH_OUTPUTS)
        return graft_fail(GRAFT_EINTERNAL, "output %s: there are %d already", name, GRAFT_GRAPH_OUTPUTS);
    graph->outputs[graph->output_count++] = (graft_graph_output){name, node, weight};
    return GRAFT_OK;
}

const graft_node *graft_graph_logits(const graft_graph *graph)
{
    return &graph->nodes[graph->outputs[0].node];
}

bool graft_graph_output_trains(const graft_graph *graph, int output)
{
    return output == 0 || !graph->nodes[graph->outputs[output].node].backbone;
}

const graft_node *graft_graph_find(const graft_graph *graph, const char *name)
{
    for (size_t i = 0; i < graph->count; i++)
        if (strcmp(graph->nodes[i].name, name) == 0)
            return &graph->nodes[i];
    return NULL;
}

bool graft_node_matches(const graft_node *node, const char *pattern)
{
    size_t length = strlen(pattern);
    if (strncmp(node->name, pattern, length) == 0 && (node->name[length] == 0 || node->name[length] == '.'))
        return true;
    return strchr(pattern, '*') && graft_text_matches(pattern, node->name);
}

void graft_graph_mark(graft_graph *graph, const char *pattern, bool trains, int *matched)
{
    *matched = 0;
    for (size_t i = 1; i < graph->count; i++) /* node 0 is the picture: there is nothing to train */
        if (graft_node_matches(&graph->nodes[i], pattern)) {
            graph->nodes[i].trains = trains;
            ++*matched;
        }
    graft_graph_bound(graph);
}

bool graft_graph_nearest(const graft_graph *graph, const char *pattern, char out[GRAFT_NAME_TEXT])
{
    int limit = (int)strlen(pattern) / 3 + 1;
    bool found = false;
    for (size_t i = 1; i < graph->count; i++) {
        const char *name = graph->nodes[i].name;
        for (size_t end = strcspn(name, "."); end < GRAFT_NAME_TEXT;
             end += 1 + strcspn(name + end + 1, ".")) {
            char module[GRAFT_NAME_TEXT] = "";
            memcpy(module, name, end);
            int distance = graft_text_distance(pattern, module);
            if (distance <= limit) {
                limit = distance - 1;
                memcpy(out, module, sizeof module);
                found = true;
            }
            if (name[end] == 0)
                break;
        }
    }
    return found;
}

void graft_graph_bound(graft_graph *graph)
{
    for (size_t i = 0; i < graph->count; i++) {
        graft_node *node = &graph->nodes[i];
        node->backbone = !node->trains;
        for (int j = 0; j < node->input_count; j++)
            node->backbone = node->backbone && graph->nodes[node->inputs[j]].backbone;
        node->cut = node->backbone && node->index == graph->outputs[0].node;
        for (int j = 0; j < node->input_count && !node->backbone; j++) {
            graft_node *input = &graph->nodes[node->inputs[j]];
            input->cut = input->backbone;
        }
    }
}

int graft_node_parameter(const graft_node *node, const char *suffix)
{
    for (int i = 0; i < node->parameter_count; i++)
        if (strcmp(node->parameters[i].suffix, suffix) == 0)
            return i;
    return -1;
}
