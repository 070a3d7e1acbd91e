/* Failing with a message: a failure begins only where its sentence is made. */
#ifndef GRAFT_BASE_STATUS_H
#define GRAFT_BASE_STATUS_H

#include <graft/status.h>

enum { GRAFT_MESSAGE_SIZE = 8192 }; /* with its end */

/* Makes this thread's message and returns `status`. The text is cut to a fixed buffer; control characters
 * and bytes that are no UTF-8, which a file name or a file's content may bring in, are shown as '?'. */
graft_status graft_fail(graft_status status, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The same, with ": " and strerror(error) behind it. */
graft_status graft_fail_errno(int error, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Puts "PREFIX: " before the message that is there, and returns `status`. */
graft_status graft_fail_within(graft_status status, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* GRAFT_EARGUMENT unless `value` is one of an enumeration's, 0 to `last`: "there is no WHAT number 99". */
graft_status graft_check_choice(const char *what, int value, int last);

#endif
