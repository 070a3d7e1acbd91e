/* Numbers in the C locale. uselocale changes this thread's locale alone, so other threads of the program see
 * nothing of it; where a C library cannot make the C locale, the program's own stands. */
#include "base/number.h"

#include <locale.h>
#include <stdio.h>
#include <stdlib.h>

typedef struct change {
    locale_t plain, before;
} change;

static change enter(void)
{
    change c = {newlocale(LC_ALL_MASK, "C", (locale_t)0), (locale_t)0};
    if (c.plain)
        c.before = uselocale(c.plain);
    return c;
}

static void leave(change c)
{
    if (!c.plain)
        return;
    uselocale(c.before);
    freelocale(c.plain);
}

double graft_number_read(const char *text, char **end)
{
    change c = enter();
    double number = strtod(text, end);
    leave(c);
    return number;
}

int graft_number_vprint(char *out, size_t size, const char *format, va_list arguments)
{
    change c = enter();
    int length = vsnprintf(out, size, format, arguments);
    leave(c);
    return length;
}

int graft_number_print(char *out, size_t size, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int length = graft_number_vprint(out, size, format, arguments);
    va_end(arguments);
    return length;
}
