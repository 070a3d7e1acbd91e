/* Small things with text. */
#ifndef GRAFT_BASE_TEXT_H
#define GRAFT_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>

#include <graft/tools.h>

/* Optimal string alignment distance (insert, delete, substitute, swap neighbours), of names up to 63 bytes.
 */
int graft_text_distance(const char *a, const char *b);

/* A glob in which '*' stands for any run of characters, dots too. */
bool graft_text_matches(const char *pattern, const char *text);

/* Equal but for the case of ASCII letters, in every locale. */
bool graft_text_same_letters(const char *a, const char *b);
bool graft_text_starts(const char *text, const char *prefix);
bool graft_text_ends(const char *text, const char *suffix);
/* Bytes of the UTF-8 sequence that starts here, of `left` (1 or more); 0 if it is not legal. */
size_t graft_text_sequence(const char *text, size_t left);
bool graft_text_is_utf8(const char *text, size_t size);

#endif
