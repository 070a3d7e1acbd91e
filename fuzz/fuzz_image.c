/* Every decoder of pictures, in both sights, up to a million pixels. */
#include <stdint.h>
#include <stdlib.h>

#include "image/codec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    graft_encoded encoded = {data, size, size % 2 ? GRAFT_AS_SEEN : GRAFT_AS_PILLOW, 1 << 20};
    graft_image image = GRAFT_IMAGE_INIT;
    graft_status status = graft_image_decode_limited(&image, &encoded);
    if ((status == GRAFT_OK) != (image.pixels != NULL) || (status != GRAFT_OK && !graft_error_message()[0]))
        abort();
    graft_image_dispose(&image);
    return 0;
}
