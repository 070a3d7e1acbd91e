/* SqueezeNet (Iandola et al., arXiv 1602.07360): fire modules, which squeeze by a 1x1 convolution and expand
 * by a 1x1 and a 3x3 beside each other. The class layer is a convolution, and its means over the picture are
 * the logits. Version 1.1 has the same modules and pools earlier. Names and keys are torchvision's. */
#include "zoo/zoo.h"

enum { FIRES = 8, POOLS = 2 };

typedef struct squeezenet {
    int stem, kernel;      /* the first convolution's width and kernel */
    int pool_after[POOLS]; /* fire modules, from 1, that a pool follows */
} squeezenet;

/* Widths of each fire module's squeeze and of both its expansions. */
static const struct {
    int squeeze, expand;
} fires[FIRES] = {{16, 64}, {16, 64}, {32, 128}, {32, 128}, {48, 192}, {48, 192}, {64, 256}, {64, 256}};

static graft_output fire(graft_builder *b, graft_output x, int squeeze, int expand)
{
    x = conv(b, "squeeze", x, squeeze, .kernel = 1, .bias = true);
    x = relu(b, "squeeze_activation", x);
    graft_output small = conv(b, "expand1x1", x, expand, .kernel = 1, .bias = true);
    small = relu(b, "expand1x1_activation", small);
    graft_output large = conv(b, "expand3x3", x, expand, .kernel = 3, .padding = 1, .bias = true);
    large = relu(b, "expand3x3_activation", large);
    return concat(b, "cat", small, large);
}

static graft_output pool(graft_builder *b, int layer, graft_output x)
{
    return max_pool(b, number(layer), x, .kernel = 3, .stride = 2, .ceil_mode = true);
}

static graft_output features(graft_builder *b, graft_output x, const squeezenet *net)
{
    int layer = 3;
    x = conv(b, "0", x, net->stem, .kernel = net->kernel, .stride = 2, .bias = true);
    x = pool(b, 2, relu(b, "1", x));
    for (int i = 0; i < FIRES; i++) {
        GRAFT_SCOPE (b, "%d", layer++)
            x = fire(b, x, fires[i].squeeze, fires[i].expand);
        if (i + 1 == net->pool_after[0] || i + 1 == net->pool_after[1])
            x = pool(b, layer++, x);
    }
    return x;
}

static graft_output classifier(graft_builder *b, graft_output x, int classes)
{
    x = conv(b, "1", dropout(b, "0", x, 0.5F), classes, .kernel = 1, .bias = true, .uniform = true);
    return global_average_pool(b, "3", relu(b, "2", x));
}

static void build(graft_builder *b, const graft_zoo_row *row, int classes)
{
    graft_output x = graft_build_input(b);
    GRAFT_SCOPE (b, "features")
        x = features(b, x, row->shape);
    GRAFT_SCOPE (b, "classifier")
        x = classifier(b, x, classes);
    flatten(b, "flatten", x);
}

static const graft_published squeezenet1_0[] = {
    GRAFT_TORCHVISION("IMAGENET1K_V1", "squeezenet1_0-b66bff10.pth", "b66bff10", 256, 224, BILINEAR, 58.092),
};
static const graft_published squeezenet1_1[] = {
    GRAFT_TORCHVISION("IMAGENET1K_V1", "squeezenet1_1-b8a52dc0.pth", "b8a52dc0", 256, 224, BILINEAR, 58.178),
};

/* Layers in place of `classifier` get (N, 512, H, W), so they begin as "avgpool flatten linear" does. */
#define SQUEEZENET(id, text, ...)                                  \
    {                                                              \
        .network = {.name = #id,                                   \
                    .title = text,                                 \
                    .class_layer = "classifier.1",                 \
                    .head = "classifier",                          \
                    .size = 224,                                   \
                    .classes = 1000,                               \
                    GRAFT_PUBLISHED(id)},                          \
        .build = build, .shape = &(const squeezenet){__VA_ARGS__}, \
    }

static const graft_zoo_row rows[] = {
    SQUEEZENET(squeezenet1_0, "SqueezeNet 1.0", 96, 7, {3, 7}),
    SQUEEZENET(squeezenet1_1, "SqueezeNet 1.1", 64, 3, {2, 4}),
};

const graft_zoo_family graft_zoo_squeezenet = {rows, sizeof rows / sizeof rows[0]};
