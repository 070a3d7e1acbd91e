/* oneDNN's engine and stream, and the table of layouts. */
#include "kernels/primitive.h"

#include <omp.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/status.h"

graft_status graft_primitive_fail(dnnl_status_t result, const char *what)
{
    if (result == dnnl_out_of_memory)
        return graft_fail(GRAFT_EMEMORY, "out of memory in oneDNN (%s)", what);
    if (result == dnnl_unimplemented)
        return graft_fail(GRAFT_EUNSUPPORTED, "oneDNN has no kernel here (%s)", what);
    return graft_fail(GRAFT_EINTERNAL, "oneDNN failed with %d (%s)", (int)result, what);
}

graft_status graft_device_create(graft_device **out, int threads)
{
    graft_status status;
    graft_device *device = NULL;
    GRAFT_TRY(GRAFT_NEW(&device));
    device->threads = threads;
    graft_device_enter(device);
    GRAFT_TRY_DNNL(dnnl_engine_create(&device->engine, dnnl_cpu, 0), "engine");
    GRAFT_TRY_DNNL(dnnl_stream_create(&device->stream, device->engine, dnnl_stream_default_flags), "stream");
    /* A plan holds each of its kernels itself; a second, hidden cache would only keep memory. */
    GRAFT_TRY_DNNL(dnnl_set_primitive_cache_capacity(0), "cache");
    *out = device;
    return GRAFT_OK;
out:
    graft_device_free(device);
    return status;
}

void graft_device_free(graft_device *device)
{
    if (!device)
        return;
    while (device->layouts) {
        graft_layout *layout = device->layouts;
        device->layouts = layout->next;
        free(layout);
    }
    if (device->stream)
        dnnl_stream_destroy(device->stream);
    if (device->engine)
        dnnl_engine_destroy(device->engine);
    free(device);
}

void graft_device_enter(graft_device *device)
{
    omp_set_num_threads(device->threads);
    graft_signals_hold_team(device);
}

const char *graft_device_instructions(void)
{
    switch (dnnl_get_effective_cpu_isa()) {
    case dnnl_cpu_isa_sse41:
        return "sse41";
    case dnnl_cpu_isa_avx:
        return "avx";
    case dnnl_cpu_isa_avx2:
        return "avx2";
    case dnnl_cpu_isa_avx512_core:
        return "avx512_core";
    case dnnl_cpu_isa_avx512_core_vnni:
        return "avx512_core_vnni";
    case dnnl_cpu_isa_avx512_core_bf16:
        return "avx512_core_bf16";
    case dnnl_cpu_isa_avx512_core_amx:
        return "avx512_core_amx";
    default:
        return "other";
    }
}

const char *graft_device_library(void)
{
#define TEXT_OF(x)       #x
#define VERSION(a, b, c) "oneDNN " TEXT_OF(a) "." TEXT_OF(b) "." TEXT_OF(c)
    return VERSION(DNNL_VERSION_MAJOR, DNNL_VERSION_MINOR, DNNL_VERSION_PATCH);
#undef VERSION
#undef TEXT_OF
}

static graft_status describe(dnnl_memory_desc_t *descriptor, int rank, const int64_t *dims,
                             dnnl_format_tag_t tag)
{
    dnnl_dims_t all = {0};
    memcpy(all, dims, sizeof(int64_t) * (size_t)rank);
    dnnl_status_t result = dnnl_memory_desc_init_by_tag(descriptor, rank, all, dnnl_f32, tag);
    return result == dnnl_success ? GRAFT_OK : graft_primitive_fail(result, "layout");
}

graft_status graft_descriptor_any(dnnl_memory_desc_t *descriptor, int rank, const int64_t *dims)
{
    return describe(descriptor, rank, dims, dnnl_format_tag_any);
}

graft_status graft_descriptor_of(dnnl_memory_desc_t *descriptor, const graft_shape *shape,
                                 dnnl_format_tag_t form)
{
    return describe(descriptor, shape->rank, shape->dims, form);
}

graft_status graft_descriptor_plain(dnnl_memory_desc_t *descriptor, int rank, const int64_t *dims)
{
    static const dnnl_format_tag_t tags[] = {
        dnnl_format_tag_undef, dnnl_a, dnnl_ab, dnnl_abc, dnnl_abcd, dnnl_abcde};
    if (rank < 1 || rank > 5)
        return graft_fail(GRAFT_ESHAPE, "tensors have 1 to 5 dimensions here, not %d", rank);
    return describe(descriptor, rank, dims, tags[rank]);
}

/* Where two forms are the same bytes (one channel, one pixel) the first is it. */
static dnnl_format_tag_t form_of(const graft_layout *layout)
{
    static const dnnl_format_tag_t forms[] = {dnnl_nchw, dnnl_nhwc, dnnl_nChw16c, dnnl_nChw8c, dnnl_nChw4c};
    dnnl_memory_desc_t descriptor;
    for (size_t i = 0; layout->shape.rank == 4 && i < sizeof forms / sizeof *forms; i++)
        if (graft_descriptor_of(&descriptor, &layout->shape, forms[i]) == GRAFT_OK &&
            dnnl_memory_desc_equal(&descriptor, &layout->descriptor))
            return forms[i];
    return dnnl_format_tag_undef;
}

graft_status graft_layout_intern(graft_device *device, const dnnl_memory_desc_t *descriptor,
                                 const graft_layout **out)
{
    for (const graft_layout *known = device->layouts; known; known = known->next)
        if (dnnl_memory_desc_equal(&known->descriptor, descriptor)) {
            *out = known;
            return GRAFT_OK;
        }
    graft_layout *layout;
    graft_status status = GRAFT_NEW(&layout);
    if (status != GRAFT_OK)
        return status;
    layout->descriptor = *descriptor;
    layout->shape.rank = descriptor->ndims;
    memcpy(layout->shape.dims, descriptor->dims, sizeof(int64_t) * (size_t)descriptor->ndims);
    layout->bytes = dnnl_memory_desc_get_size(descriptor);
    dnnl_memory_desc_t plain;
    status = graft_descriptor_plain(&plain, descriptor->ndims, descriptor->dims);
    if (status != GRAFT_OK) {
        free(layout);
        return status;
    }
    layout->plain = dnnl_memory_desc_equal(&plain, descriptor);
    layout->form = form_of(layout);
    layout->next = device->layouts;
    device->layouts = layout;
    *out = layout;
    return GRAFT_OK;
}

graft_status graft_layout_plain(graft_device *device, const graft_shape *shape, const graft_layout **layout)
{
    dnnl_memory_desc_t descriptor;
    graft_status status = graft_descriptor_plain(&descriptor, shape->rank, shape->dims);
    return status == GRAFT_OK ? graft_layout_intern(device, &descriptor, layout) : status;
}

graft_status graft_layout_blocked(graft_device *device, const graft_shape *shape, int64_t width,
                                  const graft_layout **layout)
{
    dnnl_memory_desc_t descriptor;
    graft_status status =
        describe(&descriptor, shape->rank, shape->dims, width == 16 ? dnnl_nChw16c : dnnl_nChw8c);
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
    switch (layout->form) {
    case dnnl_nchw:
        return "nchw";
    case dnnl_nhwc:
        return "nhwc";
    case dnnl_nChw16c:
        return "nChw16c";
    case dnnl_nChw8c:
        return "nChw8c";
    case dnnl_nChw4c:
        return "nChw4c";
    default:
        return layout->plain ? "plain" : "other";
    }
}

bool graft_layout_is_plain(const graft_layout *layout)
{
    return layout->plain;
}

graft_status graft_kernel_bind(graft_kernel *kernel, void *const *buffers, void *scratch)
{
    return kernel->bind(kernel, buffers, scratch);
}

graft_status graft_kernel_run(graft_kernel *kernel)
{
    sigset_t before;
    graft_signals_hold(&before);
    graft_status status = kernel->run(kernel);
    graft_signals_release(&before);
    return status;
}

void graft_kernel_free(graft_kernel *kernel)
{
    if (kernel)
        kernel->destroy(kernel);
}
