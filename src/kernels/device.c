/* oneDNN's engine and stream, and what this processor is. */
#include "kernels/primitive.h"

#include <omp.h>
#include <stdlib.h>

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
    graft_device_share_code(false);
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

/* By oneDNN's cache of primitives. A plan holds its kernels itself: behind compiling the cache would only
 * keep memory. */
void graft_device_share_code(bool share)
{
    enum { KERNELS = 1024 };
    dnnl_set_primitive_cache_capacity(share ? KERNELS : 0);
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

/* oneDNN's sets of instructions are sets of bits. */
static bool has(dnnl_cpu_isa_t wanted)
{
    return ((unsigned)dnnl_get_effective_cpu_isa() & (unsigned)wanted) == (unsigned)wanted;
}

int graft_device_lanes(void)
{
    return has(dnnl_cpu_isa_avx512_core) ? 16 : has(dnnl_cpu_isa_avx2) ? 8 : 0;
}

int graft_device_threads(const graft_device *device)
{
    return device->threads;
}

/* On whose cores the instruction for bf16, which does twice the multiply-adds of that for f32, runs as often
 * as that: measured on Zen 5. Of other processors that have it without AMX no gain is known. */
static bool is_amd(void)
{
#ifdef __x86_64__
    return __builtin_cpu_is("amd");
#else
    return false;
#endif
}

graft_bf16 graft_device_bf16(void)
{
    if (has(dnnl_cpu_isa_avx512_core_amx))
        return GRAFT_BF16_TILES;
    if (has(dnnl_cpu_isa_avx512_core_bf16) && is_amd())
        return GRAFT_BF16_TWICE;
    return has(dnnl_cpu_isa_avx512_core) ? GRAFT_BF16_SLOW : GRAFT_BF16_NONE;
}

const char *graft_device_library(void)
{
#define TEXT_OF(x)       #x
#define VERSION(a, b, c) "oneDNN " TEXT_OF(a) "." TEXT_OF(b) "." TEXT_OF(c)
    return VERSION(DNNL_VERSION_MAJOR, DNNL_VERSION_MINOR, DNNL_VERSION_PATCH);
#undef VERSION
#undef TEXT_OF
}
