/* A window over a sequence of items: [released, released + window) may be taken, in order.
 *
 *     0 .. released .. next .. released + window .. total
 *          waited for,       to be        not yet
 *          done or taken     taken
 *
 * A worker sleeps on `room` while nothing may be taken, the caller on `ready` while its item is not done. A
 * failure is handed over as its status and its message, because messages belong to threads. */
#include "data/queue.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/status.h"

static bool is_over(const graft_queue *queue)
{
    return queue->stopped || queue->failure != GRAFT_OK || queue->next == queue->total;
}

static bool has_room(const graft_queue *queue)
{
    return queue->next - queue->released < queue->window;
}

/* Both with the mutex held. */
static bool take(graft_queue *queue, size_t *item)
{
    while (!is_over(queue) && !has_room(queue))
        pthread_cond_wait(&queue->room, &queue->mutex);
    if (is_over(queue))
        return false;
    *item = queue->next++;
    return true;
}

static void finish(graft_queue *queue, size_t item, graft_status status)
{
    if (status == GRAFT_OK) {
        queue->done[item % queue->window] = true;
    } else if (queue->failure == GRAFT_OK) {
        queue->failure = status;
        strncpy(queue->message, graft_error_message(), sizeof queue->message - 1);
        pthread_cond_broadcast(&queue->room);
    }
    pthread_cond_signal(&queue->ready);
}

static void *work_ahead(void *context)
{
    graft_queue *queue = context;
    size_t item;
    pthread_mutex_lock(&queue->mutex);
    while (take(queue, &item)) {
        pthread_mutex_unlock(&queue->mutex);
        graft_status status = queue->work(queue->context, item);
        pthread_mutex_lock(&queue->mutex);
        finish(queue, item, status);
    }
    pthread_mutex_unlock(&queue->mutex);
    return NULL;
}

graft_status graft_queue_start(graft_queue *queue, int workers, size_t first, size_t total, size_t window,
                               graft_work work, void *context)
{
    graft_status status;
    size_t items = total - first;
    *queue = (graft_queue){.work = work, .context = context, .total = total, .window = window};
    queue->next = queue->released = first;
    GRAFT_TRY(GRAFT_NEW_ARRAY(&queue->done, window));
    pthread_mutex_init(&queue->mutex, NULL);
    pthread_cond_init(&queue->room, NULL);
    pthread_cond_init(&queue->ready, NULL);
    queue->running = true;
    if ((size_t)workers > items)
        workers = (int)items;
    GRAFT_TRY(graft_team_start(&queue->team, workers, work_ahead, queue));
    return GRAFT_OK;
out:
    graft_queue_stop(queue);
    return status;
}

/* Without threads: what comes before the item has been waited for already. */
static graft_status work_here(graft_queue *queue, size_t item)
{
    graft_status status = GRAFT_OK;
    while (queue->next <= item && status == GRAFT_OK)
        status = queue->work(queue->context, queue->next++);
    return status;
}

graft_status graft_queue_wait(graft_queue *queue, size_t item)
{
    if (queue->team.count == 0)
        return work_here(queue, item);
    pthread_mutex_lock(&queue->mutex);
    while (!queue->done[item % queue->window] && queue->failure == GRAFT_OK)
        pthread_cond_wait(&queue->ready, &queue->mutex);
    bool done = queue->done[item % queue->window];
    pthread_mutex_unlock(&queue->mutex);
    return done ? GRAFT_OK : graft_fail(queue->failure, "%s", queue->message);
}

void graft_queue_release(graft_queue *queue, size_t item)
{
    pthread_mutex_lock(&queue->mutex);
    for (; queue->released < item; queue->released++)
        queue->done[queue->released % queue->window] = false;
    pthread_cond_broadcast(&queue->room);
    pthread_mutex_unlock(&queue->mutex);
}

void graft_queue_stop(graft_queue *queue)
{
    if (queue->running) {
        pthread_mutex_lock(&queue->mutex);
        queue->stopped = true;
        pthread_cond_broadcast(&queue->room);
        pthread_mutex_unlock(&queue->mutex);
        graft_team_join(&queue->team);
        pthread_cond_destroy(&queue->ready);
        pthread_cond_destroy(&queue->room);
        pthread_mutex_destroy(&queue->mutex);
    }
    free(queue->done);
    queue->done = NULL;
    queue->running = false;
}
