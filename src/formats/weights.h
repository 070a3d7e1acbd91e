/* An opened file of tensors, as its readers fill it. A reader gets the file's bytes, adds views and metadata,
 * and says a cause without the file's name, which is put before it in one place. What a reader adds points
 * into the bytes or into the arena, so that it lives until close. */
#ifndef GRAFT_FORMATS_WEIGHTS_H
#define GRAFT_FORMATS_WEIGHTS_H

#include <graft/weights.h>

#include "base/arena.h"
#include "base/chunk.h"
#include "base/file.h"
#include "base/file_hash.h"
#include "tensor/tensor.h"

typedef struct graft_pair {
    const char *key, *value;
} graft_pair;

struct graft_weights {
    char *path;
    graft_mapping file; /* empty where the bytes are the caller's */
    const uint8_t *bytes;
    size_t size;
    const char *format;
    char *sha256; /* 65 bytes; empty until somebody asks */
    graft_arena arena;
    graft_chunks chunks; /* for data that is not in the file as it is viewed */
    graft_tensor_view *views;
    graft_chunk **data; /* of each view: where it lies, NULL: in the file */
    size_t count, capacity, data_capacity;
    const graft_tensor_view **by_name; /* sorted */
    graft_pair *metadata;
    size_t metadata_count, metadata_capacity;
};

/* graft_weights_open on bytes that the caller keeps until close; `path` is only a name. */
graft_status graft_weights_open_bytes(graft_weights **weights, const char *path, const uint8_t *bytes,
                                      size_t size);

/* Begins to make the SHA-256 of the whole file. GRAFT_EARGUMENT where the bytes are the caller's. */
graft_status graft_weights_hash(graft_file_hash **hash, const graft_weights *weights);

/* `view` is copied; its name and data must live as long as the weights. Where the data lies in a chunk that
 * is taken over, also on failure. */
graft_status graft_weights_add(graft_weights *weights, const graft_tensor_view *view, graft_chunk *chunk);
graft_status graft_weights_add_metadata(graft_weights *weights, const char *key, const char *value);

/* A view of these weights as a tensor: of the same memory where it lies in a chunk, else a copy in `chunks`.
 */
graft_status graft_weights_tensor(graft_tensor **out, graft_chunks *chunks, const graft_weights *weights,
                                  const graft_tensor_view *view);

/* A reader fills `weights` from weights->bytes. */
typedef graft_status graft_weights_reader(graft_weights *weights);
graft_weights_reader graft_pytorch_zip_read, graft_pytorch_legacy_read, graft_safetensors_read;

typedef struct graft_weights_format_row {
    const char *name;
    graft_weights_reader *read;
} graft_weights_format_row;

/* The format, told by the first bytes; GRAFT_EFORMAT says what the file is instead. */
graft_status graft_weights_detect(const graft_weights_format_row **format, const uint8_t *bytes, size_t size);

#endif
