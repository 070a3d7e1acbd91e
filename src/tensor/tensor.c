/* Shapes, element types and counted storage. */
#include "tensor/tensor.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "base/memory.h"
#include "base/status.h"

static const struct {
    const char *name;
    size_t size;
} dtypes[] = {
    [GRAFT_F32] = {"f32", 4},   [GRAFT_F64] = {"f64", 8},         [GRAFT_F16] = {"f16", 2},
    [GRAFT_BF16] = {"bf16", 2}, [GRAFT_I8] = {"i8", 1},           [GRAFT_I16] = {"i16", 2},
    [GRAFT_I32] = {"i32", 4},   [GRAFT_I64] = {"i64", 8},         [GRAFT_U8] = {"u8", 1},
    [GRAFT_U16] = {"u16", 2},   [GRAFT_U32] = {"u32", 4},         [GRAFT_U64] = {"u64", 8},
    [GRAFT_BOOL] = {"bool", 1}, [GRAFT_F8_E4M3] = {"f8_e4m3", 1}, [GRAFT_F8_E5M2] = {"f8_e5m2", 1},
};

static bool is_known(graft_dtype dtype)
{
    return (size_t)dtype < sizeof dtypes / sizeof *dtypes;
}

const char *graft_dtype_name(graft_dtype dtype)
{
    return is_known(dtype) ? dtypes[dtype].name : "unknown";
}

size_t graft_dtype_size(graft_dtype dtype)
{
    return is_known(dtype) ? dtypes[dtype].size : 0;
}

int64_t graft_shape_count(const graft_shape *shape)
{
    int64_t count = 1;
    for (int i = 0; i < shape->rank; i++)
        count *= shape->dims[i];
    return count;
}

graft_status graft_shape_bytes(size_t *bytes, const graft_shape *shape, graft_dtype dtype)
{
    int64_t count = 1;
    char text[GRAFT_SHAPE_TEXT];
    for (int i = 0; i < shape->rank; i++)
        if (!graft_int64_multiply(&count, count, shape->dims[i]))
            return graft_fail(GRAFT_ESHAPE, "the shape %s is too large", graft_shape_text(shape, text));
    if (!graft_int64_multiply(&count, count, (int64_t)graft_dtype_size(dtype)))
        return graft_fail(GRAFT_ESHAPE, "the shape %s is too large", graft_shape_text(shape, text));
    *bytes = (size_t)count;
    return GRAFT_OK;
}

bool graft_shape_equal(const graft_shape *a, const graft_shape *b)
{
    return a->rank == b->rank && memcmp(a->dims, b->dims, sizeof(int64_t) * (size_t)a->rank) == 0;
}

const char *graft_shape_text(const graft_shape *shape, char *text)
{
    int used = snprintf(text, GRAFT_SHAPE_TEXT, "(");
    for (int i = 0; i < shape->rank; i++)
        used += snprintf(text + used, GRAFT_SHAPE_TEXT - (size_t)used, "%s%lld", i ? ", " : "",
                         (long long)shape->dims[i]);
    snprintf(text + used, GRAFT_SHAPE_TEXT - (size_t)used, shape->rank == 1 ? ",)" : ")");
    return text;
}

/* A tensor without memory. */
static graft_status describe(graft_tensor **out, graft_dtype dtype, const graft_shape *shape)
{
    graft_status status;
    graft_tensor *tensor = NULL;
    GRAFT_TRY(GRAFT_NEW(&tensor));
    GRAFT_TRY(graft_shape_bytes(&tensor->bytes, shape, dtype));
    tensor->references = 1;
    tensor->dtype = dtype;
    tensor->shape = *shape;
    *out = tensor;
    return GRAFT_OK;
out:
    free(tensor);
    return status;
}

graft_status graft_tensor_create(graft_tensor **out, graft_chunks *chunks, graft_dtype dtype,
                                 const graft_shape *shape)
{
    graft_status status;
    graft_tensor *tensor = NULL;
    GRAFT_TRY(describe(&tensor, dtype, shape));
    GRAFT_TRY(graft_chunks_take(chunks, &tensor->data, &tensor->chunk, tensor->bytes));
    *out = tensor;
    return GRAFT_OK;
out:
    graft_tensor_release(tensor);
    return status;
}

static float half_to_float(uint16_t half)
{
    int exponent = half >> 10 & 31, fraction = half & 1023;
    float value = exponent == 0    ? ldexpf((float)fraction, -24)
                  : exponent == 31 ? (fraction ? NAN : INFINITY)
                                   : ldexpf((float)(fraction + 1024), exponent - 25);
    return half & 0x8000 ? -value : value;
}

static float bfloat_to_float(uint16_t bits)
{
    uint32_t wide = (uint32_t)bits << 16;
    float value;
    memcpy(&value, &wide, sizeof value);
    return value;
}

/* Element `i` of floating-point data that may be unaligned. */
static double element(const graft_tensor_view *view, int64_t i)
{
    const char *at = (const char *)view->data + (size_t)i * graft_dtype_size(view->dtype);
    uint16_t bits;
    float single;
    double value;
    switch (view->dtype) {
    case GRAFT_F32:
        memcpy(&single, at, sizeof single);
        return single;
    case GRAFT_F64:
        memcpy(&value, at, sizeof value);
        return value;
    case GRAFT_F16:
        memcpy(&bits, at, sizeof bits);
        return half_to_float(bits);
    case GRAFT_BF16:
        memcpy(&bits, at, sizeof bits);
        return bfloat_to_float(bits);
    default:
        return 0;
    }
}

static bool converts(graft_dtype dtype)
{
    return dtype == GRAFT_F64 || dtype == GRAFT_F16 || dtype == GRAFT_BF16;
}

graft_status graft_tensor_from_view(graft_tensor **out, graft_chunks *chunks, const graft_tensor_view *view)
{
    graft_tensor *tensor;
    graft_dtype dtype = converts(view->dtype) ? GRAFT_F32 : view->dtype;
    graft_status status = graft_tensor_create(&tensor, chunks, dtype, &view->shape);
    if (status != GRAFT_OK)
        return status;
    if (dtype == view->dtype) {
        if (tensor->bytes)
            memcpy(tensor->data, view->data, tensor->bytes);
    } else {
        int64_t count = graft_shape_count(&view->shape);
        for (int64_t i = 0; i < count; i++)
            ((float *)tensor->data)[i] = (float)element(view, i);
    }
    *out = tensor;
    return GRAFT_OK;
}

graft_status graft_tensor_adopt(graft_tensor **out, graft_chunk *chunk, const graft_tensor_view *view)
{
    if (converts(view->dtype))
        return graft_tensor_from_view(out, NULL, view);
    graft_tensor *tensor;
    graft_status status = describe(&tensor, view->dtype, &view->shape);
    if (status != GRAFT_OK)
        return status;
    tensor->data = (void *)(uintptr_t)view->data;
    tensor->chunk = graft_chunk_share(chunk);
    *out = tensor;
    return GRAFT_OK;
}

graft_tensor *graft_tensor_share(graft_tensor *tensor)
{
    __atomic_add_fetch(&tensor->references, 1, __ATOMIC_RELAXED);
    return tensor;
}

void graft_tensor_release(graft_tensor *tensor)
{
    if (!tensor || __atomic_sub_fetch(&tensor->references, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    graft_chunk_release(tensor->chunk);
    free(tensor);
}

bool graft_tensor_is_finite(const graft_tensor *tensor)
{
    const uint32_t *bits = tensor->data, exponent = UINT32_C(0x7f800000);
    size_t count = tensor->bytes / sizeof *bits;
    uint32_t holes = 0;
    for (size_t i = 0; i < count; i++) /* without a branch, so that it is as fast as memory */
        holes |= (bits[i] & exponent) == exponent;
    return holes == 0;
}

graft_tensor_view graft_tensor_view_of(const graft_tensor *tensor, const char *name)
{
    graft_tensor_view view = {name, tensor->dtype, tensor->shape, tensor->data, tensor->bytes};
    return view;
}

void graft_tensor_count_nonfinite(const graft_tensor_view *tensor, int64_t *nans, int64_t *infinities)
{
    int64_t nan_count = 0, infinite = 0;
    int64_t count =
        converts(tensor->dtype) || tensor->dtype == GRAFT_F32 ? graft_shape_count(&tensor->shape) : 0;
    for (int64_t i = 0; i < count; i++) {
        double value = element(tensor, i);
        nan_count += isnan(value) != 0;
        infinite += isinf(value) != 0;
    }
    *nans = nan_count;
    *infinities = infinite;
}
