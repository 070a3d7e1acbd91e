/* What a person reads: lines with a label in front, a progress bar where stderr is a terminal, numbers as
 * people write them. Everything here goes to a stream that is given; errors go to stderr. */
#ifndef GRAFT_CLI_SCREEN_H
#define GRAFT_CLI_SCREEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include <graft/data.h>

/* "accuracy    81.4 % of 70 ...": the label in its column of 12, then the text, between whose words a line
 * goes on below in that column: within 80 columns, or the terminal's. */
void screen_line(FILE *stream, const char *label, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* The same in one line whatever its length, because it is there to be copied. */
void screen_command(FILE *stream, const char *label, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* The text from column `column` on, each further line begun with `indent` blanks. */
void screen_wrap(FILE *stream, const char *text, int column, int indent, int width);
/* What was printed goes out; false: it did not arrive, and errno says why (0: that is not known). */
bool screen_flush(void);

/* "graft: SENTENCE" on stderr; returns EXIT_FAILED. The second form says graft's own last sentence. */
int screen_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
int screen_fail_status(void);
/* Behind such a sentence: the text it is about, and a caret under the byte at `place`. */
void screen_point(const char *text, size_t place);

/* Numbers into a buffer of the screen's own that the next sixteen calls leave alone: "351", "8,192", "15 k",
 * "3.4 M"; "96 MB"; "0:07", "1:02:03"; "81.4 %". */
const char *screen_count(size_t count);
const char *screen_rounded(size_t count);
const char *screen_bytes(size_t bytes);
const char *screen_time(double seconds);
const char *screen_percent(double fraction);
/* A path or a name as it can be shown: control characters as '?', and not more than `most` columns. */
const char *screen_name(const char *name, int most);

/* Progress on stderr: a bar with rate and time left on a terminal, redrawn at most ten times a second;
 * elsewhere one plain line when the work is done. Pass as graft_progress {screen_progress, &state}; what it
 * returns stops the work after Ctrl-C. */
typedef struct screen_state {
    bool quiet;
    const char *unit; /* "views", "pictures" */
    const char *what; /* the work that is shown; the rest is the screen's own */
    double began, drawn;
    size_t first, total; /* what was done when the work was first told of */
    bool open;           /* a bar stands unfinished on the line */
    bool passing;        /* set by the caller: a bar that goes when the work is done, and no plain line */
} screen_state;
int screen_progress(void *state, const char *what, size_t done, size_t total);
/* A line that the next one replaces: on a terminal alone, where screen_redraws is true; elsewhere nothing is
 * written. */
void screen_redraw(screen_state *state, const char *label, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
bool screen_redraws(const screen_state *state);
/* Ends an unfinished bar or line, so that other text may follow; or blanks it. */
void screen_close(screen_state *state);
void screen_erase(screen_state *state);

/* SIGINT and SIGTERM from now on ask for a clean end; the second one ends the process at once. */
void screen_catch_interrupts(void);
bool screen_interrupted(void);

#endif
