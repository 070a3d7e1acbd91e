/* Finding pictures in class folders.
 *
 * Every folder in the dataset's folder is a class, and the pictures at any depth below it are the class's.
 * A picture is a file with one of the extensions that torchvision's ImageFolder takes, in upper or lower
 * case; hidden files and folders are not looked at; other files are listed as ignored. Links are followed.
 *
 * A folder is known by device and inode. It is entered once a class, and never where it is the dataset's own
 * folder, so loops of links end, and folders that link to each other cannot multiply. */
#include "data/scan.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <graft/data.h>

#include "base/memory.h"
#include "base/status.h"
#include "base/text.h"

/* ---- Names ---- */

void graft_names_dispose(graft_names *names)
{
    free(names->items);
    *names = (graft_names){NULL, 0, 0};
}

graft_status graft_names_add(graft_names *names, const char *name)
{
    graft_status status = GRAFT_GROW(&names->items, names->count, &names->capacity);
    if (status == GRAFT_OK)
        names->items[names->count++] = name;
    return status;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

bool graft_is_picture_name(const char *path)
{
    static const char *const extensions[] = {".jpg", ".jpeg", ".png",  ".ppm", ".bmp",
                                             ".pgm", ".tif",  ".tiff", ".webp"};
    const char *dot = strrchr(path, '.');
    for (size_t i = 0; dot && i < sizeof extensions / sizeof *extensions; i++)
        if (graft_text_same_letters(dot, extensions[i]))
            return true;
    return false;
}

/* ---- One folder ---- */

graft_status graft_folder_identify(graft_folder_id *id, const char *path)
{
    struct stat about;
    if (stat(path, &about) != 0) {
        if (errno == ENOENT || errno == ENOTDIR)
            return graft_fail(GRAFT_ENOTFOUND, "%s: there is no such folder", path);
        if (errno == ELOOP)
            return graft_fail(GRAFT_EIO, "%s: a loop of links, not a folder", path);
        return graft_fail_errno(errno, "%s: the folder cannot be read", path);
    }
    if (!S_ISDIR(about.st_mode))
        return graft_fail(GRAFT_EFORMAT, "%s: a file, where a folder with a folder for each class is wanted",
                          path);
    *id = (graft_folder_id){about.st_dev, about.st_ino};
    return GRAFT_OK;
}

bool graft_folder_is_same(const graft_folder_id *a, const graft_folder_id *b)
{
    return a->device == b->device && a->inode == b->inode;
}

graft_status graft_folder_read(graft_names *names, graft_arena *arena, const char *path)
{
    DIR *folder = opendir(path);
    if (!folder)
        return graft_fail_errno(errno, "%s: the folder cannot be read", path);
    graft_status status = GRAFT_OK;
    const struct dirent *entry;
    while (errno = 0, (entry = readdir(folder)) != NULL) {
        const char *name;
        if (entry->d_name[0] == '.')
            continue;
        GRAFT_TRY(graft_arena_duplicate(arena, &name, entry->d_name));
        GRAFT_TRY(graft_names_add(names, name));
    }
    if (errno != 0)
        status = graft_fail_errno(errno, "%s: the folder cannot be read", path);
    if (names->count > 1)
        qsort(names->items, names->count, sizeof *names->items, compare_names);
out:
    closedir(folder);
    return status;
}

graft_status graft_folder_join(graft_arena *arena, const char **path, const char *folder, const char *name)
{
    size_t length = strlen(folder);
    const char *slash = length && folder[length - 1] == '/' ? "" : "/";
    return graft_arena_format(arena, path, "%s%s%s", folder, slash, name);
}

/* ---- The walk through one class ---- */

void graft_listing_init(graft_listing *listing, graft_arena *arena)
{
    *listing = (graft_listing){.arena = arena};
}

void graft_listing_dispose(graft_listing *listing)
{
    graft_names_dispose(&listing->classes);
    graft_names_dispose(&listing->ignored);
    free(listing->found);
    *listing = (graft_listing){.arena = listing->arena};
}

struct walk {
    graft_listing *listing;
    size_t root; /* bytes of a path that are not part of the name */
    const graft_folder_id *left_out;
    graft_folder_id *entered; /* the dataset's folders, then those of this class */
    size_t entered_count, entered_capacity;
};

static graft_status add_found(struct walk *walk, const char *path, const char *cause)
{
    graft_listing *listing = walk->listing;
    graft_status status = GRAFT_GROW(&listing->found, listing->count, &listing->capacity);
    if (status == GRAFT_OK && cause)
        status = graft_arena_duplicate(listing->arena, &cause, cause);
    if (status != GRAFT_OK)
        return status;
    listing->found[listing->count++] =
        (graft_found){path, path + walk->root, cause, listing->classes.count - 1};
    return GRAFT_OK;
}

static graft_status add_ignored(struct walk *walk, const char *path)
{
    return graft_names_add(&walk->listing->ignored, path + walk->root);
}

static graft_status mark_entered(struct walk *walk, const graft_folder_id *id)
{
    graft_status status = GRAFT_GROW(&walk->entered, walk->entered_count, &walk->entered_capacity);
    if (status == GRAFT_OK)
        walk->entered[walk->entered_count++] = *id;
    return status;
}

static bool was_entered(const struct walk *walk, const graft_folder_id *id)
{
    for (size_t i = 0; i < walk->entered_count; i++)
        if (graft_folder_is_same(&walk->entered[i], id))
            return true;
    return false;
}

static graft_status walk_entry(struct walk *walk, const char *path);

static graft_status walk_folder(struct walk *walk, const char *path, const graft_folder_id *id)
{
    graft_status status;
    graft_names names = {NULL, 0, 0};
    GRAFT_TRY(mark_entered(walk, id));
    status = graft_folder_read(&names, walk->listing->arena, path);
    if (status == GRAFT_EIO)
        status = add_found(walk, path, graft_cause_without(graft_error_message(), path));
    for (size_t i = 0; i < names.count && status == GRAFT_OK; i++) {
        const char *below;
        GRAFT_TRY(graft_folder_join(walk->listing->arena, &below, path, names.items[i]));
        GRAFT_TRY(walk_entry(walk, below));
    }
out:
    graft_names_dispose(&names);
    return status;
}

/* What stat refuses is a picture that cannot be read if its name says so, or if it may be a folder. */
static graft_status add_refused(struct walk *walk, const char *path, int error)
{
    bool link = error == ENOENT || error == ELOOP;
    if (link && !graft_is_picture_name(path))
        return add_ignored(walk, path);
    return add_found(walk, path,
                     error == ENOENT  ? "a link that leads nowhere"
                     : error == ELOOP ? "a loop of links"
                                      : strerror(error));
}

static graft_status walk_entry(struct walk *walk, const char *path)
{
    struct stat about;
    if (stat(path, &about) != 0)
        return add_refused(walk, path, errno);
    if (!S_ISDIR(about.st_mode))
        return graft_is_picture_name(path) ? add_found(walk, path, NULL) : add_ignored(walk, path);
    graft_folder_id id = {about.st_dev, about.st_ino};
    if (walk->left_out && graft_folder_is_same(walk->left_out, &id))
        return GRAFT_OK;
    return was_entered(walk, &id) ? add_ignored(walk, path) : walk_folder(walk, path, &id);
}

/* ---- The class folders ---- */

static graft_status scan_class(struct walk *walk, const char *path, const char *name)
{
    struct stat about;
    if (stat(path, &about) != 0) {
        if (errno == ENOENT || errno == ELOOP)
            return add_ignored(walk, path);
        return graft_fail_errno(errno, "%s: cannot be read", path);
    }
    graft_folder_id id = {about.st_dev, about.st_ino};
    if (S_ISDIR(about.st_mode) && walk->left_out && graft_folder_is_same(walk->left_out, &id))
        return GRAFT_OK;
    if (!S_ISDIR(about.st_mode) || was_entered(walk, &id))
        return add_ignored(walk, path);
    graft_status status = graft_names_add(&walk->listing->classes, name);
    size_t base = walk->entered_count;
    if (status == GRAFT_OK)
        status = walk_folder(walk, path, &id);
    walk->entered_count = base;
    return status;
}

/* The folders that no class may lead back to: the dataset's and the one with the classes. */
static graft_status enter_roots(struct walk *walk, const char *folder, const char *root)
{
    graft_folder_id id;
    graft_status status = graft_folder_identify(&id, folder);
    if (status == GRAFT_OK)
        status = mark_entered(walk, &id);
    if (status == GRAFT_OK && root)
        status = graft_folder_identify(&id, root);
    return status == GRAFT_OK ? mark_entered(walk, &id) : status;
}

/* How long `root` and the slash behind it are. */
static size_t root_length(const char *root)
{
    size_t length = root ? strlen(root) : 0;
    return length && root[length - 1] != '/' ? length + 1 : length;
}

graft_status graft_listing_scan(graft_listing *listing, const char *folder, const char *root,
                                const graft_folder_id *left_out)
{
    graft_status status;
    graft_names names = {NULL, 0, 0};
    struct walk walk = {.listing = listing, .root = root_length(root), .left_out = left_out};
    GRAFT_TRY(enter_roots(&walk, folder, root));
    GRAFT_TRY(graft_folder_read(&names, listing->arena, folder));
    for (size_t i = 0; i < names.count; i++) {
        const char *path;
        GRAFT_TRY(graft_folder_join(listing->arena, &path, folder, names.items[i]));
        GRAFT_TRY(scan_class(&walk, path, names.items[i]));
    }
out:
    graft_names_dispose(&names);
    free(walk.entered);
    return status;
}
