/* Editing a model: what trains, and new layers. An edit builds the graph of the changed recipe and takes over
 * every tensor that is still of its name and shape; a failure leaves the model as it was. */
#include <string.h>

#include "base/buffer.h"
#include "base/status.h"
#include "model/layers.h"
#include "model/model.h"

/* ---- What trains ---- */

static graft_status no_such_node(const graft_model *model, const char *pattern)
{
    char nearest[GRAFT_NAME_TEXT];
    bool near = graft_graph_nearest(model->state.graph, pattern, nearest);
    return graft_fail(GRAFT_ENOTFOUND, "%s has no node or module \"%s\"%s%s", model->recipe.network->name,
                      pattern, near ? "; the nearest is " : "", near ? nearest : "");
}

static graft_status mark(graft_model *model, const char *pattern, bool trains)
{
    int matched;
    graft_graph_mark(model->state.graph, pattern, trains, &matched);
    return matched > 0 ? GRAFT_OK : no_such_node(model, pattern);
}

graft_status graft_model_freeze(graft_model *model, const char *pattern)
{
    return mark(model, pattern, false);
}

graft_status graft_model_unfreeze(graft_model *model, const char *pattern)
{
    return mark(model, pattern, true);
}

bool graft_model_in_head(const graft_model *model, const graft_node *node)
{
    return graft_node_matches(node, model->head);
}

static graft_status select_complement(graft_model *model, const char *const *frozen, size_t count)
{
    graft_status status = graft_model_unfreeze(model, "*");
    for (size_t i = 0; i < count && status == GRAFT_OK; i++)
        status = graft_model_freeze(model, frozen[i]);
    return status;
}

graft_status graft_model_select(graft_model *model, const char *const *trainable, size_t trainable_count,
                                const char *const *frozen, size_t frozen_count)
{
    graft_status status;
    if (trainable_count > 0 && frozen_count > 0)
        return graft_fail(GRAFT_EARGUMENT,
                          "what trains and what is frozen are complements: give one of them");
    GRAFT_TRY(graft_model_freeze(model, "*"));
    if (frozen_count > 0)
        GRAFT_TRY(select_complement(model, frozen, frozen_count));
    for (size_t i = 0; i < trainable_count; i++)
        if (strcmp(trainable[i], "head") != 0)
            GRAFT_TRY(graft_model_unfreeze(model, strcmp(trainable[i], "all") == 0 ? "*" : trainable[i]));
    GRAFT_TRY(graft_model_unfreeze(model, model->head));
out:
    return status;
}

/* ---- Inner nodes ---- */

graft_status graft_model_find_node(const graft_model *model, const char *name, size_t *index)
{
    const graft_graph *graph = model->state.graph;
    const graft_node *found = graft_graph_find(graph, name);
    for (size_t i = graph->count; i-- > 0 && !found;)
        if (!strchr(name, '*') && graft_node_matches(&graph->nodes[i], name))
            found = &graph->nodes[i];
    if (!found)
        return no_such_node(model, name);
    *index = (size_t)found->index;
    return GRAFT_OK;
}

/* Dropout before the head hands on what it gets. */
size_t graft_model_feature_node(const graft_model *model)
{
    const graft_graph *graph = model->state.graph;
    const graft_node *node = graft_graph_logits(graph);
    for (size_t i = graph->count; i-- > 0;)
        if (graft_model_in_head(model, &graph->nodes[i]))
            node = &graph->nodes[i];
    if (node->input_count > 0)
        node = &graph->nodes[node->inputs[0]];
    while (node->op == &graft_op_dropout)
        node = &graph->nodes[node->inputs[0]];
    return (size_t)node->index;
}

void graft_model_end_at(graft_model *model, size_t node)
{
    graft_graph *graph = model->state.graph;
    graft_model_forget_classes(model);
    graph->outputs[0].node = (int)node;
    graph->output_count = 1;
    graft_graph_bound(graph);
    model->class_count = (size_t)graft_shape_count(&graph->nodes[node].shape);
}

/* ---- New layers ---- */

/* What is new in an edited graph: modules whose nodes do not keep their tensors. */
typedef struct fresh {
    size_t classes; /* how many logits there must be; 0: any number */
    const char *modules[4];
    int count;
    graft_start start;
    uint64_t seed;
} fresh;

static void add_fresh(fresh *f, const char *module)
{
    if (module)
        f->modules[f->count++] = module;
}

static bool is_fresh(const fresh *f, const graft_node *node)
{
    for (int i = 0; i < f->count; i++)
        if (graft_node_matches(node, f->modules[i]))
            return true;
    return false;
}

/* Marks what is new, and gives it weights where the model has any. */
static graft_status fill_fresh(graft_state *state, const fresh *f, bool weights)
{
    graft_status status = GRAFT_OK;
    for (size_t i = 0; i < state->graph->count && status == GRAFT_OK; i++) {
        graft_node *node = &state->graph->nodes[i];
        if (!is_fresh(f, node))
            continue;
        node->trains = true;
        if (weights)
            status = f->start == GRAFT_START_ZERO && node->op == &graft_op_linear
                         ? graft_state_zero(state, (int)i)
                         : graft_state_initialize(state, (int)i, f->seed);
    }
    graft_graph_bound(state->graph);
    return status;
}

graft_status graft_model_start_head(graft_model *model, graft_start start, uint64_t seed)
{
    fresh f = {.modules = {model->head}, .count = 1, .start = start, .seed = seed};
    return fill_fresh(&model->state, &f, !graft_model_is_outline(model));
}

/* Moves the model to a recipe, which it takes over; `head` is what classifies then. */
static graft_status move_to(graft_model *model, graft_recipe *recipe, const char *head, const fresh *f)
{
    graft_status status;
    graft_state state = {NULL, NULL, NULL};
    GRAFT_TRY(graft_state_create(&state, recipe));
    size_t classes = (size_t)graft_graph_logits(state.graph)->shape.dims[1];
    if (f->classes > 0 && classes != f->classes) {
        status = graft_fail(GRAFT_ESHAPE, "the head ends in %zu numbers where there are %zu classes", classes,
                            f->classes);
        goto out;
    }
    graft_state_adopt(&state, &model->state);
    GRAFT_TRY(fill_fresh(&state, f, !graft_model_is_outline(model)));
    GRAFT_TRY(graft_model_set_head(model, head));
    graft_state_dispose(&model->state);
    graft_recipe_dispose(&model->recipe);
    model->state = state;
    model->recipe = *recipe;
    *recipe = (graft_recipe){.network = NULL};
    if (classes != model->class_count)
        graft_model_forget_classes(model);
    model->class_count = classes;
    return GRAFT_OK;
out:
    graft_state_dispose(&state);
    return status;
}

graft_status graft_model_set_size(graft_model *model, int size)
{
    graft_status status;
    graft_recipe recipe = {.network = NULL};
    fresh none = {.count = 0};
    graft_transform *t = &model->transform;
    if (size < 1 || size > 4096)
        return graft_fail(GRAFT_EARGUMENT, "pictures of %d pixels are not possible: 1 to 4096 are", size);
    GRAFT_TRY(graft_recipe_copy(&recipe, &model->recipe));
    recipe.size = size;
    GRAFT_TRY(move_to(model, &recipe, model->head, &none));
    t->resize = (int)((int64_t)t->resize * size / t->crop);
    t->crop = size;
out:
    graft_recipe_dispose(&recipe);
    return status;
}

/* The class layer lies in this module, so that who replaces it makes a new head. */
static bool holds_class_layer(const graft_model *model, const char *module)
{
    size_t length = strlen(module);
    return strncmp(model->head, module, length) == 0 &&
           (model->head[length] == 0 || model->head[length] == '.');
}

/* Adds a replacement with its numbers written out. */
static graft_status add_layers(graft_recipe *recipe, const char *module, const char *text, int classes)
{
    graft_status status;
    graft_layers layers;
    graft_buffer full = GRAFT_BUFFER_INIT;
    GRAFT_TRY(graft_layers_parse(&layers, text, classes, NULL));
    GRAFT_TRY(graft_layers_print(&full, &layers));
    GRAFT_TRY(graft_recipe_add(recipe, module, full.data));
out:
    graft_buffer_dispose(&full);
    return status;
}

graft_status graft_layers_check(const char *text, size_t *place)
{
    graft_layers layers;
    return graft_layers_parse(&layers, text, 1, place);
}

graft_status graft_model_replace(graft_model *model, const char *module, const char *layers, uint64_t seed)
{
    graft_status status;
    graft_recipe recipe = {.network = NULL};
    fresh f = {.start = GRAFT_START_PYTORCH, .seed = seed};
    const char *head = holds_class_layer(model, module) ? module : model->head;
    add_fresh(&f, module);
    GRAFT_TRY(graft_recipe_copy(&recipe, &model->recipe));
    GRAFT_TRY(add_layers(&recipe, module, layers, 0));
    GRAFT_TRY(move_to(model, &recipe, head, &f));
out:
    graft_recipe_dispose(&recipe);
    return status;
}

/* Replacements of the head that is given up: a new class layer stands in the network's own head again. */
static void drop_head(graft_recipe *recipe)
{
    size_t kept = 0;
    for (size_t i = 0; i < recipe->count; i++) {
        graft_replacement *r = &recipe->replacements[i];
        size_t length = strlen(recipe->network->head);
        bool in_head = strncmp(r->module, recipe->network->head, length) == 0 &&
                       (r->module[length] == 0 || r->module[length] == '.');
        if (in_head)
            graft_replacement_dispose(r);
        else
            recipe->replacements[kept++] = *r;
    }
    recipe->count = kept;
}

graft_status graft_model_replace_head(graft_model *model, const char *layers, const char *const *classes,
                                      size_t count, graft_start start, uint64_t seed)
{
    graft_status status;
    const graft_network *network = model->recipe.network;
    graft_recipe recipe = {.network = NULL};
    fresh f = {.classes = count, .start = layers ? GRAFT_START_PYTORCH : start, .seed = seed};
    if (count < 2)
        return graft_fail(GRAFT_EARGUMENT, "a classifier needs two classes or more, not %zu", count);
    add_fresh(&f, layers ? network->head : network->class_layer);
    add_fresh(&f, network->auxiliary[0]);
    add_fresh(&f, network->auxiliary[1]);
    GRAFT_TRY(graft_recipe_copy(&recipe, &model->recipe));
    drop_head(&recipe);
    recipe.classes = (int)count;
    if (layers)
        GRAFT_TRY(add_layers(&recipe, network->head, layers, (int)count));
    GRAFT_TRY(move_to(model, &recipe, f.modules[0], &f));
    GRAFT_TRY(graft_model_name_classes(model, classes, count));
out:
    graft_recipe_dispose(&recipe);
    return status;
}
