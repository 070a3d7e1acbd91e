/* Writing comma-separated values. */
#include "report/csv.h"

#include <string.h>

static graft_status quoted(graft_buffer *buffer, const char *text)
{
    graft_status status;
    GRAFT_TRY(graft_buffer_text(buffer, "\""));
    for (const char *quote; (quote = strchr(text, '"')) != NULL; text = quote + 1) {
        GRAFT_TRY(graft_buffer_append(buffer, text, (size_t)(quote - text)));
        GRAFT_TRY(graft_buffer_text(buffer, "\"\""));
    }
    GRAFT_TRY(graft_buffer_text(buffer, text));
    GRAFT_TRY(graft_buffer_text(buffer, "\""));
out:
    return status;
}

graft_status graft_csv_line(graft_buffer *buffer, const char *const *fields, size_t count)
{
    graft_status status = GRAFT_OK;
    for (size_t i = 0; i < count; i++) {
        const char *field = fields[i] ? fields[i] : "";
        if (i > 0)
            GRAFT_TRY(graft_buffer_text(buffer, ","));
        GRAFT_TRY(field[strcspn(field, ",\"\r\n")] ? quoted(buffer, field)
                                                   : graft_buffer_text(buffer, field));
    }
    GRAFT_TRY(graft_buffer_text(buffer, "\r\n"));
out:
    return status;
}
