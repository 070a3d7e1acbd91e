/* The heap, as everything in graft uses it: zeroed, overflow-checked, with a message on failure, and with
 * a countdown by which a test makes the n-th allocation fail. */
#ifndef GRAFT_BASE_MEMORY_H
#define GRAFT_BASE_MEMORY_H

#include <stddef.h>

#include <graft/status.h>
#include <graft/tools.h>

/* *(T **)out = count zeroed elements of `size` bytes (never NULL, also for 0). Free with free(). */
graft_status graft_allocate(void *out, size_t count, size_t size);

/* Grows *(T **)out from any size to `count` elements; new elements are not initialised. */
graft_status graft_reallocate(void *out, size_t count, size_t size);

/* The same on a 64-byte boundary, not zeroed, of huge pages where that saves time. Free with free(). */
graft_status graft_allocate_aligned(void *out, size_t bytes);

/* A copy of a string. */
graft_status graft_duplicate(char **out, const char *text);
graft_status graft_format(char **out, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Doubles the capacity of an array so that one more fits: GRAFT_TRY(GRAFT_GROW(&list, count, &capacity)). */
graft_status graft_grow(void *out, size_t count, size_t *capacity, size_t size);

#define GRAFT_NEW(out)                   graft_allocate((out), 1, sizeof **(out))
#define GRAFT_NEW_ARRAY(out, count)      graft_allocate((out), (count), sizeof **(out))
#define GRAFT_GROW(out, count, capacity) graft_grow((out), (count), (capacity), sizeof **(out))

/* Tests: the n-th allocation from now on (1 = the next) fails, and so do all after it; 0 switches it off. */
void graft_memory_fail_after(long n);

/* Bytes that this machine, or the control group that the process is in, could still give; SIZE_MAX: not
 * known. */
size_t graft_memory_available(void);
/* The same as such folders tell it: /proc, /sys/fs/cgroup. */
size_t graft_memory_available_in(const char *proc, const char *groups);

#endif
