/* Decoding threads: POSIX threads that all run one function. They never enter OpenMP, and leave signals to
 * the threads of the program. */
#ifndef GRAFT_BASE_TEAM_H
#define GRAFT_BASE_TEAM_H

#include <pthread.h>

#include <graft/status.h>

typedef struct graft_team {
    pthread_t *threads;
    int count;
} graft_team;

/* Starts `wanted` threads, or as many as the system gives: team->count may be 0, and the caller then does the
 * work itself. GRAFT_EMEMORY. */
graft_status graft_team_start(graft_team *team, int wanted, void *(*work)(void *context), void *context);

/* Waits until all have returned; legal on a zeroed team. */
void graft_team_join(graft_team *team);

/* *workers = the number that an option asks for: GRAFT_AUTO is what suits the cores.
 * GRAFT_EARGUMENT. */
graft_status graft_team_size(int *workers, int wanted);

#endif
