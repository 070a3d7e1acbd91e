/* Kept features: what crosses a model's frozen boundary for a picture, computed once. Whether they are kept,
 * and where, training has the same bits. */
#ifndef GRAFT_CACHE_H
#define GRAFT_CACHE_H

#include <stddef.h>
#include <stdint.h>

#include <graft/status.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum graft_cache_kind {
    /* DISK where the folder can be written, the features fit in `size` and what is new of them takes half of
     * what is free there at most; else MEMORY where they take half of what is free at most; else NONE. */
    GRAFT_CACHE_AUTO = -1,
    GRAFT_CACHE_NONE = 0, /* computed anew in every epoch */
    GRAFT_CACHE_MEMORY,   /* gone with the process; the library's default: it writes nowhere unasked */
    /* In files, mapped, so that a second run, another head, another split or an added picture computes only
     * what is new. It is also noted which contents could be decoded: graft_dataset_open need not decode them
     * again. What cannot be written is in memory. */
    GRAFT_CACHE_DISK
} graft_cache_kind;

typedef struct graft_cache {
    int kind;           /* graft_cache_kind */
    const char *folder; /* NULL: graft_cache_path's "features" */
    uint64_t size;      /* bytes that the files may have together: those unused for longest make room */
} graft_cache;
#define GRAFT_CACHE_SIZE (UINT64_C(16) << 30)
#define GRAFT_CACHE_INIT                           \
    {                                              \
        GRAFT_CACHE_MEMORY, NULL, GRAFT_CACHE_SIZE \
    }

/* ---- What is there ---- */

typedef struct graft_cache_file {
    const char *path;
    const char *key; /* lines: of what the rows are, and which versions made them */
    size_t bytes;    /* on disk */
    size_t row;      /* bytes of a row; 0: contents that could be decoded are noted */
    size_t rows;     /* 0 until they are counted */
    double age;      /* seconds since it was used last */
} graft_cache_file;

typedef struct graft_cache_list graft_cache_list;

/* The files of a folder (NULL: graft's own), the latest used first; a folder that is not there has none.
 * GRAFT_EIO, GRAFT_ENOTFOUND (it is not known where graft's folder is). */
GRAFT_API graft_status graft_cache_list_open(graft_cache_list **list, const char *folder);
GRAFT_API void graft_cache_list_free(graft_cache_list *list); /* NULL is legal */
GRAFT_API const char *graft_cache_list_folder(const graft_cache_list *list);
GRAFT_API size_t graft_cache_list_count(const graft_cache_list *list);
GRAFT_API const graft_cache_file *graft_cache_list_at(const graft_cache_list *list, size_t index);
GRAFT_API size_t graft_cache_list_bytes(const graft_cache_list *list); /* of all files, on disk */
/* Sets every file's `rows`, for which all their records are read; of one that has gone it stays 0. */
GRAFT_API void graft_cache_list_count_rows(graft_cache_list *list);
/* Takes all of them away, and what a process that was killed has left; nothing else. A process that uses one
 * goes on. *bytes is what they had. GRAFT_EIO, once all have gone that can. */
GRAFT_API graft_status graft_cache_clear(const char *folder, size_t *bytes);

#ifdef __cplusplus
}
#endif
#endif
