/* What every kernel is asked for. */
#include "kernels/primitive.h"

#include <string.h>

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

bool graft_kernel_is_reference(const graft_kernel *kernel)
{
    return strstr(kernel->implementation, "ref") != NULL;
}

bool graft_kernel_is_winograd(const graft_kernel *kernel)
{
    return strstr(kernel->implementation, "wino") != NULL;
}

bool graft_kernel_uses_tiles(const graft_kernel *kernel)
{
    return strstr(kernel->implementation, "amx") != NULL;
}
