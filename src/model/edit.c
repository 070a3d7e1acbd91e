/* Editing a model: what trains, new layers, models made of models. An edit builds the graph of the changed
 * recipe and takes over every tensor that is still of its name and shape; a failure leaves the model as it
 * was. */
#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "base/status.h"
#include "model/layers.h"
#include "model/model.h"

enum { PART_TEXT = 24 }; /* of a part's number */

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
    if (*model->head)
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
    if (!*model->head)
        return (size_t)node->index;
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
    for (size_t i = node + 1; i < graph->count; i++)
        graft_state_drop(&model->state, (int)i);
}

/* ---- New layers ---- */

/* How an edited graph differs. New are the nodes of `modules`, or all that do not belong to `kept`; the
 * others keep their tensors. A name that begins with `is` now began with `was`. */
typedef struct change {
    size_t classes; /* how many logits there must be; 0: any number */
    const char *modules[4];
    int count;
    const char *kept, *is, *was;
    graft_start start;
    uint64_t seed;
    bool again; /* the nodes have had first values: what would be drawn as it is stays */
} change;

static void add_new(change *c, const char *module)
{
    if (module)
        c->modules[c->count++] = module;
}

static bool is_new(const change *c, const graft_node *node)
{
    if (c->kept)
        return node->index > 0 && !graft_node_matches(node, c->kept);
    for (int i = 0; i < c->count; i++)
        if (graft_node_matches(node, c->modules[i]))
            return true;
    return false;
}

static graft_status start_node(graft_state *state, int node, const change *c)
{
    if (c->start == GRAFT_START_ZERO && state->graph->nodes[node].op == &graft_op_linear)
        return graft_state_zero(state, node);
    return c->again && graft_state_is_drawn(state, node, c->seed)
               ? GRAFT_OK
               : graft_state_initialize(state, node, c->seed);
}

/* Marks what is new, and gives it weights where the model has any. */
static graft_status fill_new(graft_state *state, const change *c, bool weights)
{
    graft_status status = GRAFT_OK;
    for (size_t i = 0; i < state->graph->count && status == GRAFT_OK; i++) {
        graft_node *node = &state->graph->nodes[i];
        if (!is_new(c, node))
            continue;
        node->trains = true;
        if (weights)
            status = start_node(state, (int)i, c);
    }
    graft_graph_bound(state->graph);
    return status;
}

graft_status graft_model_start_head(graft_model *model, graft_start start, uint64_t seed)
{
    change c = {.modules = {model->head}, .count = 1, .start = start, .seed = seed, .again = true};
    return fill_new(&model->state, &c, !graft_model_is_outline(model));
}

static graft_status check_classes(const graft_state *state, size_t wanted)
{
    char shape[GRAFT_SHAPE_TEXT];
    size_t classes = graft_state_classes(state);
    if (wanted == 0 || classes == wanted)
        return GRAFT_OK;
    if (classes == 0)
        return graft_fail(GRAFT_ESHAPE, "the head ends in %s where a row of %zu classes is needed",
                          graft_shape_text(&graft_graph_logits(state->graph)->shape, shape), wanted);
    return graft_fail(GRAFT_ESHAPE, "the head ends in %zu numbers where there are %zu classes", classes,
                      wanted);
}

/* Moves the model to a recipe, which it takes over; `head` is what classifies then. */
static graft_status move_to(graft_model *model, graft_recipe *recipe, const char *head, const change *c)
{
    graft_status status;
    graft_state state = {NULL, NULL, NULL};
    GRAFT_TRY(graft_state_create(&state, recipe));
    GRAFT_TRY(check_classes(&state, c->classes));
    graft_state_adopt(&state, &model->state, c->is ? c->is : "", c->was ? c->was : "");
    GRAFT_TRY(fill_new(&state, c, !graft_model_is_outline(model)));
    GRAFT_TRY(graft_model_set_head(model, head));
    graft_state_dispose(&model->state);
    graft_recipe_dispose(&model->recipe);
    model->state = state;
    model->recipe = *recipe;
    *recipe = (graft_recipe){.network = NULL};
    size_t classes = graft_state_classes(&state);
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
    change none = {.count = 0};
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

/* Adds an edit, the numbers of its layers written out. */
static graft_status add_layers(graft_recipe *recipe, graft_edit_kind kind, const char *module,
                               const char *text, int classes)
{
    graft_status status;
    graft_layers layers;
    graft_buffer full = GRAFT_BUFFER_INIT;
    GRAFT_TRY(graft_layers_parse(&layers, text, classes, NULL));
    GRAFT_TRY(graft_layers_print(&full, &layers));
    GRAFT_TRY(graft_recipe_add(recipe, kind, module, full.data));
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
    change c = {.start = GRAFT_START_PYTORCH, .seed = seed};
    const char *head = holds_class_layer(model, module) ? module : model->head;
    add_new(&c, module);
    GRAFT_TRY(graft_recipe_copy(&recipe, &model->recipe));
    GRAFT_TRY(add_layers(&recipe, GRAFT_EDIT_REPLACE, module, layers, 0));
    GRAFT_TRY(move_to(model, &recipe, head, &c));
out:
    graft_recipe_dispose(&recipe);
    return status;
}

/* Replacements in a head that is given up: it stands as it was made first. */
static void drop_head(graft_recipe *recipe, const char *head)
{
    size_t kept = 0, length = strlen(head);
    for (size_t i = 0; i < recipe->count; i++) {
        graft_edit *edit = &recipe->edits[i];
        bool in_head = edit->kind == GRAFT_EDIT_REPLACE && strncmp(edit->module, head, length) == 0 &&
                       (edit->module[length] == 0 || edit->module[length] == '.');
        if (in_head)
            graft_edit_dispose(edit);
        else
            recipe->edits[kept++] = *edit;
    }
    recipe->count = kept;
}

graft_status graft_model_replace_head(graft_model *model, const char *layers, const char *const *classes,
                                      size_t count, graft_start start, uint64_t seed)
{
    graft_status status;
    const graft_network *network = model->recipe.network;
    const char *tail = graft_recipe_tail(&model->recipe), *head = tail ? tail : network->head;
    graft_recipe recipe = {.network = NULL};
    change c = {.classes = count, .start = layers ? GRAFT_START_PYTORCH : start, .seed = seed};
    GRAFT_TRY(graft_check_choice("start", (int)start, GRAFT_START_PYTORCH));
    if (count < 2)
        return graft_fail(GRAFT_EARGUMENT, "a classifier needs two classes or more, not %zu", count);
    if (tail && !layers)
        return graft_fail(GRAFT_EARGUMENT,
                          "a head that was composed is replaced by layers: \"linear\" is one");
    add_new(&c, layers ? head : network->class_layer);
    add_new(&c, network->auxiliary[0]);
    add_new(&c, network->auxiliary[1]);
    GRAFT_TRY(graft_recipe_copy(&recipe, &model->recipe));
    drop_head(&recipe, head);
    recipe.classes = (int)count;
    if (layers)
        GRAFT_TRY(add_layers(&recipe, GRAFT_EDIT_REPLACE, head, layers, (int)count));
    GRAFT_TRY(move_to(model, &recipe, c.modules[0], &c));
    GRAFT_TRY(graft_model_name_classes(model, classes, count));
out:
    graft_recipe_dispose(&recipe);
    return status;
}

/* ---- Composing ---- */

graft_status graft_model_take(graft_model *model, const char *module)
{
    graft_status status;
    graft_recipe recipe = {.network = NULL};
    char was[GRAFT_NAME_TEXT];
    change c = {.is = "", .was = was};
    snprintf(was, sizeof was, "%s.", module);
    GRAFT_TRY(graft_recipe_copy(&recipe, &model->recipe));
    GRAFT_TRY(graft_recipe_add(&recipe, GRAFT_EDIT_TAKE, module, ""));
    GRAFT_TRY(move_to(model, &recipe, "", &c));
out:
    graft_recipe_dispose(&recipe);
    return status;
}

/* The body becomes module 0, each of the parts a module behind it; `last` is the name of the last. */
static graft_status add_parts(graft_recipe *recipe, char last[PART_TEXT], const char *const *parts,
                              size_t count, size_t classes)
{
    graft_status status;
    GRAFT_TRY(graft_recipe_add(recipe, GRAFT_EDIT_ENCLOSE, "0", ""));
    for (size_t i = 0; i < count; i++) {
        snprintf(last, PART_TEXT, "%zu", i + 1);
        GRAFT_TRY(add_layers(recipe, GRAFT_EDIT_APPEND, last, parts[i], i + 1 == count ? (int)classes : 0));
    }
out:
    return status;
}

graft_status graft_model_sequential(graft_model **out, const graft_model *body, const char *const *parts,
                                    size_t part_count, const char *const *classes, size_t class_count,
                                    uint64_t seed)
{
    graft_status status;
    graft_model *model = NULL;
    graft_recipe recipe = {.network = NULL};
    char last[PART_TEXT];
    change c = {.classes = class_count, .kept = "0", .is = "0.", .start = GRAFT_START_PYTORCH, .seed = seed};
    if (part_count == 0)
        return graft_fail(GRAFT_EARGUMENT, "nothing is composed: there is no part behind the body");
    if (class_count < 2)
        return graft_fail(GRAFT_EARGUMENT, "a classifier needs two classes or more, not %zu", class_count);
    GRAFT_TRY(graft_model_clone(&model, body));
    GRAFT_TRY(graft_recipe_copy(&recipe, &body->recipe));
    GRAFT_TRY(add_parts(&recipe, last, parts, part_count, class_count));
    GRAFT_TRY(move_to(model, &recipe, last, &c));
    GRAFT_TRY(graft_model_name_classes(model, classes, class_count));
    *out = model;
    model = NULL;
out:
    graft_recipe_dispose(&recipe);
    graft_model_free(model);
    return status;
}
