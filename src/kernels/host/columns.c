/* Tiles of columns. */
#include "kernels/host/columns.h"

#include <string.h>

static int64_t columns_of(int64_t width, int64_t from)
{
    return width - from < GRAFT_COLUMNS ? width - from : GRAFT_COLUMNS;
}

void graft_columns_take(float *tile, const float *const *rows, int64_t count, int64_t width, int64_t from)
{
    const int64_t columns = columns_of(width, from);
#pragma omp parallel for schedule(static)
    for (int64_t i = 0; i < count; i++) {
        float *to = tile + i * GRAFT_COLUMNS;
        int64_t taken = rows[i] ? columns : 0;
        if (taken > 0)
            memcpy(to, rows[i] + from, sizeof(float) * (size_t)taken);
        memset(to + taken, 0, sizeof(float) * (size_t)(GRAFT_COLUMNS - taken));
    }
}

void graft_columns_put(float *matrix, const float *tile, int64_t count, int64_t width, int64_t from,
                       const float *start, float factor)
{
    const int64_t columns = columns_of(width, from);
#pragma omp parallel for schedule(static)
    for (int64_t i = 0; i < count; i++) {
        float *restrict to = matrix + i * width + from;
        const float *restrict added = tile + i * GRAFT_COLUMNS;
        for (int64_t j = 0; j < columns; j++)
            to[j] = start ? factor * start[i * width + from + j] + added[j] : added[j];
    }
}
