/* The product of two matrices, row-major; either may be looked at as its transpose. And one that lands where
 * a gradient is gathered: two products of which each run takes one. */
#include "kernels/primitive.h"

/* (rows, columns), of bytes that hold it row-major or, `transposed`, (columns, rows). */
static graft_status describe(dnnl_memory_desc_t *descriptor, int64_t rows, int64_t columns, bool transposed)
{
    const dnnl_dims_t dims = {rows, columns};
    dnnl_status_t result =
        dnnl_memory_desc_init_by_tag(descriptor, 2, dims, dnnl_f32, transposed ? dnnl_ba : dnnl_ab);
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
    GRAFT_TRY(describe(&a, shape->rows, shape->inner, shape->transposed_a));
    GRAFT_TRY(describe(&b, shape->inner, shape->columns, shape->transposed_b));
    GRAFT_TRY(describe(&c, shape->rows, shape->columns, false));
    GRAFT_TRY_DNNL(dnnl_matmul_desc_init(&operation, &a, &b, NULL, &c), "matrix product");
    GRAFT_TRY(graft_attributes_create(&attributes, shape->adds, NULL, 0));
    GRAFT_TRY(
        graft_primitive_create(kernel, device, "matrix product", &operation, attributes, NULL, arguments, 3));
out:
    if (attributes)
        dnnl_primitive_attr_destroy(attributes);
    return status;
}
