/* Convolutions: oneDNN's, which are direct, or by Winograd's method in C (Lavin and Gray, "Fast algorithms
 * for convolutional neural networks", 2016), which does a 3x3 convolution with a fourth of the
 * multiplications. */
#include "kernels/primitive.h"

#include <string.h>

#include "base/status.h"

typedef struct descriptors {
    dnnl_memory_desc_t x, weight, bias, y;
    dnnl_dims_t strides, pad_begin, pad_end;
} descriptors;

graft_shape graft_convolution_weight_shape(const graft_convolution *c)
{
    if (c->groups == 1)
        return GRAFT_SHAPE(c->channels_out, c->channels_in, c->kernel_height, c->kernel_width);
    return GRAFT_SHAPE(c->groups, c->channels_out / c->groups, c->channels_in / c->groups, c->kernel_height,
                       c->kernel_width);
}

static dnnl_format_tag_t blocks_here(void)
{
    return graft_device_lanes() == 8 ? dnnl_nChw8c : dnnl_nChw16c;
}

static dnnl_format_tag_t tag_of(graft_form form, int64_t channels)
{
    switch (form) {
    case GRAFT_FORM_CHANNELS_LAST:
        return dnnl_nhwc;
    case GRAFT_FORM_BLOCKED:
        return channels <= GRAFT_PICTURE_CHANNELS ? dnnl_nchw : blocks_here();
    case GRAFT_FORM_ANY:
        break;
    }
    return dnnl_format_tag_any;
}

static graft_status describe(descriptors *d, const graft_convolution *c)
{
    graft_status status;
    memset(d, 0, sizeof *d);
    graft_shape weight = graft_convolution_weight_shape(c);
    graft_shape x = GRAFT_SHAPE(c->batch, c->channels_in, c->height_in, c->width_in);
    graft_shape y = GRAFT_SHAPE(c->batch, c->channels_out, c->height_out, c->width_out);
    dnnl_data_type_t type = c->bf16 ? dnnl_bf16 : dnnl_f32;
    GRAFT_TRY(graft_descriptor_of(&d->x, &x, type, tag_of(c->form, c->channels_in)));
    GRAFT_TRY(graft_descriptor_any(&d->weight, weight.rank, weight.dims, type));
    GRAFT_TRY(graft_descriptor_plain(&d->bias, 1, (int64_t[]){c->channels_out}));
    GRAFT_TRY(graft_descriptor_of(&d->y, &y, type, tag_of(c->form, c->channels_out)));
    d->strides[0] = d->strides[1] = c->stride;
    d->pad_begin[0] = c->pad_top;
    d->pad_begin[1] = c->pad_left;
    d->pad_end[0] = c->pad_bottom;
    d->pad_end[1] = c->pad_right;
out:
    return status;
}

/* As measured on a Zen 5 and a Xeon with AVX-512 over the layers of VGG16, ResNet50, GoogLeNet and
 * EfficientNet-Lite0: Winograd's method took .4 to .6 of the time; in blocks of channels a direct convolution
 * took 1.07 of the time that it took with channels last where its window is larger than 1x1, 1.3 with a
 * stride, and .88 where it is 1x1. On a Xeon with AMX a convolution in bf16 by its tiles took .16 to .37 of
 * the time in f32, over the layers of a network (ResNet50, DenseNet121, SqueezeNet 1.1, MobileNetV2,
 * EfficientNet-Lite0); in blocks oneDNN has none by tiles, and took 6 times as long. */
static double effort_of(const graft_kernel *kernel, const graft_convolution *c)
{
    double macs = (double)c->batch * (double)(c->channels_out * c->height_out * c->width_out) *
                  (double)(c->channels_in / c->groups * c->kernel_height * c->kernel_width);
    if (graft_kernel_is_winograd(kernel))
        return 0.55 * macs;
    if (graft_kernel_uses_tiles(kernel))
        return 0.2 * macs;
    if (graft_layout_is_channels_last(kernel->layouts[0]))
        return macs;
    if (c->kernel_height == 1 && c->kernel_width == 1)
        return 0.88 * macs;
    return (c->stride > 1 ? 1.3 : 1.07) * macs;
}

static graft_status hand_over(graft_kernel **kernel, graft_status status, graft_kernel *made,
                              const graft_convolution *c)
{
    if (status != GRAFT_OK)
        return status;
    made->effort = effort_of(made, c);
    *kernel = made;
    return GRAFT_OK;
}

static graft_status make_forward(graft_kernel **kernel, graft_device *device, const graft_convolution *c,
                                 bool bias, bool residual, const graft_post_op *post_ops, int post_count,
                                 bool training)
{
    graft_status status;
    descriptors d;
    dnnl_convolution_desc_t operation;
    dnnl_primitive_attr_t attributes = NULL;
    const graft_argument arguments[] = {
        {DNNL_ARG_SRC, dnnl_query_src_md, 0, GRAFT_READS},
        {DNNL_ARG_WEIGHTS, dnnl_query_weights_md, 0, GRAFT_READS},
        {DNNL_ARG_BIAS, dnnl_query_weights_md, 1, bias ? GRAFT_READS : GRAFT_UNUSED},
        {DNNL_ARG_DST, dnnl_query_dst_md, 0, residual ? GRAFT_UPDATES : GRAFT_WRITES},
    };
    GRAFT_TRY(describe(&d, c));
    GRAFT_TRY_DNNL(dnnl_convolution_forward_desc_init(
                       &operation, training ? dnnl_forward_training : dnnl_forward_inference,
                       dnnl_convolution_direct, &d.x, &d.weight, bias ? &d.bias : NULL, &d.y, d.strides,
                       d.pad_begin, d.pad_end),
                   "convolution");
    GRAFT_TRY(graft_attributes_create(&attributes, residual, post_ops, post_count));
    GRAFT_TRY(
        graft_primitive_create(kernel, device, "convolution", &operation, attributes, NULL, arguments, 4));
out:
    if (attributes)
        dnnl_primitive_attr_destroy(attributes);
    return status;
}

static bool by_winograd(const graft_convolution *c)
{
    return c->winograd && graft_convolution_suits_winograd(c);
}

graft_status graft_convolution_forward(graft_kernel **kernel, graft_device *device,
                                       const graft_convolution *c, bool bias, bool residual,
                                       const graft_post_op *post_ops, int post_count, bool training)
{
    graft_convolution single = *c;
    graft_kernel *made = NULL;
    graft_status status;
    single.bf16 = false;
    if (by_winograd(c) && graft_winograd_applies(post_ops, post_count))
        status = graft_winograd_forward(&made, device, c, bias, residual, post_ops, post_count);
    else
        status = make_forward(&made, device, c, bias, residual, post_ops, post_count, training);
    if (c->bf16 && status == GRAFT_OK && graft_primitive_refuse(&made))
        status = make_forward(&made, device, &single, bias, residual, post_ops, post_count, training);
    return hand_over(kernel, status, made, c);
}

static graft_status make_backward_data(graft_kernel **kernel, graft_device *device,
                                       const graft_convolution *c)
{
    graft_status status;
    descriptors d;
    dnnl_convolution_desc_t operation;
    graft_kernel *hint = NULL;
    const graft_argument arguments[] = {
        {DNNL_ARG_DIFF_DST, dnnl_query_diff_dst_md, 0, GRAFT_READS},
        {DNNL_ARG_WEIGHTS, dnnl_query_weights_md, 0, GRAFT_READS},
        {DNNL_ARG_DIFF_SRC, dnnl_query_diff_src_md, 0, GRAFT_WRITES},
    };
    GRAFT_TRY(describe(&d, c));
    GRAFT_TRY(make_forward(&hint, device, c, false, false, NULL, 0, true));
    GRAFT_TRY_DNNL(dnnl_convolution_backward_data_desc_init(&operation, dnnl_convolution_direct, &d.x,
                                                            &d.weight, &d.y, d.strides, d.pad_begin,
                                                            d.pad_end),
                   "convolution, gradient of the input");
    GRAFT_TRY(graft_primitive_create(kernel, device, "convolution, gradient of the input", &operation, NULL,
                                     hint, arguments, 3));
out:
    graft_kernel_free(hint);
    return status;
}

graft_status graft_convolution_backward_data(graft_kernel **kernel, graft_device *device,
                                             const graft_convolution *c)
{
    graft_kernel *made = NULL;
    graft_status status = by_winograd(c) ? graft_winograd_backward_data(&made, device, c)
                                         : make_backward_data(&made, device, c);
    return hand_over(kernel, status, made, c);
}

/* oneDNN 2.6 has no kernel for wide depthwise windows with padding and falls back to one gemm a channel,
 * which took 60 % of a training step of EfficientNet-Lite0, or with channels last to the one for any groups.
 */
static bool is_slow_depthwise(const graft_kernel *kernel, const graft_convolution *c)
{
    return c->groups == c->channels_in && c->groups == c->channels_out && c->groups % 8 == 0 &&
           c->kernel_height <= 7 && c->kernel_width <= 7 && !strstr(kernel->implementation, "jit_dw");
}

static graft_status make_backward_weights(graft_kernel **kernel, graft_device *device,
                                          const graft_convolution *c, bool bias)
{
    graft_status status;
    descriptors d;
    dnnl_convolution_desc_t operation;
    graft_kernel *hint = NULL, *made;
    const graft_argument arguments[] = {
        {DNNL_ARG_SRC, dnnl_query_src_md, 0, GRAFT_READS},
        {DNNL_ARG_DIFF_DST, dnnl_query_diff_dst_md, 0, GRAFT_READS},
        {DNNL_ARG_DIFF_WEIGHTS, dnnl_query_diff_weights_md, 0, GRAFT_WRITES},
        {DNNL_ARG_DIFF_BIAS, dnnl_query_diff_weights_md, 1, bias ? GRAFT_WRITES : GRAFT_UNUSED},
    };
    GRAFT_TRY(describe(&d, c));
    GRAFT_TRY(make_forward(&hint, device, c, bias, false, NULL, 0, true));
    GRAFT_TRY_DNNL(dnnl_convolution_backward_weights_desc_init(&operation, dnnl_convolution_direct, &d.x,
                                                               &d.weight, bias ? &d.bias : NULL, &d.y,
                                                               d.strides, d.pad_begin, d.pad_end),
                   "convolution, gradient of the weights");
    GRAFT_TRY(graft_primitive_create(&made, device, "convolution, gradient of the weights", &operation, NULL,
                                     hint, arguments, 4));
    if (is_slow_depthwise(made, c)) {
        status = graft_depthwise_backward_weights(kernel, device, c, bias, hint->layouts[0]);
        graft_kernel_free(made);
    } else {
        *kernel = made;
    }
out:
    graft_kernel_free(hint);
    return status;
}

graft_status graft_convolution_backward_weights(graft_kernel **kernel, graft_device *device,
                                                const graft_convolution *c, bool bias)
{
    graft_kernel *made = NULL;
    graft_status status = by_winograd(c) ? graft_winograd_backward_weights(&made, device, c, bias)
                                         : make_backward_weights(&made, device, c, bias);
    return hand_over(kernel, status, made, c);
}
