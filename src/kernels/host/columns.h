/* Matrices so wide that products over them are summed piece by piece: GRAFT_COLUMNS columns at a time, side
 * by side in a tile (rows, GRAFT_COLUMNS) whose last columns are zeros where there are no more. */
#ifndef GRAFT_KERNELS_HOST_COLUMNS_H
#define GRAFT_KERNELS_HOST_COLUMNS_H

#include <stdint.h>

enum { GRAFT_COLUMNS = 512 };

/* The tile of columns from `from` of rows of `width` floats that lie anywhere; NULL is a row of zeros. */
void graft_columns_take(float *tile, const float *const *rows, int64_t count, int64_t width, int64_t from);

/* Columns from `from` of a matrix (count, width): factor * start + tile; without a start the tile alone. */
void graft_columns_put(float *matrix, const float *tile, int64_t count, int64_t width, int64_t from,
                       const float *start, float factor);

#endif
