/* VGG (Simonyan and Zisserman, "Very deep convolutional networks for large-scale image recognition", arXiv
 * 1409.1556): 3x3 convolutions in five stages that end in a pool, and three linear layers; the letters A, B,
 * D and E of the paper. Names and keys are torchvision's. */
#include "zoo/zoo.h"

enum { STAGES = 5, FEATURES = 4096 };

typedef struct vgg {
    bool norm;          /* batch norm behind every convolution */
    int depths[STAGES]; /* convolutions of each stage */
} vgg;

static const int widths[STAGES] = {64, 128, 256, 512, 512};

static graft_output features(graft_builder *b, graft_output x, const vgg *net)
{
    int layer = 0;
    for (int stage = 0; stage < STAGES; stage++) {
        for (int i = 0; i < net->depths[stage]; i++) {
            x = conv(b, number(layer++), x, widths[stage], .kernel = 3, .padding = 1, .bias = true);
            if (net->norm)
                x = batch_norm(b, number(layer++), x);
            x = relu(b, number(layer++), x);
        }
        x = max_pool(b, number(layer++), x, .kernel = 2, .stride = 2);
    }
    return x;
}

static void classifier(graft_builder *b, graft_output x, int classes)
{
    x = dropout(b, "2", relu(b, "1", linear(b, "0", x, FEATURES)), 0.5F);
    x = dropout(b, "5", relu(b, "4", linear(b, "3", x, FEATURES)), 0.5F);
    linear(b, "6", x, classes);
}

static void build(graft_builder *b, const graft_zoo_row *row, int classes)
{
    graft_output x = graft_build_input(b);
    GRAFT_SCOPE (b, "features")
        x = features(b, x, row->shape);
    x = flatten(b, "flatten", adaptive_avg_pool(b, "avgpool", x, 7));
    GRAFT_SCOPE (b, "classifier")
        classifier(b, x, classes);
}

/* ---- What is published ---- */

static const graft_published vgg11[] = {
    GRAFT_TORCHVISION("IMAGENET1K_V1", "vgg11-8a719046.pth", "8a719046", 256, 224, BILINEAR, 69.020),
};
static const graft_published vgg11_bn[] = {
    GRAFT_TORCHVISION("IMAGENET1K_V1", "vgg11_bn-6002323d.pth", "6002323d", 256, 224, BILINEAR, 70.370),
};
static const graft_published vgg13[] = {
    GRAFT_TORCHVISION("IMAGENET1K_V1", "vgg13-19584684.pth", "19584684", 256, 224, BILINEAR, 69.928),
};
static const graft_published vgg13_bn[] = {
    GRAFT_TORCHVISION("IMAGENET1K_V1", "vgg13_bn-abd245e5.pth", "abd245e5", 256, 224, BILINEAR, 71.586),
};
static const graft_published vgg16[] = {
    GRAFT_TORCHVISION("IMAGENET1K_V1", "vgg16-397923af.pth", "397923af", 256, 224, BILINEAR, 71.592),
    /* The paper's own weights, as ssd.pytorch carries them: `features` alone, the classifier is NaN. */
    {
        .name = "IMAGENET1K_FEATURES",
        .file = "vgg16_features-amdegroot-88682ab5.pth",
        .sha256 = "88682ab5",
        .place = "https://download.pytorch.org/models/vgg16_features-amdegroot-88682ab5.pth",
        .transform = {256,
                      224,
                      GRAFT_BILINEAR,
                      255.0F,
                      {0.48235F, 0.45882F, 0.40784F},
                      {1.0F / 255.0F, 1.0F / 255.0F, 1.0F / 255.0F},
                      GRAFT_DECODE_EXACT},
    },
};
static const graft_published vgg16_bn[] = {
    GRAFT_TORCHVISION("IMAGENET1K_V1", "vgg16_bn-6c64b313.pth", "6c64b313", 256, 224, BILINEAR, 73.360),
};
static const graft_published vgg19[] = {
    GRAFT_TORCHVISION("IMAGENET1K_V1", "vgg19-dcbb9e9d.pth", "dcbb9e9d", 256, 224, BILINEAR, 72.376),
};
static const graft_published vgg19_bn[] = {
    GRAFT_TORCHVISION("IMAGENET1K_V1", "vgg19_bn-c79401a0.pth", "c79401a0", 256, 224, BILINEAR, 74.218),
};

/* ---- The rows ---- */

#define VGG(id, text, norm, ...)                                    \
    {                                                               \
        .network = {.name = #id,                                    \
                    .title = text,                                  \
                    .class_layer = "classifier.6",                  \
                    .head = "classifier",                           \
                    .size = 224,                                    \
                    .classes = 1000,                                \
                    GRAFT_PUBLISHED(id)},                           \
        .build = build, .shape = &(const vgg){norm, {__VA_ARGS__}}, \
    }

static const graft_zoo_row rows[] = {
    VGG(vgg11, "VGG-11", false, 1, 1, 2, 2, 2), VGG(vgg11_bn, "VGG-11 with batch norm", true, 1, 1, 2, 2, 2),
    VGG(vgg13, "VGG-13", false, 2, 2, 2, 2, 2), VGG(vgg13_bn, "VGG-13 with batch norm", true, 2, 2, 2, 2, 2),
    VGG(vgg16, "VGG-16", false, 2, 2, 3, 3, 3), VGG(vgg16_bn, "VGG-16 with batch norm", true, 2, 2, 3, 3, 3),
    VGG(vgg19, "VGG-19", false, 2, 2, 4, 4, 4), VGG(vgg19_bn, "VGG-19 with batch norm", true, 2, 2, 4, 4, 4),
};

const graft_zoo_family graft_zoo_vgg = {rows, sizeof rows / sizeof rows[0]};
