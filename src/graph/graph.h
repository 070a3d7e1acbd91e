/* A network as data: named nodes in the order in which they run. A node is an operator, its inputs, its
 * attributes and the shapes of its parameters; the numbers themselves live in the model.
 *
 * Invariants (graft_graph_append checks them): an input has a smaller index than its node; node 0 is the
 * picture; names are unique; a node with parameters is named by its module path, so that NAME.weight is the
 * key in a checkpoint. Shapes are for one picture: (1, C, H, W). */
#ifndef GRAFT_GRAPH_GRAPH_H
#define GRAFT_GRAPH_GRAPH_H

#include <stdbool.h>

#include "base/arena.h"
#include "tensor/tensor.h"

typedef struct graft_op graft_op; /* graph/op.h: an operator's table */
typedef struct graft_node graft_node;

typedef enum graft_parameter_kind {
    GRAFT_PARAMETER_LEARNED, /* weights and biases: has a gradient */
    GRAFT_PARAMETER_RUNNING, /* running statistics: f32, moved by training batch norm */
    GRAFT_PARAMETER_COUNTER  /* num_batches_tracked: an int64 scalar */
} graft_parameter_kind;

typedef struct graft_parameter {
    const char *suffix; /* "weight" */
    graft_parameter_kind kind;
    graft_shape shape;
} graft_parameter;

enum { GRAFT_NODE_PARAMETERS = 5 };

struct graft_node {
    int index;
    const char *name;
    const graft_op *op;
    const void *attributes; /* of the type that the operator defines; NULL where it has none */
    int input_count;
    const int *inputs;         /* the nodes that it reads; in the graph's arena */
    graft_shape *input_shapes; /* theirs, for one picture */
    graft_shape shape;         /* of the output for one picture */
    int parameter_count;
    graft_parameter parameters[GRAFT_NODE_PARAMETERS];
    int first_tensor; /* of its parameters among all of the graph's */
    bool trains;
    bool backbone; /* frozen, and so is all below it */
    bool cut;      /* backbone, and a node that is not (or the outside world) reads its output */
};

/* What a network gives. outputs[0] is "logits", the last node. The others are auxiliary classifiers
 * (Inception's "aux"): in training their loss, times `weight`, is added where anything below them trains;
 * elsewhere nothing wants them and they are not computed. */
typedef struct graft_graph_output {
    const char *name;
    int node;
    float weight;
} graft_graph_output;

enum { GRAFT_GRAPH_OUTPUTS = 3 };

typedef struct graft_graph {
    graft_arena arena; /* names, attributes and inputs */
    graft_node *nodes;
    size_t count;
    size_t capacity;
    int tensor_count;
    graft_graph_output outputs[GRAFT_GRAPH_OUTPUTS];
    int output_count;
} graft_graph;

graft_status graft_graph_create(graft_graph **graph);
graft_status graft_graph_clone(graft_graph **out, const graft_graph *graph);
void graft_graph_free(graft_graph *graph);

/* Appends a node (name and attributes are copied) and infers its shape and parameters. */
graft_status graft_graph_append(graft_graph *graph, int *index, const char *name, const graft_op *op,
                                const void *attributes, const int *inputs, int input_count);
/* Appends a node of another graph under a name; moved[i] is the number here of its node i, and is set. */
graft_status graft_graph_append_copy(graft_graph *graph, int *moved, const graft_node *node,
                                     const char *name);
/* Names an auxiliary output; the text is not copied. */
graft_status graft_graph_add_output(graft_graph *graph, const char *name, int node, float weight);
/* The node of the logits. */
const graft_node *graft_graph_logits(const graft_graph *graph);
/* Whether an output takes part in training: the logits always, an auxiliary one where anything below it
 * trains. */
bool graft_graph_output_trains(const graft_graph *graph, int output);

/* ---- Editing: layers, one behind another, are numbered as nn.Sequential numbers them ("classifier.0"); a
 * single one has the module's name. They train. ---- */

typedef struct graft_graph_layer {
    const graft_op *op;
    const void *attributes;
} graft_graph_layer;

/* Layers behind node *at, which is then their last. */
graft_status graft_graph_append_layers(graft_graph *graph, int *at, const char *module,
                                       const graft_graph_layer *layers, int count);
/* A copy in which the nodes of a module (a node's name, or a path above nodes) give way to layers.
 * GRAFT_ENOTFOUND, GRAFT_ESHAPE (a module with several inputs or outputs; layers that do not fit where they
 * join). */
graft_status graft_graph_replace_module(graft_graph **out, const graft_graph *graph, const char *module,
                                        const graft_graph_layer *layers, int count);
/* A module that reads nothing but the picture, by itself: its nodes lose its path. GRAFT_ENOTFOUND,
 * GRAFT_ESHAPE. */
graft_status graft_graph_take_module(graft_graph **out, const graft_graph *graph, const char *module);
/* A copy that is a module: its nodes get a path, its auxiliary outputs are outputs no more. */
graft_status graft_graph_enclose(graft_graph **out, const graft_graph *graph, const char *module);

/* ---- Looking ---- */

const graft_node *graft_graph_find(const graft_graph *graph, const char *name); /* NULL where there is none */
/* Whether a pattern means this node: its name, a module above it, or a glob whose '*' crosses dots. */
bool graft_node_matches(const graft_node *node, const char *pattern);
/* Marks what matches; *matched is how many nodes did. */
void graft_graph_mark(graft_graph *graph, const char *pattern, bool trains, int *matched);
/* The name of the node or module nearest to a pattern; false where none is near. */
enum { GRAFT_NAME_TEXT = 256 };
bool graft_graph_nearest(const graft_graph *graph, const char *pattern, char out[GRAFT_NAME_TEXT]);

/* Sets every node's backbone and cut from what trains; whoever changes a mark calls it. */
void graft_graph_bound(graft_graph *graph);

/* The number of a node's parameter, -1 where it has none of that suffix. */
int graft_node_parameter(const graft_node *node, const char *suffix);

#endif
