/* Graphs in graphs: a module by itself, and a graph as a module of what is built around it. The picture is
 * node 0 of every graph and keeps its name. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/status.h"
#include "graph/graph.h"

/* A node's name within a module; NULL where it is no node of it. */
static const char *name_within(const graft_node *node, const char *module)
{
    size_t length = strlen(module);
    return strncmp(node->name, module, length) == 0 && node->name[length] == '.' ? node->name + length + 1
                                                                                 : NULL;
}

static graft_status check_inputs(const graft_graph *graph, const graft_node *node, const char *module)
{
    for (int i = 0; i < node->input_count; i++) {
        const graft_node *input = &graph->nodes[node->inputs[i]];
        if (input->index != 0 && !name_within(input, module))
            return graft_fail(GRAFT_ESHAPE, "%s is nothing by itself: %s reads %s", module, node->name,
                              input->name);
    }
    return GRAFT_OK;
}

static graft_status no_module(const graft_graph *graph, const char *module)
{
    char nearest[GRAFT_NAME_TEXT];
    bool near = graft_graph_nearest(graph, module, nearest);
    return graft_fail(GRAFT_ENOTFOUND, "there is no module \"%s\"%s%s", module,
                      near ? "; the nearest is " : "", near ? nearest : "");
}

/* The picture, and the nodes below a module. */
static graft_status copy_module(graft_graph *to, int *moved, const graft_graph *graph, const char *module)
{
    graft_status status;
    GRAFT_TRY(graft_graph_append_copy(to, moved, &graph->nodes[0], graph->nodes[0].name));
    for (size_t i = 1; i < graph->count; i++) {
        const char *name = name_within(&graph->nodes[i], module);
        if (!name)
            continue;
        GRAFT_TRY(check_inputs(graph, &graph->nodes[i], module));
        GRAFT_TRY(graft_graph_append_copy(to, moved, &graph->nodes[i], name));
    }
    if (to->count == 1)
        status = no_module(graph, module);
out:
    return status;
}

static graft_status copy_enclosed(graft_graph *to, int *moved, const graft_graph *graph, const char *module)
{
    graft_status status;
    GRAFT_TRY(graft_graph_append_copy(to, moved, &graph->nodes[0], graph->nodes[0].name));
    for (size_t i = 1; i < graph->count; i++) {
        char name[GRAFT_NAME_TEXT];
        snprintf(name, sizeof name, "%s.%s", module, graph->nodes[i].name);
        GRAFT_TRY(graft_graph_append_copy(to, moved, &graph->nodes[i], name));
    }
out:
    return status;
}

typedef graft_status copy_function(graft_graph *to, int *moved, const graft_graph *graph, const char *module);

static graft_status make(graft_graph **out, const graft_graph *graph, const char *module, copy_function *copy)
{
    graft_status status;
    graft_graph *to = NULL;
    int *moved = NULL;
    GRAFT_TRY(graft_graph_create(&to));
    GRAFT_TRY(GRAFT_NEW_ARRAY(&moved, graph->count));
    GRAFT_TRY(copy(to, moved, graph, module));
    graft_graph_bound(to);
    *out = to;
    to = NULL;
out:
    graft_graph_free(to);
    free(moved);
    return status;
}

graft_status graft_graph_take_module(graft_graph **out, const graft_graph *graph, const char *module)
{
    return make(out, graph, module, copy_module);
}

graft_status graft_graph_enclose(graft_graph **out, const graft_graph *graph, const char *module)
{
    return make(out, graph, module, copy_enclosed);
}
