/* Every decoder of pictures, in both sights, up to a million pixels; and that a part of a picture has the
 * same pixels and the same verdict as all of it. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "image/codec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Some box that depends on the size of the picture and of the file. */
static graft_box middle(const void *context, int width, int height)
{
    int x = (int)(*(const size_t *)context % (size_t)width),
        y = (int)(*(const size_t *)context % (size_t)height);
    return (graft_box){x, y, (width - x + 1) / 2, (height - y + 1) / 2};
}

static void check_part(const graft_part *all, const graft_part *part, const graft_box *box)
{
    if (part->width != all->width || part->height != all->height || box->x < part->x || box->y < part->y)
        abort();
    for (int y = box->y; y < box->y + box->height; y++) {
        size_t there = (size_t)(y - part->y) * (size_t)part->image.width + (size_t)(box->x - part->x);
        size_t here = (size_t)y * (size_t)all->width + (size_t)box->x;
        if (memcmp(all->image.pixels + here * 3, part->image.pixels + there * 3, (size_t)box->width * 3) != 0)
            abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const graft_wish wish = {.needs = middle, .context = &size};
    graft_encoded encoded = {data, size, size % 2 ? GRAFT_AS_SEEN : GRAFT_AS_PILLOW, 1 << 20, NULL};
    graft_part all = {.width = 0}, part = {.width = 0};
    graft_status status = graft_part_decode_limited(&all, &encoded);
    if ((status == GRAFT_OK) != (all.image.pixels != NULL) ||
        (status != GRAFT_OK && !graft_error_message()[0]))
        abort();
    encoded.wish = &wish;
    if (graft_part_decode_limited(&part, &encoded) != status)
        abort();
    if (status == GRAFT_OK) {
        graft_box box = middle(&size, all.width, all.height);
        check_part(&all, &part, &box);
    }
    graft_part_dispose(&all);
    graft_part_dispose(&part);
    return 0;
}
