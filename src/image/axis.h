/* The weights of one axis of a resampling. */
#ifndef GRAFT_IMAGE_AXIS_H
#define GRAFT_IMAGE_AXIS_H

#include <graft/picture.h>

enum { GRAFT_WEIGHT_BITS = 22 }; /* of a weight's fraction */

enum { GRAFT_TAPS = 4 }; /* taps of a group; weights are padded to whole groups with zeros */

/* Output i is the sum over t < counts[i] of weights[i * most + t] times input firsts[i] + t. */
typedef struct graft_axis {
    int outputs;
    int most; /* weights from one output to the next, whole groups of taps */
    int *firsts;
    int *counts;
    int32_t *weights;
    int words;       /* of a packed group */
    int32_t *packed; /* (outputs, most / GRAFT_TAPS, words): the weights as vector instructions take them */
} graft_axis;

/* What is resampled along an axis: `from` .. `to` of `inputs` become `outputs`, of which `count` from `kept`
 * on are computed. */
typedef struct graft_stretch {
    int inputs;
    float from, to;
    int64_t outputs, kept;
    int count;
    graft_filter filter;
} graft_stretch;

/* One word or more for a group of four weights; NULL: nothing is packed. */
typedef struct graft_packing {
    int words;
    void (*pack)(int32_t *words, const int32_t *weights);
} graft_packing;

graft_status graft_axis_init(graft_axis *axis, const graft_stretch *stretch, const graft_packing *packing);
void graft_axis_dispose(graft_axis *axis);

/* The inputs *first .. *last (exclusive) that the kept outputs need. */
void graft_stretch_needs(const graft_stretch *stretch, int *first, int *last);

/* The packed weights of an output, and how many groups of them are not all zero. */
static inline const int32_t *graft_axis_packed(const graft_axis *axis, int output)
{
    return axis->packed + (size_t)output * (size_t)(axis->most / GRAFT_TAPS) * (size_t)axis->words;
}

static inline int graft_axis_groups(const graft_axis *axis, int output)
{
    return (axis->counts[output] + GRAFT_TAPS - 1) / GRAFT_TAPS;
}

#endif
