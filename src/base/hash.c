/* SHA-256, by nettle. */
#include "base/hash.h"

#include <nettle/sha2.h>

static void digest_of(uint8_t digest[SHA256_DIGEST_SIZE], const void *data, size_t size)
{
    struct sha256_ctx context;
    sha256_init(&context);
    sha256_update(&context, size, data);
    sha256_digest(&context, SHA256_DIGEST_SIZE, digest);
}

void graft_sha256(const void *data, size_t size, char out[65])
{
    uint8_t digest[SHA256_DIGEST_SIZE];
    digest_of(digest, data, size);
    for (int i = 0; i < SHA256_DIGEST_SIZE; i++) {
        out[2 * i] = "0123456789abcdef"[digest[i] >> 4];
        out[2 * i + 1] = "0123456789abcdef"[digest[i] & 15];
    }
    out[64] = 0;
}

uint64_t graft_sha256_start(const void *data, size_t size)
{
    uint8_t digest[SHA256_DIGEST_SIZE];
    uint64_t start = 0;
    digest_of(digest, data, size);
    for (int i = 0; i < 8; i++)
        start = start << 8 | digest[i];
    return start;
}
