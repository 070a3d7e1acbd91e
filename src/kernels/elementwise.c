/* Clip (ReLU, ReLU6) forward and backward, and the sum of two tensors. */
#include "kernels/primitive.h"

#include <math.h>

/* ReLU from its own algorithm: clip with an infinite bound is not in every version. Both have gradients that
 * need the output only and are 0 at both ends, as torch's. */
static dnnl_alg_kind_t algorithm(float high)
{
    return isinf(high) ? dnnl_eltwise_relu_use_dst_for_bwd : dnnl_eltwise_clip_v2_use_dst_for_bwd;
}

static graft_status forward_descriptor(dnnl_eltwise_desc_t *operation, const graft_layout *x, float low,
                                       float high)
{
    bool relu = isinf(high);
    dnnl_status_t result =
        dnnl_eltwise_forward_desc_init(operation, dnnl_forward_training, algorithm(high), &x->descriptor,
                                       relu ? 0.0F : low, relu ? 0.0F : high);
    return result == dnnl_success ? GRAFT_OK : graft_primitive_fail(result, "clip");
}

graft_status graft_clip_forward(graft_kernel **kernel, graft_device *device, const graft_layout *x, float low,
                                float high)
{
    graft_status status;
    dnnl_eltwise_desc_t operation;
    const graft_argument arguments[] = {
        {DNNL_ARG_SRC, dnnl_query_src_md, 0, GRAFT_READS},
        {DNNL_ARG_DST, dnnl_query_dst_md, 0, GRAFT_WRITES},
    };
    GRAFT_TRY(forward_descriptor(&operation, x, low, high));
    GRAFT_TRY(graft_primitive_create(kernel, device, "clip", &operation, NULL, NULL, arguments, 2));
    (*kernel)->in_place = 1;
    (*kernel)->in_place_of = 0;
out:
    return status;
}

graft_status graft_clip_backward(graft_kernel **kernel, graft_device *device, const graft_layout *y,
                                 float low, float high)
{
    graft_status status;
    dnnl_eltwise_desc_t operation;
    graft_kernel *hint = NULL;
    bool relu = isinf(high);
    const graft_argument arguments[] = {
        {DNNL_ARG_DST, dnnl_query_dst_md, 0, GRAFT_READS},
        {DNNL_ARG_DIFF_DST, dnnl_query_diff_dst_md, 0, GRAFT_READS},
        {DNNL_ARG_DIFF_SRC, dnnl_query_diff_src_md, 0, GRAFT_WRITES},
    };
    GRAFT_TRY(graft_clip_forward(&hint, device, y, low, high));
    GRAFT_TRY_DNNL(dnnl_eltwise_backward_desc_init(&operation, algorithm(high), &y->descriptor,
                                                   &y->descriptor, relu ? 0.0F : low, relu ? 0.0F : high),
                   "clip, gradient");
    GRAFT_TRY(graft_primitive_create(kernel, device, "clip, gradient", &operation, NULL, hint, arguments, 3));
    (*kernel)->in_place = 2;
    (*kernel)->in_place_of = 1;
out:
    graft_kernel_free(hint);
    return status;
}

graft_status graft_add(graft_kernel **kernel, graft_device *device, const graft_layout *layout)
{
    graft_status status;
    dnnl_binary_desc_t operation;
    const graft_argument arguments[] = {
        {DNNL_ARG_SRC_0, dnnl_query_src_md, 0, GRAFT_READS},
        {DNNL_ARG_SRC_1, dnnl_query_src_md, 1, GRAFT_READS},
        {DNNL_ARG_DST, dnnl_query_dst_md, 0, GRAFT_WRITES},
    };
    GRAFT_TRY_DNNL(dnnl_binary_desc_init(&operation, dnnl_binary_add, &layout->descriptor,
                                         &layout->descriptor, &layout->descriptor),
                   "add");
    GRAFT_TRY(graft_primitive_create(kernel, device, "add", &operation, NULL, NULL, arguments, 3));
    (*kernel)->in_place = 2;
    (*kernel)->in_place_of = 0;
out:
    return status;
}
