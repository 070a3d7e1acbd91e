/* The opened file: its bytes, its tensors in the file's order and a sorted index of their names. */
#include "formats/weights.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/memory.h"
#include "base/status.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
               "views point at the little-endian numbers of a file");

graft_status graft_weights_add(graft_weights *weights, const graft_tensor_view *view, graft_chunk *chunk)
{
    graft_status status;
    GRAFT_TRY(GRAFT_GROW(&weights->views, weights->count, &weights->capacity));
    GRAFT_TRY(GRAFT_GROW(&weights->data, weights->count, &weights->data_capacity));
    weights->views[weights->count] = *view;
    weights->data[weights->count++] = chunk;
    return GRAFT_OK;
out:
    graft_chunk_release(chunk);
    return status;
}

graft_status graft_weights_tensor(graft_tensor **out, graft_chunks *chunks, const graft_weights *weights,
                                  const graft_tensor_view *view)
{
    graft_chunk *chunk = weights->data[view - weights->views];
    return chunk ? graft_tensor_adopt(out, chunk, view) : graft_tensor_from_view(out, chunks, view);
}

graft_status graft_weights_add_metadata(graft_weights *weights, const char *key, const char *value)
{
    graft_status status =
        GRAFT_GROW(&weights->metadata, weights->metadata_count, &weights->metadata_capacity);
    if (status == GRAFT_OK)
        weights->metadata[weights->metadata_count++] = (graft_pair){key, value};
    return status;
}

static int compare_names(const void *a, const void *b)
{
    const graft_tensor_view *const *one = a, *const *other = b;
    return strcmp((*one)->name, (*other)->name);
}

static graft_status make_index(graft_weights *weights)
{
    graft_status status = GRAFT_NEW_ARRAY(&weights->by_name, weights->count);
    if (status != GRAFT_OK)
        return status;
    for (size_t i = 0; i < weights->count; i++)
        weights->by_name[i] = &weights->views[i];
    qsort(weights->by_name, weights->count, sizeof *weights->by_name, compare_names);
    for (size_t i = 1; i < weights->count; i++)
        if (compare_names(&weights->by_name[i - 1], &weights->by_name[i]) == 0)
            return graft_fail(GRAFT_EFORMAT, "two tensors are named %s", weights->by_name[i]->name);
    return GRAFT_OK;
}

static graft_status read_tensors(graft_weights *weights)
{
    graft_status status;
    const graft_weights_format_row *format;
    GRAFT_TRY(graft_weights_detect(&format, weights->bytes, weights->size));
    weights->format = format->name;
    GRAFT_TRY(format->read(weights));
    GRAFT_TRY(make_index(weights));
out:
    return status;
}

graft_status graft_weights_open_bytes(graft_weights **out, const char *path, const uint8_t *bytes,
                                      size_t size)
{
    graft_status status;
    graft_weights *weights = NULL;
    GRAFT_TRY(GRAFT_NEW(&weights));
    graft_arena_init(&weights->arena);
    weights->bytes = bytes;
    weights->size = size;
    GRAFT_TRY(graft_duplicate(&weights->path, path));
    GRAFT_TRY(graft_allocate(&weights->sha256, 65, 1));
    status = read_tensors(weights);
    if (status != GRAFT_OK) {
        status = graft_fail_within(status, "%s", path);
        goto out;
    }
    *out = weights;
    weights = NULL;
out:
    graft_weights_close(weights);
    return status;
}

graft_status graft_weights_open(graft_weights **out, const char *path)
{
    graft_mapping file;
    graft_status status = graft_mapping_open(&file, path);
    if (status != GRAFT_OK)
        return status;
    graft_weights *weights;
    status = graft_weights_open_bytes(&weights, path, file.data, file.size);
    if (status != GRAFT_OK) {
        graft_mapping_close(&file);
        return status;
    }
    weights->file = file;
    *out = weights;
    return GRAFT_OK;
}

void graft_weights_close(graft_weights *weights)
{
    if (!weights)
        return;
    for (size_t i = 0; i < weights->count; i++)
        graft_chunk_release(weights->data[i]);
    graft_chunks_dispose(&weights->chunks);
    graft_arena_dispose(&weights->arena);
    graft_mapping_close(&weights->file);
    free(weights->path);
    free(weights->sha256);
    free(weights->views);
    free(weights->data);
    free(weights->by_name);
    free(weights->metadata);
    free(weights);
}

const char *graft_weights_path(const graft_weights *weights)
{
    return weights->path;
}

const char *graft_weights_format(const graft_weights *weights)
{
    return weights->format;
}

/* Made when it is asked for: who only predicts never reads the whole file. */
const char *graft_weights_sha256(const graft_weights *weights)
{
    if (!weights->sha256[0])
        graft_sha256(weights->bytes, weights->size, weights->sha256);
    return weights->sha256;
}

graft_status graft_weights_hash(graft_file_hash **hash, const graft_weights *weights)
{
    if (!weights->file.data)
        return graft_fail(GRAFT_EARGUMENT, "%s: these weights are no file", weights->path);
    return graft_file_hash_begin(hash, weights->file.file);
}

size_t graft_weights_count(const graft_weights *weights)
{
    return weights->count;
}

const graft_tensor_view *graft_weights_at(const graft_weights *weights, size_t index)
{
    return index < weights->count ? &weights->views[index] : NULL;
}

static int compare_with_name(const void *name, const void *element)
{
    const graft_tensor_view *const *view = element;
    return strcmp(name, (*view)->name);
}

const graft_tensor_view *graft_weights_find(const graft_weights *weights, const char *name)
{
    const graft_tensor_view **found =
        bsearch(name, weights->by_name, weights->count, sizeof *weights->by_name, compare_with_name);
    return found ? *found : NULL;
}

const char *graft_weights_metadata(const graft_weights *weights, const char *key)
{
    for (size_t i = 0; i < weights->metadata_count; i++)
        if (strcmp(weights->metadata[i].key, key) == 0)
            return weights->metadata[i].value;
    return NULL;
}

size_t graft_weights_metadata_count(const graft_weights *weights)
{
    return weights->metadata_count;
}

const char *graft_weights_metadata_key(const graft_weights *weights, size_t index)
{
    return index < weights->metadata_count ? weights->metadata[index].key : NULL;
}
