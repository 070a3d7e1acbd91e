/* What the kernels of Winograd's method have in common: a convolution cut into blocks of tiles, and chunks of
 * blocks with a place for what lies between the transforms. */
#ifndef GRAFT_KERNELS_HOST_WINOGRAD_FRAME_H
#define GRAFT_KERNELS_HOST_WINOGRAD_FRAME_H

#include "kernels/host/winograd.h"
#include "kernels/kernel.h"

enum { GRAFT_WINOGRAD_SHARED = 32 << 20 }; /* bytes of a chunk that all threads work on */

typedef struct graft_winograd_frame {
    const graft_winograd_code *code;
    graft_winograd_shape shape;
    graft_winograd_tensor x, y;
    int64_t groups_in, groups_out,
        pairs_out;                    /* of channels; groups of y two at a time, the last may be one */
    int64_t block;                    /* numbers of a block's group: rows times lanes */
    int64_t blocks, chunk;            /* blocks of all tiles; of a chunk at most */
    int64_t input_step, product_step; /* numbers from one of the 36 points to the next */
} graft_winograd_frame;

typedef struct graft_winograd_chunk {
    const graft_winograd_frame *frame;
    int64_t first, blocks;
    float *inputs, *products;
} graft_winograd_chunk;

/* The code for this machine, or NULL. */
const graft_winograd_code *graft_winograd_here(void);

/* All but the addresses and the chunks, and the layouts of x and y. graft_convolution_suits_winograd(c)
 * holds. */
graft_status graft_winograd_frame_init(graft_winograd_frame *frame, graft_device *device,
                                       const graft_convolution *c, const graft_layout **x,
                                       const graft_layout **y);
/* Chunks of about `bytes` that hold the products of `pairs` pairs; what a chunk takes is returned. */
size_t graft_winograd_frame_cut(graft_winograd_frame *frame, int64_t bytes, int64_t pairs);
/* The chunk that begins at a block, in place number `place` of a kernel's scratch. */
graft_winograd_chunk graft_winograd_chunk_at(const graft_winograd_frame *frame, int64_t first, void *scratch,
                                             int place);

/* A block's group of x, of the chunk's blocks. */
void graft_winograd_chunk_input(const graft_winograd_chunk *chunk, int64_t block, int64_t group);
/* All of them; called by all threads of a team, which have all finished when it returns. */
void graft_winograd_chunk_inputs(const graft_winograd_chunk *chunk);

/* 2, or 1 of a pair that is not one. */
static inline int64_t graft_winograd_groups_of(const graft_winograd_frame *frame, int64_t pair)
{
    return 2 * pair + 2 <= frame->groups_out ? 2 : 1;
}

/* The first point's products of the pair at `place`. */
static inline float *graft_winograd_products_of(const graft_winograd_chunk *chunk, int64_t place)
{
    return chunk->products + place * chunk->blocks * 2 * chunk->frame->block;
}

/* Where a pair's weights begin at a point. */
static inline int64_t graft_winograd_weights_at(const graft_winograd_frame *frame, int64_t point,
                                                int64_t pair)
{
    return (point * frame->shape.channels_out + 2 * pair * frame->code->lanes) * frame->shape.channels_in;
}

#endif
