/* Starting and joining POSIX threads. */
#include "base/team.h"

#include <signal.h>
#include <stdlib.h>

#include <graft/data.h>
#include <graft/tools.h>

#include "base/memory.h"
#include "base/status.h"

enum { MOST = 1024 };

graft_status graft_team_size(int *workers, int wanted)
{
    if (wanted == GRAFT_AUTO)
        wanted = graft_workers(graft_cores());
    if (wanted < 0 || wanted > MOST)
        return graft_fail(GRAFT_EARGUMENT, "%d workers: 0 to %d are possible", wanted, MOST);
    *workers = wanted;
    return GRAFT_OK;
}

graft_status graft_team_start(graft_team *team, int wanted, void *(*work)(void *context), void *context)
{
    graft_team fresh = {NULL, 0};
    graft_status status = GRAFT_NEW_ARRAY(&fresh.threads, (size_t)wanted);
    if (status != GRAFT_OK)
        return status;
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* new threads inherit the mask */
    while (fresh.count < wanted && pthread_create(&fresh.threads[fresh.count], NULL, work, context) == 0)
        fresh.count++;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    *team = fresh;
    return GRAFT_OK;
}

void graft_team_join(graft_team *team)
{
    for (int i = 0; i < team->count; i++)
        pthread_join(team->threads[i], NULL);
    free(team->threads);
    *team = (graft_team){NULL, 0};
}
