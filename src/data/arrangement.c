/* How a dataset's folder is arranged: class folders, or train/ beside val/ (valid/, validation/) and test/.
 *
 * A folder `train` is the training set where a held-out folder lies beside it, and also where no other folder
 * but test/ does and it holds folders itself; otherwise it is a class like any other (a dataset of vehicles
 * has one). */
#include "data/arrangement.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/status.h"
#include "base/text.h"

static const char *const held_out_names[] = {"val", "valid", "validation", NULL};

void graft_arrangement_dispose(graft_arrangement *arrangement)
{
    graft_names_dispose(&arrangement->other);
}

/* ---- What lies in the folder ---- */

static bool is_held_out_name(const char *name)
{
    for (const char *const *word = held_out_names; *word; word++)
        if (strcmp(name, *word) == 0)
            return true;
    return false;
}

/* The folders that were seen; NULL where there is none of the name. */
typedef struct contents {
    const char *train, *held_out;
    bool others; /* a folder that is none of train, test and held out */
} contents;

static graft_status look_at(contents *seen, const graft_arrangement *a, graft_arena *arena, const char *name)
{
    const char *path;
    graft_status status = graft_folder_join(arena, &path, a->root, name);
    if (status != GRAFT_OK || !graft_path_is_folder(path))
        return status;
    if (strcmp(name, "train") == 0) {
        seen->train = path;
    } else if (!is_held_out_name(name)) {
        seen->others = seen->others || strcmp(name, "test") != 0;
    } else {
        if (seen->train && seen->held_out) /* sorted: train is seen before val */
            return graft_fail(GRAFT_EFORMAT, "%s: two held-out folders beside train/: %s/ and %s/", a->root,
                              graft_path_base(seen->held_out), name);
        seen->held_out = path;
    }
    return GRAFT_OK;
}

static bool holds_folders(graft_arena *arena, const char *folder, graft_status *status)
{
    graft_names names = {NULL, 0, 0};
    bool found = false;
    const char *path;
    *status = graft_folder_read(&names, arena, folder);
    for (size_t i = 0; i < names.count && *status == GRAFT_OK && !found; i++) {
        *status = graft_folder_join(arena, &path, folder, names.items[i]);
        found = *status == GRAFT_OK && graft_path_is_folder(path);
    }
    graft_names_dispose(&names);
    return found;
}

/* With train/, what else lies in the folder is not used; only test/ is expected there. */
static graft_status use_train(graft_arrangement *a, const contents *seen, const graft_names *names)
{
    graft_status status = GRAFT_OK;
    a->train = seen->train;
    a->held_out = seen->held_out;
    a->held_out_root = a->root;
    for (size_t i = 0; i < names->count; i++) {
        const char *name = names->items[i];
        bool used = strcmp(name, "train") == 0 || strcmp(name, "test") == 0 ||
                    (seen->held_out && strcmp(name, graft_path_base(seen->held_out)) == 0);
        if (!used)
            GRAFT_TRY(graft_names_add(&a->other, name));
    }
out:
    return status;
}

static graft_status arrange(graft_arrangement *a, graft_arena *arena, const graft_names *names)
{
    graft_status status = GRAFT_OK;
    contents seen = {NULL, NULL, false};
    for (size_t i = 0; i < names->count; i++)
        GRAFT_TRY(look_at(&seen, a, arena, names->items[i]));
    bool train = seen.train && (seen.held_out || (!seen.others && holds_folders(arena, seen.train, &status)));
    if (train && status == GRAFT_OK)
        GRAFT_TRY(use_train(a, &seen, names));
out:
    return status;
}

graft_status graft_arrangement_find(graft_arrangement *arrangement, graft_arena *arena, const char *data)
{
    graft_status status;
    graft_arrangement found = {.root = data, .train = data};
    graft_names names = {NULL, 0, 0};
    graft_folder_id id;
    GRAFT_TRY(graft_folder_identify(&id, data));
    GRAFT_TRY(graft_folder_read(&names, arena, data));
    if (names.count == 0) {
        status = graft_fail(GRAFT_EFORMAT, "%s: the folder is empty", data);
        goto out;
    }
    GRAFT_TRY(arrange(&found, arena, &names));
    *arrangement = found;
    found.other = (graft_names){NULL, 0, 0};
out:
    graft_names_dispose(&names);
    graft_arrangement_dispose(&found);
    return status;
}

/* ---- What is held out ---- */

/* The part of `path` below `folder`, both without links; NULL where it is not below. */
static const char *below(const char *path, const char *folder)
{
    size_t length = strlen(folder);
    bool inside = strncmp(path, folder, length) == 0 && path[length] == '/';
    return inside ? path + length + 1 : NULL;
}

/* Names of pictures in DATA are relative to it. Elsewhere they are paths, which begin with a slash or a dot:
 * names in DATA never do, so a name stays one picture's. */
static graft_status name_folder(graft_arrangement *a, graft_arena *arena, const char *folder)
{
    char real[PATH_MAX], real_root[PATH_MAX];
    a->held_out_root = NULL;
    if (realpath(folder, real) && realpath(a->root, real_root) && below(real, real_root)) {
        a->held_out_root = a->root;
        return graft_folder_join(arena, &a->held_out, a->root, below(real, real_root));
    }
    bool plain = folder[0] != '/' && folder[0] != '.';
    return graft_arena_format(arena, &a->held_out, "%s%s", plain ? "./" : "", folder);
}

static graft_status use_folder(graft_arrangement *a, graft_arena *arena, const char *folder)
{
    graft_status status;
    graft_folder_id id, train, own;
    GRAFT_TRY(graft_folder_identify(&id, folder));
    GRAFT_TRY(graft_folder_identify(&train, a->train));
    if (graft_folder_is_same(&id, &train))
        return graft_fail(GRAFT_EARGUMENT, "%s: the held-out folder is the training folder itself", folder);
    if (!a->held_out)
        return name_folder(a, arena, folder);
    GRAFT_TRY(graft_folder_identify(&own, a->held_out));
    if (!graft_folder_is_same(&id, &own))
        return graft_fail(GRAFT_EARGUMENT,
                          "%s: held-out pictures of its own lie in %s/, so %s cannot be held out", a->root,
                          graft_path_base(a->held_out), folder);
out:
    return status;
}

/* !(x >= 0) is also true of what is no number. */
static graft_status check_fraction(const graft_arrangement *a, const graft_dataset_options *options)
{
    double fraction = options->held_out;
    if (fraction == GRAFT_AUTO)
        return GRAFT_OK;
    if (!(fraction >= 0.0) || fraction >= 1.0)
        return graft_fail(GRAFT_EARGUMENT,
                          "a fraction of %g cannot be held out: 0 or more and less than 1 can", fraction);
    if (options->held_out_folder)
        return graft_fail(GRAFT_EARGUMENT, "a folder (%s) and a fraction (%g) cannot both be held out",
                          options->held_out_folder, fraction);
    if (a->held_out && fraction > 0.0)
        return graft_fail(
            GRAFT_EARGUMENT,
            "%s: held-out pictures of its own lie in %s/, so a fraction (%g) cannot be held out", a->root,
            graft_path_base(a->held_out), fraction);
    return GRAFT_OK;
}

graft_status graft_arrangement_hold_out(graft_arrangement *arrangement, graft_arena *arena,
                                        const graft_dataset_options *options)
{
    graft_status status = check_fraction(arrangement, options);
    if (status != GRAFT_OK)
        return status;
    if (options->held_out_folder)
        return use_folder(arrangement, arena, options->held_out_folder);
    if (options->held_out == 0.0)
        arrangement->held_out = NULL;
    return GRAFT_OK;
}
