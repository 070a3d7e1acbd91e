/* The one thing that is needed from EXIF: the orientation, tag 274 of the first directory.
 *
 *   block     = ("II" | "MM") u16(42) u32(offset of the first directory) ...
 *   directory = u16(entries) entry*
 *   entry     = u16(tag) u16(type) u32(count) u32(value, or its offset where it is longer than 4 bytes)
 *
 * All offsets count from the block's first byte. Whatever does not fit in the block ends the search: a
 * picture with broken EXIF is shown as it is stored. */
#include "base/checked.h"
#include "image/codec.h"

enum { TAG_ORIENTATION = 274, TYPE_SHORT = 3, TYPE_LONG = 4, ENTRY = 12 };

static uint32_t read_number(const uint8_t *at, int bytes, bool big)
{
    uint32_t value = 0;
    for (int i = 0; i < bytes; i++)
        value |= (uint32_t)at[i] << 8 * (big ? bytes - 1 - i : i);
    return value;
}

/* The first value of an entry, 0 where it is not a number or lies outside. */
static uint32_t entry_value(const uint8_t *exif, size_t size, const uint8_t *entry, bool big)
{
    uint32_t type = read_number(entry + 2, 2, big), count = read_number(entry + 4, 4, big);
    int bytes = type == TYPE_SHORT ? 2 : type == TYPE_LONG ? 4 : 0;
    if (bytes == 0 || count == 0)
        return 0;
    uint64_t length = (uint64_t)count * (uint64_t)bytes;
    if (length <= 4)
        return read_number(entry + 8, bytes, big);
    uint32_t offset = read_number(entry + 8, 4, big);
    return graft_range_fits(offset, length, size) ? read_number(exif + offset, bytes, big) : 0;
}

int graft_exif_orientation(const uint8_t *exif, size_t size)
{
    if (size < 8 || exif[0] != exif[1] || (exif[0] != 'I' && exif[0] != 'M'))
        return 1;
    bool big = exif[0] == 'M';
    uint32_t directory = read_number(exif + 4, 4, big);
    if (read_number(exif + 2, 2, big) != 42 || !graft_range_fits(directory, 2, size))
        return 1;
    uint32_t entries = read_number(exif + directory, 2, big);
    uint32_t orientation = 1;
    for (uint32_t i = 0; i < entries; i++) {
        uint64_t at = (uint64_t)directory + 2 + (uint64_t)i * ENTRY;
        if (!graft_range_fits(at, ENTRY, size))
            break;
        if (read_number(exif + at, 2, big) == TAG_ORIENTATION)
            orientation = entry_value(exif, size, exif + at, big);
    }
    return orientation >= 1 && orientation <= 8 ? (int)orientation : 1;
}
