/* The inside of a dataset. */
#ifndef GRAFT_DATA_DATASET_H
#define GRAFT_DATA_DATASET_H

#include <graft/data.h>

#include "base/arena.h"
#include "base/hash.h"
#include "data/scan.h"

struct graft_dataset {
    size_t identity;   /* not 0, and no other's in this process, as its address may be */
    graft_arena arena; /* every text */
    graft_names classes;
    graft_names ignored;
    graft_sample *samples;
    size_t count, capacity;
    graft_digest *contents; /* (count) SHA-256 of the files; NULL where they were not read */
    graft_set *drawn;       /* the sets as they were before a fold; NULL where there was none */
    bool own_held_out;
    graft_sight sight;
};

/* An empty dataset. */
graft_status graft_dataset_create(graft_dataset **dataset, graft_sight sight);
/* Texts of the sample must live as long as the dataset. */
graft_status graft_dataset_add(graft_dataset *dataset, const graft_sample *sample);

/* Whether a request for `set` means this sample. */
static inline bool graft_sample_is_in(const graft_sample *sample, graft_set set)
{
    return set == GRAFT_SET_ALL ? sample->set != GRAFT_SET_SKIPPED : sample->set == set;
}

#endif
