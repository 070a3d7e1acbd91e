/* The product of two matrices, row-major; either may be looked at as its transpose. */
#include "kernels/primitive.h"

/* (rows, columns), of bytes that hold it row-major or, `transposed`, (columns, rows); from row to row in them
 * there are `lead` numbers, 0: no more than a row has. */
static graft_status describe(dnnl_memory_desc_t *descriptor, int64_t rows, int64_t columns, bool transposed,
                             int64_t lead)
{
    const dnnl_dims_t dims = {rows, columns};
    if (lead == 0)
        lead = transposed ? rows : columns;
    const dnnl_dims_t strides = {transposed ? 1 : lead, transposed ? lead : 1};
    dnnl_status_t result = dnnl_memory_desc_init_by_strides(descriptor, 2, dims, dnnl_f32, strides);
    return result == dnnl_success ? GRAFT_OK : graft_primitive_fail(result, "layout");
}

graft_status graft_matmul(graft_kernel **kernel, graft_device *device, const graft_matmul_shape *shape)
{
    graft_status status;
    dnnl_memory_desc_t a, b, c;
    dnnl_matmul_desc_t operation;
    dnnl_primitive_attr_t attributes = NULL;
    const graft_argument arguments[] = {
        {DNNL_ARG_SRC, dnnl_query_src_md, 0, GRAFT_READS},
        {DNNL_ARG_WEIGHTS, dnnl_query_weights_md, 0, GRAFT_READS},
        {DNNL_ARG_DST, dnnl_query_dst_md, 0, shape->adds ? GRAFT_UPDATES : GRAFT_WRITES},
    };
    GRAFT_TRY(describe(&a, shape->rows, shape->inner, shape->transposed_a, shape->lead_a));
    GRAFT_TRY(describe(&b, shape->inner, shape->columns, shape->transposed_b, 0));
    GRAFT_TRY(describe(&c, shape->rows, shape->columns, false, 0));
    GRAFT_TRY_DNNL(dnnl_matmul_desc_init(&operation, &a, &b, NULL, &c), "matrix product");
    GRAFT_TRY(graft_attributes_create(&attributes, shape->adds, NULL, 0));
    GRAFT_TRY(
        graft_primitive_create(kernel, device, "matrix product", &operation, attributes, NULL, arguments, 3));
out:
    if (attributes)
        dnnl_primitive_attr_destroy(attributes);
    return status;
}
