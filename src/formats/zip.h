/* The directory of a zip archive whose entries are stored, over bytes in memory. Nothing is extracted. */
#ifndef GRAFT_FORMATS_ZIP_H
#define GRAFT_FORMATS_ZIP_H

#include <stddef.h>
#include <stdint.h>

#include <graft/status.h>

#include "base/arena.h"

typedef struct graft_zip_entry {
    const char *name;
    const uint8_t *data; /* in the archive's bytes, unaligned */
    size_t size;
    size_t header; /* where its local header stands */
} graft_zip_entry;

typedef struct graft_zip {
    graft_zip_entry *entries; /* sorted by name */
    size_t count;
} graft_zip;

/* Entries and names live in the arena. GRAFT_EFORMAT unless the whole archive keeps the rules of zip.c. */
graft_status graft_zip_read(graft_zip *zip, graft_arena *arena, const uint8_t *bytes, size_t size);
const graft_zip_entry *graft_zip_find(const graft_zip *zip, const char *name); /* or NULL */

#endif
