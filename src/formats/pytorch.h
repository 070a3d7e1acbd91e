/* What both containers of PyTorch share: from a pickle's values to views. A reader gets the pickle, lists its
 * storages, places each in the file's bytes, and then has the state dict read. */
#ifndef GRAFT_FORMATS_PYTORCH_H
#define GRAFT_FORMATS_PYTORCH_H

#include "formats/pickle.h"
#include "formats/weights.h"

/* A run of elements that tensors look at. */
typedef struct graft_storage {
    graft_text key;
    graft_dtype dtype;
    size_t count;        /* elements */
    const uint8_t *data; /* NULL until it is placed; unaligned */
} graft_storage;

typedef struct graft_storages {
    graft_storage *list; /* sorted by key */
    size_t count;
} graft_storages;

/* A part of a storage, as a persistent id names it. */
typedef struct graft_storage_part {
    const graft_storage *storage;
    size_t offset, count; /* elements */
} graft_storage_part;

/* Every storage that a pickle's persistent ids name, once. Two ids of one key must agree. */
graft_status graft_storages_collect(graft_storages *storages, graft_arena *arena,
                                    const graft_value *persistent);
graft_storage *graft_storages_find(const graft_storages *storages, const graft_text *key); /* or NULL */
graft_status graft_storage_part_of(graft_storage_part *part, const graft_storages *storages,
                                   const graft_value *persistent);
size_t graft_storage_bytes(const graft_storage *storage); /* checked when it was collected */

/* What materialising may still use: a file must not expand into much more than itself. */
typedef struct graft_tensor_reader {
    graft_chunks *chunks;
    const graft_storages *storages;
    size_t budget; /* bytes */
} graft_tensor_reader;

/* The view a call of a rebuild function stands for, without a name: into the file's bytes where the tensor is
 * contiguous (*chunk is NULL), else of a dense copy in a chunk. */
graft_status graft_tensor_rebuild(graft_tensor_view *view, graft_chunk **chunk, graft_tensor_reader *reader,
                                  const graft_value *call);

/* Adds the tensors of the state dict that `root` is or wraps. */
graft_status graft_state_dict_read(graft_weights *weights, const graft_value *root,
                                   const graft_storages *storages);

#endif
