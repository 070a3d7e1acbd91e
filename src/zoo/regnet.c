/* RegNet (Radosavovic et al., "Designing network design spaces", arXiv 2003.13678): bottleneck blocks without
 * a bottleneck, whose 3x3 convolution has groups of equal width; Y is X with squeeze and excitation. Widths
 * and depths are those that the paper's linear rule gives. Names and keys are torchvision's. */
#include "zoo/mobile.h"

enum { STAGES = 4, STEM = 32 };

typedef struct regnet {
    bool squeezes; /* through a quarter of the block's input width */
    int group_width;
    int depths[STAGES], widths[STAGES];
} regnet;

static const graft_conv_style active = {.activation = &graft_op_relu}, linear_only = {.activation = NULL};

static graft_output residual(graft_builder *b, graft_output x, const regnet *net, int width_in, int width,
                             int stride)
{
    int groups = width > net->group_width ? width / net->group_width : 1;
    x = conv_norm(b, "a", x, active, width, .kernel = 1);
    x = conv_norm(b, "b", x, active, width, .kernel = 3, .stride = stride, .groups = groups);
    if (net->squeezes)
        x = graft_squeeze_excitation(b, "se", x, width, width_in / 4, &graft_op_relu, &graft_op_sigmoid);
    return conv_norm(b, "c", x, linear_only, width, .kernel = 1);
}

static graft_output block(graft_builder *b, graft_output x, const regnet *net, int width_in, int width,
                          int stride)
{
    graft_output y = x;
    if (stride != 1 || width_in != width)
        x = conv_norm(b, "proj", x, linear_only, width, .kernel = 1, .stride = stride);
    GRAFT_SCOPE (b, "f")
        y = residual(b, y, net, width_in, width, stride);
    return relu(b, "activation", add(b, "add", x, y));
}

static graft_output trunk(graft_builder *b, graft_output x, const regnet *net)
{
    int width = STEM;
    for (int i = 0; i < STAGES; i++)
        for (int j = 0; j < net->depths[i]; j++) {
            GRAFT_SCOPE (b, "block%d.block%d-%d", i + 1, i + 1, j)
                x = block(b, x, net, width, net->widths[i], j == 0 ? 2 : 1);
            width = net->widths[i];
        }
    return x;
}

static void build(graft_builder *b, const graft_zoo_row *row, int classes)
{
    graft_output x = graft_build_input(b);
    x = conv_norm(b, "stem", x, active, STEM, .kernel = 3, .stride = 2);
    GRAFT_SCOPE (b, "trunk_output")
        x = trunk(b, x, row->shape);
    x = flatten(b, "flatten", global_average_pool(b, "avgpool", x));
    linear(b, "fc", x, classes);
}

/* ---- What is published ---- */

#define V1(file, prefix, top1) GRAFT_TORCHVISION("IMAGENET1K_V1", file, prefix, 256, 224, BILINEAR, top1)
#define V2(file, prefix, top1) GRAFT_TORCHVISION("IMAGENET1K_V2", file, prefix, 232, 224, BILINEAR, top1)
/* Trained on hashtags (Singh et al., arXiv 2201.08371), then all of it or the last layer on ImageNet. */
#define SWAG(way, file, prefix, size, top1) \
    GRAFT_TORCHVISION("IMAGENET1K_SWAG_" way "_V1", file, prefix, size, size, BICUBIC, top1)

static const graft_published regnet_x_400mf[] = {
    V2("regnet_x_400mf-62229a5f.pth", "62229a5f", 74.864),
    V1("regnet_x_400mf-adf1edd5.pth", "adf1edd5", 72.834),
};
static const graft_published regnet_x_800mf[] = {
    V2("regnet_x_800mf-94a99ebd.pth", "94a99ebd", 77.522),
    V1("regnet_x_800mf-ad17e45c.pth", "ad17e45c", 75.212),
};
static const graft_published regnet_x_1_6gf[] = {
    V2("regnet_x_1_6gf-a12f2b72.pth", "a12f2b72", 79.668),
    V1("regnet_x_1_6gf-e3633e7f.pth", "e3633e7f", 77.040),
};
static const graft_published regnet_x_3_2gf[] = {
    V2("regnet_x_3_2gf-7071aa85.pth", "7071aa85", 81.196),
    V1("regnet_x_3_2gf-f342aeae.pth", "f342aeae", 78.364),
};
static const graft_published regnet_x_8gf[] = {
    V2("regnet_x_8gf-2b70d774.pth", "2b70d774", 81.682),
    V1("regnet_x_8gf-03ceed89.pth", "03ceed89", 79.344),
};
static const graft_published regnet_x_16gf[] = {
    V2("regnet_x_16gf-ba3796d7.pth", "ba3796d7", 82.716),
    V1("regnet_x_16gf-2007eb11.pth", "2007eb11", 80.058),
};
static const graft_published regnet_x_32gf[] = {
    V2("regnet_x_32gf-6eb8fdc6.pth", "6eb8fdc6", 83.014),
    V1("regnet_x_32gf-9d47f8d0.pth", "9d47f8d0", 80.622),
};
static const graft_published regnet_y_400mf[] = {
    V2("regnet_y_400mf-e6988f5f.pth", "e6988f5f", 75.804),
    V1("regnet_y_400mf-c65dace8.pth", "c65dace8", 74.046),
};
static const graft_published regnet_y_800mf[] = {
    V2("regnet_y_800mf-58fc7688.pth", "58fc7688", 78.828),
    V1("regnet_y_800mf-1b27b58c.pth", "1b27b58c", 76.420),
};
static const graft_published regnet_y_1_6gf[] = {
    V2("regnet_y_1_6gf-0d7bc02a.pth", "0d7bc02a", 80.876),
    V1("regnet_y_1_6gf-b11a554e.pth", "b11a554e", 77.950),
};
static const graft_published regnet_y_3_2gf[] = {
    V2("regnet_y_3_2gf-9180c971.pth", "9180c971", 81.982),
    V1("regnet_y_3_2gf-b5a9779c.pth", "b5a9779c", 78.948),
};
static const graft_published regnet_y_8gf[] = {
    V2("regnet_y_8gf-dc2b1b54.pth", "dc2b1b54", 82.828),
    V1("regnet_y_8gf-d0d0e4a8.pth", "d0d0e4a8", 80.032),
};
static const graft_published regnet_y_16gf[] = {
    V2("regnet_y_16gf-3e4a00f9.pth", "3e4a00f9", 82.886),
    V1("regnet_y_16gf-9e6ed7dd.pth", "9e6ed7dd", 80.424),
    SWAG("E2E", "regnet_y_16gf_swag-43afe44d.pth", "43afe44d", 384, 86.012),
    SWAG("LINEAR", "regnet_y_16gf_lc_swag-f3ec0043.pth", "f3ec0043", 224, 83.976),
};
static const graft_published regnet_y_32gf[] = {
    V2("regnet_y_32gf-8db6d4b5.pth", "8db6d4b5", 83.368),
    V1("regnet_y_32gf-4dee3f7a.pth", "4dee3f7a", 80.878),
    SWAG("E2E", "regnet_y_32gf_swag-04fdfa75.pth", "04fdfa75", 384, 86.838),
    SWAG("LINEAR", "regnet_y_32gf_lc_swag-e1583746.pth", "e1583746", 224, 84.622),
};

/* ---- The rows ---- */

#define REGNET(id, text, squeezes, group_width, d1, d2, d3, d4, ...)                                      \
    {                                                                                                     \
        .network = {.name = #id,                                                                          \
                    .title = text,                                                                        \
                    .class_layer = "fc",                                                                  \
                    .head = "fc",                                                                         \
                    .size = 224,                                                                          \
                    .classes = 1000,                                                                      \
                    GRAFT_PUBLISHED(id)},                                                                 \
        .build = build, .shape = &(const regnet){squeezes, group_width, {d1, d2, d3, d4}, {__VA_ARGS__}}, \
    }

static const graft_zoo_row rows[] = {
    REGNET(regnet_x_400mf, "RegNet X 400MF", false, 16, 1, 2, 7, 12, 32, 64, 160, 400),
    REGNET(regnet_x_800mf, "RegNet X 800MF", false, 16, 1, 3, 7, 5, 64, 128, 288, 672),
    REGNET(regnet_x_1_6gf, "RegNet X 1.6GF", false, 24, 2, 4, 10, 2, 72, 168, 408, 912),
    REGNET(regnet_x_3_2gf, "RegNet X 3.2GF", false, 48, 2, 6, 15, 2, 96, 192, 432, 1008),
    REGNET(regnet_x_8gf, "RegNet X 8GF", false, 120, 2, 5, 15, 1, 80, 240, 720, 1920),
    REGNET(regnet_x_16gf, "RegNet X 16GF", false, 128, 2, 6, 13, 1, 256, 512, 896, 2048),
    REGNET(regnet_x_32gf, "RegNet X 32GF", false, 168, 2, 7, 13, 1, 336, 672, 1344, 2520),
    REGNET(regnet_y_400mf, "RegNet Y 400MF", true, 8, 1, 3, 6, 6, 48, 104, 208, 440),
    REGNET(regnet_y_800mf, "RegNet Y 800MF", true, 16, 1, 3, 8, 2, 64, 144, 320, 784),
    REGNET(regnet_y_1_6gf, "RegNet Y 1.6GF", true, 24, 2, 6, 17, 2, 48, 120, 336, 888),
    REGNET(regnet_y_3_2gf, "RegNet Y 3.2GF", true, 24, 2, 5, 13, 1, 72, 216, 576, 1512),
    REGNET(regnet_y_8gf, "RegNet Y 8GF", true, 56, 2, 4, 10, 1, 224, 448, 896, 2016),
    REGNET(regnet_y_16gf, "RegNet Y 16GF", true, 112, 2, 4, 11, 1, 224, 448, 1232, 3024),
    REGNET(regnet_y_32gf, "RegNet Y 32GF", true, 232, 2, 5, 12, 1, 232, 696, 1392, 3712),
};

const graft_zoo_family graft_zoo_regnet = {rows, sizeof rows / sizeof rows[0]};
