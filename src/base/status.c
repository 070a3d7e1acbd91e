/* The message of this thread's last failure. */
#include "base/status.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/number.h"
#include "base/text.h"

static _Thread_local char message[GRAFT_MESSAGE_SIZE];

/* U+0080 to U+009F are controls too: a terminal may take U+009B for ESC [. */
static bool is_shown(const char *text, size_t length)
{
    const unsigned char *s = (const unsigned char *)text;
    return length > 0 && s[0] >= 0x20 && s[0] != 0x7f && !(s[0] == 0xc2 && s[1] < 0xa0);
}

/* Makes a text one line of UTF-8, in place; what the buffer's end cut through goes. */
static void clean(char *text, bool cut)
{
    size_t left = strlen(text);
    char *to = text;
    for (const char *from = text; left > 0;) {
        size_t length = graft_text_sequence(from, left);
        if (length == 0 && cut && left < 4)
            break;
        size_t step = length ? length : 1;
        if (is_shown(from, length)) {
            memmove(to, from, step);
            to += step;
        } else {
            *to++ = '?';
        }
        from += step;
        left -= step;
    }
    *to = 0;
}

graft_status graft_fail(graft_status status, const char *format, ...)
{
    char text[GRAFT_MESSAGE_SIZE]; /* the arguments may lie in `message` itself */
    va_list arguments;
    va_start(arguments, format);
    int length = graft_number_vprint(text, sizeof text, format, arguments);
    va_end(arguments);
    clean(text, length >= GRAFT_MESSAGE_SIZE);
    memcpy(message, text, sizeof message);
    return status;
}

graft_status graft_fail_errno(int error, const char *format, ...)
{
    char text[GRAFT_MESSAGE_SIZE];
    va_list arguments;
    va_start(arguments, format);
    graft_number_vprint(text, sizeof text, format, arguments);
    va_end(arguments);
    return graft_fail(GRAFT_EIO, "%s: %s", text, strerror(error));
}

graft_status graft_fail_within(graft_status status, const char *format, ...)
{
    char text[GRAFT_MESSAGE_SIZE];
    va_list arguments;
    va_start(arguments, format);
    graft_number_vprint(text, sizeof text, format, arguments);
    va_end(arguments);
    return graft_fail(status, "%s: %s", text, message);
}

graft_status graft_check_choice(const char *what, int value, int last)
{
    if (value >= 0 && value <= last)
        return GRAFT_OK;
    return graft_fail(GRAFT_EARGUMENT, "there is no %s number %d", what, value);
}

const char *graft_error_message(void)
{
    return message;
}

const char *graft_status_name(graft_status status)
{
    switch (status) {
    case GRAFT_OK:
        return "ok";
    case GRAFT_DONE:
        return "done";
    case GRAFT_EARGUMENT:
        return "bad argument";
    case GRAFT_EMEMORY:
        return "out of memory";
    case GRAFT_EIO:
        return "input or output failed";
    case GRAFT_EFORMAT:
        return "bad format";
    case GRAFT_ESHAPE:
        return "shapes do not fit";
    case GRAFT_ENOTFOUND:
        return "not found";
    case GRAFT_EEXISTS:
        return "already there";
    case GRAFT_EUNSUPPORTED:
        return "not supported";
    case GRAFT_EDIVERGED:
        return "diverged";
    case GRAFT_ECANCELLED:
        return "cancelled";
    case GRAFT_EINTERNAL:
        return "internal error";
    }
    return "unknown status";
}

const char *graft_version(void)
{
    return GRAFT_VERSION;
}
