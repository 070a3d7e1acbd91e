/* PyTorch checkpoints from 1.6 on: a zip archive of one folder.
 *
 *   FOLDER/data.pkl      the pickle
 *   FOLDER/data/KEY      the bytes of the storage KEY
 *   FOLDER/byteorder     "little" or "big"; absent means little
 *   FOLDER/version, ...  not needed
 *
 * The folder is called after the file or "archive"; it is the one that has a data.pkl. */
#include <string.h>

#include "base/status.h"
#include "base/text.h"
#include "formats/pytorch.h"
#include "formats/zip.h"

typedef struct checkpoint {
    graft_arena *arena;
    graft_zip zip;
    const graft_zip_entry *pickle;
    int folder; /* length of its name */
} checkpoint;

static graft_status find_pickle(checkpoint *c)
{
    for (size_t i = 0; i < c->zip.count; i++) {
        const graft_zip_entry *entry = &c->zip.entries[i];
        const char *slash = strchr(entry->name, '/');
        if (!slash || strcmp(slash, "/data.pkl") != 0)
            continue;
        if (c->pickle)
            return graft_fail(GRAFT_EFORMAT, "a zip archive of several checkpoints");
        c->pickle = entry;
        c->folder = (int)(slash - entry->name);
    }
    return c->pickle ? GRAFT_OK
                     : graft_fail(GRAFT_EFORMAT, "a zip archive, but not a PyTorch checkpoint (no data.pkl)");
}

static graft_status find_entry(const graft_zip_entry **entry, const checkpoint *c, const char *before,
                               const graft_text *name)
{
    const char *path;
    graft_status status =
        graft_arena_format(c->arena, &path, "%.*s/%s%.*s", c->folder, c->pickle->name, before,
                           (int)(name->length < UINT16_MAX ? name->length : UINT16_MAX), name->at);
    if (status == GRAFT_OK)
        *entry = graft_zip_find(&c->zip, path);
    return status;
}

static graft_status check_kind(const checkpoint *c)
{
    graft_status status;
    const graft_zip_entry *order, *constants;
    const graft_text byteorder = {"byteorder", 9}, script = {"constants.pkl", 13};
    GRAFT_TRY(find_entry(&order, c, "", &byteorder));
    GRAFT_TRY(find_entry(&constants, c, "", &script));
    if (constants)
        return graft_fail(GRAFT_EFORMAT, "a TorchScript program, not a checkpoint of weights "
                                         "(save model.state_dict() with torch.save)");
    if (order && (order->size != 6 || memcmp(order->data, "little", 6) != 0))
        return graft_fail(GRAFT_EFORMAT, "written on a big-endian machine, which graft does not read");
out:
    return status;
}

static graft_status place_storages(const checkpoint *c, const graft_storages *storages)
{
    graft_status status = GRAFT_OK;
    for (size_t i = 0; i < storages->count; i++) {
        graft_storage *storage = &storages->list[i];
        const graft_zip_entry *entry;
        GRAFT_TRY(find_entry(&entry, c, "data/", &storage->key));
        if (!entry)
            return graft_fail(GRAFT_EFORMAT, "its storage %.*s is missing", graft_text_shown(&storage->key),
                              storage->key.at);
        if (entry->size != graft_storage_bytes(storage))
            return graft_fail(GRAFT_EFORMAT,
                              "its storage %.*s has %zu bytes where %zu elements of %s are due",
                              graft_text_shown(&storage->key), storage->key.at, entry->size, storage->count,
                              graft_dtype_name(storage->dtype));
        storage->data = entry->data;
    }
out:
    return status;
}

graft_status graft_pytorch_zip_read(graft_weights *weights)
{
    graft_status status;
    graft_arena arena;
    graft_arena_init(&arena);
    checkpoint c = {.arena = &arena};
    graft_pickle pickle;
    graft_storages storages;
    GRAFT_TRY(graft_zip_read(&c.zip, &arena, weights->bytes, weights->size));
    GRAFT_TRY(find_pickle(&c));
    GRAFT_TRY(check_kind(&c));
    GRAFT_TRY(graft_pickle_read(&pickle, &arena, c.pickle->data, c.pickle->size));
    if (pickle.size != c.pickle->size) {
        status = graft_fail(GRAFT_EFORMAT, "something follows the pickle in its data.pkl");
        goto out;
    }
    GRAFT_TRY(graft_storages_collect(&storages, &arena, pickle.persistent));
    GRAFT_TRY(place_storages(&c, &storages));
    GRAFT_TRY(graft_state_dict_read(weights, pickle.root, &storages));
out:
    graft_arena_dispose(&arena);
    return status;
}
