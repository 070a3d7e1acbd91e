/* TIFF, by libtiff, the first picture of a file: strips and tiles, contiguous and separate planes, every
 * compression that libtiff has; grey of 1, 2, 4, 8 and 16 bits, palettes, RGB, CMYK and YCbCr, with alpha.
 *
 * libtiff gives the samples of a strip or tile as the file has them; they are brought to 8 bits and spread
 * over the canvas, and then each pixel is turned into RGB or RGBA in place. 16 bits become the upper 8,
 * except that as-pillow saturates 16-bit grey at 255, as Pillow does. Pillow turns a TIFF upright for
 * everybody, so both sights do. libtiff's messages are caught a handle: the first error is the sentence, and
 * a warning that an embedded JPEG ends early is an error too. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <tiffio.h>

#include "base/checked.h"
#include "base/memory.h"
#include "base/status.h"
#include "image/codec.h"

enum { RED_GREEN_BLUE = 3, MOST_SAMPLES = 6 };

struct reader {
    TIFF *tiff;
    const graft_encoded *encoded;
    uint64_t position;
    char cause[160];
    bool cut;    /* an embedded JPEG ends early */
    bool unsaid; /* libtiff has made up what the samples after the colour are */
    graft_canvas canvas;
    uint8_t *block; /* one decoded strip or tile */
    uint32_t width, height;
    uint16_t bits, samples, photometric, planar;
    int colours;          /* samples that make the colour: 1, 3, 4 */
    bool alpha;           /* one more is alpha */
    bool associated;      /* and the colour is multiplied by it */
    uint16_t *palette[3]; /* libtiff's */
};

/* ---- Memory as a file */

static tmsize_t on_read(thandle_t handle, void *out, tmsize_t size)
{
    struct reader *reader = handle;
    uint64_t left = reader->position < reader->encoded->size ? reader->encoded->size - reader->position : 0;
    uint64_t count = size < 0 ? 0 : (uint64_t)size < left ? (uint64_t)size : left;
    memcpy(out, reader->encoded->bytes + (reader->encoded->size - left), (size_t)count);
    reader->position += count;
    return (tmsize_t)count;
}

static tmsize_t on_write(thandle_t handle, void *bytes, tmsize_t size)
{
    (void)handle, (void)bytes, (void)size;
    return -1;
}

static toff_t on_seek(thandle_t handle, toff_t offset, int whence)
{
    struct reader *reader = handle;
    uint64_t base = whence == SEEK_SET ? 0 : whence == SEEK_CUR ? reader->position : reader->encoded->size;
    reader->position = base + offset; /* wraps as libtiff expects of a negative offset */
    return reader->position;
}

static int on_close(thandle_t handle)
{
    (void)handle;
    return 0;
}

static toff_t on_size(thandle_t handle)
{
    return ((struct reader *)handle)->encoded->size;
}

static int on_map(thandle_t handle, void **base, toff_t *size)
{
    struct reader *reader = handle;
    *base = (void *)(uintptr_t)reader->encoded->bytes; /* never written: opened for reading */
    *size = reader->encoded->size;
    return 1;
}

static void on_unmap(thandle_t handle, void *base, toff_t size)
{
    (void)handle, (void)base, (void)size;
}

/* ---- Messages; 1 tells libtiff that they are dealt with */

static int on_error(TIFF *tiff, void *context, const char *module, const char *format, va_list arguments)
{
    struct reader *reader = context;
    (void)tiff, (void)module;
    if (!reader->cause[0])
        vsnprintf(reader->cause, sizeof reader->cause, format, arguments);
    return 1;
}

static int on_warning(TIFF *tiff, void *context, const char *module, const char *format, va_list arguments)
{
    struct reader *reader = context;
    char message[160];
    (void)tiff, (void)module;
    vsnprintf(message, sizeof message, format, arguments);
    if (strstr(message, "Premature end of JPEG"))
        reader->cut = true;
    if (strstr(message, "Defining non-color channels as ExtraSamples"))
        reader->unsaid = true;
    return 1;
}

static graft_status refuse(const struct reader *reader)
{
    if (reader->cut)
        return graft_fail(GRAFT_EFORMAT, "ends early (inside the JPEG that the TIFF holds)");
    return graft_fail(GRAFT_EFORMAT, "damaged TIFF: %s", reader->cause[0] ? reader->cause : "no cause given");
}

static graft_status open_tiff(struct reader *reader)
{
    TIFFOpenOptions *options = TIFFOpenOptionsAlloc();
    if (!options)
        return graft_fail(GRAFT_EMEMORY, "out of memory: libtiff needs more");
    TIFFOpenOptionsSetErrorHandlerExtR(options, on_error, reader);
    TIFFOpenOptionsSetWarningHandlerExtR(options, on_warning, reader);
    TIFFOpenOptionsSetMaxSingleMemAlloc(options, (tmsize_t)reader->encoded->max_pixels * 8 + (1 << 20));
    reader->tiff = TIFFClientOpenExt("picture", "r", reader, on_read, on_write, on_seek, on_close, on_size,
                                     on_map, on_unmap, options);
    TIFFOpenOptionsFree(options);
    return reader->tiff ? GRAFT_OK : refuse(reader);
}

/* ---- What the file holds */

static graft_status unread(const char *what)
{
    return graft_fail(GRAFT_EFORMAT, "TIFF with %s is not read", what);
}

static graft_status read_kind(struct reader *reader)
{
    TIFF *tiff = reader->tiff;
    uint16_t format = SAMPLEFORMAT_UINT;
    if (!TIFFGetField(tiff, TIFFTAG_IMAGEWIDTH, &reader->width) ||
        !TIFFGetField(tiff, TIFFTAG_IMAGELENGTH, &reader->height))
        return unread("no size");
    TIFFGetFieldDefaulted(tiff, TIFFTAG_BITSPERSAMPLE, &reader->bits);
    TIFFGetFieldDefaulted(tiff, TIFFTAG_SAMPLESPERPIXEL, &reader->samples);
    TIFFGetFieldDefaulted(tiff, TIFFTAG_PLANARCONFIG, &reader->planar);
    TIFFGetFieldDefaulted(tiff, TIFFTAG_SAMPLEFORMAT, &format);
    TIFFGetField(tiff, TIFFTAG_PHOTOMETRIC, &reader->photometric); /* without: white is zero, as in Pillow */
    if (format != SAMPLEFORMAT_UINT)
        return unread("signed or floating-point samples");
    if (reader->bits != 1 && reader->bits != 2 && reader->bits != 4 && reader->bits != 8 &&
        reader->bits != 16)
        return graft_fail(GRAFT_EFORMAT, "TIFF of %u bits a sample is not read", reader->bits);
    if (reader->samples == 0 || reader->samples > MOST_SAMPLES)
        return graft_fail(GRAFT_EFORMAT, "TIFF of %u samples a pixel is not read", reader->samples);
    return GRAFT_OK;
}

static graft_status read_colours(struct reader *reader)
{
    switch (reader->photometric) {
    case PHOTOMETRIC_MINISWHITE:
    case PHOTOMETRIC_MINISBLACK:
        reader->colours = 1;
        break;
    case PHOTOMETRIC_PALETTE:
        reader->colours = 1;
        if (reader->bits > 8 || !TIFFGetField(reader->tiff, TIFFTAG_COLORMAP, &reader->palette[0],
                                              &reader->palette[1], &reader->palette[2]))
            return unread("a palette that is missing or deeper than 8 bits");
        break;
    case PHOTOMETRIC_RGB:
    case PHOTOMETRIC_YCBCR:
        reader->colours = RED_GREEN_BLUE;
        break;
    case PHOTOMETRIC_SEPARATED:
        reader->colours = 4;
        break;
    default:
        return graft_fail(GRAFT_EFORMAT, "TIFF of colour space %u is not read", reader->photometric);
    }
    if (reader->samples < reader->colours || (reader->samples > 1 && reader->bits < 8))
        return unread("an unusual number of samples");
    return GRAFT_OK;
}

/* The first extra sample may be alpha; four samples of RGB without a word about the fourth are RGBA. */
static void read_alpha(struct reader *reader)
{
    uint16_t count = 0, *kinds = NULL;
    TIFFGetFieldDefaulted(reader->tiff, TIFFTAG_EXTRASAMPLES, &count, &kinds);
    if (reader->samples <= reader->colours || reader->colours == 4)
        return;
    bool made_up = count == 0 || (reader->unsaid && reader->colours == RED_GREEN_BLUE);
    uint16_t kind = made_up ? EXTRASAMPLE_UNASSALPHA : kinds[0];
    reader->associated = kind == EXTRASAMPLE_ASSOCALPHA;
    reader->alpha = kind == EXTRASAMPLE_ASSOCALPHA || kind == EXTRASAMPLE_UNASSALPHA;
}

/* ---- Samples to the canvas */

/* A sample of 8 bits or fewer keeps its value if it is an index; else it is spread over 0 to 255. */
static uint8_t sample_at(const struct reader *reader, const uint8_t *row, size_t index)
{
    unsigned bits = reader->bits;
    if (bits == 8)
        return row[index];
    if (bits == 16) {
        uint16_t value;
        memcpy(&value, row + 2 * index, 2);
        if (reader->colours == 1 && !reader->alpha && reader->encoded->sight == GRAFT_AS_PILLOW)
            return value > 255 ? 255 : (uint8_t)value;
        return (uint8_t)(value >> 8);
    }
    unsigned mask = (1U << bits) - 1;
    unsigned value = (unsigned)row[index * bits / 8] >> (8 - bits - index * bits % 8) & mask;
    return (uint8_t)(reader->photometric == PHOTOMETRIC_PALETTE ? value : value * (255 / mask));
}

/* Copies a block's samples to the canvas at (x, y): all of them, or those of one plane. */
static void place(struct reader *reader, uint32_t x, uint32_t y, uint32_t columns, uint32_t rows,
                  size_t stride, int plane)
{
    bool planes = reader->planar == PLANARCONFIG_SEPARATE;
    int kept = reader->colours + reader->alpha;
    size_t step = planes ? 1 : reader->samples, channels = (size_t)reader->canvas.channels;
    for (uint32_t r = 0; r < rows; r++) {
        const uint8_t *in = reader->block + r * stride;
        uint8_t *out = reader->canvas.pixels + ((size_t)(y + r) * reader->width + x) * channels;
        for (uint32_t c = 0; c < columns; c++, out += channels)
            for (int s = planes ? plane : 0; s < (planes ? plane + 1 : kept); s++)
                out[s] = sample_at(reader, in, c * step + (planes ? 0 : (size_t)s));
    }
}

static uint32_t smaller(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

/* A block must be neither shorter than its rows nor out of all proportion. */
static graft_status create_block(struct reader *reader, tmsize_t size, tmsize_t stride, uint32_t columns,
                                 uint32_t rows)
{
    uint64_t row =
        ((uint64_t)columns * reader->bits * (reader->planar == PLANARCONFIG_SEPARATE ? 1U : reader->samples) +
         7) /
        8;
    if (size <= 0 || stride <= 0 || (uint64_t)stride < row || rows == 0 ||
        (uint64_t)size / (uint64_t)stride < rows || size > reader->encoded->max_pixels * 8 + (1 << 20))
        return unread("strips or tiles of an impossible size");
    return graft_allocate(&reader->block, (size_t)size, 1);
}

static graft_status read_tiles(struct reader *reader, int planes)
{
    uint32_t width = 0, height = 0;
    TIFFGetField(reader->tiff, TIFFTAG_TILEWIDTH, &width);
    TIFFGetField(reader->tiff, TIFFTAG_TILELENGTH, &height);
    tmsize_t stride = TIFFTileRowSize(reader->tiff);
    graft_status status = create_block(reader, TIFFTileSize(reader->tiff), stride, width, height);
    if (status != GRAFT_OK)
        return status;
    for (int plane = 0; plane < planes; plane++)
        for (uint64_t y = 0; y < reader->height; y += height)
            for (uint64_t x = 0; x < reader->width; x += width) {
                uint32_t left = (uint32_t)x, top = (uint32_t)y;
                if (TIFFReadTile(reader->tiff, reader->block, left, top, 0, (uint16_t)plane) < 0)
                    return refuse(reader);
                place(reader, left, top, smaller(width, reader->width - left),
                      smaller(height, reader->height - top), (size_t)stride, plane);
            }
    return GRAFT_OK;
}

static graft_status read_strips(struct reader *reader, int planes)
{
    uint32_t height = 0;
    TIFFGetFieldDefaulted(reader->tiff, TIFFTAG_ROWSPERSTRIP, &height);
    height = smaller(height, reader->height);
    tmsize_t stride = TIFFScanlineSize(reader->tiff), size = TIFFStripSize(reader->tiff);
    graft_status status = create_block(reader, size, stride, reader->width, height);
    if (status != GRAFT_OK)
        return status;
    for (int plane = 0; plane < planes; plane++)
        for (uint64_t y = 0; y < reader->height; y += height) {
            uint32_t top = (uint32_t)y, rows = smaller(height, reader->height - top);
            uint32_t strip = TIFFComputeStrip(reader->tiff, top, (uint16_t)plane);
            tmsize_t got = TIFFReadEncodedStrip(reader->tiff, strip, reader->block, size);
            if (got < 0 || (uint64_t)got < (uint64_t)rows * (uint64_t)stride)
                return refuse(reader);
            place(reader, 0, top, reader->width, rows, (size_t)stride, plane);
        }
    return GRAFT_OK;
}

/* ---- Pixels to RGB and RGBA */

/* Out of the product with alpha, as Pillow does it. */
static void divide_by_alpha(uint8_t *pixel)
{
    unsigned alpha = pixel[3];
    for (int c = 0; c < 3; c++) {
        unsigned value = alpha ? pixel[c] * 255U / alpha : 0;
        pixel[c] = (uint8_t)(value > 255 ? 255 : value);
    }
}

static void colour_grey(const struct reader *reader, uint8_t *pixel)
{
    uint8_t value = pixel[0];
    if (reader->alpha)
        pixel[3] = pixel[1];
    if (reader->photometric == PHOTOMETRIC_PALETTE) {
        for (int c = 0; c < 3; c++)
            pixel[c] = (uint8_t)(reader->palette[c][value] >> 8);
        return;
    }
    bool saturated = reader->bits == 16 && reader->encoded->sight == GRAFT_AS_PILLOW; /* Pillow: not turned */
    memset(pixel, reader->photometric == PHOTOMETRIC_MINISWHITE && !saturated ? 255 - value : value, 3);
}

static void colour_pixels(struct reader *reader)
{
    graft_canvas *canvas = &reader->canvas;
    size_t count = (size_t)canvas->width * (size_t)canvas->height, channels = (size_t)canvas->channels;
    if (reader->colours == 4)
        graft_cmyk_to_rgb(canvas->pixels, count);
    if (reader->colours == 1)
        for (size_t i = 0; i < count; i++)
            colour_grey(reader, canvas->pixels + i * channels);
    if (reader->associated)
        for (size_t i = 0; i < count; i++)
            divide_by_alpha(canvas->pixels + i * channels);
}

/* YCbCr that is not JPEG: libtiff knows its subsampling and makes RGB of it. */
static graft_status read_as_rgba(struct reader *reader)
{
    size_t count = (size_t)reader->width * reader->height;
    TIFFRGBAImage image;
    char cause[1024] = "";
    if (!TIFFRGBAImageOK(reader->tiff, cause) || !TIFFRGBAImageBegin(&image, reader->tiff, 1, cause))
        return graft_fail(GRAFT_EFORMAT, "damaged TIFF: %s", cause);
    image.req_orientation = image.orientation; /* as stored: it is turned upright later */
    graft_status status = graft_allocate(&reader->block, count, 4);
    if (status == GRAFT_OK &&
        !TIFFRGBAImageGet(&image, (uint32_t *)(void *)reader->block, reader->width, reader->height))
        status = refuse(reader);
    TIFFRGBAImageEnd(&image);
    if (status != GRAFT_OK)
        return status;
    for (size_t i = 0; i < count; i++)
        memcpy(reader->canvas.pixels + 3 * i, reader->block + 4 * i, 3);
    return GRAFT_OK;
}

static graft_status read_pixels(struct reader *reader)
{
    uint16_t compression = COMPRESSION_NONE;
    TIFFGetFieldDefaulted(reader->tiff, TIFFTAG_COMPRESSION, &compression);
    if (reader->photometric == PHOTOMETRIC_YCBCR) {
        if (compression != COMPRESSION_JPEG || reader->planar != PLANARCONFIG_CONTIG)
            return read_as_rgba(reader);
        TIFFSetField(reader->tiff, TIFFTAG_JPEGCOLORMODE, JPEGCOLORMODE_RGB);
    }
    int planes = reader->planar == PLANARCONFIG_SEPARATE ? reader->colours + reader->alpha : 1;
    graft_status status =
        TIFFIsTiled(reader->tiff) ? read_tiles(reader, planes) : read_strips(reader, planes);
    if (status == GRAFT_OK)
        colour_pixels(reader);
    return status;
}

static graft_status read_picture(struct reader *reader)
{
    uint16_t orientation = 1;
    graft_status status;
    GRAFT_TRY(open_tiff(reader));
    GRAFT_TRY(read_kind(reader));
    GRAFT_TRY(read_colours(reader));
    read_alpha(reader);
    GRAFT_TRY(graft_canvas_create(&reader->canvas, reader->encoded, reader->width, reader->height,
                                  reader->alpha || reader->colours == 4 ? 4 : 3));
    GRAFT_TRY(read_pixels(reader));
    if (reader->cut)
        GRAFT_TRY(refuse(reader));
    TIFFGetFieldDefaulted(reader->tiff, TIFFTAG_ORIENTATION, &orientation);
    reader->canvas.orientation = orientation >= 1 && orientation <= 8 ? orientation : 1;
out:
    return status;
}

graft_status graft_tiff_decode(graft_canvas *canvas, const graft_encoded *encoded)
{
    struct reader reader = {.encoded = encoded};
    graft_status status = read_picture(&reader);
    if (reader.tiff)
        TIFFClose(reader.tiff);
    free(reader.block);
    if (status == GRAFT_OK)
        *canvas = reader.canvas;
    else
        graft_canvas_dispose(&reader.canvas);
    return status;
}

/* Classic and BigTIFF, either byte order. */
bool graft_tiff_sniff(const uint8_t *bytes, size_t size)
{
    static const char magics[][5] = {"II*\0", "MM\0*", "II+\0", "MM\0+"};
    for (size_t i = 0; i < sizeof magics / sizeof *magics; i++)
        if (size >= 8 && memcmp(bytes, magics[i], 4) == 0)
            return true;
    return false;
}
