/* What a run's model is: network, classes, what pictures go through, where it came from, and what train
 * noted.
 *
 * As JSON: {run, network, classes: [name...] or null, class_count, transform: {...}, pictures, source,
 * source_sha256, parameters, trained: [node...], notes: {...}}; the list of contents that it was trained on
 * is given by its length. */
#include "cli/inspect.h"

#include <stdio.h>
#include <string.h>

#include "cli/command.h"
#include "cli/json_lines.h"
#include "cli/screen.h"

enum { PATH_COLUMNS = 60, WIDTH = 78, LABEL = 12, DIGITS = 16 };

/* Notes that train writes, beside the list of contents. */
static const struct {
    const char *key, *label;
} notes[] = {
    {"graft.data", "data"},
    {"graft.held_out", "held out"},
    {"graft.seed", "seed"},
};

enum { NOTES = sizeof notes / sizeof *notes };

/* -1 where nobody noted it. */
static long trained_on(const graft_model *model)
{
    const char *list = graft_model_note(model, "graft.trained_on");
    return list ? (long)(strlen(list) / DIGITS) : -1;
}

/* ---- For people ---- */

/* Names one behind another, wrapped, with the label before the first line. */
static void print_classes(const graft_model *model)
{
    size_t count = graft_model_class_count(model);
    int column = LABEL + printf("%-*s%s: ", LABEL, "classes", screen_count(count)) - LABEL;
    if (!graft_model_class(model, 0)) {
        printf("without names\n");
        return;
    }
    for (size_t i = 0; i < count; i++) {
        const char *name = screen_name(graft_model_class(model, i), WIDTH - LABEL - 1);
        int length = (int)strlen(name) + 1;
        if (column + length > WIDTH && i > 0) {
            printf("\n%*s", LABEL, "");
            column = LABEL;
        }
        column += length + 1;
        printf("%s%s", name, i + 1 < count ? ", " : "\n");
    }
}

static void print_transform(const graft_model *model)
{
    const graft_transform *t = graft_model_transform(model);
    screen_line(stdout, "pictures", "%s%s; short side to %d (%s), centre %d x %d",
                graft_sight_name(graft_model_sight(model)),
                t->decode == GRAFT_DECODE_SCALED ? ", decoded scaled" : "", t->resize,
                graft_filter_name(t->filter), t->crop, t->crop);
    screen_line(stdout, "", "(v / %g - mean) / std; mean %g %g %g, std %g %g %g", (double)t->divisor,
                (double)t->mean[0], (double)t->mean[1], (double)t->mean[2], (double)t->std[0],
                (double)t->std[1], (double)t->std[2]);
}

static void print_source(const graft_model *model)
{
    const char *sha256 = graft_model_source_sha256(model);
    screen_line(stdout, "source", "%s", screen_name(graft_model_source_name(model), PATH_COLUMNS));
    if (sha256[0])
        screen_line(stdout, "", "SHA-256 %s", sha256);
}

static void print_trained(const graft_model *model)
{
    size_t count = 0;
    int64_t all = 0, trained = 0;
    graft_node_info info;
    for (size_t i = 0; i < graft_model_node_count(model); i++) {
        graft_model_node(model, i, &info);
        all += info.parameters;
        trained += info.trains ? info.parameters : 0;
        count += info.trains && info.parameters > 0;
    }
    screen_line(stdout, "trained", "%s of %s parameters, in %zu node%s; head %s",
                screen_rounded((size_t)trained), screen_rounded((size_t)all), count, count == 1 ? "" : "s",
                graft_model_head(model));
}

void inspect_model_print(const graft_model *model)
{
    const graft_network *network = graft_model_network(model);
    screen_line(stdout, "network", "%s (%s)", network->name, network->title);
    print_classes(model);
    print_transform(model);
    print_source(model);
    print_trained(model);
    for (size_t i = 0; i < NOTES; i++) {
        const char *value = graft_model_note(model, notes[i].key);
        if (value)
            screen_line(stdout, notes[i].label, "%s", screen_name(value, PATH_COLUMNS));
    }
    if (trained_on(model) >= 0)
        screen_line(stdout, "trained on", "%s pictures", screen_count((size_t)trained_on(model)));
}

/* ---- For programs ---- */

static json_t *three(const float *values)
{
    return json_pack("[f, f, f]", (double)values[0], (double)values[1], (double)values[2]);
}

static json_t *transform_json(const graft_transform *t)
{
    return json_pack("{s:i, s:i, s:s, s:f, s:o, s:o, s:s}", "resize", t->resize, "crop", t->crop, "filter",
                     graft_filter_name(t->filter), "divisor", (double)t->divisor, "mean", three(t->mean),
                     "std", three(t->std), "decode", graft_decode_name(t->decode));
}

static json_t *classes_json(const graft_model *model)
{
    json_t *array = graft_model_class(model, 0) ? json_array() : json_null();
    for (size_t i = 0; json_is_array(array) && i < graft_model_class_count(model); i++)
        json_array_append_new(array, json_text(graft_model_class(model, i)));
    return array;
}

static json_t *notes_json(const graft_model *model)
{
    json_t *object = json_object();
    for (size_t i = 0; i < NOTES; i++) {
        const char *value = graft_model_note(model, notes[i].key);
        if (value)
            json_object_set_new(object, notes[i].key, json_text(value));
    }
    if (trained_on(model) >= 0)
        json_object_set_new(object, "graft.trained_on", json_integer(trained_on(model)));
    return object;
}

void inspect_model_json(json_t *object, const graft_model *model)
{
    json_t *trained = json_array();
    graft_node_info info;
    json_int_t parameters = 0;
    for (size_t i = 0; i < graft_model_node_count(model); i++) {
        graft_model_node(model, i, &info);
        parameters += info.parameters;
        if (info.trains && info.parameters > 0)
            json_array_append_new(trained, json_text(info.name));
    }
    json_t *facts = json_pack("{s:s, s:o, s:I, s:o, s:s, s:o, s:s, s:I, s:s, s:o, s:o}", "network",
                              graft_model_network(model)->name, "classes", classes_json(model), "class_count",
                              (json_int_t)graft_model_class_count(model), "transform",
                              transform_json(graft_model_transform(model)), "pictures",
                              graft_sight_name(graft_model_sight(model)), "source",
                              json_text(graft_model_source_name(model)), "source_sha256",
                              graft_model_source_sha256(model), "parameters", parameters, "head",
                              graft_model_head(model), "trained", trained, "notes", notes_json(model));
    json_object_update(object, facts);
    json_decref(facts);
}

int inspect_run(const char *path, bool json)
{
    graft_model *model;
    if (graft_model_load(&model, path) != GRAFT_OK)
        return screen_fail_status();
    if (json) {
        json_t *object = json_pack("{s:o}", "run", json_text(path));
        inspect_model_json(object, model);
        json_say(object);
    } else {
        screen_line(stdout, "run", "%s", screen_name(path, PATH_COLUMNS));
        inspect_model_print(model);
    }
    graft_model_free(model);
    return EXIT_GOOD;
}
