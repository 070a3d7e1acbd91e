/* ConvNeXt (Liu et al., "A ConvNet for the 2020s", arXiv 2201.03545): a block is a 7x7 convolution channel by
 * channel, then for every pixel layer normalisation and two linear layers with GELU between them, and learned
 * factors by which the sum is scaled before it is added. Names and keys are torchvision's; NAME.layer_scale
 * belongs to the node that has the block's name. */
#include "zoo/zoo.h"

enum { STAGES = 4, EXPANSION = 4 };

typedef struct convnext {
    int depths[STAGES];
    int width; /* of the first stage; doubles from stage to stage */
    float depth_rate;
} convnext;

#define norm(b, name, x, ...) layer_norm(b, name, x, .epsilon = 1e-6F, __VA_ARGS__)

static graft_output branch(graft_builder *b, graft_output x, int width)
{
    x = conv(b, "0", x, width, .kernel = 7, .padding = 3, .groups = width, .bias = true);
    GRAFT_SCOPE (b, "1")
        x = channels_last(b, "permute", x);
    x = norm(b, "2", x, .last = true);
    x = gelu(b, "4", linear(b, "3", x, EXPANSION * width, .last = true));
    x = linear(b, "5", x, width, .last = true);
    GRAFT_SCOPE (b, "6")
        x = channels_first(b, "permute", x);
    return x;
}

static graft_output block(graft_builder *b, const char *name, graft_output input, int width, float drop)
{
    graft_output x = input;
    GRAFT_SCOPE (b, "%s.block", name)
        x = branch(b, x, width);
    x = layer_scale(b, name, x);
    GRAFT_SCOPE (b, "%s", name) {
        x = stochastic_depth(b, "stochastic_depth.stochastic_depth", x, drop);
        x = add(b, "add", x, input);
    }
    return x;
}

static graft_output features(graft_builder *b, graft_output x, const convnext *net)
{
    int count = 0, index = 0, width = net->width;
    for (int i = 0; i < STAGES; i++)
        count += net->depths[i];
    GRAFT_SCOPE (b, "0")
        x = norm(b, "1", conv(b, "0", x, width, .kernel = 4, .stride = 4, .bias = true));
    for (int i = 0; i < STAGES; i++, width *= 2) {
        if (i > 0)
            GRAFT_SCOPE (b, "%d", 2 * i)
                x = conv(b, "1", norm(b, "0", x), width, .kernel = 2, .stride = 2, .bias = true);
        GRAFT_SCOPE (b, "%d", 2 * i + 1)
            for (int j = 0; j < net->depths[i]; j++, index++)
                x = block(b, number(j), x, width, net->depth_rate * (float)index / (float)(count - 1));
    }
    return x;
}

static void build(graft_builder *b, const graft_zoo_row *row, int classes)
{
    graft_output x = graft_build_input(b);
    GRAFT_SCOPE (b, "features")
        x = features(b, x, row->shape);
    x = global_average_pool(b, "avgpool", x);
    GRAFT_SCOPE (b, "classifier")
        linear(b, "2", flatten(b, "1", norm(b, "0", x)), classes);
}

#define V1(file, prefix, resize, top1) \
    GRAFT_TORCHVISION("IMAGENET1K_V1", file, prefix, resize, 224, BILINEAR, top1)

static const graft_published convnext_tiny[] = {
    V1("convnext_tiny-983f1562.pth", "983f1562", 236, 82.520),
};
static const graft_published convnext_small[] = {
    V1("convnext_small-0c510722.pth", "0c510722", 230, 83.616),
};
static const graft_published convnext_base[] = {
    V1("convnext_base-6075fbad.pth", "6075fbad", 232, 84.062),
};
static const graft_published convnext_large[] = {
    V1("convnext_large-ea097f82.pth", "ea097f82", 232, 84.414),
};

#define CONVNEXT(id, text, middle, width, rate)                                     \
    {                                                                               \
        .network = {.name = #id,                                                    \
                    .title = text,                                                  \
                    .class_layer = "classifier.2",                                  \
                    .head = "classifier.2",                                         \
                    .size = 224,                                                    \
                    .classes = 1000,                                                \
                    GRAFT_PUBLISHED(id)},                                           \
        .build = build, .shape = &(const convnext){{3, 3, middle, 3}, width, rate}, \
    }

static const graft_zoo_row rows[] = {
    CONVNEXT(convnext_tiny, "ConvNeXt-T", 9, 96, 0.1F),
    CONVNEXT(convnext_small, "ConvNeXt-S", 27, 96, 0.4F),
    CONVNEXT(convnext_base, "ConvNeXt-B", 27, 128, 0.5F),
    CONVNEXT(convnext_large, "ConvNeXt-L", 27, 192, 0.5F),
};

const graft_zoo_family graft_zoo_convnext = {rows, sizeof rows / sizeof rows[0]};
