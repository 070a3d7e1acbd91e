/* ShuffleNet v2 (Ma et al., "Practical guidelines for efficient CNN architecture design", arXiv 1807.11164):
 * a block works on half of the channels and leaves the other half, or, with a stride, works on all of them in
 * two branches; then the halves are interleaved. Names and keys are torchvision's; a half is called getitem
 * (of x.chunk), the interleaved channels view_1, as torchvision's feature extraction calls them. */
#include "zoo/zoo.h"

enum { STAGES = 3, STEM = 24 };

static const int depths[STAGES] = {4, 8, 4};

typedef struct shufflenet {
    int widths[STAGES], top;
} shufflenet;

/* The branch that every block has. */
static graft_output branch2(graft_builder *b, graft_output x, int half, int stride)
{
    x = relu(b, "2", batch_norm(b, "1", conv(b, "0", x, half, .kernel = 1)));
    x = conv(b, "3", x, half, .kernel = 3, .stride = stride, .padding = 1, .groups = half);
    x = batch_norm(b, "4", x);
    return relu(b, "7", batch_norm(b, "6", conv(b, "5", x, half, .kernel = 1)));
}

/* The other one, where there is a stride. */
static graft_output branch1(graft_builder *b, graft_output x, int width_in, int half)
{
    x = conv(b, "0", x, width_in, .kernel = 3, .stride = 2, .padding = 1, .groups = width_in);
    x = batch_norm(b, "1", x);
    return relu(b, "4", batch_norm(b, "3", conv(b, "2", x, half, .kernel = 1)));
}

static graft_output shrinking_block(graft_builder *b, graft_output x, int width_in, int half)
{
    graft_output first = x, second = x;
    GRAFT_SCOPE (b, "branch1")
        first = branch1(b, x, width_in, half);
    GRAFT_SCOPE (b, "branch2")
        second = branch2(b, x, half, 2);
    return channel_shuffle(b, "view_1", concat(b, "cat", first, second), 2);
}

static graft_output block(graft_builder *b, graft_output x, int half)
{
    graft_output first = slice_channels(b, "getitem", x, 0, half);
    graft_output second = slice_channels(b, "getitem_1", x, half, half);
    GRAFT_SCOPE (b, "branch2")
        second = branch2(b, second, half, 1);
    return channel_shuffle(b, "view_1", concat(b, "cat", first, second), 2);
}

static graft_output stage(graft_builder *b, graft_output x, int width_in, int width, int depth)
{
    GRAFT_SCOPE (b, "0")
        x = shrinking_block(b, x, width_in, width / 2);
    for (int i = 1; i < depth; i++)
        GRAFT_SCOPE (b, "%d", i)
            x = block(b, x, width / 2);
    return x;
}

static void build(graft_builder *b, const graft_zoo_row *row, int classes)
{
    const shufflenet *net = row->shape;
    graft_output x = graft_build_input(b);
    GRAFT_SCOPE (b, "conv1") {
        x = conv(b, "0", x, STEM, .kernel = 3, .stride = 2, .padding = 1);
        x = relu(b, "2", batch_norm(b, "1", x));
    }
    x = max_pool(b, "maxpool", x, .kernel = 3, .stride = 2, .padding = 1);
    for (int i = 0; i < STAGES; i++)
        GRAFT_SCOPE (b, "stage%d", i + 2)
            x = stage(b, x, i ? net->widths[i - 1] : STEM, net->widths[i], depths[i]);
    GRAFT_SCOPE (b, "conv5")
        x = relu(b, "2", batch_norm(b, "1", conv(b, "0", x, net->top, .kernel = 1)));
    x = flatten(b, "flatten", global_average_pool(b, "mean", x));
    linear(b, "fc", x, classes);
}

#define V1(file, prefix, resize, top1) \
    GRAFT_TORCHVISION("IMAGENET1K_V1", file, prefix, resize, 224, BILINEAR, top1)

static const graft_published shufflenet_v2_x0_5[] = {
    V1("shufflenetv2_x0.5-f707e7126e.pth", "f707e7126e", 256, 60.552),
};
static const graft_published shufflenet_v2_x1_0[] = {
    V1("shufflenetv2_x1-5666bf0f80.pth", "5666bf0f80", 256, 69.362),
};
static const graft_published shufflenet_v2_x1_5[] = {
    V1("shufflenetv2_x1_5-3c479a10.pth", "3c479a10", 232, 72.996),
};
static const graft_published shufflenet_v2_x2_0[] = {
    V1("shufflenetv2_x2_0-8be3c8ee.pth", "8be3c8ee", 232, 76.230),
};

#define SHUFFLENET(id, text, top, ...)                                    \
    {                                                                     \
        .network = {.name = #id,                                          \
                    .title = text,                                        \
                    .class_layer = "fc",                                  \
                    .head = "fc",                                         \
                    .size = 224,                                          \
                    .classes = 1000,                                      \
                    GRAFT_PUBLISHED(id)},                                 \
        .build = build, .shape = &(const shufflenet){{__VA_ARGS__}, top}, \
    }

static const graft_zoo_row rows[] = {
    SHUFFLENET(shufflenet_v2_x0_5, "ShuffleNet v2 x0.5", 1024, 48, 96, 192),
    SHUFFLENET(shufflenet_v2_x1_0, "ShuffleNet v2 x1.0", 1024, 116, 232, 464),
    SHUFFLENET(shufflenet_v2_x1_5, "ShuffleNet v2 x1.5", 1024, 176, 352, 704),
    SHUFFLENET(shufflenet_v2_x2_0, "ShuffleNet v2 x2.0", 2048, 244, 488, 976),
};

const graft_zoo_family graft_zoo_shufflenet = {rows, sizeof rows / sizeof rows[0]};
