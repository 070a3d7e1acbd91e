/* The sticky builder. */
#include "zoo/builder.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/status.h"

graft_output graft_build(graft_builder *b, const char *name, const graft_op *op, const void *attributes,
                         const graft_output *inputs, int input_count)
{
    char path[2 * GRAFT_PATH_LENGTH];
    int index = -1;
    if (b->status != GRAFT_OK)
        return -1;
    snprintf(path, sizeof path, "%s%s", b->path, name);
    b->status = graft_graph_append(b->graph, &index, path, op, attributes, inputs, input_count);
    return index;
}

bool graft_builder_push(graft_builder *b, const char *format, ...)
{
    size_t used = strlen(b->path);
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(b->path + used, sizeof b->path - used, format, arguments);
    va_end(arguments);
    if (length < 0 || used + (size_t)length + 2 > sizeof b->path || b->depth == GRAFT_PATH_DEPTH) {
        b->path[used] = 0;
        if (b->status == GRAFT_OK)
            b->status = graft_fail(GRAFT_EINTERNAL, "module path %s is too long", b->path);
        return false;
    }
    strcat(b->path, ".");
    b->marks[b->depth++] = used;
    return true;
}

/* False, so that GRAFT_SCOPE ends. */
bool graft_builder_pop(graft_builder *b)
{
    b->path[b->marks[--b->depth]] = 0;
    return false;
}

const char *graft_number(char text[GRAFT_NUMBER_LENGTH], int number)
{
    snprintf(text, GRAFT_NUMBER_LENGTH, "%d", number);
    return text;
}

void graft_build_auxiliary(graft_builder *b, const char *name, graft_output x, float weight)
{
    if (b->status == GRAFT_OK)
        b->status = graft_graph_add_output(b->graph, name, x, weight);
}
