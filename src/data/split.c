/* Samples are drawn by a hash of (seed, name), so that the same pictures give the same split on every machine
 * and in every order, and an added picture moves at most the few at the border.
 *
 * FNV-1a alone will not do: names that differ in their last letters have hashes that begin alike. Philox,
 * keyed by the seed, mixes them. */
#include "data/split.h"

#include <math.h>
#include <stdlib.h>

#include "base/memory.h"
#include "base/random.h"
#include "base/status.h"

typedef struct ticket {
    uint64_t draw;
    size_t sample;
    int label;
} ticket;

static uint64_t draw_of(const char *name, graft_purpose purpose, uint64_t seed)
{
    uint64_t hash = graft_hash_text(name, GRAFT_HASH_START);
    uint32_t counter[4] = {(uint32_t)hash, (uint32_t)(hash >> 32), (uint32_t)purpose, 0}, out[4];
    uint32_t key[2] = {(uint32_t)seed, (uint32_t)(seed >> 32)};
    graft_philox(out, counter, key);
    return (uint64_t)out[1] << 32 | out[0];
}

static int compare_tickets(const void *a, const void *b)
{
    const ticket *x = a, *y = b;
    if (x->label != y->label)
        return x->label < y->label ? -1 : 1;
    if (x->draw != y->draw)
        return x->draw < y->draw ? -1 : 1;
    return x->sample < y->sample ? -1 : x->sample > y->sample;
}

/* The training samples, class by class, each class in the order of its draws. */
static graft_status draw_tickets(ticket **out, size_t *drawn, const graft_sample *samples, size_t count,
                                 graft_purpose purpose, uint64_t seed)
{
    ticket *tickets;
    size_t n = 0;
    graft_status status = GRAFT_NEW_ARRAY(&tickets, count);
    if (status != GRAFT_OK)
        return status;
    for (size_t i = 0; i < count; i++)
        if (samples[i].set == GRAFT_SET_TRAIN)
            tickets[n++] = (ticket){draw_of(samples[i].name, purpose, seed), i, samples[i].label};
    qsort(tickets, n, sizeof *tickets, compare_tickets);
    *out = tickets;
    *drawn = n;
    return GRAFT_OK;
}

/* Of a class of n: at least one is held out, and at least one is left to train on. */
static size_t share_of(double fraction, size_t n)
{
    size_t share = (size_t)llround(fraction * (double)n);
    if (share == 0)
        share = 1;
    return share < n ? share : n - 1;
}

graft_status graft_split_draw(graft_sample *samples, size_t count, double fraction, uint64_t seed)
{
    ticket *tickets;
    size_t n, end;
    if (fraction <= 0.0)
        return GRAFT_OK;
    graft_status status = draw_tickets(&tickets, &n, samples, count, GRAFT_RANDOM_SPLIT, seed);
    if (status != GRAFT_OK)
        return status;
    for (size_t begin = 0; begin < n; begin = end) {
        end = begin + 1;
        while (end < n && tickets[end].label == tickets[begin].label)
            end++;
        size_t share = share_of(fraction, end - begin);
        for (size_t i = begin; i < begin + share; i++)
            samples[tickets[i].sample].set = GRAFT_SET_HELD_OUT;
    }
    free(tickets);
    return GRAFT_OK;
}

/* Dealt on from class to class, so that the folds are of one size, give or take a picture. */
graft_status graft_split_fold(graft_sample *samples, size_t count, int folds, int fold, uint64_t seed)
{
    graft_status status;
    ticket *tickets = NULL;
    size_t n;
    GRAFT_TRY(draw_tickets(&tickets, &n, samples, count, GRAFT_RANDOM_FOLDS, seed));
    if (n < (size_t)folds) {
        status = graft_fail(GRAFT_EARGUMENT, "%zu pictures cannot be dealt to %d folds", n, folds);
        goto out;
    }
    for (size_t i = 0; i < count; i++)
        if (samples[i].set == GRAFT_SET_HELD_OUT)
            samples[i].set = GRAFT_SET_ASIDE;
    for (size_t i = 0; i < n; i++)
        if (i % (size_t)folds == (size_t)fold)
            samples[tickets[i].sample].set = GRAFT_SET_HELD_OUT;
out:
    free(tickets);
    return status;
}
