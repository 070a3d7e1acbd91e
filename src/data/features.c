/* Rows in blocks, and a table of pointers to them that is published row by row. */
#include "data/features.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/status.h"
#include "model/model.h"

enum { VIEWS = 2, BLOCK_ROWS = 64 };

struct graft_features {
    int references; /* atomic */
    size_t row;
    graft_model *model;           /* whose boundary it is; NULL: unknown */
    const graft_dataset *dataset; /* only compared */
    size_t samples;
    float **table; /* [sample * VIEWS + view] */
    float **blocks;
    size_t block_count, block_capacity;
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

graft_status graft_features_create_for(graft_features **out, graft_model *model, const graft_dataset *dataset)
{
    graft_status status = graft_features_create(out, row_of(model->state.graph));
    if (status == GRAFT_OK) {
        (*out)->model = graft_model_share(model);
        (*out)->dataset = dataset;
    }
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
    if (!mine || features->dataset != dataset || mine->sight != model->sight ||
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
    graft_model_free(features->model);
    free(features);
}

graft_status graft_features_reserve(graft_features *features, size_t samples)
{
    if (samples <= features->samples)
        return GRAFT_OK;
    graft_status status = graft_reallocate(&features->table, samples * VIEWS, sizeof *features->table);
    if (status != GRAFT_OK)
        return status;
    memset(features->table + features->samples * VIEWS, 0,
           (samples - features->samples) * VIEWS * sizeof *features->table);
    features->samples = samples;
    return GRAFT_OK;
}

bool graft_features_has_room(const graft_features *features, int sample, int view)
{
    return sample >= 0 && (size_t)sample < features->samples && view >= 0 && view < VIEWS;
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

graft_status graft_features_add(graft_features *features, int sample, int view, const float *row)
{
    graft_status status = GRAFT_OK;
    if (!graft_features_has_room(features, sample, view))
        return graft_fail(GRAFT_EINTERNAL, "no room for the features of sample %d, view %d", sample, view);
    size_t place = (size_t)sample * VIEWS + (size_t)view;
    if (features->table[place])
        return GRAFT_OK;
    if (features->count == features->block_count * BLOCK_ROWS)
        GRAFT_TRY(add_block(features));
    float *kept = features->blocks[features->block_count - 1] + features->count % BLOCK_ROWS * features->row;
    memcpy(kept, row, sizeof(float) * features->row);
    features->count++;
    __atomic_store_n(&features->table[place], kept, __ATOMIC_RELEASE);
out:
    return status;
}

const float *graft_features_find(const graft_features *features, int sample, int view)
{
    if (!graft_features_has_room(features, sample, view))
        return NULL;
    return __atomic_load_n(&features->table[(size_t)sample * VIEWS + (size_t)view], __ATOMIC_ACQUIRE);
}

size_t graft_features_row(const graft_features *features)
{
    return features->row;
}

size_t graft_features_count(const graft_features *features)
{
    return features->count;
}
