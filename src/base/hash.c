/* SHA-256, by nettle. */
#include "base/hash.h"

void graft_hasher_begin(graft_hasher *hasher)
{
    sha256_init(&hasher->state);
}

void graft_hasher_add(graft_hasher *hasher, const void *data, size_t size)
{
    sha256_update(&hasher->state, size, data);
}

void graft_hasher_end(graft_hasher *hasher, graft_digest *digest)
{
    sha256_digest(&hasher->state, sizeof digest->bytes, digest->bytes);
}

void graft_digest_of(graft_digest *digest, const void *data, size_t size)
{
    graft_hasher hasher;
    graft_hasher_begin(&hasher);
    graft_hasher_add(&hasher, data, size);
    graft_hasher_end(&hasher, digest);
}

uint64_t graft_digest_start(const graft_digest *digest)
{
    uint64_t start = 0;
    for (int i = 0; i < 8; i++)
        start = start << 8 | digest->bytes[i];
    return start;
}

void graft_digest_print(const graft_digest *digest, char out[65])
{
    for (size_t i = 0; i < sizeof digest->bytes; i++) {
        out[2 * i] = "0123456789abcdef"[digest->bytes[i] >> 4];
        out[2 * i + 1] = "0123456789abcdef"[digest->bytes[i] & 15];
    }
    out[64] = 0;
}

void graft_sha256(const void *data, size_t size, char out[65])
{
    graft_digest digest;
    graft_digest_of(&digest, data, size);
    graft_digest_print(&digest, out);
}
