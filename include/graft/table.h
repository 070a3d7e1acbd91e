/* Tables of numbers: rows of floats, each with a name, written to a file that numpy opens. Rows are written
 * as they come: only the names wait in memory. */
#ifndef GRAFT_TABLE_H
#define GRAFT_TABLE_H

#include <stddef.h>

#include <graft/status.h>
#include <graft/tensor.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct graft_table graft_table;

/* The format is told by how `path` ends:
 *   X.npy          (N, ...) float32 for numpy.load; the names stand in X.txt, a line each
 *   X.safetensors  the tensor "features", (N, ...) F32, and "names", the same lines as U8
 * In names a line end, a tab and a backslash are written as \n (\r), \t and \\, so that a line is always one
 * name. `row` is the shape of one row, its first dimension 1: (1, C) or (1, C, H, W). Nothing stands under
 * these names before `commit`. GRAFT_EARGUMENT (another ending), GRAFT_EIO. */
GRAFT_API graft_status graft_table_create(graft_table **table, const char *path, const graft_shape *row);
GRAFT_API graft_status graft_table_add(graft_table *table, const float *row, const char *name);
GRAFT_API size_t graft_table_rows(const graft_table *table); /* added so far */
/* Where the names stand: X.txt, or the file itself. Borrowed. */
GRAFT_API const char *graft_table_names(const graft_table *table);
/* The files appear whole or not at all. GRAFT_EIO. */
GRAFT_API graft_status graft_table_commit(graft_table *table);
GRAFT_API void graft_table_free(graft_table *table); /* without commit nothing is left; NULL is legal */

#ifdef __cplusplus
}
#endif
#endif
