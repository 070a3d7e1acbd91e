/* Philox4x32-10 and what is drawn from it. */
#include "base/random.h"

#include <math.h>
#include <string.h>

enum { ROUNDS = 10 };

void graft_philox(uint32_t out[4], const uint32_t counter[4], const uint32_t key[2])
{
    uint32_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3];
    uint32_t k0 = key[0], k1 = key[1];
    for (int round = 0; round < ROUNDS; round++) {
        uint64_t p0 = (uint64_t)UINT32_C(0xD2511F53) * c0;
        uint64_t p1 = (uint64_t)UINT32_C(0xCD9E8D57) * c2;
        c0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0;
        c1 = (uint32_t)p1;
        c2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
        c3 = (uint32_t)p0;
        k0 += UINT32_C(0x9E3779B9);
        k1 += UINT32_C(0xBB67AE85);
    }
    out[0] = c0;
    out[1] = c1;
    out[2] = c2;
    out[3] = c3;
}

enum { LANES = 16 };

/* LANES blocks side by side, so that the compiler makes one instruction of each line. */
__attribute__((target_clones("avx512f", "avx2", "default"))) static void philox_lanes(
    uint32_t *restrict out, const uint32_t counter[4], const uint32_t key[2])
{
    uint32_t c0[LANES], c1[LANES], c2[LANES], c3[LANES];
    uint32_t k0 = key[0], k1 = key[1];
    for (uint32_t i = 0; i < LANES; i++) {
        c0[i] = counter[0] + i;
        c1[i] = counter[1];
        c2[i] = counter[2];
        c3[i] = counter[3];
    }
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < LANES; i++) {
            uint64_t p0 = (uint64_t)UINT32_C(0xD2511F53) * c0[i];
            uint64_t p1 = (uint64_t)UINT32_C(0xCD9E8D57) * c2[i];
            c0[i] = (uint32_t)(p1 >> 32) ^ c1[i] ^ k0;
            c1[i] = (uint32_t)p1;
            c2[i] = (uint32_t)(p0 >> 32) ^ c3[i] ^ k1;
            c3[i] = (uint32_t)p0;
        }
        k0 += UINT32_C(0x9E3779B9);
        k1 += UINT32_C(0xBB67AE85);
    }
    for (int i = 0; i < LANES; i++) {
        out[4 * i] = c0[i];
        out[4 * i + 1] = c1[i];
        out[4 * i + 2] = c2[i];
        out[4 * i + 3] = c3[i];
    }
}

void graft_philox_blocks(uint32_t *out, const uint32_t counter[4], const uint32_t key[2], int64_t count)
{
    uint32_t at[4] = {counter[0], counter[1], counter[2], counter[3]};
    for (; count >= LANES; count -= LANES, at[0] += LANES, out += 4 * LANES)
        philox_lanes(out, at, key);
    for (; count > 0; count--, at[0]++, out += 4)
        graft_philox(out, at, key);
}

graft_random graft_random_stream(uint64_t seed, graft_purpose purpose, const char *name, uint32_t epoch,
                                 uint32_t place)
{
    uint64_t hash = graft_hash_text(name ? name : "", GRAFT_HASH_START) * 64 + (uint64_t)purpose;
    graft_random random = {.key = {(uint32_t)seed, (uint32_t)(seed >> 32)},
                           .counter = {0, (uint32_t)(hash ^ hash >> 32), epoch, place},
                           .used = 4};
    return random;
}

uint32_t graft_random_bits(graft_random *random)
{
    if (random->used == 4) {
        graft_philox(random->block, random->counter, random->key);
        random->counter[0]++;
        random->used = 0;
    }
    return random->block[random->used++];
}

float graft_random_uniform(graft_random *random)
{
    return (float)(graft_random_bits(random) >> 8) * 0x1p-24F;
}

/* What is left of a block first, and one number at a time what ends within a block. */
void graft_random_uniforms(graft_random *random, float *values, int64_t count)
{
    enum { BLOCKS = 4 * LANES };
    int64_t first = 0, whole;
    for (; first < count && random->used < 4; first++)
        values[first] = graft_random_uniform(random);
    whole = (count - first) / (4 * BLOCKS);
#pragma omp parallel for schedule(static)
    for (int64_t i = 0; i < whole; i++) {
        uint32_t bits[4 * BLOCKS], counter[4];
        memcpy(counter, random->counter, sizeof counter);
        counter[0] += (uint32_t)(i * BLOCKS);
        graft_philox_blocks(bits, counter, random->key, BLOCKS);
        for (int64_t j = 0; j < 4 * BLOCKS; j++)
            values[first + i * 4 * BLOCKS + j] = (float)(bits[j] >> 8) * 0x1p-24F;
    }
    random->counter[0] += (uint32_t)(whole * BLOCKS);
    for (int64_t i = first + whole * 4 * BLOCKS; i < count; i++)
        values[i] = graft_random_uniform(random);
}

float graft_random_between(graft_random *random, float lo, float hi)
{
    return lo + (hi - lo) * graft_random_uniform(random);
}

uint32_t graft_random_below(graft_random *random, uint32_t bound)
{
    uint32_t unfair = (uint32_t)(-bound) % bound; /* 2^32 mod bound: results below it come once too often */
    uint64_t product;
    do
        product = (uint64_t)graft_random_bits(random) * bound;
    while ((uint32_t)product < unfair);
    return (uint32_t)(product >> 32);
}

float graft_random_normal(graft_random *random)
{
    double radius = 1.0 - graft_random_uniform(random); /* (0, 1] */
    double angle = 2.0 * 3.14159265358979323846 * graft_random_uniform(random);
    return (float)(sqrt(-2.0 * log(radius)) * cos(angle));
}

void graft_random_shuffle(graft_random *random, int *values, int count)
{
    for (int i = count - 1; i > 0; i--) {
        int j = (int)graft_random_below(random, (uint32_t)i + 1);
        int value = values[i];
        values[i] = values[j];
        values[j] = value;
    }
}

uint64_t graft_hash_text(const char *text, uint64_t start)
{
    uint64_t hash = start;
    for (; *text; text++)
        hash = (hash ^ (unsigned char)*text) * UINT64_C(0x100000001b3);
    return hash;
}
