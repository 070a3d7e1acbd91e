/* A growing run of bytes. */
#include "base/buffer.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "base/memory.h"
#include "base/number.h"
#include "base/status.h"

void graft_buffer_dispose(graft_buffer *buffer)
{
    free(buffer->data);
    *buffer = (graft_buffer)GRAFT_BUFFER_INIT;
}

static graft_status reserve(graft_buffer *buffer, size_t more)
{
    size_t needed;
    if (!graft_size_add(&needed, buffer->size, more))
        return graft_fail(GRAFT_EMEMORY, "out of memory: %zu bytes more were needed", more);
    return graft_grow(&buffer->data, needed, &buffer->capacity, 1);
}

graft_status graft_buffer_append(graft_buffer *buffer, const void *bytes, size_t size)
{
    graft_status status = reserve(buffer, size);
    if (status != GRAFT_OK)
        return status;
    if (size)
        memcpy(buffer->data + buffer->size, bytes, size);
    buffer->size += size;
    buffer->data[buffer->size] = 0;
    return GRAFT_OK;
}

graft_status graft_buffer_text(graft_buffer *buffer, const char *text)
{
    return graft_buffer_append(buffer, text, strlen(text));
}

graft_status graft_buffer_print(graft_buffer *buffer, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int length = graft_number_vprint(NULL, 0, format, arguments);
    va_end(arguments);
    graft_status status = reserve(buffer, (size_t)length);
    if (status != GRAFT_OK)
        return status;
    va_start(arguments, format);
    graft_number_vprint(buffer->data + buffer->size, (size_t)length + 1, format, arguments);
    va_end(arguments);
    buffer->size += (size_t)length;
    return GRAFT_OK;
}
