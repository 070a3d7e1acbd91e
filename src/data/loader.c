/* Loaders: an epoch is a sequence of rows; a job makes the rows of one sample (one view, or two of one
 * decoding), and threads do jobs ahead of the batch that the caller has.
 *
 *     job j = sample order[j] = rows j * views .. j * views + views - 1
 *     the pixels of row r lie in place r % (window * views) of a ring, which is as long as three batches
 *
 * The order, and each row's view, are functions of (seed, epoch, row): threads only decide when a row is
 * made. Threads run from the first `next` of an epoch to its end. Whatever else ends them (rewind, set_kept,
 * a failure, free) drops what they have made ahead, and the following `next` starts them again where the
 * caller is. */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/hash.h"
#include "base/memory.h"
#include "base/random.h"
#include "base/status.h"
#include "data/check.h"
#include "data/dataset.h"
#include "data/queue.h"
#include "data/view.h"
#include "image/augment.h"

enum { BATCHES_AHEAD = 2, MOST_VIEWS = 2 };

/* What became of a job. */
typedef struct outcome {
    bool decoded[MOST_VIEWS];
    char *cause; /* why its picture could not be read */
} outcome;

struct graft_loader {
    const graft_dataset *dataset;
    graft_transform transform;
    graft_loader_options options;
    int workers;
    bool (*kept)(void *context, int sample, int view);
    void *kept_context;
    size_t views;         /* rows of a sample */
    size_t rows, batches; /* of an epoch */
    int *members;         /* (count) the samples of the set */
    int *order;           /* (count) the same as this epoch has them */
    size_t count;
    bool begun;
    uint32_t epoch;
    size_t cursor; /* the first row that was not handed out */
    graft_queue queue;
    size_t window;   /* jobs */
    outcome *made;   /* (window) */
    uint8_t *pixels; /* (window * views, crop, crop, 3) */
    /* The batch that the caller has. */
    int *batch_samples, *batch_views, *batch_labels;
    const uint8_t **batch_pixels;
    const char **batch_causes;
};

/* ---- Rows ---- */

static uint8_t *pixels_of(const graft_loader *l, size_t row)
{
    size_t crop = (size_t)l->transform.crop;
    return l->pixels + row % (l->window * l->views) * (crop * crop * 3);
}

static graft_place place_of(const graft_loader *l, size_t row)
{
    return (graft_place){l->options.seed, l->epoch, (uint32_t)row};
}

static int view_of(const graft_loader *l, size_t row)
{
    graft_place place = place_of(l, row);
    if (l->options.only != GRAFT_AUTO)
        return l->options.only;
    if (l->options.both_views)
        return row % 2 ? GRAFT_VIEW_MIRROR : GRAFT_VIEW_PLAIN;
    int view = graft_view_choose(&l->options.augment, &place);
    return view == GRAFT_VIEW_RANDOM && l->options.views > 0
               ? graft_view_choose_kept(l->options.views, &place)
               : view;
}

/* Where the random numbers of a row come from: of a view that is kept from the picture and not from the row,
 * so that every epoch, and a later run with other pictures beside it, draws the same. */
static graft_place source_of(const graft_loader *l, size_t row, int view)
{
    if (view < GRAFT_VIEW_KEPT)
        return place_of(l, row);
    const graft_sample *sample = &l->dataset->samples[l->order[row / l->views]];
    return (graft_place){l->options.seed, (uint32_t)(view - GRAFT_VIEW_KEPT), (uint32_t)sample->content};
}

static bool is_kept(const graft_loader *l, int sample, int view)
{
    return l->kept && view != GRAFT_VIEW_RANDOM && l->kept(l->kept_context, sample, view);
}

/* ---- A job, on whichever thread ---- */

/* What is kept of a picture is kept under the content that it had when the dataset was opened. */
static graft_status check_content(const graft_loader *l, size_t row, int view, const uint8_t *bytes,
                                  size_t size)
{
    graft_digest content;
    bool keeps = l->kept && l->dataset->contents && view != GRAFT_VIEW_RANDOM;
    if (!keeps)
        return GRAFT_OK;
    graft_digest_of(&content, bytes, size);
    if (memcmp(&content, &l->dataset->contents[l->order[row / l->views]], sizeof content) == 0)
        return GRAFT_OK;
    return graft_fail(GRAFT_EIO, "changed since it was read first");
}

static graft_status draw_bytes(graft_loader *l, size_t row, const uint8_t *bytes, size_t size)
{
    graft_status status;
    graft_part part = {.width = 0};
    int number = view_of(l, row), kind = number >= GRAFT_VIEW_KEPT ? GRAFT_VIEW_RANDOM : number;
    const graft_view view = {kind, &l->options.augment, &l->transform, source_of(l, row, number)};
    const graft_wish wish = graft_view_wish(&view);
    GRAFT_TRY(check_content(l, row, number, bytes, size));
    GRAFT_TRY(graft_part_decode(&part, bytes, size, l->dataset->sight, &wish));
    status = graft_view_draw(pixels_of(l, row), &part, &view);
out:
    graft_part_dispose(&part);
    return status;
}

static graft_status draw_row(graft_loader *l, size_t row, const char *path)
{
    uint8_t *bytes = NULL;
    size_t size;
    graft_status status = graft_file_read(path, SIZE_MAX, &bytes, &size);
    if (status != GRAFT_OK)
        return status;
    status = draw_bytes(l, row, bytes, size);
    free(bytes);
    return status == GRAFT_OK ? status : graft_fail_within(status, "%s", path);
}

/* The second row of a sample is the first one's mirror image, and made of it. */
static graft_status draw_rows(graft_loader *l, size_t job, const char *path)
{
    size_t row = job * l->views, crop = (size_t)l->transform.crop;
    graft_status status = draw_row(l, row, path);
    if (status != GRAFT_OK || l->views == 1)
        return status;
    memcpy(pixels_of(l, row + 1), pixels_of(l, row), crop * crop * 3);
    graft_image_mirror(pixels_of(l, row + 1), l->transform.crop, l->transform.crop);
    return GRAFT_OK;
}

static graft_status do_job(void *context, size_t job)
{
    graft_loader *l = context;
    outcome *made = &l->made[job % l->window];
    int sample = l->order[job];
    bool wanted = false;
    free(made->cause);
    made->cause = NULL;
    for (size_t v = 0; v < l->views; v++) {
        made->decoded[v] = !is_kept(l, sample, view_of(l, job * l->views + v));
        wanted = wanted || made->decoded[v];
    }
    graft_status status = wanted ? draw_rows(l, job, l->dataset->samples[sample].path) : GRAFT_OK;
    return graft_is_cause(status) ? graft_duplicate(&made->cause, graft_error_message()) : status;
}

/* ---- Making a loader ---- */

static graft_status check_options(const graft_transform *transform, const graft_loader_options *o)
{
    graft_status status;
    GRAFT_TRY(graft_check_choice("set", (int)o->set, GRAFT_SET_ASIDE));
    GRAFT_TRY(graft_check_choice("way of decoding", (int)transform->decode, GRAFT_DECODE_SCALED));
    GRAFT_TRY(graft_check_choice("filter", (int)transform->filter, GRAFT_BICUBIC));
    if (o->batch < 1)
        return graft_fail(GRAFT_EARGUMENT, "a batch of %d pictures is not possible", o->batch);
    if (o->both_views && o->augment.count > 0)
        return graft_fail(GRAFT_EARGUMENT, "both views of each picture leave no room for an augmentation");
    if (o->views < 0 || o->only < GRAFT_AUTO || o->only >= GRAFT_VIEW_KEPT + (o->views > 0 ? o->views : 0))
        return graft_fail(GRAFT_EARGUMENT, "there is no view %d of %d that are drawn once", o->only,
                          o->views);
    if (transform->resize < 1 || transform->crop < 1)
        return graft_fail(GRAFT_EARGUMENT, "pictures cannot be resized to %d and cropped to %d",
                          transform->resize, transform->crop);
    status = graft_augment_check(&o->augment);
out:
    return status;
}

static graft_status find_members(graft_loader *l)
{
    const graft_dataset *dataset = l->dataset;
    graft_status status;
    size_t count = graft_dataset_set_count(dataset, l->options.set, -1);
    if (dataset->count > INT_MAX / MOST_VIEWS)
        return graft_fail(GRAFT_EARGUMENT, "%zu pictures are more than a loader counts", dataset->count);
    GRAFT_TRY(GRAFT_NEW_ARRAY(&l->members, count));
    GRAFT_TRY(GRAFT_NEW_ARRAY(&l->order, count));
    for (size_t i = 0; i < dataset->count; i++)
        if (graft_sample_is_in(&dataset->samples[i], l->options.set))
            l->members[l->count++] = (int)i;
out:
    return status;
}

static void count_rows(graft_loader *l)
{
    size_t batch = (size_t)l->options.batch;
    l->views = l->options.both_views ? MOST_VIEWS : 1;
    l->rows = l->count * l->views;
    if (l->options.drop_last)
        l->rows -= l->rows % batch;
    l->batches = (l->rows + batch - 1) / batch;
}

/* The batch that the caller has and those ahead; a batch may begin and end with half of a job. */
static graft_status make_room(graft_loader *l)
{
    graft_status status;
    size_t batch = (size_t)l->options.batch < l->rows ? (size_t)l->options.batch : l->rows;
    size_t crop = (size_t)l->transform.crop;
    l->window = ((BATCHES_AHEAD + 1) * batch + l->views - 1) / l->views;
    if (l->window > l->count)
        l->window = l->count;
    GRAFT_TRY(GRAFT_NEW_ARRAY(&l->made, l->window));
    GRAFT_TRY(graft_allocate_aligned(&l->pixels, l->window * l->views * crop * crop * 3));
    GRAFT_TRY(GRAFT_NEW_ARRAY(&l->batch_samples, batch));
    GRAFT_TRY(GRAFT_NEW_ARRAY(&l->batch_views, batch));
    GRAFT_TRY(GRAFT_NEW_ARRAY(&l->batch_labels, batch));
    GRAFT_TRY(GRAFT_NEW_ARRAY(&l->batch_pixels, batch));
    GRAFT_TRY(GRAFT_NEW_ARRAY(&l->batch_causes, batch));
out:
    return status;
}

graft_status graft_loader_create(graft_loader **out, const graft_dataset *dataset,
                                 const graft_transform *transform, const graft_loader_options *options)
{
    graft_status status;
    graft_loader *l = NULL;
    GRAFT_TRY(check_options(transform, options));
    GRAFT_TRY(GRAFT_NEW(&l));
    l->dataset = dataset;
    l->transform = *transform;
    l->options = *options;
    GRAFT_TRY(graft_team_size(&l->workers, options->workers));
    GRAFT_TRY(find_members(l));
    count_rows(l);
    GRAFT_TRY(make_room(l));
    *out = l;
    l = NULL;
out:
    graft_loader_free(l);
    return status;
}

void graft_loader_free(graft_loader *l)
{
    if (!l)
        return;
    graft_queue_stop(&l->queue);
    for (size_t i = 0; l->made && i < l->window; i++)
        free(l->made[i].cause);
    free(l->made);
    free(l->pixels);
    free(l->members);
    free(l->order);
    free(l->batch_samples);
    free(l->batch_views);
    free(l->batch_labels);
    free(l->batch_pixels);
    free(l->batch_causes);
    free(l);
}

/* ---- Epochs ---- */

graft_status graft_loader_rewind(graft_loader *l, int epoch)
{
    if (epoch < 0)
        return graft_fail(GRAFT_EARGUMENT, "there is no epoch %d", epoch);
    graft_queue_stop(&l->queue);
    l->begun = true;
    l->epoch = (uint32_t)epoch;
    l->cursor = 0;
    memcpy(l->order, l->members, l->count * sizeof *l->order);
    if (l->options.shuffle) {
        graft_random random = graft_random_stream(l->options.seed, GRAFT_RANDOM_SHUFFLE, NULL, l->epoch, 0);
        graft_random_shuffle(&random, l->order, (int)l->count);
    }
    return GRAFT_OK;
}

static void hand_out(graft_loader *l, size_t row, size_t place)
{
    size_t job = row / l->views;
    int sample = l->order[job];
    const outcome *made = &l->made[job % l->window];
    bool decoded = made->decoded[row % l->views];
    l->batch_samples[place] = sample;
    l->batch_views[place] = view_of(l, row);
    l->batch_labels[place] = l->dataset->samples[sample].label;
    l->batch_pixels[place] = decoded && !made->cause ? pixels_of(l, row) : NULL;
    l->batch_causes[place] = decoded ? made->cause : NULL;
}

static graft_status gather(graft_loader *l, size_t count)
{
    graft_status status = GRAFT_OK;
    size_t jobs = (l->rows + l->views - 1) / l->views, first = l->cursor / l->views;
    if (l->queue.running)
        graft_queue_release(&l->queue, first);
    else
        GRAFT_TRY(graft_queue_start(&l->queue, l->workers, first, jobs, l->window, do_job, l));
    for (size_t job = first; job * l->views < l->cursor + count; job++)
        GRAFT_TRY(graft_queue_wait(&l->queue, job));
    for (size_t i = 0; i < count; i++)
        hand_out(l, l->cursor + i, i);
out:
    return status;
}

graft_status graft_loader_next(graft_loader *l, graft_batch *batch)
{
    graft_status status = GRAFT_OK;
    if (!l->begun)
        GRAFT_TRY(graft_loader_rewind(l, 0));
    size_t left = l->rows - l->cursor, most = (size_t)l->options.batch;
    size_t count = left < most ? left : most;
    if (count == 0) {
        graft_queue_stop(&l->queue);
        return GRAFT_DONE;
    }
    GRAFT_TRY(gather(l, count));
    l->cursor += count;
    *batch = (graft_batch){(int)count,      l->batch_samples, l->batch_views, l->batch_labels,
                           l->batch_pixels, l->batch_causes,  l->dataset};
out:
    if (status != GRAFT_OK)
        graft_queue_stop(&l->queue);
    return status;
}

void graft_loader_set_kept(graft_loader *l, bool (*kept)(void *context, int sample, int view), void *context)
{
    graft_queue_stop(&l->queue); /* no thread asks the old one any more */
    l->kept = kept;
    l->kept_context = context;
}

/* ---- What it is ---- */

size_t graft_loader_batches(const graft_loader *l)
{
    return l->batches;
}

size_t graft_loader_samples(const graft_loader *l)
{
    return l->rows;
}

size_t graft_loader_missing(const graft_loader *l)
{
    size_t missing = 0;
    for (size_t row = 0; row < l->rows; row++)
        missing += !is_kept(l, (l->begun ? l->order : l->members)[row / l->views], view_of(l, row));
    return missing;
}

const graft_dataset *graft_loader_dataset(const graft_loader *l)
{
    return l->dataset;
}

const graft_loader_options *graft_loader_settings(const graft_loader *l)
{
    return &l->options;
}
