/* Vectors of LANES numbers, which whoever includes this file defines: what the templates of kernels
 * (winograd_lanes.h, batch_norm_lanes.h) have in common. */
#ifndef GRAFT_KERNELS_HOST_VECTORS_H
#define GRAFT_KERNELS_HOST_VECTORS_H

#include <stdint.h>

#define INLINE static inline __attribute__((always_inline))

typedef float lanes __attribute__((vector_size(LANES * sizeof(float)), aligned(sizeof(float))));
typedef int32_t masks __attribute__((vector_size(LANES * sizeof(int32_t)), aligned(sizeof(int32_t))));

INLINE lanes at(const float *p)
{
    return *(const lanes *)p;
}

INLINE void put(float *p, lanes v)
{
    *(lanes *)p = v;
}

INLINE lanes filled(float value)
{
    return (lanes){0.0F} + value;
}

/* Where a lane of `which` is set `a`, else `b`. */
INLINE lanes chosen(masks which, lanes a, lanes b)
{
    return (lanes)((which & (masks)a) | (~which & (masks)b));
}

/* min(max(y, low), high); what is no number stays so. */
INLINE lanes clipped(lanes y, float low, float high)
{
    y = chosen(y < low, filled(low), y);
    return chosen(y > high, filled(high), y);
}

#endif
