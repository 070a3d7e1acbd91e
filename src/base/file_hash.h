/* The SHA-256 of a whole file, made by a thread of its own while others are at other work. */
#ifndef GRAFT_BASE_FILE_HASH_H
#define GRAFT_BASE_FILE_HASH_H

#include <graft/status.h>

typedef struct graft_file_hash graft_file_hash;

/* Begins with the file that `file` is open on, which stays the caller's. GRAFT_EMEMORY, GRAFT_EIO. */
graft_status graft_file_hash_begin(graft_file_hash **hash, int file);
graft_file_hash *graft_file_hash_share(graft_file_hash *hash);
void graft_file_hash_release(graft_file_hash *hash); /* the last one ends the work; NULL is legal */

/* Waits. 64 hexadecimal digits, "" where the file could not be read; borrowed until release. */
const char *graft_file_hash_text(graft_file_hash *hash);

#endif
