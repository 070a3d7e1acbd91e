/* PyTorch checkpoints from 1.6 on: a zip archive of one folder.
 *
 *   FOLDER/data.pkl      the pickle
 *   FOLDER/data/KEY      the bytes of the storage KEY
 *   FOLDER/byteorder     "little" or "big"; absent means little
 *   FOLDER/version, ...  not needed
 *
 * The folder is called after the file, or "archive", and nothing lies outside it. */
#include <string.h>

#include "base/status.h"
#include "base/text.h"
#include "formats/pytorch.h"
#include "formats/zip.h"

typedef struct checkpoint {
    graft_arena *arena;
    graft_zip zip;
    const char *folder;
} checkpoint;

/* All entries lie in one folder. */
static graft_status find_folder(checkpoint *c)
{
    const char *slash = c->zip.count ? strchr(c->zip.entries[0].name, '/') : NULL;
    bool good = slash != NULL;
    for (size_t i = 0; good && i < c->zip.count; i++)
        good = strncmp(c->zip.entries[i].name, c->zip.entries[0].name,
                       (size_t)(slash - c->zip.entries[0].name) + 1) == 0;
    if (!good)
        return graft_fail(GRAFT_EFORMAT,
                          "a zip archive, but not a PyTorch checkpoint (its entries are not in one folder)");
    return graft_arena_format(c->arena, &c->folder, "%.*s", (int)(slash - c->zip.entries[0].name),
                              c->zip.entries[0].name);
}

static graft_status find_entry(const graft_zip_entry **entry, const checkpoint *c, const char *before,
                               const graft_text *name)
{
    const char *path;
    size_t length = name->length < UINT16_MAX ? name->length : UINT16_MAX; /* no entry's name is longer */
    graft_status status =
        graft_arena_format(c->arena, &path, "%s/%s%.*s", c->folder, before, (int)length, name->at);
    if (status == GRAFT_OK)
        *entry = graft_zip_find(&c->zip, path);
    return status;
}

/* The pickle, if the archive says nothing that forbids to read it. */
static graft_status find_pickle(const graft_zip_entry **pickle, const checkpoint *c)
{
    graft_status status;
    const graft_zip_entry *data, *order;
    const graft_text data_name = {"data.pkl", 8}, order_name = {"byteorder", 9};
    GRAFT_TRY(find_entry(&data, c, "", &data_name));
    GRAFT_TRY(find_entry(&order, c, "", &order_name));
    if (!data)
        return graft_fail(GRAFT_EFORMAT, "a zip archive, but not a PyTorch checkpoint (no data.pkl)");
    if (order && (order->size != 6 || memcmp(order->data, "little", 6) != 0))
        return graft_fail(GRAFT_EFORMAT, "written on a big-endian machine, which graft does not read");
    *pickle = data;
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
    const graft_zip_entry *entry = NULL;
    graft_pickle pickle;
    graft_storages storages;
    GRAFT_TRY(graft_zip_read(&c.zip, &arena, weights->bytes, weights->size));
    GRAFT_TRY(find_folder(&c));
    GRAFT_TRY(find_pickle(&entry, &c));
    GRAFT_TRY(graft_pickle_read(&pickle, &arena, entry->data, entry->size));
    if (pickle.size != entry->size)
        GRAFT_TRY(graft_fail(GRAFT_EFORMAT, "something follows the pickle in its data.pkl"));
    GRAFT_TRY(graft_storages_collect(&storages, &arena, pickle.persistent));
    GRAFT_TRY(place_storages(&c, &storages));
    GRAFT_TRY(graft_state_dict_read(weights, pickle.root, &storages));
out:
    graft_arena_dispose(&arena);
    return status;
}
