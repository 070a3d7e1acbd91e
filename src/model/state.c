/* Graphs with their tensors. */
#include "model/state.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "graph/op.h"

static graft_status name_tensors(graft_state *state)
{
    graft_status status;
    const graft_graph *graph = state->graph;
    GRAFT_TRY(GRAFT_NEW_ARRAY(&state->names, (size_t)graph->tensor_count));
    for (size_t i = 0; i < graph->count; i++) {
        const graft_node *node = &graph->nodes[i];
        for (int j = 0; j < node->parameter_count; j++)
            GRAFT_TRY(graft_format(&state->names[node->first_tensor + j], "%s.%s", node->name,
                                   node->parameters[j].suffix));
    }
out:
    return status;
}

graft_status graft_state_create(graft_state *out, const graft_recipe *recipe)
{
    graft_status status;
    graft_state state = {NULL, NULL, NULL};
    GRAFT_TRY(graft_recipe_build(&state.graph, recipe));
    GRAFT_TRY(GRAFT_NEW_ARRAY(&state.tensors, (size_t)state.graph->tensor_count));
    GRAFT_TRY(name_tensors(&state));
    *out = state;
    return GRAFT_OK;
out:
    graft_state_dispose(&state);
    return status;
}

void graft_state_dispose(graft_state *state)
{
    for (int i = 0; state->graph && i < state->graph->tensor_count; i++) {
        if (state->tensors)
            graft_tensor_release(state->tensors[i]);
        if (state->names)
            free(state->names[i]);
    }
    free(state->tensors);
    free(state->names);
    graft_graph_free(state->graph);
    *state = (graft_state){NULL, NULL, NULL};
}

void graft_state_drop(graft_state *state, int index)
{
    const graft_node *node = &state->graph->nodes[index];
    for (int i = node->first_tensor; i < node->first_tensor + node->parameter_count; i++) {
        graft_tensor_release(state->tensors[i]);
        state->tensors[i] = NULL;
    }
}

static void share_tensor(graft_state *state, int to, graft_tensor *tensor)
{
    graft_tensor *old = state->tensors[to];
    state->tensors[to] = tensor ? graft_tensor_share(tensor) : NULL;
    graft_tensor_release(old);
}

void graft_state_take(graft_state *state, const graft_state *from)
{
    for (int i = 0; i < state->graph->tensor_count; i++)
        share_tensor(state, i, from->tensors[i]);
}

void graft_state_share(graft_state *state, const graft_state *from)
{
    graft_state_take(state, from);
    for (size_t i = 0; i < state->graph->count; i++)
        state->graph->nodes[i].trains = from->graph->nodes[i].trains;
    graft_graph_bound(state->graph);
}

static void adopt_node(graft_state *state, const graft_state *from, graft_node *node, const graft_node *like)
{
    node->trains = like->trains;
    for (int j = 0; j < node->parameter_count && j < like->parameter_count; j++)
        if (graft_shape_equal(&node->parameters[j].shape, &like->parameters[j].shape))
            share_tensor(state, node->first_tensor + j, from->tensors[like->first_tensor + j]);
}

/* The node there that has this name there. */
static const graft_node *find_renamed(const graft_state *from, const char *name, const char *is,
                                      const char *was)
{
    char before[GRAFT_NAME_TEXT];
    if (!graft_text_starts(name, is))
        return NULL;
    snprintf(before, sizeof before, "%s%s", was, name + strlen(is));
    return graft_graph_find(from->graph, before);
}

void graft_state_adopt(graft_state *state, const graft_state *from, const char *is, const char *was)
{
    for (size_t i = 0; i < state->graph->count; i++) {
        graft_node *node = &state->graph->nodes[i];
        const graft_node *like = find_renamed(from, node->name, is, was);
        if (like && like->op == node->op)
            adopt_node(state, from, node, like);
    }
    graft_graph_bound(state->graph);
}

const graft_node *graft_state_gap(const graft_state *state)
{
    for (size_t i = 0; i < state->graph->count; i++)
        for (int j = 0; j < state->graph->nodes[i].parameter_count; j++)
            if (!state->tensors[state->graph->nodes[i].first_tensor + j])
                return &state->graph->nodes[i];
    return NULL;
}

static graft_random stream_of(const graft_node *node, int slot, uint64_t seed)
{
    return graft_random_stream(seed, GRAFT_RANDOM_WEIGHTS, node->name, 0, (uint32_t)slot);
}

bool graft_state_is_drawn(const graft_state *state, int index, uint64_t seed)
{
    const graft_node *node = &state->graph->nodes[index];
    for (int i = 0; i < node->parameter_count; i++) {
        const graft_tensor *tensor = state->tensors[node->first_tensor + i];
        graft_random random = stream_of(node, i, seed);
        if (!tensor || memcmp(&tensor->drawn, &random, sizeof random) != 0)
            return false;
    }
    return true;
}

static graft_status fill(graft_state *state, int index, bool zero, uint64_t seed)
{
    graft_status status = GRAFT_OK;
    const graft_node *node = &state->graph->nodes[index];
    for (int i = 0; i < node->parameter_count; i++) {
        const graft_parameter *parameter = &node->parameters[i];
        bool counter = parameter->kind == GRAFT_PARAMETER_COUNTER;
        graft_tensor *tensor;
        GRAFT_TRY(graft_tensor_create(&tensor, NULL, counter ? GRAFT_I64 : GRAFT_F32, &parameter->shape));
        memset(tensor->data, 0, tensor->bytes);
        graft_random random = stream_of(node, i, seed);
        if (!zero)
            tensor->drawn = random;
        if (!counter && !zero && node->op->initialize)
            node->op->initialize(node, i, tensor->data, &random);
        graft_tensor_release(state->tensors[node->first_tensor + i]);
        state->tensors[node->first_tensor + i] = tensor;
    }
out:
    return status;
}

graft_status graft_state_initialize(graft_state *state, int node, uint64_t seed)
{
    return fill(state, node, false, seed);
}

graft_status graft_state_zero(graft_state *state, int node)
{
    return fill(state, node, true, 0);
}

size_t graft_state_classes(const graft_state *state)
{
    const graft_shape *shape = &graft_graph_logits(state->graph)->shape;
    return shape->rank == 2 ? (size_t)shape->dims[1] : 0;
}

int graft_state_find(const graft_state *state, const char *name)
{
    for (int i = 0; i < state->graph->tensor_count; i++)
        if (strcmp(state->names[i], name) == 0)
            return i;
    return -1;
}
