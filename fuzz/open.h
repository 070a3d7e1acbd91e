/* Opens a file of tensors from memory and touches all that it offers. */
#ifndef GRAFT_FUZZ_OPEN_H
#define GRAFT_FUZZ_OPEN_H

#include <stdint.h>
#include <stdlib.h>

#include "formats/weights.h"

/* An open file must hold what it says: every byte is read, and every tensor is found by its name. */
static inline void touch(const graft_weights *weights)
{
    volatile uint8_t sum = 0;
    for (size_t i = 0; i < graft_weights_count(weights); i++) {
        const graft_tensor_view *view = graft_weights_at(weights, i);
        for (size_t j = 0; j < view->bytes; j++)
            sum = (uint8_t)(sum + ((const uint8_t *)view->data)[j]);
        if (graft_weights_find(weights, view->name) != view)
            abort();
    }
    for (size_t i = 0; i < graft_weights_metadata_count(weights); i++)
        if (!graft_weights_metadata(weights, graft_weights_metadata_key(weights, i)))
            abort();
}

static inline void open_and_touch(const uint8_t *data, size_t size)
{
    graft_weights *weights;
    graft_status status = graft_weights_open_bytes(&weights, "fuzz", data, size);
    if (status == GRAFT_OK) {
        touch(weights);
        graft_weights_close(weights);
    } else if (status != GRAFT_EFORMAT || !graft_error_message()[0]) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
