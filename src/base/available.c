/* Memory that is left, as the kernel tells it. */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

/* "MemAvailable:   1234 kB" of /proc/meminfo, in bytes; SIZE_MAX where it is not told. */
static size_t of_machine(void)
{
    static const char key[] = "MemAvailable:";
    FILE *stream = fopen("/proc/meminfo", "re");
    char line[256];
    size_t bytes = SIZE_MAX;
    while (stream && fgets(line, sizeof line, stream))
        if (strncmp(line, key, sizeof key - 1) == 0)
            bytes = strtoul(line + sizeof key - 1, NULL, 10) * 1024;
    if (stream)
        fclose(stream);
    return bytes;
}

/* A file of one number; SIZE_MAX for "max" and where there is none. */
static size_t number_in(const char *path)
{
    FILE *stream = fopen(path, "re");
    unsigned long long number;
    bool read = stream && fscanf(stream, "%llu", &number) == 1;
    if (stream)
        fclose(stream);
    return read ? (size_t)number : SIZE_MAX;
}

/* Of a limit what is not used yet. */
static size_t of_group(const char *limit, const char *used)
{
    size_t most = number_in(limit), now = number_in(used);
    return most == SIZE_MAX || now == SIZE_MAX ? SIZE_MAX : now < most ? most - now : 0;
}

size_t graft_memory_available(void)
{
    size_t left[] = {of_machine(), of_group("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
                     of_group("/sys/fs/cgroup/memory/memory.limit_in_bytes",
                              "/sys/fs/cgroup/memory/memory.usage_in_bytes")};
    size_t least = left[0];
    for (int i = 1; i < 3; i++)
        least = left[i] < least ? left[i] : least;
    return least == SIZE_MAX ? 0 : least;
}
