/* MobileNet v2 (Sandler et al., "Inverted residuals and linear bottlenecks", arXiv 1801.04381) and v3 (Howard
 * et al., "Searching for MobileNetV3", arXiv 1905.02244). A block widens its input by a 1x1 convolution,
 * works on every channel by itself, narrows it again without an activation, and is added to its input where
 * the shapes are equal. v3 adds squeeze and excitation and hard swish. Names and keys are torchvision's. */
#include "zoo/mobile.h"

/* ---- v2 ---- */

enum { STEM_V2 = 32, TOP_V2 = 1280, STAGES_V2 = 7 };

static const graft_conv_style style_v2 = {.activation = &graft_op_relu6};

typedef struct stage {
    int expand, width, repeats, stride;
} stage;

static const stage stages_v2[STAGES_V2] = {
    {1, 16, 1, 1}, {6, 24, 2, 2}, {6, 32, 3, 2}, {6, 64, 4, 2}, {6, 96, 3, 1}, {6, 160, 3, 2}, {6, 320, 1, 1},
};

static graft_output block_v2(graft_builder *b, graft_output input, int width_in, const stage *s, int stride)
{
    int inner = width_in * s->expand, layer = 0;
    graft_output x = input;
    GRAFT_SCOPE (b, "conv") {
        if (s->expand != 1)
            x = conv_norm(b, number(layer++), x, style_v2, inner, .kernel = 1);
        x = conv_norm(b, number(layer++), x, style_v2, inner, .kernel = 3, .stride = stride, .groups = inner);
        x = conv(b, number(layer++), x, s->width, .kernel = 1);
        x = batch_norm(b, number(layer), x);
    }
    return stride == 1 && width_in == s->width ? add(b, "add", input, x) : x;
}

static graft_output features_v2(graft_builder *b, graft_output x)
{
    int width = STEM_V2, index = 0;
    x = conv_norm(b, number(index++), x, style_v2, STEM_V2, .kernel = 3, .stride = 2);
    for (int i = 0; i < STAGES_V2; i++)
        for (int repeat = 0; repeat < stages_v2[i].repeats; repeat++) {
            GRAFT_SCOPE (b, "%d", index++)
                x = block_v2(b, x, width, &stages_v2[i], repeat == 0 ? stages_v2[i].stride : 1);
            width = stages_v2[i].width;
        }
    return conv_norm(b, number(index), x, style_v2, TOP_V2, .kernel = 1);
}

static void build_v2(graft_builder *b, const graft_zoo_row *row, int classes)
{
    (void)row;
    graft_output x = graft_build_input(b);
    GRAFT_SCOPE (b, "features")
        x = features_v2(b, x);
    x = flatten(b, "flatten", global_average_pool(b, "adaptive_avg_pool2d", x));
    GRAFT_SCOPE (b, "classifier")
        linear(b, "1", dropout(b, "0", x, 0.2F), classes);
}

/* ---- v3 ---- */

enum { STEM_V3 = 16, MOST_LAYERS = 15, TOP_FACTOR = 6 };

typedef struct layer {
    int kernel, inner, width;
    bool squeezes;
    const graft_op *activation;
    int stride;
} layer;

typedef struct mobilenet_v3 {
    int depth, head; /* layers; features of the classifier */
    layer layers[MOST_LAYERS];
} mobilenet_v3;

#define RE &graft_op_relu
#define HS &graft_op_hard_swish

static const mobilenet_v3 large = {
    15,
    1280,
    {
        {3, 16, 16, false, RE, 1},
        {3, 64, 24, false, RE, 2},
        {3, 72, 24, false, RE, 1},
        {5, 72, 40, true, RE, 2},
        {5, 120, 40, true, RE, 1},
        {5, 120, 40, true, RE, 1},
        {3, 240, 80, false, HS, 2},
        {3, 200, 80, false, HS, 1},
        {3, 184, 80, false, HS, 1},
        {3, 184, 80, false, HS, 1},
        {3, 480, 112, true, HS, 1},
        {3, 672, 112, true, HS, 1},
        {5, 672, 160, true, HS, 2},
        {5, 960, 160, true, HS, 1},
        {5, 960, 160, true, HS, 1},
    },
};

static const mobilenet_v3 small = {
    11,
    1024,
    {
        {3, 16, 16, true, RE, 2},
        {3, 72, 24, false, RE, 2},
        {3, 88, 24, false, RE, 1},
        {5, 96, 40, true, HS, 2},
        {5, 240, 40, true, HS, 1},
        {5, 240, 40, true, HS, 1},
        {5, 120, 48, true, HS, 1},
        {5, 144, 48, true, HS, 1},
        {5, 288, 96, true, HS, 2},
        {5, 576, 96, true, HS, 1},
        {5, 576, 96, true, HS, 1},
    },
};

static graft_conv_style style_v3(const graft_op *activation)
{
    return (graft_conv_style){{.epsilon = 1e-3F, .momentum = 0.01F}, activation};
}

static graft_output block_v3(graft_builder *b, graft_output input, int width_in, const layer *l)
{
    graft_conv_style style = style_v3(l->activation);
    int inner = l->inner, index = 0;
    graft_output x = input;
    GRAFT_SCOPE (b, "block") {
        if (inner != width_in)
            x = conv_norm(b, number(index++), x, style, inner, .kernel = 1);
        x = conv_norm(b, number(index++), x, style, inner, .kernel = l->kernel, .stride = l->stride,
                      .groups = inner);
        if (l->squeezes)
            x = graft_squeeze_excitation(b, number(index++), x, inner, graft_divisible_width(inner / 4),
                                         &graft_op_relu, &graft_op_hard_sigmoid);
        x = conv_norm(b, number(index), x, style_v3(NULL), l->width, .kernel = 1);
    }
    return l->stride == 1 && width_in == l->width ? add(b, "add", x, input) : x;
}

static graft_output features_v3(graft_builder *b, graft_output x, const mobilenet_v3 *net)
{
    int width = STEM_V3;
    x = conv_norm(b, "0", x, style_v3(HS), STEM_V3, .kernel = 3, .stride = 2);
    for (int i = 0; i < net->depth; i++) {
        GRAFT_SCOPE (b, "%d", i + 1)
            x = block_v3(b, x, width, &net->layers[i]);
        width = net->layers[i].width;
    }
    return conv_norm(b, number(net->depth + 1), x, style_v3(HS), TOP_FACTOR * width, .kernel = 1);
}

static void build_v3(graft_builder *b, const graft_zoo_row *row, int classes)
{
    const mobilenet_v3 *net = row->shape;
    graft_output x = graft_build_input(b);
    GRAFT_SCOPE (b, "features")
        x = features_v3(b, x, net);
    x = flatten(b, "flatten", global_average_pool(b, "avgpool", x));
    GRAFT_SCOPE (b, "classifier") {
        x = hard_swish(b, "1", linear(b, "0", x, net->head));
        linear(b, "3", dropout(b, "2", x, 0.2F), classes);
    }
}

/* ---- What is published ---- */

#define V1(file, prefix, top1) GRAFT_TORCHVISION("IMAGENET1K_V1", file, prefix, 256, 224, BILINEAR, top1)
#define V2(file, prefix, top1) GRAFT_TORCHVISION("IMAGENET1K_V2", file, prefix, 232, 224, BILINEAR, top1)

static const graft_published mobilenet_v2[] = {
    V2("mobilenet_v2-7ebf99e0.pth", "7ebf99e0", 72.154),
    V1("mobilenet_v2-b0353104.pth", "b0353104", 71.878),
};
static const graft_published mobilenet_v3_large[] = {
    V2("mobilenet_v3_large-5c1a4163.pth", "5c1a4163", 75.274),
    V1("mobilenet_v3_large-8738ca79.pth", "8738ca79", 74.042),
};
static const graft_published mobilenet_v3_small[] = {
    V1("mobilenet_v3_small-047dcff4.pth", "047dcff4", 67.668),
};

/* ---- The rows ---- */

#define MOBILENET(id, text, layer, builder, net) \
    {                                            \
        .network = {.name = #id,                 \
                    .title = text,               \
                    .class_layer = layer,        \
                    .head = "classifier",        \
                    .size = 224,                 \
                    .classes = 1000,             \
                    GRAFT_PUBLISHED(id)},        \
        .build = builder, .shape = net,          \
    }

static const graft_zoo_row rows[] = {
    MOBILENET(mobilenet_v2, "MobileNet v2", "classifier.1", build_v2, NULL),
    MOBILENET(mobilenet_v3_large, "MobileNet v3 large", "classifier.3", build_v3, &large),
    MOBILENET(mobilenet_v3_small, "MobileNet v3 small", "classifier.3", build_v3, &small),
};

const graft_zoo_family graft_zoo_mobilenet = {rows, sizeof rows / sizeof rows[0]};
