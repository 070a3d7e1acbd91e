/* Memory of many arrays that live about as long as each other: cut from chunks that are large enough for huge
 * pages. Where each array is allocated by itself a program spends more time on page faults than on filling
 * them: a fault costs about as much for 2 MB as for 4 kB. */
#ifndef GRAFT_BASE_CHUNK_H
#define GRAFT_BASE_CHUNK_H

#include <stddef.h>

#include <graft/status.h>

/* It is freed when the last array in it is, and nobody takes from it any more. */
typedef struct graft_chunk graft_chunk;

/* Takes from one chunk after another. Zeroed it has taken nothing. It is one thread's; the arrays are
 * anybody's. */
typedef struct graft_chunks {
    graft_chunk *current;
} graft_chunks;

/* *(T **)out = `bytes` bytes on a 64-byte boundary, not zeroed; *chunk is what is released instead of them.
 * Where `chunks` is NULL they are alone. */
graft_status graft_chunks_take(graft_chunks *chunks, void *out, graft_chunk **chunk, size_t bytes);
void graft_chunks_dispose(graft_chunks *chunks); /* what was taken stays */

graft_chunk *graft_chunk_share(graft_chunk *chunk);
void graft_chunk_release(graft_chunk *chunk); /* NULL is legal */

#endif
