/* Element types, shapes and read-only views of tensors. */
#ifndef GRAFT_TENSOR_H
#define GRAFT_TENSOR_H

#include <stddef.h>
#include <stdint.h>

#include <graft/status.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum graft_dtype {
    GRAFT_F32 = 0,
    GRAFT_F64,
    GRAFT_F16,
    GRAFT_BF16,
    GRAFT_I8,
    GRAFT_I16,
    GRAFT_I32,
    GRAFT_I64,
    GRAFT_U8,
    GRAFT_U16,
    GRAFT_U32,
    GRAFT_U64,
    GRAFT_BOOL,
    GRAFT_F8_E4M3,
    GRAFT_F8_E5M2
} graft_dtype;

#define GRAFT_MAX_RANK 8

/* A scalar has rank 0. A dimension may be 0; none is negative. */
typedef struct graft_shape {
    int rank;
    int64_t dims[GRAFT_MAX_RANK];
} graft_shape;

/* A tensor somebody else owns: dense, row-major, native byte order (NCHW for activations, OIHW for
 * convolution weights). `data` may be unaligned. */
typedef struct graft_tensor_view {
    const char *name;
    graft_dtype dtype;
    graft_shape shape;
    const void *data;
    size_t bytes;
} graft_tensor_view;

/* "f32", "bf16", ...; static storage. */
GRAFT_API const char *graft_dtype_name(graft_dtype dtype);

/* Bytes of one element. */
GRAFT_API size_t graft_dtype_size(graft_dtype dtype);

/* Product of the dimensions; 1 for a scalar. The shape must come from graft (checked against overflow). */
GRAFT_API int64_t graft_shape_count(const graft_shape *shape);

/* NaN and infinite elements of a floating-point tensor; 0 for integers. */
GRAFT_API void graft_tensor_count_nonfinite(const graft_tensor_view *tensor, int64_t *nans,
                                            int64_t *infinities);

#ifdef __cplusplus
}
#endif
#endif
