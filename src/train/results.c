/* What comes out of an executor: kept features, a model, gradients, probabilities. */
#include "train/executor.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/status.h"
#include "image/image.h"

/* ---- Features ---- */

static bool is_kept(void *context, int sample, int view)
{
    return graft_features_find(context, sample, view) != NULL;
}

void graft_executor_attach(graft_executor *e, graft_loader *loader)
{
    if (e && e->features && graft_features_bind(e->features, graft_loader_dataset(loader)) == GRAFT_OK)
        graft_loader_set_kept(loader, is_kept, e->features);
    else
        graft_loader_set_kept(loader, NULL, NULL);
}

/* Of a loader's epoch; all of them are kept by then. */
typedef struct view_list {
    graft_gram_view *views;
    const float **features;
    size_t count;
} view_list;

static graft_status list_batch(view_list *list, const graft_executor *e, const graft_batch *batch)
{
    for (int i = 0; i < batch->count; i++) {
        const float *row = graft_features_find(e->features, batch->samples[i], batch->views[i]);
        if (!row)
            return graft_fail(GRAFT_EARGUMENT, "sample %d, view %d cannot be kept", batch->samples[i],
                              batch->views[i]);
        if (graft_gram_find(e->gram, batch->samples[i], batch->views[i]))
            continue;
        list->views[list->count] = (graft_gram_view){.sample = batch->samples[i], .view = batch->views[i]};
        list->features[list->count++] = row;
    }
    return GRAFT_OK;
}

/* The Gram form trains on the views of the first loader of training pictures; others may be looked at. */
static graft_status add_to_gram(graft_executor *e, graft_loader *loader)
{
    graft_status status;
    graft_batch batch;
    view_list list = {NULL, NULL, 0};
    bool training = graft_loader_settings(loader)->set == GRAFT_SET_TRAIN;
    if (!training && !e->gram->filled)
        return GRAFT_OK; /* multiplied when they are looked at */
    GRAFT_TRY(GRAFT_NEW_ARRAY(&list.views, graft_loader_samples(loader)));
    GRAFT_TRY(GRAFT_NEW_ARRAY(&list.features, graft_loader_samples(loader)));
    GRAFT_TRY(graft_loader_rewind(loader, 0));
    while ((status = graft_loader_next(loader, &batch)) == GRAFT_OK)
        GRAFT_TRY(list_batch(&list, e, &batch));
    if (status == GRAFT_DONE)
        status = GRAFT_OK;
    if (status == GRAFT_OK && list.count > 0)
        status = graft_gram_add(e->gram, e->device, list.views, list.features, list.count, training);
out:
    free(list.views);
    free(list.features);
    return status;
}

static graft_status keep_batch(graft_executor *e, const graft_batch *batch)
{
    graft_status status = GRAFT_OK;
    for (int i = 0; i < batch->count; i += e->capacity) {
        int count = batch->count - i < e->capacity ? batch->count - i : e->capacity;
        const graft_batch part = graft_batch_part(batch, i, count);
        GRAFT_TRY(graft_executor_gather(e, &part));
    }
out:
    return status;
}

static size_t decoded(const graft_batch *batch)
{
    size_t count = 0;
    for (int i = 0; i < batch->count; i++)
        count += batch->pixels[i] != NULL;
    return count;
}

/* Where all is kept there is nothing to tell. */
static graft_status tell(const graft_progress *progress, size_t done, size_t total)
{
    if (total > 0 && progress && progress->call && progress->call(progress->context, "features", done, total))
        return graft_fail(GRAFT_ECANCELLED, "stopped");
    return GRAFT_OK;
}

graft_status graft_executor_keep(graft_executor *e, graft_loader *loader, const graft_progress *progress)
{
    graft_status status;
    graft_batch batch;
    size_t done = 0;
    if (!e->features)
        return graft_fail(GRAFT_EARGUMENT, "this executor keeps no features");
    GRAFT_TRY(graft_features_bind(e->features, graft_loader_dataset(loader)));
    graft_executor_attach(e, loader);
    GRAFT_TRY(graft_loader_rewind(loader, 0));
    size_t total = graft_loader_missing(loader);
    GRAFT_TRY(tell(progress, 0, total)); /* from here a clock may run */
    while ((status = graft_loader_next(loader, &batch)) == GRAFT_OK) {
        GRAFT_TRY(keep_batch(e, &batch));
        done += decoded(&batch);
        GRAFT_TRY(tell(progress, done, total));
    }
    if (status == GRAFT_DONE)
        status = e->gram ? add_to_gram(e, loader) : GRAFT_OK;
out:
    return status;
}

const float *graft_executor_features(const graft_executor *e, int sample, int view, size_t *count)
{
    *count = e->row;
    return e->features ? graft_features_find(e->features, sample, view) : NULL;
}

/* ---- The trained model ---- */

static graft_status add_moves(graft_model *model, const graft_node *node, int64_t moves)
{
    int slot = graft_node_parameter(node, "num_batches_tracked");
    if (!node->trains || slot < 0 || moves == 0)
        return GRAFT_OK;
    graft_tensor **place = &model->state.tensors[node->first_tensor + slot];
    graft_tensor *counter;
    graft_status status = graft_tensor_create(&counter, NULL, GRAFT_I64, &(*place)->shape);
    if (status != GRAFT_OK)
        return status;
    *(int64_t *)counter->data = *(const int64_t *)(*place)->data + moves;
    graft_tensor_release(*place);
    *place = counter;
    return GRAFT_OK;
}

static graft_status give_tensor(graft_model *model, const graft_executor *e, const graft_trained *t)
{
    graft_status status;
    graft_tensor *tensor = NULL;
    GRAFT_TRY(graft_tensor_create(&tensor, NULL, GRAFT_F32, &model->state.tensors[t->tensor]->shape));
    GRAFT_TRY(graft_executor_read_trained(e, t, false, tensor->data));
    graft_tensor_release(model->state.tensors[t->tensor]);
    model->state.tensors[t->tensor] = tensor;
    return GRAFT_OK;
out:
    graft_tensor_release(tensor);
    return status;
}

graft_status graft_executor_model(const graft_executor *e, graft_model **out)
{
    graft_status status;
    graft_model *model = NULL;
    GRAFT_TRY(graft_model_clone(&model, e->model));
    for (size_t i = 0; i < e->trained_count; i++)
        if (e->trained[i].role != GRAFT_GRAM_C)
            GRAFT_TRY(give_tensor(model, e, &e->trained[i]));
    for (size_t i = 0; i < model->state.graph->count; i++)
        GRAFT_TRY(add_moves(model, &model->state.graph->nodes[i], e->moves));
    *out = model;
    model = NULL;
out:
    graft_model_free(model);
    return status;
}

/* `count` is asked for of the model's tensor. */
static graft_status find_trained(const graft_trained **out, const graft_executor *e, const char *name,
                                 size_t count)
{
    for (size_t i = 0; i < e->trained_count; i++) {
        const graft_trained *t = &e->trained[i];
        int64_t size = graft_shape_count(&e->model->state.tensors[t->tensor]->shape);
        if (t->role == GRAFT_GRAM_C || strcmp(e->model->state.names[t->tensor], name) != 0)
            continue;
        if ((size_t)size != count)
            return graft_fail(GRAFT_ESHAPE, "%s has %lld elements, not %zu", name, (long long)size, count);
        *out = t;
        return GRAFT_OK;
    }
    return graft_fail(GRAFT_ENOTFOUND, "%s is no parameter that trains", name);
}

graft_status graft_executor_parameter(const graft_executor *e, const char *name, float *out, size_t count)
{
    const graft_trained *t = NULL;
    graft_status status = find_trained(&t, e, name, count);
    return status == GRAFT_OK ? graft_executor_read_trained(e, t, false, out) : status;
}

graft_status graft_executor_gradient(const graft_executor *e, const char *name, float *out, size_t count)
{
    const graft_trained *t = NULL;
    graft_status status = find_trained(&t, e, name, count);
    if (status != GRAFT_OK)
        return status;
    if (!t->gradient)
        return graft_fail(GRAFT_ENOTFOUND, "%s is a running statistic and has no gradient", name);
    if (e->fused)
        return graft_fail(GRAFT_EARGUMENT,
                          "backward and step are fused here: there are no gradients to read");
    if (!e->fresh)
        return graft_executor_read_trained(e, t, true, out);
    memset(out, 0, sizeof(float) * count); /* zero_grad only says that the next backward writes */
    return GRAFT_OK;
}

/* ---- Prediction ---- */

void graft_softmax(float *rows, size_t count, size_t classes)
{
    for (size_t n = 0; n < count; n++) {
        float *row = rows + n * classes;
        double largest = row[0], sum = 0.0;
        for (size_t k = 1; k < classes; k++)
            if (row[k] > largest)
                largest = row[k];
        for (size_t k = 0; k < classes; k++)
            sum += exp(row[k] - largest);
        for (size_t k = 0; k < classes; k++)
            row[k] = (float)(exp(row[k] - largest) / sum);
    }
}

static graft_status fit_picture(uint8_t *out, const graft_picture *picture, const graft_model *model)
{
    graft_status status;
    graft_part part = {.width = 0};
    const graft_wish wish = graft_wish_fit(&model->transform);
    GRAFT_TRY(graft_part_copy(&part, picture, model->sight, &wish));
    GRAFT_TRY(graft_part_fit(out, &part, &model->transform));
out:
    graft_part_dispose(&part);
    return status;
}

typedef struct request {
    const graft_picture *pictures;
    size_t count;
} request;

static graft_status score_slice(graft_executor *e, const request *asked, size_t first, uint8_t *pixels,
                                float *out)
{
    graft_status status = GRAFT_OK;
    size_t each = (size_t)e->model->transform.crop * (size_t)e->model->transform.crop * 3;
    size_t left = asked->count - first;
    const uint8_t *rows[GRAFT_SLICE];
    graft_batch batch = {.count = left < GRAFT_SLICE ? (int)left : GRAFT_SLICE, .pixels = rows};
    for (int i = 0; i < batch.count; i++) {
        size_t index = first + (size_t)i;
        rows[i] = pixels + (size_t)i * each;
        status = fit_picture(pixels + (size_t)i * each, &asked->pictures[index], e->model);
        if (status != GRAFT_OK)
            return asked->count > 1 ? graft_fail_within(status, "picture %zu", index) : status;
    }
    GRAFT_TRY(graft_executor_forward(e, &batch));
    memcpy(out, e->logits, sizeof(float) * (size_t)batch.count * e->model->class_count);
out:
    return status;
}

graft_status graft_executor_score(graft_executor *e, const graft_picture *pictures, size_t count,
                                  float *logits)
{
    graft_status status = GRAFT_OK;
    uint8_t *pixels = NULL;
    const request asked = {pictures, count};
    size_t each = (size_t)e->model->transform.crop * (size_t)e->model->transform.crop * 3;
    bool training = e->training;
    int slice = e->slice, upper_rows = e->rows;
    graft_executor_eval(e);
    if (count == 1) /* one picture does not pay for a whole slice */
        e->slice = 1;
    e->rows = e->slice; /* no more come at once */
    GRAFT_TRY(graft_allocate(&pixels, GRAFT_SLICE, each));
    for (size_t i = 0; i < count; i += GRAFT_SLICE)
        GRAFT_TRY(score_slice(e, &asked, i, pixels, logits + i * e->model->class_count));
out:
    e->slice = slice;
    e->rows = upper_rows;
    e->training = training;
    free(pixels);
    return status;
}

graft_status graft_executor_predict(graft_executor *e, const graft_picture *pictures, size_t count,
                                    float *probabilities)
{
    graft_status status = graft_executor_score(e, pictures, count, probabilities);
    if (status == GRAFT_OK)
        graft_softmax(probabilities, count, e->model->class_count);
    return status;
}
