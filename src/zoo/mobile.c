/* Blocks that several families share, under torchvision's names. */
#include "zoo/mobile.h"

graft_output graft_conv_norm(graft_builder *b, const char *name, graft_output x, graft_conv_style style,
                             graft_conv2d_attributes a)
{
    a.padding = a.kernel / 2;
    GRAFT_SCOPE (b, "%s", name) {
        x = graft_build(b, "0", &graft_op_conv2d, &a, &x, 1);
        x = graft_build(b, "1", &graft_op_batch_norm, &style.norm, &x, 1);
        if (style.activation)
            x = graft_build(b, "2", style.activation, NULL, &x, 1);
    }
    return x;
}

graft_output graft_squeeze_excitation(graft_builder *b, const char *name, graft_output x, int width,
                                      int squeeze, const graft_op *activation, const graft_op *scale)
{
    GRAFT_SCOPE (b, "%s", name) {
        graft_output factor = global_average_pool(b, "avgpool", x);
        factor = conv(b, "fc1", factor, squeeze, .kernel = 1, .bias = true);
        factor = graft_build(b, "activation", activation, NULL, &factor, 1);
        factor = conv(b, "fc2", factor, width, .kernel = 1, .bias = true);
        factor = graft_build(b, "scale_activation", scale, NULL, &factor, 1);
        x = mul(b, "mul", x, factor);
    }
    return x;
}

int graft_divisible_width(double width)
{
    int rounded = (int)(width + 4) / 8 * 8;
    if (rounded < 8)
        rounded = 8;
    return rounded < 0.9 * width ? rounded + 8 : rounded;
}
