/* GoogLeNet (Szegedy et al., "Going deeper with convolutions", arXiv 1409.4842), with batch norm, and with
 * 3x3 convolutions where the paper has 5x5, as the published weights are. Names and keys are torchvision's;
 * the first node, `cat`, stands for all of the small ones that torchvision's transform_input is made of. */
#include "zoo/inception.h"

/* Channels of a block's four branches; `three` and `five` are reduced by a 1x1 convolution before. */
typedef struct widths {
    const char *name;
    int one, three_reduced, three, five_reduced, five, pool;
} widths;

static const widths blocks[] = {
    {"inception3a", 64, 96, 128, 16, 32, 32},     {"inception3b", 128, 128, 192, 32, 96, 64},
    {"inception4a", 192, 96, 208, 16, 48, 64},    {"inception4b", 160, 112, 224, 24, 64, 64},
    {"inception4c", 128, 128, 256, 24, 64, 64},   {"inception4d", 112, 144, 288, 32, 64, 64},
    {"inception4e", 256, 160, 320, 32, 128, 128}, {"inception5a", 256, 160, 320, 32, 128, 128},
    {"inception5b", 384, 192, 384, 48, 128, 128},
};

static graft_output pool(graft_builder *b, const char *name, graft_output x, int kernel)
{
    return max_pool(b, name, x, .kernel = kernel, .stride = 2, .ceil_mode = true);
}

static graft_output block(graft_builder *b, graft_output x, const widths *w)
{
    graft_output one = basic_conv(b, "branch1", x, w->one, .kernel = 1);
    graft_output three = basic_conv(b, "branch2.0", x, w->three_reduced, .kernel = 1);
    three = basic_conv(b, "branch2.1", three, w->three, .kernel = 3, .padding = 1);
    graft_output five = basic_conv(b, "branch3.0", x, w->five_reduced, .kernel = 1);
    five = basic_conv(b, "branch3.1", five, w->five, .kernel = 3, .padding = 1);
    graft_output pooled =
        max_pool(b, "branch4.0", x, .kernel = 3, .stride = 1, .padding = 1, .ceil_mode = true);
    pooled = basic_conv(b, "branch4.1", pooled, w->pool, .kernel = 1);
    return concat(b, "cat", one, three, five, pooled);
}

/* Blocks one behind another, from `first` to `last`. */
static graft_output run(graft_builder *b, graft_output x, int first, int last)
{
    for (int i = first; i <= last; i++)
        GRAFT_SCOPE (b, "%s", blocks[i].name)
            x = block(b, x, &blocks[i]);
    return x;
}

static graft_output stem(graft_builder *b, graft_output x)
{
    x = basic_conv(b, "conv1", x, 64, .kernel = 7, .stride = 2, .padding = 3);
    x = pool(b, "maxpool1", x, 3);
    x = basic_conv(b, "conv2", x, 64, .kernel = 1);
    x = basic_conv(b, "conv3", x, 192, .kernel = 3, .padding = 1);
    return pool(b, "maxpool2", x, 3);
}

static void auxiliary(graft_builder *b, const char *name, graft_output x, int classes)
{
    GRAFT_SCOPE (b, "%s", name) {
        x = adaptive_avg_pool(b, "adaptive_avg_pool2d", x, 4);
        x = flatten(b, "flatten", basic_conv(b, "conv", x, 128, .kernel = 1));
        x = dropout(b, "dropout", relu(b, "relu", linear(b, "fc1", x, 1024)), 0.7F);
        graft_build_auxiliary(b, name, linear(b, "fc2", x, classes), 0.3F);
    }
}

static void build(graft_builder *b, const graft_zoo_row *row, int classes)
{
    (void)row;
    graft_output x = stem(b, graft_transformed_input(b));
    graft_output a4 = run(b, pool(b, "maxpool3", run(b, x, 0, 1), 3), 2, 2);
    graft_output d4 = run(b, a4, 3, 5);
    x = run(b, pool(b, "maxpool4", run(b, d4, 6, 6), 2), 7, 8);
    auxiliary(b, "aux1", a4, classes);
    auxiliary(b, "aux2", d4, classes);
    x = flatten(b, "flatten", global_average_pool(b, "avgpool", x));
    linear(b, "fc", dropout(b, "dropout", x, 0.2F), classes);
}

static const graft_published published[] = {
    GRAFT_TORCHVISION("IMAGENET1K_V1", "googlenet-1378be20.pth", "1378be20", 256, 224, BILINEAR, 69.778),
};

static const graft_zoo_row rows[] = {
    {
        .network = {.name = "googlenet",
                    .title = "GoogLeNet",
                    .class_layer = "fc",
                    .head = "fc",
                    .auxiliary = {"aux1.fc2", "aux2.fc2"},
                    .size = 224,
                    .classes = 1000,
                    GRAFT_PUBLISHED(published)},
        .build = build,
    },
};

const graft_zoo_family graft_zoo_googlenet = {rows, sizeof rows / sizeof rows[0]};
