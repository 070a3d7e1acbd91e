/* Text with numbers in it, as C writes them ("0.5") whatever locale the program around has set: what strtod
 * and printf make of 0.5 in Germany is 0 and "0,5". Every number that goes into a file or comes from a
 * description takes this way, and so does every message. */
#ifndef GRAFT_BASE_NUMBER_H
#define GRAFT_BASE_NUMBER_H

#include <stdarg.h>
#include <stddef.h>

/* strtod, snprintf and vsnprintf. */
double graft_number_read(const char *text, char **end);
int graft_number_print(char *out, size_t size, const char *format, ...) __attribute__((format(printf, 3, 4)));
int graft_number_vprint(char *out, size_t size, const char *format, va_list arguments);

#endif
