/* A tensor: shape, element type and shared, read-only storage. Tensors are what models hold; they are
 * counted, so that models, checkpoints and executors share them. */
#ifndef GRAFT_TENSOR_TENSOR_H
#define GRAFT_TENSOR_TENSOR_H

#include <stdbool.h>

#include <graft/tensor.h>

#include "base/chunk.h"
#include "base/random.h"

typedef struct graft_tensor graft_tensor;

struct graft_tensor {
    int references; /* atomic */
    graft_dtype dtype;
    graft_shape shape;
    size_t bytes;
    void *data; /* dense, row-major, aligned to 64; written only by whoever made it, before it is shared */
    graft_chunk *chunk; /* where data lies */
    graft_random drawn; /* the stream that the values were drawn from; zeroed: from none */
};

/* A tensor of its own, uninitialised; its memory is of `chunks`, or alone where that is NULL. GRAFT_ESHAPE if
 * its size overflows. */
graft_status graft_tensor_create(graft_tensor **out, graft_chunks *chunks, graft_dtype dtype,
                                 const graft_shape *shape);
/* A copy of a view, as f32 where it is a floating-point type of another width. */
graft_status graft_tensor_from_view(graft_tensor **out, graft_chunks *chunks, const graft_tensor_view *view);
/* A tensor of the view's own memory, which lies in `chunk`; a copy where it is converted. */
graft_status graft_tensor_adopt(graft_tensor **out, graft_chunk *chunk, const graft_tensor_view *view);
graft_tensor *graft_tensor_share(graft_tensor *tensor);
void graft_tensor_release(graft_tensor *tensor); /* NULL is legal */
/* No NaN and nothing infinite in an f32 tensor. */
bool graft_tensor_is_finite(const graft_tensor *tensor);
graft_tensor_view graft_tensor_view_of(const graft_tensor *tensor, const char *name);

/* *bytes = count x element size, GRAFT_ESHAPE on a negative dimension or overflow. */
graft_status graft_shape_bytes(size_t *bytes, const graft_shape *shape, graft_dtype dtype);
bool graft_shape_equal(const graft_shape *a, const graft_shape *b);
/* "(64, 3, 3, 3)" into a buffer of GRAFT_SHAPE_TEXT bytes; returns it. */
#define GRAFT_SHAPE_TEXT 192
const char *graft_shape_text(const graft_shape *shape, char *text);
#define GRAFT_SHAPE(...) \
    ((graft_shape){(int)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)), {__VA_ARGS__}})

#endif
