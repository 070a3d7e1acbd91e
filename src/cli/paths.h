/* Paths of pictures: the arguments in their order, and where one of them is "-" the lines of standard input.
 * Lines are handed on as they come: what is at hand is not kept waiting for what is not there yet, so a
 * program may write a path and read the answer. */
#ifndef GRAFT_CLI_PATHS_H
#define GRAFT_CLI_PATHS_H

#include <stdbool.h>
#include <stddef.h>

#include "cli/command.h"

enum { PATHS_MOST = 512, PATHS_LINE = 65536 };

typedef struct path_source {
    const arguments *given;
    size_t next;       /* argument */
    bool reading;      /* standard input is being read */
    bool finished;     /* standard input has ended */
    bool failed;       /* it could not be read to its end; a sentence was said */
    size_t begin, end; /* what of the buffer is not used yet */
    char buffer[PATHS_LINE];
    char *list[PATHS_MOST];
    size_t count;
} path_source;

void paths_open(path_source *source, const arguments *given, size_t first);
/* The next paths, PATHS_MOST at most, borrowed until the next call; waits only where there is none yet. 0 at
 * the end. */
size_t paths_take(path_source *source, const char *const **list);
void paths_dispose(path_source *source);

#endif
