/* Zip directory, pickle machine and state dict of PyTorch's zip form. */
#include <string.h>

#include "open.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size >= 4 && memcmp(data, "PK\3\4", 4) == 0) /* else it is another target's */
        open_and_touch(data, size);
    return 0;
}
