/* DenseNet (Huang et al., "Densely connected convolutional networks", arXiv 1608.06993), the BC form: each
 * layer of a block reads everything that the block has made before it, through a 1x1 convolution, and adds
 * `growth` channels; between blocks a transition halves channels, height and width. Names and keys are
 * torchvision's. */
#include "zoo/zoo.h"

enum { BLOCKS = 4, BOTTLENECK = 4, MOST = 48 };

typedef struct densenet {
    int growth, stem;
    int depths[BLOCKS]; /* layers of each block, MOST at most */
} densenet;

static graft_output dense_layer(graft_builder *b, graft_output x, int growth)
{
    x = relu(b, "relu1", batch_norm(b, "norm1", x));
    x = conv(b, "conv1", x, BOTTLENECK * growth, .kernel = 1);
    x = relu(b, "relu2", batch_norm(b, "norm2", x));
    return conv(b, "conv2", x, growth, .kernel = 3, .padding = 1);
}

static graft_output block(graft_builder *b, graft_output x, int growth, int depth)
{
    graft_output made[MOST + 1] = {x};
    for (int i = 0; i < depth; i++)
        GRAFT_SCOPE (b, "denselayer%d", i + 1)
            made[i + 1] = dense_layer(b, concat_all(b, "cat", made, i + 1), growth);
    return concat_all(b, "cat", made, depth + 1);
}

static graft_output transition(graft_builder *b, graft_output x, int width)
{
    x = relu(b, "relu", batch_norm(b, "norm", x));
    return avg_pool(b, "pool", conv(b, "conv", x, width, .kernel = 1), .kernel = 2, .stride = 2);
}

static graft_output features(graft_builder *b, graft_output x, const densenet *net)
{
    int width = net->stem;
    x = conv(b, "conv0", x, net->stem, .kernel = 7, .stride = 2, .padding = 3);
    x = relu(b, "relu0", batch_norm(b, "norm0", x));
    x = max_pool(b, "pool0", x, .kernel = 3, .stride = 2, .padding = 1);
    for (int i = 0; i < BLOCKS; i++) {
        GRAFT_SCOPE (b, "denseblock%d", i + 1)
            x = block(b, x, net->growth, net->depths[i]);
        width += net->depths[i] * net->growth;
        if (i == BLOCKS - 1)
            break;
        width /= 2;
        GRAFT_SCOPE (b, "transition%d", i + 1)
            x = transition(b, x, width);
    }
    return batch_norm(b, "norm5", x);
}

static void build(graft_builder *b, const graft_zoo_row *row, int classes)
{
    graft_output x = graft_build_input(b);
    GRAFT_SCOPE (b, "features")
        x = features(b, x, row->shape);
    x = global_average_pool(b, "adaptive_avg_pool2d", relu(b, "relu", x));
    linear(b, "classifier", flatten(b, "flatten", x), classes);
}

/* The files are older than torchvision's names (norm.1 for norm1): model/state_dict.c knows both. */
static const graft_published densenet121[] = {
    GRAFT_TORCHVISION("IMAGENET1K_V1", "densenet121-a639ec97.pth", "a639ec97", 256, 224, BILINEAR, 74.434),
};
static const graft_published densenet161[] = {
    GRAFT_TORCHVISION("IMAGENET1K_V1", "densenet161-8d451a50.pth", "8d451a50", 256, 224, BILINEAR, 77.138),
};
static const graft_published densenet169[] = {
    GRAFT_TORCHVISION("IMAGENET1K_V1", "densenet169-b2777c0a.pth", "b2777c0a", 256, 224, BILINEAR, 75.600),
};
static const graft_published densenet201[] = {
    GRAFT_TORCHVISION("IMAGENET1K_V1", "densenet201-c1103571.pth", "c1103571", 256, 224, BILINEAR, 76.896),
};

#define DENSENET(id, text, growth, stem, ...)                                    \
    {                                                                            \
        .network = {.name = #id,                                                 \
                    .title = text,                                               \
                    .class_layer = "classifier",                                 \
                    .head = "classifier",                                        \
                    .size = 224,                                                 \
                    .classes = 1000,                                             \
                    GRAFT_PUBLISHED(id)},                                        \
        .build = build, .shape = &(const densenet){growth, stem, {__VA_ARGS__}}, \
    }

static const graft_zoo_row rows[] = {
    DENSENET(densenet121, "DenseNet-121", 32, 64, 6, 12, 24, 16),
    DENSENET(densenet161, "DenseNet-161", 48, 96, 6, 12, 36, 24),
    DENSENET(densenet169, "DenseNet-169", 32, 64, 6, 12, 32, 32),
    DENSENET(densenet201, "DenseNet-201", 32, 64, 6, 12, 48, 32),
};

const graft_zoo_family graft_zoo_densenet = {rows, sizeof rows / sizeof rows[0]};
