/* What the pixels of a picture depend on beside its bytes. */
#include <stdio.h>

#include <jpeglib.h>
#include <png.h>
#include <tiffio.h>
#include <webp/decode.h>

#include "image/image.h"

/* Of decoding, resizing and normalising: to be raised whenever a picture may come out otherwise. */
enum { GRAFT_PIXELS = 1 };

#define TEXT_OF(x)    #x
#define VERSION_OF(x) TEXT_OF(x)

void graft_image_decoders(char out[GRAFT_IMAGE_DECODERS])
{
    const char *tiff = TIFFGetVersion(); /* "LIBTIFF, Version 4.5.0\nCopyright ..." */
    int webp = WebPGetDecoderVersion(), line = 0;
    while (tiff[line] && tiff[line] != '\n')
        line++;
    snprintf(
        out, GRAFT_IMAGE_DECODERS,
        "pixels %d, libjpeg-turbo " VERSION_OF(LIBJPEG_TURBO_VERSION) ", libpng %s, libwebp %d.%d.%d, %.*s\n",
        GRAFT_PIXELS, png_get_libpng_ver(NULL), webp >> 16, webp >> 8 & 255, webp & 255, line, tiff);
}
