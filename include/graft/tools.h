/* Small things that programs around graft need as well: whole files, the word that was meant, and what the
 * machine gives this process. */
#ifndef GRAFT_TOOLS_H
#define GRAFT_TOOLS_H

#include <stddef.h>
#include <stdint.h>

#include <graft/status.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Writes a file whole or not at all: beside its place, synced, renamed. GRAFT_EIO says what the system said,
 * and what was there before is still there. */
GRAFT_API graft_status graft_file_write(const char *path, const void *bytes, size_t size);

/* Reads a whole regular file of `limit` bytes at most. *data is the caller's (free). GRAFT_EIO names the
 * file. */
GRAFT_API graft_status graft_file_read(const char *path, size_t limit, uint8_t **data, size_t *size);

/* A folder with its parents; one that exists is fine. GRAFT_EIO. */
GRAFT_API graft_status graft_folder_create(const char *path);

/* ${XDG_CACHE_HOME:-~/.cache}/graft/NAME, where graft keeps published weights and kept features; nothing is
 * created. *path is the caller's (free). GRAFT_ENOTFOUND where neither variable is set. */
GRAFT_API graft_status graft_cache_path(char **path, const char *name);

/* The nearest of `count` candidates by insertions, deletions, substitutions and swaps of neighbours, or NULL
 * where none is near enough to be meant. Borrowed from the candidates. */
GRAFT_API const char *graft_text_nearest(const char *word, const char *const *candidates, size_t count);

/* A cause without the "PATH: " that it may begin with, where graft writes '?' for what a terminal must not
 * get; it points into it. */
GRAFT_API const char *graft_cause_without(const char *cause, const char *path);

/* The cores that this process may use: its affinity mask, and its control group's quota rounded up; at least
 * 1. */
GRAFT_API int graft_cores(void);
/* Decoding threads that suit so many threads of arithmetic: as many, four at most. */
GRAFT_API int graft_workers(int threads);

/* Bytes of this process: the most that were resident at once (0 where the system does not say). */
GRAFT_API size_t graft_memory_peak(void);

/* Seconds of a monotonic clock. */
GRAFT_API double graft_clock(void);

#ifdef __cplusplus
}
#endif
#endif
