/* The frame of a kernel in plain C. */
#include "kernels/host/host.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

static graft_status bind(graft_kernel *kernel, void *const *buffers, void *scratch)
{
    graft_host_kernel *host = (graft_host_kernel *)kernel;
    memcpy(host->buffers, buffers, sizeof host->buffers);
    host->scratch = scratch;
    return GRAFT_OK;
}

static void destroy(graft_kernel *kernel)
{
    free(kernel);
}

graft_status graft_host_create(void *out, size_t size, const char *implementation,
                               graft_status (*run)(graft_kernel *kernel))
{
    graft_host_kernel *host;
    graft_status status = graft_allocate(&host, 1, size);
    if (status != GRAFT_OK)
        return status;
    host->kernel.implementation = implementation;
    host->kernel.in_place = -1;
    host->kernel.bind = bind;
    host->kernel.run = run;
    host->kernel.destroy = destroy;
    memcpy(out, &host, sizeof host);
    return GRAFT_OK;
}

void graft_host_slot(graft_host_kernel *host, int index, graft_access access, const graft_layout *layout)
{
    host->kernel.access[index] = access;
    host->kernel.layouts[index] = layout;
}
