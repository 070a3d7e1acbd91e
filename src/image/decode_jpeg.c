/* JPEG, by libjpeg-turbo, as Pillow uses it: accurate integer DCT, smooth upsampling, four components taken
 * for Adobe's inverted CMYK.
 *
 * A file that ends before its last row is a failure here, as in Pillow; libjpeg alone would fill the rest
 * with grey. Its other warnings (a damaged block, a wrong restart marker) pass. libjpeg reports an error by a
 * call that must not return: it jumps back to graft_jpeg_decode, so everything that is to be released hangs
 * on `struct reader`, and no frame in between owns anything. */
#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <jpeglib.h>

#include "base/status.h"
#include "image/codec.h"

enum {
    ROWS_AT_ONCE = 16,
    MARKER_EXIF = JPEG_APP0 + 1,
    EXIF_PREFIX = 6,  /* "Exif", two zeros */
    MOST_SCANS = 1000 /* a progressive picture has about ten; each may cost a pass over all pixels */
};

struct reader {
    struct jpeg_decompress_struct info;
    struct jpeg_error_mgr errors;
    struct jpeg_source_mgr source;
    struct jpeg_progress_mgr progress;
    jmp_buf escape;
    graft_canvas canvas;
    const graft_encoded *encoded;
    bool complete;  /* every row has been read */
    bool ended;     /* the bytes ran out before that */
    bool too_often; /* more scans than anybody needs */
};

static void on_error(j_common_ptr info)
{
    struct reader *reader = info->client_data;
    longjmp(reader->escape, 1);
}

static void on_message(j_common_ptr info)
{
    (void)info;
}

static void on_progress(j_common_ptr info)
{
    struct reader *reader = info->client_data;
    if (reader->info.input_scan_number <= MOST_SCANS)
        return;
    reader->too_often = true;
    longjmp(reader->escape, 1);
}

static void on_source(j_decompress_ptr info)
{
    (void)info;
}

/* After the last row only the end marker is missing: give it. */
static boolean on_empty(j_decompress_ptr info)
{
    static const JOCTET end[2] = {0xFF, JPEG_EOI};
    struct reader *reader = info->client_data;
    if (!reader->complete) {
        reader->ended = true;
        longjmp(reader->escape, 1);
    }
    info->src->next_input_byte = end;
    info->src->bytes_in_buffer = sizeof end;
    return TRUE;
}

static void on_skip(j_decompress_ptr info, long count)
{
    size_t left = info->src->bytes_in_buffer;
    size_t skipped = count <= 0 ? 0 : (size_t)count < left ? (size_t)count : left;
    info->src->next_input_byte += skipped;
    info->src->bytes_in_buffer -= skipped;
    if (count > 0 && (size_t)count > skipped)
        on_empty(info);
}

static void open_reader(struct reader *reader)
{
    reader->info.err = jpeg_std_error(&reader->errors);
    reader->errors.error_exit = on_error;
    reader->errors.output_message = on_message;
    reader->info.client_data = reader;
    jpeg_create_decompress(&reader->info);
    reader->progress.progress_monitor = on_progress;
    reader->info.progress = &reader->progress;
    reader->source = (struct jpeg_source_mgr){
        .next_input_byte = reader->encoded->bytes,
        .bytes_in_buffer = reader->encoded->size,
        .init_source = on_source,
        .fill_input_buffer = on_empty,
        .skip_input_data = on_skip,
        .resync_to_restart = jpeg_resync_to_restart,
        .term_source = on_source,
    };
    reader->info.src = &reader->source;
}

static int orientation_of(const struct reader *reader)
{
    for (jpeg_saved_marker_ptr marker = reader->info.marker_list; marker; marker = marker->next)
        if (marker->data_length >= EXIF_PREFIX && memcmp(marker->data, "Exif\0", 5) == 0)
            return graft_exif_orientation(marker->data + EXIF_PREFIX, marker->data_length - EXIF_PREFIX);
    return 1;
}

static void read_rows(struct reader *reader)
{
    graft_canvas *canvas = &reader->canvas;
    size_t stride = (size_t)canvas->width * (size_t)canvas->channels;
    while (reader->info.output_scanline < reader->info.output_height) {
        JSAMPROW rows[ROWS_AT_ONCE];
        JDIMENSION first = reader->info.output_scanline, left = reader->info.output_height - first;
        JDIMENSION wanted = left < ROWS_AT_ONCE ? left : ROWS_AT_ONCE;
        for (JDIMENSION i = 0; i < wanted; i++)
            rows[i] = canvas->pixels + (first + i) * stride;
        jpeg_read_scanlines(&reader->info, rows, wanted);
    }
    reader->complete = true;
}

/* Adobe stores 255 - C and so on. */
static void invert(graft_canvas *canvas)
{
    size_t count = (size_t)canvas->width * (size_t)canvas->height;
    for (size_t i = 0; i < count * 4; i++)
        canvas->pixels[i] = (uint8_t)~canvas->pixels[i];
    graft_cmyk_to_rgb(canvas->pixels, count);
}

static graft_status read_picture(struct reader *reader)
{
    struct jpeg_decompress_struct *info = &reader->info;
    open_reader(reader);
    if (reader->encoded->sight == GRAFT_AS_SEEN)
        jpeg_save_markers(info, MARKER_EXIF, 0xFFFF);
    jpeg_read_header(info, TRUE);
    if (info->num_components == 2 || info->num_components > 4)
        return graft_fail(GRAFT_EFORMAT, "JPEG with %d components is not read", info->num_components);
    info->out_color_space = info->num_components == 4 ? JCS_CMYK : JCS_RGB;
    graft_status status = graft_canvas_create(&reader->canvas, reader->encoded, info->image_width,
                                              info->image_height, info->num_components == 4 ? 4 : 3);
    if (status != GRAFT_OK)
        return status;
    reader->canvas.orientation = orientation_of(reader);
    jpeg_start_decompress(info);
    read_rows(reader);
    jpeg_finish_decompress(info);
    if (reader->canvas.channels == 4)
        invert(&reader->canvas);
    return GRAFT_OK;
}

static graft_status refuse(struct reader *reader)
{
    if (reader->ended && reader->info.output_scanline > 0)
        return graft_fail(GRAFT_EFORMAT, "ends early (%zu bytes hold %u of %u rows)", reader->encoded->size,
                          reader->info.output_scanline, reader->info.image_height);
    if (reader->ended)
        return graft_fail(GRAFT_EFORMAT, "ends early (after %zu bytes)", reader->encoded->size);
    if (reader->too_often)
        return graft_fail(GRAFT_EFORMAT, "JPEG with more than %d scans is not read", MOST_SCANS);
    char cause[JMSG_LENGTH_MAX];
    reader->errors.format_message((j_common_ptr)&reader->info, cause);
    return graft_fail(GRAFT_EFORMAT, "damaged JPEG: %s", cause);
}

graft_status graft_jpeg_decode(graft_canvas *canvas, const graft_encoded *encoded)
{
    struct reader reader = {.encoded = encoded};
    graft_status status;
    if (setjmp(reader.escape) == 0)
        status = read_picture(&reader);
    else
        status = refuse(&reader);
    jpeg_destroy_decompress(&reader.info);
    if (status == GRAFT_OK)
        *canvas = reader.canvas;
    else
        graft_canvas_dispose(&reader.canvas);
    return status;
}

bool graft_jpeg_sniff(const uint8_t *bytes, size_t size)
{
    return size >= 3 && bytes[0] == 0xFF && bytes[1] == 0xD8 && bytes[2] == 0xFF;
}
