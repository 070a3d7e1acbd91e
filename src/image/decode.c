/* Which codec reads a file, and images as values.
 *
 * A codec is a pair of functions (codec.h) and a line in the table here. */
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/status.h"
#include "image/codec.h"

struct codec {
    const char *name;
    bool (*sniff)(const uint8_t *bytes, size_t size);
    graft_status (*decode)(graft_canvas *canvas, const graft_encoded *encoded);
};

static const struct codec codecs[] = {
    {"JPEG", graft_jpeg_sniff, graft_jpeg_decode}, {"PNG", graft_png_sniff, graft_png_decode},
    {"WebP", graft_webp_sniff, graft_webp_decode}, {"TIFF", graft_tiff_sniff, graft_tiff_decode},
    {"BMP", graft_bmp_sniff, graft_bmp_decode},    {"PPM", graft_pnm_sniff, graft_pnm_decode},
};

/* Formats that people keep beside pictures and that are worth a name. */
static graft_status refuse(const graft_encoded *encoded)
{
    if (encoded->size == 0)
        return graft_fail(GRAFT_EFORMAT, "is empty");
    if (encoded->size >= 4 && memcmp(encoded->bytes, "GIF8", 4) == 0)
        return graft_fail(GRAFT_EFORMAT, "is a GIF, which is not read");
    return graft_fail(GRAFT_EFORMAT, "is not a picture (neither JPEG, PNG, WebP, TIFF, BMP, PPM nor PGM)");
}

graft_status graft_part_decode_limited(graft_part *part, const graft_encoded *encoded)
{
    for (size_t i = 0; i < sizeof codecs / sizeof *codecs; i++) {
        if (!codecs[i].sniff(encoded->bytes, encoded->size))
            continue;
        graft_canvas canvas;
        graft_status status = codecs[i].decode(&canvas, encoded);
        return status == GRAFT_OK ? graft_canvas_finish(part, &canvas, encoded->sight) : status;
    }
    return refuse(encoded);
}

graft_status graft_part_decode(graft_part *part, const uint8_t *bytes, size_t size, graft_sight sight,
                               const graft_wish *wish)
{
    graft_encoded encoded = {bytes, size, sight, GRAFT_IMAGE_MAX_PIXELS, wish};
    return graft_part_decode_limited(part, &encoded);
}

void graft_part_dispose(graft_part *part)
{
    graft_image_dispose(&part->image);
}

graft_status graft_image_decode(graft_image *image, const uint8_t *bytes, size_t size, graft_sight sight)
{
    graft_part part;
    graft_status status = graft_part_decode(&part, bytes, size, sight, NULL);
    if (status == GRAFT_OK)
        *image = part.image;
    return status;
}

graft_status graft_image_read(graft_image *image, const char *path, graft_sight sight)
{
    uint8_t *bytes;
    size_t size;
    graft_status status = graft_file_read(path, SIZE_MAX, &bytes, &size);
    if (status != GRAFT_OK)
        return status;
    status = graft_image_decode(image, bytes, size, sight);
    free(bytes);
    return status == GRAFT_OK ? status : graft_fail_within(status, "%s", path);
}

graft_status graft_image_create(graft_image *image, int width, int height)
{
    graft_encoded limits = {.max_pixels = GRAFT_IMAGE_MAX_PIXELS};
    graft_canvas canvas;
    graft_status status = graft_canvas_create(&canvas, &limits, width, height, 3);
    if (status == GRAFT_OK)
        *image = (graft_image){width, height, canvas.pixels};
    return status;
}

void graft_image_dispose(graft_image *image)
{
    free(image->pixels);
    *image = (graft_image)GRAFT_IMAGE_INIT;
}

static graft_status copy_pixels(graft_image *image, const graft_picture *picture)
{
    size_t stride = (size_t)(picture->stride < 0 ? -picture->stride : picture->stride);
    if (picture->width < 0 || picture->height <= 0 || stride / 3 < (size_t)picture->width)
        return graft_fail(GRAFT_EARGUMENT, "%d x %d RGB pixels cannot lie %zd bytes a row apart",
                          picture->width, picture->height, (ssize_t)picture->stride);
    graft_status status = graft_image_create(image, picture->width, picture->height);
    if (status != GRAFT_OK)
        return status;
    size_t row = (size_t)picture->width * 3;
    for (int y = 0; y < picture->height; y++)
        memcpy(image->pixels + (size_t)y * row, picture->data + y * picture->stride, row);
    return GRAFT_OK;
}

graft_status graft_part_copy(graft_part *part, const graft_picture *picture, graft_sight sight,
                             const graft_wish *wish)
{
    graft_image image;
    if (picture->width == 0)
        return graft_part_decode(part, picture->data, picture->size, sight, wish);
    graft_status status = copy_pixels(&image, picture);
    if (status == GRAFT_OK)
        *part = (graft_part){image, 0, 0, image.width, image.height};
    return status;
}
