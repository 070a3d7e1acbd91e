/* Files of named tensors: PyTorch checkpoints (zip and legacy) and safetensors. Reading runs nothing that
 * is in the file: a pickle is read by a machine that knows only what a state dict needs. */
#ifndef GRAFT_WEIGHTS_H
#define GRAFT_WEIGHTS_H

#include <graft/status.h>
#include <graft/tensor.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct graft_weights graft_weights;

/* Opens a checkpoint of any known format (told by its first bytes, not by its name).
 * GRAFT_EIO if it cannot be read, GRAFT_EFORMAT if it is malformed or not a checkpoint: the message names
 * the file and the cause. A wrapper ({"state_dict": ...}, {"model": ...} or {"model_ema": ...}, the first
 * that is there) and a common "module." prefix are removed. */
GRAFT_API graft_status graft_weights_open(graft_weights **weights, const char *path);
GRAFT_API void graft_weights_close(graft_weights *weights); /* NULL is legal */

GRAFT_API const char *graft_weights_path(const graft_weights *weights);
/* "PyTorch (zip)", "PyTorch (legacy)", "safetensors" */
GRAFT_API const char *graft_weights_format(const graft_weights *weights);
/* 64 hexadecimal digits: SHA-256 of the whole file, which the first call reads. */
GRAFT_API const char *graft_weights_sha256(const graft_weights *weights);

/* Tensors, in the order of the file. Views are borrowed until close. */
GRAFT_API size_t graft_weights_count(const graft_weights *weights);
GRAFT_API const graft_tensor_view *graft_weights_at(const graft_weights *weights, size_t index);
GRAFT_API const graft_tensor_view *graft_weights_find(const graft_weights *weights,
                                                      const char *name); /* or NULL */

/* String metadata (safetensors' __metadata__); NULL where the key is absent. Borrowed until close. */
GRAFT_API const char *graft_weights_metadata(const graft_weights *weights, const char *key);
GRAFT_API size_t graft_weights_metadata_count(const graft_weights *weights);
GRAFT_API const char *graft_weights_metadata_key(const graft_weights *weights, size_t index);

/* Writes a safetensors file: whole or not at all (a temporary file in the same folder, synced and renamed).
 * `metadata` is `pairs` times key, value. GRAFT_EIO says what the system said. */
GRAFT_API graft_status graft_safetensors_write(const char *path, const graft_tensor_view *tensors,
                                               size_t count, const char *const *metadata, size_t pairs);

#ifdef __cplusplus
}
#endif
#endif
