/* Rows in blocks of memory or in a mapped store, and a table of pointers to them that is published row by
 * row. */
#include "data/features.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/status.h"
#include "data/dataset.h"
#include "model/model.h"

enum { BLOCK_ROWS = 64 };

struct graft_features {
    int references; /* atomic */
    size_t row;
    int views;                    /* of a sample: plain, mirror, and those that were drawn */
    char *source;                 /* of the drawn ones */
    graft_model *model;           /* whose boundary it is, without weights above it; NULL: unknown */
    size_t identity;              /* of the dataset; 0: nobody's samples */
    const graft_dataset *dataset; /* asked for contents while rows are added or recalled */
    graft_store *store;           /* NULL: memory alone */
    size_t samples;
    const float **table; /* [sample * views + view] */
    float **blocks;
    size_t block_count, block_capacity;
    size_t in_memory; /* rows of the blocks */
    size_t count;
};

graft_status graft_features_create(graft_features **out, size_t row)
{
    graft_features *features;
    graft_status status = GRAFT_NEW(&features);
    if (status != GRAFT_OK)
        return status;
    features->references = 1;
    features->row = row;
    features->views = GRAFT_VIEW_KEPT;
    *out = features;
    return GRAFT_OK;
}

/* Floats of all cut tensors of one picture. */
static size_t row_of(const graft_graph *graph)
{
    size_t row = 0;
    for (size_t i = 0; i < graph->count; i++)
        if (graph->nodes[i].cut)
            row += (size_t)graft_shape_count(&graph->nodes[i].shape);
    return row;
}

/* Above the boundary is what trains: its first weights would stay as long as the features. */
static void drop_above(graft_model *model)
{
    for (size_t i = 0; i < model->state.graph->count; i++)
        if (!model->state.graph->nodes[i].backbone)
            graft_state_drop(&model->state, (int)i);
}

graft_status graft_features_create_for(graft_features **out, graft_model *model, const graft_dataset *dataset,
                                       int drawn, const char *source)
{
    graft_status status;
    graft_features *features = NULL;
    GRAFT_TRY(graft_features_create(&features, row_of(model->state.graph)));
    GRAFT_TRY(graft_duplicate(&features->source, source));
    features->views += drawn;
    GRAFT_TRY(graft_model_clone(&features->model, model));
    drop_above(features->model);
    features->dataset = dataset;
    features->identity = dataset->identity;
    *out = features;
    features = NULL;
out:
    graft_features_release(features);
    return status;
}

static bool is_same_node(const graft_model *a, const graft_model *b, size_t index)
{
    const graft_node *x = &a->state.graph->nodes[index], *y = &b->state.graph->nodes[index];
    if (x->backbone != y->backbone || x->cut != y->cut || strcmp(x->name, y->name) != 0)
        return false;
    for (int i = 0; x->backbone && i < x->parameter_count; i++)
        if (a->state.tensors[x->first_tensor + i] != b->state.tensors[y->first_tensor + i])
            return false;
    return true;
}

bool graft_features_serve(const graft_features *features, const graft_model *model,
                          const graft_dataset *dataset)
{
    const graft_model *mine = features->model;
    if (!mine || !graft_features_are_of(features, dataset) || mine->sight != model->sight ||
        memcmp(&mine->transform, &model->transform, sizeof mine->transform) != 0 ||
        mine->state.graph->count != model->state.graph->count)
        return false;
    for (size_t i = 0; i < mine->state.graph->count; i++)
        if (!is_same_node(mine, model, i))
            return false;
    return true;
}

graft_features *graft_features_share(graft_features *features)
{
    __atomic_add_fetch(&features->references, 1, __ATOMIC_RELAXED);
    return features;
}

void graft_features_release(graft_features *features)
{
    if (!features || __atomic_sub_fetch(&features->references, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    for (size_t i = 0; i < features->block_count; i++)
        free(features->blocks[i]);
    free(features->blocks);
    free(features->table);
    free(features->source);
    graft_store_close(features->store);
    graft_model_free(features->model);
    free(features);
}

graft_status graft_features_reserve(graft_features *features, size_t samples)
{
    if (samples <= features->samples)
        return GRAFT_OK;
    size_t views = (size_t)features->views;
    graft_status status = graft_reallocate(&features->table, samples * views, sizeof *features->table);
    if (status != GRAFT_OK)
        return status;
    memset(features->table + features->samples * views, 0,
           (samples - features->samples) * views * sizeof *features->table);
    features->samples = samples;
    return GRAFT_OK;
}

graft_status graft_features_bind(graft_features *features, const graft_dataset *dataset)
{
    if (features->identity != 0 && !graft_features_are_of(features, dataset))
        return graft_fail(GRAFT_EARGUMENT, "what is kept here are features of another dataset's pictures");
    features->identity = dataset->identity;
    return graft_features_reserve(features, dataset->count);
}

bool graft_features_are_of(const graft_features *features, const graft_dataset *dataset)
{
    return features->identity == (dataset ? dataset->identity : 0);
}

bool graft_features_has_room(const graft_features *features, int sample, int view)
{
    return sample >= 0 && (size_t)sample < features->samples && view >= 0 && view < features->views;
}

/* ---- On disk ---- */

void graft_features_use_store(graft_features *features, graft_store *store)
{
    features->store = store;
}

graft_store *graft_features_store(const graft_features *features)
{
    return features->store;
}

/* The key of a row: the picture's content, and what else a drawn view depends on. */
static graft_digest content_of(const graft_features *features, int sample, int view)
{
    graft_digest content = features->dataset->contents[sample];
    graft_hasher hasher;
    if (view < GRAFT_VIEW_KEPT)
        return content;
    graft_hasher_begin(&hasher);
    graft_hasher_add(&hasher, &content, sizeof content);
    graft_hasher_add(&hasher, features->source, strlen(features->source));
    graft_hasher_end(&hasher, &content);
    return content;
}

bool graft_features_stored(const graft_features *features, int sample, int view)
{
    if (!features->store)
        return false;
    graft_digest content = content_of(features, sample, view);
    return graft_store_has(features->store, &content, view);
}

/* ---- Rows ---- */

static void publish(graft_features *features, int sample, int view, const float *row)
{
    features->count++;
    __atomic_store_n(&features->table[(size_t)sample * (size_t)features->views + (size_t)view], row,
                     __ATOMIC_RELEASE);
}

bool graft_features_recall(graft_features *features, int sample, int view)
{
    if (!features->store || graft_features_find(features, sample, view))
        return graft_features_find(features, sample, view) != NULL;
    graft_digest content = content_of(features, sample, view);
    const float *row = graft_store_find(features->store, &content, view);
    if (row)
        publish(features, sample, view, row);
    return row != NULL;
}

static graft_status add_block(graft_features *features)
{
    float *block;
    graft_status status = GRAFT_GROW(&features->blocks, features->block_count, &features->block_capacity);
    if (status == GRAFT_OK)
        status = graft_allocate_aligned(&block, sizeof(float) * features->row * BLOCK_ROWS);
    if (status == GRAFT_OK)
        features->blocks[features->block_count++] = block;
    return status;
}

static graft_status put_in_memory(graft_features *features, const float **kept, const float *row)
{
    graft_status status = GRAFT_OK;
    if (features->in_memory == features->block_count * BLOCK_ROWS)
        GRAFT_TRY(add_block(features));
    float *place =
        features->blocks[features->block_count - 1] + features->in_memory % BLOCK_ROWS * features->row;
    memcpy(place, row, sizeof(float) * features->row);
    features->in_memory++;
    *kept = place;
out:
    return status;
}

graft_status graft_features_add(graft_features *features, int sample, int view, const float *row)
{
    graft_status status = GRAFT_OK;
    const float *kept = NULL;
    if (!graft_features_has_room(features, sample, view))
        return graft_fail(GRAFT_EINTERNAL, "no room for the features of sample %d, view %d", sample, view);
    if (graft_features_find(features, sample, view))
        return GRAFT_OK;
    if (features->store) {
        graft_digest content = content_of(features, sample, view);
        GRAFT_TRY(graft_store_add(features->store, &kept, &content, view, row));
    }
    if (!kept)
        GRAFT_TRY(put_in_memory(features, &kept, row));
    publish(features, sample, view, kept);
out:
    return status;
}

const float *graft_features_find(const graft_features *features, int sample, int view)
{
    if (!graft_features_has_room(features, sample, view))
        return NULL;
    return __atomic_load_n(&features->table[(size_t)sample * (size_t)features->views + (size_t)view],
                           __ATOMIC_ACQUIRE);
}

size_t graft_features_row(const graft_features *features)
{
    return features->row;
}

size_t graft_features_count(const graft_features *features)
{
    return features->count;
}
