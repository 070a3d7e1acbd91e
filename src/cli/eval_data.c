/* Finding the pictures to evaluate. */
#include "cli/eval_data.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/command.h"
#include "cli/screen.h"

enum { DIGITS = 16 };

static bool is_folder(const char *path)
{
    struct stat about;
    return stat(path, &about) == 0 && S_ISDIR(about.st_mode);
}

/* Says graft's sentence on a line of its own. */
static int fail_open(const eval_data *d)
{
    screen_close(d->screen);
    return screen_fail_status();
}

/* ---- All of a folder ---- */

static int open_folder(eval_data *d, const graft_model *model, const graft_dataset_options *options)
{
    size_t count = graft_model_class_count(model);
    const char **classes = calloc(count + 1, sizeof *classes);
    if (!classes)
        return screen_fail("out of memory");
    for (size_t i = 0; i < count; i++)
        classes[i] = graft_model_class(model, i);
    graft_status status =
        graft_dataset_open_for(&d->dataset, d->folder, classes[0] ? classes : NULL, count, options);
    d->set = GRAFT_SET_ALL;
    free(classes);
    return status == GRAFT_OK ? EXIT_GOOD : fail_open(d);
}

/* ---- What a RUN held out ---- */

static int refuse_missing(const char *run, const char *folder)
{
    return screen_fail("%s: the pictures that %s held out are not there any more; where they are now, "
                       "`graft eval %s DATA` evaluates all of DATA and says how many it was trained on",
                       folder, run, run);
}

/* The val folder that DATA had of its own. */
static bool find_own(eval_data *d, const char *data)
{
    static const char *const names[] = {"val", "valid", "validation"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        snprintf(d->folder, sizeof d->folder, "%s/%s", data, names[i]);
        if (is_folder(d->folder))
            return true;
    }
    return false;
}

static bool same_classes(const graft_dataset *dataset, const graft_model *model)
{
    size_t count = graft_model_class_count(model);
    if (graft_dataset_class_count(dataset) != count)
        return false;
    for (size_t i = 0; i < count; i++) {
        const char *name = graft_model_class(model, i);
        if (!name || strcmp(name, graft_dataset_class(dataset, i)) != 0)
            return false;
    }
    return true;
}

/* The same draw as train's: it depends on the seed, the fraction and the names alone. */
static int open_fraction(eval_data *d, const subject *s, const char *fraction,
                         const graft_dataset_options *options)
{
    const char *seed = graft_model_note(s->model, "graft.seed");
    graft_dataset_options drawn = *options;
    drawn.held_out = strtod(fraction, NULL);
    drawn.seed = seed ? strtoull(seed, NULL, 10) : 0;
    if (graft_dataset_open(&d->dataset, d->folder, &drawn) != GRAFT_OK)
        return fail_open(d);
    d->set = GRAFT_SET_HELD_OUT;
    if (!same_classes(d->dataset, s->model))
        return screen_fail("%s: it has other classes now than %s was trained on, so its held-out pictures "
                           "cannot be told; `graft eval %s DATA` evaluates all of a folder",
                           d->folder, s->run, s->run);
    return EXIT_GOOD;
}

static int open_held_out(eval_data *d, const subject *s, const graft_dataset_options *options)
{
    const char *data = graft_model_note(s->model, "graft.data");
    const char *held_out = graft_model_note(s->model, "graft.held_out");
    if (!data || !held_out || strcmp(held_out, "0") == 0)
        return screen_fail("%s: it held no pictures out; `graft eval %s DATA` evaluates all of a folder",
                           s->run, s->run);
    d->held_out = true;
    bool own = strcmp(held_out, "own") == 0, other = held_out[0] == '/';
    snprintf(d->folder, sizeof d->folder, "%s", other ? held_out : data);
    if (!is_folder(d->folder) || (own && !find_own(d, data)))
        return refuse_missing(s->run, d->folder);
    if (!own && !other)
        return open_fraction(d, s, held_out, options);
    return open_folder(d, s->model, options);
}

/* ---- Which of them it was trained on ---- */

static int compare_digits(const void *a, const void *b)
{
    return memcmp(a, b, DIGITS);
}

static bool is_among(const char *list, size_t count, uint64_t content)
{
    char digits[DIGITS + 1];
    snprintf(digits, sizeof digits, "%016" PRIx64, content);
    return bsearch(digits, list, count, DIGITS, compare_digits) != NULL;
}

static void count_trained(eval_data *d, const graft_model *model)
{
    const char *list = graft_model_note(model, "graft.trained_on");
    d->count = graft_dataset_set_count(d->dataset, d->set, -1);
    d->knows = list != NULL;
    size_t count = list ? strlen(list) / DIGITS : 0;
    for (size_t i = 0; count > 0 && i < graft_dataset_count(d->dataset); i++) {
        graft_sample sample = graft_dataset_sample(d->dataset, i);
        bool in_set = d->set == GRAFT_SET_ALL ? sample.set != GRAFT_SET_SKIPPED : sample.set == d->set;
        d->trained_on += in_set && is_among(list, count, sample.content);
    }
}

int eval_data_open(eval_data *d, const subject *s, const char *folder, int workers, screen_state *screen)
{
    graft_dataset_options how = GRAFT_DATASET_OPTIONS_INIT;
    memset(d, 0, sizeof *d);
    d->screen = screen;
    how.sight = graft_model_sight(s->model);
    how.workers = workers;
    how.progress = (graft_progress){screen_progress, screen};
    if (folder)
        snprintf(d->folder, sizeof d->folder, "%s", folder);
    int status = folder ? open_folder(d, s->model, &how) : open_held_out(d, s, &how);
    screen_close(screen);
    if (status == EXIT_GOOD)
        count_trained(d, s->model);
    return status;
}

void eval_data_dispose(eval_data *d)
{
    graft_dataset_free(d->dataset);
    d->dataset = NULL;
}
