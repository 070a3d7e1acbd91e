/* Chunks with a count. An array that would not fit into a new chunk beside others has one of its own, so that
 * releasing it gives its memory back. */
#include "base/chunk.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

struct graft_chunk {
    int references; /* atomic: the arrays in it, and who takes from it */
    char *data;
    size_t used, size;
};

/* Under AddressSanitizer each array is alone, so that what is beyond its end belongs to nobody. */
#ifdef __has_feature
#if __has_feature(address_sanitizer)
#define __SANITIZE_ADDRESS__ 1 /* as gcc says it */
#endif
#endif
#ifdef __SANITIZE_ADDRESS__
static const bool all_alone = true;
#else
static const bool all_alone = false;
#endif

enum { SIZE = 8 << 20, LARGE = SIZE / 2, ALIGNMENT = 64 };

static graft_status create(graft_chunk **out, size_t bytes)
{
    graft_status status;
    graft_chunk *chunk = NULL;
    GRAFT_TRY(GRAFT_NEW(&chunk));
    GRAFT_TRY(graft_allocate_aligned(&chunk->data, bytes));
    chunk->references = 1;
    chunk->size = bytes;
    *out = chunk;
    return GRAFT_OK;
out:
    free(chunk);
    return status;
}

graft_chunk *graft_chunk_share(graft_chunk *chunk)
{
    __atomic_add_fetch(&chunk->references, 1, __ATOMIC_RELAXED);
    return chunk;
}

void graft_chunk_release(graft_chunk *chunk)
{
    if (!chunk || __atomic_sub_fetch(&chunk->references, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    free(chunk->data);
    free(chunk);
}

static graft_status make_room(graft_chunks *chunks, size_t bytes)
{
    graft_chunk *fresh;
    if (chunks->current && chunks->current->size - chunks->current->used >= bytes)
        return GRAFT_OK;
    graft_status status = create(&fresh, SIZE);
    if (status != GRAFT_OK)
        return status;
    graft_chunk_release(chunks->current);
    chunks->current = fresh;
    return GRAFT_OK;
}

static graft_status take_alone(void *out, graft_chunk **chunk, size_t bytes)
{
    graft_status status = create(chunk, bytes);
    if (status == GRAFT_OK)
        memcpy(out, &(*chunk)->data, sizeof(void *));
    return status;
}

graft_status graft_chunks_take(graft_chunks *chunks, void *out, graft_chunk **chunk, size_t bytes)
{
    if (!chunks || all_alone || bytes >= LARGE)
        return take_alone(out, chunk, bytes);
    bytes = (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    graft_status status = make_room(chunks, bytes);
    if (status != GRAFT_OK)
        return status;
    graft_chunk *current = chunks->current;
    void *memory = current->data + current->used;
    current->used += bytes;
    memcpy(out, &memory, sizeof memory);
    *chunk = graft_chunk_share(current);
    return GRAFT_OK;
}

void graft_chunks_dispose(graft_chunks *chunks)
{
    graft_chunk_release(chunks->current);
    chunks->current = NULL;
}
