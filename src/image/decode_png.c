/* PNG, by libpng: every colour type and depth, interlaced or not, eXIf orientation.
 *
 * libpng expands palettes, small depths, grey and transparent colours, so that a row arrives as RGB or RGBA.
 * 16 bits become the upper 8, as most viewers show them; except that Pillow reads 16-bit grey as integers and
 * saturates them at 255, which as-pillow repeats. Colour profiles and texts are skipped unread. libpng
 * reports an error by a jump back to graft_png_decode: everything that is to be released hangs on `struct
 * reader`. */
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <png.h>

#include "base/memory.h"
#include "base/status.h"
#include "image/codec.h"

struct reader {
    png_structp png;
    png_infop info;
    graft_canvas canvas;
    png_bytepp rows;
    uint8_t *deep; /* 16-bit grey, (height, width, 2), big-endian; NULL otherwise */
    const graft_encoded *encoded;
    size_t position;
    bool ended;
    char cause[160];
};

static void on_error(png_structp png, png_const_charp message)
{
    struct reader *reader = png_get_error_ptr(png);
    snprintf(reader->cause, sizeof reader->cause, "%s", message);
    png_longjmp(png, 1);
}

static void on_warning(png_structp png, png_const_charp message)
{
    (void)png;
    (void)message;
}

static void on_read(png_structp png, png_bytep out, size_t size)
{
    struct reader *reader = png_get_io_ptr(png);
    if (size > reader->encoded->size - reader->position) {
        reader->ended = true;
        png_error(png, "ends early");
    }
    memcpy(out, reader->encoded->bytes + reader->position, size);
    reader->position += size;
}

static graft_status open_reader(struct reader *reader)
{
    reader->png = png_create_read_struct(PNG_LIBPNG_VER_STRING, reader, on_error, on_warning);
    if (reader->png)
        reader->info = png_create_info_struct(reader->png);
    if (!reader->info)
        return graft_fail(GRAFT_EMEMORY, "out of memory: libpng needs more");
    png_set_read_fn(reader->png, reader, on_read);
    return GRAFT_OK;
}

/* Compressed texts and profiles could grow to anything. */
static void skip_ancillary(struct reader *reader)
{
    static const png_byte skipped[] = "iCCP\0iTXt\0sPLT\0tEXt\0zTXt";
    png_set_keep_unknown_chunks(reader->png, PNG_HANDLE_CHUNK_NEVER, skipped, sizeof skipped / 5);
}

/* Pillow's palettes begin as a ramp of greys: an index past the file's entries is its own grey. */
static void complete_palette(struct reader *reader, int depth)
{
    png_colorp given;
    int count;
    if (!png_get_PLTE(reader->png, reader->info, &given, &count))
        return;
    png_color palette[256];
    for (int i = 0; i < 256; i++)
        palette[i] = i < count ? given[i] : (png_color){(png_byte)i, (png_byte)i, (png_byte)i};
    png_set_PLTE(reader->png, reader->info, palette, 1 << depth);
}

/* Sets libpng's transformations and makes what the rows go to. */
static graft_status prepare(struct reader *reader)
{
    png_structp png = reader->png;
    png_uint_32 width = png_get_image_width(png, reader->info);
    png_uint_32 height = png_get_image_height(png, reader->info);
    int depth = png_get_bit_depth(png, reader->info), type = png_get_color_type(png, reader->info);
    bool clear = png_get_valid(png, reader->info, PNG_INFO_tRNS) != 0;
    bool deep_grey = type == PNG_COLOR_TYPE_GRAY && depth == 16 && reader->encoded->sight == GRAFT_AS_PILLOW;
    int channels = !deep_grey && (clear || type & PNG_COLOR_MASK_ALPHA) ? 4 : 3;
    graft_status status = graft_canvas_create(&reader->canvas, reader->encoded, width, height, channels);
    if (status != GRAFT_OK)
        return status;
    if (deep_grey)
        return graft_allocate_aligned(&reader->deep, (size_t)width * height * 2);
    if (type == PNG_COLOR_TYPE_PALETTE)
        complete_palette(reader, depth);
    if (type == PNG_COLOR_TYPE_PALETTE || depth < 8 || clear)
        png_set_expand(png);
    if (depth == 16)
        png_set_strip_16(png);
    if (!(type & PNG_COLOR_MASK_COLOR))
        png_set_gray_to_rgb(png);
    return GRAFT_OK;
}

static graft_status read_rows(struct reader *reader)
{
    graft_canvas *canvas = &reader->canvas;
    png_set_interlace_handling(reader->png);
    png_read_update_info(reader->png, reader->info);
    size_t stride = png_get_rowbytes(reader->png, reader->info);
    size_t expected = (size_t)canvas->width * (reader->deep ? 2U : (size_t)canvas->channels);
    if (stride != expected)
        return graft_fail(GRAFT_EINTERNAL, "PNG rows of %zu bytes came where %zu were expected", stride,
                          expected);
    graft_status status = GRAFT_NEW_ARRAY(&reader->rows, (size_t)canvas->height);
    if (status != GRAFT_OK)
        return status;
    for (int y = 0; y < canvas->height; y++)
        reader->rows[y] = (reader->deep ? reader->deep : canvas->pixels) + (size_t)y * stride;
    png_read_image(reader->png, reader->rows);
    png_read_end(reader->png, reader->info);
    return GRAFT_OK;
}

static void saturate(struct reader *reader)
{
    size_t count = (size_t)reader->canvas.width * (size_t)reader->canvas.height;
    for (size_t i = 0; i < count; i++) {
        uint8_t value = reader->deep[2 * i] ? 255 : reader->deep[2 * i + 1];
        memset(reader->canvas.pixels + 3 * i, value, 3);
    }
}

static int orientation_of(struct reader *reader)
{
    png_bytep exif;
    png_uint_32 size;
    if (!png_get_eXIf_1(reader->png, reader->info, &size, &exif))
        return 1;
    return graft_exif_orientation(exif, size);
}

static graft_status read_picture(struct reader *reader)
{
    skip_ancillary(reader);
    png_read_info(reader->png, reader->info);
    graft_status status = prepare(reader);
    if (status == GRAFT_OK)
        status = read_rows(reader);
    if (status != GRAFT_OK)
        return status;
    if (reader->deep)
        saturate(reader);
    if (reader->encoded->sight == GRAFT_AS_SEEN)
        reader->canvas.orientation = orientation_of(reader);
    return GRAFT_OK;
}

static graft_status refuse(const struct reader *reader)
{
    if (reader->ended)
        return graft_fail(GRAFT_EFORMAT, "ends early (after %zu bytes)", reader->encoded->size);
    return graft_fail(GRAFT_EFORMAT, "damaged PNG: %s", reader->cause);
}

graft_status graft_png_decode(graft_canvas *canvas, const graft_encoded *encoded)
{
    struct reader reader = {.encoded = encoded};
    graft_status status = open_reader(&reader);
    if (status != GRAFT_OK)
        ; /* half a reader: only to be released */
    else if (setjmp(png_jmpbuf(reader.png)) == 0)
        status = read_picture(&reader);
    else
        status = refuse(&reader);
    png_destroy_read_struct(&reader.png, &reader.info, NULL);
    free(reader.rows);
    free(reader.deep);
    if (status == GRAFT_OK)
        *canvas = reader.canvas;
    else
        graft_canvas_dispose(&reader.canvas);
    return status;
}

bool graft_png_sniff(const uint8_t *bytes, size_t size)
{
    return size >= 8 && png_sig_cmp(bytes, 0, 8) == 0;
}
