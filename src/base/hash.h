/* SHA-256, by nettle. */
#ifndef GRAFT_BASE_HASH_H
#define GRAFT_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

/* 64 hexadecimal digits and a 0. */
void graft_sha256(const void *data, size_t size, char out[65]);

/* The first 8 bytes, as the 16 digits that graft_sha256 begins with. */
uint64_t graft_sha256_start(const void *data, size_t size);

#endif
