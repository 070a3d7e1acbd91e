/* The folder of kept features: which files lie there, and room for more of them. */
#ifndef GRAFT_DATA_STORE_FOLDER_H
#define GRAFT_DATA_STORE_FOLDER_H

#include <graft/cache.h>

#include "data/store.h"

/* cache->folder, or graft's own; the caller's (free). GRAFT_ENOTFOUND. */
graft_status graft_store_folder(char **folder, const graft_cache *cache);
/* graft_store_open in that folder. */
graft_status graft_store_open_cache(graft_store **store, const graft_cache *cache,
                                    const graft_store_key *key);
/* Takes files away, those unused for longest first and never the store's own, until `bytes` more stay within
 * cache->size; of no bytes none. GRAFT_EEXISTS where that cannot be, and then nothing is taken for it. */
graft_status graft_store_make_room(const graft_store *store, const graft_cache *cache, uint64_t bytes);
/* Bytes that are free on the store's disk. */
uint64_t graft_store_free_bytes(const graft_store *store);

#endif
