/* Whether this machine's oneDNN has Winograd's method, by asking as graft does. */
#ifndef GRAFT_TESTS_WINOGRAD_H
#define GRAFT_TESTS_WINOGRAD_H

#include "kernels/kernel.h"

static inline bool has_winograd(graft_device *device)
{
    const graft_convolution c = {.batch = 4,
                                 .channels_in = 64,
                                 .height_in = 16,
                                 .width_in = 16,
                                 .channels_out = 64,
                                 .height_out = 16,
                                 .width_out = 16,
                                 .kernel_height = 3,
                                 .kernel_width = 3,
                                 .stride = 1,
                                 .groups = 1,
                                 .pad_top = 1,
                                 .pad_left = 1,
                                 .pad_bottom = 1,
                                 .pad_right = 1};
    return graft_convolution_has_winograd(device, &c);
}

#endif
