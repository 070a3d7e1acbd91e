/* SHA-256, by nettle. */
#ifndef GRAFT_BASE_HASH_H
#define GRAFT_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

#include <nettle/sha2.h>

typedef struct graft_digest {
    uint8_t bytes[32];
} graft_digest;

void graft_digest_of(graft_digest *digest, const void *data, size_t size);
/* Of one thing after another. */
typedef struct graft_hasher {
    struct sha256_ctx state;
} graft_hasher;
void graft_hasher_begin(graft_hasher *hasher);
void graft_hasher_add(graft_hasher *hasher, const void *data, size_t size);
void graft_hasher_end(graft_hasher *hasher, graft_digest *digest);
/* The first 8 bytes, as the first 16 of its hexadecimal digits. */
uint64_t graft_digest_start(const graft_digest *digest);
void graft_digest_print(const graft_digest *digest, char out[65]);

/* 64 hexadecimal digits and a 0. */
void graft_sha256(const void *data, size_t size, char out[65]);

#endif
