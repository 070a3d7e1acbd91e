/* Making, editing and looking at models. */
#include "model/model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/status.h"
#include "formats/weights.h"
#include "ops/op.h"
#include "zoo/zoo.h"

graft_status graft_model_wrap(graft_model **out, const graft_recipe *recipe)
{
    graft_status status;
    graft_model *model = NULL;
    GRAFT_TRY(GRAFT_NEW(&model));
    model->references = 1;
    GRAFT_TRY(graft_recipe_copy(&model->recipe, recipe));
    GRAFT_TRY(graft_duplicate(&model->head, recipe->network->class_layer));
    GRAFT_TRY(graft_state_create(&model->state, recipe));
    model->class_count = graft_state_classes(&model->state);
    *out = model;
    model = NULL;
out:
    graft_model_free(model);
    return status;
}

void graft_model_forget_classes(graft_model *model)
{
    for (size_t i = 0; model->classes && i < model->class_count; i++)
        free(model->classes[i]);
    free(model->classes);
    model->classes = NULL;
}

graft_model *graft_model_share(graft_model *model)
{
    __atomic_add_fetch(&model->references, 1, __ATOMIC_RELAXED);
    return model;
}

void graft_model_free(graft_model *model)
{
    if (!model || __atomic_sub_fetch(&model->references, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    for (size_t i = 0; i < model->note_count; i++) {
        free(model->notes[i].key);
        free(model->notes[i].value);
    }
    graft_model_forget_classes(model);
    graft_state_dispose(&model->state);
    graft_recipe_dispose(&model->recipe);
    graft_file_hash_release(model->source_hash);
    free(model->notes);
    free(model->head);
    free(model->source_name);
    free(model);
}

graft_status graft_model_clone(graft_model **out, const graft_model *model)
{
    graft_status status;
    graft_model *copy = NULL;
    GRAFT_TRY(graft_model_wrap(&copy, &model->recipe));
    GRAFT_TRY(graft_model_set_head(copy, model->head));
    copy->transform = model->transform;
    copy->sight = model->sight;
    memcpy(copy->source_sha256, model->source_sha256, sizeof copy->source_sha256);
    copy->source_hash = model->source_hash ? graft_file_hash_share(model->source_hash) : NULL;
    graft_state_share(&copy->state, &model->state);
    if (model->classes)
        GRAFT_TRY(graft_model_name_classes(copy, (const char *const *)model->classes, model->class_count));
    if (model->source_name)
        GRAFT_TRY(graft_duplicate(&copy->source_name, model->source_name));
    for (size_t i = 0; i < model->note_count; i++)
        GRAFT_TRY(graft_model_set_note(copy, model->notes[i].key, model->notes[i].value));
    *out = copy;
    return GRAFT_OK;
out:
    graft_model_free(copy);
    return status;
}

static graft_status find_network(const graft_network **network, const char *name)
{
    *network = graft_network_find(name);
    if (*network)
        return GRAFT_OK;
    const char *nearest = graft_network_nearest(name);
    return graft_fail(GRAFT_ENOTFOUND, "%s: graft knows no network of this name%s%s%s", name,
                      nearest ? "; did you mean " : "", nearest ? nearest : "", nearest ? "?" : "");
}

static graft_status wrap_network(graft_model **out, const graft_network *network, const char *sha256)
{
    graft_transform transform = graft_network_transform(network, sha256);
    graft_recipe recipe = {.network = network, .size = transform.crop, .classes = network->classes};
    graft_status status = graft_model_wrap(out, &recipe);
    if (status == GRAFT_OK)
        (*out)->transform = transform;
    return status;
}

static graft_status nothing_published(const graft_network *network, const char *path)
{
    if (network->published_count == 0)
        return graft_fail(GRAFT_ENOTFOUND, "no weights of %s are published: name a file with --weights",
                          network->name);
    const graft_published *wanted = &network->published[0];
    return graft_fail(
        GRAFT_ENOTFOUND,
        "%s is not there: the weights of %s (%s, SHA-256 %.8s...) are published at %s; put the file "
        "into that folder or name it with --weights%s",
        path, network->name, wanted->file, wanted->sha256, wanted->place,
        strcmp(network->name, "efficientnet_lite0") == 0
            ? " (in graft's source tree `make weights` fetches it)"
            : "");
}

/* The first published file that lies in the cache, with a message that says where to get one. */
static graft_status published_path(char **out, const graft_network *network)
{
    graft_status status = GRAFT_OK;
    char *first = NULL, *path = NULL;
    for (size_t i = 0; i < network->published_count; i++) {
        GRAFT_TRY(graft_published_path(&path, &network->published[i]));
        if (graft_path_exists(path)) {
            *out = path;
            path = NULL;
            goto out;
        }
        free(first ? path : NULL);
        first = first ? first : path;
        path = NULL;
    }
    status = nothing_published(network, first);
out:
    free(first);
    free(path);
    return status;
}

/* Which of a network's published files it is decides how pictures are seen. That is asked for as late as it
 * can be, because the file's hash is made meanwhile. */
static bool differ(const graft_network *network, bool in_size)
{
    for (size_t i = 1; i < network->published_count; i++) {
        const graft_transform *one = &network->published[0].transform,
                              *other = &network->published[i].transform;
        if (in_size ? one->crop != other->crop : memcmp(one, other, sizeof *one) != 0)
            return true;
    }
    return false;
}

static graft_status fill_from(graft_model **out, const graft_network *network, const char *module,
                              const char *without, const graft_weights *weights, bool *replaced)
{
    graft_status status;
    graft_model *model = NULL;
    graft_file_hash *hash = NULL;
    GRAFT_TRY(graft_weights_hash(&hash, weights));
    GRAFT_TRY(wrap_network(&model, network, differ(network, true) ? graft_file_hash_text(hash) : NULL));
    GRAFT_TRY(graft_model_fill(model, weights, module, without, replaced));
    if (module)
        GRAFT_TRY(graft_model_take(model, module));
    if (differ(network, false))
        model->transform = graft_network_transform(network, graft_file_hash_text(hash));
    model->source_hash = hash;
    *out = model;
    return GRAFT_OK;
out:
    graft_model_free(model);
    graft_file_hash_release(hash);
    return status;
}

static graft_status open_file(graft_model **out, const char *name, const char *module, const char *path,
                              const char *layers, bool *replaced)
{
    graft_status status;
    const graft_network *network;
    graft_model *model = NULL;
    graft_weights *weights = NULL;
    char *published = NULL;
    GRAFT_TRY(find_network(&network, name));
    if (!path)
        GRAFT_TRY(published_path(&published, network));
    GRAFT_TRY(graft_weights_open(&weights, path ? path : published));
    GRAFT_TRY(fill_from(&model, network, module, layers ? network->head : NULL, weights, replaced));
    GRAFT_TRY(graft_duplicate(&model->source_name, graft_path_base(path ? path : published)));
    *out = model;
    model = NULL;
out:
    graft_model_free(model);
    graft_weights_close(weights);
    free(published);
    return status;
}

graft_status graft_model_open(graft_model **model, const char *network, const char *path)
{
    return open_file(model, network, NULL, path, NULL, NULL);
}

graft_status graft_model_open_body(graft_model **model, const char *network, const char *path,
                                   const char *layers, bool *replaced)
{
    bool missing = false;
    graft_status status = open_file(model, network, NULL, path, layers, &missing);
    if (status == GRAFT_OK && replaced)
        *replaced = missing;
    return status;
}

graft_status graft_model_open_module(graft_model **model, const char *network, const char *module,
                                     const char *path)
{
    return open_file(model, network, module, path, NULL, NULL);
}

graft_status graft_model_outline(graft_model **model, const char *name)
{
    const graft_network *network;
    graft_status status = find_network(&network, name);
    return status == GRAFT_OK ? wrap_network(model, network, NULL) : status;
}

graft_status graft_model_create(graft_model **out, const char *name, uint64_t seed)
{
    graft_status status;
    const graft_network *network;
    graft_model *model = NULL;
    GRAFT_TRY(find_network(&network, name));
    GRAFT_TRY(wrap_network(&model, network, NULL));
    for (size_t i = 0; i < model->state.graph->count; i++)
        GRAFT_TRY(graft_state_initialize(&model->state, (int)i, seed));
    GRAFT_TRY(graft_duplicate(&model->source_name, "random weights"));
    *out = model;
    model = NULL;
out:
    graft_model_free(model);
    return status;
}

graft_status graft_model_name_classes(graft_model *model, const char *const *classes, size_t count)
{
    graft_status status;
    char **copy = NULL;
    if (count != model->class_count)
        return graft_fail(GRAFT_EARGUMENT, "%zu names for the %zu classes of the model", count,
                          model->class_count);
    GRAFT_TRY(GRAFT_NEW_ARRAY(&copy, count));
    for (size_t i = 0; i < count; i++)
        GRAFT_TRY(graft_duplicate(&copy[i], classes[i]));
    graft_model_forget_classes(model);
    model->classes = copy;
    return GRAFT_OK;
out:
    for (size_t i = 0; copy && i < count; i++)
        free(copy[i]);
    free(copy);
    return status;
}

graft_status graft_model_set_head(graft_model *model, const char *module)
{
    char *copy;
    graft_status status = graft_duplicate(&copy, module);
    if (status != GRAFT_OK)
        return status;
    free(model->head);
    model->head = copy;
    return GRAFT_OK;
}

const char *graft_model_head(const graft_model *model)
{
    return model->head;
}

void graft_model_set_sight(graft_model *model, graft_sight sight)
{
    model->sight = sight;
}

void graft_model_set_decode(graft_model *model, graft_decode decode)
{
    model->transform.decode = decode;
}

void graft_model_set_source(graft_model *model, const char *sha256)
{
    snprintf(model->source_sha256, sizeof model->source_sha256, "%s", sha256);
}

const graft_network *graft_model_network(const graft_model *model)
{
    return model->recipe.network;
}

const graft_transform *graft_model_transform(const graft_model *model)
{
    return &model->transform;
}

graft_sight graft_model_sight(const graft_model *model)
{
    return model->sight;
}

size_t graft_model_class_count(const graft_model *model)
{
    return model->class_count;
}

const char *graft_model_class(const graft_model *model, size_t index)
{
    return model->classes && index < model->class_count ? model->classes[index] : NULL;
}

const char *graft_model_source_sha256(const graft_model *model)
{
    return model->source_hash ? graft_file_hash_text(model->source_hash) : model->source_sha256;
}

const char *graft_model_source_name(const graft_model *model)
{
    return model->source_name ? model->source_name : "";
}

const char *graft_model_note(const graft_model *model, const char *key)
{
    for (size_t i = 0; i < model->note_count; i++)
        if (strcmp(model->notes[i].key, key) == 0)
            return model->notes[i].value;
    return NULL;
}

graft_status graft_model_set_note(graft_model *model, const char *key, const char *value)
{
    graft_status status;
    graft_note note = {NULL, NULL};
    GRAFT_TRY(graft_duplicate(&note.value, value));
    for (size_t i = 0; i < model->note_count; i++)
        if (strcmp(model->notes[i].key, key) == 0) {
            free(model->notes[i].value);
            model->notes[i].value = note.value;
            return GRAFT_OK;
        }
    GRAFT_TRY(graft_duplicate(&note.key, key));
    GRAFT_TRY(GRAFT_GROW(&model->notes, model->note_count, &model->note_capacity));
    model->notes[model->note_count++] = note;
    return GRAFT_OK;
out:
    free(note.key);
    free(note.value);
    return status;
}

size_t graft_model_node_count(const graft_model *model)
{
    return model->state.graph->count;
}

void graft_model_node(const graft_model *model, size_t index, graft_node_info *info)
{
    const graft_node *node = &model->state.graph->nodes[index];
    *info = (graft_node_info){
        .name = node->name, .op = node->op->name, .shape = node->shape, .trains = node->trains};
    for (int i = 0; i < node->parameter_count; i++)
        if (node->parameters[i].kind == GRAFT_PARAMETER_LEARNED)
            info->parameters += graft_shape_count(&node->parameters[i].shape);
    info->macs = node->op->macs ? node->op->macs(node, node->input_shapes) : 0;
    info->backbone = node->backbone;
    info->cut = node->cut;
}

size_t graft_model_tensor_count(const graft_model *model)
{
    return graft_model_is_outline(model) ? 0 : (size_t)model->state.graph->tensor_count;
}

graft_tensor_view graft_model_tensor(const graft_model *model, size_t index)
{
    if (!model->state.tensors[index])
        return (graft_tensor_view){.name = model->state.names[index]};
    return graft_tensor_view_of(model->state.tensors[index], model->state.names[index]);
}

bool graft_model_is_outline(const graft_model *model)
{
    return model->state.graph->tensor_count > 0 && !model->state.tensors[0];
}

graft_status graft_model_check_whole(const graft_model *model)
{
    if (graft_model_is_outline(model))
        return graft_fail(GRAFT_EARGUMENT, "a network without weights is neither run nor saved");
    const graft_node *gap = graft_state_gap(&model->state);
    if (gap)
        return graft_fail(GRAFT_ESHAPE,
                          "node %s: it has no weights, or none of the shape that it needs since an edit",
                          gap->name);
    return GRAFT_OK;
}
