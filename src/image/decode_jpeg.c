/* JPEG, by libjpeg-turbo, as Pillow uses it: accurate integer DCT, smooth upsampling, four components taken
 * for Adobe's inverted CMYK.
 *
 * Where only a box of the picture is wished, the rest is read but not transformed: rows above it are skipped,
 * columns beside it are left out by whole blocks (with one more on each side, because upsampling looks at
 * neighbours), and what follows it is not even read where it holds nothing but coded pixels and the end of
 * the picture. The box's pixels and the verdict about the file are those of decoding all of it.
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
    SMALLEST = 8,     /* an eighth of the size */
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
    int orientation; /* EXIF's */
    bool complete;   /* every row has been read */
    bool ended;      /* the bytes ran out before that */
    bool too_often;  /* more scans than anybody needs */
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

/* Blocks next to each other are smoothed where a progressive picture lacks its last scans. */
static bool is_smoothed(const struct jpeg_decompress_struct *info)
{
    if (!info->progressive_mode || !info->coef_bits)
        return false;
    for (int c = 0; c < info->num_components; c++)
        for (int i = 0; i < DCTSIZE2; i++)
            if (info->coef_bits[c][i] != 0)
                return true;
    return false;
}

static graft_box wished_box(const struct reader *reader)
{
    const struct jpeg_decompress_struct *info = &reader->info;
    const graft_wish *wish = reader->encoded->wish;
    int width = (int)info->output_width, height = (int)info->output_height;
    if (!wish || !wish->needs || is_smoothed(info))
        return (graft_box){0, 0, width, height};
    return graft_wish_stored(wish, width, height, reader->orientation);
}

/* Leaves out the columns beside the box, and widens it to those that are decoded. Where a colour is shared by
 * four columns and the picture is scaled, libjpeg takes the wrong ones. */
static void narrow(struct reader *reader, graft_box *box)
{
    struct jpeg_decompress_struct *info = &reader->info;
    int block = info->max_h_samp_factor * info->min_DCT_scaled_size, width = (int)info->output_width;
    int first = box->x > block ? box->x - block : 0;
    int last = width - box->x - box->width > block ? box->x + box->width + block : width;
    if (info->scale_denom > 1 && info->max_h_samp_factor > 2) {
        first = 0;
        last = width;
    }
    if (last - first < width) {
        JDIMENSION start = (JDIMENSION)first, columns = (JDIMENSION)(last - first);
        jpeg_crop_scanline(info, &start, &columns);
        first = (int)start;
        last = (int)(start + columns);
    }
    box->x = first;
    box->width = last - first;
}

static void read_rows(struct reader *reader)
{
    struct jpeg_decompress_struct *info = &reader->info;
    graft_canvas *canvas = &reader->canvas;
    size_t stride = (size_t)canvas->width * (size_t)canvas->channels;
    JDIMENSION top = (JDIMENSION)canvas->y, bottom = top + (JDIMENSION)canvas->height;
    if (top > 0)
        jpeg_skip_scanlines(info, top);
    while (info->output_scanline < bottom) {
        JSAMPROW rows[ROWS_AT_ONCE];
        JDIMENSION first = info->output_scanline, left = bottom - first;
        JDIMENSION wanted = left < ROWS_AT_ONCE ? left : ROWS_AT_ONCE;
        for (JDIMENSION i = 0; i < wanted; i++)
            rows[i] = canvas->pixels + (first - top + i) * stride;
        jpeg_read_scanlines(info, rows, wanted);
    }
}

static bool is_restart(int marker)
{
    return marker >= JPEG_RST0 && marker < JPEG_RST0 + 8;
}

/* Whether what was not read yet is coded pixels up to the end of the picture: nothing in it could fail. */
static bool is_rest_plain(const struct reader *reader)
{
    const struct jpeg_decompress_struct *info = &reader->info;
    const uint8_t *at = info->src->next_input_byte, *end = at + info->src->bytes_in_buffer;
    if (jpeg_input_complete((j_decompress_ptr)(uintptr_t)info) || info->unread_marker == JPEG_EOI)
        return true;
    if (info->unread_marker != 0 && !is_restart(info->unread_marker))
        return false;
    while ((at = memchr(at, 0xFF, (size_t)(end - at))) && ++at < end) {
        if (*at == JPEG_EOI)
            return true;
        if (*at != 0 && *at != 0xFF && !is_restart(*at))
            return false;
    }
    return false;
}

/* The last row is read, because libjpeg leaves out what it skips at the end. */
static void read_rest(struct reader *reader)
{
    struct jpeg_decompress_struct *info = &reader->info;
    JDIMENSION left = info->output_height - info->output_scanline;
    if (left > 0 && is_rest_plain(reader)) {
        jpeg_skip_scanlines(info, left);
    } else if (left > 0) {
        size_t size = (size_t)info->output_width * (size_t)info->output_components;
        JSAMPROW row = info->mem->alloc_large((j_common_ptr)info, JPOOL_IMAGE, size);
        if (left > 1)
            jpeg_skip_scanlines(info, left - 1);
        jpeg_read_scanlines(info, &row, 1);
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

/* The smallest picture that the wish allows. */
static void choose_scale(struct reader *reader)
{
    struct jpeg_decompress_struct *info = &reader->info;
    const graft_wish *wish = reader->encoded->wish;
    JDIMENSION side = info->image_width < info->image_height ? info->image_width : info->image_height;
    info->scale_num = info->scale_denom = 1;
    if (!wish || wish->least <= 0)
        return;
    while (info->scale_denom < SMALLEST && side / (info->scale_denom * 2) >= (JDIMENSION)wish->least)
        info->scale_denom *= 2;
}

static graft_status read_header(struct reader *reader)
{
    struct jpeg_decompress_struct *info = &reader->info;
    if (reader->encoded->sight == GRAFT_AS_SEEN)
        jpeg_save_markers(info, MARKER_EXIF, 0xFFFF);
    jpeg_read_header(info, TRUE);
    if (info->num_components == 2 || info->num_components > 4)
        return graft_fail(GRAFT_EFORMAT, "JPEG with %d components is not read", info->num_components);
    info->out_color_space = info->num_components == 4 ? JCS_CMYK : JCS_RGB;
    reader->orientation = orientation_of(reader);
    choose_scale(reader);
    return graft_canvas_check(reader->encoded, info->image_width, info->image_height);
}

static graft_status read_picture(struct reader *reader)
{
    struct jpeg_decompress_struct *info = &reader->info;
    open_reader(reader);
    graft_status status = read_header(reader);
    if (status != GRAFT_OK)
        return status;
    jpeg_start_decompress(info);
    graft_box box = wished_box(reader);
    int width = (int)info->output_width, height = (int)info->output_height;
    if (box.width > 0)
        narrow(reader, &box);
    status =
        graft_canvas_create_part(&reader->canvas, width, height, &box, info->num_components == 4 ? 4 : 3);
    if (status != GRAFT_OK)
        return status;
    reader->canvas.orientation = reader->orientation;
    read_rows(reader);
    read_rest(reader);
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

static graft_status decode(graft_canvas *canvas, const graft_encoded *encoded)
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

/* A file with something wrong in it is decoded as a whole, so that what is said of it does not depend on the
 * wish. */
graft_status graft_jpeg_decode(graft_canvas *canvas, const graft_encoded *encoded)
{
    graft_status status = decode(canvas, encoded);
    if (status != GRAFT_EFORMAT || !encoded->wish)
        return status;
    graft_encoded whole = *encoded;
    whole.wish = NULL;
    return decode(canvas, &whole);
}

bool graft_jpeg_sniff(const uint8_t *bytes, size_t size)
{
    return size >= 3 && bytes[0] == 0xFF && bytes[1] == 0xD8 && bytes[2] == 0xFF;
}
