/* `graft features RUN PICTURE... -o FILE`: what a node of the network says of each picture, as a table that
 * numpy opens. The numbers are the bits that training keeps: every picture goes through the same slice,
 * whatever its neighbours. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include <graft/graft.h>

#include "cli/command.h"
#include "cli/paths.h"
#include "cli/pictures.h"
#include "cli/precision.h"
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

static void say_bad(void *context, const char *path, const char *cause)
{
    extractor *x = context;
    screen_fail(
        "%s: %s", path,
        pictures_cause(path, cause,
                       "a folder; name its pictures: `find FOLDER -type f | graft features RUN - -o FILE`"));
    x->failed = true;
}

static graft_status add_row(void *context, const char *path, const float *row)
{
    extractor *x = context;
    for (size_t i = 0; i < x->row; i++)
        if (!isfinite(row[i])) {
            say_bad(x, path, "the node's output is not a finite number");
            return GRAFT_OK;
        }
    return graft_table_add(x->table, row, path);
}

/* ---- All ---- */

static void say_result(const extractor *x, const char *out)
{
    screen_line(stderr, "features", "%s picture%s, %s numbers of each (%s): %s%s%s",
                screen_count(graft_table_rows(x->table)), graft_table_rows(x->table) == 1 ? "" : "s",
                screen_count(x->row), screen_name(x->node.name, 60), screen_name(out, 60),
                strcmp(graft_table_names(x->table), out) ? ", their paths in " : "",
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
    const picture_pass pass = {x->model, x->executor, x->row, x->workers, BATCH, x, add_row, say_bad};
    paths_open(&source, given, first);
    while (status == GRAFT_OK && (count = paths_take(&source, &list)) > 0)
        status = pictures_pass(&pass, list, count);
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
    how.precision = precision_asked(given);
    subject_threads(&how.threads, &x->workers, given);
    GRAFT_TRY(graft_executor_create(&x->executor, x->model, &how));
    precision_say(how.precision, graft_executor_precision(x->executor));
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
    .network_usage = "--model NAME PICTURE... -o FILE [OPTION...]",
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
