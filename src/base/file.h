/* Files: mapped for reading, written whole or not at all, and where graft keeps its own. */
#ifndef GRAFT_BASE_FILE_H
#define GRAFT_BASE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <graft/status.h>
#include <graft/tools.h>

/* A file's bytes: mapped privately and read-only. A file that shrinks while it is mapped raises SIGBUS, so
 * pictures (which people edit) are read and only weights are mapped. */
typedef struct graft_mapping {
    const uint8_t *data; /* NULL: of an empty file, or nothing is mapped */
    size_t size;
    int file; /* open while data is mapped */
} graft_mapping;

graft_status graft_mapping_open(graft_mapping *mapping, const char *path);
void graft_mapping_close(graft_mapping *mapping);

/* A new file beside `path`, whose name no other process or thread has: to be renamed. *name is the caller's.
 */
graft_status graft_file_create_beside(int *file, char **name, const char *path);

/* A file that appears whole or not at all: written beside its place, synced, renamed by commit. */
typedef struct graft_writer {
    FILE *stream;
    char *path;
    char *temporary;
} graft_writer;

graft_status graft_writer_open(graft_writer *writer, const char *path);
graft_status graft_writer_write(graft_writer *writer, const void *bytes, size_t size);
graft_status graft_writer_rewind(graft_writer *writer); /* what is written next goes over the beginning */
graft_status graft_writer_commit(graft_writer *writer); /* afterwards the writer is empty */
void graft_writer_discard(graft_writer *writer);        /* legal after commit and on a zeroed writer */

bool graft_path_is_folder(const char *path);
bool graft_path_exists(const char *path);
graft_status graft_path_join(char **out, const char *folder, const char *name);
const char *graft_path_base(const char *path); /* what follows the last '/' */

#endif
