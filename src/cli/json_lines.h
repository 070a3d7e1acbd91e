/* JSON Lines on stdout: one object a line, whole lines only, as soon as it is known. */
#ifndef GRAFT_CLI_JSON_LINES_H
#define GRAFT_CLI_JSON_LINES_H

#include <jansson.h>

/* Text of a file system as JSON can hold it: what is not UTF-8 becomes U+FFFD. */
json_t *json_text(const char *text);
/* A number; null where it is not finite. */
json_t *json_figure(double value);
/* Writes one line and gives the value back; NULL (no memory) is legal and writes nothing. A reader that left
 * is noted on stdout and found by main. */
void json_say(json_t *value);

#endif
