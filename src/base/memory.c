/* The heap with messages, and the countdown of the tests. */
#include "base/memory.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/checked.h"
#include "base/number.h"
#include "base/status.h"

enum { LINE = 64, HUGE = 2 << 20 };

/* 0: off. The one mutable global, for tests only: which allocation is the first to fail. */
static atomic_long countdown;

void graft_memory_fail_after(long n)
{
    atomic_store(&countdown, n);
}

static bool fails_now(void)
{
    long n = atomic_load_explicit(&countdown, memory_order_relaxed);
    if (n == 0)
        return false;
    if (n == 1)
        return true;
    atomic_fetch_sub(&countdown, 1);
    return false;
}

static graft_status no_memory(size_t bytes)
{
    return graft_fail(GRAFT_EMEMORY, "out of memory: %zu bytes more were needed", bytes);
}

graft_status graft_allocate(void *out, size_t count, size_t size)
{
    size_t bytes;
    if (!graft_size_multiply(&bytes, count, size) || bytes > PTRDIFF_MAX)
        return graft_fail(GRAFT_EMEMORY, "out of memory: %zu times %zu bytes is too much", count, size);
    void *memory = fails_now() ? NULL : calloc(bytes ? bytes : 1, 1);
    if (!memory)
        return no_memory(bytes);
    memcpy(out, &memory, sizeof memory);
    return GRAFT_OK;
}

graft_status graft_reallocate(void *out, size_t count, size_t size)
{
    size_t bytes;
    if (!graft_size_multiply(&bytes, count, size) || bytes > PTRDIFF_MAX)
        return graft_fail(GRAFT_EMEMORY, "out of memory: %zu times %zu bytes is too much", count, size);
    void *memory;
    memcpy(&memory, out, sizeof memory);
    memory = fails_now() ? NULL : realloc(memory, bytes ? bytes : 1);
    if (!memory)
        return no_memory(bytes);
    memcpy(out, &memory, sizeof memory);
    return GRAFT_OK;
}

/* Huge pages make a third of the faults' time, but not for what is large: in virtual machines, whose host
 * takes back what lies free, a gigabyte of them took three times as long as of small pages. Whole ones are
 * asked for and no more, so that the end of a block takes what it needs. */
static bool suits_huge_pages(size_t bytes)
{
    return bytes >= HUGE && bytes <= 4 * HUGE;
}

graft_status graft_allocate_aligned(void *out, size_t bytes)
{
    bool huge = suits_huge_pages(bytes);
    void *memory = NULL;
    if (fails_now() || posix_memalign(&memory, huge ? HUGE : LINE, bytes ? bytes : LINE) != 0)
        return no_memory(bytes);
    if (huge)
        madvise(memory, bytes - bytes % HUGE, MADV_HUGEPAGE);
    memcpy(out, &memory, sizeof memory);
    return GRAFT_OK;
}

graft_status graft_duplicate(char **out, const char *text)
{
    size_t size = strlen(text) + 1;
    char *copy = NULL;
    graft_status status = graft_allocate(&copy, size, 1);
    if (status != GRAFT_OK)
        return status;
    memcpy(copy, text, size);
    *out = copy;
    return GRAFT_OK;
}

graft_status graft_format(char **out, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int length = graft_number_vprint(NULL, 0, format, arguments);
    va_end(arguments);
    char *text = NULL;
    graft_status status = graft_allocate(&text, (size_t)length + 1, 1);
    if (status != GRAFT_OK)
        return status;
    va_start(arguments, format);
    graft_number_vprint(text, (size_t)length + 1, format, arguments);
    va_end(arguments);
    *out = text;
    return GRAFT_OK;
}

graft_status graft_grow(void *out, size_t count, size_t *capacity, size_t size)
{
    if (count < *capacity)
        return GRAFT_OK;
    size_t wanted = *capacity ? *capacity : 8;
    while (wanted <= count)
        if (!graft_size_multiply(&wanted, wanted, 2))
            return graft_fail(GRAFT_EMEMORY, "out of memory: a list of %zu is too long", count);
    graft_status status = graft_reallocate(out, wanted, size);
    if (status == GRAFT_OK)
        *capacity = wanted;
    return status;
}

/* /proc/self/status gives "VmHWM:   1234 kB". */
size_t graft_memory_peak(void)
{
    FILE *stream = fopen("/proc/self/status", "re");
    if (!stream)
        return 0;
    static const char key[] = "VmHWM:";
    char line[256];
    size_t kilobytes = 0;
    while (fgets(line, sizeof line, stream))
        if (strncmp(line, key, sizeof key - 1) == 0)
            kilobytes = strtoul(line + sizeof key - 1, NULL, 10);
    fclose(stream);
    return kilobytes * 1024;
}
