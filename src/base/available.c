/* Memory that is left, as the kernel tells it: MemAvailable of the machine, and of the control group, version
 * 2 or 1, its limit less what is used. A group's use includes the files that it has read, which the kernel
 * gives up when memory is asked for (MemAvailable counts them as available too). */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

enum { PATH = 4096, LINE = 256 };

/* The number behind a key, which begins a line of FOLDER/NAME; SIZE_MAX for "max" and where there is none. */
static size_t number_of(const char *folder, const char *name, const char *key)
{
    char path[PATH], line[LINE], *end;
    size_t length = strlen(key), number = SIZE_MAX;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *stream = fopen(path, "re");
    while (stream && number == SIZE_MAX && fgets(line, sizeof line, stream)) {
        if (strncmp(line, key, length) != 0)
            continue;
        unsigned long long value = strtoull(line + length, &end, 10);
        if (end > line + length)
            number = (size_t)value;
    }
    if (stream)
        fclose(stream);
    return number;
}

static size_t of_machine(const char *proc)
{
    size_t kilobytes = number_of(proc, "meminfo", "MemAvailable:");
    return kilobytes == SIZE_MAX ? SIZE_MAX : kilobytes * 1024;
}

/* Files of a version of control groups, and keys of the last one. */
typedef struct version {
    const char *limit, *used, *statistics, *files[2];
} version;

static const version versions[] = {
    {"memory.max", "memory.current", "memory.stat", {"inactive_file ", "active_file "}},
    {"memory/memory.limit_in_bytes",
     "memory/memory.usage_in_bytes",
     "memory/memory.stat",
     {"total_inactive_file ", "total_active_file "}}};

static size_t of_group(const char *folder, const version *v)
{
    size_t most = number_of(folder, v->limit, ""), used = number_of(folder, v->used, "");
    if (most == SIZE_MAX || used == SIZE_MAX)
        return SIZE_MAX;
    for (int i = 0; i < 2; i++) {
        size_t read = number_of(folder, v->statistics, v->files[i]);
        used -= read == SIZE_MAX ? 0 : read < used ? read : used;
    }
    return used < most ? most - used : 0;
}

size_t graft_memory_available_in(const char *proc, const char *groups)
{
    size_t least = of_machine(proc);
    for (int i = 0; i < 2; i++) {
        size_t left = of_group(groups, &versions[i]);
        least = left < least ? left : least;
    }
    return least;
}

size_t graft_memory_available(void)
{
    return graft_memory_available_in("/proc", "/sys/fs/cgroup");
}
