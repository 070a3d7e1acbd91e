/* What test programs assert with. The includer brings cmocka. */
#ifndef GRAFT_TESTS_ASSERTS_H
#define GRAFT_TESTS_ASSERTS_H

#include <dirent.h>
#include <math.h>
#include <stdint.h>

#include <graft/status.h>

#define assert_ok(call)                                                                       \
    do {                                                                                      \
        graft_status status_ = (call);                                                        \
        if (status_ != GRAFT_OK)                                                              \
            fail_msg("%s: %s: %s", #call, graft_status_name(status_), graft_error_message()); \
    } while (0)

/* |a - b| / |b|, in double; infinite where a is not finite. */
static inline double distance_of(const float *a, const float *b, int64_t count)
{
    double difference = 0, size = 0;
    for (int64_t i = 0; i < count; i++) {
        double d = (double)a[i] - b[i];
        difference += d * d;
        size += (double)b[i] * b[i];
    }
    if (!isfinite(difference))
        return INFINITY;
    return size > 0 ? sqrt(difference / size) : sqrt(difference);
}

/* How many files and folders the working directory holds. */
static inline int entries(void)
{
    int count = 0;
    DIR *here = opendir(".");
    while (readdir(here))
        count++;
    closedir(here);
    return count - 2;
}

#endif
