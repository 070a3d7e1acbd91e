/* The rule by which features are kept on disk, in memory or not at all (graft/cache.h states it), and what is
 * kept at any moment. */
#include "train/keep.h"

#include <stdio.h>

#include "base/memory.h"
#include "base/status.h"
#include "data/dataset.h"
#include "data/store_folder.h"

/* The last failure's sentence, which is fit to be shown. */
static void take_word(graft_keep *keep)
{
    snprintf(keep->word, sizeof keep->word, "%s", graft_error_message());
}

/* What the store has to say. */
static void take_store_word(graft_keep *keep, const graft_store *store, const char *tail)
{
    graft_fail(GRAFT_EIO, "%s: %s%s", graft_store_path(store), graft_store_word(store), tail);
    take_word(keep);
}

/* ---- Rows ---- */

/* Which views of a sample are wanted: `first` up to below the end that is returned. */
static int views_of(const graft_keep *keep, size_t sample, int *first)
{
    graft_set set = keep->dataset->samples[sample].set;
    *first = set == GRAFT_SET_TRAIN ? keep->first : GRAFT_VIEW_PLAIN;
    return *first + (set == GRAFT_SET_TRAIN ? keep->views : set == GRAFT_SET_HELD_OUT ? 1 : 0);
}

static void count_rows(graft_keep *keep, const graft_features *features)
{
    int view;
    keep->wanted = keep->found = 0;
    for (size_t i = 0; i < keep->dataset->count; i++)
        for (int end = views_of(keep, i, &view); view < end; view++) {
            keep->wanted++;
            keep->found += graft_features_stored(features, (int)i, view);
        }
}

size_t graft_keep_missing(const graft_keep *keep, graft_executor *e)
{
    size_t missing = 0;
    int view;
    for (size_t i = 0; i < keep->dataset->count && e->features; i++)
        for (int end = views_of(keep, i, &view); view < end; view++)
            missing += !graft_features_recall(e->features, (int)i, view);
    return missing;
}

bool graft_keep_has_trouble(graft_keep *keep, const graft_executor *e)
{
    const graft_store *store = e->features ? graft_features_store(e->features) : NULL;
    bool trouble = store && graft_store_is_closed(store) && graft_store_word(store);
    if (trouble)
        take_store_word(keep, store, "; what is new is kept in memory");
    return trouble;
}

/* ---- The rule ---- */

static graft_status open_store(graft_store **store, const graft_keep *keep, graft_executor *e)
{
    graft_status status;
    graft_keep_key key;
    GRAFT_TRY(graft_keep_describe(&key, e));
    const graft_store_key k = {e->model->recipe.network->name, key.identity.data, key.versions.data, e->row};
    status = graft_store_open_cache(store, keep->cache, &k);
    graft_keep_key_dispose(&key);
out:
    return status;
}

/* Whether what is new may be written: the bound holds for DISK too, half of the disk for AUTO alone. */
static graft_status make_room(const graft_keep *keep, const graft_store *store)
{
    uint64_t bytes = (uint64_t)graft_store_row_bytes(store) * (keep->wanted - keep->found);
    uint64_t left = graft_store_free_bytes(store);
    if (keep->kind == GRAFT_CACHE_AUTO && bytes > left / 2)
        return graft_fail(GRAFT_EEXISTS, "%s: %.1f MB would take more than half of what is free there",
                          graft_store_path(store), 1e-6 * (double)bytes);
    return graft_store_make_room(store, keep->cache, bytes);
}

/* AUTO takes half of what is free; asked for, and where the Gram form needs it, memory is taken. */
static bool fits_in_memory(const graft_keep *keep, const graft_executor *e, size_t rows)
{
    size_t left = graft_memory_available();
    return keep->kind != GRAFT_CACHE_AUTO || e->gram || rows * e->row * sizeof(float) <= left / 2;
}

/* Without room for what is new, what is there already is read all the same. */
static bool may_read(const graft_keep *keep, const graft_executor *e)
{
    return keep->found > 0 && fits_in_memory(keep, e, keep->wanted - keep->found);
}

static void read_only(graft_keep *keep, graft_store *store)
{
    graft_store_stop(store);
    keep->kind = GRAFT_CACHE_DISK;
    graft_fail(GRAFT_EEXISTS, "%s; what is new is kept in memory", graft_error_message());
    take_word(keep);
}

/* GRAFT_EMEMORY is the only failure; anything else is a word. */
static graft_status try_disk(graft_keep *keep, graft_executor *e)
{
    graft_store *store = NULL;
    graft_status status = keep->dataset->contents
                              ? open_store(&store, keep, e)
                              : graft_fail(GRAFT_EARGUMENT, "the pictures' contents are not known");
    if (status == GRAFT_OK) {
        graft_features_use_store(e->features, store);
        count_rows(keep, e->features);
        status = make_room(keep, store);
        if (status == GRAFT_EEXISTS && may_read(keep, e)) {
            read_only(keep, store);
            return GRAFT_OK;
        }
    }
    if (status == GRAFT_OK) {
        keep->kind = GRAFT_CACHE_DISK;
        if (graft_store_word(store))
            take_store_word(keep, store, "");
        return GRAFT_OK;
    }
    take_word(keep);
    graft_features_use_store(e->features, NULL);
    graft_store_close(store);
    keep->found = 0;
    return status == GRAFT_EMEMORY ? status : GRAFT_OK;
}

static void try_memory(graft_keep *keep, const graft_executor *e)
{
    if (fits_in_memory(keep, e, keep->wanted)) {
        keep->kind = GRAFT_CACHE_MEMORY;
        return;
    }
    keep->kind = GRAFT_CACHE_NONE;
    graft_fail(GRAFT_EEXISTS, "%s; in memory %.1f MB would be more than half of what is free", keep->word,
               1e-6 * (double)(keep->wanted * e->row * sizeof(float)));
    take_word(keep);
    keep->wanted = 0;
}

graft_status graft_keep_settle(graft_keep *keep, graft_executor *e)
{
    graft_status status = GRAFT_OK;
    keep->kind = e->features ? (graft_cache_kind)keep->cache->kind : GRAFT_CACHE_NONE;
    keep->word[0] = 0;
    keep->wanted = keep->found = 0;
    if (e->gram && keep->kind == GRAFT_CACHE_NONE)
        keep->kind = GRAFT_CACHE_MEMORY; /* what the Gram form needs is the run's own */
    if (keep->kind == GRAFT_CACHE_NONE)
        goto out;
    count_rows(keep, e->features);
    if (graft_features_store(e->features)) /* a phase before has opened it */
        keep->kind = GRAFT_CACHE_DISK;
    else if (keep->kind != GRAFT_CACHE_MEMORY)
        GRAFT_TRY(try_disk(keep, e));
    if (!graft_features_store(e->features))
        try_memory(keep, e);
out:
    if (keep->kind == GRAFT_CACHE_NONE) {
        graft_features_release(e->features);
        e->features = NULL;
    }
    return status;
}
