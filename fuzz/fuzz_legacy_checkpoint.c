/* Pickle machine, storages and state dict of PyTorch's legacy form. An input is what follows the fixed start
 * of such a file: magic number, protocol and system. */
#include <string.h>

#include "open.h"

static const char start[] = "\x80\2\x8a\12\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19\x2e"
                            "\x80\2M\xe9\3."
                            "\x80\2}U\15little_endian\x88s.";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *file = malloc(sizeof start - 1 + size);
    if (!file)
        return 0;
    memcpy(file, start, sizeof start - 1);
    if (size)
        memcpy(file + sizeof start - 1, data, size);
    open_and_touch(file, sizeof start - 1 + size);
    free(file);
    return 0;
}
