/* The linear layer, y = x W^T + b, all of it row-major: what trains keeps the layout of the state dict. In
 * bf16 nothing trains, and the weight has the layout that oneDNN likes best. */
#include "kernels/primitive.h"

/* Rows from which forward is oneDNN's product of matrices, of fewer its inner product. Of oneDNN 2.6 with
 * AVX-512 the one goes by brgemm, the other by a gemm that copies the weight: 8 or 32 rows of Linear(25088,
 * 4096) take 16 and 23 ms against 30 and 52, 16 of (2048, 1000) .2 against 1.6, ConvNeXt's 50176 of (96, 384)
 * with GELU 11 against 16 (two threads of Zen 4); 8 of (512, 1000) 37 us against 30, and a row alone 3 times
 * as long. With AVX2 both are one. */
enum { PRODUCT = 8 };

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

static const graft_argument forward_arguments[] = {
    {DNNL_ARG_SRC, dnnl_query_src_md, 0, GRAFT_READS},
    {DNNL_ARG_WEIGHTS, dnnl_query_weights_md, 0, GRAFT_READS},
    {DNNL_ARG_BIAS, dnnl_query_weights_md, 1, GRAFT_READS},
    {DNNL_ARG_DST, dnnl_query_dst_md, 0, GRAFT_WRITES},
};

static graft_status create_inner_product(graft_kernel **kernel, graft_device *device, const descriptors *d,
                                         dnnl_primitive_attr_t attributes, dnnl_prop_kind_t kind)
{
    graft_status status;
    dnnl_inner_product_desc_t operation;
    GRAFT_TRY_DNNL(dnnl_inner_product_forward_desc_init(&operation, kind, &d->x, &d->weight, &d->bias, &d->y),
                   "linear");
    status =
        graft_primitive_create(kernel, device, "linear", &operation, attributes, NULL, forward_arguments, 4);
out:
    return status;
}

/* The weight is read as its transpose and the bias as a matrix of one row: the bytes are the plain ones. */
static graft_status create_product(graft_kernel **out, graft_device *device, const descriptors *d,
                                   dnnl_primitive_attr_t attributes)
{
    graft_status status;
    const int64_t features_out = d->weight.dims[0], features_in = d->weight.dims[1];
    const dnnl_dims_t dims = {features_in, features_out}, strides = {1, features_in};
    dnnl_memory_desc_t weight, bias;
    dnnl_matmul_desc_t operation;
    graft_kernel *kernel = NULL;
    GRAFT_TRY_DNNL(dnnl_memory_desc_init_by_strides(&weight, 2, dims, dnnl_f32, strides), "linear");
    GRAFT_TRY(graft_descriptor_plain(&bias, 2, (int64_t[]){1, features_out}));
    GRAFT_TRY_DNNL(dnnl_matmul_desc_init(&operation, &d->x, &weight, &bias, &d->y), "linear");
    GRAFT_TRY(graft_primitive_create(&kernel, device, "linear", &operation, attributes, NULL,
                                     forward_arguments, 4));
    GRAFT_TRY(graft_layout_intern(device, &d->weight, &kernel->layouts[1]));
    GRAFT_TRY(graft_layout_intern(device, &d->bias, &kernel->layouts[2]));
    *out = kernel;
    return GRAFT_OK;
out:
    graft_kernel_free(kernel);
    return status;
}

/* Of a packed weight oneDNN's inner product is the fastest with any number of rows, or as fast as its product
 * of matrices: 8 rows of Linear(25088, 4096) take 10 ms (f32 23), ConvNeXt's 25088 of (384, 96) 1.0 against
 * 2.2 (f32 7; two threads of a Xeon with AMX). */
static graft_status create_bf16(graft_kernel **kernel, graft_device *device, const graft_linear *s,
                                dnnl_primitive_attr_t attributes)
{
    graft_status status;
    descriptors d;
    GRAFT_TRY(graft_descriptor_of(&d.x, &GRAFT_SHAPE(s->batch, s->in), dnnl_bf16, dnnl_ab));
    GRAFT_TRY(graft_descriptor_any(&d.weight, 2, (int64_t[]){s->out, s->in}, dnnl_bf16));
    GRAFT_TRY(graft_descriptor_plain(&d.bias, 1, (int64_t[]){s->out}));
    GRAFT_TRY(
        graft_descriptor_of(&d.y, &GRAFT_SHAPE(s->batch, s->out), graft_descriptor_type(s->y), dnnl_ab));
    GRAFT_TRY(create_inner_product(kernel, device, &d, attributes, dnnl_forward_inference));
out:
    return status;
}

static graft_status create_f32(graft_kernel **kernel, graft_device *device, const graft_linear *s,
                               dnnl_primitive_attr_t attributes)
{
    descriptors d;
    graft_status status = describe(&d, s->batch, s->in, s->out);
    if (status != GRAFT_OK)
        return status;
    return s->batch >= PRODUCT ? create_product(kernel, device, &d, attributes)
                               : create_inner_product(kernel, device, &d, attributes, dnnl_forward_inference);
}

graft_status graft_linear_forward(graft_kernel **kernel, graft_device *device, const graft_linear *shape,
                                  bool residual, const graft_post_op *post_ops, int post_count)
{
    graft_status status;
    dnnl_primitive_attr_t attributes = NULL;
    GRAFT_TRY(graft_attributes_create(&attributes, residual, post_ops, post_count));
    status = (shape->bf16 ? create_bf16 : create_f32)(kernel, device, shape, attributes);
    if (shape->bf16 && status == GRAFT_OK && graft_primitive_refuse(kernel))
        status = create_f32(kernel, device, shape, attributes);
    if (status == GRAFT_OK && residual)
        (*kernel)->access[3] = GRAFT_UPDATES;
out:
    if (attributes)
        dnnl_primitive_attr_destroy(attributes);
    return status;
}

/* What a backward of oneDNN's wants to see. */
static graft_status create_hint(graft_kernel **hint, graft_device *device, const descriptors *d)
{
    return create_inner_product(hint, device, d, NULL, dnnl_forward_training);
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
    GRAFT_TRY(create_hint(&hint, device, &d));
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
    GRAFT_TRY(create_hint(&hint, device, &d));
    GRAFT_TRY_DNNL(dnnl_inner_product_backward_weights_desc_init(&operation, &d.x, &d.weight, &d.bias, &d.y),
                   "linear, gradient of the weights");
    GRAFT_TRY(graft_primitive_create(kernel, device, "linear, gradient of the weights", &operation, NULL,
                                     hint, arguments, 4));
out:
    graft_kernel_free(hint);
    return status;
}
