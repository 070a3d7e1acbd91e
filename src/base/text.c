/* Distances between words, globs, UTF-8, what a sentence begins with. */
#include "base/text.h"

#include <stdint.h>
#include <string.h>

#include <graft/tools.h>

enum { LONGEST = 63 };

static int smallest(int a, int b, int c)
{
    int least = a < b ? a : b;
    return least < c ? least : c;
}

int graft_text_distance(const char *a, const char *b)
{
    int n = (int)strnlen(a, LONGEST), m = (int)strnlen(b, LONGEST);
    int rows[3][LONGEST + 1]; /* the rows i - 2, i - 1 and i of the usual table */
    int *before = rows[0], *above = rows[1], *row = rows[2];
    for (int j = 0; j <= m; j++)
        above[j] = j;
    for (int i = 1; i <= n; i++) {
        row[0] = i;
        for (int j = 1; j <= m; j++) {
            row[j] = smallest(above[j] + 1, row[j - 1] + 1, above[j - 1] + (a[i - 1] != b[j - 1]));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] && before[j - 2] + 1 < row[j])
                row[j] = before[j - 2] + 1;
        }
        int *oldest = before;
        before = above;
        above = row;
        row = oldest;
    }
    return above[m];
}

const char *graft_text_nearest(const char *word, const char *const *candidates, size_t count)
{
    const char *nearest = NULL;
    int limit = (int)strlen(word) / 3 + 1; /* one slip in three letters, and one more */
    for (size_t i = 0; i < count; i++) {
        int distance = graft_text_distance(word, candidates[i]);
        if (distance <= limit) {
            limit = distance - 1;
            nearest = candidates[i];
        }
    }
    return nearest;
}

bool graft_text_matches(const char *pattern, const char *text)
{
    const char *star = NULL, *resume = NULL; /* the last '*' and where its run may yet grow */
    while (*text) {
        if (*pattern == '*') {
            star = pattern++;
            resume = text;
        } else if (*pattern == *text) {
            pattern++;
            text++;
        } else if (star) {
            pattern = star + 1;
            text = ++resume;
        } else {
            return false;
        }
    }
    while (*pattern == '*')
        pattern++;
    return *pattern == 0;
}

static int lower(char letter)
{
    return letter >= 'A' && letter <= 'Z' ? letter - 'A' + 'a' : letter;
}

bool graft_text_same_letters(const char *a, const char *b)
{
    while (*a && lower(*a) == lower(*b)) {
        a++;
        b++;
    }
    return lower(*a) == lower(*b);
}

bool graft_text_starts(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

bool graft_text_ends(const char *text, const char *suffix)
{
    size_t length = strlen(text), tail = strlen(suffix);
    return length >= tail && strcmp(text + length - tail, suffix) == 0;
}

/* RFC 3629: no surrogates, nothing overlong. */
size_t graft_text_sequence(const char *text, size_t left)
{
    const unsigned char *s = (const unsigned char *)text;
    if (s[0] < 0x80)
        return 1;
    size_t length = s[0] >= 0xc2 && s[0] < 0xe0   ? 2
                    : (s[0] & 0xf0) == 0xe0       ? 3
                    : s[0] >= 0xf0 && s[0] < 0xf5 ? 4
                                                  : 0;
    if (length == 0 || length > left)
        return 0;
    for (size_t i = 1; i < length; i++)
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    bool overlong = (s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xf0 && s[1] < 0x90);
    bool outside = (s[0] == 0xed && s[1] >= 0xa0) || (s[0] == 0xf4 && s[1] >= 0x90);
    return overlong || outside ? 0 : length;
}

bool graft_text_is_utf8(const char *text, size_t size)
{
    for (size_t i = 0; i < size;) {
        size_t length = graft_text_sequence(text + i, size - i);
        if (length == 0)
            return false;
        i += length;
    }
    return true;
}

const char *graft_cause_without(const char *cause, const char *path)
{
    const char *rest = cause;
    for (; *path && (*rest == *path || *rest == '?'); path++)
        rest++;
    return *path == 0 && strncmp(rest, ": ", 2) == 0 ? rest + 2 : cause;
}
