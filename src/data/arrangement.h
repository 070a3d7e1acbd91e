/* How a dataset's folder is arranged, and which folder is held out. */
#ifndef GRAFT_DATA_ARRANGEMENT_H
#define GRAFT_DATA_ARRANGEMENT_H

#include <graft/data.h>

#include "data/scan.h"

typedef struct graft_arrangement {
    const char *root;          /* the dataset's folder; names are relative to it */
    const char *train;         /* the folder of class folders: root, or root/train */
    const char *held_out;      /* the folder of class folders that are held out; NULL where there is none */
    const char *held_out_root; /* what its names are relative to; NULL: names are paths */
    graft_names other;         /* names of what lies unused beside train/ */
} graft_arrangement;

/* Looks into the folder `data`; *arrangement takes over. GRAFT_ENOTFOUND, GRAFT_EIO, GRAFT_EFORMAT (a file,
 * empty, two held-out folders). */
graft_status graft_arrangement_find(graft_arrangement *arrangement, graft_arena *arena, const char *data);
void graft_arrangement_dispose(graft_arrangement *arrangement);

/* Settles what is held out: the caller's folder, DATA's own (not where the caller wants nothing held out), or
 * none. GRAFT_EARGUMENT for what contradicts itself. */
graft_status graft_arrangement_hold_out(graft_arrangement *arrangement, graft_arena *arena,
                                        const graft_dataset_options *options);

#endif
