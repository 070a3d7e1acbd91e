/* Winograd's method in AVX-512: 14 tiles by two vectors of sums fill the registers. */
#include <stddef.h>

#if defined(__AVX512F__) && defined(__FMA__)
enum { LANES = 16, ROWS = 14, HALF = LANES / 2 };
#define NAME "host:wino_4x3:avx512"
#include "kernels/host/winograd_lanes.h"

const graft_winograd_code *graft_winograd_avx512(void)
{
    return &code;
}
#else
#include "kernels/host/winograd.h"

const graft_winograd_code *graft_winograd_avx512(void)
{
    return NULL;
}
#endif
