/* The check before the first epoch: a damaged picture is found here, with its cause, and not in hour three.
 */
#include "data/check.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/file.h"
#include "base/hash.h"
#include "base/memory.h"
#include "base/status.h"
#include "data/queue.h"
#include "data/scan.h"
#include "data/store.h"
#include "data/store_folder.h"
#include "image/image.h"

typedef struct check {
    graft_dataset *dataset;
    char **causes;      /* the arena is one thread's: causes wait here for it */
    bool *decoded;      /* and so do the contents that are news to the store */
    graft_store *store; /* contents that could be decoded before; NULL: none is kept */
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

/* What was decoded once can be decoded again: it is the same bytes. */
static graft_status try_picture(check *c, size_t item)
{
    graft_status status;
    graft_sample *sample = &c->dataset->samples[item];
    graft_digest *content = &c->dataset->contents[item];
    uint8_t *bytes = NULL;
    size_t size;
    graft_part part = {.width = 0};
    const graft_wish nothing = {.needs = needs_nothing};
    GRAFT_TRY(graft_file_read(sample->path, SIZE_MAX, &bytes, &size));
    graft_digest_of(content, bytes, size);
    sample->content = graft_digest_start(content);
    if (c->store && graft_store_has(c->store, content, 0))
        goto out;
    GRAFT_TRY(graft_part_decode(&part, bytes, size, c->options->sight, &nothing));
    c->decoded[item] = true;
out:
    graft_part_dispose(&part);
    free(bytes);
    return status;
}

static graft_status check_one(void *context, size_t item)
{
    check *c = context;
    graft_sample *sample = &c->dataset->samples[item];
    if (sample->cause)
        return GRAFT_OK;
    graft_status status = try_picture(c, item);
    if (graft_is_cause(status))
        return graft_duplicate(&c->causes[item], graft_cause_without(graft_error_message(), sample->path));
    return status == GRAFT_OK ? status : graft_fail_within(status, "%s", sample->path);
}

static graft_status note_cause(check *c, size_t item)
{
    graft_sample *sample = &c->dataset->samples[item];
    graft_status status = GRAFT_OK;
    if (c->causes[item])
        status = graft_arena_duplicate(&c->dataset->arena, &sample->cause, c->causes[item]);
    if (sample->cause)
        sample->set = GRAFT_SET_SKIPPED;
    return status;
}

static graft_status collect(check *c, graft_queue *queue)
{
    graft_status status = GRAFT_OK;
    const graft_progress *progress = &c->options->progress;
    size_t count = c->dataset->count;
    for (size_t i = 0; i < count; i++) {
        GRAFT_TRY(graft_queue_wait(queue, i));
        GRAFT_TRY(note_cause(c, i));
        if (progress->call && progress->call(progress->context, "pictures", i + 1, count))
            return graft_fail(GRAFT_ECANCELLED, "stopped");
    }
out:
    return status;
}

/* ---- What was decoded before ---- */

/* A cache that cannot be used is no reason to stop here: that is told where features are kept. */
static void open_store(check *c)
{
    char identity[64], versions[GRAFT_IMAGE_DECODERS];
    graft_store_key key = {"pictures", identity, versions, 0};
    if (c->options->cache.kind != GRAFT_CACHE_AUTO && c->options->cache.kind != GRAFT_CACHE_DISK)
        return;
    snprintf(identity, sizeof identity, "pictures that could be decoded, %s\n",
             graft_sight_name(c->options->sight));
    graft_image_decoders(versions);
    if (graft_store_open_cache(&c->store, &c->options->cache, &key) != GRAFT_OK)
        c->store = NULL;
}

/* When no thread asks any more. */
static graft_status note_decoded(check *c)
{
    graft_status status = GRAFT_OK;
    const float *none;
    for (size_t i = 0; c->store && i < c->dataset->count && status == GRAFT_OK; i++)
        if (c->decoded[i])
            status = graft_store_add(c->store, &none, &c->dataset->contents[i], 0, NULL);
    return status;
}

graft_status graft_check_samples(graft_dataset *dataset, const graft_dataset_options *options)
{
    graft_status status;
    graft_queue queue = {0};
    check c = {.dataset = dataset, .options = options};
    size_t count = dataset->count;
    int workers;
    GRAFT_TRY(graft_team_size(&workers, options->workers));
    GRAFT_TRY(GRAFT_NEW_ARRAY(&dataset->contents, count));
    GRAFT_TRY(GRAFT_NEW_ARRAY(&c.causes, count));
    GRAFT_TRY(GRAFT_NEW_ARRAY(&c.decoded, count));
    open_store(&c);
    GRAFT_TRY(graft_queue_start(&queue, workers, 0, count, count, check_one, &c));
    GRAFT_TRY(collect(&c, &queue));
    graft_queue_stop(&queue);
    GRAFT_TRY(note_decoded(&c));
out:
    graft_queue_stop(&queue);
    graft_store_close(c.store);
    for (size_t i = 0; c.causes && i < count; i++)
        free(c.causes[i]);
    free(c.causes);
    free(c.decoded);
    return status;
}
