/* A network's table: a line a node in the order in which they run, a line where the frozen boundary lies, and
 * totals.
 *
 * As JSON: {network, title, published: [{name, file, sha256, place}], class_layer, nodes: [{name, op, shape,
 * parameters, macs, trains, backbone, cut}], parameters, trained_parameters, macs, backbone_macs, kept};
 * `kept` is how many numbers of a picture cross the boundary. */
#include "cli/inspect.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "cli/json_lines.h"
#include "cli/screen.h"

enum { NAME = 32, OP = 20, OUTPUT = 14, PARAMETERS = 13 };

typedef struct totals {
    int64_t parameters, trained, macs, backbone_macs, kept;
    int name, op, parameter; /* columns */
} totals;

static void widen(int *columns, size_t length, int most)
{
    if ((int)length > *columns)
        *columns = (int)length < most ? (int)length : most;
}

static totals add_up(const graft_model *model)
{
    totals sum = {.name = 4, .op = 8, .parameter = 6};
    graft_node_info info;
    for (size_t i = 0; i < graft_model_node_count(model); i++) {
        graft_model_node(model, i, &info);
        sum.parameters += info.parameters;
        sum.trained += info.trains ? info.parameters : 0;
        sum.macs += info.macs;
        sum.backbone_macs += info.backbone ? info.macs : 0;
        sum.kept += info.cut ? graft_shape_count(&info.shape) : 0;
        widen(&sum.name, strlen(info.name), NAME);
        widen(&sum.op, strlen(info.op), OP);
        widen(&sum.parameter, strlen(screen_count((size_t)info.parameters)), PARAMETERS);
    }
    return sum;
}

/* ---- For people ---- */

static void print_published(const graft_network *network)
{
    screen_line(stdout, "network", "%s (%s), class layer %s", network->name, network->title,
                network->class_layer);
    for (size_t i = 0; i < network->published_count; i++) {
        const graft_published *p = &network->published[i];
        screen_line(stdout, i ? "" : "weights", "%s, SHA-256 %.8s...", p->file, p->sha256);
        screen_line(stdout, "", "%s", p->place);
    }
}

/* "32 x 112 x 112": one picture's output, without the batch. */
static void output_text(char text[64], const graft_shape *shape)
{
    int at = 0;
    text[0] = 0;
    for (int i = 1; i < shape->rank && at < 60; i++)
        at += snprintf(text + at, (size_t)(64 - at), "%s%lld", i > 1 ? " x " : "", (long long)shape->dims[i]);
}

/* What a node is to a training: part of the backbone, frozen above it, or trained. */
static char mark_of(const graft_node_info *info)
{
    return info->trains ? '*' : info->backbone ? ' ' : '=';
}

static void print_node(const graft_node_info *info, const totals *sum)
{
    char output[64];
    output_text(output, &info->shape);
    printf("%c %-*s %-*s %-*s", mark_of(info), sum->name, screen_name(info->name, sum->name), sum->op,
           info->op, OUTPUT, output);
    printf(" %*s", sum->parameter, info->parameters ? screen_count((size_t)info->parameters) : "");
    printf(" %6s\n", info->macs ? screen_rounded((size_t)info->macs) : "");
    if (info->cut)
        printf("--- frozen boundary: %s numbers of a picture are kept here ---\n",
               screen_count((size_t)graft_shape_count(&info->shape)));
}

static void print_totals(const totals *sum)
{
    screen_line(stdout, "parameters", "%s, of which %s train", screen_count((size_t)sum->parameters),
                screen_count((size_t)sum->trained));
    screen_line(stdout, "mult-adds", "%s for a picture, %s of them below the frozen boundary",
                screen_rounded((size_t)sum->macs), screen_rounded((size_t)sum->backbone_macs));
    screen_line(stdout, "kept", "%s numbers of each view of a picture, %s", screen_count((size_t)sum->kept),
                screen_bytes((size_t)sum->kept * sizeof(float)));
}

static void print_network(const graft_model *model)
{
    totals sum = add_up(model);
    graft_node_info info;
    print_published(graft_model_network(model));
    printf("\n  %-*s %-*s %-*s %*s %6s\n", sum.name, "node", sum.op, "operator", OUTPUT, "output",
           sum.parameter, "params", "macs");
    for (size_t i = 0; i < graft_model_node_count(model); i++) {
        graft_model_node(model, i, &info);
        print_node(&info, &sum);
    }
    printf("* trains   = frozen above the boundary: run every epoch, passes gradients on\n\n");
    print_totals(&sum);
}

/* ---- For programs ---- */

static json_t *node_json(const graft_node_info *info)
{
    return json_pack("{s:o, s:s, s:o, s:I, s:I, s:b, s:b, s:b}", "name", json_text(info->name), "op",
                     info->op, "shape", inspect_shape_json(&info->shape), "parameters",
                     (json_int_t)info->parameters, "macs", (json_int_t)info->macs, "trains", info->trains,
                     "backbone", info->backbone, "cut", info->cut);
}

static json_t *published_json(const graft_network *network)
{
    json_t *array = json_array();
    for (size_t i = 0; i < network->published_count; i++) {
        const graft_published *p = &network->published[i];
        json_array_append_new(array, json_pack("{s:s, s:s, s:s, s:s}", "name", p->name, "file", p->file,
                                               "sha256", p->sha256, "place", p->place));
    }
    return array;
}

static void say_network(const graft_model *model)
{
    const graft_network *network = graft_model_network(model);
    totals sum = add_up(model);
    json_t *nodes = json_array();
    graft_node_info info;
    for (size_t i = 0; i < graft_model_node_count(model); i++) {
        graft_model_node(model, i, &info);
        json_array_append_new(nodes, node_json(&info));
    }
    json_say(json_pack("{s:s, s:s, s:o, s:s, s:o, s:I, s:I, s:I, s:I, s:I}", "network", network->name,
                       "title", network->title, "published", published_json(network), "class_layer",
                       network->class_layer, "nodes", nodes, "parameters", (json_int_t)sum.parameters,
                       "trained_parameters", (json_int_t)sum.trained, "macs", (json_int_t)sum.macs,
                       "backbone_macs", (json_int_t)sum.backbone_macs, "kept", (json_int_t)sum.kept));
}

int inspect_network(const graft_model *model, bool json)
{
    if (json)
        say_network(model);
    else
        print_network(model);
    return EXIT_GOOD;
}
