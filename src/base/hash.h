/* SHA-256, by nettle. */
#ifndef GRAFT_BASE_HASH_H
#define GRAFT_BASE_HASH_H

#include <stddef.h>

/* 64 hexadecimal digits and a 0. */
void graft_sha256(const void *data, size_t size, char out[65]);

#endif
