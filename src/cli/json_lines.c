/* JSON Lines. */
#include "cli/json_lines.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/screen.h"

/* Each byte that keeps jansson from reading on is replaced alone: what is legal around it stays. */
static char *replace_illegal(const char *text)
{
    size_t length = strlen(text), used = 0;
    char *out = malloc(3 * length + 1);
    for (size_t i = 0; out && i < length;) {
        size_t span = 1;
        json_t *legal = NULL;
        for (span = 1; span <= 4 && i + span <= length && !legal; span++)
            legal = json_stringn(text + i, span);
        span -= legal != NULL;
        memcpy(out + used, legal ? text + i : "\xef\xbf\xbd", legal ? span : 3);
        used += legal ? span : 3;
        i += legal ? span : 1;
        json_decref(legal);
    }
    if (out)
        out[used] = 0;
    return out;
}

json_t *json_text(const char *text)
{
    json_t *value = json_string(text);
    char *copy = value ? NULL : replace_illegal(text);
    if (copy)
        value = json_string_nocheck(copy);
    free(copy);
    return value;
}

json_t *json_figure(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

void json_say(json_t *value)
{
    char *line = value ? json_dumps(value, JSON_COMPACT | JSON_REAL_PRECISION(9)) : NULL;
    if (line && !ferror(stdout)) {
        puts(line);
        screen_flush();
    }
    free(line);
    json_decref(value);
}
