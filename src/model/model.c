/* Making, editing and looking at models. */
#include "model/model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/status.h"
#include "ops/op.h"
#include "zoo/zoo.h"

static graft_status name_tensors(char ***out, const graft_graph *graph)
{
    graft_status status;
    char **names = NULL;
    GRAFT_TRY(GRAFT_NEW_ARRAY(&names, (size_t)graph->tensor_count));
    for (size_t i = 0; i < graph->count; i++) {
        const graft_node *node = &graph->nodes[i];
        for (int j = 0; j < node->parameter_count; j++)
            GRAFT_TRY(graft_format(&names[node->first_tensor + j], "%s.%s", node->name,
                                   node->parameters[j].suffix));
    }
    *out = names;
    return GRAFT_OK;
out:
    for (int i = 0; names && i < graph->tensor_count; i++)
        free(names[i]);
    free(names);
    return status;
}

graft_status graft_model_wrap(graft_model **out, const graft_network *network, graft_graph *graph)
{
    graft_status status;
    graft_model *model = NULL;
    GRAFT_TRY(GRAFT_NEW(&model));
    model->references = 1;
    model->network = network;
    model->transform = network->transform;
    GRAFT_TRY(GRAFT_NEW_ARRAY(&model->tensors, (size_t)graph->tensor_count));
    GRAFT_TRY(name_tensors(&model->names, graph));
    model->class_count = (size_t)graft_graph_logits(graph)->shape.dims[1];
    model->graph = graph;
    *out = model;
    return GRAFT_OK;
out:
    if (model) {
        free(model->tensors);
        free(model);
    }
    graft_graph_free(graph);
    return status;
}

static void free_classes(graft_model *model)
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
    for (int i = 0; i < model->graph->tensor_count; i++) {
        graft_tensor_release(model->tensors[i]);
        free(model->names[i]);
    }
    for (size_t i = 0; i < model->note_count; i++) {
        free(model->notes[i].key);
        free(model->notes[i].value);
    }
    free_classes(model);
    free(model->notes);
    free(model->tensors);
    free(model->names);
    free(model->source_name);
    graft_graph_free(model->graph);
    free(model);
}

graft_status graft_model_clone(graft_model **out, const graft_model *model)
{
    graft_status status;
    graft_model *copy = NULL;
    graft_graph *graph;
    GRAFT_TRY(graft_graph_clone(&graph, model->graph));
    GRAFT_TRY(graft_model_wrap(&copy, model->network, graph));
    copy->transform = model->transform;
    copy->sight = model->sight;
    memcpy(copy->source_sha256, model->source_sha256, sizeof copy->source_sha256);
    for (int i = 0; i < graph->tensor_count; i++)
        copy->tensors[i] = graft_tensor_share(model->tensors[i]);
    if (model->classes)
        GRAFT_TRY(graft_model_set_classes(copy, (const char *const *)model->classes, model->class_count));
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

/* The published file from the cache, with a message that says where to get it. */
static graft_status published_path(char **path, const graft_network *network)
{
    graft_status status = graft_network_weights_path(path, network);
    if (status != GRAFT_OK || graft_path_exists(*path))
        return status;
    status = graft_fail(
        GRAFT_ENOTFOUND,
        "%s is not there: the weights of %s (%s, SHA-256 %.8s...) are published at %s; put the file "
        "into that folder or name it with --weights%s",
        *path, network->name, network->file, network->sha256, network->published,
        strcmp(network->name, "efficientnet_lite0") == 0
            ? " (in graft's source tree `make weights` fetches it)"
            : "");
    free(*path);
    *path = NULL;
    return status;
}

graft_status graft_model_open(graft_model **out, const char *name, const char *path)
{
    graft_status status;
    const graft_network *network;
    graft_graph *graph;
    graft_model *model = NULL;
    graft_weights *weights = NULL;
    char *published = NULL;
    GRAFT_TRY(find_network(&network, name));
    if (!path)
        GRAFT_TRY(published_path(&published, network));
    GRAFT_TRY(graft_weights_open(&weights, path ? path : published));
    GRAFT_TRY(graft_zoo_build(&graph, graft_zoo_row_of(network), network->classes));
    GRAFT_TRY(graft_model_wrap(&model, network, graph));
    GRAFT_TRY(graft_model_fill(model, weights));
    GRAFT_TRY(graft_duplicate(&model->source_name, graft_path_base(path ? path : published)));
    graft_model_set_source(model, graft_weights_sha256(weights));
    *out = model;
    model = NULL;
out:
    graft_model_free(model);
    graft_weights_close(weights);
    free(published);
    return status;
}

graft_status graft_model_initialize(graft_model *model, const graft_node *node, uint64_t seed)
{
    graft_status status = GRAFT_OK;
    for (int i = 0; i < node->parameter_count; i++) {
        const graft_parameter *parameter = &node->parameters[i];
        bool counter = parameter->kind == GRAFT_PARAMETER_COUNTER;
        graft_tensor *tensor;
        GRAFT_TRY(graft_tensor_create(&tensor, counter ? GRAFT_I64 : GRAFT_F32, &parameter->shape));
        memset(tensor->data, 0, tensor->bytes);
        graft_random random = graft_random_stream(seed, GRAFT_RANDOM_WEIGHTS, node->name, 0, (uint32_t)i);
        if (!counter && node->op->initialize)
            node->op->initialize(node, i, tensor->data, &random);
        graft_tensor_release(model->tensors[node->first_tensor + i]);
        model->tensors[node->first_tensor + i] = tensor;
    }
out:
    return status;
}

graft_status graft_model_create(graft_model **out, const char *name, uint64_t seed)
{
    graft_status status;
    const graft_network *network;
    graft_graph *graph;
    graft_model *model = NULL;
    GRAFT_TRY(find_network(&network, name));
    GRAFT_TRY(graft_zoo_build(&graph, graft_zoo_row_of(network), network->classes));
    GRAFT_TRY(graft_model_wrap(&model, network, graph));
    for (size_t i = 0; i < graph->count; i++)
        GRAFT_TRY(graft_model_initialize(model, &graph->nodes[i], seed));
    GRAFT_TRY(graft_duplicate(&model->source_name, "random weights"));
    *out = model;
    model = NULL;
out:
    graft_model_free(model);
    return status;
}

static graft_status mark(graft_model *model, const char *pattern, bool trains)
{
    int matched;
    graft_graph_mark(model->graph, pattern, trains, &matched);
    if (matched > 0)
        return GRAFT_OK;
    const char *nearest = graft_graph_nearest(model->graph, pattern);
    return graft_fail(GRAFT_ENOTFOUND, "%s has no node or module \"%s\"%s%s%s", model->network->name, pattern,
                      nearest ? "; the nearest is " : "", nearest ? nearest : "", nearest ? "" : "");
}

graft_status graft_model_freeze(graft_model *model, const char *pattern)
{
    return mark(model, pattern, false);
}

graft_status graft_model_unfreeze(graft_model *model, const char *pattern)
{
    return mark(model, pattern, true);
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
    GRAFT_TRY(graft_model_unfreeze(model, model->network->head));
out:
    return status;
}

const graft_node *graft_model_head(const graft_model *model)
{
    return graft_graph_find(model->graph, model->network->head);
}

graft_status graft_model_set_classes(graft_model *model, const char *const *classes, size_t count)
{
    graft_status status;
    char **copy = NULL;
    GRAFT_TRY(GRAFT_NEW_ARRAY(&copy, count));
    for (size_t i = 0; i < count; i++)
        GRAFT_TRY(graft_duplicate(&copy[i], classes[i]));
    free_classes(model);
    model->classes = copy;
    model->class_count = count;
    return GRAFT_OK;
out:
    for (size_t i = 0; copy && i < count; i++)
        free(copy[i]);
    free(copy);
    return status;
}

graft_status graft_model_replace_head(graft_model *model, const char *const *classes, size_t count,
                                      graft_start start, uint64_t seed)
{
    graft_status status;
    const graft_node *head = graft_model_head(model);
    graft_linear_attributes attributes = {.features = (int)count, .zero = start == GRAFT_START_ZERO};
    if (count < 2)
        return graft_fail(GRAFT_EARGUMENT, "a classifier needs two classes or more, not %zu", count);
    GRAFT_TRY(graft_graph_replace(model->graph, head->index, &graft_op_linear, &attributes));
    GRAFT_TRY(graft_graph_infer(model->graph));
    GRAFT_TRY(graft_model_initialize(model, head, seed));
    GRAFT_TRY(graft_model_set_classes(model, classes, count));
    model->graph->nodes[head->index].trains = true;
    graft_graph_bound(model->graph);
out:
    return status;
}

void graft_model_set_sight(graft_model *model, graft_sight sight)
{
    model->sight = sight;
}

void graft_model_set_source(graft_model *model, const char *sha256)
{
    snprintf(model->source_sha256, sizeof model->source_sha256, "%s", sha256);
}

const graft_network *graft_model_network(const graft_model *model)
{
    return model->network;
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
    return model->source_sha256;
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
    return model->graph->count;
}

void graft_model_node(const graft_model *model, size_t index, graft_node_info *info)
{
    const graft_node *node = &model->graph->nodes[index];
    graft_shape inputs[GRAFT_NODE_INPUTS];
    *info = (graft_node_info){
        .name = node->name, .op = node->op->name, .shape = node->shape, .trains = node->trains};
    for (int i = 0; i < node->input_count; i++)
        inputs[i] = model->graph->nodes[node->inputs[i]].shape;
    for (int i = 0; i < node->parameter_count; i++)
        if (node->parameters[i].kind == GRAFT_PARAMETER_LEARNED)
            info->parameters += graft_shape_count(&node->parameters[i].shape);
    info->macs = node->op->macs ? node->op->macs(node, inputs) : 0;
    info->backbone = node->backbone;
    info->cut = node->cut;
}

size_t graft_model_tensor_count(const graft_model *model)
{
    return (size_t)model->graph->tensor_count;
}

graft_tensor_view graft_model_tensor(const graft_model *model, size_t index)
{
    return graft_tensor_view_of(model->tensors[index], model->names[index]);
}
