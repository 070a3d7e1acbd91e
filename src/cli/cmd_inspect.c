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
#include "cli/precision.h"
#include "cli/screen.h"

#define FLAG .kind = OPTION_FLAG
#define TEXT .kind = OPTION_TEXT

static const option options[] = {
    {"trainable", "head|all|PATTERN,...", "head", "of a network: what trains, as in graft train", TEXT},
    {"freeze", "PATTERN,...", NULL, "of a network: all trains but this", TEXT},
    {"plan", NULL, NULL, "of a network: kernels, layouts and memory, step by step", FLAG},
    {"time", NULL, NULL, "with --plan: run it, and say each step's milliseconds", FLAG},
    {"batch", "N", "32", "with --plan: the training batch; 0: prediction, all of it frozen",
     .kind = OPTION_INTEGER, 0, 4096},
    {"threads", "N", "the cores this process may use", "with --plan: threads of the arithmetic",
     .kind = OPTION_INTEGER, 1, 1024},
    {"kernels", KERNELS_WORDS, "rule", "with --plan: what computes convolutions, as in graft train",
     .kind = OPTION_WORD, .words = KERNELS_WORDS},
    {"precision", PRECISION_WORDS, "f32", "with --plan: of the frozen part, bf16 where it is faster here",
     .kind = OPTION_WORD, .words = PRECISION_WORDS},
    {"json", NULL, NULL, "one JSON object on stdout", FLAG},
    {.name = NULL},
};

/* Options that need another, or a network. */
static const char *const of_plans[] = {"time", "batch", "threads", "kernels", "precision"};
static const char *const of_networks[] = {"trainable", "freeze", "plan"};

/* ---- A name that is nothing ---- */

static int refuse_name(const char *name)
{
    const char *nearest = graft_network_nearest(name);
    if (nearest)
        return screen_fail("%s: neither a file nor a network; did you mean %s?", name, nearest);
    return screen_fail("%s: neither a file nor a network: `graft models` lists those", name);
}

/* ---- A network ---- */

/* The table needs no weights; plans are made with random ones. */
static graft_status open_network(graft_model **model, const char *name, bool plan)
{
    return plan ? graft_model_create(model, name, 0) : graft_model_outline(model, name);
}

static int show_model(graft_model *model, const arguments *given)
{
    graft_executor_options how = GRAFT_EXECUTOR_OPTIONS_INIT;
    bool json = argument_given(given, "json");
    if (!argument_given(given, "plan"))
        return inspect_network(model, json);
    how.batch = (int)argument_integer(given, "batch", 32);
    how.threads = (int)argument_integer(given, "threads", graft_cores());
    how.kernels = (graft_kernels)argument_word(given, "kernels", GRAFT_KERNELS_RULE);
    how.training_kernels = how.kernels;
    how.precision = precision_asked(given);
    return inspect_plan(model, &how, argument_given(given, "time"), json);
}

static int show_network(const char *name, const arguments *given)
{
    size_t trainable_count, freeze_count;
    graft_model *model = NULL;
    const char **trainable = argument_list(given, "trainable", &trainable_count);
    const char **freeze = argument_list(given, "freeze", &freeze_count);
    int status = EXIT_FAILED;
    if (open_network(&model, name, argument_given(given, "plan")) != GRAFT_OK ||
        graft_model_select(model, trainable, trainable_count, freeze, freeze_count) != GRAFT_OK)
        screen_fail_status();
    else
        status = show_model(model, given);
    graft_model_free(model);
    free(trainable);
    free(freeze);
    return status;
}

/* ---- Which of the three ---- */

/* Says which option does not belong here. */
static bool options_fit(const arguments *given, bool exists)
{
    for (size_t i = 0; i < sizeof of_plans / sizeof *of_plans; i++)
        if (argument_given(given, of_plans[i]) && !argument_given(given, "plan")) {
            screen_fail("--%s is about plans: it needs --plan", of_plans[i]);
            return false;
        }
    for (size_t i = 0; exists && i < sizeof of_networks / sizeof *of_networks; i++)
        if (argument_given(given, of_networks[i])) {
            screen_fail("--%s is for a network, and %s exists as a file or folder", of_networks[i],
                        argument_at(given, 0));
            return false;
        }
    return true;
}

static int run(const arguments *given)
{
    const char *name = argument_at(given, 0);
    bool json = argument_given(given, "json");
    struct stat about;
    signal(SIGPIPE, SIG_DFL); /* a reader that leaves ends this quietly */
    bool exists = stat(name, &about) == 0;
    if (!options_fit(given, exists))
        return EXIT_USAGE;
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
                   "frozen boundary lies; with --plan a line a step of the plans that graft makes\n"
                   "for it, with random weights. A file or folder of that name comes before a\n"
                   "network.\n"
                   "\n"
                   "--json: of a FILE file, format, sha256, tensors: [{name, dtype, shape, nan,\n"
                   "infinite}], metadata, and where graft saved it model: {as of a RUN}; of a RUN\n"
                   "run, network, classes, class_count, transform, pictures, source, source_sha256,\n"
                   "parameters, head, trained, notes; of a NETWORK network, title, published,\n"
                   "class_layer, nodes: [{name, op, shape, parameters, macs, trains, backbone,\n"
                   "cut}], parameters, trained_parameters, macs, backbone_macs, kept; with --plan\n"
                   "network, instructions, threads, weights, plans: [{part, batch, kernels,\n"
                   "workspace, milliseconds, steps: [{phase, node, kernel, layout, from, shape,\n"
                   "scratch, live, milliseconds}]}].",
    .options = options,
    .least = 1,
    .most = 1,
    .run = run,
};
