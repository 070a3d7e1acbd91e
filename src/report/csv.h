/* Comma-separated values as RFC 4180 has them: a field with a comma, a quote or a line end stands in quotes,
 * quotes in it are doubled, lines end in CR LF. */
#ifndef GRAFT_REPORT_CSV_H
#define GRAFT_REPORT_CSV_H

#include "base/buffer.h"

/* The fields of one line; NULL is an empty one. */
graft_status graft_csv_line(graft_buffer *buffer, const char *const *fields, size_t count);

#endif
