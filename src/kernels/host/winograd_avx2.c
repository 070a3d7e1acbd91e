/* Winograd's method in AVX2: 6 tiles by two vectors of sums fill the registers. */
#include <stddef.h>

#if defined(__AVX2__) && defined(__FMA__)
enum { LANES = 8, ROWS = 6, HALF = LANES / 2 };
#define NAME "host:wino_4x3:avx2"
#include "kernels/host/winograd_lanes.h"

const graft_winograd_code *graft_winograd_avx2(void)
{
    return &code;
}
#else
#include "kernels/host/winograd.h"

const graft_winograd_code *graft_winograd_avx2(void)
{
    return NULL;
}
#endif
