/* Opening a folder of pictures: how it is arranged, which classes and pictures it holds, the check of each,
 * and which of them are held out. */
#include <stdlib.h>
#include <string.h>

#include <graft/tools.h>

#include "base/memory.h"
#include "base/status.h"
#include "base/text.h"
#include "data/arrangement.h"
#include "data/check.h"
#include "data/dataset.h"
#include "data/split.h"

static const double usual_fraction = 0.2;

/* What the two ways of opening share. */
typedef struct opening {
    graft_dataset *dataset;
    const char *path;
    const graft_dataset_options *options;
    bool given; /* the classes are the caller's, not the folders' */
    bool by_index;
    graft_arrangement arrangement;
    graft_listing train, held_out;
} opening;

static graft_status begin(opening *o)
{
    graft_status status;
    GRAFT_TRY(graft_dataset_create(&o->dataset, o->options->sight));
    graft_listing_init(&o->train, &o->dataset->arena);
    graft_listing_init(&o->held_out, &o->dataset->arena);
    GRAFT_TRY(graft_arena_duplicate(&o->dataset->arena, &o->path, o->path));
    GRAFT_TRY(graft_arrangement_find(&o->arrangement, &o->dataset->arena, o->path));
out:
    return status;
}

static graft_status end(opening *o, graft_status status, graft_dataset **out)
{
    graft_arrangement_dispose(&o->arrangement);
    graft_listing_dispose(&o->train);
    graft_listing_dispose(&o->held_out);
    if (status == GRAFT_OK)
        *out = o->dataset;
    else
        graft_dataset_free(o->dataset);
    return status;
}

/* A sentence about a folder in which there is nothing to tell apart. */
static graft_status refuse_classless(const char *folder, const graft_listing *listing)
{
    size_t pictures = 0;
    for (size_t i = 0; i < listing->ignored.count; i++)
        pictures += graft_is_picture_name(listing->ignored.items[i]);
    if (pictures > 0)
        return graft_fail(
            GRAFT_EFORMAT,
            "%s: holds pictures (%zu) but no class folders; each class needs a folder of its own", folder,
            pictures);
    return graft_fail(GRAFT_EFORMAT, "%s: no folders here, where a folder for each class is wanted", folder);
}

static graft_status scan(opening *o)
{
    graft_status status;
    const graft_arrangement *a = &o->arrangement;
    graft_folder_id id;
    if (a->held_out) {
        GRAFT_TRY(graft_folder_identify(&id, a->held_out));
        GRAFT_TRY(graft_listing_scan(&o->held_out, a->held_out, a->held_out_root, NULL));
        if (o->held_out.classes.count == 0)
            return refuse_classless(a->held_out, &o->held_out);
    }
    GRAFT_TRY(graft_listing_scan(&o->train, a->train, a->root, a->held_out ? &id : NULL));
    if (o->train.classes.count == 0)
        return refuse_classless(a->train, &o->train);
out:
    return status;
}

/* ---- Classes ---- */

static graft_status take_classes(opening *o)
{
    graft_status status = GRAFT_OK;
    const graft_names *classes = &o->train.classes;
    if (classes->count == 1)
        return graft_fail(GRAFT_EFORMAT, "%s: one class only, %s, where two at least are needed",
                          o->arrangement.train, classes->items[0]);
    for (size_t i = 0; i < classes->count; i++) {
        if (!graft_text_is_utf8(classes->items[i], strlen(classes->items[i])))
            return graft_fail(GRAFT_EFORMAT, "%s: the name of class folder %zu is not UTF-8",
                              o->arrangement.train, i + 1);
        GRAFT_TRY(graft_names_add(&o->dataset->classes, classes->items[i]));
    }
out:
    return status;
}

static graft_status give_classes(opening *o, const char *const *classes, size_t count)
{
    graft_status status = GRAFT_OK;
    graft_arena *arena = &o->dataset->arena;
    o->given = true;
    o->by_index = !classes;
    for (size_t i = 0; i < count; i++) {
        const char *name;
        GRAFT_TRY(classes ? graft_arena_duplicate(arena, &name, classes[i])
                          : graft_arena_format(arena, &name, "%zu", i));
        GRAFT_TRY(graft_names_add(&o->dataset->classes, name));
    }
out:
    return status;
}

/* "7" and "007" are class 7. */
static int index_of(const char *name, size_t count)
{
    size_t digits = strspn(name, "0123456789");
    char *end;
    unsigned long index = strtoul(name, &end, 10);
    return digits > 0 && name[digits] == 0 && index < count ? (int)index : -1;
}

static int label_of(const opening *o, const char *name)
{
    const graft_names *classes = &o->dataset->classes;
    if (o->by_index)
        return index_of(name, classes->count);
    for (size_t i = 0; i < classes->count; i++)
        if (strcmp(classes->items[i], name) == 0)
            return (int)i;
    return -1;
}

static graft_status refuse_class(const opening *o, const char *folder, const char *name)
{
    const graft_names *classes = &o->dataset->classes;
    if (!o->given)
        return graft_fail(GRAFT_EFORMAT, "%s/%s: a held-out class that %s lacks", folder, name,
                          o->arrangement.train);
    if (o->by_index)
        return graft_fail(GRAFT_ENOTFOUND, "%s/%s: the folder's name is no class index (0 to %zu)", folder,
                          name, classes->count - 1);
    const char *nearest = graft_text_nearest(name, classes->items, classes->count);
    return graft_fail(GRAFT_ENOTFOUND, "%s/%s: none of the model's %zu classes%s%s%s", folder, name,
                      classes->count, nearest ? " (the nearest is " : "", nearest ? nearest : "",
                      nearest ? ")" : "");
}

/* ---- Samples ---- */

static graft_status add_samples(opening *o, const graft_listing *listing, const char *folder, graft_set set)
{
    graft_status status;
    int *labels = NULL;
    GRAFT_TRY(GRAFT_NEW_ARRAY(&labels, listing->classes.count));
    for (size_t i = 0; i < listing->classes.count; i++) {
        labels[i] = label_of(o, listing->classes.items[i]);
        if (labels[i] < 0) {
            status = refuse_class(o, folder, listing->classes.items[i]);
            goto out;
        }
    }
    for (size_t i = 0; i < listing->count; i++) {
        const graft_found *found = &listing->found[i];
        graft_sample sample = {found->path, found->name, labels[found->label], set, found->cause, 0};
        GRAFT_TRY(graft_dataset_add(o->dataset, &sample));
    }
out:
    free(labels);
    return status;
}

static graft_status add_names(graft_names *to, const graft_names *names)
{
    graft_status status = GRAFT_OK;
    for (size_t i = 0; i < names->count && status == GRAFT_OK; i++)
        status = graft_names_add(to, names->items[i]);
    return status;
}

/* Everything that was found, each picture opened once. */
static graft_status add_all(opening *o, graft_set held_out)
{
    graft_status status;
    graft_dataset *d = o->dataset;
    GRAFT_TRY(add_samples(o, &o->train, o->arrangement.train, GRAFT_SET_TRAIN));
    GRAFT_TRY(add_samples(o, &o->held_out, o->arrangement.held_out, held_out));
    GRAFT_TRY(add_names(&d->ignored, &o->train.ignored));
    GRAFT_TRY(add_names(&d->ignored, &o->held_out.ignored));
    GRAFT_TRY(add_names(&d->ignored, &o->arrangement.other));
    GRAFT_TRY(graft_check_samples(d, o->options));
out:
    return status;
}

/* ---- What is left ---- */

/* Samples `from` to `to`: the training part comes first, the held-out folder's behind it. */
typedef struct portion {
    const char *folder;
    size_t from, to;
} portion;

static const graft_sample *first_skipped(const graft_dataset *dataset, const portion *part, int label)
{
    for (size_t i = part->from; i < part->to; i++)
        if (dataset->samples[i].set == GRAFT_SET_SKIPPED && (label < 0 || dataset->samples[i].label == label))
            return &dataset->samples[i];
    return NULL;
}

/* A sentence about a part, or a class of it, in which nothing is left, and why. */
static graft_status refuse_empty(const graft_dataset *dataset, const portion *part, int label)
{
    const graft_sample *skipped = first_skipped(dataset, part, label);
    const char *name = label < 0 ? "" : dataset->classes.items[label];
    const char *slash = label < 0 ? "" : "/";
    if (skipped)
        return graft_fail(GRAFT_EFORMAT, "%s%s%s: no picture can be read (%s: %s)", part->folder, slash, name,
                          skipped->name, skipped->cause);
    return graft_fail(GRAFT_EFORMAT, "%s%s%s: no pictures here", part->folder, slash, name);
}

static graft_status check_left(const opening *o)
{
    const graft_dataset *d = o->dataset;
    portion train = {o->arrangement.train, 0, o->train.count};
    portion held_out = {o->arrangement.held_out, o->train.count, d->count};
    for (int label = 0; (size_t)label < d->classes.count; label++)
        if (graft_dataset_set_count(d, GRAFT_SET_TRAIN, label) == 0)
            return refuse_empty(d, &train, label);
    if (held_out.folder && graft_dataset_set_count(d, GRAFT_SET_HELD_OUT, -1) == 0)
        return refuse_empty(d, &held_out, -1);
    return GRAFT_OK;
}

static graft_status check_any_left(const opening *o)
{
    const graft_dataset *d = o->dataset;
    portion all = {o->path, 0, d->count};
    return graft_dataset_set_count(d, GRAFT_SET_ALL, -1) > 0 ? GRAFT_OK : refuse_empty(d, &all, -1);
}

graft_status graft_dataset_open(graft_dataset **dataset, const char *path,
                                const graft_dataset_options *options)
{
    graft_status status;
    opening o = {.path = path, .options = options};
    GRAFT_TRY(begin(&o));
    GRAFT_TRY(graft_arrangement_hold_out(&o.arrangement, &o.dataset->arena, options));
    GRAFT_TRY(scan(&o));
    GRAFT_TRY(take_classes(&o));
    GRAFT_TRY(add_all(&o, GRAFT_SET_HELD_OUT));
    GRAFT_TRY(check_left(&o));
    o.dataset->own_held_out = o.arrangement.held_out != NULL;
    if (!o.dataset->own_held_out)
        GRAFT_TRY(graft_split_draw(o.dataset->samples, o.dataset->count,
                                   options->held_out == GRAFT_AUTO ? usual_fraction : options->held_out,
                                   options->seed));
out:
    return end(&o, status, dataset);
}

graft_status graft_dataset_open_for(graft_dataset **dataset, const char *path, const char *const *classes,
                                    size_t count, const graft_dataset_options *options)
{
    graft_status status;
    opening o = {.path = path, .options = options};
    if (options->held_out > 0.0 || options->held_out_folder)
        return graft_fail(GRAFT_EARGUMENT, "%s: nothing is held out where a model is evaluated", path);
    if (count == 0)
        return graft_fail(GRAFT_EARGUMENT, "%s: a model without classes cannot be evaluated", path);
    GRAFT_TRY(begin(&o));
    GRAFT_TRY(give_classes(&o, classes, count));
    GRAFT_TRY(scan(&o));
    GRAFT_TRY(add_all(&o, GRAFT_SET_TRAIN));
    GRAFT_TRY(check_any_left(&o));
out:
    return end(&o, status, dataset);
}
