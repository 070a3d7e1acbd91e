/* Batch norm's inner loops in AVX-512. */
#include <stddef.h>

#ifdef __AVX512F__
enum { LANES = 16 };
#include "kernels/host/batch_norm_lanes.h"

const graft_norm_code *graft_norm_avx512(void)
{
    return &code;
}
#else
#include "kernels/host/batch_norm.h"

const graft_norm_code *graft_norm_avx512(void)
{
    return NULL;
}
#endif
