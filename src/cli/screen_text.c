/* Numbers as people write them, and names as they can be shown, in buffers that take turns. */
#include "cli/screen.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { RING = 16, NUMBER = 2056 };

/* ---- Numbers ---- */

/* The next of the buffers that take turns. */
static char *next_buffer(void)
{
    static char ring[RING][NUMBER];
    static unsigned turn;
    return ring[turn++ % RING];
}

const char *screen_count(size_t count)
{
    char digits[32], *text = next_buffer(), *out = text;
    int length = snprintf(digits, sizeof digits, "%zu", count);
    for (int i = 0; i < length; i++) {
        if (i > 0 && (length - i) % 3 == 0)
            *out++ = ',';
        *out++ = digits[i];
    }
    *out = 0;
    return text;
}

/* Two digits or three: "1.2 k", "15 k", "340 M". */
static const char *scaled(double value, const char *const *units)
{
    char *text = next_buffer();
    while (value >= 999.5 && units[1]) {
        value /= 1000.0;
        units++;
    }
    snprintf(text, NUMBER, "%.*f %s", value < 9.95 ? 1 : 0, value, *units);
    return text;
}

const char *screen_rounded(size_t count)
{
    static const char *const units[] = {"k", "M", "G", NULL};
    return count < 1000 ? screen_count(count) : scaled((double)count / 1e3, units);
}

const char *screen_bytes(size_t bytes)
{
    static const char *const units[] = {"kB", "MB", "GB", "TB", NULL};
    if (bytes >= 1000)
        return scaled((double)bytes / 1e3, units);
    char *text = next_buffer();
    snprintf(text, NUMBER, "%zu bytes", bytes);
    return text;
}

const char *screen_time(double seconds)
{
    char *text = next_buffer();
    long whole = seconds > 0.0 && seconds < 1e9 ? lround(seconds) : 0;
    if (whole >= 3600)
        snprintf(text, NUMBER, "%ld:%02ld:%02ld", whole / 3600, whole / 60 % 60, whole % 60);
    else
        snprintf(text, NUMBER, "%ld:%02ld", whole / 60, whole % 60);
    return text;
}

const char *screen_percent(double fraction)
{
    char *text = next_buffer();
    snprintf(text, NUMBER, "%.1f %%", 100.0 * fraction);
    return text;
}

/* ---- Names ---- */

/* Bytes of the UTF-8 sequence that begins here, 1 for ASCII; 0 for what is not UTF-8 or not shown: C0 and C1
 * controls, marks that turn the direction of writing. */
static size_t shown_bytes(const unsigned char *s)
{
    if (s[0] < 0x80)
        return s[0] >= 0x20 && s[0] != 0x7f;
    size_t length = s[0] >= 0xf0 && s[0] < 0xf5   ? 4
                    : s[0] >= 0xe0 && s[0] < 0xf0 ? 3
                    : s[0] >= 0xc2 && s[0] < 0xe0 ? 2
                                                  : 0;
    for (size_t i = 1; i < length; i++)
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    bool control = s[0] == 0xc2 && s[1] < 0xa0;
    bool turns = s[0] == 0xe2 && ((s[1] == 0x80 && s[2] >= 0xaa && s[2] <= 0xae) ||
                                  (s[1] == 0x81 && s[2] >= 0xa6 && s[2] <= 0xa9));
    return control || turns ? 0 : length;
}

/* Characters, of which each takes a column (wide ones are counted as one). */
static int count_columns(const char *name)
{
    int count = 0;
    for (const unsigned char *s = (const unsigned char *)name; *s; count++) {
        size_t length = shown_bytes(s);
        s += length ? length : 1;
    }
    return count;
}

const char *screen_name(const char *name, int most)
{
    char *text = next_buffer();
    const unsigned char *s = (const unsigned char *)name;
    int total = count_columns(name), skip = 0;
    size_t out = 0;
    most = most < (NUMBER - 8) / 4 ? most : (NUMBER - 8) / 4;
    if (total > most) { /* the end of a path says more than its beginning */
        skip = total - most + 3;
        out = (size_t)snprintf(text, NUMBER, "...");
    }
    for (int i = 0; *s; i++) {
        size_t length = shown_bytes(s);
        if (i >= skip && length)
            memcpy(text + out, s, length);
        else if (i >= skip)
            text[out] = '?';
        out += i >= skip ? (length ? length : 1) : 0;
        s += length ? length : 1;
    }
    text[out] = 0;
    return text;
}
