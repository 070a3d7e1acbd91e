/* Arguments and lines of standard input. */
#include "cli/paths.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/screen.h"

void paths_open(path_source *p, const arguments *given, size_t first)
{
    memset(p, 0, sizeof *p);
    p->given = given;
    p->next = first;
}

static void drop_list(path_source *p)
{
    while (p->count > 0)
        free(p->list[--p->count]);
}

void paths_dispose(path_source *p)
{
    drop_list(p);
}

static bool add(path_source *p, const char *text, size_t length)
{
    char *copy = strndup(text, length);
    if (!copy) {
        screen_fail("out of memory");
        p->failed = true;
        return false;
    }
    p->list[p->count++] = copy;
    return true;
}

/* ---- Standard input ---- */

static bool at_hand(void)
{
    struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
    return poll(&input, 1, 0) != 0;
}

static void end_reading(path_source *p, const char *sentence)
{
    if (sentence) {
        screen_fail("standard input: %s", sentence);
        p->failed = true;
    }
    p->finished = true;
}

/* More bytes behind those that are there. */
static void fill(path_source *p)
{
    memmove(p->buffer, p->buffer + p->begin, p->end - p->begin);
    p->end -= p->begin;
    p->begin = 0;
    if (p->end == sizeof p->buffer) {
        end_reading(p, "a line is longer than any path can be");
        p->end = 0;
        return;
    }
    ssize_t got;
    do
        got = read(STDIN_FILENO, p->buffer + p->end, sizeof p->buffer - p->end);
    while (got < 0 && errno == EINTR);
    if (got <= 0)
        end_reading(p, got < 0 ? strerror(errno) : NULL);
    else
        p->end += (size_t)got;
}

/* Takes one line that is there wholly, or at the end what is left; empty ones are passed over. */
static bool take_line(path_source *p)
{
    const char *line = p->buffer + p->begin;
    size_t left = p->end - p->begin;
    const char *newline = memchr(line, '\n', left);
    if (!newline && (!p->finished || left == 0))
        return false;
    size_t length = newline ? (size_t)(newline - line) : left;
    p->begin += length + (newline != NULL);
    return length == 0 || add(p, line, length);
}

/* Lines until the list is full, the input has ended, or what comes next is not there yet. */
static void take_lines(path_source *p)
{
    while (p->count < PATHS_MOST && !p->failed) {
        if (take_line(p))
            continue;
        if (p->finished || (p->count > 0 && !at_hand()))
            break;
        fill(p);
    }
    p->reading = !p->finished || p->begin < p->end;
}

/* ---- Both ---- */

/* False at the end, and where standard input comes next and would keep waiting what was named before it. */
static bool take_argument(path_source *p)
{
    if (p->next == argument_count(p->given))
        return false;
    const char *argument = argument_at(p->given, p->next);
    bool input = strcmp(argument, "-") == 0;
    if (input && !p->finished && p->count > 0 && !at_hand())
        return false;
    p->next++;
    if (input)
        p->reading = !p->finished;
    return input || add(p, argument, strlen(argument));
}

size_t paths_take(path_source *p, const char *const **list)
{
    drop_list(p);
    while (p->count < PATHS_MOST && !p->failed) {
        if (!p->reading) {
            if (!take_argument(p))
                break;
            continue;
        }
        take_lines(p);
        if (p->reading)
            break;
    }
    *list = (const char *const *)p->list;
    return p->count;
}
