/* From a recipe to a graph. */
#include "model/recipe.h"

#include <stdlib.h>

#include "base/memory.h"
#include "model/layers.h"
#include "zoo/zoo.h"

void graft_replacement_dispose(graft_replacement *replacement)
{
    free(replacement->module);
    free(replacement->layers);
}

void graft_recipe_dispose(graft_recipe *recipe)
{
    for (size_t i = 0; i < recipe->count; i++)
        graft_replacement_dispose(&recipe->replacements[i]);
    free(recipe->replacements);
    recipe->replacements = NULL;
    recipe->count = recipe->capacity = 0;
}

graft_status graft_recipe_add(graft_recipe *recipe, const char *module, const char *layers)
{
    graft_status status;
    graft_replacement fresh = {NULL, NULL};
    GRAFT_TRY(graft_duplicate(&fresh.module, module));
    GRAFT_TRY(graft_duplicate(&fresh.layers, layers));
    GRAFT_TRY(GRAFT_GROW(&recipe->replacements, recipe->count, &recipe->capacity));
    recipe->replacements[recipe->count++] = fresh;
    return GRAFT_OK;
out:
    free(fresh.module);
    free(fresh.layers);
    return status;
}

graft_status graft_recipe_copy(graft_recipe *out, const graft_recipe *recipe)
{
    graft_status status = GRAFT_OK;
    graft_recipe copy = {.network = recipe->network, .size = recipe->size, .classes = recipe->classes};
    for (size_t i = 0; i < recipe->count && status == GRAFT_OK; i++)
        status = graft_recipe_add(&copy, recipe->replacements[i].module, recipe->replacements[i].layers);
    if (status == GRAFT_OK)
        *out = copy;
    else
        graft_recipe_dispose(&copy);
    return status;
}

static graft_status replace(graft_graph **graph, const graft_replacement *replacement)
{
    graft_status status;
    graft_layers layers;
    graft_graph *edited;
    GRAFT_TRY(graft_layers_parse(&layers, replacement->layers, 0, NULL));
    GRAFT_TRY(graft_graph_replace_module(&edited, *graph, replacement->module, layers.items, layers.count));
    graft_graph_free(*graph);
    *graph = edited;
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
        GRAFT_TRY(replace(&graph, &recipe->replacements[i]));
    graft_graph_mark(graph, "*", false, &matched);
    *out = graph;
    graph = NULL;
out:
    graft_graph_free(graph);
    return status;
}
