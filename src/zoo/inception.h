/* What Inception v3 and GoogLeNet share. */
#ifndef GRAFT_ZOO_INCEPTION_H
#define GRAFT_ZOO_INCEPTION_H

#include "zoo/zoo.h"

/* The picture, from torchvision's normalisation to TensorFlow's (-1 to 1), which the published weights were
 * trained with: torchvision's transform_input=True. */
graft_output graft_transformed_input(graft_builder *b);

/* NAME.conv, NAME.bn, NAME.relu: basic_conv(b, "branch1x1", x, 64, .kernel = 1). */
graft_output graft_basic_conv(graft_builder *b, const char *name, graft_output x, graft_conv2d_attributes a);
#define basic_conv(b, name, x, width, ...) \
    graft_basic_conv((b), (name), (x), (graft_conv2d_attributes){.channels = (width), __VA_ARGS__})

#endif
