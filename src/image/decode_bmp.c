/* BMP (Windows 3 and later, OS/2 1), as Pillow reads it.
 *
 *   file   = "BM" u32(size) u32(0) u32(offset of the pixels) header [masks] palette ... pixels
 *   header = u32(12) u16 width, height, planes, bits                                      (OS/2)
 *          | u32(40 | 64 | 108 | 124) i32 width, height; u16 planes, bits; u32 compression, size;
 *            i32 pixels a metre twice; u32 colours, important colours; [masks in the longer ones] ...
 *   palette = (blue green red [0])*
 *
 * All numbers little-endian; rows from the bottom up, each padded to four bytes; a negative height says from
 * the top down. 1, 4 and 8 bits go through the palette; 16 are 5:5:5 or 5:6:5; 24; 32 with alpha only where
 * the masks say so. Run lengths (RLE4, RLE8) and embedded JPEG or PNG are refused by name. */
#include <string.h>

#include "base/checked.h"
#include "base/status.h"
#include "image/codec.h"

enum {
    FILE_HEADER = 14,
    HEADER_OS2 = 12,
    HEADER_WINDOWS = 40,
    RAW = 0,
    RLE8,
    RLE4,
    BITFIELDS,
    MOST_COLOURS = 65536 /* more than 256 cannot be used, but are found */
};

/* Where a colour lies in a pixel of 16, 24 or 32 bits. */
struct layout {
    int bits;
    uint32_t red, green, blue, alpha; /* masks; alpha 0: none */
};

/* The layouts that exist; Pillow knows the same. */
static const struct layout layouts[] = {
    {16, 0x7C00, 0x03E0, 0x001F, 0},          {16, 0xF800, 0x07E0, 0x001F, 0},
    {24, 0xFF0000, 0xFF00, 0xFF, 0},          {32, 0xFF0000, 0xFF00, 0xFF, 0},
    {32, 0xFF0000, 0xFF00, 0xFF, 0xFF000000}, {32, 0xFF000000, 0xFF0000, 0xFF00, 0},
    {32, 0xFF000000, 0xFF0000, 0xFF00, 0xFF}, {32, 0xFF, 0xFF00, 0xFF0000, 0xFF000000},
};

struct bitmap {
    const graft_encoded *encoded;
    uint32_t header;
    int64_t width, height;
    bool top_down;
    uint32_t bits, compression, colours;
    size_t palette_at, palette_entry;
    size_t pixels_at, stride;
    struct layout layout;
    uint8_t palette[256][3];
};

static uint32_t u16(const uint8_t *at)
{
    return (uint32_t)at[0] | (uint32_t)at[1] << 8;
}

static uint32_t u32(const uint8_t *at)
{
    return u16(at) | u16(at + 2) << 16;
}

static graft_status need(const graft_encoded *encoded, uint64_t offset, uint64_t length)
{
    if (graft_range_fits(offset, length, encoded->size))
        return GRAFT_OK;
    return graft_fail(GRAFT_EFORMAT, "ends early (%zu of %llu bytes)", encoded->size,
                      (unsigned long long)(offset + length));
}

static void read_os2(struct bitmap *bitmap, const uint8_t *at)
{
    bitmap->width = u16(at + 4);
    bitmap->height = u16(at + 6);
    bitmap->bits = u16(at + 10);
    bitmap->palette_entry = 3;
}

static void read_windows(struct bitmap *bitmap, const uint8_t *at)
{
    bitmap->width = u32(at + 4);
    bitmap->height = u32(at + 8);
    bitmap->top_down = bitmap->height >= INT64_C(0x80000000);
    if (bitmap->top_down)
        bitmap->height = INT64_C(0x100000000) - bitmap->height;
    bitmap->bits = u16(at + 14);
    bitmap->compression = u32(at + 16);
    bitmap->colours = u32(at + 32);
    bitmap->palette_entry = 4;
}

static graft_status read_header(struct bitmap *bitmap)
{
    const uint8_t *bytes = bitmap->encoded->bytes;
    graft_status status = need(bitmap->encoded, FILE_HEADER, 4);
    if (status != GRAFT_OK)
        return status;
    uint32_t header = bitmap->header = u32(bytes + FILE_HEADER);
    if (header != HEADER_OS2 && header != HEADER_WINDOWS && header != 64 && header != 108 && header != 124)
        return graft_fail(GRAFT_EFORMAT, "BMP with a header of %u bytes is not read", header);
    status = need(bitmap->encoded, FILE_HEADER, header);
    if (status != GRAFT_OK)
        return status;
    if (header == HEADER_OS2)
        read_os2(bitmap, bytes + FILE_HEADER);
    else
        read_windows(bitmap, bytes + FILE_HEADER);
    bitmap->palette_at = FILE_HEADER + header;
    bitmap->pixels_at = u32(bytes + 10);
    return GRAFT_OK;
}

/* Masks stand in the longer headers, behind the one of 40 bytes, and nowhere else. */
static graft_status read_masks(struct bitmap *bitmap, struct layout *wanted)
{
    bool inside = bitmap->header >= 108;
    const size_t at = FILE_HEADER + HEADER_WINDOWS;
    graft_status status = need(bitmap->encoded, at, inside ? 16 : 12);
    if (status != GRAFT_OK)
        return status;
    const uint8_t *masks = bitmap->encoded->bytes + at;
    *wanted = (struct layout){(int)bitmap->bits, u32(masks), u32(masks + 4), u32(masks + 8),
                              inside && bitmap->bits == 32 ? u32(masks + 12) : 0};
    if (!inside)
        bitmap->palette_at += 12;
    if (bitmap->bits == 32 && !wanted->red && !wanted->green && !wanted->blue && !wanted->alpha)
        *wanted = layouts[4]; /* no masks at all: blue, green, red, alpha */
    return GRAFT_OK;
}

static graft_status choose_layout(struct bitmap *bitmap)
{
    struct layout wanted = {(int)bitmap->bits, 0, 0, 0, 0};
    if (bitmap->compression == BITFIELDS) {
        graft_status status = read_masks(bitmap, &wanted);
        if (status != GRAFT_OK)
            return status;
    }
    for (size_t i = 0; i < sizeof layouts / sizeof *layouts; i++) {
        const struct layout *layout = &layouts[i];
        bool same = layout->red == wanted.red && layout->green == wanted.green &&
                    layout->blue == wanted.blue && layout->alpha == wanted.alpha;
        if (layout->bits != wanted.bits || (bitmap->compression == BITFIELDS && !same))
            continue;
        bitmap->layout = *layout;
        return GRAFT_OK;
    }
    return graft_fail(GRAFT_EFORMAT, "BMP of %u bits with unusual colour masks is not read", bitmap->bits);
}

static graft_status check_kind(struct bitmap *bitmap)
{
    if (bitmap->compression == RLE8 || bitmap->compression == RLE4)
        return graft_fail(GRAFT_EFORMAT, "BMP with run lengths (RLE%d) is not read",
                          bitmap->compression == RLE8 ? 8 : 4);
    if (bitmap->compression > BITFIELDS)
        return graft_fail(GRAFT_EFORMAT, "BMP with compression %u is not read", bitmap->compression);
    uint32_t bits = bitmap->bits;
    if (bits == 16 || bits == 24 || bits == 32)
        return choose_layout(bitmap);
    if ((bits != 1 && bits != 4 && bits != 8) || bitmap->compression != RAW)
        return graft_fail(GRAFT_EFORMAT, "BMP of %u bits a pixel is not read", bits);
    if (bitmap->colours == 0)
        bitmap->colours = 1U << bits;
    if (bitmap->colours > MOST_COLOURS)
        return graft_fail(GRAFT_EFORMAT, "damaged BMP: a palette of %u colours", bitmap->colours);
    return GRAFT_OK;
}

/* Begins as a ramp of greys, as Pillow's do: an index past the file's entries is its own grey. */
static graft_status read_palette(struct bitmap *bitmap)
{
    graft_status status =
        need(bitmap->encoded, bitmap->palette_at, bitmap->colours * (uint64_t)bitmap->palette_entry);
    if (status != GRAFT_OK)
        return status;
    for (uint32_t i = 0; i < 256; i++) {
        const uint8_t *entry = bitmap->encoded->bytes + bitmap->palette_at + i * bitmap->palette_entry;
        for (int c = 0; c < 3; c++)
            bitmap->palette[i][c] = i < bitmap->colours ? entry[2 - c] : (uint8_t)i;
    }
    size_t end = bitmap->palette_at + bitmap->colours * bitmap->palette_entry;
    if (bitmap->pixels_at == bitmap->palette_at) /* some writers forget that the palette lies in between */
        bitmap->pixels_at += 4 * (size_t)bitmap->colours;
    if (bitmap->pixels_at == 0)
        bitmap->pixels_at = end;
    return GRAFT_OK;
}

/* The last row's padding may be missing. */
static graft_status check_pixels(struct bitmap *bitmap)
{
    if (bitmap->pixels_at == 0)
        bitmap->pixels_at = bitmap->palette_at;
    if (bitmap->width <= 0 || bitmap->height <= 0)
        return GRAFT_OK;                                    /* refused with the canvas */
    uint64_t bits = (uint64_t)bitmap->width * bitmap->bits; /* below 2^37 */
    bitmap->stride = (size_t)((bits + 31) / 32 * 4);
    uint64_t length = bitmap->stride * (uint64_t)(bitmap->height - 1) + (bits + 7) / 8; /* below 2^66 */
    if (bitmap->stride > UINT64_MAX / 4 / (uint64_t)bitmap->height)
        length = UINT64_MAX / 4;
    return need(bitmap->encoded, bitmap->pixels_at, length);
}

static void unpack_palette(uint8_t *out, const uint8_t *in, const struct bitmap *bitmap)
{
    uint32_t bits = bitmap->bits, mask = (1U << bits) - 1;
    for (int64_t x = 0; x < bitmap->width; x++, out += 3) {
        uint64_t bit = (uint64_t)x * bits;
        uint32_t index = (uint32_t)in[bit / 8] >> (8 - bits - bit % 8) & mask;
        memcpy(out, bitmap->palette[index], 3);
    }
}

static uint8_t extract(uint32_t pixel, uint32_t mask)
{
    uint32_t unit = mask & (~mask + 1);
    return (uint8_t)((pixel & mask) / unit * 255 / (mask / unit));
}

static void unpack_colours(uint8_t *out, const uint8_t *in, const struct bitmap *bitmap)
{
    const struct layout *layout = &bitmap->layout;
    for (int64_t x = 0; x < bitmap->width; x++, in += layout->bits / 8) {
        uint32_t pixel = layout->bits == 16   ? u16(in)
                         : layout->bits == 24 ? u16(in) | (uint32_t)in[2] << 16
                                              : u32(in);
        *out++ = extract(pixel, layout->red);
        *out++ = extract(pixel, layout->green);
        *out++ = extract(pixel, layout->blue);
        if (layout->alpha)
            *out++ = extract(pixel, layout->alpha);
    }
}

static void unpack(graft_canvas *canvas, const struct bitmap *bitmap)
{
    const uint8_t *pixels = bitmap->encoded->bytes + bitmap->pixels_at;
    size_t row = (size_t)canvas->width * (size_t)canvas->channels;
    for (int y = 0; y < canvas->height; y++) {
        size_t stored = (size_t)(bitmap->top_down ? y : canvas->height - 1 - y);
        uint8_t *out = canvas->pixels + (size_t)y * row;
        if (bitmap->bits <= 8)
            unpack_palette(out, pixels + stored * bitmap->stride, bitmap);
        else
            unpack_colours(out, pixels + stored * bitmap->stride, bitmap);
    }
}

graft_status graft_bmp_decode(graft_canvas *out, const graft_encoded *encoded)
{
    struct bitmap bitmap = {.encoded = encoded};
    graft_canvas canvas;
    graft_status status;
    GRAFT_TRY(read_header(&bitmap));
    GRAFT_TRY(check_kind(&bitmap));
    if (bitmap.bits <= 8)
        GRAFT_TRY(read_palette(&bitmap));
    GRAFT_TRY(check_pixels(&bitmap));
    GRAFT_TRY(
        graft_canvas_create(&canvas, encoded, bitmap.width, bitmap.height, bitmap.layout.alpha ? 4 : 3));
    unpack(&canvas, &bitmap);
    *out = canvas;
out:
    return status;
}

bool graft_bmp_sniff(const uint8_t *bytes, size_t size)
{
    return size >= FILE_HEADER && bytes[0] == 'B' && bytes[1] == 'M';
}
