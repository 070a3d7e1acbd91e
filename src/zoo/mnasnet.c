/* MNASNet (Tan et al., "MnasNet: platform-aware neural architecture search for mobile", arXiv 1807.11626),
 * its variant B1: inverted residual blocks as MobileNet v2's, with kernels of 3 and 5, whose plan a search
 * found, at four widths. Names and keys are torchvision's. */
#include "zoo/mobile.h"

enum { STEM = 32, SEPARABLE = 16, TOP = 1280, STACKS = 6, FIRST_STACK = 8 };

typedef struct stack {
    int width, kernel, stride, expand, repeats;
} stack;

/* At width 1. */
static const stack stacks[STACKS] = {
    {24, 3, 2, 3, 3}, {40, 5, 2, 3, 3},  {80, 5, 2, 6, 3},
    {96, 3, 1, 6, 2}, {192, 5, 2, 6, 4}, {320, 3, 1, 6, 1},
};

static graft_output norm(graft_builder *b, const char *name, graft_output x)
{
    return batch_norm(b, name, x, .momentum = 3e-4F);
}

static graft_output block(graft_builder *b, graft_output input, const stack *s, int width_in, int width,
                          int stride)
{
    int inner = width_in * s->expand;
    graft_output x = input;
    GRAFT_SCOPE (b, "layers") {
        x = relu(b, "2", norm(b, "1", conv(b, "0", x, inner, .kernel = 1)));
        x = conv(b, "3", x, inner, .kernel = s->kernel, .stride = stride, .padding = s->kernel / 2,
                 .groups = inner);
        x = relu(b, "5", norm(b, "4", x));
        x = norm(b, "7", conv(b, "6", x, width, .kernel = 1));
    }
    return stride == 1 && width_in == width ? add(b, "add", x, input) : x;
}

static graft_output all_stacks(graft_builder *b, graft_output x, int width_in, double scale)
{
    for (int i = 0; i < STACKS; i++) {
        int width = graft_divisible_width(stacks[i].width * scale);
        for (int repeat = 0; repeat < stacks[i].repeats; repeat++) {
            GRAFT_SCOPE (b, "%d.%d", FIRST_STACK + i, repeat)
                x = block(b, x, &stacks[i], width_in, width, repeat == 0 ? stacks[i].stride : 1);
            width_in = width;
        }
    }
    return x;
}

static graft_output layers(graft_builder *b, graft_output x, double scale)
{
    int stem = graft_divisible_width(STEM * scale), width = graft_divisible_width(SEPARABLE * scale);
    x = conv(b, "0", x, stem, .kernel = 3, .stride = 2, .padding = 1);
    x = relu(b, "2", norm(b, "1", x));
    x = conv(b, "3", x, stem, .kernel = 3, .padding = 1, .groups = stem);
    x = relu(b, "5", norm(b, "4", x));
    x = norm(b, "7", conv(b, "6", x, width, .kernel = 1));
    x = all_stacks(b, x, width, scale);
    return relu(b, "16", norm(b, "15", conv(b, "14", x, TOP, .kernel = 1)));
}

static void build(graft_builder *b, const graft_zoo_row *row, int classes)
{
    graft_output x = graft_build_input(b);
    GRAFT_SCOPE (b, "layers")
        x = layers(b, x, *(const double *)row->shape);
    x = flatten(b, "flatten", global_average_pool(b, "mean", x));
    GRAFT_SCOPE (b, "classifier")
        linear(b, "1", dropout(b, "0", x, 0.2F), classes);
}

#define V1(file, prefix, resize, top1) \
    GRAFT_TORCHVISION("IMAGENET1K_V1", file, prefix, resize, 224, BILINEAR, top1)

static const graft_published mnasnet0_5[] = {
    V1("mnasnet0.5_top1_67.823-3ffadce67e.pth", "3ffadce67e", 256, 67.734),
};
static const graft_published mnasnet0_75[] = {
    V1("mnasnet0_75-7090bc5f.pth", "7090bc5f", 232, 71.180),
};
static const graft_published mnasnet1_0[] = {
    V1("mnasnet1.0_top1_73.512-f206786ef8.pth", "f206786ef8", 256, 73.456),
};
static const graft_published mnasnet1_3[] = {
    V1("mnasnet1_3-a4c69d6f.pth", "a4c69d6f", 232, 76.506),
};

#define MNASNET(id, text, scale)                         \
    {                                                    \
        .network = {.name = #id,                         \
                    .title = text,                       \
                    .class_layer = "classifier.1",       \
                    .head = "classifier",                \
                    .size = 224,                         \
                    .classes = 1000,                     \
                    GRAFT_PUBLISHED(id)},                \
        .build = build, .shape = &(const double){scale}, \
    }

static const graft_zoo_row rows[] = {
    MNASNET(mnasnet0_5, "MNASNet 0.5", 0.5),
    MNASNET(mnasnet0_75, "MNASNet 0.75", 0.75),
    MNASNET(mnasnet1_0, "MNASNet 1.0", 1.0),
    MNASNET(mnasnet1_3, "MNASNet 1.3", 1.3),
};

const graft_zoo_family graft_zoo_mnasnet = {rows, sizeof rows / sizeof rows[0]};
