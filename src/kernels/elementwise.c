/* Element-wise functions forward and backward, and the sum of two tensors. A function sees its tensor as one
 * row of everything that is stored, so that the layout does not matter; where the form has zeros behind its
 * channels and the function does not keep them, host/sigmoid.c computes it. */
#include "kernels/primitive.h"

#include <math.h>

bool graft_function_reads_output(const graft_post_op *f)
{
    return f->function == GRAFT_CLIP || f->function == GRAFT_SIGMOID || f->function == GRAFT_HARD_SIGMOID;
}

typedef struct algorithm {
    dnnl_alg_kind_t kind;
    float alpha, beta;
} algorithm;

/* ReLU from its own algorithm: clip with an infinite bound is not in every version. Those that read the
 * output have a gradient of 0 at the ends, as torch's. */
static algorithm algorithm_of(const graft_post_op *f)
{
    switch (f->function) {
    case GRAFT_SIGMOID:
        return (algorithm){dnnl_eltwise_logistic_use_dst_for_bwd, 0.0F, 0.0F};
    case GRAFT_SILU:
        return (algorithm){dnnl_eltwise_swish, 1.0F, 0.0F};
    case GRAFT_HARD_SWISH:
        return (algorithm){dnnl_eltwise_hardswish, 0.0F, 0.0F};
    case GRAFT_GELU:
        return (algorithm){dnnl_eltwise_gelu_erf, 0.0F, 0.0F};
    case GRAFT_CLIP:
    case GRAFT_HARD_SIGMOID: /* is no algorithm of oneDNN's: host/sigmoid.c */
        break;
    }
    if (isinf(f->high))
        return (algorithm){dnnl_eltwise_relu_use_dst_for_bwd, 0.0F, 0.0F};
    return (algorithm){dnnl_eltwise_clip_v2_use_dst_for_bwd, f->low, f->high};
}

static graft_status describe_row(dnnl_memory_desc_t *row, const graft_layout *x)
{
    dnnl_data_type_t type = x->descriptor.data_type;
    return graft_descriptor_of(row, &GRAFT_SHAPE((int64_t)(x->bytes / dnnl_data_type_size(type))), type,
                               dnnl_a);
}

/* The kernel's slots lie as its tensor does. */
static void set_layouts(graft_kernel *kernel, const graft_layout *x, int slots)
{
    for (int i = 0; i < slots; i++)
        kernel->layouts[i] = x;
    kernel->in_place = slots - 1;
    kernel->in_place_of = slots - 2;
}

/* Whether host/sigmoid.c computes it. */
static bool is_on_host(const graft_post_op *f, const graft_layout *x)
{
    bool zeros = x->bytes != graft_dtype_size(graft_layout_type(x)) * (size_t)graft_shape_count(&x->shape);
    return f->function == GRAFT_HARD_SIGMOID || (f->function == GRAFT_SIGMOID && zeros);
}

static graft_status make_forward(graft_kernel **kernel, graft_device *device, const graft_layout *x,
                                 const void *function)
{
    graft_status status;
    dnnl_memory_desc_t row;
    dnnl_eltwise_desc_t operation;
    algorithm a = algorithm_of(function);
    const graft_argument arguments[] = {
        {DNNL_ARG_SRC, dnnl_query_src_md, 0, GRAFT_READS},
        {DNNL_ARG_DST, dnnl_query_dst_md, 0, GRAFT_WRITES},
    };
    GRAFT_TRY(describe_row(&row, x));
    GRAFT_TRY_DNNL(
        dnnl_eltwise_forward_desc_init(&operation, dnnl_forward_training, a.kind, &row, a.alpha, a.beta),
        "element-wise");
    GRAFT_TRY(graft_primitive_create(kernel, device, "element-wise", &operation, NULL, NULL, arguments, 2));
    set_layouts(*kernel, x, 2);
out:
    return status;
}

graft_status graft_elementwise_forward(graft_kernel **kernel, graft_device *device, const graft_layout *x,
                                       const graft_post_op *f)
{
    if (!is_on_host(f, x))
        return graft_primitive_make(kernel, device, x, make_forward, f);
    graft_status status = graft_layout_like(device, x, graft_layout_shape(x), &x);
    return status == GRAFT_OK ? graft_sigmoid_forward(kernel, x, f->function == GRAFT_HARD_SIGMOID) : status;
}

graft_status graft_elementwise_backward(graft_kernel **kernel, graft_device *device,
                                        const graft_layout *layout, const graft_post_op *f)
{
    graft_status status;
    dnnl_memory_desc_t row;
    dnnl_eltwise_desc_t operation;
    graft_kernel *hint = NULL;
    algorithm a = algorithm_of(f);
    bool output = graft_function_reads_output(f);
    const graft_argument arguments[] = {
        {output ? DNNL_ARG_DST : DNNL_ARG_SRC, output ? dnnl_query_dst_md : dnnl_query_src_md, 0,
         GRAFT_READS},
        {DNNL_ARG_DIFF_DST, dnnl_query_diff_dst_md, 0, GRAFT_READS},
        {DNNL_ARG_DIFF_SRC, dnnl_query_diff_src_md, 0, GRAFT_WRITES},
    };
    if (f->function == GRAFT_HARD_SIGMOID)
        return graft_hard_sigmoid_backward(kernel, layout);
    GRAFT_TRY(describe_row(&row, layout));
    GRAFT_TRY(graft_elementwise_forward(&hint, device, layout, f));
    GRAFT_TRY_DNNL(dnnl_eltwise_backward_desc_init(&operation, a.kind, &row, &row, a.alpha, a.beta),
                   "element-wise, gradient");
    GRAFT_TRY(graft_primitive_create(kernel, device, "element-wise, gradient", &operation, NULL, hint,
                                     arguments, 3));
    set_layouts(*kernel, layout, 3);
out:
    graft_kernel_free(hint);
    return status;
}

static graft_status make_add(graft_kernel **kernel, graft_device *device, const graft_layout *x,
                             const void *how)
{
    graft_status status;
    dnnl_memory_desc_t row;
    dnnl_binary_desc_t operation;
    const graft_argument arguments[] = {
        {DNNL_ARG_SRC_0, dnnl_query_src_md, 0, GRAFT_READS},
        {DNNL_ARG_SRC_1, dnnl_query_src_md, 1, GRAFT_READS},
        {DNNL_ARG_DST, dnnl_query_dst_md, 0, GRAFT_WRITES},
    };
    (void)how;
    GRAFT_TRY(describe_row(&row, x));
    GRAFT_TRY_DNNL(dnnl_binary_desc_init(&operation, dnnl_binary_add, &row, &row, &row), "add");
    GRAFT_TRY(graft_primitive_create(kernel, device, "add", &operation, NULL, NULL, arguments, 3));
    set_layouts(*kernel, x, 3);
    (*kernel)->in_place_of = 0;
out:
    return status;
}

graft_status graft_add(graft_kernel **kernel, graft_device *device, const graft_layout *layout)
{
    return graft_primitive_make(kernel, device, layout, make_add, NULL);
}
