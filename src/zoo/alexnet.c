/* AlexNet, in its second form (Krizhevsky, "One weird trick for parallelizing convolutional neural networks",
 * arXiv 1404.5997). Names and keys are torchvision's. */
#include "zoo/zoo.h"

static graft_output convolution(graft_builder *b, int layer, graft_output x, int width, int kernel)
{
    x = conv(b, number(layer), x, width, .kernel = kernel, .padding = kernel / 2, .bias = true);
    return relu(b, number(layer + 1), x);
}

static graft_output features(graft_builder *b, graft_output x)
{
    x = conv(b, "0", x, 64, .kernel = 11, .stride = 4, .padding = 2, .bias = true);
    x = max_pool(b, "2", relu(b, "1", x), .kernel = 3, .stride = 2);
    x = max_pool(b, "5", convolution(b, 3, x, 192, 5), .kernel = 3, .stride = 2);
    x = convolution(b, 6, x, 384, 3);
    x = convolution(b, 8, x, 256, 3);
    x = convolution(b, 10, x, 256, 3);
    return max_pool(b, "12", x, .kernel = 3, .stride = 2);
}

static void classifier(graft_builder *b, graft_output x, int classes)
{
    x = relu(b, "2", linear(b, "1", dropout(b, "0", x, 0.5F), 4096));
    x = relu(b, "5", linear(b, "4", dropout(b, "3", x, 0.5F), 4096));
    linear(b, "6", x, classes);
}

static void build(graft_builder *b, const graft_zoo_row *row, int classes)
{
    (void)row;
    graft_output x = graft_build_input(b);
    GRAFT_SCOPE (b, "features")
        x = features(b, x);
    x = flatten(b, "flatten", adaptive_avg_pool(b, "avgpool", x, 6));
    GRAFT_SCOPE (b, "classifier")
        classifier(b, x, classes);
}

static const graft_published published[] = {
    GRAFT_TORCHVISION("IMAGENET1K_V1", "alexnet-owt-7be5be79.pth", "7be5be79", 256, 224, BILINEAR, 56.522),
};

static const graft_zoo_row rows[] = {
    {
        .network = {.name = "alexnet",
                    .title = "AlexNet",
                    .class_layer = "classifier.6",
                    .head = "classifier",
                    .size = 224,
                    .classes = 1000,
                    GRAFT_PUBLISHED(published)},
        .build = build,
    },
};

const graft_zoo_family graft_zoo_alexnet = {rows, sizeof rows / sizeof rows[0]};
