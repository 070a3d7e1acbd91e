/* How a model's graph is made: a network of the zoo, for pictures of a size, with so many classes, and the
 * modules that were replaced since, in order. The graph is a function of it, so a saved model describes its
 * graph by it. */
#ifndef GRAFT_MODEL_RECIPE_H
#define GRAFT_MODEL_RECIPE_H

#include <graft/model.h>

#include "graph/graph.h"

typedef struct graft_replacement {
    char *module; /* "classifier" */
    char *layers; /* "linear(4096) relu dropout(0.5) linear(10)" */
} graft_replacement;

typedef struct graft_recipe {
    const graft_network *network;
    int size;    /* pictures are (3, size, size) */
    int classes; /* of the network's own class layers */
    graft_replacement *replacements;
    size_t count, capacity;
} graft_recipe;

void graft_replacement_dispose(graft_replacement *replacement);
void graft_recipe_dispose(graft_recipe *recipe);
graft_status graft_recipe_copy(graft_recipe *out, const graft_recipe *recipe);
graft_status graft_recipe_add(graft_recipe *recipe, const char *module, const char *layers);
/* Everything in it is frozen. */
graft_status graft_recipe_build(graft_graph **graph, const graft_recipe *recipe);

#endif
