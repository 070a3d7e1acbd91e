/* What torchvision's mobile networks, EfficientNets and RegNets are made of. */
#ifndef GRAFT_ZOO_MOBILE_H
#define GRAFT_ZOO_MOBILE_H

#include "zoo/zoo.h"

/* Batch norm and activation of a family; `activation` NULL: none. */
typedef struct graft_conv_style {
    graft_batch_norm_attributes norm;
    const graft_op *activation;
} graft_conv_style;

/* torchvision's Conv2dNormActivation: NAME.0, NAME.1, NAME.2, with half the kernel as padding. */
graft_output graft_conv_norm(graft_builder *b, const char *name, graft_output x, graft_conv_style style,
                             graft_conv2d_attributes a);
#define conv_norm(b, name, x, style, width, ...) \
    graft_conv_norm((b), (name), (x), (style), (graft_conv2d_attributes){.channels = (width), __VA_ARGS__})

/* Squeeze and excitation (Hu et al., arXiv 1709.01507): every channel of x times a factor that is computed of
 * the means of all `width` channels, through `squeeze` channels. */
graft_output graft_squeeze_excitation(graft_builder *b, const char *name, graft_output x, int width,
                                      int squeeze, const graft_op *activation, const graft_op *scale);

/* The multiple of 8 nearest to a width, at least 8 and not more than a tenth below it. */
int graft_divisible_width(double width);

#endif
