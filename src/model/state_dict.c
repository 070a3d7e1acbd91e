/* From a checkpoint's names to a graph's parameters: everything is there, of its shape, and nothing is left
 * over; otherwise one sentence says what differs, the first few of each kind and how many. Auxiliary
 * classifiers may be absent, and class layers where a new head follows. A file may have a network's older
 * names. */
#include "model/model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "base/status.h"
#include "base/text.h"
#include "formats/weights.h"

enum { NAMED = 3 };

typedef struct difference {
    graft_buffer text; /* "a, b, c" */
    size_t count;
} difference;

static graft_status note(difference *d, const char *name, const char *detail)
{
    graft_status status = GRAFT_OK;
    if (d->count < NAMED)
        status = graft_buffer_print(&d->text, "%s%s%s", d->count ? ", " : "", name, detail);
    d->count++;
    return status;
}

/* num_batches_tracked is absent from files older than PyTorch 0.4.1, and nothing depends on it. */
static bool is_optional(const graft_parameter *parameter)
{
    return parameter->kind == GRAFT_PARAMETER_COUNTER;
}

/* ---- Older names ---- */

/* Published DenseNets are older than torchvision's names: what is denselayer1.norm1.weight now is
 * denselayer1.norm.1.weight in the files. */
static bool is_older(const char *in_file, const char *name)
{
    size_t same = 0;
    while (name[same] && name[same] == in_file[same])
        same++;
    if (in_file[same] != '.' || strcmp(in_file + same + 1, name + same) != 0 || same < 4)
        return false;
    const char *module = name + same - 4;
    return strstr(name, ".denselayer") &&
           (strncmp(module, "norm", 4) == 0 || strncmp(module, "conv", 4) == 0);
}

static const graft_tensor_view *find_view(const graft_weights *weights, const char *name)
{
    const graft_tensor_view *view = graft_weights_find(weights, name);
    for (size_t i = 0; i < graft_weights_count(weights) && !view; i++)
        if (is_older(graft_weights_at(weights, i)->name, name))
            view = graft_weights_at(weights, i);
    return view;
}

/* ---- One tensor ---- */

/* A model that is filled from a file, and how the two differ. */
typedef struct filling {
    graft_model *model;
    const graft_weights *weights;
    const char *without; /* a module that is only compared, or NULL */
    graft_chunks chunks; /* the tensors' memory */
    difference missing, misshapen, left_over;
} filling;

static graft_status copy_view(filling *f, int index, const graft_tensor_view *view, graft_dtype wanted)
{
    graft_status status;
    graft_tensor **tensor = &f->model->state.tensors[index];
    GRAFT_TRY(graft_weights_tensor(tensor, &f->chunks, f->weights, view));
    if ((*tensor)->dtype != wanted)
        return graft_fail(GRAFT_EFORMAT, "%s: %s holds %s, not %s", graft_weights_path(f->weights),
                          f->model->state.names[index], graft_dtype_name((*tensor)->dtype),
                          graft_dtype_name(wanted));
out:
    return status;
}

static graft_status take(filling *f, const graft_node *node, int slot)
{
    graft_status status;
    const graft_parameter *parameter = &node->parameters[slot];
    int index = node->first_tensor + slot;
    const char *name = f->model->state.names[index];
    const graft_tensor_view *view = find_view(f->weights, name);
    char have[GRAFT_SHAPE_TEXT], want[GRAFT_SHAPE_TEXT], detail[2 * GRAFT_SHAPE_TEXT + 32];
    if (!view && is_optional(parameter)) {
        graft_tensor **tensor = &f->model->state.tensors[index];
        GRAFT_TRY(graft_tensor_create(tensor, &f->chunks, GRAFT_I64, &parameter->shape));
        memset((*tensor)->data, 0, sizeof(int64_t));
        return GRAFT_OK;
    }
    if (!view)
        return note(&f->missing, name, "");
    if (!graft_shape_equal(&view->shape, &parameter->shape)) {
        snprintf(detail, sizeof detail, " %s where %s is needed", graft_shape_text(&view->shape, have),
                 graft_shape_text(&parameter->shape, want));
        return note(&f->misshapen, name, detail);
    }
    if (f->without && graft_node_matches(node, f->without))
        return GRAFT_OK;
    status = copy_view(f, index, view, is_optional(parameter) ? GRAFT_I64 : GRAFT_F32);
out:
    return status;
}

static bool is_known(const graft_state *state, const char *name)
{
    for (int i = 0; i < state->graph->tensor_count; i++)
        if (strcmp(name, state->names[i]) == 0 || is_older(name, state->names[i]))
            return true;
    return false;
}

static graft_status find_left_over(filling *f)
{
    graft_status status = GRAFT_OK;
    for (size_t i = 0; i < graft_weights_count(f->weights); i++) {
        const char *name = graft_weights_at(f->weights, i)->name;
        if (!is_known(&f->model->state, name))
            GRAFT_TRY(note(&f->left_over, name, ""));
    }
out:
    return status;
}

static graft_status tell(graft_buffer *text, const difference *d, const char *what)
{
    if (d->count == 0)
        return GRAFT_OK;
    return graft_buffer_print(text, "; %zu %s (%s%s)", d->count, what, d->text.data,
                              d->count > NAMED ? ", ..." : "");
}

static graft_status compare(const filling *f)
{
    graft_status status;
    graft_buffer text = GRAFT_BUFFER_INIT;
    if (f->missing.count + f->misshapen.count + f->left_over.count == 0)
        return GRAFT_OK;
    GRAFT_TRY(tell(&text, &f->missing, "missing"));
    GRAFT_TRY(tell(&text, &f->misshapen, "of another shape"));
    GRAFT_TRY(tell(&text, &f->left_over, "left over"));
    status = graft_fail(GRAFT_EFORMAT, "%s: not the weights of %s: of its %d tensors%s",
                        graft_weights_path(f->weights), f->model->recipe.network->name,
                        f->model->state.graph->tensor_count, text.data + 1);
out:
    graft_buffer_dispose(&text);
    return status;
}

/* ---- What may be absent ---- */

/* The first part of a path: "AuxLogits" of "AuxLogits.fc". */
static bool is_below_top(const char *name, const char *path)
{
    size_t length = strcspn(path, ".");
    return strncmp(name, path, length) == 0 && name[length] == '.';
}

/* The file has nothing of the auxiliary classifier that ends in this class layer. */
static bool lacks_auxiliary(const graft_weights *weights, const char *class_layer)
{
    for (size_t i = 0; i < graft_weights_count(weights); i++)
        if (is_below_top(graft_weights_at(weights, i)->name, class_layer))
            return false;
    return true;
}

static bool is_absent_auxiliary(const graft_network *network, const graft_node *node,
                                const graft_weights *weights)
{
    for (int i = 0; i < 2; i++)
        if (network->auxiliary[i] && is_below_top(node->name, network->auxiliary[i]) &&
            lacks_auxiliary(weights, network->auxiliary[i]))
            return true;
    return false;
}

static bool is_class_layer(const graft_network *network, const graft_node *node)
{
    const char *const layers[] = {network->class_layer, network->auxiliary[0], network->auxiliary[1]};
    for (int i = 0; i < 3; i++)
        if (layers[i] && strcmp(node->name, layers[i]) == 0)
            return true;
    return false;
}

/* Every parameter is there and has its shape. */
static bool fits(const graft_model *model, const graft_node *node, const graft_weights *weights)
{
    for (int j = 0; j < node->parameter_count; j++) {
        const graft_tensor_view *view = find_view(weights, model->state.names[node->first_tensor + j]);
        if (!view || !graft_shape_equal(&view->shape, &node->parameters[j].shape))
            return false;
    }
    return true;
}

graft_status graft_model_fill(graft_model *model, const graft_weights *weights, const char *module,
                              const char *without, bool *class_layers)
{
    graft_status status;
    const graft_network *network = model->recipe.network;
    filling f = {.model = model, .weights = weights, .without = without};
    for (size_t i = 0; i < model->state.graph->count; i++) {
        const graft_node *node = &model->state.graph->nodes[i];
        if (module && !graft_node_matches(node, module))
            continue;
        bool other_classes = class_layers && is_class_layer(network, node) && !fits(model, node, weights);
        if (other_classes)
            *class_layers = true;
        if (other_classes || is_absent_auxiliary(network, node, weights)) {
            GRAFT_TRY(graft_state_initialize(&model->state, (int)i, 0));
            continue;
        }
        for (int j = 0; j < node->parameter_count; j++)
            GRAFT_TRY(take(&f, node, j));
    }
    GRAFT_TRY(find_left_over(&f));
    GRAFT_TRY(compare(&f));
out:
    graft_chunks_dispose(&f.chunks);
    graft_buffer_dispose(&f.missing.text);
    graft_buffer_dispose(&f.misshapen.text);
    graft_buffer_dispose(&f.left_over.text);
    return status;
}
