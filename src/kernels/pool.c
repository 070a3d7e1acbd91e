/* Pools by oneDNN. A max pool notes in a workspace which element of its window was the first of the largest.
 * Averages whose windows oneDNN cannot describe, or would take through its reference code, are in
 * host/average.c. */
#include "kernels/primitive.h"

#include "base/status.h"

typedef struct description {
    dnnl_alg_kind_t algorithm;
    dnnl_memory_desc_t x, y;
    dnnl_dims_t window, strides, pad_begin, pad_end;
} description;

static void describe_axis(description *d, int i, const graft_pool_axis *axis)
{
    int64_t reach = (axis->out - 1) * axis->stride + axis->kernel - axis->padding;
    d->window[i] = axis->kernel;
    d->strides[i] = axis->stride;
    d->pad_begin[i] = axis->padding;
    d->pad_end[i] = reach > axis->in ? reach - axis->in : 0;
}

static graft_status describe(description *d, graft_device *device, const graft_layout *x, graft_dtype type,
                             const graft_pool *pool)
{
    graft_status status;
    const int64_t *dims = graft_layout_shape(x)->dims;
    graft_shape shape = GRAFT_SHAPE(dims[0], dims[1], pool->height.out, pool->width.out);
    const graft_layout *y;
    GRAFT_TRY(graft_layout_typed_like(device, x, graft_layout_shape(x), type, &x));
    GRAFT_TRY(graft_layout_typed_like(device, x, &shape, type, &y));
    d->x = x->descriptor;
    d->y = y->descriptor;
    describe_axis(d, 0, &pool->height);
    describe_axis(d, 1, &pool->width);
out:
    return status;
}

static graft_status create_forward(graft_kernel **kernel, graft_device *device, const description *d,
                                   bool training)
{
    graft_status status;
    dnnl_pooling_desc_t operation;
    bool notes = training && d->algorithm == dnnl_pooling_max;
    const graft_argument arguments[] = {
        {DNNL_ARG_SRC, dnnl_query_src_md, 0, GRAFT_READS},
        {DNNL_ARG_DST, dnnl_query_dst_md, 0, GRAFT_WRITES},
        {DNNL_ARG_WORKSPACE, dnnl_query_workspace_md, 0, notes ? GRAFT_WRITES : GRAFT_UNUSED},
    };
    GRAFT_TRY_DNNL(dnnl_pooling_forward_desc_init(
                       &operation, training ? dnnl_forward_training : dnnl_forward_inference, d->algorithm,
                       &d->x, &d->y, d->strides, d->window, d->pad_begin, d->pad_end),
                   "pool");
    GRAFT_TRY(graft_primitive_create(kernel, device, "pool", &operation, NULL, NULL, arguments, 3));
out:
    return status;
}

/* Slots: gradient of y, the notes of a max pool, gradient of x. */
static graft_status create_backward(graft_kernel **kernel, graft_device *device, const description *d,
                                    const graft_argument *arguments, int count)
{
    graft_status status;
    dnnl_pooling_desc_t operation;
    graft_kernel *hint = NULL;
    GRAFT_TRY(create_forward(&hint, device, d, true));
    GRAFT_TRY_DNNL(dnnl_pooling_backward_desc_init(&operation, d->algorithm, &d->x, &d->y, d->strides,
                                                   d->window, d->pad_begin, d->pad_end),
                   "pool, gradient");
    GRAFT_TRY(
        graft_primitive_create(kernel, device, "pool, gradient", &operation, NULL, hint, arguments, count));
out:
    graft_kernel_free(hint);
    return status;
}

typedef struct max_pool {
    const graft_pool *pool;
    bool training;
} max_pool;

static graft_status make_max_pool(graft_kernel **kernel, graft_device *device, const graft_layout *x,
                                  const void *how)
{
    const max_pool *m = how;
    description d = {.algorithm = dnnl_pooling_max};
    graft_status status = describe(&d, device, x, graft_layout_type(x), m->pool);
    return status == GRAFT_OK ? create_forward(kernel, device, &d, m->training) : status;
}

graft_status graft_max_pool(graft_kernel **kernel, graft_device *device, const graft_layout *x,
                            const graft_pool *pool, bool training)
{
    return graft_primitive_make(kernel, device, x, make_max_pool, &(max_pool){pool, training});
}

graft_status graft_max_pool_backward(graft_kernel **kernel, graft_device *device, const graft_layout *x,
                                     const graft_pool *pool)
{
    static const graft_argument arguments[] = {
        {DNNL_ARG_DIFF_DST, dnnl_query_diff_dst_md, 0, GRAFT_READS},
        {DNNL_ARG_WORKSPACE, dnnl_query_workspace_md, 0, GRAFT_READS},
        {DNNL_ARG_DIFF_SRC, dnnl_query_diff_src_md, 0, GRAFT_WRITES},
    };
    description d = {.algorithm = dnnl_pooling_max};
    graft_status status = describe(&d, device, x, GRAFT_F32, pool);
    return status == GRAFT_OK ? create_backward(kernel, device, &d, arguments, 3) : status;
}

/* oneDNN adds up a window's elements one behind another; so many in a row cost digits (the whole picture, in
 * squeeze and excitation). */
static bool is_large(const graft_pool *pool)
{
    return pool->height.kernel * pool->width.kernel > 256;
}

/* Windows of one size, none of which hangs over the padding. */
static bool is_even(const graft_pool_axis *axis)
{
    return axis->kernel > 0 && (axis->out - 1) * axis->stride + axis->kernel <= axis->in + 2 * axis->padding;
}

/* Means of whole pictures are few, and often what is kept: they are not rounded to bf16. oneDNN would. */
static bool is_rounded(const graft_layout *x, const graft_pool *pool)
{
    return graft_layout_type(x) == GRAFT_BF16 && pool->height.out * pool->width.out == 1;
}

static graft_status describe_average(description *d, graft_device *device, const graft_layout *x,
                                     const graft_pool *pool)
{
    d->algorithm = pool->padding_counts ? dnnl_pooling_avg_include_padding : dnnl_pooling_avg_exclude_padding;
    return describe(d, device, x, graft_layout_type(x), pool);
}

graft_status graft_average_pool(graft_kernel **kernel, graft_device *device, const graft_layout *x,
                                const graft_pool *pool)
{
    graft_status status;
    description d;
    if (is_rounded(x, pool) || is_large(pool) || !is_even(&pool->height) || !is_even(&pool->width))
        return graft_any_average_pool(kernel, device, x, pool);
    GRAFT_TRY(describe_average(&d, device, x, pool));
    GRAFT_TRY(create_forward(kernel, device, &d, false));
    if (graft_primitive_refuse(kernel))
        status = graft_any_average_pool(kernel, device, x, pool);
out:
    return status;
}

graft_status graft_average_pool_backward(graft_kernel **kernel, graft_device *device, const graft_layout *x,
                                         const graft_pool *pool)
{
    static const graft_argument arguments[] = {
        {DNNL_ARG_DIFF_DST, dnnl_query_diff_dst_md, 0, GRAFT_READS},
        {DNNL_ARG_DIFF_SRC, dnnl_query_diff_src_md, 0, GRAFT_WRITES},
    };
    graft_status status;
    description d;
    if (!is_even(&pool->height) || !is_even(&pool->width))
        return graft_any_average_pool_backward(kernel, device, x, pool);
    GRAFT_TRY(describe_average(&d, device, x, pool));
    GRAFT_TRY(create_backward(kernel, device, &d, arguments, 2));
    if (graft_primitive_refuse(kernel))
        status = graft_any_average_pool_backward(kernel, device, x, pool);
out:
    return status;
}
