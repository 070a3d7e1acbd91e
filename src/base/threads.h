/* How many cores there are for us. */
#ifndef GRAFT_BASE_THREADS_H
#define GRAFT_BASE_THREADS_H

/* The cores that this process may use: its affinity mask, and its control group's quota (v2 and v1) rounded
 * up; at least 1. */
int graft_cores(void);

/* Seconds of a monotonic clock. */
double graft_clock(void);

#endif
