/* Elements in f32 or bf16 for kernels in plain C, which compute in f32. `half` is a constant where these are
 * inlined, so that each type has a loop of its own. */
#ifndef GRAFT_KERNELS_HOST_ELEMENT_H
#define GRAFT_KERNELS_HOST_ELEMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline size_t graft_element_size(bool half)
{
    return half ? sizeof(uint16_t) : sizeof(float);
}

static inline __attribute__((always_inline)) float graft_element_get(const void *x, int64_t i, bool half)
{
    float value;
    if (!half)
        return ((const float *)x)[i];
    uint32_t bits = (uint32_t)((const uint16_t *)x)[i] << 16;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* Rounded to the nearest, of two the even one; what is not a number stays none. */
static inline __attribute__((always_inline)) void graft_element_set(void *y, int64_t i, float value,
                                                                    bool half)
{
    uint32_t bits;
    if (!half) {
        ((float *)y)[i] = value;
        return;
    }
    memcpy(&bits, &value, sizeof bits);
    uint32_t rounded = (bits + 0x7fffU + (bits >> 16 & 1U)) >> 16;
    ((uint16_t *)y)[i] = (uint16_t)((bits & 0x7fffffffU) > 0x7f800000U ? 0x7fc0U : rounded);
}

#endif
