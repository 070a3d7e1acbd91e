/* Kept rows on disk: a file for each key (a network's weights, how pictures come to it, what computes), of
 * rows by the pictures' content and view. Rows are mapped, not read: they cost no memory of the process.
 *
 * A row is given back only if its checksum holds: a process that was killed in the middle of writing, a
 * damaged disk or a file that was cut off cost a row, and never give a wrong one. Processes may share a file:
 * one writes at a time, and nobody waits. */
#ifndef GRAFT_DATA_STORE_H
#define GRAFT_DATA_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <graft/status.h>

#include "base/hash.h"

typedef struct graft_store graft_store;

typedef struct graft_store_key {
    const char *name;     /* what the file's name begins with */
    const char *identity; /* lines: another identity is another file */
    const char *versions; /* lines: a file of other versions is begun anew */
    size_t row;           /* floats; 0: the contents alone are noted */
} graft_store_key;

/* Opens the key's file in `folder`, which is made where it is missing. GRAFT_EIO where it cannot be written.
 */
graft_status graft_store_open(graft_store **store, const char *folder, const graft_store_key *key);
void graft_store_close(graft_store *store); /* NULL is legal */

/* Why the file was begun anew, or why nothing more is written to it; NULL: all is well. Borrowed. */
const char *graft_store_word(const graft_store *store);
/* Nothing more is written from now on; what is there is found. */
void graft_store_stop(graft_store *store);
/* Whether nothing more is written. */
bool graft_store_is_closed(const graft_store *store);
const char *graft_store_path(const graft_store *store);
size_t graft_store_row_bytes(const graft_store *store); /* that a row takes in the file */

/* Whether it is noted that there is such a row, unchecked; any number of threads may ask while none adds. */
bool graft_store_has(const graft_store *store, const graft_digest *content, int view);
/* The row, checked, or NULL. Borrowed until close; aligned to 64 bytes. */
const float *graft_store_find(graft_store *store, const graft_digest *content, int view);
/* Writes a row; *kept is where it lies from now on (as find gives it), or NULL where it could not be written:
 * the disk is full, or another process is writing at this moment. */
graft_status graft_store_add(graft_store *store, const float **kept, const graft_digest *content, int view,
                             const float *row);

/* What a file says of itself. GRAFT_EIO, GRAFT_EFORMAT. */
typedef struct graft_store_facts {
    char *key;  /* identity and versions; the caller's */
    size_t row; /* bytes */
} graft_store_facts;
graft_status graft_store_read_facts(graft_store_facts *facts, const char *path);
/* Rows that were written, also those that are damaged since; reads every record. */
graft_status graft_store_count_rows(size_t *rows, const char *path);

#endif
