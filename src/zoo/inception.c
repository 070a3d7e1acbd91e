/* Inception v3 (Szegedy et al., "Rethinking the Inception architecture for computer vision", arXiv
 * 1512.00567). Names and keys are torchvision's; the first node, `cat`, stands for all of the small ones that
 * torchvision's transform_input is made of. */
#include "zoo/inception.h"

graft_output graft_transformed_input(graft_builder *b)
{
    /* deviation / 0.5 and (mean - 0.5) / 0.5 of each channel */
    return affine(b, "cat", graft_build_input(b), .scale = {0.458F, 0.448F, 0.45F},
                  .shift = {-0.03F, -0.088F, -0.188F});
}

graft_output graft_basic_conv(graft_builder *b, const char *name, graft_output x, graft_conv2d_attributes a)
{
    GRAFT_SCOPE (b, "%s", name) {
        x = graft_build(b, "conv", &graft_op_conv2d, &a, &x, 1);
        x = relu(b, "relu", batch_norm(b, "bn", x, .epsilon = 1e-3F));
    }
    return x;
}

/* ---- The five kinds of blocks. Branches stand beside each other, and their channels behind each other. ----
 */

static graft_output pooled(graft_builder *b, graft_output x, int width)
{
    x = avg_pool(b, "avg_pool2d", x, .kernel = 3, .stride = 1, .padding = 1);
    return basic_conv(b, "branch_pool", x, width, .kernel = 1);
}

/* 35 x 35 pixels. */
static graft_output block_a(graft_builder *b, graft_output x, int pool_width)
{
    graft_output one = basic_conv(b, "branch1x1", x, 64, .kernel = 1);
    graft_output five = basic_conv(b, "branch5x5_1", x, 48, .kernel = 1);
    five = basic_conv(b, "branch5x5_2", five, 64, .kernel = 5, .padding = 2);
    graft_output twice = basic_conv(b, "branch3x3dbl_1", x, 64, .kernel = 1);
    twice = basic_conv(b, "branch3x3dbl_2", twice, 96, .kernel = 3, .padding = 1);
    twice = basic_conv(b, "branch3x3dbl_3", twice, 96, .kernel = 3, .padding = 1);
    return concat(b, "cat", one, five, twice, pooled(b, x, pool_width));
}

/* 35 x 35 to 17 x 17. */
static graft_output block_b(graft_builder *b, graft_output x)
{
    graft_output three = basic_conv(b, "branch3x3", x, 384, .kernel = 3, .stride = 2);
    graft_output twice = basic_conv(b, "branch3x3dbl_1", x, 64, .kernel = 1);
    twice = basic_conv(b, "branch3x3dbl_2", twice, 96, .kernel = 3, .padding = 1);
    twice = basic_conv(b, "branch3x3dbl_3", twice, 96, .kernel = 3, .stride = 2);
    return concat(b, "cat", three, twice, max_pool(b, "max_pool2d", x, .kernel = 3, .stride = 2));
}

/* A 7x7 convolution as 1x7 and 7x1. */
#define ROW    .kernel_height = 1, .kernel_width = 7, .padding_width = 3
#define COLUMN .kernel_height = 7, .kernel_width = 1, .padding_height = 3

/* 17 x 17 pixels. */
static graft_output block_c(graft_builder *b, graft_output x, int inner)
{
    graft_output one = basic_conv(b, "branch1x1", x, 192, .kernel = 1);
    graft_output seven = basic_conv(b, "branch7x7_1", x, inner, .kernel = 1);
    seven = basic_conv(b, "branch7x7_2", seven, inner, ROW);
    seven = basic_conv(b, "branch7x7_3", seven, 192, COLUMN);
    graft_output twice = basic_conv(b, "branch7x7dbl_1", x, inner, .kernel = 1);
    twice = basic_conv(b, "branch7x7dbl_2", twice, inner, COLUMN);
    twice = basic_conv(b, "branch7x7dbl_3", twice, inner, ROW);
    twice = basic_conv(b, "branch7x7dbl_4", twice, inner, COLUMN);
    twice = basic_conv(b, "branch7x7dbl_5", twice, 192, ROW);
    return concat(b, "cat", one, seven, twice, pooled(b, x, 192));
}

/* 17 x 17 to 8 x 8. */
static graft_output block_d(graft_builder *b, graft_output x)
{
    graft_output three = basic_conv(b, "branch3x3_1", x, 192, .kernel = 1);
    three = basic_conv(b, "branch3x3_2", three, 320, .kernel = 3, .stride = 2);
    graft_output seven = basic_conv(b, "branch7x7x3_1", x, 192, .kernel = 1);
    seven = basic_conv(b, "branch7x7x3_2", seven, 192, ROW);
    seven = basic_conv(b, "branch7x7x3_3", seven, 192, COLUMN);
    seven = basic_conv(b, "branch7x7x3_4", seven, 192, .kernel = 3, .stride = 2);
    return concat(b, "cat", three, seven, max_pool(b, "max_pool2d", x, .kernel = 3, .stride = 2));
}

/* A 1x3 and a 3x1 convolution beside each other. */
static graft_output cross(graft_builder *b, const char *row, const char *column, const char *name,
                          graft_output x)
{
    graft_output along =
        basic_conv(b, row, x, 384, .kernel_height = 1, .kernel_width = 3, .padding_width = 1);
    graft_output down =
        basic_conv(b, column, x, 384, .kernel_height = 3, .kernel_width = 1, .padding_height = 1);
    return concat(b, name, along, down);
}

/* 8 x 8 pixels. */
static graft_output block_e(graft_builder *b, graft_output x)
{
    graft_output one = basic_conv(b, "branch1x1", x, 320, .kernel = 1);
    graft_output three = basic_conv(b, "branch3x3_1", x, 384, .kernel = 1);
    three = cross(b, "branch3x3_2a", "branch3x3_2b", "cat", three);
    graft_output twice = basic_conv(b, "branch3x3dbl_1", x, 448, .kernel = 1);
    twice = basic_conv(b, "branch3x3dbl_2", twice, 384, .kernel = 3, .padding = 1);
    twice = cross(b, "branch3x3dbl_3a", "branch3x3dbl_3b", "cat_1", twice);
    return concat(b, "cat_2", one, three, twice, pooled(b, x, 192));
}

/* ---- The network ---- */

static graft_output stem(graft_builder *b, graft_output x)
{
    x = basic_conv(b, "Conv2d_1a_3x3", x, 32, .kernel = 3, .stride = 2);
    x = basic_conv(b, "Conv2d_2a_3x3", x, 32, .kernel = 3);
    x = basic_conv(b, "Conv2d_2b_3x3", x, 64, .kernel = 3, .padding = 1);
    x = max_pool(b, "maxpool1", x, .kernel = 3, .stride = 2);
    x = basic_conv(b, "Conv2d_3b_1x1", x, 80, .kernel = 1);
    x = basic_conv(b, "Conv2d_4a_3x3", x, 192, .kernel = 3);
    return max_pool(b, "maxpool2", x, .kernel = 3, .stride = 2);
}

static graft_output body(graft_builder *b, graft_output x)
{
    static const struct {
        const char *name;
        int width;
    } a[] = {{"Mixed_5b", 32}, {"Mixed_5c", 64}, {"Mixed_5d", 64}},
      c[] = {{"Mixed_6b", 128}, {"Mixed_6c", 160}, {"Mixed_6d", 160}, {"Mixed_6e", 192}};
    for (int i = 0; i < 3; i++)
        GRAFT_SCOPE (b, "%s", a[i].name)
            x = block_a(b, x, a[i].width);
    GRAFT_SCOPE (b, "Mixed_6a")
        x = block_b(b, x);
    for (int i = 0; i < 4; i++)
        GRAFT_SCOPE (b, "%s", c[i].name)
            x = block_c(b, x, c[i].width);
    return x;
}

static void auxiliary(graft_builder *b, graft_output x, int classes)
{
    x = avg_pool(b, "avg_pool2d", x, .kernel = 5, .stride = 3);
    x = basic_conv(b, "conv0", x, 128, .kernel = 1);
    x = basic_conv(b, "conv1", x, 768, .kernel = 5);
    x = flatten(b, "flatten", global_average_pool(b, "adaptive_avg_pool2d", x));
    graft_build_auxiliary(b, "aux", linear(b, "fc", x, classes), 0.4F);
}

static graft_output top(graft_builder *b, graft_output x)
{
    GRAFT_SCOPE (b, "Mixed_7a")
        x = block_d(b, x);
    GRAFT_SCOPE (b, "Mixed_7b")
        x = block_e(b, x);
    GRAFT_SCOPE (b, "Mixed_7c")
        x = block_e(b, x);
    return x;
}

static void build(graft_builder *b, const graft_zoo_row *row, int classes)
{
    (void)row;
    graft_output x = body(b, stem(b, graft_transformed_input(b)));
    GRAFT_SCOPE (b, "AuxLogits")
        auxiliary(b, x, classes);
    x = dropout(b, "dropout", global_average_pool(b, "avgpool", top(b, x)), 0.5F);
    linear(b, "fc", flatten(b, "flatten", x), classes);
}

static const graft_published published[] = {
    GRAFT_TORCHVISION("IMAGENET1K_V1", "inception_v3_google-0cc3c7bd.pth", "0cc3c7bd", 342, 299, BILINEAR,
                      77.294),
};

static const graft_zoo_row rows[] = {
    {
        .network = {.name = "inception_v3",
                    .title = "Inception v3",
                    .class_layer = "fc",
                    .head = "fc",
                    .auxiliary = {"AuxLogits.fc"},
                    .size = 299,
                    .classes = 1000,
                    GRAFT_PUBLISHED(published)},
        .build = build,
    },
};

const graft_zoo_family graft_zoo_inception = {rows, sizeof rows / sizeof rows[0]};
