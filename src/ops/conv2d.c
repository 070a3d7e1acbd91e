/* Two-dimensional convolution (cross-correlation, as everywhere in this field) with groups:
 * (N, C, H, W) -> (N, channels, H', W'), H' = (H + padding - kernel) / stride + 1. */
#include "ops/op.h"

#include <math.h>

#include "base/status.h"
#include "ops/shapes.h"

static int64_t or_one(int value)
{
    return value ? value : 1;
}

/* TensorFlow's "same": as much padding in all as makes the output ceil(size / stride). */
static int64_t same_padding(int64_t size, int64_t kernel, int64_t stride)
{
    int64_t padding = ((size + stride - 1) / stride - 1) * stride + kernel - size;
    return padding > 0 ? padding : 0;
}

/* Padding of one axis: `padding` on either side where it is not "same". */
static void pad(const graft_conv2d_attributes *a, int64_t size, int64_t kernel, int padding, int64_t *begin,
                int64_t *end)
{
    int64_t all = a->same ? same_padding(size, kernel, or_one(a->stride)) : 2 * (int64_t)padding;
    *begin = all / 2;
    *end = all - all / 2;
}

static int64_t kernel_height(const graft_conv2d_attributes *a)
{
    return a->kernel_height ? a->kernel_height : a->kernel;
}

static int64_t kernel_width(const graft_conv2d_attributes *a)
{
    return a->kernel_width ? a->kernel_width : a->kernel;
}

static graft_convolution geometry(const graft_conv2d_attributes *a, const graft_shape *x)
{
    graft_convolution c = {
        .batch = x->dims[0],
        .channels_in = x->dims[1],
        .height_in = x->dims[2],
        .width_in = x->dims[3],
        .channels_out = a->channels,
        .kernel_height = kernel_height(a),
        .kernel_width = kernel_width(a),
        .stride = or_one(a->stride),
        .groups = or_one(a->groups),
    };
    pad(a, c.height_in, c.kernel_height, a->padding_height ? a->padding_height : a->padding, &c.pad_top,
        &c.pad_bottom);
    pad(a, c.width_in, c.kernel_width, a->padding_width ? a->padding_width : a->padding, &c.pad_left,
        &c.pad_right);
    c.height_out = (c.height_in + c.pad_top + c.pad_bottom - c.kernel_height) / c.stride + 1;
    c.width_out = (c.width_in + c.pad_left + c.pad_right - c.kernel_width) / c.stride + 1;
    return c;
}

static graft_status shape(const graft_node *node, const graft_shape *inputs, graft_shape *out)
{
    const graft_conv2d_attributes *a = node->attributes;
    char text[GRAFT_SHAPE_TEXT];
    if (inputs[0].rank != 4)
        return graft_fail(GRAFT_ESHAPE, "a convolution needs (N, C, H, W), not %s",
                          graft_shape_text(&inputs[0], text));
    graft_convolution c = geometry(a, &inputs[0]);
    if (c.channels_in % c.groups || c.channels_out % c.groups)
        return graft_fail(GRAFT_ESHAPE, "%d channels do not divide into %d groups", (int)c.channels_in,
                          (int)c.groups);
    if (c.height_in + c.pad_top + c.pad_bottom < c.kernel_height ||
        c.width_in + c.pad_left + c.pad_right < c.kernel_width)
        return graft_fail(GRAFT_ESHAPE, "%s is too small for a kernel of %d x %d",
                          graft_shape_text(&inputs[0], text), (int)c.kernel_height, (int)c.kernel_width);
    *out = GRAFT_SHAPE(c.batch, c.channels_out, c.height_out, c.width_out);
    return GRAFT_OK;
}

static void parameters(graft_node *node, const graft_shape *inputs)
{
    const graft_conv2d_attributes *a = node->attributes;
    graft_shape weight =
        GRAFT_SHAPE(a->channels, inputs[0].dims[1] / or_one(a->groups), kernel_height(a), kernel_width(a));
    graft_add_parameter(node, "weight", GRAFT_PARAMETER_LEARNED, weight);
    if (a->bias)
        graft_add_parameter(node, "bias", GRAFT_PARAMETER_LEARNED, GRAFT_SHAPE(a->channels));
}

static int64_t macs(const graft_node *node, const graft_shape *inputs)
{
    (void)inputs;
    return graft_shape_count(&node->parameters[0].shape) * node->shape.dims[2] * node->shape.dims[3];
}

/* Kaiming normal over the outputs, as torchvision's networks have it, bias zero; or uniform in +-1 /
 * sqrt(in), bias too, as nn.Conv2d has it. */
static void initialize(const graft_node *node, int index, float *values, graft_random *random)
{
    const graft_conv2d_attributes *a = node->attributes;
    int64_t count = graft_shape_count(&node->parameters[index].shape);
    int64_t fan_in = graft_shape_count(&node->parameters[0].shape) / a->channels;
    if (a->uniform) {
        graft_fill_uniform(values, count, 1.0F / sqrtf((float)fan_in), random);
        return;
    }
    int64_t fan_out = kernel_height(a) * kernel_width(a) * a->channels / or_one(a->groups);
    float deviation = sqrtf(2.0F / (float)fan_out);
    for (int64_t i = 0; i < count; i++)
        values[i] = index == 0 ? deviation * graft_random_normal(random) : 0.0F;
}

static bool has_backward(graft_lowering *l, const graft_node *node)
{
    return graft_lowering_wants_weights(l, node) || graft_lowering_wants_gradient(l, node, 0);
}

/* With groups oneDNN would choose blocks of a group's width, whatever lies around. Where channels lie last
 * already they stay so if that is about as fast: a depthwise convolution always, others without a backward
 * while a row of pixels fits the first cache. */
static bool stays_last(graft_lowering *l, const graft_node *node, const graft_convolution *c)
{
    enum { ROW = 8192 };
    const graft_layout *x = graft_lowering_layout(l, graft_lowering_input(l, node, 0));
    bool depthwise = c->groups == c->channels_in && c->groups == c->channels_out;
    return graft_layout_is_channels_last(x) && c->groups > 1 &&
           (depthwise || (!has_backward(l, node) && c->channels_in * c->width_in <= ROW));
}

/* Fewer pixels do not repay reading the transformed weights, which are four times as large; fewer channels do
 * not repay transforming the pixels. */
static bool suits(const graft_convolution *c)
{
    enum { CHANNELS = 32, PIXELS = 768 };
    return graft_convolution_suits_winograd(c) && c->channels_in >= CHANNELS &&
           c->batch * c->height_out * c->width_out >= PIXELS;
}

static bool suits_winograd(graft_lowering *l, const graft_node *node)
{
    graft_shape x = graft_lowering_input_shape(l, node, 0);
    graft_convolution c = geometry(node->attributes, &x);
    return suits(&c);
}

static graft_convolution convolution_of(graft_lowering *l, const graft_node *node)
{
    graft_shape x = graft_lowering_input_shape(l, node, 0);
    graft_convolution c = geometry(node->attributes, &x);
    bool depthwise = c.groups == c.channels_in && c.groups == c.channels_out;
    graft_kernels kernels = graft_lowering_kernels(l);
    c.bf16 = graft_lowering_uses_bf16(l);
    c.winograd = kernels == GRAFT_KERNELS_WINOGRAD && suits(&c);
    if (kernels == GRAFT_KERNELS_WINOGRAD || kernels == GRAFT_KERNELS_BLOCKED)
        c.form = c.groups == 1 || depthwise ? GRAFT_FORM_BLOCKED : GRAFT_FORM_ANY;
    else if (kernels == GRAFT_KERNELS_CHANNELS_LAST || stays_last(l, node, &c))
        c.form = GRAFT_FORM_CHANNELS_LAST;
    return c;
}

/* Emits a kernel that reads the weight in slot 1, and in slot 2 a bias if anything. */
static graft_status emit_with_weight(graft_lowering *l, const graft_node *node, graft_kernel *kernel,
                                     graft_value *values)
{
    graft_status status = graft_lowering_weight(l, node, kernel->layouts[1], &values[1]);
    if (status == GRAFT_OK && kernel->access[2] == GRAFT_READS)
        status = graft_lowering_parameter(l, node, "bias", &values[2]);
    if (status != GRAFT_OK) {
        graft_kernel_free(kernel);
        return status;
    }
    return graft_lowering_emit(l, kernel, values);
}

static graft_status forward(graft_lowering *l, const graft_node *node)
{
    graft_status status;
    graft_convolution c = convolution_of(l, node);
    bool bias = graft_lowering_has_bias(l, node);
    graft_value residual = graft_lowering_residual(l, node);
    int count;
    const graft_post_op *post_ops = graft_lowering_post_ops(l, node, &count);
    graft_value values[] = {graft_lowering_input(l, node, 0), GRAFT_NO_VALUE, GRAFT_NO_VALUE,
                            residual == GRAFT_NO_VALUE ? GRAFT_NEW_VALUE : residual};
    graft_kernel *kernel;
    c.squares = graft_lowering_takes_squares(l, node);
    GRAFT_TRY(graft_convolution_forward(&kernel, graft_lowering_device(l), &c, bias,
                                        residual != GRAFT_NO_VALUE, post_ops, count, has_backward(l, node)));
    GRAFT_TRY(emit_with_weight(l, node, kernel, values));
    graft_lowering_set_output(l, node, values[3]);
out:
    return status;
}

static graft_status backward_weights(graft_lowering *l, const graft_node *node, const graft_convolution *c)
{
    graft_status status;
    bool bias = graft_lowering_has_bias(l, node);
    graft_value values[] = {graft_lowering_input(l, node, 0), graft_lowering_gradient(l, node),
                            GRAFT_NEW_VALUE, bias ? GRAFT_NEW_VALUE : GRAFT_NO_VALUE};
    graft_kernel *kernel;
    GRAFT_TRY(graft_convolution_backward_weights(&kernel, graft_lowering_device(l), c, bias));
    GRAFT_TRY(graft_lowering_emit(l, kernel, values));
    GRAFT_TRY(graft_lowering_add_weight_gradients(l, node, values[2], values[3]));
out:
    return status;
}

static graft_status backward_data(graft_lowering *l, const graft_node *node, const graft_convolution *c)
{
    graft_status status;
    graft_value values[] = {graft_lowering_gradient(l, node), GRAFT_NO_VALUE, GRAFT_NEW_VALUE};
    graft_kernel *kernel;
    GRAFT_TRY(graft_convolution_backward_data(&kernel, graft_lowering_device(l), c));
    GRAFT_TRY(emit_with_weight(l, node, kernel, values));
    GRAFT_TRY(graft_lowering_add_gradient(l, node, 0, values[2]));
out:
    return status;
}

static graft_status backward(graft_lowering *l, const graft_node *node)
{
    graft_status status = GRAFT_OK;
    graft_convolution c = convolution_of(l, node);
    if (graft_lowering_wants_weights(l, node))
        GRAFT_TRY(backward_weights(l, node, &c));
    if (graft_lowering_wants_gradient(l, node, 0))
        GRAFT_TRY(backward_data(l, node, &c));
out:
    return status;
}

const graft_op graft_op_conv2d = {
    .name = "conv2d",
    .attributes = sizeof(graft_conv2d_attributes),
    .shape = shape,
    .parameters = parameters,
    .macs = macs,
    .initialize = initialize,
    .forward = forward,
    .backward = backward,
    .suits_winograd = suits_winograd,
    .computes_bf16 = true,
    .absorbs_affine = true,
    .takes_post_ops = true,
};
