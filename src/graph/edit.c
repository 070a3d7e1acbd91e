/* Copying a graph, with a module of it replaced on the way. A module that can be replaced has one tensor that
 * goes in and one that comes out; its nodes go, and the new layers stand where its last node stood. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/status.h"
#include "graph/graph.h"

enum { NONE = -1 };

typedef struct edit {
    const graft_graph *from;
    graft_graph *to;
    int *moved;         /* [node of from]: its number in `to` */
    const char *module; /* NULL: nothing is replaced */
    int input, output;  /* what goes into the module, and the node that comes out of it */
} edit;

static bool is_member(const edit *e, int index)
{
    size_t length = e->module ? strlen(e->module) : 0;
    const char *name = e->from->nodes[index].name;
    return length > 0 && strncmp(name, e->module, length) == 0 && (name[length] == 0 || name[length] == '.');
}

static bool is_output(const graft_graph *graph, int node)
{
    for (int i = 0; i < graph->output_count; i++)
        if (graph->outputs[i].node == node)
            return true;
    return false;
}

static graft_status set_only(const edit *e, int *place, int node, const char *what)
{
    if (*place != NONE && *place != node)
        return graft_fail(GRAFT_ESHAPE, "%s cannot be replaced: more than one tensor %s it", e->module, what);
    *place = node;
    return GRAFT_OK;
}

static graft_status find_ends(edit *e)
{
    graft_status status = GRAFT_OK;
    for (int i = 0; i < (int)e->from->count; i++) {
        const graft_node *node = &e->from->nodes[i];
        if (is_member(e, i) && is_output(e->from, i))
            GRAFT_TRY(set_only(e, &e->output, i, "comes out of"));
        for (int j = 0; j < node->input_count; j++) {
            int input = node->inputs[j];
            if (is_member(e, i) && !is_member(e, input))
                GRAFT_TRY(set_only(e, &e->input, input, "goes into"));
            if (!is_member(e, i) && is_member(e, input))
                GRAFT_TRY(set_only(e, &e->output, input, "comes out of"));
        }
    }
    if (e->input == NONE || e->output == NONE)
        return graft_fail(GRAFT_ENOTFOUND, "there is no node or module \"%s\" between two others", e->module);
out:
    return status;
}

graft_status graft_graph_append_layers(graft_graph *graph, int *at, const char *module,
                                       const graft_graph_layer *layers, int count)
{
    graft_status status = GRAFT_OK;
    for (int i = 0; i < count; i++) {
        char name[GRAFT_NAME_TEXT];
        snprintf(name, sizeof name, count == 1 ? "%s" : "%s.%d", module, i);
        GRAFT_TRY(graft_graph_append(graph, at, name, layers[i].op, layers[i].attributes, at, 1));
        graph->nodes[*at].trains = true;
    }
out:
    return status;
}

static graft_status put_layers(edit *e, const graft_graph_layer *layers, int count)
{
    int at = e->moved[e->input];
    graft_status status = graft_graph_append_layers(e->to, &at, e->module, layers, count);
    e->moved[e->output] = at;
    return status;
}

static graft_status copy_all(edit *e, const graft_graph_layer *layers, int count)
{
    graft_status status = GRAFT_OK;
    for (int i = 0; i < (int)e->from->count; i++) {
        if (!is_member(e, i))
            GRAFT_TRY(graft_graph_append_copy(e->to, e->moved, &e->from->nodes[i], e->from->nodes[i].name));
        else if (i == e->output)
            GRAFT_TRY(put_layers(e, layers, count));
    }
    for (int i = 1; i < e->from->output_count; i++)
        GRAFT_TRY(graft_graph_add_output(e->to, e->from->outputs[i].name, e->moved[e->from->outputs[i].node],
                                         e->from->outputs[i].weight));
    graft_graph_bound(e->to);
out:
    return status;
}

graft_status graft_graph_replace_module(graft_graph **out, const graft_graph *graph, const char *module,
                                        const graft_graph_layer *layers, int count)
{
    graft_status status;
    edit e = {.from = graph, .module = module, .input = NONE, .output = NONE};
    if (module)
        GRAFT_TRY(find_ends(&e));
    GRAFT_TRY(graft_graph_create(&e.to));
    GRAFT_TRY(GRAFT_NEW_ARRAY(&e.moved, graph->count));
    GRAFT_TRY(copy_all(&e, layers, count));
    *out = e.to;
    e.to = NULL;
out:
    graft_graph_free(e.to);
    free(e.moved);
    return status;
}

graft_status graft_graph_clone(graft_graph **out, const graft_graph *graph)
{
    return graft_graph_replace_module(out, graph, NULL, NULL, 0);
}
