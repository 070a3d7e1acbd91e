/* PyTorch checkpoints before 1.6 (and later ones without _use_new_zipfile_serialization):
 *
 *   file = magic 1001 system state keys (u64 elements, bytes)*
 *
 * where the first five are pickles one behind another: a fixed number, the version of the protocol, a dict
 * that says "little_endian", the state dict, the list of its storages' keys. The storages follow in that
 * order, unaligned, and end the file. */
#include "base/checked.h"
#include "base/status.h"
#include "formats/bytes.h"
#include "formats/pytorch.h"

enum { MAGIC = 15, PROTOCOL = 1001 };

/* The rest of the file. */
typedef struct cursor {
    const uint8_t *at;
    size_t left;
} cursor;

static const uint8_t *advance(cursor *c, size_t bytes)
{
    const uint8_t *at = c->at;
    c->at += bytes;
    c->left -= bytes;
    return at;
}

static graft_status next_pickle(graft_pickle *pickle, graft_arena *arena, cursor *c)
{
    graft_status status = graft_pickle_read(pickle, arena, c->at, c->left);
    if (status == GRAFT_OK)
        advance(c, pickle->size);
    return status;
}

static graft_status read_preamble(graft_arena *arena, cursor *c)
{
    graft_status status;
    graft_pickle protocol, system;
    advance(c, MAGIC);
    GRAFT_TRY(next_pickle(&protocol, arena, c));
    if (protocol.root->kind != GRAFT_VALUE_INTEGER || protocol.root->integer != PROTOCOL)
        return graft_fail(GRAFT_EFORMAT, "its protocol is not %d, PyTorch's legacy one", PROTOCOL);
    GRAFT_TRY(next_pickle(&system, arena, c));
    const graft_value *little = graft_value_get(system.root, "little_endian");
    if (!little || little->kind != GRAFT_VALUE_BOOLEAN)
        return graft_fail(GRAFT_EFORMAT, "does not say in which byte order it is");
    if (!little->boolean)
        return graft_fail(GRAFT_EFORMAT, "written on a big-endian machine, which graft does not read");
out:
    return status;
}

static graft_status place_storage(const graft_storages *storages, const graft_value *key, cursor *c)
{
    graft_storage *storage = key->kind == GRAFT_VALUE_TEXT ? graft_storages_find(storages, &key->text) : NULL;
    if (!storage || storage->data)
        return graft_fail(GRAFT_EFORMAT, "lists a storage twice or one that no tensor has");
    size_t bytes = graft_storage_bytes(storage);
    if (c->left < 8 || c->left - 8 < bytes)
        return graft_fail(GRAFT_EFORMAT, "ends early: %zu bytes are left where the storage %.*s has %zu",
                          c->left, graft_text_shown(&storage->key), storage->key.at, bytes + 8);
    if (graft_u64(advance(c, 8)) != storage->count)
        return graft_fail(GRAFT_EFORMAT, "its storage %.*s is not of the %zu elements that its pickle says",
                          graft_text_shown(&storage->key), storage->key.at, storage->count);
    storage->data = advance(c, bytes);
    return GRAFT_OK;
}

static graft_status place_storages(const graft_storages *storages, const graft_value *keys, cursor *c)
{
    graft_status status = GRAFT_OK;
    if (keys->kind != GRAFT_VALUE_LIST || keys->count != storages->count)
        return graft_fail(GRAFT_EFORMAT, "its list of storages is not that of its tensors");
    for (size_t i = 0; i < keys->count; i++)
        GRAFT_TRY(place_storage(storages, keys->items[i], c));
    if (c->left != 0)
        return graft_fail(GRAFT_EFORMAT, "%zu bytes follow its last storage", c->left);
out:
    return status;
}

graft_status graft_pytorch_legacy_read(graft_weights *weights)
{
    graft_status status;
    graft_arena arena;
    graft_arena_init(&arena);
    cursor c = {weights->bytes, weights->size};
    graft_pickle state, keys;
    graft_storages storages;
    GRAFT_TRY(read_preamble(&arena, &c));
    GRAFT_TRY(next_pickle(&state, &arena, &c));
    GRAFT_TRY(next_pickle(&keys, &arena, &c));
    GRAFT_TRY(graft_storages_collect(&storages, &arena, state.persistent));
    GRAFT_TRY(place_storages(&storages, keys.root, &c));
    GRAFT_TRY(graft_state_dict_read(weights, state.root, &storages));
out:
    graft_arena_dispose(&arena);
    return status;
}
