/* From a recipe to a graph. */
#include "model/recipe.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "model/layers.h"
#include "zoo/zoo.h"

static const char *const names[GRAFT_EDITS] = {"replace", "take", "enclose", "append"};

const char *graft_edit_name(graft_edit_kind kind)
{
    return names[kind];
}

graft_edit_kind graft_edit_find(const char *name)
{
    int kind = 0;
    while (kind < GRAFT_EDITS && strcmp(names[kind], name) != 0)
        kind++;
    return (graft_edit_kind)kind;
}

void graft_edit_dispose(graft_edit *edit)
{
    free(edit->module);
    free(edit->layers);
}

void graft_recipe_dispose(graft_recipe *recipe)
{
    for (size_t i = 0; i < recipe->count; i++)
        graft_edit_dispose(&recipe->edits[i]);
    free(recipe->edits);
    recipe->edits = NULL;
    recipe->count = recipe->capacity = 0;
}

graft_status graft_recipe_add(graft_recipe *recipe, graft_edit_kind kind, const char *module,
                              const char *layers)
{
    graft_status status;
    graft_edit fresh = {kind, NULL, NULL};
    GRAFT_TRY(graft_duplicate(&fresh.module, module));
    GRAFT_TRY(graft_duplicate(&fresh.layers, layers));
    GRAFT_TRY(GRAFT_GROW(&recipe->edits, recipe->count, &recipe->capacity));
    recipe->edits[recipe->count++] = fresh;
    return GRAFT_OK;
out:
    graft_edit_dispose(&fresh);
    return status;
}

const char *graft_recipe_tail(const graft_recipe *recipe)
{
    for (size_t i = recipe->count; i-- > 0;)
        if (recipe->edits[i].kind == GRAFT_EDIT_APPEND)
            return recipe->edits[i].module;
    return NULL;
}

graft_status graft_recipe_copy(graft_recipe *out, const graft_recipe *recipe)
{
    graft_status status = GRAFT_OK;
    graft_recipe copy = {.network = recipe->network, .size = recipe->size, .classes = recipe->classes};
    for (size_t i = 0; i < recipe->count && status == GRAFT_OK; i++)
        status =
            graft_recipe_add(&copy, recipe->edits[i].kind, recipe->edits[i].module, recipe->edits[i].layers);
    if (status == GRAFT_OK)
        *out = copy;
    else
        graft_recipe_dispose(&copy);
    return status;
}

static graft_status append(graft_graph *graph, const char *module, const graft_layers *layers)
{
    int at = graft_graph_logits(graph)->index;
    return graft_graph_append_layers(graph, &at, module, layers->items, layers->count);
}

/* One edit; a graph that is made for it takes the place of *graph. */
static graft_status apply(graft_graph **graph, const graft_edit *edit)
{
    graft_status status = GRAFT_OK;
    graft_layers layers;
    graft_graph *edited = NULL;
    if (edit->kind == GRAFT_EDIT_REPLACE || edit->kind == GRAFT_EDIT_APPEND)
        GRAFT_TRY(graft_layers_parse(&layers, edit->layers, 0, NULL));
    if (edit->kind == GRAFT_EDIT_REPLACE)
        status = graft_graph_replace_module(&edited, *graph, edit->module, layers.items, layers.count);
    if (edit->kind == GRAFT_EDIT_TAKE)
        status = graft_graph_take_module(&edited, *graph, edit->module);
    if (edit->kind == GRAFT_EDIT_ENCLOSE)
        status = graft_graph_enclose(&edited, *graph, edit->module);
    if (edit->kind == GRAFT_EDIT_APPEND)
        status = append(*graph, edit->module, &layers);
    if (edited) {
        graft_graph_free(*graph);
        *graph = edited;
    }
out:
    return status;
}

graft_status graft_recipe_build(graft_graph **out, const graft_recipe *recipe)
{
    graft_status status;
    graft_graph *graph = NULL;
    int matched;
    GRAFT_TRY(graft_zoo_build(&graph, graft_zoo_row_of(recipe->network), recipe->classes, recipe->size));
    for (size_t i = 0; i < recipe->count; i++)
        GRAFT_TRY(apply(&graph, &recipe->edits[i]));
    graft_graph_mark(graph, "*", false, &matched);
    *out = graph;
    graph = NULL;
out:
    graft_graph_free(graph);
    return status;
}
