/* Layouts: oneDNN's descriptors, interned, and those that it does not know. */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/status.h"
#include "kernels/host/winograd.h"
#include "kernels/primitive.h"

static graft_status describe(dnnl_memory_desc_t *descriptor, int rank, const int64_t *dims,
                             dnnl_data_type_t type, dnnl_format_tag_t tag)
{
    dnnl_dims_t all = {0};
    memcpy(all, dims, sizeof(int64_t) * (size_t)rank);
    dnnl_status_t result = dnnl_memory_desc_init_by_tag(descriptor, rank, all, type, tag);
    return result == dnnl_success ? GRAFT_OK : graft_primitive_fail(result, "layout");
}

graft_status graft_descriptor_any(dnnl_memory_desc_t *descriptor, int rank, const int64_t *dims,
                                  dnnl_data_type_t type)
{
    return describe(descriptor, rank, dims, type, dnnl_format_tag_any);
}

graft_status graft_descriptor_of(dnnl_memory_desc_t *descriptor, const graft_shape *shape,
                                 dnnl_data_type_t type, dnnl_format_tag_t form)
{
    return describe(descriptor, shape->rank, shape->dims, type, form);
}

static graft_status row_major(dnnl_memory_desc_t *descriptor, int rank, const int64_t *dims,
                              dnnl_data_type_t type)
{
    static const dnnl_format_tag_t tags[] = {
        dnnl_format_tag_undef, dnnl_a, dnnl_ab, dnnl_abc, dnnl_abcd, dnnl_abcde};
    if (rank < 1 || rank > 5)
        return graft_fail(GRAFT_ESHAPE, "tensors have 1 to 5 dimensions here, not %d", rank);
    return describe(descriptor, rank, dims, type, tags[rank]);
}

graft_status graft_descriptor_plain(dnnl_memory_desc_t *descriptor, int rank, const int64_t *dims)
{
    return row_major(descriptor, rank, dims, dnnl_f32);
}

/* Where two forms are the same bytes (one channel, one pixel) the first is it. */
static dnnl_format_tag_t form_of(const graft_layout *layout)
{
    static const dnnl_format_tag_t forms[] = {dnnl_nchw, dnnl_nhwc, dnnl_nChw16c, dnnl_nChw8c, dnnl_nChw4c};
    dnnl_memory_desc_t descriptor;
    for (size_t i = 0; layout->shape.rank == 4 && i < sizeof forms / sizeof *forms; i++)
        if (graft_descriptor_of(&descriptor, &layout->shape, layout->descriptor.data_type, forms[i]) ==
                GRAFT_OK &&
            dnnl_memory_desc_equal(&descriptor, &layout->descriptor))
            return forms[i];
    return dnnl_format_tag_undef;
}

static graft_status intern(graft_device *device, const dnnl_memory_desc_t *descriptor,
                           graft_transformed transformed, const graft_layout **out)
{
    for (const graft_layout *known = device->layouts; known; known = known->next)
        if (known->transformed == transformed && dnnl_memory_desc_equal(&known->descriptor, descriptor)) {
            *out = known;
            return GRAFT_OK;
        }
    graft_layout *layout;
    graft_status status = GRAFT_NEW(&layout);
    if (status != GRAFT_OK)
        return status;
    layout->descriptor = *descriptor;
    layout->transformed = transformed;
    layout->shape.rank = descriptor->ndims;
    memcpy(layout->shape.dims, descriptor->dims, sizeof(int64_t) * (size_t)descriptor->ndims);
    layout->bytes = dnnl_memory_desc_get_size(descriptor);
    dnnl_memory_desc_t plain;
    status = row_major(&plain, descriptor->ndims, descriptor->dims, descriptor->data_type);
    if (status != GRAFT_OK) {
        free(layout);
        return status;
    }
    layout->plain = transformed == GRAFT_NOT_TRANSFORMED && dnnl_memory_desc_equal(&plain, descriptor);
    layout->form = form_of(layout);
    layout->next = device->layouts;
    device->layouts = layout;
    *out = layout;
    return GRAFT_OK;
}

dnnl_data_type_t graft_descriptor_type(graft_dtype type)
{
    return type == GRAFT_BF16 ? dnnl_bf16 : dnnl_f32;
}

graft_status graft_layout_intern(graft_device *device, const dnnl_memory_desc_t *descriptor,
                                 const graft_layout **layout)
{
    return intern(device, descriptor, GRAFT_NOT_TRANSFORMED, layout);
}

graft_status graft_layout_winograd(graft_device *device, int64_t channels_in, int64_t channels_out,
                                   bool turned, const graft_layout **layout)
{
    dnnl_memory_desc_t descriptor;
    graft_status status =
        graft_descriptor_plain(&descriptor, 3, (int64_t[]){GRAFT_WINOGRAD_POINTS, channels_out, channels_in});
    graft_transformed transformed = turned ? GRAFT_WINOGRAD_TURNED : GRAFT_WINOGRAD;
    return status == GRAFT_OK ? intern(device, &descriptor, transformed, layout) : status;
}

graft_status graft_layout_weights(graft_device *device, int64_t channels_in, int64_t channels_out,
                                  const graft_layout **layout)
{
    enum { WINDOW = 3 };
    dnnl_memory_desc_t descriptor;
    graft_shape shape = GRAFT_SHAPE(channels_out, channels_in, WINDOW, WINDOW);
    graft_status status = graft_descriptor_of(&descriptor, &shape, dnnl_f32,
                                              graft_device_lanes() == 8 ? dnnl_OIhw8i8o : dnnl_OIhw16i16o);
    return status == GRAFT_OK ? graft_layout_intern(device, &descriptor, layout) : status;
}

graft_status graft_layout_kept(graft_device *device, const graft_layout *wanted, const graft_layout **layout)
{
    const int64_t *dims = wanted->shape.dims; /* of what is transformed: 36, out, in */
    *layout = wanted;
    if (wanted->transformed == GRAFT_WINOGRAD)
        return graft_layout_weights(device, dims[2], dims[1], layout);
    if (wanted->transformed == GRAFT_WINOGRAD_TURNED)
        return graft_layout_weights(device, dims[1], dims[2], layout);
    return GRAFT_OK;
}

graft_status graft_layout_plain_of(graft_device *device, const graft_shape *shape, graft_dtype type,
                                   const graft_layout **layout)
{
    dnnl_memory_desc_t descriptor;
    graft_status status = row_major(&descriptor, shape->rank, shape->dims, graft_descriptor_type(type));
    return status == GRAFT_OK ? graft_layout_intern(device, &descriptor, layout) : status;
}

graft_status graft_layout_plain(graft_device *device, const graft_shape *shape, const graft_layout **layout)
{
    return graft_layout_plain_of(device, shape, GRAFT_F32, layout);
}

graft_status graft_layout_blocked(graft_device *device, const graft_shape *shape, int64_t width,
                                  const graft_layout **layout)
{
    dnnl_memory_desc_t descriptor;
    graft_status status =
        graft_descriptor_of(&descriptor, shape, dnnl_f32, width == 16 ? dnnl_nChw16c : dnnl_nChw8c);
    return status == GRAFT_OK ? graft_layout_intern(device, &descriptor, layout) : status;
}

const graft_shape *graft_layout_shape(const graft_layout *layout)
{
    return &layout->shape;
}

size_t graft_layout_bytes(const graft_layout *layout)
{
    return layout->bytes;
}

const char *graft_layout_name(const graft_layout *layout)
{
    bool half = graft_layout_type(layout) == GRAFT_BF16;
    if (layout->transformed != GRAFT_NOT_TRANSFORMED)
        return "winograd";
    switch (layout->form) {
    case dnnl_nchw:
        return half ? "nchw bf16" : "nchw";
    case dnnl_nhwc:
        return half ? "nhwc bf16" : "nhwc";
    case dnnl_nChw16c:
        return half ? "nChw16c bf16" : "nChw16c";
    case dnnl_nChw8c:
        return half ? "nChw8c bf16" : "nChw8c";
    case dnnl_nChw4c:
        return half ? "nChw4c bf16" : "nChw4c";
    default:
        break;
    }
    if (layout->plain)
        return half ? "plain bf16" : "plain";
    return half ? "other bf16" : "other";
}

/* What else oneDNN counts in has four bytes: a max pool's notes. */
graft_dtype graft_layout_type(const graft_layout *layout)
{
    return layout->descriptor.data_type == dnnl_bf16 ? GRAFT_BF16 : GRAFT_F32;
}

bool graft_layout_is_plain(const graft_layout *layout)
{
    return layout->plain;
}

int64_t graft_layout_rows(const graft_layout *layout)
{
    const dnnl_blocking_desc_t *blocking = &layout->descriptor.format_desc.blocking;
    int64_t width = 1;
    if (layout->transformed != GRAFT_NOT_TRANSFORMED || layout->descriptor.format_kind != dnnl_blocked)
        return 0;
    for (int i = 0; i < blocking->inner_nblks; i++)
        if (blocking->inner_idxs[i] == 0) {
            if (i + 1 < blocking->inner_nblks)
                return 0;
            width = blocking->inner_blks[i];
        }
    int64_t numbers = (int64_t)(layout->bytes / dnnl_data_type_size(layout->descriptor.data_type));
    bool outermost = blocking->strides[0] * (layout->descriptor.padded_dims[0] / width) == numbers;
    return outermost ? width : 0;
}
