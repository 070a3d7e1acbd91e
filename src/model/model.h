/* The inside of a model: a graph with its tensors, how it was made, and what belongs to it. */
#ifndef GRAFT_MODEL_MODEL_H
#define GRAFT_MODEL_MODEL_H

#include <graft/model.h>

#include "base/file_hash.h"
#include "model/recipe.h"
#include "model/state.h"

typedef struct graft_note {
    char *key, *value;
} graft_note;

struct graft_model {
    int references; /* atomic */
    graft_recipe recipe;
    graft_state state;
    char *head; /* the module that classifies; "" where there is none */
    graft_transform transform;
    graft_sight sight;
    char **classes;     /* NULL where they have no names */
    size_t class_count; /* width of the logits */
    char *source_name;
    char source_sha256[65];
    graft_file_hash *source_hash; /* makes it; NULL: it is known, or there is none */
    graft_note *notes;
    size_t note_count, note_capacity;
};

/* An empty shell: the recipe's graph (the recipe is copied), its tensors NULL. */
graft_status graft_model_wrap(graft_model **model, const graft_recipe *recipe);
/* A copy that shares all tensors. */
graft_status graft_model_clone(graft_model **out, const graft_model *model);
/* Fills tensors from a checkpoint: all there, all of their shape, nothing left over. An auxiliary classifier
 * may be absent as a whole. `class_layers` not NULL: so may class layers, also in another shape, and it is
 * set where any is. What is absent starts at random. `module` not NULL: nothing else is filled or needed.
 * `without` not NULL: this module is there, but its tensors stay NULL. */
graft_status graft_model_fill(graft_model *model, const graft_weights *weights, const char *module,
                              const char *without, bool *class_layers);
/* What is left is the module by itself. */
graft_status graft_model_take(graft_model *model, const char *module);
graft_status graft_model_set_head(graft_model *model, const char *module);
/* It has no weights: graft_model_outline. */
bool graft_model_is_outline(const graft_model *model);
/* GRAFT_EARGUMENT for an outline, GRAFT_ESHAPE where an edit has left a node without weights that fit. */
graft_status graft_model_check_whole(const graft_model *model);
void graft_model_forget_classes(graft_model *model);
void graft_model_set_source(graft_model *model, const char *sha256);
/* First values for the parameters of the head; what has just these keeps its tensors. */
graft_status graft_model_start_head(graft_model *model, graft_start start, uint64_t seed);
/* What the node gives takes the place of the logits: the classes are forgotten, and what lies above the node
 * is not run and has no tensors any more. */
void graft_model_end_at(graft_model *model, size_t node);
/* Whether a node belongs to the head. */
bool graft_model_in_head(const graft_model *model, const graft_node *node);

#endif
