/* A checkpoint's tensors: a line each, after what holds for all. A file that graft saved says first what it
 * is a model of.
 *
 * As JSON: {file, format, sha256, tensors: [{name, dtype, shape, nan, infinite}], metadata: {...}}, and with
 * a file of graft's {model: {...}} as `inspect RUN` has it. */
#include "cli/inspect.h"

#include <stdio.h>
#include <string.h>

#include "cli/command.h"
#include "cli/json_lines.h"
#include "cli/screen.h"

enum { NAME = 44, TYPE = 7, PATH_COLUMNS = 60 };

const char *inspect_shape(char text[INSPECT_SHAPE], const graft_shape *shape)
{
    int at = snprintf(text, INSPECT_SHAPE, "(");
    for (int i = 0; i < shape->rank; i++)
        at += snprintf(text + at, (size_t)(INSPECT_SHAPE - at), "%s%lld", i ? ", " : "",
                       (long long)shape->dims[i]);
    snprintf(text + at, (size_t)(INSPECT_SHAPE - at), ")");
    return text;
}

json_t *inspect_shape_json(const graft_shape *shape)
{
    json_t *array = json_array();
    for (int i = 0; i < shape->rank; i++)
        json_array_append_new(array, json_integer(shape->dims[i]));
    return array;
}

/* ---- For people ---- */

typedef struct totals {
    int64_t elements, nans, infinities;
    size_t bytes;
} totals;

static totals add_up(const graft_weights *weights)
{
    totals sum = {0, 0, 0, 0};
    for (size_t i = 0; i < graft_weights_count(weights); i++) {
        const graft_tensor_view *tensor = graft_weights_at(weights, i);
        int64_t nans, infinities;
        graft_tensor_count_nonfinite(tensor, &nans, &infinities);
        sum.elements += graft_shape_count(&tensor->shape);
        sum.bytes += tensor->bytes;
        sum.nans += nans;
        sum.infinities += infinities;
    }
    return sum;
}

static void print_totals(const graft_weights *weights)
{
    totals sum = add_up(weights);
    char bad[128] = "no NaN, nothing infinite";
    if (sum.nans > 0 || sum.infinities > 0)
        snprintf(bad, sizeof bad, "%s NaN, %s infinite", screen_count((size_t)sum.nans),
                 screen_count((size_t)sum.infinities));
    screen_line(stdout, "tensors", "%s: %s numbers, %s; %s", screen_count(graft_weights_count(weights)),
                screen_count((size_t)sum.elements), screen_bytes(sum.bytes), bad);
}

static void print_tensor(const graft_tensor_view *tensor)
{
    char shape[INSPECT_SHAPE];
    int64_t nans, infinities;
    graft_tensor_count_nonfinite(tensor, &nans, &infinities);
    printf("%-*s  %-*s %s", NAME, screen_name(tensor->name, NAME), TYPE, graft_dtype_name(tensor->dtype),
           inspect_shape(shape, &tensor->shape));
    if (nans > 0)
        printf("  %s NaN", screen_count((size_t)nans));
    if (infinities > 0)
        printf("  %s infinite", screen_count((size_t)infinities));
    printf("\n");
}

static void print_weights(const graft_weights *weights, const graft_model *model)
{
    screen_line(stdout, "file", "%s", screen_name(graft_weights_path(weights), PATH_COLUMNS));
    screen_line(stdout, "format", "%s", graft_weights_format(weights));
    screen_line(stdout, "SHA-256", "%s", graft_weights_sha256(weights));
    if (model)
        inspect_model_print(model);
    print_totals(weights);
    printf("\n");
    for (size_t i = 0; i < graft_weights_count(weights); i++)
        print_tensor(graft_weights_at(weights, i));
}

/* ---- For programs ---- */

static json_t *tensor_json(const graft_tensor_view *tensor)
{
    int64_t nans, infinities;
    graft_tensor_count_nonfinite(tensor, &nans, &infinities);
    return json_pack("{s:o, s:s, s:o, s:I, s:I}", "name", json_text(tensor->name), "dtype",
                     graft_dtype_name(tensor->dtype), "shape", inspect_shape_json(&tensor->shape), "nan",
                     (json_int_t)nans, "infinite", (json_int_t)infinities);
}

static json_t *metadata_json(const graft_weights *weights)
{
    json_t *object = json_object();
    for (size_t i = 0; i < graft_weights_metadata_count(weights); i++) {
        const char *key = graft_weights_metadata_key(weights, i);
        json_object_set_new(object, key, json_text(graft_weights_metadata(weights, key)));
    }
    return object;
}

static void say_weights(const graft_weights *weights, const graft_model *model)
{
    json_t *tensors = json_array();
    for (size_t i = 0; i < graft_weights_count(weights); i++)
        json_array_append_new(tensors, tensor_json(graft_weights_at(weights, i)));
    json_t *object =
        json_pack("{s:o, s:s, s:s, s:o, s:o}", "file", json_text(graft_weights_path(weights)), "format",
                  graft_weights_format(weights), "sha256", graft_weights_sha256(weights), "tensors", tensors,
                  "metadata", metadata_json(weights));
    if (model) {
        json_t *facts = json_object();
        inspect_model_json(facts, model);
        json_object_set_new(object, "model", facts);
    }
    json_say(object);
}

int inspect_weights(const char *path, bool json)
{
    graft_weights *weights;
    graft_model *model = NULL;
    if (graft_weights_open(&weights, path) != GRAFT_OK)
        return screen_fail_status();
    bool own = graft_weights_metadata(weights, "graft.format") != NULL;
    if (own && graft_model_load(&model, path) != GRAFT_OK)
        screen_fail_status(); /* its tensors can be looked at all the same */
    if (json)
        say_weights(weights, model);
    else
        print_weights(weights, model);
    int status = own && !model ? EXIT_FAILED : EXIT_GOOD;
    graft_model_free(model);
    graft_weights_close(weights);
    return status;
}
