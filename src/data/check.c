/* The check before the first epoch: a damaged picture is found here, with its cause, and not in hour three.
 */
#include "data/check.h"

#include <stdlib.h>

#include "base/file.h"
#include "base/hash.h"
#include "base/memory.h"
#include "base/status.h"
#include "data/queue.h"
#include "data/scan.h"
#include "image/image.h"

typedef struct check {
    graft_sample *samples;
    size_t count;
    char **causes; /* the arena is one thread's: causes wait here for it */
    graft_arena *arena;
    const graft_dataset_options *options;
} check;

bool graft_is_cause(graft_status status)
{
    return status == GRAFT_EIO || status == GRAFT_EFORMAT || status == GRAFT_EUNSUPPORTED;
}

static graft_box needs_nothing(const void *context, int width, int height)
{
    (void)context;
    (void)width;
    (void)height;
    return (graft_box){0, 0, 0, 0};
}

static graft_status try_picture(graft_sample *sample, graft_sight sight)
{
    graft_status status;
    uint8_t *bytes = NULL;
    size_t size;
    graft_part part = {.width = 0};
    const graft_wish nothing = {.needs = needs_nothing};
    GRAFT_TRY(graft_file_read(sample->path, SIZE_MAX, &bytes, &size));
    sample->content = graft_sha256_start(bytes, size);
    GRAFT_TRY(graft_part_decode(&part, bytes, size, sight, &nothing));
out:
    graft_part_dispose(&part);
    free(bytes);
    return status;
}

static graft_status check_one(void *context, size_t item)
{
    check *c = context;
    graft_sample *sample = &c->samples[item];
    if (sample->cause)
        return GRAFT_OK;
    graft_status status = try_picture(sample, c->options->sight);
    if (graft_is_cause(status))
        return graft_duplicate(&c->causes[item], graft_cause_without(sample->path));
    return status == GRAFT_OK ? status : graft_fail_within(status, "%s", sample->path);
}

static graft_status note_cause(check *c, size_t item)
{
    graft_sample *sample = &c->samples[item];
    graft_status status = GRAFT_OK;
    if (c->causes[item])
        status = graft_arena_duplicate(c->arena, &sample->cause, c->causes[item]);
    if (sample->cause)
        sample->set = GRAFT_SET_SKIPPED;
    return status;
}

static graft_status collect(check *c, graft_queue *queue)
{
    graft_status status = GRAFT_OK;
    const graft_progress *progress = &c->options->progress;
    for (size_t i = 0; i < c->count; i++) {
        GRAFT_TRY(graft_queue_wait(queue, i));
        GRAFT_TRY(note_cause(c, i));
        if (progress->call && progress->call(progress->context, "pictures", i + 1, c->count))
            return graft_fail(GRAFT_ECANCELLED, "stopped");
    }
out:
    return status;
}

graft_status graft_check_samples(graft_sample *samples, size_t count, graft_arena *arena,
                                 const graft_dataset_options *options)
{
    graft_status status;
    graft_queue queue = {0};
    check c = {samples, count, NULL, arena, options};
    int workers;
    GRAFT_TRY(graft_team_size(&workers, options->workers));
    GRAFT_TRY(GRAFT_NEW_ARRAY(&c.causes, count));
    GRAFT_TRY(graft_queue_start(&queue, workers, 0, count, count, check_one, &c));
    GRAFT_TRY(collect(&c, &queue));
out:
    graft_queue_stop(&queue);
    for (size_t i = 0; c.causes && i < count; i++)
        free(c.causes[i]);
    free(c.causes);
    return status;
}
