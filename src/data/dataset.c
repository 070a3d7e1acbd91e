/* Datasets: samples with their sets, and the folds in which the sets change for a while. */
#include "data/dataset.h"

#include <stdlib.h>

#include "base/memory.h"
#include "base/status.h"
#include "data/split.h"

void graft_dataset_free(graft_dataset *dataset)
{
    if (!dataset)
        return;
    graft_names_dispose(&dataset->classes);
    graft_names_dispose(&dataset->ignored);
    graft_arena_dispose(&dataset->arena);
    free(dataset->samples);
    free(dataset->contents);
    free(dataset->drawn);
    free(dataset);
}

graft_status graft_dataset_create(graft_dataset **out, graft_sight sight)
{
    static size_t datasets; /* that there have been */
    graft_dataset *dataset;
    graft_status status = graft_check_choice("sight", (int)sight, GRAFT_AS_PILLOW);
    if (status == GRAFT_OK)
        status = GRAFT_NEW(&dataset);
    if (status != GRAFT_OK)
        return status;
    dataset->identity = __atomic_add_fetch(&datasets, 1, __ATOMIC_RELAXED);
    graft_arena_init(&dataset->arena);
    dataset->sight = sight;
    *out = dataset;
    return GRAFT_OK;
}

graft_status graft_dataset_add(graft_dataset *dataset, const graft_sample *sample)
{
    graft_status status = GRAFT_GROW(&dataset->samples, dataset->count, &dataset->capacity);
    if (status == GRAFT_OK)
        dataset->samples[dataset->count++] = *sample;
    return status;
}

graft_status graft_dataset_list(graft_dataset **out, const char *const *paths, size_t count,
                                graft_sight sight)
{
    graft_status status;
    graft_dataset *dataset = NULL;
    GRAFT_TRY(graft_dataset_create(&dataset, sight));
    for (size_t i = 0; i < count; i++) {
        graft_sample sample = {NULL, NULL, -1, GRAFT_SET_TRAIN, NULL, 0};
        GRAFT_TRY(graft_arena_duplicate(&dataset->arena, &sample.path, paths[i]));
        sample.name = sample.path;
        GRAFT_TRY(graft_dataset_add(dataset, &sample));
    }
    *out = dataset;
    dataset = NULL;
out:
    graft_dataset_free(dataset);
    return status;
}

/* ---- Folds ---- */

static void restore(graft_dataset *dataset)
{
    for (size_t i = 0; dataset->drawn && i < dataset->count; i++)
        dataset->samples[i].set = dataset->drawn[i];
}

static graft_status remember(graft_dataset *dataset)
{
    if (dataset->drawn)
        return GRAFT_OK;
    graft_status status = GRAFT_NEW_ARRAY(&dataset->drawn, dataset->count);
    for (size_t i = 0; status == GRAFT_OK && i < dataset->count; i++)
        dataset->drawn[i] = dataset->samples[i].set;
    return status;
}

graft_status graft_dataset_fold(graft_dataset *dataset, int folds, int fold, uint64_t seed)
{
    graft_status status;
    if (fold == -1) {
        restore(dataset);
        return GRAFT_OK;
    }
    if (folds < 2 || fold < 0 || fold >= folds)
        return graft_fail(GRAFT_EARGUMENT, "there is no fold %d of %d", fold, folds);
    GRAFT_TRY(remember(dataset));
    restore(dataset);
    GRAFT_TRY(graft_split_fold(dataset->samples, dataset->count, folds, fold, seed));
out:
    return status;
}

/* ---- What is in it ---- */

size_t graft_dataset_class_count(const graft_dataset *dataset)
{
    return dataset->classes.count;
}

const char *graft_dataset_class(const graft_dataset *dataset, size_t index)
{
    return dataset->classes.items[index];
}

const char *const *graft_dataset_classes(const graft_dataset *dataset)
{
    return dataset->classes.items;
}

size_t graft_dataset_count(const graft_dataset *dataset)
{
    return dataset->count;
}

graft_sample graft_dataset_sample(const graft_dataset *dataset, size_t index)
{
    return dataset->samples[index];
}

size_t graft_dataset_set_count(const graft_dataset *dataset, graft_set set, int label)
{
    size_t count = 0;
    for (size_t i = 0; i < dataset->count; i++)
        count += graft_sample_is_in(&dataset->samples[i], set) &&
                 (label == -1 || dataset->samples[i].label == label);
    return count;
}

size_t graft_dataset_ignored_count(const graft_dataset *dataset)
{
    return dataset->ignored.count;
}

const char *graft_dataset_ignored(const graft_dataset *dataset, size_t index)
{
    return dataset->ignored.items[index];
}

bool graft_dataset_has_own_held_out(const graft_dataset *dataset)
{
    return dataset->own_held_out;
}
