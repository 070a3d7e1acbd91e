/* Which pictures lie in a folder, and what their classes are called. Nothing is opened but folders. */
#ifndef GRAFT_DATA_SCAN_H
#define GRAFT_DATA_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include <graft/status.h>

#include "base/arena.h"

/* A list of texts that an arena owns. */
typedef struct graft_names {
    const char **items;
    size_t count, capacity;
} graft_names;

void graft_names_dispose(graft_names *names);
graft_status graft_names_add(graft_names *names, const char *name);

/* Which folder it is, whatever path leads there. */
typedef struct graft_folder_id {
    dev_t device;
    ino_t inode;
} graft_folder_id;

typedef struct graft_found {
    const char *path;  /* as it can be opened */
    const char *name;  /* the end of `path` behind the dataset's folder */
    const char *cause; /* why it (a file, or a folder below a class) cannot be read, else NULL */
    size_t label;      /* index in classes */
} graft_found;

/* What class folders hold; texts live in the arena. Classes are sorted bytewise. */
typedef struct graft_listing {
    graft_arena *arena;
    graft_names classes;
    graft_names ignored; /* names of what was passed over: not a picture by its name, or seen already */
    graft_found *found;
    size_t count, capacity;
} graft_listing;

void graft_listing_init(graft_listing *listing, graft_arena *arena);
void graft_listing_dispose(graft_listing *listing);

/* Reads the class folders in `folder`. `root`: the dataset's folder, which `folder` is or begins with; names
 * are relative to it; NULL: names are paths. The folder `left_out` (NULL: none) is passed over in silence.
 * GRAFT_EIO where `folder` cannot be read; what lies deeper and cannot be read gets a cause. */
graft_status graft_listing_scan(graft_listing *listing, const char *folder, const char *root,
                                const graft_folder_id *left_out);

/* Whether a path is a folder, and which. GRAFT_ENOTFOUND, GRAFT_EIO, GRAFT_EFORMAT. */
graft_status graft_folder_identify(graft_folder_id *id, const char *path);
bool graft_folder_is_same(const graft_folder_id *a, const graft_folder_id *b);
/* The names in a folder that are not hidden, sorted bytewise, added to an empty list. GRAFT_EIO. */
graft_status graft_folder_read(graft_names *names, graft_arena *arena, const char *path);
graft_status graft_folder_join(graft_arena *arena, const char **path, const char *folder, const char *name);

/* Whether a name ends as those of the pictures that are read. */
bool graft_is_picture_name(const char *path);

#endif
