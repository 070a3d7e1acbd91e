/* Lines and a progress bar. A bar is redrawn by a carriage return and blanks,
 * without escape sequences; bold labels need a terminal, no NO_COLOR (no-color.org) and a TERM that is not
 * "dumb". */
#include "cli/screen.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <graft/status.h>
#include <graft/tools.h>

#include "cli/command.h"

enum { LABEL = 12, NARROWEST = 20, BAR = 24, UNIT = 5 };

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
    bool bold = label[0] && is_terminal(stream) && !is_set("NO_COLOR");
    int blanks = LABEL - (int)strlen(label);
    fprintf(stream, "%s%s%s%*s", bold ? "\033[1m" : "", label, bold ? "\033[0m" : "", blanks > 0 ? blanks : 1,
            "");
}

/* The first byte of a letter in UTF-8. */
static bool begins_letter(char byte)
{
    return ((unsigned char)byte & 0xC0) != 0x80;
}

/* A wide letter counts as one. */
static int columns_of(const char *text, size_t size)
{
    int count = 0;
    for (size_t i = 0; i < size; i++)
        count += begins_letter(text[i]);
    return count;
}

/* Blanks and the word behind them; of a number with its unit both: "48 MB", "81.4 %". */
static size_t word_at(const char *text)
{
    size_t begin = strspn(text, " "), size = begin + strcspn(text + begin, " ");
    size_t unit = text[size] ? strcspn(text + size + 1, " ") : 0;
    bool number = text[begin] >= '0' && text[begin] <= '9';
    return number && unit > 0 && unit <= UNIT ? size + 1 + unit : size;
}

void screen_wrap(FILE *stream, const char *text, int column, int indent, int width)
{
    for (bool first = true; *text; first = false) {
        size_t blanks = strspn(text, " "), size = word_at(text);
        if (!first && column + columns_of(text, size) > width) {
            fprintf(stream, "\n%*s", indent, "");
            column = indent;
            text += blanks;
            size -= blanks;
        }
        fwrite(text, 1, size, stream);
        column += columns_of(text, size);
        text += size;
    }
}

static void put_text(FILE *stream, const char *label, int width, const char *format, va_list list)
{
    char *text = NULL;
    put_label(stream, label);
    if (vasprintf(&text, format, list) >= 0)
        screen_wrap(stream, text, LABEL, LABEL, width);
    free(text);
    fputc('\n', stream);
}

void screen_line(FILE *stream, const char *label, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    put_text(stream, label, columns(stream), format, list);
    va_end(list);
}

void screen_command(FILE *stream, const char *label, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    put_text(stream, label, INT_MAX, format, list);
    va_end(list);
}

/* Later failures say less: the stream's own buffer may be what failed first. */
bool screen_flush(void)
{
    static int error;
    errno = 0;
    if (fflush(stdout) != 0 && error == 0)
        error = errno;
    errno = error;
    return !ferror(stdout);
}

static bool moves_cursor(char c)
{
    return (unsigned char)c < 0x20 || c == 0x7f;
}

/* A sentence may quote what somebody else wrote: nothing in it moves the cursor. */
static void say_failure(char *text)
{
    for (char *c = text; *c; c++)
        if (moves_cursor(*c))
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

void screen_point(const char *text, size_t place)
{
    fputs("  ", stderr);
    for (const char *c = text; *c; c++)
        fputc(moves_cursor(*c) ? '?' : *c, stderr);
    fputs("\n  ", stderr);
    for (size_t i = 0; i < place; i++)
        if (begins_letter(text[i]))
            fputc(' ', stderr);
    fputs("^\n", stderr);
}

/* ---- Progress ---- */

static double rate_of(const screen_state *s, size_t done, double now)
{
    return now > s->began ? (double)(done - s->first) / (now - s->began) : 0.0;
}

/* Draws the text over what stood on the line, cut to its width. */
static void redraw(screen_state *s, const char *label, const char *text)
{
    int room = columns(stderr) - LABEL - 1;
    fputc('\r', stderr);
    put_label(stderr, label);
    fprintf(stderr, "%-*.*s", room, room, text);
    fflush(stderr);
    s->open = true;
}

static void draw_bar(screen_state *s, size_t done, double now)
{
    char text[256], bar[BAR + 1];
    size_t full = s->total ? done * BAR / s->total : BAR;
    double rate = rate_of(s, done, now), left = rate > 0.0 ? (double)(s->total - done) / rate : 0.0;
    bool finished = done == s->total;
    memset(bar, ' ', BAR);
    memset(bar, '=', full);
    if (full > 0)
        bar[full - 1] = '>';
    bar[BAR] = 0;
    snprintf(text, sizeof text, "[%s] %s/%s %s  %.*f a second  %s%s", bar, screen_count(done),
             screen_count(s->total), s->unit ? s->unit : "", rate < 10.0, rate,
             screen_time(finished ? now - s->began : left), finished ? "" : " left");
    redraw(s, s->what, text);
}

static void begin_work(screen_state *s, const char *what, size_t done, size_t total, double now)
{
    if (!s->passing)
        screen_close(s);
    s->what = what;
    s->first = done;
    s->total = total;
    s->began = s->drawn = now;
}

/* What stays of work that is done: the bar, a plain line, or nothing. */
static void end_work(screen_state *s, size_t done, double now)
{
    if (s->passing)
        screen_erase(s);
    else if (!s->quiet && !is_terminal(stderr))
        screen_line(stderr, s->what, "%s %s, %.*f a second, %s", screen_count(done), s->unit ? s->unit : "",
                    rate_of(s, done, now) < 10.0, rate_of(s, done, now), screen_time(now - s->began));
    screen_close(s);
    s->what = NULL;
}

int screen_progress(void *state, const char *what, size_t done, size_t total)
{
    screen_state *s = state;
    double now = graft_clock();
    if (!s->what || strcmp(s->what, what) != 0 || s->total != total)
        begin_work(s, what, done, total, now);
    if (screen_redraws(s) && (done < total ? now - s->drawn >= 0.1 : !s->passing)) {
        s->drawn = now;
        draw_bar(s, done, now);
    }
    if (done == total)
        end_work(s, done, now);
    return screen_interrupted();
}

void screen_redraw(screen_state *s, const char *label, const char *format, ...)
{
    char text[512];
    va_list list;
    if (!screen_redraws(s))
        return;
    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    redraw(s, label, text);
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

void screen_erase(screen_state *s)
{
    if (s->open)
        fprintf(stderr, "\r%*s\r", columns(stderr) - 1, "");
    s->open = false;
}
