/* A list of blocks, each twice as large as the one before up to a limit. */
#include "base/arena.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "base/memory.h"
#include "base/status.h"

struct graft_arena_block {
    graft_arena_block *next;
    size_t used;
    size_t size;
    max_align_t data[];
};

enum { FIRST_BLOCK = 4096, LARGEST_BLOCK = 1 << 18 };

void graft_arena_init(graft_arena *arena)
{
    arena->blocks = NULL;
}

void graft_arena_dispose(graft_arena *arena)
{
    while (arena->blocks) {
        graft_arena_block *block = arena->blocks;
        arena->blocks = block->next;
        free(block);
    }
}

static graft_status add_block(graft_arena *arena, size_t bytes)
{
    size_t size = arena->blocks ? arena->blocks->size * 2 : FIRST_BLOCK;
    if (size > LARGEST_BLOCK)
        size = LARGEST_BLOCK;
    if (size < bytes)
        size = bytes;
    graft_arena_block *block = NULL;
    graft_status status = graft_allocate(&block, 1, sizeof *block + size);
    if (status != GRAFT_OK)
        return status;
    block->size = size;
    block->next = arena->blocks;
    arena->blocks = block;
    return GRAFT_OK;
}

graft_status graft_arena_allocate(graft_arena *arena, void *out, size_t count, size_t size)
{
    size_t bytes;
    if (!graft_size_multiply(&bytes, count, size) || !graft_size_add(&bytes, bytes, sizeof(max_align_t)))
        return graft_fail(GRAFT_EMEMORY, "out of memory: %zu times %zu bytes is too much", count, size);
    bytes -= bytes % sizeof(max_align_t);
    if (!arena->blocks || arena->blocks->size - arena->blocks->used < bytes) {
        graft_status status = add_block(arena, bytes);
        if (status != GRAFT_OK)
            return status;
    }
    void *memory = (char *)arena->blocks->data + arena->blocks->used;
    arena->blocks->used += bytes;
    memcpy(out, &memory, sizeof memory);
    return GRAFT_OK;
}

graft_status graft_arena_duplicate(graft_arena *arena, const char **out, const char *text)
{
    return graft_arena_format(arena, out, "%s", text);
}

graft_status graft_arena_format(graft_arena *arena, const char **out, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    char *text = NULL;
    graft_status status = graft_arena_allocate(arena, &text, (size_t)length + 1, 1);
    if (status != GRAFT_OK)
        return status;
    va_start(arguments, format);
    vsnprintf(text, (size_t)length + 1, format, arguments);
    va_end(arguments);
    *out = text;
    return GRAFT_OK;
}
