/* EfficientNet (Tan and Le, "EfficientNet: rethinking model scaling for convolutional neural networks", arXiv
 * 1905.11946): B0's plan of inverted residual blocks with squeeze and excitation, made wider and deeper
 * together; and EfficientNetV2 (arXiv 2104.00298), whose first stages have one full 3x3 convolution in place
 * of the widening and the channel-by-channel one. Names and keys are torchvision's. */
#include "zoo/mobile.h"

#include <math.h>

enum { MOST_STAGES = 7 };

typedef struct stage {
    bool fused;
    int expand, kernel, stride, width, repeats;
} stage;

typedef struct efficientnet {
    const stage *stages; /* as many as have repeats, MOST_STAGES at most */
    int stem, top;       /* top 0: four times the last width */
    double width, depth; /* factors */
    float dropout;
    float epsilon, momentum;
} efficientnet;

static const stage b_stages[MOST_STAGES] = {
    {false, 1, 3, 1, 16, 1},  {false, 6, 3, 2, 24, 2},  {false, 6, 5, 2, 40, 2},  {false, 6, 3, 2, 80, 3},
    {false, 6, 5, 1, 112, 3}, {false, 6, 5, 2, 192, 4}, {false, 6, 3, 1, 320, 1},
};
static const stage s_stages[MOST_STAGES] = {
    {true, 1, 3, 1, 24, 2},   {true, 4, 3, 2, 48, 4},   {true, 4, 3, 2, 64, 4},
    {false, 4, 3, 2, 128, 6}, {false, 6, 3, 1, 160, 9}, {false, 6, 3, 2, 256, 15},
};
static const stage m_stages[MOST_STAGES] = {
    {true, 1, 3, 1, 24, 3},    {true, 4, 3, 2, 48, 5},    {true, 4, 3, 2, 80, 5},   {false, 4, 3, 2, 160, 7},
    {false, 6, 3, 1, 176, 14}, {false, 6, 3, 2, 304, 18}, {false, 6, 3, 1, 512, 5},
};
static const stage l_stages[MOST_STAGES] = {
    {true, 1, 3, 1, 32, 4},    {true, 4, 3, 2, 64, 7},    {true, 4, 3, 2, 96, 7},   {false, 4, 3, 2, 192, 10},
    {false, 6, 3, 1, 224, 19}, {false, 6, 3, 2, 384, 25}, {false, 6, 3, 1, 640, 7},
};

static const float depth_rate = 0.2F;

static graft_conv_style style(const efficientnet *net, const graft_op *activation)
{
    return (graft_conv_style){{net->epsilon, net->momentum}, activation};
}

static int repeats(const efficientnet *net, const stage *s)
{
    return (int)ceil(s->repeats * net->depth);
}

/* Through `inner` channels to `width`. */
static graft_output separable(graft_builder *b, graft_output x, const efficientnet *net, const stage *s,
                              int width_in, int width, int stride)
{
    int inner = graft_divisible_width(width_in * s->expand), layer = 0;
    graft_conv_style active = style(net, &graft_op_silu);
    if (inner != width_in)
        x = conv_norm(b, number(layer++), x, active, inner, .kernel = 1);
    x = conv_norm(b, number(layer++), x, active, inner, .kernel = s->kernel, .stride = stride,
                  .groups = inner);
    x = graft_squeeze_excitation(b, number(layer++), x, inner, width_in / 4, &graft_op_silu,
                                 &graft_op_sigmoid);
    return conv_norm(b, number(layer), x, style(net, NULL), width, .kernel = 1);
}

static graft_output fused(graft_builder *b, graft_output x, const efficientnet *net, const stage *s,
                          int width_in, int width, int stride)
{
    int inner = graft_divisible_width(width_in * s->expand);
    graft_conv_style active = style(net, &graft_op_silu);
    x = conv_norm(b, "0", x, active, inner == width_in ? width : inner, .kernel = s->kernel,
                  .stride = stride);
    if (inner != width_in)
        x = conv_norm(b, "1", x, style(net, NULL), width, .kernel = 1);
    return x;
}

static graft_output block(graft_builder *b, graft_output input, const efficientnet *net, const stage *s,
                          int width_in, int width, int stride, float drop)
{
    graft_output x = input;
    GRAFT_SCOPE (b, "block")
        x = (s->fused ? fused : separable)(b, x, net, s, width_in, width, stride);
    if (stride != 1 || width_in != width)
        return x;
    GRAFT_SCOPE (b, "stochastic_depth")
        x = stochastic_depth(b, "stochastic_depth", x, drop);
    return add(b, "add", x, input);
}

static graft_output features(graft_builder *b, graft_output x, const efficientnet *net)
{
    int width = graft_divisible_width(net->stem * net->width), count = 0, index = 0, i;
    for (i = 0; i < MOST_STAGES; i++)
        count += repeats(net, &net->stages[i]);
    x = conv_norm(b, "0", x, style(net, &graft_op_silu), width, .kernel = 3, .stride = 2);
    for (i = 0; i < MOST_STAGES && net->stages[i].repeats; i++) {
        const stage *s = &net->stages[i];
        int width_out = graft_divisible_width(s->width * net->width);
        for (int repeat = 0; repeat < repeats(net, s); repeat++) {
            float drop = depth_rate * (float)index++ / (float)count;
            GRAFT_SCOPE (b, "%d.%d", i + 1, repeat)
                x = block(b, x, net, s, width, width_out, repeat == 0 ? s->stride : 1, drop);
            width = width_out;
        }
    }
    return conv_norm(b, number(i + 1), x, style(net, &graft_op_silu), net->top ? net->top : 4 * width,
                     .kernel = 1);
}

static void build(graft_builder *b, const graft_zoo_row *row, int classes)
{
    const efficientnet *net = row->shape;
    graft_output x = graft_build_input(b);
    GRAFT_SCOPE (b, "features")
        x = features(b, x, net);
    x = flatten(b, "flatten", global_average_pool(b, "avgpool", x));
    GRAFT_SCOPE (b, "classifier")
        linear(b, "1", dropout(b, "0", x, net->dropout), classes);
}

/* ---- What is published ---- */

#define V1(file, prefix, resize, crop, filter, top1) \
    GRAFT_TORCHVISION("IMAGENET1K_V1", file, prefix, resize, crop, filter, top1)

static const graft_published efficientnet_b0[] = {
    V1("efficientnet_b0_rwightman-3dd342df.pth", "3dd342df", 256, 224, BICUBIC, 77.692),
};
static const graft_published efficientnet_b1[] = {
    GRAFT_TORCHVISION("IMAGENET1K_V2", "efficientnet_b1-c27df63c.pth", "c27df63c", 255, 240, BILINEAR,
                      79.838),
    V1("efficientnet_b1_rwightman-533bc792.pth", "533bc792", 256, 240, BICUBIC, 78.642),
};
static const graft_published efficientnet_b2[] = {
    V1("efficientnet_b2_rwightman-bcdf34b7.pth", "bcdf34b7", 288, 288, BICUBIC, 80.608),
};
static const graft_published efficientnet_b3[] = {
    V1("efficientnet_b3_rwightman-cf984f9c.pth", "cf984f9c", 320, 300, BICUBIC, 82.008),
};
static const graft_published efficientnet_b4[] = {
    V1("efficientnet_b4_rwightman-7eb33cd5.pth", "7eb33cd5", 384, 380, BICUBIC, 83.384),
};
static const graft_published efficientnet_b5[] = {
    V1("efficientnet_b5_lukemelas-b6417697.pth", "b6417697", 456, 456, BICUBIC, 83.444),
};
static const graft_published efficientnet_b6[] = {
    V1("efficientnet_b6_lukemelas-c76e70fd.pth", "c76e70fd", 528, 528, BICUBIC, 84.008),
};
static const graft_published efficientnet_b7[] = {
    V1("efficientnet_b7_lukemelas-dcc49843.pth", "dcc49843", 600, 600, BICUBIC, 84.122),
};
static const graft_published efficientnet_v2_s[] = {
    V1("efficientnet_v2_s-dd5fe13b.pth", "dd5fe13b", 384, 384, BILINEAR, 84.228),
};
static const graft_published efficientnet_v2_m[] = {
    V1("efficientnet_v2_m-dc08266a.pth", "dc08266a", 480, 480, BILINEAR, 85.112),
};
static const graft_published efficientnet_v2_l[] = {
    {
        "IMAGENET1K_V1",
        "efficientnet_v2_l-59c71312.pth",
        "59c71312",
        "https://download.pytorch.org/models/efficientnet_v2_l-59c71312.pth",
        {480, 480, GRAFT_BICUBIC, 255.0F, {0.5F, 0.5F, 0.5F}, {0.5F, 0.5F, 0.5F}, GRAFT_DECODE_EXACT},
        85.808,
    },
};

/* ---- The rows ---- */

#define EFFICIENTNET(id, text, pixels, ...)                          \
    {                                                                \
        .network = {.name = #id,                                     \
                    .title = text,                                   \
                    .class_layer = "classifier.1",                   \
                    .head = "classifier",                            \
                    .size = pixels,                                  \
                    .classes = 1000,                                 \
                    GRAFT_PUBLISHED(id)},                            \
        .build = build, .shape = &(const efficientnet){__VA_ARGS__}, \
    }
/* torchvision gives TensorFlow's batch norm to the networks whose weights come from there. */
#define B(id, text, pixels, width, depth, rate, ...) \
    EFFICIENTNET(id, text, pixels, b_stages, 32, 0, width, depth, rate, __VA_ARGS__)
#define PYTORCH_NORM    1e-5F, 0.1F
#define TENSORFLOW_NORM 1e-3F, 0.01F
#define V2_NORM         1e-3F, 0.1F

static const graft_zoo_row rows[] = {
    B(efficientnet_b0, "EfficientNet-B0", 224, 1.0, 1.0, 0.2F, PYTORCH_NORM),
    B(efficientnet_b1, "EfficientNet-B1", 240, 1.0, 1.1, 0.2F, PYTORCH_NORM),
    B(efficientnet_b2, "EfficientNet-B2", 288, 1.1, 1.2, 0.3F, PYTORCH_NORM),
    B(efficientnet_b3, "EfficientNet-B3", 300, 1.2, 1.4, 0.3F, PYTORCH_NORM),
    B(efficientnet_b4, "EfficientNet-B4", 380, 1.4, 1.8, 0.4F, PYTORCH_NORM),
    B(efficientnet_b5, "EfficientNet-B5", 456, 1.6, 2.2, 0.4F, TENSORFLOW_NORM),
    B(efficientnet_b6, "EfficientNet-B6", 528, 1.8, 2.6, 0.5F, TENSORFLOW_NORM),
    B(efficientnet_b7, "EfficientNet-B7", 600, 2.0, 3.1, 0.5F, TENSORFLOW_NORM),
    EFFICIENTNET(efficientnet_v2_s, "EfficientNetV2-S", 384, s_stages, 24, 1280, 1, 1, 0.2F, V2_NORM),
    EFFICIENTNET(efficientnet_v2_m, "EfficientNetV2-M", 480, m_stages, 24, 1280, 1, 1, 0.3F, V2_NORM),
    EFFICIENTNET(efficientnet_v2_l, "EfficientNetV2-L", 480, l_stages, 32, 1280, 1, 1, 0.4F, V2_NORM),
};

const graft_zoo_family graft_zoo_efficientnet = {rows, sizeof rows / sizeof rows[0]};
