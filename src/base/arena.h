/* Many small things with one life: allocated one behind another, freed together. */
#ifndef GRAFT_BASE_ARENA_H
#define GRAFT_BASE_ARENA_H

#include <stddef.h>

#include <graft/status.h>

typedef struct graft_arena_block graft_arena_block;

typedef struct graft_arena {
    graft_arena_block *blocks;
} graft_arena;

void graft_arena_init(graft_arena *arena);
void graft_arena_dispose(graft_arena *arena);

/* *(T **)out = count zeroed elements, aligned for any type; valid until dispose. */
graft_status graft_arena_allocate(graft_arena *arena, void *out, size_t count, size_t size);
graft_status graft_arena_duplicate(graft_arena *arena, const char **out, const char *text);
graft_status graft_arena_format(graft_arena *arena, const char **out, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#define GRAFT_ARENA_NEW(arena, out, count) graft_arena_allocate((arena), (out), (count), sizeof **(out))

#endif
