/* Batch norm's inner loops in AVX2. */
#include <stddef.h>

#ifdef __AVX2__
enum { LANES = 8 };
#include "kernels/host/batch_norm_lanes.h"

const graft_norm_code *graft_norm_avx2(void)
{
    return &code;
}
#else
#include "kernels/host/batch_norm.h"

const graft_norm_code *graft_norm_avx2(void)
{
    return NULL;
}
#endif
