/* The frame of a kernel in plain C: slots are addresses, `bind` stores them. */
#ifndef GRAFT_KERNELS_HOST_HOST_H
#define GRAFT_KERNELS_HOST_HOST_H

#include "kernels/kernel.h"

typedef struct graft_host_kernel {
    graft_kernel kernel;
    void *buffers[GRAFT_KERNEL_SLOTS];
    void *scratch; /* of kernel.scratch bytes */
} graft_host_kernel;

/* Allocates `size` bytes (a struct that begins with a graft_host_kernel) and fills the frame in. */
graft_status graft_host_create(void *out, size_t size, const char *implementation,
                               graft_status (*run)(graft_kernel *kernel));
/* Describes slot `index`. */
void graft_host_slot(graft_host_kernel *host, int index, graft_access access, const graft_layout *layout);

#endif
