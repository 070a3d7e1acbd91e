/* `graft features RUN PICTURE... -o FILE`: what a node of the network says of each picture, as a table that
 * numpy opens. The numbers are the bits that training keeps: every picture goes through the same slice,
 * whatever its neighbours. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <graft/graft.h>

#include "cli/command.h"
#include "cli/paths.h"
#include "cli/screen.h"
#include "cli/subject.h"

enum { BATCH = 32 };

static const option options[] = {
    {"out", "FILE", NULL, "FILE.npy or FILE.safetensors (also -o FILE)", .kind = OPTION_TEXT, .letter = 'o'},
    {"node", "NAME", "what the head reads",
     "the node or module whose output is wanted; graft inspect lists them", .kind = OPTION_TEXT},
    SUBJECT_OPTIONS,
    {.name = NULL},
};

typedef struct extractor {
    graft_model *model;
    graft_executor *executor;
    graft_table *table;
    graft_node_info node;
    size_t row; /* floats */
    int workers;
    bool failed; /* one picture at least has no row */
} extractor;

/* ---- Pictures ---- */

static void say_bad(extractor *x, const char *path, const char *cause)
{
    size_t length = strlen(path);
    struct stat about;
    bool named = strncmp(cause, path, length) == 0 && strncmp(cause + length, ": ", 2) == 0;
    if (stat(path, &about) == 0 && S_ISDIR(about.st_mode))
        screen_fail("%s: a folder; name its pictures: `find FOLDER -type f | graft features RUN - -o FILE`",
                    path);
    else
        screen_fail("%s: %s", path, named ? cause + length + 2 : cause);
    x->failed = true;
}

static graft_status add_row(extractor *x, const char *path, const float *row)
{
    for (size_t i = 0; i < x->row; i++)
        if (!isfinite(row[i])) {
            say_bad(x, path, "the node's output is not a finite number");
            return GRAFT_OK;
        }
    return graft_table_add(x->table, row, path);
}

static graft_status run_batch(extractor *x, const graft_batch *batch, const char *const *paths)
{
    graft_status status = GRAFT_OK;
    const uint8_t *pixels[BATCH];
    graft_batch readable = {.pixels = pixels};
    for (int i = 0; i < batch->count; i++)
        if (batch->pixels[i])
            pixels[readable.count++] = batch->pixels[i];
    if (readable.count > 0)
        GRAFT_TRY(graft_executor_forward(x->executor, &readable));
    const float *row = graft_executor_logits(x->executor);
    for (int i = 0; i < batch->count; i++) {
        const char *path = paths[batch->samples[i]];
        if (!batch->pixels[i]) {
            say_bad(x, path, batch->causes[i]);
            continue;
        }
        GRAFT_TRY(add_row(x, path, row));
        row += x->row;
    }
out:
    return status;
}

static graft_status run_list(extractor *x, const char *const *paths, size_t count)
{
    graft_status status;
    graft_dataset *dataset = NULL;
    graft_loader *loader = NULL;
    graft_batch batch;
    graft_loader_options what = GRAFT_LOADER_OPTIONS_INIT;
    what.set = GRAFT_SET_ALL;
    what.batch = BATCH;
    what.shuffle = false;
    what.workers = x->workers;
    GRAFT_TRY(graft_dataset_list(&dataset, paths, count, graft_model_sight(x->model)));
    GRAFT_TRY(graft_loader_create(&loader, dataset, graft_model_transform(x->model), &what));
    while ((status = graft_loader_next(loader, &batch)) == GRAFT_OK)
        GRAFT_TRY(run_batch(x, &batch, paths));
    if (status == GRAFT_DONE)
        status = GRAFT_OK;
out:
    graft_loader_free(loader);
    graft_dataset_free(dataset);
    return status;
}

/* ---- All ---- */

static void say_result(const extractor *x, const char *out)
{
    screen_line(stderr, "features", "%s pictures, %s numbers of each (%s): %s%s%s",
                screen_count(graft_table_rows(x->table)), screen_count(x->row), screen_name(x->node.name, 60),
                screen_name(out, 60), strcmp(graft_table_names(x->table), out) ? ", their paths in " : "",
                strcmp(graft_table_names(x->table), out) ? screen_name(graft_table_names(x->table), 60) : "");
}

static int finish(extractor *x, const char *out)
{
    if (graft_table_rows(x->table) == 0)
        return screen_fail("no picture could be read: nothing was written");
    if (graft_table_commit(x->table) != GRAFT_OK)
        return screen_fail_status();
    say_result(x, out);
    return x->failed ? EXIT_FAILED : EXIT_GOOD;
}

static int run_all(extractor *x, const arguments *given, size_t first)
{
    path_source source;
    const char *const *list;
    size_t count;
    graft_status status = GRAFT_OK;
    paths_open(&source, given, first);
    while (status == GRAFT_OK && (count = paths_take(&source, &list)) > 0)
        status = run_list(x, list, count);
    x->failed |= source.failed;
    paths_dispose(&source);
    return status == GRAFT_OK ? finish(x, argument_text(given, "out")) : screen_fail_status();
}

static graft_status prepare(extractor *x, const arguments *given)
{
    graft_status status;
    graft_executor_options how = GRAFT_EXECUTOR_OPTIONS_INIT;
    const char *name = argument_text(given, "node");
    size_t index = graft_model_feature_node(x->model);
    if (name)
        GRAFT_TRY(graft_model_find_node(x->model, name, &index));
    graft_model_node(x->model, index, &x->node);
    x->row = (size_t)graft_shape_count(&x->node.shape);
    GRAFT_TRY(graft_table_create(&x->table, argument_text(given, "out"), &x->node.shape));
    how.batch = 0;
    how.keep = false;
    how.node = x->node.name;
    subject_threads(&how.threads, &x->workers, given);
    GRAFT_TRY(graft_executor_create(&x->executor, x->model, &how));
out:
    return status;
}

static int run_model(const arguments *given, const subject *s)
{
    extractor x = {.model = s->model};
    int status = prepare(&x, given) == GRAFT_OK ? run_all(&x, given, s->rest) : screen_fail_status();
    graft_table_free(x.table);
    graft_executor_free(x.executor);
    return status;
}

static int run(const arguments *given)
{
    subject s;
    const char *missing = !argument_given(given, "model") && argument_count(given) < 2
                              ? "no picture was given: graft features RUN PICTURE... -o FILE"
                          : !argument_given(given, "out")
                              ? "where to is not said: -o FILE.npy or -o FILE.safetensors"
                              : NULL;
    if (missing) {
        screen_fail("%s", missing);
        return EXIT_USAGE;
    }
    int status = subject_open(&s, given);
    if (status == EXIT_GOOD)
        status = run_model(given, &s);
    subject_dispose(&s);
    return status;
}

const command command_features = {
    .name = "features",
    .usage = "RUN PICTURE... -o FILE [OPTION...]",
    .summary = "Writes what a network says of pictures as numbers",
    .description = "RUN is a folder that `graft train` made, or a model.safetensors; with --model\n"
                   "every argument is a picture. FILE.npy gets an array of one row a picture (a\n"
                   "convolution's row is (C, H, W)), FILE.txt the paths, a line each. In\n"
                   "FILE.safetensors the rows are \"features\" and the lines \"names\", as bytes.\n"
                   "\n"
                   "Rows stand in the order in which pictures were given. A PICTURE `-` reads paths\n"
                   "from stdin, one a line. A picture that cannot be read is named on stderr and has\n"
                   "no row, the others go on, and the exit status is 1. In paths a tab, a line end\n"
                   "and a backslash are written as \\t, \\n (\\r) and \\\\.",
    .options = options,
    .least = 1,
    .most = -1,
    .run = run,
};
