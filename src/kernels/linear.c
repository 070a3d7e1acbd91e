/* The linear layer, y = x W^T + b, all of it row-major: what trains keeps the layout of the state dict. */
#include "kernels/primitive.h"

typedef struct descriptors {
    dnnl_memory_desc_t x, weight, bias, y;
} descriptors;

static graft_status describe(descriptors *d, int64_t batch, int64_t in, int64_t out)
{
    graft_status status;
    GRAFT_TRY(graft_descriptor_plain(&d->x, 2, (int64_t[]){batch, in}));
    GRAFT_TRY(graft_descriptor_plain(&d->weight, 2, (int64_t[]){out, in}));
    GRAFT_TRY(graft_descriptor_plain(&d->bias, 1, (int64_t[]){out}));
    GRAFT_TRY(graft_descriptor_plain(&d->y, 2, (int64_t[]){batch, out}));
out:
    return status;
}

graft_status graft_linear_forward(graft_kernel **kernel, graft_device *device, int64_t batch, int64_t in,
                                  int64_t out, bool residual, const graft_post_op *post_ops, int post_count,
                                  bool training)
{
    graft_status status;
    descriptors d;
    dnnl_inner_product_desc_t operation;
    dnnl_primitive_attr_t attributes = NULL;
    const graft_argument arguments[] = {
        {DNNL_ARG_SRC, dnnl_query_src_md, 0, GRAFT_READS},
        {DNNL_ARG_WEIGHTS, dnnl_query_weights_md, 0, GRAFT_READS},
        {DNNL_ARG_BIAS, dnnl_query_weights_md, 1, GRAFT_READS},
        {DNNL_ARG_DST, dnnl_query_dst_md, 0, residual ? GRAFT_UPDATES : GRAFT_WRITES},
    };
    GRAFT_TRY(describe(&d, batch, in, out));
    GRAFT_TRY_DNNL(dnnl_inner_product_forward_desc_init(
                       &operation, training ? dnnl_forward_training : dnnl_forward_inference, &d.x, &d.weight,
                       &d.bias, &d.y),
                   "linear");
    GRAFT_TRY(graft_attributes_create(&attributes, residual, post_ops, post_count));
    GRAFT_TRY(graft_primitive_create(kernel, device, "linear", &operation, attributes, NULL, arguments, 4));
out:
    if (attributes)
        dnnl_primitive_attr_destroy(attributes);
    return status;
}

graft_status graft_linear_backward_data(graft_kernel **kernel, graft_device *device, int64_t batch,
                                        int64_t in, int64_t out)
{
    graft_status status;
    descriptors d;
    dnnl_inner_product_desc_t operation;
    graft_kernel *hint = NULL;
    const graft_argument arguments[] = {
        {DNNL_ARG_DIFF_DST, dnnl_query_diff_dst_md, 0, GRAFT_READS},
        {DNNL_ARG_WEIGHTS, dnnl_query_weights_md, 0, GRAFT_READS},
        {DNNL_ARG_DIFF_SRC, dnnl_query_diff_src_md, 0, GRAFT_WRITES},
    };
    GRAFT_TRY(describe(&d, batch, in, out));
    GRAFT_TRY(graft_linear_forward(&hint, device, batch, in, out, false, NULL, 0, true));
    GRAFT_TRY_DNNL(dnnl_inner_product_backward_data_desc_init(&operation, &d.x, &d.weight, &d.y),
                   "linear, gradient of the input");
    GRAFT_TRY(graft_primitive_create(kernel, device, "linear, gradient of the input", &operation, NULL, hint,
                                     arguments, 3));
out:
    graft_kernel_free(hint);
    return status;
}

graft_status graft_linear_backward_weights(graft_kernel **kernel, graft_device *device, int64_t batch,
                                           int64_t in, int64_t out)
{
    graft_status status;
    descriptors d;
    dnnl_inner_product_desc_t operation;
    graft_kernel *hint = NULL;
    const graft_argument arguments[] = {
        {DNNL_ARG_SRC, dnnl_query_src_md, 0, GRAFT_READS},
        {DNNL_ARG_DIFF_DST, dnnl_query_diff_dst_md, 0, GRAFT_READS},
        {DNNL_ARG_DIFF_WEIGHTS, dnnl_query_diff_weights_md, 0, GRAFT_WRITES},
        {DNNL_ARG_DIFF_BIAS, dnnl_query_diff_weights_md, 1, GRAFT_WRITES},
    };
    GRAFT_TRY(describe(&d, batch, in, out));
    GRAFT_TRY(graft_linear_forward(&hint, device, batch, in, out, false, NULL, 0, true));
    GRAFT_TRY_DNNL(dnnl_inner_product_backward_weights_desc_init(&operation, &d.x, &d.weight, &d.bias, &d.y),
                   "linear, gradient of the weights");
    GRAFT_TRY(graft_primitive_create(kernel, device, "linear, gradient of the weights", &operation, NULL,
                                     hint, arguments, 4));
out:
    graft_kernel_free(hint);
    return status;
}
