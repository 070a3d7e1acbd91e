/* How an (N, C, H, W) tensor lies in memory, for kernels in plain C that take it as it is: element (n, c, p),
 * p = h W + w, is at
 *     n sample + c / lanes group + c % lanes + p pixel.
 * Row-major tensors have one lane, tensors blocked by channels as many as the block; channels last are cut
 * into groups of a width that the kernel asks for. */
#ifndef GRAFT_KERNELS_LANES_H
#define GRAFT_KERNELS_LANES_H

#include "kernels/kernel.h"

typedef struct graft_lanes {
    int64_t samples, channels, pixels;
    int64_t groups; /* of channels that lie side by side */
    int64_t lanes;  /* of a group; the last group may have fewer */
    int64_t stored; /* of the last group: what lies there behind its channels is zero and stays so */
    int64_t sample, group, pixel;
} graft_lanes;

/* Whether it is one of graft_layout_like's forms of four dimensions. */
bool graft_layout_has_lanes(const graft_layout *layout);

/* `layout` is one of graft_layout_like's forms. `widest`: of a group where channels lie last. */
graft_lanes graft_lanes_of(const graft_layout *layout, int64_t widest);

/* Where a sample's channel begins: its pixel 0. */
static inline int64_t graft_lanes_at(const graft_lanes *lanes, int64_t sample, int64_t channel)
{
    return sample * lanes->sample + channel / lanes->lanes * lanes->group + channel % lanes->lanes;
}

/* The channels of a group. */
static inline int64_t graft_lanes_in(const graft_lanes *lanes, int64_t group)
{
    int64_t left = lanes->channels - group * lanes->lanes;
    return left < lanes->lanes ? left : lanes->lanes;
}

/* Those and the zeros behind them. */
static inline int64_t graft_lanes_stored(const graft_lanes *lanes, int64_t group)
{
    return group + 1 < lanes->groups ? lanes->lanes : lanes->stored;
}

/* Writes the zeros of a group whose pixels begin at `y`; elements have `size` bytes. */
void graft_lanes_clear(const graft_lanes *lanes, int64_t group, void *y, size_t size);

#endif
