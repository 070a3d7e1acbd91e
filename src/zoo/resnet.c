/* ResNet (He et al., "Deep residual learning for image recognition", arXiv 1512.03385), with the stride on
 * the 3x3 convolution ("v1.5"); ResNeXt (Xie et al., arXiv 1611.05431), whose 3x3 has groups; Wide ResNet
 * (Zagoruyko and Komodakis, arXiv 1605.07146), whose 3x3 is wider. Names and keys are torchvision's. */
#include "zoo/zoo.h"

enum { STAGES = 4, STEM = 64, EXPANSION = 4 };

typedef struct resnet {
    bool bottleneck;
    int groups, group_width; /* of a bottleneck's 3x3, in the first stage */
    int depths[STAGES];      /* blocks of each stage */
} resnet;

/* What a block adds its result to. */
static graft_output shortcut(graft_builder *b, graft_output x, int width, int stride, bool project)
{
    if (project)
        GRAFT_SCOPE (b, "downsample")
            x = batch_norm(b, "1", conv(b, "0", x, width, .kernel = 1, .stride = stride));
    return x;
}

static graft_output basic(graft_builder *b, graft_output x, int width, int stride, bool project)
{
    graft_output y = x;
    y = batch_norm(b, "bn1", conv(b, "conv1", y, width, .kernel = 3, .stride = stride, .padding = 1));
    y = relu(b, "relu", y);
    y = batch_norm(b, "bn2", conv(b, "conv2", y, width, .kernel = 3, .padding = 1));
    x = shortcut(b, x, width, stride, project);
    return relu(b, "relu_1", add(b, "add", y, x));
}

static graft_output bottleneck(graft_builder *b, graft_output x, const resnet *net, int width, int stride,
                               bool project)
{
    int inner = width * net->group_width / STEM * net->groups;
    graft_output y = x;
    y = relu(b, "relu", batch_norm(b, "bn1", conv(b, "conv1", y, inner, .kernel = 1)));
    y = conv(b, "conv2", y, inner, .kernel = 3, .stride = stride, .padding = 1, .groups = net->groups);
    y = relu(b, "relu_1", batch_norm(b, "bn2", y));
    y = batch_norm(b, "bn3", conv(b, "conv3", y, EXPANSION * width, .kernel = 1));
    x = shortcut(b, x, EXPANSION * width, stride, project);
    return relu(b, "relu_2", add(b, "add", y, x));
}

static graft_output stage(graft_builder *b, graft_output x, const resnet *net, int index)
{
    int width = STEM << index;
    for (int i = 0; i < net->depths[index]; i++) {
        int stride = i == 0 && index > 0 ? 2 : 1;
        bool project = i == 0 && (index > 0 || net->bottleneck);
        GRAFT_SCOPE (b, "layer%d.%d", index + 1, i)
            x = net->bottleneck ? bottleneck(b, x, net, width, stride, project)
                                : basic(b, x, width, stride, project);
    }
    return x;
}

static void build(graft_builder *b, const graft_zoo_row *row, int classes)
{
    graft_output x = graft_build_input(b);
    x = conv(b, "conv1", x, STEM, .kernel = 7, .stride = 2, .padding = 3);
    x = relu(b, "relu", batch_norm(b, "bn1", x));
    x = max_pool(b, "maxpool", x, .kernel = 3, .stride = 2, .padding = 1);
    for (int i = 0; i < STAGES; i++)
        x = stage(b, x, row->shape, i);
    x = flatten(b, "flatten", global_average_pool(b, "avgpool", x));
    linear(b, "fc", x, classes);
}

/* ---- What is published ---- */

#define V1(file, prefix, top1) GRAFT_TORCHVISION("IMAGENET1K_V1", file, prefix, 256, 224, BILINEAR, top1)
#define V2(file, prefix, top1) GRAFT_TORCHVISION("IMAGENET1K_V2", file, prefix, 232, 224, BILINEAR, top1)

static const graft_published resnet18[] = {
    V1("resnet18-f37072fd.pth", "f37072fd", 69.758),
};
static const graft_published resnet34[] = {
    V1("resnet34-b627a593.pth", "b627a593", 73.314),
};
static const graft_published resnet50[] = {
    V2("resnet50-11ad3fa6.pth", "11ad3fa6", 80.858),
    V1("resnet50-0676ba61.pth", "0676ba61", 76.130),
};
static const graft_published resnet101[] = {
    V2("resnet101-cd907fc2.pth", "cd907fc2", 81.886),
    V1("resnet101-63fe2227.pth", "63fe2227", 77.374),
};
static const graft_published resnet152[] = {
    V2("resnet152-f82ba261.pth", "f82ba261", 82.284),
    V1("resnet152-394f9c45.pth", "394f9c45", 78.312),
};
static const graft_published resnext50_32x4d[] = {
    V2("resnext50_32x4d-1a0047aa.pth", "1a0047aa", 81.198),
    V1("resnext50_32x4d-7cdf4587.pth", "7cdf4587", 77.618),
};
static const graft_published resnext101_32x8d[] = {
    V2("resnext101_32x8d-110c445d.pth", "110c445d", 82.834),
    V1("resnext101_32x8d-8ba56ff5.pth", "8ba56ff5", 79.312),
};
static const graft_published resnext101_64x4d[] = {
    GRAFT_TORCHVISION("IMAGENET1K_V1", "resnext101_64x4d-173b62eb.pth", "173b62eb", 232, 224, BILINEAR,
                      83.246),
};
static const graft_published wide_resnet50_2[] = {
    V2("wide_resnet50_2-9ba9bcbe.pth", "9ba9bcbe", 81.602),
    V1("wide_resnet50_2-95faca4d.pth", "95faca4d", 78.468),
};
static const graft_published wide_resnet101_2[] = {
    V2("wide_resnet101_2-d733dc28.pth", "d733dc28", 82.510),
    V1("wide_resnet101_2-32ee1156.pth", "32ee1156", 78.848),
};

/* ---- The rows ---- */

#define RESNET(id, text, bottleneck, groups, group_width, ...)                                    \
    {                                                                                             \
        .network = {.name = #id,                                                                  \
                    .title = text,                                                                \
                    .class_layer = "fc",                                                          \
                    .head = "fc",                                                                 \
                    .size = 224,                                                                  \
                    .classes = 1000,                                                              \
                    GRAFT_PUBLISHED(id)},                                                         \
        .build = build, .shape = &(const resnet){bottleneck, groups, group_width, {__VA_ARGS__}}, \
    }

static const graft_zoo_row rows[] = {
    RESNET(resnet18, "ResNet-18", false, 1, 64, 2, 2, 2, 2),
    RESNET(resnet34, "ResNet-34", false, 1, 64, 3, 4, 6, 3),
    RESNET(resnet50, "ResNet-50", true, 1, 64, 3, 4, 6, 3),
    RESNET(resnet101, "ResNet-101", true, 1, 64, 3, 4, 23, 3),
    RESNET(resnet152, "ResNet-152", true, 1, 64, 3, 8, 36, 3),
    RESNET(resnext50_32x4d, "ResNeXt-50 32x4d", true, 32, 4, 3, 4, 6, 3),
    RESNET(resnext101_32x8d, "ResNeXt-101 32x8d", true, 32, 8, 3, 4, 23, 3),
    RESNET(resnext101_64x4d, "ResNeXt-101 64x4d", true, 64, 4, 3, 4, 23, 3),
    RESNET(wide_resnet50_2, "Wide ResNet-50-2", true, 1, 128, 3, 4, 6, 3),
    RESNET(wide_resnet101_2, "Wide ResNet-101-2", true, 1, 128, 3, 4, 23, 3),
};

const graft_zoo_family graft_zoo_resnet = {rows, sizeof rows / sizeof rows[0]};
