/* Batch normalisation. With `still` the statistics are arguments; otherwise the batch's are computed: the
 * variance is the biased one. */
#include "kernels/primitive.h"

typedef struct description {
    float epsilon;
    bool still, training;
} description;

static unsigned flags(bool still)
{
    return (unsigned)dnnl_use_scale | (unsigned)dnnl_use_shift |
           (still ? (unsigned)dnnl_use_global_stats : 0U);
}

static graft_status make_forward(graft_kernel **kernel, graft_device *device, const graft_layout *x,
                                 const void *how)
{
    graft_status status;
    const description *d = how;
    dnnl_batch_normalization_desc_t operation;
    graft_access statistics = d->still ? GRAFT_READS : GRAFT_WRITES;
    dnnl_query_t query = d->still ? dnnl_query_src_md : dnnl_query_dst_md;
    const graft_argument arguments[] = {
        {DNNL_ARG_SRC, dnnl_query_src_md, 0, GRAFT_READS},
        {DNNL_ARG_SCALE, dnnl_query_weights_md, 0, GRAFT_READS},
        {DNNL_ARG_SHIFT, dnnl_query_weights_md, 0, GRAFT_READS},
        {DNNL_ARG_MEAN, query, 1, statistics},
        {DNNL_ARG_VARIANCE, query, 2, statistics},
        {DNNL_ARG_DST, dnnl_query_dst_md, 0, GRAFT_WRITES},
    };
    GRAFT_TRY_DNNL(dnnl_batch_normalization_forward_desc_init(
                       &operation, d->training ? dnnl_forward_training : dnnl_forward_inference,
                       &x->descriptor, d->epsilon, flags(d->still)),
                   "batch norm");
    GRAFT_TRY(graft_primitive_create(kernel, device, "batch norm", &operation, NULL, NULL, arguments, 6));
    (*kernel)->in_place = 5;
    (*kernel)->in_place_of = 0;
out:
    return status;
}

graft_status graft_batch_norm_forward(graft_kernel **kernel, graft_device *device, const graft_layout *x,
                                      float epsilon, bool still, bool training)
{
    return graft_primitive_make(kernel, device, x, make_forward, &(description){epsilon, still, training});
}

graft_status graft_batch_norm_backward(graft_kernel **kernel, graft_device *device, const graft_layout *x,
                                       float epsilon, bool still)
{
    graft_status status;
    dnnl_batch_normalization_desc_t operation;
    graft_kernel *hint = NULL;
    const graft_argument arguments[] = {
        {DNNL_ARG_SRC, dnnl_query_src_md, 0, GRAFT_READS},
        {DNNL_ARG_DIFF_DST, dnnl_query_diff_dst_md, 0, GRAFT_READS},
        {DNNL_ARG_SCALE, dnnl_query_weights_md, 0, GRAFT_READS},
        {DNNL_ARG_MEAN, dnnl_query_src_md, 1, GRAFT_READS},
        {DNNL_ARG_VARIANCE, dnnl_query_src_md, 2, GRAFT_READS},
        {DNNL_ARG_DIFF_SRC, dnnl_query_diff_src_md, 0, GRAFT_WRITES},
        {DNNL_ARG_DIFF_SCALE, dnnl_query_diff_weights_md, 0, GRAFT_WRITES},
        {DNNL_ARG_DIFF_SHIFT, dnnl_query_diff_weights_md, 0, GRAFT_WRITES},
        {DNNL_ARG_SHIFT, dnnl_query_weights_md, 0,
         GRAFT_READS}, /* demanded, though the gradient needs no beta */
    };
    GRAFT_TRY(make_forward(&hint, device, x, &(description){epsilon, still, true}));
    GRAFT_TRY_DNNL(dnnl_batch_normalization_backward_desc_init(&operation, dnnl_backward, &x->descriptor,
                                                               &x->descriptor, epsilon, flags(still)),
                   "batch norm, gradient");
    GRAFT_TRY(
        graft_primitive_create(kernel, device, "batch norm, gradient", &operation, NULL, hint, arguments, 9));
    (*kernel)->in_place = 5;
    (*kernel)->in_place_of = 1;
out:
    graft_kernel_free(hint);
    return status;
}
