/* Storages by persistent ids:
 *
 *   id = ("storage", torch.FloatStorage, key, location, elements [, None | (view key, offset, elements)])
 *
 * The sixth item exists only in the legacy form, where a storage may be a part of the storage `key`. Ids come
 * once a tensor, so a storage that several tensors share comes several times. */
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "base/status.h"
#include "formats/pytorch.h"

static const struct {
    const char *name;
    graft_dtype dtype;
} types[] = {
    {"FloatStorage", GRAFT_F32},     {"DoubleStorage", GRAFT_F64}, {"HalfStorage", GRAFT_F16},
    {"BFloat16Storage", GRAFT_BF16}, {"CharStorage", GRAFT_I8},    {"ShortStorage", GRAFT_I16},
    {"IntStorage", GRAFT_I32},       {"LongStorage", GRAFT_I64},   {"ByteStorage", GRAFT_U8},
    {"BoolStorage", GRAFT_BOOL},
};

static graft_status read_type(graft_dtype *dtype, const graft_value *type)
{
    if (type->kind != GRAFT_VALUE_GLOBAL || type->global != GRAFT_GLOBAL_STORAGE)
        return graft_fail(GRAFT_EFORMAT, "a storage in its pickle has %s for a type", graft_value_what(type));
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (graft_text_equals(&type->text, types[i].name)) {
            *dtype = types[i].dtype;
            return GRAFT_OK;
        }
    return graft_fail(GRAFT_EFORMAT, "holds a torch.%.*s, an element type that graft does not read",
                      graft_text_shown(&type->text), type->text.at);
}

static bool is_size(const graft_value *value)
{
    return value->kind == GRAFT_VALUE_INTEGER && value->integer >= 0;
}

/* A key is a part of a name in a zip archive. */
static bool is_key(const graft_value *value)
{
    return value->kind == GRAFT_VALUE_TEXT && !memchr(value->text.at, 0, value->text.length);
}

static bool is_view(const graft_value *view)
{
    return view->kind == GRAFT_VALUE_TUPLE && view->count == 3 && is_size(view->items[1]) &&
           is_size(view->items[2]);
}

/* The items of an id, checked for their number and kinds; *view is NULL where the sixth is absent or None. */
static graft_status read_id(graft_storage *storage, const graft_value **view, const graft_value *persistent)
{
    graft_status status;
    const graft_value *id = persistent->inner;
    if (id->kind != GRAFT_VALUE_TUPLE || id->count < 5 || id->count > 6 ||
        !graft_value_is_text(id->items[0], "storage") || !is_key(id->items[2]) || !is_size(id->items[4]))
        return graft_fail(GRAFT_EFORMAT, "its pickle names something outside it that is no storage");
    *view = id->count == 6 && id->items[5]->kind != GRAFT_VALUE_NONE ? id->items[5] : NULL;
    if (*view && !is_view(*view))
        return graft_fail(GRAFT_EFORMAT, "its pickle names a part of a storage wrongly");
    *storage = (graft_storage){.key = id->items[2]->text, .count = (size_t)id->items[4]->integer};
    GRAFT_TRY(read_type(&storage->dtype, id->items[1]));
    size_t bytes;
    if (!graft_size_multiply(&bytes, storage->count, graft_dtype_size(storage->dtype)) || bytes > PTRDIFF_MAX)
        status = graft_fail(GRAFT_EFORMAT, "a storage of %zu elements cannot be", storage->count);
out:
    return status;
}

static int compare_texts(const graft_text *a, const graft_text *b)
{
    int order = memcmp(a->at, b->at, a->length < b->length ? a->length : b->length);
    return order ? order : (a->length > b->length) - (a->length < b->length);
}

static int by_key(const void *a, const void *b)
{
    const graft_storage *one = a, *other = b;
    return compare_texts(&one->key, &other->key);
}

graft_status graft_storages_collect(graft_storages *storages, graft_arena *arena,
                                    const graft_value *persistent)
{
    graft_status status;
    graft_storages all = {NULL, persistent->count};
    const graft_value *view;
    GRAFT_TRY(GRAFT_ARENA_NEW(arena, &all.list, all.count));
    for (size_t i = 0; i < all.count; i++)
        GRAFT_TRY(read_id(&all.list[i], &view, persistent->items[i]));
    qsort(all.list, all.count, sizeof *all.list, by_key);
    *storages = (graft_storages){all.list, 0};
    for (size_t i = 0; i < all.count; i++) {
        const graft_storage *last = storages->count ? &all.list[storages->count - 1] : NULL;
        if (!last || by_key(last, &all.list[i]) != 0)
            all.list[storages->count++] = all.list[i];
        else if (last->dtype != all.list[i].dtype || last->count != all.list[i].count)
            return graft_fail(GRAFT_EFORMAT, "its storage %.*s is named with two sizes or element types",
                              graft_text_shown(&last->key), last->key.at);
    }
out:
    return status;
}

graft_storage *graft_storages_find(const graft_storages *storages, const graft_text *key)
{
    graft_storage wanted = {.key = *key};
    return bsearch(&wanted, storages->list, storages->count, sizeof *storages->list, by_key);
}

graft_status graft_storage_part_of(graft_storage_part *part, const graft_storages *storages,
                                   const graft_value *persistent)
{
    graft_status status;
    graft_storage named = {.count = 0};
    const graft_value *view = NULL;
    GRAFT_TRY(read_id(&named, &view, persistent));
    const graft_storage *storage = graft_storages_find(storages, &named.key);
    *part = (graft_storage_part){storage, 0, storage->count};
    if (view) {
        part->offset = (size_t)view->items[1]->integer;
        part->count = (size_t)view->items[2]->integer;
    }
    if (!graft_range_fits(part->offset, part->count, storage->count))
        return graft_fail(GRAFT_EFORMAT, "looks at elements %zu to %zu of a storage of %zu", part->offset,
                          part->offset + part->count, storage->count);
out:
    return status;
}

size_t graft_storage_bytes(const graft_storage *storage)
{
    return storage->count * graft_dtype_size(storage->dtype);
}
