/* How a model's graph is made: a network of the zoo, for pictures of a size, with so many classes, and the
 * edits since, in order. The graph is a function of it, so a saved model describes its graph by it. */
#ifndef GRAFT_MODEL_RECIPE_H
#define GRAFT_MODEL_RECIPE_H

#include <graft/model.h>

#include "graph/graph.h"

typedef enum graft_edit_kind {
    GRAFT_EDIT_REPLACE, /* layers in place of the module */
    GRAFT_EDIT_TAKE,    /* the module by itself */
    GRAFT_EDIT_ENCLOSE, /* all of it becomes the module */
    GRAFT_EDIT_APPEND,  /* layers behind it, as the module */
    GRAFT_EDITS
} graft_edit_kind;

typedef struct graft_edit {
    graft_edit_kind kind;
    char *module; /* "classifier" */
    char *layers; /* "linear(4096) relu dropout(0.5) linear(10)"; "" where the kind has none */
} graft_edit;

typedef struct graft_recipe {
    const graft_network *network;
    int size;    /* pictures are (3, size, size) */
    int classes; /* of the network's own class layers */
    graft_edit *edits;
    size_t count, capacity;
} graft_recipe;

const char *graft_edit_name(graft_edit_kind kind);
/* GRAFT_EDITS where there is none of this name. */
graft_edit_kind graft_edit_find(const char *name);
void graft_edit_dispose(graft_edit *edit);
void graft_recipe_dispose(graft_recipe *recipe);
graft_status graft_recipe_copy(graft_recipe *out, const graft_recipe *recipe);
graft_status graft_recipe_add(graft_recipe *recipe, graft_edit_kind kind, const char *module,
                              const char *layers);
/* The module that was appended last; NULL where none was. */
const char *graft_recipe_tail(const graft_recipe *recipe);
/* Everything in it is frozen. */
graft_status graft_recipe_build(graft_graph **graph, const graft_recipe *recipe);

#endif
