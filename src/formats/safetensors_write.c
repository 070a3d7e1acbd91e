/* The safetensors writer (the format is in safetensors_read.c). Tensors of wide elements come first,
 * otherwise in the order given, and the header is padded to eight bytes: so every tensor is aligned to its
 * elements. */
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/status.h"
#include "formats/safetensors.h"
#include "tensor/tensor.h"

#include <graft/weights.h>

static const char metadata_key[] = "__metadata__";

/* Takes `value` over, also on failure. */
static graft_status set_once(json_t *object, const char *key, json_t *value)
{
    if (json_object_get(object, key)) {
        json_decref(value);
        return graft_fail(GRAFT_EARGUMENT, "two tensors or keys of a safetensors file are named %.200s", key);
    }
    if (json_object_set_new(object, key, value) != 0)
        return graft_fail(GRAFT_EARGUMENT, "a name or text for a safetensors file is not UTF-8: %.200s", key);
    return GRAFT_OK;
}

static graft_status add_metadata(json_t *header, const char *const *metadata, size_t pairs)
{
    graft_status status;
    json_t *object = json_object();
    for (size_t i = 0; i < pairs; i++) {
        status = set_once(object, metadata[2 * i], json_string(metadata[2 * i + 1]));
        if (status != GRAFT_OK) {
            json_decref(object);
            return status;
        }
    }
    return set_once(header, metadata_key, object);
}

static json_t *describe(const graft_tensor_view *tensor, size_t begin)
{
    json_t *shape = json_array();
    for (int i = 0; i < tensor->shape.rank; i++)
        json_array_append_new(shape, json_integer(tensor->shape.dims[i]));
    return json_pack("{s:s,s:o,s:[I,I]}", "dtype", graft_safetensors_types[tensor->dtype], "shape", shape,
                     "data_offsets", (json_int_t)begin, (json_int_t)(begin + tensor->bytes));
}

static graft_status check_tensor(const graft_tensor_view *tensor)
{
    size_t bytes;
    if (!tensor->name || strcmp(tensor->name, metadata_key) == 0)
        return graft_fail(GRAFT_EARGUMENT, "a tensor cannot be named %s",
                          tensor->name ? tensor->name : "nothing");
    if ((unsigned)tensor->dtype > GRAFT_F8_E5M2 || (unsigned)tensor->shape.rank > GRAFT_MAX_RANK ||
        graft_shape_bytes(&bytes, &tensor->shape, tensor->dtype) != GRAFT_OK || bytes != tensor->bytes ||
        (bytes && !tensor->data))
        return graft_fail(GRAFT_EARGUMENT, "the tensor %.200s does not have the bytes of its shape",
                          tensor->name);
    return GRAFT_OK;
}

/* Pointers to the tensors in the order of the file. */
static graft_status order(const graft_tensor_view ***out, const graft_tensor_view *tensors, size_t count)
{
    graft_status status;
    const graft_tensor_view **ordered;
    size_t placed = 0;
    for (size_t i = 0; i < count; i++)
        GRAFT_TRY(check_tensor(&tensors[i]));
    GRAFT_TRY(GRAFT_NEW_ARRAY(&ordered, count));
    for (size_t width = 8; width > 0; width /= 2)
        for (size_t i = 0; i < count; i++)
            if (graft_dtype_size(tensors[i].dtype) == width)
                ordered[placed++] = &tensors[i];
    *out = ordered;
out:
    return status;
}

static graft_status make_header(char **out, const graft_tensor_view *const *tensors, size_t count,
                                const char *const *metadata, size_t pairs)
{
    graft_status status;
    size_t begin = 0;
    json_t *header = json_object();
    if (pairs)
        GRAFT_TRY(add_metadata(header, metadata, pairs));
    for (size_t i = 0; i < count; i++) {
        GRAFT_TRY(set_once(header, tensors[i]->name, describe(tensors[i], begin)));
        begin += tensors[i]->bytes; /* each is at most INT64_MAX: no wrap */
        if (begin > INT64_MAX)
            GRAFT_TRY(graft_fail(GRAFT_EARGUMENT, "these tensors are too large for one file"));
    }
    *out = json_dumps(header, JSON_COMPACT);
    status = *out ? GRAFT_OK : graft_fail(GRAFT_EMEMORY, "out of memory while a file's header was made");
out:
    json_decref(header);
    return status;
}

static graft_status write_header(graft_writer *writer, const char *header)
{
    graft_status status;
    size_t length = strlen(header), padding = (8 - length % 8) % 8;
    uint64_t total = length + padding;
    if (total > GRAFT_SAFETENSORS_LARGEST_HEADER)
        return graft_fail(GRAFT_EARGUMENT,
                          "%s: %llu bytes of names and metadata are more than the format allows",
                          writer->path, (unsigned long long)total);
    GRAFT_TRY(graft_writer_write(writer, &total, sizeof total));
    GRAFT_TRY(graft_writer_write(writer, header, length));
    GRAFT_TRY(graft_writer_write(writer, "       ", padding));
out:
    return status;
}

graft_status graft_safetensors_write(const char *path, const graft_tensor_view *tensors, size_t count,
                                     const char *const *metadata, size_t pairs)
{
    graft_status status;
    graft_writer writer = {NULL, NULL, NULL};
    const graft_tensor_view **ordered = NULL;
    char *header = NULL;
    GRAFT_TRY(order(&ordered, tensors, count));
    GRAFT_TRY(make_header(&header, ordered, count, metadata, pairs));
    GRAFT_TRY(graft_writer_open(&writer, path));
    GRAFT_TRY(write_header(&writer, header));
    for (size_t i = 0; i < count; i++)
        GRAFT_TRY(graft_writer_write(&writer, ordered[i]->data, ordered[i]->bytes));
    GRAFT_TRY(graft_writer_commit(&writer));
out:
    graft_writer_discard(&writer);
    free(ordered);
    free(header);
    return status;
}
