/* Where an executor's features are kept: in memory, on disk, or not at all. Whatever it becomes, training has
 * the same bits. */
#ifndef GRAFT_TRAIN_KEEP_H
#define GRAFT_TRAIN_KEEP_H

#include "base/buffer.h"
#include "train/executor.h"

enum { GRAFT_KEEP_WORD = 512 };

typedef struct graft_keep {
    const graft_cache *cache; /* what is asked for */
    const graft_dataset *dataset;
    int first,
        views; /* of a training picture, the first one's number; of a held-out one there is the plain one */
    graft_cache_kind kind;      /* what it became */
    size_t wanted, found;       /* rows in all, and those that were on disk already */
    char word[GRAFT_KEEP_WORD]; /* what a person should know of it, or "" */
} graft_keep;

/* Decides, once the executor knows its plans and before any loader is attached to it: sets kind, wanted,
 * found and word, opens the store, and takes the executor's features away where nothing is to be kept. A
 * cache that cannot be used is a word and no failure. */
graft_status graft_keep_settle(graft_keep *keep, graft_executor *executor);
/* Takes what is on disk; how many rows are wanted that are not kept. */
size_t graft_keep_missing(const graft_keep *keep, graft_executor *executor);
/* Whether the store stopped taking rows since then: the word says why. */
bool graft_keep_has_trouble(graft_keep *keep, const graft_executor *executor);

/* The store's key of what crosses this executor's boundary. Texts are the caller's (graft_buffer_dispose). */
typedef struct graft_keep_key {
    graft_buffer identity, versions;
} graft_keep_key;
graft_status graft_keep_describe(graft_keep_key *key, graft_executor *executor);
void graft_keep_key_dispose(graft_keep_key *key);

#endif
