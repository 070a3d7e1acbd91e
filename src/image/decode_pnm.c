/* PBM, PGM and PPM (netpbm), plain and raw, as Pillow reads them.
 *
 *   file    = magic space width space height [space maxval] one-space samples
 *   magic   = "P1" | "P2" | "P3" (plain: decimal numbers) | "P4" | "P5" | "P6" (raw)
 *   space   = (blank | tab | line end | "#" up to the line's end)+
 *   samples = 1 bit (P1, P4: 1 is black, raw rows padded to a byte), or 1 byte, or 2 (big-endian) where
 *             maxval > 255; three a pixel in P3 and P6
 *
 * A sample v becomes v * 255 / maxval, rounded half to even. Grey deeper than 8 bits is first brought to 16
 * bits the same way; as-seen keeps the upper 8, as-pillow saturates at 255. A number has ten digits at most.
 */
#include <math.h>
#include <string.h>

#include "base/status.h"
#include "image/codec.h"

enum { MOST_DIGITS = 10, END = -1 };

struct reader {
    const uint8_t *at, *end;
    const graft_encoded *encoded;
    char kind;    /* '1' to '6' */
    bool plain;   /* numbers in decimal */
    bool bitmap;  /* 1 bit, 1 is black */
    bool deep;    /* two bytes a sample where raw */
    int channels; /* 1 or 3 */
    int64_t width, height, maxval;
};

static graft_status ends_early(const struct reader *reader)
{
    return graft_fail(GRAFT_EFORMAT, "ends early (after %zu bytes)", reader->encoded->size);
}

static bool is_space(int c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static int next_byte(struct reader *reader)
{
    return reader->at < reader->end ? *reader->at++ : END;
}

/* The next byte that does not belong to a comment: of a comment only the line's end is left. */
static int next_outside(struct reader *reader)
{
    int c = next_byte(reader);
    if (c == '#')
        do
            c = next_byte(reader);
        while (c != '\n' && c != '\r' && c != END);
    return c;
}

/* A decimal number and the one space behind it. */
static graft_status read_number(struct reader *reader, int64_t *out)
{
    int c;
    do
        c = next_outside(reader);
    while (is_space(c));
    if (c == END)
        return ends_early(reader);
    int64_t number = 0;
    int digits = 0;
    for (; c >= '0' && c <= '9' && digits < MOST_DIGITS; digits++, c = next_outside(reader))
        number = number * 10 + (c - '0');
    if (digits == 0 || (c != END && !is_space(c)))
        return graft_fail(GRAFT_EFORMAT, "damaged PPM: byte %zu is not part of a number",
                          (size_t)(reader->at - reader->encoded->bytes));
    *out = number;
    return GRAFT_OK;
}

static graft_status read_header(struct reader *reader)
{
    graft_status status;
    reader->kind = (char)reader->at[1];
    reader->at += 2;
    reader->plain = reader->kind <= '3';
    reader->bitmap = reader->kind == '1' || reader->kind == '4';
    reader->channels = reader->kind == '3' || reader->kind == '6' ? 3 : 1;
    reader->maxval = 1;
    GRAFT_TRY(read_number(reader, &reader->width));
    GRAFT_TRY(read_number(reader, &reader->height));
    if (!reader->bitmap)
        GRAFT_TRY(read_number(reader, &reader->maxval));
    if (reader->maxval <= 0 || reader->maxval > 65535)
        return graft_fail(GRAFT_EFORMAT, "damaged PPM: a largest value of %lld is not in 1 to 65535",
                          (long long)reader->maxval);
    reader->deep = reader->maxval > 255;
out:
    return status;
}

/* Before anything is allocated: could so many samples be in what is left? */
static graft_status check_length(const struct reader *reader)
{
    uint64_t row = (uint64_t)reader->width * (uint64_t)reader->channels * (reader->deep ? 2 : 1);
    if (reader->kind == '4')
        row = ((uint64_t)reader->width + 7) / 8;
    uint64_t left = (uint64_t)(reader->end - reader->at);
    if (reader->plain && !reader->bitmap) /* a digit and a space; the last space may be missing */
        left = (left + 1) / 2, row = (uint64_t)reader->width * (uint64_t)reader->channels;
    if (left / row >= (uint64_t)reader->height)
        return GRAFT_OK;
    uint64_t have = (uint64_t)reader->encoded->size, needed = row * (uint64_t)reader->height - left + have;
    if (reader->plain)
        return ends_early(reader);
    return graft_fail(GRAFT_EFORMAT, "ends early (%llu of %llu bytes)", (unsigned long long)have,
                      (unsigned long long)needed);
}

static graft_status next_bit(struct reader *reader, int64_t *out)
{
    int c;
    do
        c = next_outside(reader);
    while (is_space(c));
    if (c == END)
        return ends_early(reader);
    if (c != '0' && c != '1')
        return graft_fail(GRAFT_EFORMAT, "damaged PBM: byte %zu is neither 0 nor 1",
                          (size_t)(reader->at - reader->encoded->bytes));
    *out = c == '0'; /* as light */
    return GRAFT_OK;
}

static graft_status next_sample(struct reader *reader, int64_t *out)
{
    if (reader->kind == '1')
        return next_bit(reader, out);
    if (!reader->plain) { /* check_length has seen that they are all there */
        int64_t value = *reader->at++;
        *out = reader->deep ? value << 8 | *reader->at++ : value;
        return GRAFT_OK;
    }
    int64_t value;
    graft_status status = read_number(reader, &value);
    if (status != GRAFT_OK)
        return status;
    if (value > reader->maxval)
        return graft_fail(GRAFT_EFORMAT, "damaged PPM: a value of %lld is above the largest, %lld",
                          (long long)value, (long long)reader->maxval);
    *out = value;
    return GRAFT_OK;
}

static uint8_t to_byte(const struct reader *reader, int64_t value)
{
    bool deep_grey = reader->deep && reader->channels == 1;
    double scaled = rint((double)value / (double)reader->maxval * (deep_grey ? 65535 : 255));
    int64_t most = deep_grey ? 65535 : 255, whole = scaled > (double)most ? most : (int64_t)scaled;
    if (!deep_grey)
        return (uint8_t)whole;
    if (reader->encoded->sight == GRAFT_AS_SEEN)
        return (uint8_t)(whole >> 8);
    return (uint8_t)(whole > 255 ? 255 : whole);
}

static graft_status read_samples(struct reader *reader, uint8_t *out)
{
    int64_t count = reader->width * reader->height;
    for (int64_t i = 0; i < count; i++, out += 3)
        for (int c = 0; c < reader->channels; c++) {
            int64_t value = 0;
            graft_status status = next_sample(reader, &value);
            if (status != GRAFT_OK)
                return status;
            memset(out + c, to_byte(reader, value), reader->channels == 1 ? 3 : 1);
        }
    return GRAFT_OK;
}

static void read_bits(struct reader *reader, uint8_t *out)
{
    for (int64_t y = 0; y < reader->height; y++) {
        for (int64_t x = 0; x < reader->width; x++, out += 3)
            memset(out, reader->at[x / 8] >> (7 - x % 8) & 1 ? 0 : 255, 3);
        reader->at += (reader->width + 7) / 8;
    }
}

graft_status graft_pnm_decode(graft_canvas *out, const graft_encoded *encoded)
{
    struct reader reader = {.at = encoded->bytes, .end = encoded->bytes + encoded->size, .encoded = encoded};
    graft_canvas canvas = {0};
    graft_status status = read_header(&reader);
    if (status != GRAFT_OK)
        return status;
    if (reader.width > 0 && reader.width <= INT32_MAX && reader.height > 0 && reader.height <= INT32_MAX)
        GRAFT_TRY(check_length(&reader));
    GRAFT_TRY(graft_canvas_create(&canvas, encoded, reader.width, reader.height, 3));
    if (reader.kind == '4')
        read_bits(&reader, canvas.pixels);
    else
        GRAFT_TRY(read_samples(&reader, canvas.pixels));
    *out = canvas;
    return GRAFT_OK;
out:
    graft_canvas_dispose(&canvas);
    return status;
}

bool graft_pnm_sniff(const uint8_t *bytes, size_t size)
{
    return size >= 3 && bytes[0] == 'P' && bytes[1] >= '1' && bytes[1] <= '6' &&
           (is_space(bytes[2]) || bytes[2] == '#');
}
