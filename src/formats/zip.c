/* Zip archives as torch.save writes them (PKWARE's APPNOTE.TXT 6.3.10, sections 4.3 to 4.5).
 *
 *   archive   = (local name extra data [descriptor])* (central name extra comment)* [zip64 locator] end
 *   local     = "PK\3\4" u16 version, flags, method, time, date; u32 crc, packed, size; u16 name, extra
 *   central   = "PK\1\2" u16 made by, version, flags, method, time, date; u32 crc, packed, size;
 *               u16 name, extra, comment, disk, attributes; u32 attributes, offset of `local`
 *   zip64     = "PK\6\6" u64 44; u16 made by, version; u32 disk, disk; u64 entries, entries, size of the
 *               directory, offset of the directory
 *   locator   = "PK\6\7" u32 disk; u64 offset of `zip64`; u32 disks
 *   end       = "PK\5\6" u16 disk, disk, entries, entries; u32 size, offset of the directory; u16 comment
 *   extra     = (u16 id, length; bytes)*; id 1 holds, as u64, those of size, packed, offset that are all ones
 *
 * torch.save stores without compression, sets flag bit 3 (sizes and CRC follow the data and are 0 in the
 * local header) and writes zip64 records even where nothing is large. So sizes are the directory's.
 *
 * One archive must mean one thing to every reader, so these are refused: compression, encryption, several
 * disks, comments and anything else behind the end record, entries of one name, entries that overlap, a local
 * header that differs from the directory, and gaps between directory and end. CRCs are not verified: newer
 * versions of torch.save may leave them out. */
#include "formats/zip.h"

#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "base/status.h"
#include "base/text.h"
#include "formats/bytes.h"

enum {
    LOCAL = 30,
    CENTRAL = 46,
    ZIP64 = 56,
    LOCATOR = 20,
    END = 22,
    FLAG_DESCRIPTOR = 1 << 3,
    FLAG_UTF8 = 1 << 11,
    EXTRA_ZIP64 = 1,
    MOST_ENTRIES = 1 << 20
};

static const uint32_t ALL_ONES = UINT32_MAX;

struct archive {
    const uint8_t *bytes;
    size_t size;
    uint64_t entries;
    uint64_t directory, directory_size;
};

/* A header's fields, from the directory or from before the data. */
struct header {
    uint16_t flags, method;
    uint32_t crc;
    uint64_t packed, size, offset;
    const uint8_t *name;
    uint16_t name_length;
    uint64_t end; /* where what follows the header begins */
};

static bool is_at(const struct archive *archive, uint64_t offset, size_t length, const char *signature)
{
    return graft_range_fits(offset, length, archive->size) &&
           memcmp(archive->bytes + offset, signature, 4) == 0;
}

static graft_status bad_directory(void)
{
    return graft_fail(GRAFT_EFORMAT, "its zip directory is damaged");
}

/* A field of the end record agrees with the zip64 record, or leaves it the word. */
static bool agrees(uint64_t small, uint64_t ones, uint64_t large)
{
    return small == ones || small == large;
}

static graft_status read_zip64(struct archive *archive, const uint8_t *end)
{
    const uint8_t *locator = end - LOCATOR;
    uint64_t offset = graft_u64(locator + 8);
    if (!is_at(archive, offset, ZIP64, "PK\6\6"))
        return bad_directory();
    const uint8_t *record = archive->bytes + offset;
    uint64_t entries = graft_u64(record + 32), size = graft_u64(record + 40), start = graft_u64(record + 48);
    bool one_disk = graft_u32(locator + 4) == 0 && graft_u32(locator + 16) <= 1 &&
                    graft_u32(record + 16) == 0 && graft_u32(record + 20) == 0;
    bool good = one_disk && graft_u64(record + 4) == ZIP64 - 12 && record + ZIP64 == locator &&
                graft_u64(record + 24) == entries && agrees(archive->entries, UINT16_MAX, entries) &&
                agrees(archive->directory_size, ALL_ONES, size) &&
                agrees(archive->directory, ALL_ONES, start);
    if (!good || !graft_range_fits(start, size, offset) || start + size != offset)
        return bad_directory();
    archive->entries = entries;
    archive->directory = start;
    archive->directory_size = size;
    return GRAFT_OK;
}

/* The end record is the file's last 22 bytes. */
static graft_status read_end(struct archive *archive)
{
    if (archive->size < END || !is_at(archive, archive->size - END, END, "PK\5\6"))
        return graft_fail(GRAFT_EFORMAT,
                          "cut off (or something follows its end): no zip archive ends like this (%zu bytes)",
                          archive->size);
    uint64_t at = archive->size - END;
    const uint8_t *end = archive->bytes + at;
    archive->entries = graft_u16(end + 10);
    archive->directory_size = graft_u32(end + 12);
    archive->directory = graft_u32(end + 16);
    if (graft_u16(end + 4) != 0 || graft_u16(end + 6) != 0 || graft_u16(end + 8) != archive->entries ||
        graft_u16(end + 20) != 0)
        return bad_directory();
    if (at >= LOCATOR && is_at(archive, at - LOCATOR, LOCATOR, "PK\6\7"))
        return read_zip64(archive, end);
    if (archive->directory + archive->directory_size != at)
        return bad_directory();
    return GRAFT_OK;
}

/* Takes the next u64 of a zip64 field where `*value` is all ones. */
static bool widen(uint64_t *value, const uint8_t **at, size_t *left)
{
    if (*value != ALL_ONES)
        return true;
    if (*left < 8)
        return false;
    *value = graft_u64(*at);
    *at += 8;
    *left -= 8;
    return true;
}

/* Walks the extra fields; the one of zip64 gives what does not fit into 32 bits. */
static bool read_extra(struct header *header, const uint8_t *extra, size_t length)
{
    bool seen = false;
    bool wants = header->size == ALL_ONES || header->packed == ALL_ONES || header->offset == ALL_ONES;
    while (length >= 4) {
        size_t field = graft_u16(extra + 2);
        if (field > length - 4)
            return false;
        if (graft_u16(extra) == EXTRA_ZIP64 && wants) {
            const uint8_t *at = extra + 4;
            size_t left = field;
            if (seen || !widen(&header->size, &at, &left) || !widen(&header->packed, &at, &left) ||
                !widen(&header->offset, &at, &left))
                return false;
            seen = true;
        }
        extra += 4 + field;
        length -= 4 + field;
    }
    return length == 0 && seen == wants;
}

static bool read_central(struct header *header, const struct archive *archive, uint64_t at)
{
    uint64_t end = archive->directory + archive->directory_size;
    if (!graft_range_fits(at, CENTRAL, end) || !is_at(archive, at, CENTRAL, "PK\1\2"))
        return false;
    const uint8_t *bytes = archive->bytes + at;
    uint64_t extra = graft_u16(bytes + 30), comment = graft_u16(bytes + 32);
    *header = (struct header){
        .flags = graft_u16(bytes + 8),
        .method = graft_u16(bytes + 10),
        .crc = graft_u32(bytes + 16),
        .packed = graft_u32(bytes + 20),
        .size = graft_u32(bytes + 24),
        .name_length = graft_u16(bytes + 28),
        .offset = graft_u32(bytes + 42),
        .name = bytes + CENTRAL,
    };
    uint64_t length = CENTRAL + header->name_length + extra + comment;
    if (!graft_range_fits(at, length, end) || graft_u16(bytes + 34) != 0)
        return false;
    header->end = at + length;
    return read_extra(header, header->name + header->name_length, (size_t)extra);
}

static bool read_local(struct header *header, const struct archive *archive, uint64_t at)
{
    if (!graft_range_fits(at, LOCAL, archive->directory) || !is_at(archive, at, LOCAL, "PK\3\4"))
        return false;
    const uint8_t *bytes = archive->bytes + at;
    uint64_t extra = graft_u16(bytes + 28);
    *header = (struct header){
        .flags = graft_u16(bytes + 6),
        .method = graft_u16(bytes + 8),
        .crc = graft_u32(bytes + 14),
        .packed = graft_u32(bytes + 18),
        .size = graft_u32(bytes + 22),
        .name_length = graft_u16(bytes + 26),
        .name = bytes + LOCAL,
    };
    uint64_t length = LOCAL + header->name_length + extra;
    if (!graft_range_fits(at, length, archive->directory))
        return false;
    header->end = at + length;
    return read_extra(header, header->name + header->name_length, (size_t)extra);
}

static bool same(const struct header *local, const struct header *central)
{
    if (local->flags != central->flags || local->method != central->method ||
        local->name_length != central->name_length ||
        memcmp(local->name, central->name, local->name_length) != 0)
        return false;
    return (local->flags & FLAG_DESCRIPTOR) ||
           (local->crc == central->crc && local->packed == central->packed && local->size == central->size);
}

static graft_status check_kind(const struct header *header, const char *name)
{
    if (header->method != 0)
        return graft_fail(
            GRAFT_EFORMAT,
            "its entry %.200s is compressed: not written by torch.save (a TorchScript program?)", name);
    if (header->flags & ~(FLAG_DESCRIPTOR | FLAG_UTF8))
        return graft_fail(GRAFT_EFORMAT, "its entry %.200s has the zip flags %#x, which are not read", name,
                          header->flags);
    if (header->packed != header->size)
        return graft_fail(GRAFT_EFORMAT, "its entry %.200s is stored in another size than its own", name);
    return GRAFT_OK;
}

static graft_status read_name(const char **name, graft_arena *arena, const struct header *header)
{
    const char *text = (const char *)header->name;
    if (header->name_length == 0 || memchr(text, 0, header->name_length) ||
        !graft_text_is_utf8(text, header->name_length))
        return graft_fail(GRAFT_EFORMAT, "an entry of its zip directory has no proper name");
    return graft_arena_format(arena, name, "%.*s", (int)header->name_length, text);
}

static graft_status read_entry(graft_zip_entry *entry, graft_arena *arena, const struct archive *archive,
                               uint64_t *at)
{
    graft_status status;
    struct header central, local;
    if (!read_central(&central, archive, *at))
        return bad_directory();
    GRAFT_TRY(read_name(&entry->name, arena, &central));
    GRAFT_TRY(check_kind(&central, entry->name));
    if (!read_local(&local, archive, central.offset) || !same(&local, &central))
        return graft_fail(GRAFT_EFORMAT, "its entry %.200s differs from what its zip directory says",
                          entry->name);
    if (!graft_range_fits(local.end, central.size, archive->directory))
        return graft_fail(GRAFT_EFORMAT, "its entry %.200s reaches beyond the zip archive's data",
                          entry->name);
    entry->data = archive->bytes + local.end;
    entry->size = (size_t)central.size;
    entry->header = (size_t)central.offset;
    *at = central.end;
out:
    return status;
}

static int by_place(const void *a, const void *b)
{
    const graft_zip_entry *one = a, *other = b;
    return (one->header > other->header) - (one->header < other->header);
}

static int by_name(const void *a, const void *b)
{
    const graft_zip_entry *one = a, *other = b;
    return strcmp(one->name, other->name);
}

static graft_status check_overlaps(graft_zip *zip, const uint8_t *bytes)
{
    qsort(zip->entries, zip->count, sizeof *zip->entries, by_place);
    for (size_t i = 1; i < zip->count; i++) {
        const graft_zip_entry *entry = &zip->entries[i - 1];
        if (entry[1].header < (size_t)(entry->data - bytes) + entry->size)
            return graft_fail(GRAFT_EFORMAT, "its entries %.200s and %.200s overlap", entry->name,
                              entry[1].name);
    }
    return GRAFT_OK;
}

static graft_status sort_by_name(graft_zip *zip)
{
    qsort(zip->entries, zip->count, sizeof *zip->entries, by_name);
    for (size_t i = 1; i < zip->count; i++)
        if (by_name(&zip->entries[i - 1], &zip->entries[i]) == 0)
            return graft_fail(GRAFT_EFORMAT, "two of its entries are named %.200s", zip->entries[i].name);
    return GRAFT_OK;
}

graft_status graft_zip_read(graft_zip *zip, graft_arena *arena, const uint8_t *bytes, size_t size)
{
    graft_status status;
    struct archive archive = {.bytes = bytes, .size = size};
    graft_zip fresh = {NULL, 0};
    GRAFT_TRY(read_end(&archive));
    if (archive.entries > MOST_ENTRIES || archive.entries > archive.directory_size / CENTRAL)
        return graft_fail(GRAFT_EFORMAT, "its zip directory promises %llu entries, which cannot be",
                          (unsigned long long)archive.entries);
    fresh.count = (size_t)archive.entries;
    GRAFT_TRY(GRAFT_ARENA_NEW(arena, &fresh.entries, fresh.count));
    uint64_t at = archive.directory;
    for (size_t i = 0; i < fresh.count; i++)
        GRAFT_TRY(read_entry(&fresh.entries[i], arena, &archive, &at));
    if (at != archive.directory + archive.directory_size)
        return bad_directory();
    GRAFT_TRY(check_overlaps(&fresh, bytes));
    GRAFT_TRY(sort_by_name(&fresh));
    *zip = fresh;
out:
    return status;
}

static int with_name(const void *name, const void *entry)
{
    return strcmp(name, ((const graft_zip_entry *)entry)->name);
}

const graft_zip_entry *graft_zip_find(const graft_zip *zip, const char *name)
{
    return bsearch(name, zip->entries, zip->count, sizeof *zip->entries, with_name);
}
