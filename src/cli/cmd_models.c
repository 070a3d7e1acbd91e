/* `graft models`: the networks that graft knows, and the published weights of each. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <graft/graft.h>

#include "cli/command.h"
#include "cli/json_lines.h"
#include "cli/screen.h"

static const option options[] = {
    {"json", NULL, NULL, "JSON Lines on stdout: an object a network", .kind = OPTION_FLAG},
    {.name = NULL},
};

typedef struct figures {
    int64_t parameters, macs;
} figures;

/* Counted on the network's graph: nothing is loaded. */
static graft_status count(figures *out, const graft_network *network)
{
    graft_model *model;
    graft_status status = graft_model_outline(&model, network->name);
    if (status != GRAFT_OK)
        return status;
    *out = (figures){0, 0};
    for (size_t i = 0; i < graft_model_node_count(model); i++) {
        graft_node_info info;
        graft_model_node(model, i, &info);
        out->parameters += info.parameters;
        out->macs += info.macs;
    }
    graft_model_free(model);
    return GRAFT_OK;
}

/* Whether a published file lies in graft's cache. */
static bool is_here(const graft_published *published)
{
    char *path = NULL;
    bool here = graft_published_path(&path, published) == GRAFT_OK && access(path, R_OK) == 0;
    free(path);
    return here;
}

/* ---- As a table ---- */

static void print_published(const graft_published *published)
{
    char top1[16] = "";
    if (published->top1 > 0)
        snprintf(top1, sizeof top1, "%.1f %%", published->top1);
    printf("    %-22s %-44s %.8s  %3d of %3d  %7s%s\n", published->name, published->file, published->sha256,
           published->transform.crop, published->transform.resize, top1, is_here(published) ? "  here" : "");
}

static void print_network(const graft_network *network, const figures *f)
{
    printf("%-20s %10s parameters %10s multiply-adds  %d x %d%s\n", network->name,
           screen_rounded((size_t)f->parameters), screen_rounded((size_t)f->macs), network->size,
           network->size, network->published_count ? "" : "  (no published weights)");
    for (size_t i = 0; i < network->published_count; i++)
        print_published(&network->published[i]);
}

/* ---- As JSON ---- */

static json_t *published_json(const graft_network *network)
{
    json_t *array = json_array();
    for (size_t i = 0; i < network->published_count; i++) {
        const graft_published *p = &network->published[i];
        json_array_append_new(array, json_pack("{s:s,s:s,s:s,s:s,s:i,s:i,s:o,s:b}", "name", p->name, "file",
                                               p->file, "sha256", p->sha256, "place", p->place, "resize",
                                               p->transform.resize, "crop", p->transform.crop, "top1",
                                               p->top1 > 0 ? json_figure(p->top1) : json_null(), "here",
                                               (int)is_here(p)));
    }
    return array;
}

static void say_network(const graft_network *network, const figures *f)
{
    json_say(json_pack("{s:s,s:s,s:I,s:I,s:i,s:s,s:s,s:o}", "name", network->name, "title", network->title,
                       "parameters", (json_int_t)f->parameters, "macs", (json_int_t)f->macs, "size",
                       network->size, "class_layer", network->class_layer, "head", network->head, "published",
                       published_json(network)));
}

static int run(const arguments *given)
{
    signal(SIGPIPE, SIG_DFL); /* a reader that leaves ends this quietly */
    for (size_t i = 0; i < graft_network_count(); i++) {
        const graft_network *network = graft_network_at(i);
        figures f;
        if (count(&f, network) != GRAFT_OK)
            return screen_fail_status();
        if (argument_given(given, "json"))
            say_network(network, &f);
        else
            print_network(network, &f);
    }
    return EXIT_GOOD;
}

const command command_models = {
    .name = "models",
    .usage = "[OPTION...]",
    .summary = "Lists the networks that graft knows, and their published weights",
    .description = "A line a network: parameters, multiply-adds and the size of its pictures; below\n"
                   "it a line for each published file: its name, the beginning of its SHA-256, the\n"
                   "crop and what is resized before it, its top-1 accuracy on ImageNet, and `here`\n"
                   "where it lies in graft's cache. The first file is what graft uses unless\n"
                   "--weights says otherwise; of several the first that is here.\n"
                   "\n"
                   "--json: name, title, parameters, macs, size, class_layer, head, published:\n"
                   "[{name, file, sha256, place, resize, crop, top1, here}].\n",
    .options = options,
    .least = 0,
    .most = 0,
    .run = run,
};
