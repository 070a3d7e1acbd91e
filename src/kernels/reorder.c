/* The same elements in another layout. */
#include "kernels/primitive.h"

#include <stdlib.h>

#include "base/memory.h"

graft_status graft_reorder(graft_kernel **kernel, graft_device *device, const graft_layout *from,
                           const graft_layout *to)
{
    graft_status status;
    dnnl_primitive_attr_t attributes = NULL;
    dnnl_primitive_desc_t descriptor;
    const graft_argument arguments[] = {
        {DNNL_ARG_FROM, dnnl_query_src_md, 0, GRAFT_READS},
        {DNNL_ARG_TO, dnnl_query_dst_md, 0, GRAFT_WRITES},
    };
    if (to->transformed != GRAFT_NOT_TRANSFORMED)
        return graft_winograd_weights(kernel, from, to);
    GRAFT_TRY(graft_attributes_create(&attributes, false, NULL, 0));
    GRAFT_TRY_DNNL(dnnl_reorder_primitive_desc_create(&descriptor, &from->descriptor, device->engine,
                                                      &to->descriptor, device->engine, attributes),
                   "reorder");
    GRAFT_TRY(graft_primitive_wrap(kernel, device, "reorder", descriptor, arguments, 2));
out:
    if (attributes)
        dnnl_primitive_attr_destroy(attributes);
    return status;
}

graft_status graft_reorder_once(graft_device *device, const graft_layout *from, const void *source,
                                const graft_layout *to, void *target)
{
    graft_status status;
    graft_kernel *kernel = NULL;
    void *buffers[GRAFT_KERNEL_SLOTS] = {(void *)source, target}; /* the first is only read */
    void *scratch = NULL;
    GRAFT_TRY(graft_reorder(&kernel, device, from, to));
    if (kernel->scratch)
        GRAFT_TRY(graft_allocate_aligned(&scratch, kernel->scratch));
    GRAFT_TRY(graft_kernel_bind(kernel, buffers, scratch));
    GRAFT_TRY(graft_kernel_run(kernel));
out:
    free(scratch);
    graft_kernel_free(kernel);
    return status;
}
