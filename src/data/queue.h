/* Work that is done ahead: threads do items one after another, and one caller waits for them in order. They
 * are never more than a window ahead of what the caller has released, so memory is bounded. */
#ifndef GRAFT_DATA_QUEUE_H
#define GRAFT_DATA_QUEUE_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

#include <graft/status.h>

#include "base/team.h"

/* Does one item, on whichever thread. A failure ends the queue. */
typedef graft_status (*graft_work)(void *context, size_t item);

typedef struct graft_queue {
    graft_work work;
    void *context;
    size_t total, window;
    graft_team team; /* empty: the caller does the work itself, in wait */
    bool running;
    pthread_mutex_t mutex; /* guards what follows */
    pthread_cond_t room, ready;
    size_t next;     /* the first item that nobody has taken */
    size_t released; /* items below it are forgotten */
    bool *done;      /* [item % window] */
    bool stopped;
    graft_status failure;
    char message[1024];
} graft_queue;

/* Begins with item `first` of `total`. The queue must be zeroed or stopped, and must not move while it runs.
 * GRAFT_EMEMORY. */
graft_status graft_queue_start(graft_queue *queue, int workers, size_t first, size_t total, size_t window,
                               graft_work work, void *context);
/* Returns when the item is done; GRAFT_OK, or the status and the message of the item that failed first.
 * Items are waited for in order, and those that are not released yet must not be more than a window. */
graft_status graft_queue_wait(graft_queue *queue, size_t item);
/* What lies below `item` is needed no longer. */
void graft_queue_release(graft_queue *queue, size_t item);
/* Ends the threads, each after the item that it is at; legal on a zeroed queue. */
void graft_queue_stop(graft_queue *queue);

#endif
