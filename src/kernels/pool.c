/* The mean over height and width, as an average pool whose window is the picture. */
#include "kernels/primitive.h"

#include "base/status.h"

static graft_status describe(dnnl_memory_desc_t *y, dnnl_dims_t window, const graft_layout *x)
{
    const int64_t *dims = x->shape.dims;
    if (x->shape.rank != 4)
        return graft_fail(GRAFT_ESHAPE, "a pool needs (N, C, H, W)");
    window[0] = dims[2];
    window[1] = dims[3];
    return graft_descriptor_any(y, 4, (int64_t[]){dims[0], dims[1], 1, 1});
}

static const dnnl_dims_t none = {0};

graft_status graft_global_pool_forward(graft_kernel **kernel, graft_device *device, const graft_layout *x,
                                       bool training)
{
    graft_status status;
    dnnl_memory_desc_t y;
    dnnl_dims_t window;
    dnnl_pooling_desc_t operation;
    const graft_argument arguments[] = {
        {DNNL_ARG_SRC, dnnl_query_src_md, 0, GRAFT_READS},
        {DNNL_ARG_DST, dnnl_query_dst_md, 0, GRAFT_WRITES},
    };
    GRAFT_TRY(describe(&y, window, x));
    GRAFT_TRY_DNNL(dnnl_pooling_forward_desc_init(
                       &operation, training ? dnnl_forward_training : dnnl_forward_inference,
                       dnnl_pooling_avg_exclude_padding, &x->descriptor, &y, window, window, none, none),
                   "pool");
    GRAFT_TRY(graft_primitive_create(kernel, device, "pool", &operation, NULL, NULL, arguments, 2));
out:
    return status;
}

graft_status graft_global_pool_backward(graft_kernel **kernel, graft_device *device, const graft_layout *x)
{
    graft_status status;
    dnnl_memory_desc_t y;
    dnnl_dims_t window;
    dnnl_pooling_desc_t operation;
    graft_kernel *hint = NULL;
    const graft_argument arguments[] = {
        {DNNL_ARG_DIFF_DST, dnnl_query_diff_dst_md, 0, GRAFT_READS},
        {DNNL_ARG_DIFF_SRC, dnnl_query_diff_src_md, 0, GRAFT_WRITES},
    };
    GRAFT_TRY(describe(&y, window, x));
    GRAFT_TRY(graft_global_pool_forward(&hint, device, x, true));
    GRAFT_TRY_DNNL(dnnl_pooling_backward_desc_init(&operation, dnnl_pooling_avg_exclude_padding,
                                                   &x->descriptor, &hint->layouts[1]->descriptor, window,
                                                   window, none, none),
                   "pool, gradient");
    GRAFT_TRY(graft_primitive_create(kernel, device, "pool, gradient", &operation, NULL, hint, arguments, 2));
out:
    graft_kernel_free(hint);
    return status;
}
