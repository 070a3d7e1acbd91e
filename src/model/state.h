/* A graph with one tensor for each of its parameters: what PyTorch calls a module with its state dict. */
#ifndef GRAFT_MODEL_STATE_H
#define GRAFT_MODEL_STATE_H

#include <stdbool.h>

#include "graph/graph.h"
#include "model/recipe.h"
#include "tensor/tensor.h"

typedef struct graft_state {
    graft_graph *graph;
    graft_tensor **tensors; /* (graph->tensor_count); NULL until they are filled */
    char **names;           /* of the tensors: "_fc.weight" */
} graft_state;

/* The graph of a recipe, its tensors NULL. */
graft_status graft_state_create(graft_state *state, const graft_recipe *recipe);
/* The node's tensors are NULL from now on. */
void graft_state_drop(graft_state *state, int node);
void graft_state_dispose(graft_state *state); /* a zeroed one is legal */
/* Takes tensors, or tensors and marks, from one with the same nodes. */
void graft_state_take(graft_state *state, const graft_state *from);
void graft_state_share(graft_state *state, const graft_state *from);
/* Takes tensors and marks by name and shape, from whatever nodes there are: what has a name that begins with
 * `is` here, with `was` in its place there ("" and "" where no name has changed). */
void graft_state_adopt(graft_state *state, const graft_state *from, const char *is, const char *was);
/* The first node that lacks a tensor; NULL where none does. */
const graft_node *graft_state_gap(const graft_state *state);
/* First values for a node's parameters, as PyTorch's module would draw them, or zeros. */
graft_status graft_state_initialize(graft_state *state, int node, uint64_t seed);
graft_status graft_state_zero(graft_state *state, int node);
/* Whether the node's values are just those that graft_state_initialize would draw. */
bool graft_state_is_drawn(const graft_state *state, int node, uint64_t seed);
/* The width of the logits; 0 where the graph ends in no row of numbers. */
size_t graft_state_classes(const graft_state *state);
/* The tensor's number, -1 where there is none of this name. */
int graft_state_find(const graft_state *state, const char *name);

#endif
