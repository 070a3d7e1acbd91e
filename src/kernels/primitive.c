/* A oneDNN primitive as a kernel: its memory objects are made with the kernel, its code when it is to be
 * bound (many a kernel is only compared with another, or a hint), an address is set in each object by bind,
 * and run only executes. */
#include "kernels/primitive.h"

#include <math.h>
#include <stdlib.h>

#include "base/memory.h"
#include "base/status.h"

typedef struct primitive_kernel {
    graft_kernel kernel;
    dnnl_primitive_desc_t descriptor; /* kept: a backward takes it as a hint */
    dnnl_primitive_t primitive;       /* NULL until its code is made */
    dnnl_stream_t stream;             /* the device's */
    dnnl_memory_t memories[GRAFT_KERNEL_SLOTS];
    dnnl_memory_t scratch;
    dnnl_exec_arg_t arguments[GRAFT_KERNEL_SLOTS + 1];
    int argument_count;
} primitive_kernel;

static graft_status bind(graft_kernel *kernel, void *const *buffers, void *scratch)
{
    primitive_kernel *self = (primitive_kernel *)kernel;
    graft_status status = GRAFT_OK;
    if (!self->primitive)
        GRAFT_TRY_DNNL(dnnl_primitive_create(&self->primitive, self->descriptor), kernel->implementation);
    for (int i = 0; i < GRAFT_KERNEL_SLOTS; i++)
        if (self->memories[i])
            GRAFT_TRY_DNNL(dnnl_memory_set_data_handle_v2(self->memories[i], buffers[i], self->stream),
                           "bind");
    if (self->scratch)
        GRAFT_TRY_DNNL(dnnl_memory_set_data_handle_v2(self->scratch, scratch, self->stream), "bind");
out:
    return status;
}

static graft_status run(graft_kernel *kernel)
{
    primitive_kernel *self = (primitive_kernel *)kernel;
    dnnl_status_t result =
        dnnl_primitive_execute(self->primitive, self->stream, self->argument_count, self->arguments);
    if (result == dnnl_success)
        result = dnnl_stream_wait(self->stream);
    return result == dnnl_success ? GRAFT_OK : graft_primitive_fail(result, kernel->implementation);
}

static void destroy(graft_kernel *kernel)
{
    primitive_kernel *self = (primitive_kernel *)kernel;
    for (int i = 0; i < GRAFT_KERNEL_SLOTS; i++)
        if (self->memories[i])
            dnnl_memory_destroy(self->memories[i]);
    if (self->scratch)
        dnnl_memory_destroy(self->scratch);
    if (self->primitive)
        dnnl_primitive_destroy(self->primitive);
    if (self->descriptor)
        dnnl_primitive_desc_destroy(self->descriptor);
    free(self);
}

static graft_status add_memory(primitive_kernel *self, graft_device *device, dnnl_memory_t *memory,
                               int argument, const dnnl_memory_desc_t *descriptor)
{
    dnnl_status_t result = dnnl_memory_create(memory, descriptor, device->engine, DNNL_MEMORY_NONE);
    if (result != dnnl_success)
        return graft_primitive_fail(result, "memory");
    self->arguments[self->argument_count++] = (dnnl_exec_arg_t){argument, *memory};
    return GRAFT_OK;
}

static graft_status add_slots(primitive_kernel *self, graft_device *device, const graft_argument *arguments,
                              int count)
{
    graft_status status = GRAFT_OK;
    for (int i = 0; i < count; i++) {
        if (arguments[i].access == GRAFT_UNUSED)
            continue;
        const dnnl_memory_desc_t *descriptor =
            dnnl_primitive_desc_query_md(self->descriptor, arguments[i].query, arguments[i].query_index);
        if (!descriptor)
            return graft_fail(GRAFT_EINTERNAL, "oneDNN does not say the layout of argument %d", i);
        self->kernel.access[i] = arguments[i].access;
        GRAFT_TRY(graft_layout_intern(device, descriptor, &self->kernel.layouts[i]));
        GRAFT_TRY(add_memory(self, device, &self->memories[i], arguments[i].argument, descriptor));
    }
out:
    return status;
}

static size_t scratch_of(const_dnnl_primitive_desc_t descriptor)
{
    const dnnl_memory_desc_t *scratch = dnnl_primitive_desc_query_md(descriptor, dnnl_query_scratchpad_md, 0);
    return scratch ? dnnl_memory_desc_get_size(scratch) : 0;
}

static graft_status add_scratch(primitive_kernel *self, graft_device *device)
{
    self->kernel.scratch = scratch_of(self->descriptor);
    if (self->kernel.scratch == 0)
        return GRAFT_OK;
    return add_memory(self, device, &self->scratch, DNNL_ARG_SCRATCHPAD,
                      dnnl_primitive_desc_query_md(self->descriptor, dnnl_query_scratchpad_md, 0));
}

graft_status graft_primitive_wrap(graft_kernel **out, graft_device *device, const char *what,
                                  dnnl_primitive_desc_t descriptor, const graft_argument *arguments,
                                  int count)
{
    primitive_kernel *self = NULL;
    graft_status status = GRAFT_NEW(&self);
    if (status != GRAFT_OK) {
        dnnl_primitive_desc_destroy(descriptor);
        return status;
    }
    self->kernel.bind = bind;
    self->kernel.run = run;
    self->kernel.destroy = destroy;
    self->kernel.in_place = -1;
    self->descriptor = descriptor;
    self->stream = device->stream;
    GRAFT_TRY_DNNL(dnnl_primitive_desc_query(descriptor, dnnl_query_impl_info_str, 0,
                                             (void *)&self->kernel.implementation),
                   what);
    GRAFT_TRY(add_slots(self, device, arguments, count));
    GRAFT_TRY(add_scratch(self, device));
    *out = &self->kernel;
    return GRAFT_OK;
out:
    destroy(&self->kernel);
    return status;
}

bool graft_primitive_refuse(graft_kernel **kernel)
{
    bool refused = graft_kernel_is_reference(*kernel);
    if (refused)
        graft_kernel_free(*kernel);
    return refused;
}

graft_status graft_primitive_make(graft_kernel **kernel, graft_device *device, const graft_layout *x,
                                  graft_primitive_maker maker, const void *how)
{
    graft_status status = maker(kernel, device, x, how);
    if (status != GRAFT_OK || graft_layout_type(x) == GRAFT_F32 || !graft_primitive_refuse(kernel))
        return status;
    status = graft_layout_like(device, x, graft_layout_shape(x), &x);
    return status == GRAFT_OK ? maker(kernel, device, x, how) : status;
}

/* `attributes` and `hint` may be NULL. */
static graft_status describe(dnnl_primitive_desc_t *out, graft_device *device, const char *what,
                             const void *operation, dnnl_primitive_attr_t attributes,
                             const graft_kernel *hint)
{
    graft_status status = GRAFT_OK;
    dnnl_primitive_attr_t own = NULL;
    if (!attributes)
        GRAFT_TRY(graft_attributes_create(&own, false, NULL, 0));
    GRAFT_TRY_DNNL(dnnl_primitive_desc_create(out, operation, attributes ? attributes : own, device->engine,
                                              hint ? ((const primitive_kernel *)hint)->descriptor : NULL),
                   what);
out:
    if (own)
        dnnl_primitive_attr_destroy(own);
    return status;
}

graft_status graft_primitive_create(graft_kernel **out, graft_device *device, const char *what,
                                    const void *operation, dnnl_primitive_attr_t attributes,
                                    const graft_kernel *hint, const graft_argument *arguments, int count)
{
    dnnl_primitive_desc_t descriptor;
    graft_status status = describe(&descriptor, device, what, operation, attributes, hint);
    return status == GRAFT_OK ? graft_primitive_wrap(out, device, what, descriptor, arguments, count)
                              : status;
}

static graft_status add_eltwise(dnnl_post_ops_t chain, dnnl_alg_kind_t kind, float alpha, float beta)
{
    dnnl_status_t result = dnnl_post_ops_append_eltwise(chain, 1.0F, kind, alpha, beta);
    return result == dnnl_success ? GRAFT_OK : graft_primitive_fail(result, "element-wise");
}

static graft_status add_function(dnnl_post_ops_t chain, const graft_post_op *f)
{
    graft_status status;
    switch (f->function) {
    case GRAFT_SIGMOID:
        return add_eltwise(chain, dnnl_eltwise_logistic, 0.0F, 0.0F);
    case GRAFT_HARD_SIGMOID:
        status = add_eltwise(chain, dnnl_eltwise_linear, 1.0F / 6.0F, 0.5F);
        return status == GRAFT_OK ? add_eltwise(chain, dnnl_eltwise_clip, 0.0F, 1.0F) : status;
    case GRAFT_SILU:
        return add_eltwise(chain, dnnl_eltwise_swish, 1.0F, 0.0F);
    case GRAFT_HARD_SWISH:
        return add_eltwise(chain, dnnl_eltwise_hardswish, 0.0F, 0.0F);
    case GRAFT_GELU:
        return add_eltwise(chain, dnnl_eltwise_gelu_erf, 0.0F, 0.0F);
    case GRAFT_CLIP:
        break;
    }
    return isinf(f->high) ? add_eltwise(chain, dnnl_eltwise_relu, 0.0F, 0.0F)
                          : add_eltwise(chain, dnnl_eltwise_clip, f->low, f->high);
}

static graft_status add_post_ops(dnnl_post_ops_t chain, bool residual, const graft_post_op *post_ops,
                                 int count)
{
    graft_status status = GRAFT_OK;
    if (residual)
        GRAFT_TRY_DNNL(dnnl_post_ops_append_sum(chain, 1.0F), "sum");
    for (int i = 0; i < count; i++)
        GRAFT_TRY(add_function(chain, &post_ops[i]));
out:
    return status;
}

graft_status graft_attributes_create(dnnl_primitive_attr_t *out, bool residual, const graft_post_op *post_ops,
                                     int count)
{
    graft_status status;
    dnnl_primitive_attr_t attributes = NULL;
    dnnl_post_ops_t chain = NULL;
    GRAFT_TRY_DNNL(dnnl_primitive_attr_create(&attributes), "attributes");
    GRAFT_TRY_DNNL(dnnl_primitive_attr_set_scratchpad_mode(attributes, dnnl_scratchpad_mode_user),
                   "attributes");
    if (residual || count > 0) {
        GRAFT_TRY_DNNL(dnnl_post_ops_create(&chain), "attributes");
        GRAFT_TRY(add_post_ops(chain, residual, post_ops, count));
        GRAFT_TRY_DNNL(dnnl_primitive_attr_set_post_ops(attributes, chain), "attributes");
    }
    *out = attributes;
    attributes = NULL;
    status = GRAFT_OK;
out:
    if (chain)
        dnnl_post_ops_destroy(chain);
    if (attributes)
        dnnl_primitive_attr_destroy(attributes);
    return status;
}
