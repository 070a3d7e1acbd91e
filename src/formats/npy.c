/* NPY, version 1.0 (numpy.lib.format; NEP 1):
 *
 *     93 "NUMPY" 01 00  u16 length  text of that length  data
 *
 * The text is a Python dictionary of `descr`, `fortran_order` and `shape`, padded with spaces and ended by a
 * line end so that the data begins at a multiple of 64. It is padded to one length whatever the shape, so
 * that it can be written anew when the number of rows is known. */
#include "formats/npy.h"

#include <stdio.h>
#include <string.h>

enum { PREFIX = 10 };

void graft_npy_header(char out[GRAFT_NPY_HEADER], const graft_shape *shape)
{
    int used = PREFIX, length = GRAFT_NPY_HEADER - PREFIX;
    memset(out, ' ', GRAFT_NPY_HEADER);
    memcpy(out, "\x93NUMPY\x01\x00", 8);
    out[8] = (char)(length & 255);
    out[9] = (char)(length >> 8);
    used += snprintf(out + used, GRAFT_NPY_HEADER - PREFIX,
                     "{'descr': '<f4', 'fortran_order': False, 'shape': (");
    for (int i = 0; i < shape->rank; i++) /* 8 dimensions of 19 digits at most: it fits */
        used += snprintf(out + used, (size_t)(GRAFT_NPY_HEADER - used), "%lld,%s", (long long)shape->dims[i],
                         i + 1 < shape->rank ? " " : "");
    used += snprintf(out + used, (size_t)(GRAFT_NPY_HEADER - used), "), }");
    out[used] = ' '; /* snprintf's 0 */
    out[GRAFT_NPY_HEADER - 1] = '\n';
}
