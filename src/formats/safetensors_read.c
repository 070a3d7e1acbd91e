/* safetensors (github.com/huggingface/safetensors):
 *
 *   file   = u64 length; header of `length` bytes; data
 *   header = JSON in UTF-8, from "{" on, perhaps padded with spaces:
 *            {"__metadata__": {text: text, ...}, name: {"dtype": "F32", "shape": [...],
 *             "data_offsets": [begin, end]}, ...}
 *
 * Offsets count from behind the header. Sorted by them, the tensors cover the data exactly: no hole, no
 * overlap, no tail. No key comes twice. */
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/memory.h"
#include "base/status.h"
#include "formats/bytes.h"
#include "formats/safetensors.h"
#include "formats/weights.h"
#include "tensor/tensor.h"

const char *const graft_safetensors_types[] = {
    [GRAFT_F32] = "F32",   [GRAFT_F64] = "F64",         [GRAFT_F16] = "F16",         [GRAFT_BF16] = "BF16",
    [GRAFT_I8] = "I8",     [GRAFT_I16] = "I16",         [GRAFT_I32] = "I32",         [GRAFT_I64] = "I64",
    [GRAFT_U8] = "U8",     [GRAFT_U16] = "U16",         [GRAFT_U32] = "U32",         [GRAFT_U64] = "U64",
    [GRAFT_BOOL] = "BOOL", [GRAFT_F8_E4M3] = "F8_E4M3", [GRAFT_F8_E5M2] = "F8_E5M2",
};

bool graft_safetensors_type(graft_dtype *dtype, const char *name)
{
    for (size_t i = 0; i < sizeof graft_safetensors_types / sizeof *graft_safetensors_types; i++)
        if (strcmp(graft_safetensors_types[i], name) == 0) {
            *dtype = (graft_dtype)i;
            return true;
        }
    return false;
}

/* A tensor, its place in the data, and in the header (for those without bytes, which share a place). */
typedef struct entry {
    graft_tensor_view view;
    uint64_t begin, end;
    size_t order;
} entry;

static graft_status read_json(json_t **root, const graft_weights *weights)
{
    uint64_t length = graft_u64(weights->bytes); /* detection has seen that it is there */
    const char *text = (const char *)weights->bytes + 8;
    if (length > GRAFT_SAFETENSORS_LARGEST_HEADER || length < 2)
        return graft_fail(GRAFT_EFORMAT, "a safetensors header of %llu bytes cannot be",
                          (unsigned long long)length);
    if (length > weights->size - 8)
        return graft_fail(GRAFT_EFORMAT, "ends early: a safetensors header of %llu bytes in a file of %zu",
                          (unsigned long long)length, weights->size);
    if (text[0] != '{')
        return graft_fail(GRAFT_EFORMAT, "its safetensors header does not begin with {");
    json_error_t error;
    *root = json_loadb(text, (size_t)length, JSON_REJECT_DUPLICATES, &error);
    if (*root)
        return GRAFT_OK;
    if (json_error_code(&error) == json_error_out_of_memory)
        return graft_fail(GRAFT_EMEMORY, "out of memory while its header was read");
    return graft_fail(GRAFT_EFORMAT, "its safetensors header is not proper JSON: %s", error.text);
}

static bool read_size(uint64_t *out, const json_t *number)
{
    if (!json_is_integer(number) || json_integer_value(number) < 0)
        return false;
    *out = (uint64_t)json_integer_value(number);
    return true;
}

static graft_status read_shape(graft_shape *shape, const json_t *array)
{
    size_t rank = json_array_size(array);
    uint64_t size;
    if (!json_is_array(array))
        return graft_fail(GRAFT_EFORMAT, "has no shape");
    if (rank > GRAFT_MAX_RANK)
        return graft_fail(GRAFT_EFORMAT, "has %zu dimensions; graft reads up to %d", rank, GRAFT_MAX_RANK);
    shape->rank = (int)rank;
    for (size_t i = 0; i < rank; i++) {
        if (!read_size(&size, json_array_get(array, i)))
            return graft_fail(GRAFT_EFORMAT, "its shape is not made of numbers from 0 on");
        shape->dims[i] = (int64_t)size;
    }
    return GRAFT_OK;
}

static graft_status read_entry(entry *e, const json_t *json)
{
    graft_status status;
    const json_t *offsets = json_object_get(json, "data_offsets");
    const char *type = json_string_value(json_object_get(json, "dtype"));
    if (json_object_size(json) != 3 || !type || json_array_size(offsets) != 2 ||
        !read_size(&e->begin, json_array_get(offsets, 0)) || !read_size(&e->end, json_array_get(offsets, 1)))
        return graft_fail(GRAFT_EFORMAT, "is not described by dtype, shape and data_offsets");
    if (!graft_safetensors_type(&e->view.dtype, type))
        return graft_fail(GRAFT_EFORMAT, "is of the type %.40s, which graft does not read", type);
    GRAFT_TRY(read_shape(&e->view.shape, json_object_get(json, "shape")));
    if (graft_shape_bytes(&e->view.bytes, &e->view.shape, e->view.dtype) != GRAFT_OK)
        return graft_fail(GRAFT_EFORMAT, "%s", graft_error_message());
    if (e->end < e->begin || e->end - e->begin != e->view.bytes)
        return graft_fail(GRAFT_EFORMAT, "has the place %llu to %llu for %zu bytes",
                          (unsigned long long)e->begin, (unsigned long long)e->end, e->view.bytes);
out:
    return status;
}

static graft_status read_metadata(graft_weights *weights, json_t *metadata)
{
    graft_status status = GRAFT_OK;
    const char *key, *name, *text;
    json_t *value;
    if (!json_is_object(metadata))
        return graft_fail(GRAFT_EFORMAT, "its __metadata__ is not an object");
    json_object_foreach(metadata, key, value)
    {
        if (!json_is_string(value))
            return graft_fail(GRAFT_EFORMAT, "its __metadata__ has %.100s, which is no text", key);
        GRAFT_TRY(graft_arena_duplicate(&weights->arena, &name, key));
        GRAFT_TRY(graft_arena_duplicate(&weights->arena, &text, json_string_value(value)));
        GRAFT_TRY(graft_weights_add_metadata(weights, name, text));
    }
out:
    return status;
}

static graft_status read_entries(entry *entries, size_t *count, graft_weights *weights, json_t *root)
{
    graft_status status = GRAFT_OK;
    const char *key;
    json_t *value;
    json_object_foreach(root, key, value)
    {
        if (strcmp(key, "__metadata__") == 0) {
            GRAFT_TRY(read_metadata(weights, value));
            continue;
        }
        entry *e = &entries[*count];
        status = read_entry(e, value);
        if (status != GRAFT_OK)
            return graft_fail_within(status, "the tensor %.200s", key);
        GRAFT_TRY(graft_arena_duplicate(&weights->arena, &e->view.name, key));
        e->order = (*count)++;
    }
out:
    return status;
}

static int by_place(const void *a, const void *b)
{
    const entry *one = a, *other = b;
    if (one->begin != other->begin)
        return one->begin < other->begin ? -1 : 1;
    if (one->end != other->end)
        return one->end < other->end ? -1 : 1;
    return (one->order > other->order) - (one->order < other->order);
}

static graft_status add_in_order(graft_weights *weights, entry *entries, size_t count)
{
    graft_status status = GRAFT_OK;
    uint64_t at = 0;
    uint64_t header = 8 + graft_u64(weights->bytes), size = weights->size - header;
    qsort(entries, count, sizeof *entries, by_place);
    for (size_t i = 0; i < count; i++) {
        entry *e = &entries[i];
        if (e->begin != at)
            return graft_fail(GRAFT_EFORMAT, "the tensor %.200s begins at %llu where %llu is due (%s)",
                              e->view.name, (unsigned long long)e->begin, (unsigned long long)at,
                              e->begin < at ? "tensors overlap" : "a hole");
        if (e->end > size)
            return graft_fail(GRAFT_EFORMAT,
                              "ends early: %llu bytes of data, and the tensor %.200s ends at %llu",
                              (unsigned long long)size, e->view.name, (unsigned long long)e->end);
        e->view.data = weights->bytes + header + e->begin;
        at = e->end;
        GRAFT_TRY(graft_weights_add(weights, &e->view, NULL));
    }
    if (at != size)
        return graft_fail(GRAFT_EFORMAT, "%llu bytes follow its last tensor",
                          (unsigned long long)(size - at));
out:
    return status;
}

graft_status graft_safetensors_read(graft_weights *weights)
{
    graft_status status;
    json_t *root = NULL;
    entry *entries = NULL;
    size_t count = 0;
    GRAFT_TRY(read_json(&root, weights));
    GRAFT_TRY(GRAFT_NEW_ARRAY(&entries, json_object_size(root)));
    GRAFT_TRY(read_entries(entries, &count, weights, root));
    GRAFT_TRY(add_in_order(weights, entries, count));
out:
    free(entries);
    json_decref(root);
    return status;
}
