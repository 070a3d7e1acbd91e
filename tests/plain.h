/* Running a kernel on row-major tensors, whatever its own layouts. The includer brings cmocka. */
#ifndef GRAFT_TESTS_PLAIN_H
#define GRAFT_TESTS_PLAIN_H

#include <stdlib.h>

#include "asserts.h"

#include "base/memory.h"
#include "kernels/kernel.h"

typedef struct plain {
    graft_shape shape;
    float *values;
} plain;

/* Runs a kernel, a slot each, and frees it. */
static inline void plain_run(graft_device *device, graft_kernel *kernel, plain *tensors)
{
    void *buffers[GRAFT_KERNEL_SLOTS] = {NULL}, *scratch = NULL;
    const graft_layout *rows[GRAFT_KERNEL_SLOTS] = {NULL};
    for (int i = 0; i < GRAFT_KERNEL_SLOTS; i++)
        if (kernel->access[i] != GRAFT_UNUSED) {
            assert_ok(graft_layout_plain(device, &tensors[i].shape, &rows[i]));
            assert_ok(graft_allocate_aligned(&buffers[i], graft_layout_bytes(kernel->layouts[i])));
            if (kernel->access[i] != GRAFT_WRITES)
                assert_ok(
                    graft_reorder_once(device, rows[i], tensors[i].values, kernel->layouts[i], buffers[i]));
        }
    assert_ok(graft_allocate_aligned(&scratch, kernel->scratch + 1));
    assert_ok(graft_kernel_bind(kernel, buffers, scratch));
    assert_ok(graft_kernel_run(kernel));
    for (int i = 0; i < GRAFT_KERNEL_SLOTS; i++) {
        if (kernel->access[i] > GRAFT_READS)
            assert_ok(graft_reorder_once(device, kernel->layouts[i], buffers[i], rows[i], tensors[i].values));
        free(buffers[i]);
    }
    free(scratch);
    graft_kernel_free(kernel);
}

#endif
