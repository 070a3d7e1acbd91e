/* `graft inspect FILE|RUN|NETWORK`: what is in a checkpoint, a run or a network. A file or a folder of that
 * name comes before a network. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <graft/graft.h>

#include "cli/command.h"
#include "cli/inspect.h"
#include "cli/screen.h"

#define FLAG .kind = OPTION_FLAG
#define TEXT .kind = OPTION_TEXT

static const option options[] = {
    {"trainable", "head|all|PATTERN,...", "head", "of a network: what trains, as in graft train", TEXT},
    {"freeze", "PATTERN,...", NULL, "of a network: all trains but this", TEXT},
    {"json", NULL, NULL, "one JSON object on stdout", FLAG},
    {.name = NULL},
};

/* ---- A name that is nothing ---- */

static int refuse_name(const char *name)
{
    char known[1024] = "";
    const char *nearest = graft_network_nearest(name);
    for (size_t i = 0; i < graft_network_count(); i++) {
        size_t at = strlen(known);
        snprintf(known + at, sizeof known - at, "%s%s", i ? ", " : "", graft_network_at(i)->name);
    }
    if (nearest)
        return screen_fail("%s: neither a file nor a network; did you mean %s?", name, nearest);
    return screen_fail("%s: neither a file nor one of graft's networks (%s)", name, known);
}

/* ---- A network ---- */

static int show_network(const char *name, const arguments *given)
{
    size_t trainable_count, freeze_count;
    graft_model *model = NULL;
    const char **trainable = argument_list(given, "trainable", &trainable_count);
    const char **freeze = argument_list(given, "freeze", &freeze_count);
    int status = EXIT_FAILED;
    if (graft_model_outline(&model, name) != GRAFT_OK ||
        graft_model_select(model, trainable, trainable_count, freeze, freeze_count) != GRAFT_OK)
        screen_fail_status();
    else
        status = inspect_network(model, argument_given(given, "json"));
    graft_model_free(model);
    free(trainable);
    free(freeze);
    return status;
}

/* ---- Which of the three ---- */

static int run(const arguments *given)
{
    const char *name = argument_at(given, 0);
    bool json = argument_given(given, "json");
    bool marks = argument_given(given, "trainable") || argument_given(given, "freeze");
    struct stat about;
    signal(SIGPIPE, SIG_DFL); /* a reader that leaves ends this quietly */
    bool exists = stat(name, &about) == 0;
    if (exists && marks) {
        screen_fail("--trainable and --freeze are for a network, and %s is a %s", name,
                    S_ISDIR(about.st_mode) ? "folder" : "file");
        return EXIT_USAGE;
    }
    if (exists)
        return S_ISDIR(about.st_mode) ? inspect_run(name, json) : inspect_weights(name, json);
    return graft_network_find(name) ? show_network(name, given) : refuse_name(name);
}

const command command_inspect = {
    .name = "inspect",
    .usage = "FILE|RUN|NETWORK [OPTION...]",
    .summary = "Shows what is in a file of weights, a run or a network",
    .description = "FILE is a checkpoint of PyTorch or a safetensors file: its tensors, with what is\n"
                   "not a finite number counted. RUN is a folder that `graft train` made: network,\n"
                   "classes, what pictures go through, where the weights came from. NETWORK is a\n"
                   "name: a line a node with output, parameters and multiply-adds, and where the\n"
                   "frozen boundary lies. A file or folder of that name comes before a network.\n"
                   "\n"
                   "--json: of a FILE file, format, sha256, tensors: [{name, dtype, shape, nan,\n"
                   "infinite}], metadata, and where graft saved it model: {as of a RUN}; of a RUN\n"
                   "run, network, classes, class_count, transform, pictures, source, source_sha256,\n"
                   "parameters, head, trained, notes; of a NETWORK network, title, published,\n"
                   "class_layer, nodes: [{name, op, shape, parameters, macs, trains, backbone,\n"
                   "cut}], parameters, trained_parameters, macs, backbone_macs, kept.",
    .options = options,
    .least = 1,
    .most = 1,
    .run = run,
};
