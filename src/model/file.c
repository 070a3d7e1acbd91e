/* model.safetensors: the state dict, and in its metadata all that is needed to use it.
 *
 *   graft.format      "1": what this version writes; a greater number is refused
 *   graft.version     of the program that wrote it
 *   graft.network     name in the zoo
 *   graft.graph       JSON object: class_count of the network's class layers, head, and the edits since in
 *                     order, as [kind, module, layers]
 *   graft.classes     JSON array of names in order ("null" where the classes have no names)
 *   graft.transform   JSON object: resize, crop, filter, divisor, mean, std
 *   graft.pictures    "as-seen" or "as-pillow"
 *   graft.source      name of the weights file it started from
 *   graft.source_sha256
 *   graft.trained     JSON array of the nodes that were trained
 * Every other key is a note. */
#include "model/model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/status.h"
#include "base/text.h"

enum { FORMAT = 1, OWN_KEYS = 10, OWNED = 5, MOST_CLASSES = 1000000 };

static const char *const own_keys[OWN_KEYS] = {
    "graft.format",    "graft.version",  "graft.network", "graft.graph",         "graft.classes",
    "graft.transform", "graft.pictures", "graft.source",  "graft.source_sha256", "graft.trained",
};

static bool is_own(const char *key)
{
    for (int i = 0; i < OWN_KEYS; i++)
        if (strcmp(own_keys[i], key) == 0)
            return true;
    return false;
}

/* ---- Writing ---- */

static json_t *three(const float *values)
{
    return json_pack("[f,f,f]", (double)values[0], (double)values[1], (double)values[2]);
}

static json_t *transform_json(const graft_transform *t)
{
    return json_pack("{s:i,s:i,s:s,s:f,s:o,s:o,s:s}", "resize", t->resize, "crop", t->crop, "filter",
                     graft_filter_name(t->filter), "divisor", (double)t->divisor, "mean", three(t->mean),
                     "std", three(t->std), "decode", graft_decode_name(t->decode));
}

static json_t *graph_json(const graft_model *model)
{
    const graft_recipe *recipe = &model->recipe;
    json_t *edits = json_array();
    for (size_t i = 0; i < recipe->count; i++) {
        const graft_edit *edit = &recipe->edits[i];
        json_array_append_new(edits,
                              json_pack("[s,s,s]", graft_edit_name(edit->kind), edit->module, edit->layers));
    }
    return json_pack("{s:i,s:s,s:o}", "class_count", recipe->classes, "head", model->head, "edits", edits);
}

static json_t *classes_json(const graft_model *model)
{
    json_t *array = model->classes ? json_array() : json_null();
    for (size_t i = 0; model->classes && i < model->class_count; i++)
        json_array_append_new(array, json_string_nocheck(model->classes[i]));
    return array;
}

static json_t *trained_json(const graft_model *model)
{
    json_t *array = json_array();
    for (size_t i = 0; i < model->state.graph->count; i++)
        if (model->state.graph->nodes[i].trains)
            json_array_append_new(array, json_string_nocheck(model->state.graph->nodes[i].name));
    return array;
}

/* Takes the JSON value over. */
static graft_status dump(char **out, json_t *json)
{
    graft_status status;
    char *text = json ? json_dumps(json, JSON_COMPACT | JSON_ENCODE_ANY | JSON_SORT_KEYS) : NULL;
    json_decref(json);
    if (!text)
        return graft_fail(GRAFT_EMEMORY, "out of memory while the model's metadata was made");
    status = graft_duplicate(out, text);
    free(text);
    return status;
}

typedef struct metadata {
    const char *pairs[2 * OWN_KEYS];
    char *owned[OWNED];
} metadata;

static graft_status make_metadata(metadata *m, const graft_model *model)
{
    graft_status status;
    GRAFT_TRY(graft_format(&m->owned[0], "%d", FORMAT));
    GRAFT_TRY(dump(&m->owned[1], classes_json(model)));
    GRAFT_TRY(dump(&m->owned[2], transform_json(&model->transform)));
    GRAFT_TRY(dump(&m->owned[3], trained_json(model)));
    GRAFT_TRY(dump(&m->owned[4], graph_json(model)));
    const char *values[OWN_KEYS] = {
        m->owned[0],
        graft_version(),
        model->recipe.network->name,
        m->owned[4],
        m->owned[1],
        m->owned[2],
        graft_sight_name(model->sight),
        graft_model_source_name(model),
        graft_model_source_sha256(model),
        m->owned[3],
    };
    for (int i = 0; i < OWN_KEYS; i++) {
        m->pairs[2 * i] = own_keys[i];
        m->pairs[2 * i + 1] = values[i];
    }
out:
    return status;
}

graft_status graft_model_save(const graft_model *model, const char *path)
{
    graft_status status;
    metadata own = {{NULL}, {NULL}};
    size_t count = (size_t)model->state.graph->tensor_count, pairs = OWN_KEYS + model->note_count;
    graft_tensor_view *views = NULL;
    const char **all = NULL;
    GRAFT_TRY(graft_model_check_whole(model));
    GRAFT_TRY(make_metadata(&own, model));
    GRAFT_TRY(GRAFT_NEW_ARRAY(&views, count));
    GRAFT_TRY(GRAFT_NEW_ARRAY(&all, 2 * pairs));
    for (size_t i = 0; i < count; i++)
        views[i] = graft_model_tensor(model, i);
    memcpy(all, own.pairs, sizeof own.pairs);
    for (size_t i = 0; i < model->note_count; i++) {
        all[2 * (OWN_KEYS + i)] = model->notes[i].key;
        all[2 * (OWN_KEYS + i) + 1] = model->notes[i].value;
    }
    GRAFT_TRY(graft_safetensors_write(path, views, count, all, pairs));
out:
    for (int i = 0; i < OWNED; i++)
        free(own.owned[i]);
    free(views);
    free(all);
    return status;
}

/* ---- Reading ---- */

static graft_status lacks(const graft_weights *weights, const char *what)
{
    return graft_fail(GRAFT_EFORMAT, "%s: not a model that graft saved (its metadata has no %s)",
                      graft_weights_path(weights), what);
}

static graft_status check_format(const graft_weights *weights)
{
    const char *format = graft_weights_metadata(weights, "graft.format");
    const char *version = graft_weights_metadata(weights, "graft.version");
    if (!format)
        return lacks(weights, "graft.format");
    if (strtol(format, NULL, 10) > FORMAT)
        return graft_fail(GRAFT_EUNSUPPORTED,
                          "%s: written by a newer graft (%s, format %s); this is %s, which reads format %d",
                          graft_weights_path(weights), version ? version : "?", format, graft_version(),
                          FORMAT);
    return GRAFT_OK;
}

static bool read_three(json_t *array, float *out)
{
    for (size_t i = 0; i < 3; i++) {
        json_t *number = json_array_get(array, i);
        if (!json_is_number(number))
            return false;
        out[i] = (float)json_number_value(number);
    }
    return true;
}

static graft_status read_transform(graft_transform *t, const graft_weights *weights)
{
    const char *text = graft_weights_metadata(weights, "graft.transform");
    json_t *root = text ? json_loads(text, 0, NULL) : NULL;
    const char *filter, *decode = "exact"; /* older files do not say it */
    double divisor;
    json_t *mean, *std;
    bool good = root && json_unpack(root, "{s:i,s:i,s:s,s:F,s:o,s:o,s?s}", "resize", &t->resize, "crop",
                                    &t->crop, "filter", &filter, "divisor", &divisor, "mean", &mean, "std",
                                    &std, "decode", &decode) == 0;
    good = good && read_three(mean, t->mean) && read_three(std, t->std) && t->resize > 0 && t->crop > 0 &&
           t->resize <= 4096 && t->crop <= 4096 && divisor > 0;
    if (good) {
        t->filter = strcmp(filter, graft_filter_name(GRAFT_BICUBIC)) == 0 ? GRAFT_BICUBIC : GRAFT_BILINEAR;
        t->divisor = (float)divisor;
        t->decode = strcmp(decode, graft_decode_name(GRAFT_DECODE_SCALED)) == 0 ? GRAFT_DECODE_SCALED
                                                                                : GRAFT_DECODE_EXACT;
    }
    json_decref(root);
    return good ? GRAFT_OK : lacks(weights, "usable graft.transform");
}

static graft_status set_classes(graft_model *model, json_t *array)
{
    graft_status status;
    size_t count = json_array_size(array);
    const char **names = NULL;
    GRAFT_TRY(GRAFT_NEW_ARRAY(&names, count));
    for (size_t i = 0; i < count; i++) {
        names[i] = json_string_value(json_array_get(array, i));
        if (!names[i]) {
            status = graft_fail(GRAFT_EFORMAT, "a class of the model is not a string");
            goto out;
        }
    }
    GRAFT_TRY(graft_model_name_classes(model, names, count));
out:
    free(names);
    return status;
}

static graft_status add_edits(graft_recipe *recipe, const json_t *edits)
{
    graft_status status = GRAFT_OK;
    for (size_t i = 0; i < json_array_size(edits) && status == GRAFT_OK; i++) {
        const json_t *edit = json_array_get(edits, i);
        const char *kind = json_string_value(json_array_get(edit, 0));
        const char *module = json_string_value(json_array_get(edit, 1));
        const char *layers = json_string_value(json_array_get(edit, 2));
        if (!kind || !module || !layers || graft_edit_find(kind) == GRAFT_EDITS)
            return graft_fail(GRAFT_EFORMAT, "edit %zu of the network's graph is none that graft knows", i);
        status = graft_recipe_add(recipe, graft_edit_find(kind), module, layers);
    }
    return status;
}

/* Fills the recipe from the JSON in graft.graph; *head is borrowed from it. */
static graft_status read_recipe(graft_recipe *recipe, const char **head, json_t *root,
                                const graft_weights *weights)
{
    json_t *edits;
    if (!root ||
        json_unpack(root, "{s:i,s:s,s:o}", "class_count", &recipe->classes, "head", head, "edits", &edits) !=
            0 ||
        recipe->classes < 1 || recipe->classes > MOST_CLASSES)
        return lacks(weights, "usable graft.graph");
    return add_edits(recipe, edits);
}

static graft_status wrap(graft_model **out, const graft_network *network, const graft_transform *transform,
                         const graft_weights *weights)
{
    graft_status status;
    const char *text = graft_weights_metadata(weights, "graft.graph"), *head;
    json_t *root = text ? json_loads(text, 0, NULL) : NULL;
    graft_recipe recipe = {.network = network, .size = transform->crop};
    graft_model *model = NULL;
    GRAFT_TRY(read_recipe(&recipe, &head, root, weights));
    GRAFT_TRY(graft_model_wrap(&model, &recipe));
    GRAFT_TRY(graft_model_set_head(model, head));
    model->transform = *transform;
    *out = model;
    model = NULL;
out:
    graft_model_free(model);
    graft_recipe_dispose(&recipe);
    json_decref(root);
    return status;
}

static graft_status read_classes(graft_model *model, const graft_weights *weights)
{
    const char *text = graft_weights_metadata(weights, "graft.classes");
    json_t *array = text ? json_loads(text, JSON_DECODE_ANY, NULL) : NULL;
    graft_status status = GRAFT_OK;
    if (json_is_array(array) && json_array_size(array) == model->class_count)
        status = set_classes(model, array);
    else if (!json_is_null(array))
        status = lacks(weights, "graft.classes that fit its head");
    json_decref(array);
    return status;
}

static void read_trained(graft_model *model, const graft_weights *weights)
{
    const char *text = graft_weights_metadata(weights, "graft.trained");
    json_t *array = text ? json_loads(text, 0, NULL) : NULL;
    for (size_t i = 0; i < json_array_size(array); i++) {
        const char *name = json_string_value(json_array_get(array, i));
        const graft_node *node = name ? graft_graph_find(model->state.graph, name) : NULL;
        if (node)
            model->state.graph->nodes[node->index].trains = true;
    }
    graft_graph_bound(model->state.graph);
    json_decref(array);
}

static graft_status read_rest(graft_model *model, const graft_weights *weights)
{
    graft_status status;
    const char *pictures = graft_weights_metadata(weights, "graft.pictures");
    const char *source = graft_weights_metadata(weights, "graft.source");
    const char *sha256 = graft_weights_metadata(weights, "graft.source_sha256");
    model->sight = pictures && strcmp(pictures, graft_sight_name(GRAFT_AS_PILLOW)) == 0 ? GRAFT_AS_PILLOW
                                                                                        : GRAFT_AS_SEEN;
    graft_model_set_source(model, sha256 ? sha256 : "");
    GRAFT_TRY(graft_duplicate(&model->source_name, source ? source : ""));
    for (size_t i = 0; i < graft_weights_metadata_count(weights); i++) {
        const char *key = graft_weights_metadata_key(weights, i);
        if (!is_own(key))
            GRAFT_TRY(graft_model_set_note(model, key, graft_weights_metadata(weights, key)));
    }
    read_trained(model, weights);
out:
    return status;
}

static graft_status from_weights(graft_model **out, const graft_weights *weights)
{
    graft_status status;
    const char *name = graft_weights_metadata(weights, "graft.network");
    const graft_network *network = name ? graft_network_find(name) : NULL;
    graft_transform transform;
    graft_model *model = NULL;
    GRAFT_TRY(check_format(weights));
    if (!name)
        return lacks(weights, "graft.network");
    if (!network)
        return graft_fail(GRAFT_EUNSUPPORTED, "%s: this graft does not know its network %s",
                          graft_weights_path(weights), name);
    GRAFT_TRY(read_transform(&transform, weights));
    GRAFT_TRY(wrap(&model, network, &transform, weights));
    GRAFT_TRY(graft_model_fill(model, weights, NULL, NULL, NULL));
    GRAFT_TRY(read_classes(model, weights));
    GRAFT_TRY(read_rest(model, weights));
    *out = model;
    model = NULL;
out:
    graft_model_free(model);
    return status;
}

graft_status graft_model_load(graft_model **model, const char *path)
{
    graft_status status;
    char *file = NULL;
    graft_weights *weights = NULL;
    if (graft_path_is_folder(path))
        GRAFT_TRY(graft_path_join(&file, path, "model.safetensors"));
    if (file && !graft_path_exists(file)) {
        status = graft_fail(GRAFT_ENOTFOUND, "%s: not a run of graft (it has no model.safetensors)", path);
        goto out;
    }
    GRAFT_TRY(graft_weights_open(&weights, file ? file : path));
    GRAFT_TRY(from_weights(model, weights));
out:
    graft_weights_close(weights);
    free(file);
    return status;
}
