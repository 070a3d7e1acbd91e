/* WebP, by libwebp: lossy and lossless, alpha, EXIF orientation; of an animation the first frame, on the
 * transparent canvas it begins with, as in Pillow. */
#include <string.h>

#include <webp/decode.h>
#include <webp/demux.h>

#include "base/status.h"
#include "image/codec.h"

/* "RIFF" u32(bytes that follow) "WEBP" */
enum { RIFF_HEADER = 12, RIFF_COUNTED_FROM = 8, EXIF_PREFIX = 6 };

static graft_status refuse(const graft_encoded *encoded)
{
    const uint8_t *bytes = encoded->bytes;
    uint64_t claimed = RIFF_COUNTED_FROM + ((uint64_t)bytes[4] | (uint64_t)bytes[5] << 8 |
                                            (uint64_t)bytes[6] << 16 | (uint64_t)bytes[7] << 24);
    if (claimed > encoded->size)
        return graft_fail(GRAFT_EFORMAT, "ends early (%zu of %llu bytes)", encoded->size,
                          (unsigned long long)claimed);
    return graft_fail(GRAFT_EFORMAT, "damaged WebP");
}

static int orientation_of(const WebPDemuxer *demuxer)
{
    WebPChunkIterator chunk;
    if (!WebPDemuxGetChunk(demuxer, "EXIF", 1, &chunk))
        return 1;
    const uint8_t *exif = chunk.chunk.bytes;
    size_t size = chunk.chunk.size;
    if (size >= EXIF_PREFIX && memcmp(exif, "Exif\0\0", EXIF_PREFIX) == 0) {
        exif += EXIF_PREFIX;
        size -= EXIF_PREFIX;
    }
    int orientation = graft_exif_orientation(exif, size);
    WebPDemuxReleaseChunkIterator(&chunk);
    return orientation;
}

static graft_status decode_frame(graft_canvas *canvas, const WebPIterator *frame,
                                 const graft_encoded *encoded)
{
    WebPDecoderConfig config;
    if (!WebPInitDecoderConfig(&config))
        return graft_fail(GRAFT_EINTERNAL, "libwebp is another version than graft was built for");
    if (frame->x_offset < 0 || frame->y_offset < 0 || frame->width > canvas->width - frame->x_offset ||
        frame->height > canvas->height - frame->y_offset)
        return refuse(encoded);
    int stride = canvas->width * canvas->channels;
    size_t start = (size_t)frame->y_offset * (size_t)stride + (size_t)(frame->x_offset * canvas->channels);
    config.output.colorspace = canvas->channels == 4 ? MODE_RGBA : MODE_RGB;
    config.output.is_external_memory = 1;
    config.output.u.RGBA.rgba = canvas->pixels + start;
    config.output.u.RGBA.stride = stride;
    config.output.u.RGBA.size = (size_t)stride * (size_t)canvas->height - start;
    VP8StatusCode code = WebPDecode(frame->fragment.bytes, frame->fragment.size, &config);
    WebPFreeDecBuffer(&config.output);
    if (code == VP8_STATUS_OUT_OF_MEMORY)
        return graft_fail(GRAFT_EMEMORY, "out of memory: libwebp needs more");
    return code == VP8_STATUS_OK ? GRAFT_OK : refuse(encoded);
}

static graft_status decode_first(graft_canvas *out, WebPDemuxer *demuxer, const graft_encoded *encoded)
{
    WebPIterator frame;
    memset(&frame, 0, sizeof frame);
    graft_canvas canvas = {0};
    bool alpha = WebPDemuxGetI(demuxer, WEBP_FF_FORMAT_FLAGS) & ALPHA_FLAG;
    graft_status status;
    GRAFT_TRY(graft_canvas_create(&canvas, encoded, WebPDemuxGetI(demuxer, WEBP_FF_CANVAS_WIDTH),
                                  WebPDemuxGetI(demuxer, WEBP_FF_CANVAS_HEIGHT), alpha ? 4 : 3));
    if (!WebPDemuxGetFrame(demuxer, 1, &frame)) {
        status = refuse(encoded);
        goto out;
    }
    if (frame.width != canvas.width || frame.height != canvas.height)
        memset(canvas.pixels, 0, (size_t)canvas.width * (size_t)canvas.height * (size_t)canvas.channels);
    GRAFT_TRY(decode_frame(&canvas, &frame, encoded));
    if (encoded->sight == GRAFT_AS_SEEN)
        canvas.orientation = orientation_of(demuxer);
    *out = canvas;
    canvas.pixels = NULL;
out:
    WebPDemuxReleaseIterator(&frame);
    graft_canvas_dispose(&canvas);
    return status;
}

graft_status graft_webp_decode(graft_canvas *canvas, const graft_encoded *encoded)
{
    WebPData data = {encoded->bytes, encoded->size};
    WebPDemuxer *demuxer = WebPDemux(&data);
    if (!demuxer)
        return refuse(encoded);
    graft_status status = decode_first(canvas, demuxer, encoded);
    WebPDemuxDelete(demuxer);
    return status;
}

bool graft_webp_sniff(const uint8_t *bytes, size_t size)
{
    return size >= RIFF_HEADER && memcmp(bytes, "RIFF", 4) == 0 && memcmp(bytes + 8, "WEBP", 4) == 0;
}
