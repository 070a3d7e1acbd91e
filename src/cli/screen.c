/* Lines and a progress bar. A bar is redrawn by a carriage return and blanks,
 * without escape sequences; bold labels need a terminal, no NO_COLOR (no-color.org) and a TERM that is not
 * "dumb". */
#include "cli/screen.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <graft/status.h>
#include <graft/tools.h>

#include "cli/command.h"

enum { LABEL = 12, NARROWEST = 20, BAR = 24 };

/* ---- What stands where ---- */

static bool is_set(const char *name)
{
    const char *value = getenv(name);
    return value && value[0];
}

/* Whether a line can be drawn anew. */
static bool is_terminal(FILE *stream)
{
    const char *term = getenv("TERM");
    return isatty(fileno(stream)) && term && strcmp(term, "dumb") != 0;
}

static int columns(FILE *stream)
{
    struct winsize size;
    if (ioctl(fileno(stream), TIOCGWINSZ, &size) == 0 && size.ws_col >= NARROWEST)
        return size.ws_col;
    return 80;
}

/* ---- Lines ---- */

static void put_label(FILE *stream, const char *label)
{
    bool bold = is_terminal(stream) && !is_set("NO_COLOR");
    int blanks = LABEL - (int)strlen(label);
    fprintf(stream, "%s%s%s%*s", bold ? "\033[1m" : "", label, bold ? "\033[0m" : "", blanks > 0 ? blanks : 1,
            "");
}

void screen_line(FILE *stream, const char *label, const char *format, ...)
{
    va_list list;
    put_label(stream, label);
    va_start(list, format);
    vfprintf(stream, format, list);
    va_end(list);
    fputc('\n', stream);
}

/* A sentence may quote what somebody else wrote: nothing in it moves the cursor. */
static void say_failure(char *text)
{
    for (char *c = text; *c; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            *c = '?';
    fprintf(stderr, "graft: %s\n", text);
}

int screen_fail(const char *format, ...)
{
    char text[2048];
    va_list list;
    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    say_failure(text);
    return EXIT_FAILED;
}

int screen_fail_status(void)
{
    return screen_fail("%s", graft_error_message());
}

/* ---- Progress ---- */

static double rate_of(const screen_state *s, size_t done, double now)
{
    return now > s->began ? (double)done / (now - s->began) : 0.0;
}

/* Draws the text over what stood on the line, cut to its width. */
static void redraw(const char *label, const char *text)
{
    int room = columns(stderr) - LABEL - 1;
    fputc('\r', stderr);
    put_label(stderr, label);
    fprintf(stderr, "%-*.*s", room, room, text);
    fflush(stderr);
}

static void draw_bar(const screen_state *s, size_t done, double now)
{
    char text[256], bar[BAR + 1];
    size_t full = s->total ? done * BAR / s->total : BAR;
    double rate = rate_of(s, done, now);
    memset(bar, ' ', BAR);
    memset(bar, '=', full);
    if (full > 0)
        bar[full - 1] = '>';
    bar[BAR] = 0;
    snprintf(text, sizeof text, "[%s] %s/%s %s  %s a second  %s%s", bar, screen_count(done),
             screen_count(s->total), s->unit ? s->unit : "", screen_count((size_t)rate),
             done < s->total && rate > 0.0 ? screen_time((double)(s->total - done) / rate)
                                           : screen_time(now - s->began),
             done < s->total ? " left" : "");
    redraw(s->what, text);
}

static void begin_work(screen_state *s, const char *what, size_t total, double now)
{
    screen_close(s);
    s->what = what;
    s->total = total;
    s->began = now;
    s->drawn = 0.0;
}

/* The plain line of work that is done. */
static void say_done(const screen_state *s, size_t done, double now)
{
    screen_line(stderr, s->what, "%s %s, %s a second, %s", screen_count(done), s->unit ? s->unit : "",
                screen_count((size_t)rate_of(s, done, now)), screen_time(now - s->began));
}

int screen_progress(void *state, const char *what, size_t done, size_t total)
{
    screen_state *s = state;
    double now = graft_clock();
    bool terminal = !s->quiet && is_terminal(stderr);
    if (!s->what || strcmp(s->what, what) != 0 || s->total != total)
        begin_work(s, what, total, now);
    if (terminal && (done == total || now - s->drawn >= 0.1)) {
        s->drawn = now;
        s->open = true;
        draw_bar(s, done, now);
    }
    if (done == total) {
        if (!s->quiet && !terminal && total > 0)
            say_done(s, done, now);
        screen_close(s);
        s->what = NULL;
    }
    return screen_interrupted();
}

void screen_redraw(screen_state *s, const char *label, const char *format, ...)
{
    char text[512];
    va_list list;
    if (s->quiet || !is_terminal(stderr))
        return;
    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    redraw(label, text);
    s->open = true;
}

bool screen_redraws(const screen_state *s)
{
    return !s->quiet && is_terminal(stderr);
}

void screen_close(screen_state *s)
{
    if (s->open)
        fputc('\n', stderr);
    s->open = false;
}
