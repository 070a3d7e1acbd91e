/* The arithmetic of Winograd's method F(4x4, 3x3), for one set of vector instructions (winograd_lanes.h), and
 * what it works on. Tiles of 4x4 outputs are numbered across a batch's pictures and go in blocks of `rows`;
 * channels go in groups of `lanes`. Lying in memory:
 *     inputs   (36, blocks, groups of x, rows, lanes)    B^T d B of each tile
 *     products (36, pairs of groups of y, blocks, 2, rows, lanes)
 *     weights  (36, pairs of groups of y, channels of x, 2 lanes)    G g G^T; the last pair may be one group
 * with `input_step` and `product_step` numbers from one of the 36 to the next. */
#ifndef GRAFT_KERNELS_HOST_WINOGRAD_H
#define GRAFT_KERNELS_HOST_WINOGRAD_H

#include <stdbool.h>
#include <stdint.h>

enum { GRAFT_WINOGRAD_POINTS = 36, GRAFT_WINOGRAD_TILE = 4 };

typedef struct graft_winograd_shape {
    int64_t batch, channels_in, channels_out;
    int64_t height_in, width_in, height_out, width_out;
    int64_t pad_top, pad_left;
    int64_t down, across, tiles; /* tiles of a picture; of all */
} graft_winograd_shape;

/* A tensor whose pixels have `lanes` channels of a group side by side. */
typedef struct graft_winograd_tensor {
    float *data;
    int64_t sample, group, pixel; /* numbers from one to the next */
} graft_winograd_tensor;

/* What happens to an output before it is written: y = min(max(y [+ what was there] + bias, low), high). */
typedef struct graft_winograd_ending {
    const float *bias; /* (channels of y), or NULL */
    bool adds;
    bool squares; /* only the largest of each square of 2x2 is written; not where it adds */
    float low, high;
} graft_winograd_ending;

/* A step from one group of channels to the next, and from one of its channels to the next. */
typedef struct graft_winograd_axis {
    int64_t group, channel;
} graft_winograd_axis;

/* How weights lie, by outputs, inputs and elements of the window, which is turned around where flipped. */
typedef struct graft_winograd_source {
    const float *data;
    graft_winograd_axis out, in;
    int64_t window;
    bool flipped;
} graft_winograd_source;

typedef struct graft_winograd_code {
    const char *name;
    int64_t lanes, rows;
    /* One block's group of x; tiles from `tiles` on are zeros. */
    void (*transform_input)(const graft_winograd_shape *shape, const graft_winograd_tensor *x, int64_t block,
                            int64_t group, float *inputs, int64_t input_step);
    /* Blocks at one of the 36 points, a pair of groups of y, or the one that is left. */
    void (*multiply)(float *products, const float *inputs, const float *weights, int64_t channels_in,
                     int64_t groups, int64_t blocks);
    /* One block's group of y. */
    void (*transform_output)(const graft_winograd_shape *shape, const graft_winograd_tensor *y, int64_t block,
                             int64_t group, const float *products, int64_t product_step,
                             const graft_winograd_ending *ending);
    /* One channel of x, the pair of groups of y from channel `out` on. */
    void (*transform_weights)(float *transformed, const graft_winograd_source *weights, int64_t channels_in,
                              int64_t channels_out, int64_t out, int64_t in);
    /* As transform_input, of the gradient of y: A dY A^T, lying as products. */
    void (*transform_gradient)(const graft_winograd_shape *shape, const graft_winograd_tensor *y,
                               int64_t block, int64_t group, float *products, int64_t product_step);
    /* Sums over blocks at one of the 36 points, a pair of groups of y, lying as weights; the first ones, or
     * added to what is there. */
    void (*add_products)(float *sums, const float *inputs, const float *products, int64_t channels_in,
                         int64_t groups, int64_t blocks, bool first);
    /* Back to (channels of y, channels of x, 3, 3) in blocks of lanes by lanes, those of y innermost; as
     * transform_weights. */
    void (*finish_weights)(float *weights, const float *sums, int64_t channels_in, int64_t channels_out,
                           int64_t out, int64_t in);
    /* sums (lanes): over all pixels of a group of y. */
    void (*sum_pixels)(float *sums, const graft_winograd_shape *shape, const graft_winograd_tensor *y,
                       int64_t group);
} graft_winograd_code;

/* NULL where they were not compiled. */
const graft_winograd_code *graft_winograd_avx2(void);
const graft_winograd_code *graft_winograd_avx512(void);

#endif
