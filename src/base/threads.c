/* Affinity and control groups, as the kernel shows them to a process. */
#include <graft/tools.h>

#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { MOST_WORKERS = 4 };

static int affinity_cores(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0)
        return CPU_COUNT(&set);
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    return online > 0 ? (int)online : 1;
}

/* Cores that quota / period make, rounded up; 0 where there is no limit. */
static int quota_cores(double quota, double period)
{
    return quota > 0 && period > 0 ? (int)((quota + period - 1) / period) : 0;
}

/* v2: one file "QUOTA|max PERIOD"; inside a container it lies at the mount's root. */
static int cgroup_v2_cores(void)
{
    FILE *stream = fopen("/sys/fs/cgroup/cpu.max", "re");
    if (!stream)
        return 0;
    double quota = 0, period = 0;
    int read = fscanf(stream, "%lf %lf", &quota, &period);
    fclose(stream);
    return read == 2 ? quota_cores(quota, period) : 0;
}

static double read_number(const char *path)
{
    FILE *stream = fopen(path, "re");
    if (!stream)
        return 0;
    double number = 0;
    if (fscanf(stream, "%lf", &number) != 1)
        number = 0;
    fclose(stream);
    return number;
}

static int cgroup_v1_cores(void)
{
    return quota_cores(read_number("/sys/fs/cgroup/cpu/cpu.cfs_quota_us"),
                       read_number("/sys/fs/cgroup/cpu/cpu.cfs_period_us"));
}

int graft_workers(int threads)
{
    return threads < MOST_WORKERS ? threads : MOST_WORKERS;
}

int graft_cores(void)
{
    int cores = affinity_cores();
    int limits[] = {cgroup_v2_cores(), cgroup_v1_cores()};
    for (int i = 0; i < 2; i++)
        if (limits[i] > 0 && limits[i] < cores)
            cores = limits[i];
    return cores > 0 ? cores : 1;
}

double graft_clock(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}
