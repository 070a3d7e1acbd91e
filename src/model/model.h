/* The inside of a model: a graph, one tensor for each of its parameters, and what belongs to them. */
#ifndef GRAFT_MODEL_MODEL_H
#define GRAFT_MODEL_MODEL_H

#include <graft/model.h>

#include "graph/graph.h"
#include "tensor/tensor.h"

typedef struct graft_note {
    char *key, *value;
} graft_note;

struct graft_model {
    int references; /* atomic */
    const graft_network *network;
    graft_transform transform;
    graft_sight sight;
    graft_graph *graph;
    graft_tensor **tensors; /* graph->tensor_count */
    char **names;           /* of the tensors: "_fc.weight" */
    char **classes;         /* NULL where they have no names */
    size_t class_count;     /* width of the logits */
    char *source_name;
    char source_sha256[65];
    graft_note *notes;
    size_t note_count, note_capacity;
};

/* An empty shell around a graph (which it takes), its tensors NULL. */
graft_status graft_model_wrap(graft_model **model, const graft_network *network, graft_graph *graph);
/* A copy that shares all tensors. */
graft_status graft_model_clone(graft_model **out, const graft_model *model);
/* Fills tensors from a checkpoint: all there, all of their shape, nothing left over. */
graft_status graft_model_fill(graft_model *model, const graft_weights *weights);
/* First values for a node's parameters. */
graft_status graft_model_initialize(graft_model *model, const graft_node *node, uint64_t seed);
graft_status graft_model_set_classes(graft_model *model, const char *const *classes, size_t count);
void graft_model_set_source(graft_model *model, const char *sha256);
const graft_node *graft_model_head(const graft_model *model);

#endif
