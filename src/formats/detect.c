/* What a file is, by its first bytes. Names and extensions are not asked: people rename files, and a failed
 * download leaves an HTML page under the name of the weights. */
#include <stdbool.h>
#include <string.h>

#include "base/status.h"
#include "formats/bytes.h"
#include "formats/weights.h"

static const graft_weights_format_row pytorch_zip = {"PyTorch (zip)", graft_pytorch_zip_read};
static const graft_weights_format_row pytorch_legacy = {"PyTorch (legacy)", graft_pytorch_legacy_read};
static const graft_weights_format_row safetensors = {"safetensors", graft_safetensors_read};

enum { TEXT_SAMPLE = 64 };

#define BYTES(text) (text), sizeof(text) - 1

/* The first row that fits decides. */
static const struct {
    size_t at;
    const char *bytes;
    size_t size;
    const graft_weights_format_row *format; /* or NULL, and then */
    const char *sentence;
} signatures[] = {
    {0, BYTES("PK\3\4"), &pytorch_zip, NULL},
    {0, BYTES("\x80\2\x8a\12\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19\x2e"), &pytorch_legacy, NULL},
    {0, BYTES("PK\5\6"), NULL, "an empty zip archive, not a checkpoint"},
    {0, BYTES("PK\7\10"), NULL, "a part of a split zip archive, not a checkpoint"},
    {0, BYTES("\x80\2"), NULL, "a Python pickle, but not one that torch.save wrote"},
    {0, BYTES("\x80\3"), NULL, "a Python pickle of protocol 3; torch.save's own protocol 2 is read"},
    {0, BYTES("\x80\4"), NULL, "a Python pickle of protocol 4; torch.save's own protocol 2 is read"},
    {0, BYTES("\x80\5"), NULL, "a Python pickle of protocol 5; torch.save's own protocol 2 is read"},
    {257, BYTES("ustar"), NULL,
     "a tar archive, as PyTorch before 0.1.10 wrote them: load it in PyTorch and save it again"},
    {0, BYTES("version https://git-lfs"), NULL,
     "a pointer of git-lfs, not the file itself (git lfs pull fetches that)"},
    {0, BYTES("\x1f\x8b"), NULL, "compressed by gzip, not a checkpoint"},
    {0, BYTES("\x89HDF\r\n"), NULL, "an HDF5 file (Keras?), not a PyTorch checkpoint or safetensors"},
    {0, BYTES("\x93NUMPY"), NULL, "a NumPy array, not a checkpoint"},
    {0, BYTES("GGUF"), NULL, "a GGUF file, not a PyTorch checkpoint or safetensors"},
};

static bool is_ascii_text(const uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (bytes[i] >= 0x7f || (bytes[i] < ' ' && (bytes[i] < '\t' || bytes[i] > '\r')))
            return false;
    return true;
}

/* Text is recognised before safetensors: as a length, its first eight bytes would be beyond all measure. */
static graft_status refuse_text(const uint8_t *bytes, size_t size)
{
    size_t start = size >= 3 && memcmp(bytes, "\xef\xbb\xbf", 3) == 0 ? 3 : 0; /* a byte order mark */
    size_t end = size < start + TEXT_SAMPLE ? size : start + TEXT_SAMPLE;
    if (!is_ascii_text(bytes + start, end - start))
        return GRAFT_OK;
    while (start < end && bytes[start] <= ' ')
        start++;
    if (start < end && bytes[start] == '<')
        return graft_fail(GRAFT_EFORMAT, "a web page (HTML), not a checkpoint: its download went wrong");
    return graft_fail(GRAFT_EFORMAT, "a text file, not a checkpoint");
}

/* A JSON object behind its length, or a length that can be one, so that a damaged header is named as such. */
static bool may_be_safetensors(const uint8_t *bytes, size_t size)
{
    return size >= 8 && (graft_u32(bytes + 4) == 0 || (size > 8 && bytes[8] == '{'));
}

graft_status graft_weights_detect(const graft_weights_format_row **format, const uint8_t *bytes, size_t size)
{
    if (size == 0)
        return graft_fail(GRAFT_EFORMAT, "an empty file");
    for (size_t i = 0; i < sizeof signatures / sizeof *signatures; i++) {
        size_t at = signatures[i].at, length = signatures[i].size;
        if (size < at + length || memcmp(bytes + at, signatures[i].bytes, length) != 0)
            continue;
        if (!signatures[i].format)
            return graft_fail(GRAFT_EFORMAT, "%s", signatures[i].sentence);
        *format = signatures[i].format;
        return GRAFT_OK;
    }
    graft_status status = refuse_text(bytes, size);
    if (status != GRAFT_OK)
        return status;
    if (!may_be_safetensors(bytes, size))
        return graft_fail(GRAFT_EFORMAT, "neither a PyTorch checkpoint nor a safetensors file (%zu bytes)",
                          size);
    *format = &safetensors;
    return GRAFT_OK;
}
