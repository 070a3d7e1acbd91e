/* Forms of four-dimensional layouts. */
#include "kernels/lanes.h"

#include <string.h>

#include "kernels/primitive.h"

static int64_t block_of(const graft_layout *layout)
{
    switch (layout->form) {
    case dnnl_nChw4c:
        return 4;
    case dnnl_nChw8c:
        return 8;
    case dnnl_nChw16c:
        return 16;
    default:
        return 1;
    }
}

static graft_lanes channels_last(const int64_t *dims, int64_t widest)
{
    int64_t channels = dims[1], pixels = dims[2] * dims[3];
    int64_t lanes = channels < widest ? channels : widest, groups = (channels + lanes - 1) / lanes;
    return (graft_lanes){
        .samples = dims[0],
        .channels = channels,
        .pixels = pixels,
        .groups = groups,
        .lanes = lanes,
        .stored = channels - (groups - 1) * lanes,
        .sample = channels * pixels,
        .group = lanes,
        .pixel = channels,
    };
}

bool graft_layout_has_lanes(const graft_layout *layout)
{
    return layout->form != dnnl_format_tag_undef;
}

graft_lanes graft_lanes_of(const graft_layout *layout, int64_t widest)
{
    const int64_t *dims = layout->shape.dims;
    int64_t block = block_of(layout), pixels = dims[2] * dims[3], groups = (dims[1] + block - 1) / block;
    if (layout->form == dnnl_nhwc || (block == 1 && pixels == 1))
        return channels_last(dims, widest);
    return (graft_lanes){
        .samples = dims[0],
        .channels = dims[1],
        .pixels = pixels,
        .groups = groups,
        .lanes = block,
        .stored = block,
        .sample = groups * block * pixels,
        .group = block * pixels,
        .pixel = block,
    };
}

void graft_lanes_clear(const graft_lanes *lanes, int64_t group, void *y, size_t size)
{
    int64_t from = graft_lanes_in(lanes, group), to = graft_lanes_stored(lanes, group);
    for (int64_t p = 0; p < lanes->pixels && from < to; p++)
        memset((char *)y + (size_t)(p * lanes->pixel + from) * size, 0, (size_t)(to - from) * size);
}

graft_status graft_layout_typed_like(graft_device *device, const graft_layout *like, const graft_shape *shape,
                                     graft_dtype type, const graft_layout **layout)
{
    dnnl_memory_desc_t descriptor;
    bool known = like->form != dnnl_format_tag_undef && shape->rank == 4;
    if (!known)
        return graft_layout_plain_of(device, shape, type, layout);
    graft_status status = graft_descriptor_of(&descriptor, shape, graft_descriptor_type(type), like->form);
    return status == GRAFT_OK ? graft_layout_intern(device, &descriptor, layout) : status;
}

graft_status graft_layout_like(graft_device *device, const graft_layout *like, const graft_shape *shape,
                               const graft_layout **layout)
{
    return graft_layout_typed_like(device, like, shape, GRAFT_F32, layout);
}

graft_status graft_layout_channels_last(graft_device *device, const graft_shape *shape, graft_dtype type,
                                        const graft_layout **layout)
{
    dnnl_memory_desc_t descriptor;
    graft_status status = graft_descriptor_of(&descriptor, shape, graft_descriptor_type(type), dnnl_nhwc);
    return status == GRAFT_OK ? graft_layout_intern(device, &descriptor, layout) : status;
}

bool graft_layout_is_channels_last(const graft_layout *layout)
{
    return layout->form == dnnl_nhwc;
}
