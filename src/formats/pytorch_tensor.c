/* Tensors by calls of torch._utils:
 *
 *   _rebuild_tensor(storage, offset, size, stride)
 *   _rebuild_tensor_v2(storage, offset, size, stride, requires_grad, hooks [, metadata])
 *   _rebuild_parameter(tensor, requires_grad, hooks)
 *
 * Element (i, j, ...) is storage[offset + i * stride[0] + j * stride[1] + ...], counted in elements. */
#include <string.h>

#include "base/checked.h"
#include "base/status.h"
#include "formats/pytorch.h"
#include "tensor/tensor.h"

struct layout {
    graft_shape shape;
    int64_t strides[GRAFT_MAX_RANK];
    int64_t offset;
};

static graft_status read_sizes(int64_t *sizes, const graft_value *tuple)
{
    for (size_t i = 0; i < tuple->count; i++) {
        const graft_value *item = tuple->items[i];
        if (item->kind != GRAFT_VALUE_INTEGER || item->integer < 0)
            return graft_fail(GRAFT_EFORMAT, "its size or stride is not made of numbers from 0 on");
        sizes[i] = item->integer;
    }
    return GRAFT_OK;
}

static graft_status read_layout(struct layout *layout, graft_value *const *arguments)
{
    graft_status status;
    const graft_value *offset = arguments[1], *size = arguments[2], *stride = arguments[3];
    if (offset->kind != GRAFT_VALUE_INTEGER || offset->integer < 0 || size->kind != GRAFT_VALUE_TUPLE ||
        stride->kind != GRAFT_VALUE_TUPLE || size->count != stride->count)
        return graft_fail(GRAFT_EFORMAT, "its offset, size and stride do not fit together");
    if (size->count > GRAFT_MAX_RANK)
        return graft_fail(GRAFT_EFORMAT, "has %zu dimensions; graft reads up to %d", size->count,
                          GRAFT_MAX_RANK);
    layout->offset = offset->integer;
    layout->shape.rank = (int)size->count;
    GRAFT_TRY(read_sizes(layout->shape.dims, size));
    GRAFT_TRY(read_sizes(layout->strides, stride));
    for (int i = 0; i < layout->shape.rank; i++)
        if (layout->shape.dims[i] == 1) /* never stepped by, and may be anything */
            layout->strides[i] = 0;
out:
    return status;
}

/* The place of the last element, which is the furthest; false on overflow. Not for a tensor without
 * elements. */
static bool find_last(uint64_t *last, const struct layout *layout)
{
    int64_t at = layout->offset, step;
    for (int i = 0; i < layout->shape.rank; i++)
        if (!graft_int64_multiply(&step, layout->shape.dims[i] - 1, layout->strides[i]) ||
            __builtin_add_overflow(at, step, &at))
            return false;
    *last = (uint64_t)at;
    return true;
}

static graft_status check_range(const struct layout *layout, size_t count)
{
    uint64_t last;
    char text[GRAFT_SHAPE_TEXT];
    if (find_last(&last, layout) && last < count)
        return GRAFT_OK;
    return graft_fail(GRAFT_EFORMAT, "its shape %s reaches beyond its storage of %zu elements",
                      graft_shape_text(&layout->shape, text), count);
}

static bool is_contiguous(const struct layout *layout)
{
    int64_t expected = 1;
    for (int i = layout->shape.rank - 1; i >= 0; i--) {
        if (layout->shape.dims[i] != 1 && layout->strides[i] != expected)
            return false;
        expected *= layout->shape.dims[i];
    }
    return true;
}

/* Whether the axes `d` and `d + 1` are walked as one. */
static bool go_together(const struct layout *layout, int d)
{
    int64_t row;
    return graft_int64_multiply(&row, layout->strides[d + 1], layout->shape.dims[d + 1]) &&
           layout->strides[d] == row;
}

/* The same elements in the same order with the fewest axes, two at least: those of length 1 go, and
 * neighbours that are walked as one become one. */
static struct layout simplify(const struct layout *layout)
{
    struct layout simple = {.offset = layout->offset};
    for (int i = 0; i < layout->shape.rank; i++) {
        if (layout->shape.dims[i] == 1)
            continue;
        int last = simple.shape.rank++;
        simple.shape.dims[last] = layout->shape.dims[i];
        simple.strides[last] = layout->strides[i];
        if (last > 0 && go_together(&simple, last - 1)) {
            simple.shape.dims[last - 1] *= layout->shape.dims[i];
            simple.strides[last - 1] = layout->strides[i];
            simple.shape.rank--;
        }
    }
    while (simple.shape.rank < 2)
        simple.shape.dims[simple.shape.rank++] = 1;
    return simple;
}

/* What lies column by column, as TensorFlow's weights do, is read a cache line of it at a time. Inlined for
 * each size of an element, so that a copy of one is a move. */
static inline void copy_plane(char *out, const uint8_t *data, const int64_t dims[2], const int64_t strides[2],
                              size_t size)
{
    enum { TILE = 32 };
    int64_t rows = dims[0], columns = dims[1], down = strides[0], right = strides[1];
    for (int64_t from = 0; from < rows; from += TILE) {
        int64_t count = rows - from < TILE ? rows - from : TILE;
        for (int64_t j = 0; j < columns; j++) {
            char *to = out + (size_t)(from * columns + j) * size;
            const uint8_t *at = data + (size_t)(from * down + j * right) * size;
            for (int64_t i = 0; i < count; i++)
                memcpy(to + (size_t)(i * columns) * size, at + (size_t)(i * down) * size, size);
        }
    }
}

static void copy_plane_of(size_t size, char *out, const uint8_t *data, const int64_t dims[2],
                          const int64_t strides[2])
{
    switch (size) {
    case 1:
        copy_plane(out, data, dims, strides, 1);
        return;
    case 2:
        copy_plane(out, data, dims, strides, 2);
        return;
    case 4:
        copy_plane(out, data, dims, strides, 4);
        return;
    default:
        copy_plane(out, data, dims, strides, 8);
    }
}

/* Walks the planes of the last two axes in row-major order, as an odometer. */
static void copy_dense(char *out, const uint8_t *data, const struct layout *given, size_t size)
{
    struct layout layout = simplify(given);
    int first = layout.shape.rank - 2; /* of the plane's axes */
    int64_t index[GRAFT_MAX_RANK] = {0}, at = layout.offset;
    int64_t plane = layout.shape.dims[first] * layout.shape.dims[first + 1];
    int64_t planes = graft_shape_count(&layout.shape) / plane;
    for (int64_t i = 0; i < planes; i++, out += (size_t)plane * size) {
        copy_plane_of(size, out, data + (size_t)at * size, &layout.shape.dims[first], &layout.strides[first]);
        for (int d = first - 1; d >= 0; d--) {
            at += layout.strides[d];
            if (++index[d] < layout.shape.dims[d])
                break;
            at -= layout.strides[d] * layout.shape.dims[d];
            index[d] = 0;
        }
    }
}

static graft_status materialise(graft_tensor_view *view, graft_chunk **chunk, graft_tensor_reader *reader,
                                const graft_storage_part *part, const struct layout *layout)
{
    size_t size = graft_dtype_size(view->dtype);
    if (view->bytes > reader->budget)
        return graft_fail(GRAFT_EFORMAT, "its strides expand the file to more than eight times its size");
    char *dense;
    graft_status status = graft_chunks_take(reader->chunks, &dense, chunk, view->bytes);
    if (status != GRAFT_OK)
        return status;
    reader->budget -= view->bytes;
    copy_dense(dense, part->storage->data + part->offset * size, layout, size);
    view->data = dense;
    return GRAFT_OK;
}

static graft_status rebuild(graft_tensor_view *view, graft_chunk **chunk, graft_tensor_reader *reader,
                            graft_value *const *arguments)
{
    graft_status status;
    graft_chunk *dense = NULL;
    graft_storage_part part;
    struct layout layout = {.offset = 0};
    if (arguments[0]->kind != GRAFT_VALUE_PERSISTENT)
        return graft_fail(GRAFT_EFORMAT, "is made of %s, not of a storage", graft_value_what(arguments[0]));
    GRAFT_TRY(graft_storage_part_of(&part, reader->storages, arguments[0]));
    GRAFT_TRY(read_layout(&layout, arguments));
    graft_tensor_view fresh = {.dtype = part.storage->dtype, .shape = layout.shape};
    if (graft_shape_bytes(&fresh.bytes, &fresh.shape, fresh.dtype) != GRAFT_OK)
        return graft_fail(GRAFT_EFORMAT, "%s", graft_error_message());
    fresh.data = part.storage->data;
    if (fresh.bytes > 0) {
        GRAFT_TRY(check_range(&layout, part.count));
        if (is_contiguous(&layout))
            fresh.data =
                part.storage->data + (part.offset + (size_t)layout.offset) * graft_dtype_size(fresh.dtype);
        else
            GRAFT_TRY(materialise(&fresh, &dense, reader, &part, &layout));
    }
    *view = fresh;
    *chunk = dense;
out:
    return status;
}

/* Conjugate and negative bits, which would change the elements' meaning. */
static bool has_metadata(const graft_value *arguments)
{
    if (arguments->count < 7)
        return false;
    const graft_value *metadata = arguments->items[6];
    return metadata->kind != GRAFT_VALUE_NONE &&
           !(metadata->kind == GRAFT_VALUE_DICT && metadata->count == 0);
}

graft_status graft_tensor_rebuild(graft_tensor_view *view, graft_chunk **chunk, graft_tensor_reader *reader,
                                  const graft_value *call)
{
    const graft_value *arguments = call->inner;
    size_t least = 4, most = 4;
    if (call->global == GRAFT_GLOBAL_REBUILD_PARAMETER) {
        if (arguments->count != 3 || arguments->items[0]->kind != GRAFT_VALUE_CALL ||
            arguments->items[0]->global == GRAFT_GLOBAL_REBUILD_PARAMETER)
            return graft_fail(GRAFT_EFORMAT, "is a parameter that is not made of a tensor");
        call = arguments->items[0];
        arguments = call->inner;
    }
    if (call->global == GRAFT_GLOBAL_REBUILD_TENSOR_V2) {
        least = 6;
        most = 7;
    }
    if (arguments->count < least || arguments->count > most)
        return graft_fail(GRAFT_EFORMAT, "is made of %zu arguments", arguments->count);
    if (has_metadata(arguments))
        return graft_fail(GRAFT_EFORMAT, "has a conjugate or negative bit, which graft does not read");
    return rebuild(view, chunk, reader, arguments->items);
}
