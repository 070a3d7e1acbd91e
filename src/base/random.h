/* Counter-based random numbers: Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3",
 * SC 2011). A number is a function of (seed, purpose, epoch, place, index), so it depends neither on threads
 * nor on the order in which numbers are asked for. */
#ifndef GRAFT_BASE_RANDOM_H
#define GRAFT_BASE_RANDOM_H

#include <stdint.h>

/* One block: four 32-bit numbers from a 128-bit counter and a 64-bit key. */
void graft_philox(uint32_t out[4], const uint32_t counter[4], const uint32_t key[2]);

/* Blocks one behind another: of counters that differ in their first number only, from counter[0] on. */
void graft_philox_blocks(uint32_t *out, const uint32_t counter[4], const uint32_t key[2], int64_t count);

/* What a stream is for; part of the counter, so that no two purposes share numbers. A node's own streams
 * (dropout, initialisation) add the hash of its name. */
typedef enum graft_purpose {
    GRAFT_RANDOM_SHUFFLE = 1,
    GRAFT_RANDOM_VIEW,
    GRAFT_RANDOM_WEIGHTS = 4,
    GRAFT_RANDOM_DROPOUT,
    GRAFT_RANDOM_FOLDS,
    GRAFT_RANDOM_TEST,
    GRAFT_RANDOM_SPLIT
} graft_purpose;

typedef struct graft_random {
    uint32_t key[2];
    uint32_t counter[4]; /* counter[0] is the block, the others name the stream */
    uint32_t block[4];
    int used; /* numbers of `block` that are spent */
} graft_random;

/* The stream of (seed, purpose + name, epoch, place). `name` may be NULL. */
graft_random graft_random_stream(uint64_t seed, graft_purpose purpose, const char *name, uint32_t epoch,
                                 uint32_t place);
uint32_t graft_random_bits(graft_random *random);
/* Uniform in [0, 1), 24 bits. */
float graft_random_uniform(graft_random *random);
/* As many of them, on all of OpenMP's threads. */
void graft_random_uniforms(graft_random *random, float *values, int64_t count);
/* Uniform in [lo, hi], in float as torch's uniform_. */
float graft_random_between(graft_random *random, float lo, float hi);
/* Uniform in 0..bound-1 without bias; bound > 0. */
uint32_t graft_random_below(graft_random *random, uint32_t bound);
/* Standard normal (Box and Muller). */
float graft_random_normal(graft_random *random);
/* Fisher and Yates. */
void graft_random_shuffle(graft_random *random, int *values, int count);

/* FNV-1a, for names in counters and for the fixed split: not for anything an enemy chooses. */
uint64_t graft_hash_text(const char *text, uint64_t start);
#define GRAFT_HASH_START UINT64_C(0xcbf29ce484222325)

#endif
