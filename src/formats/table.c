/* Tables: a header of a fixed length that is written last, because only then it is known how many rows there
 * are; the rows as they come; and the names, which wait in memory where they stand behind the rows.
 *
 *     X.npy           header of 256 bytes  rows          X.txt  names
 *     X.safetensors   u64 504  JSON padded to 504 bytes  rows  names */
#include <graft/table.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/status.h"
#include "base/text.h"
#include "formats/npy.h"

enum { SAFETENSORS_HEADER = 512 };

struct graft_table {
    bool npy;
    graft_shape shape; /* of all: (N, ...) */
    size_t row;        /* floats */
    graft_writer rows;
    char *names_path;
    graft_buffer names;
};

/* ---- Headers ---- */

static size_t header_size(const graft_table *table)
{
    return table->npy ? GRAFT_NPY_HEADER : SAFETENSORS_HEADER;
}

/* {"features":{"dtype":"F32","shape":[N,C],"data_offsets":[0,A]},"names":{... [A,B]}} */
static void safetensors_header(char out[SAFETENSORS_HEADER], const graft_table *table)
{
    const uint64_t length = SAFETENSORS_HEADER - sizeof length;
    size_t bytes = sizeof(float) * table->row * (size_t)table->shape.dims[0], used = sizeof length;
    memset(out, ' ', SAFETENSORS_HEADER);
    memcpy(out, &length, sizeof length);
    used += (size_t)snprintf(out + used, SAFETENSORS_HEADER - used,
                             "{\"features\":{\"dtype\":\"F32\",\"shape\":[");
    for (int i = 0; i < table->shape.rank; i++)
        used += (size_t)snprintf(out + used, SAFETENSORS_HEADER - used, "%s%lld", i ? "," : "",
                                 (long long)table->shape.dims[i]);
    used += (size_t)snprintf(out + used, SAFETENSORS_HEADER - used,
                             "],\"data_offsets\":[0,%zu]},\"names\":{\"dtype\":\"U8\",\"shape\":[%zu],"
                             "\"data_offsets\":[%zu,%zu]}}",
                             bytes, table->names.size, bytes, bytes + table->names.size);
    out[used] = ' '; /* snprintf's 0 */
}

static void make_header(char out[SAFETENSORS_HEADER], const graft_table *table)
{
    if (table->npy)
        graft_npy_header(out, &table->shape);
    else
        safetensors_header(out, table);
}

/* ---- Creating ---- */

/* X.npy -> X.txt */
static graft_status name_names(graft_table *table, const char *path)
{
    size_t length = strlen(path) - strlen(".npy");
    if (!table->npy)
        return graft_duplicate(&table->names_path, path);
    return graft_format(&table->names_path, "%.*s.txt", (int)length, path);
}

static graft_status open_rows(graft_table *table, const char *path)
{
    char blank[SAFETENSORS_HEADER] = "";
    graft_status status = graft_writer_open(&table->rows, path);
    return status == GRAFT_OK ? graft_writer_write(&table->rows, blank, header_size(table)) : status;
}

graft_status graft_table_create(graft_table **out, const char *path, const graft_shape *row)
{
    graft_status status;
    graft_table *table = NULL;
    bool npy = graft_text_ends(path, ".npy");
    if (!npy && !graft_text_ends(path, ".safetensors"))
        return graft_fail(GRAFT_EARGUMENT, "%s: a table's name ends in .npy or .safetensors", path);
    GRAFT_TRY(GRAFT_NEW(&table));
    table->npy = npy;
    table->shape = *row;
    table->shape.dims[0] = 0;
    table->row = (size_t)graft_shape_count(row);
    GRAFT_TRY(name_names(table, path));
    GRAFT_TRY(open_rows(table, path));
    *out = table;
    table = NULL;
out:
    graft_table_free(table);
    return status;
}

void graft_table_free(graft_table *table)
{
    if (!table)
        return;
    graft_writer_discard(&table->rows);
    graft_buffer_dispose(&table->names);
    free(table->names_path);
    free(table);
}

/* ---- Adding ---- */

static graft_status add_name(graft_buffer *names, const char *name)
{
    static const char special[] = "\n\r\t\\", letters[] = "nrt\\";
    graft_status status = GRAFT_OK;
    while (*name) {
        size_t plain = strcspn(name, special);
        GRAFT_TRY(graft_buffer_append(names, name, plain));
        name += plain;
        if (!*name)
            break;
        const char escape[] = {'\\', letters[strchr(special, *name++) - special]};
        GRAFT_TRY(graft_buffer_append(names, escape, sizeof escape));
    }
    status = graft_buffer_append(names, "\n", 1);
out:
    return status;
}

graft_status graft_table_add(graft_table *table, const float *row, const char *name)
{
    graft_status status;
    GRAFT_TRY(add_name(&table->names, name));
    GRAFT_TRY(graft_writer_write(&table->rows, row, sizeof(float) * table->row));
    table->shape.dims[0]++;
out:
    return status;
}

size_t graft_table_rows(const graft_table *table)
{
    return (size_t)table->shape.dims[0];
}

const char *graft_table_names(const graft_table *table)
{
    return table->names_path;
}

/* ---- Ending ---- */

graft_status graft_table_commit(graft_table *table)
{
    graft_status status;
    char header[SAFETENSORS_HEADER];
    make_header(header, table);
    if (!table->npy)
        GRAFT_TRY(graft_writer_write(&table->rows, table->names.data, table->names.size));
    GRAFT_TRY(graft_writer_rewind(&table->rows));
    GRAFT_TRY(graft_writer_write(&table->rows, header, header_size(table)));
    if (table->npy)
        GRAFT_TRY(graft_file_write(table->names_path, table->names.data, table->names.size));
    status = graft_writer_commit(&table->rows);
out:
    return status;
}
