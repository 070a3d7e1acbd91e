/* A growing run of bytes, and text written into it. Always followed by a 0 byte that is not counted. */
#ifndef GRAFT_BASE_BUFFER_H
#define GRAFT_BASE_BUFFER_H

#include <stddef.h>

#include <graft/status.h>

typedef struct graft_buffer {
    char *data; /* owned; NULL while empty */
    size_t size;
    size_t capacity;
} graft_buffer;

#define GRAFT_BUFFER_INIT \
    {                     \
        NULL, 0, 0        \
    }

void graft_buffer_dispose(graft_buffer *buffer);
graft_status graft_buffer_append(graft_buffer *buffer, const void *bytes, size_t size);
graft_status graft_buffer_text(graft_buffer *buffer, const char *text);
graft_status graft_buffer_print(graft_buffer *buffer, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
