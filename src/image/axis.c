/* Weights of antialiased bilinear and bicubic resampling, as Pillow has them (9.4,
 * src/libImaging/Resample.c).
 *
 * Each output is a weighted sum of the inputs under the filter's support, which grows with the scale where
 * the picture shrinks. Weights are computed in double, normalised to a sum of one and rounded to 22
 * fractional bits.
 *
 * They must not be computed with fused multiply-adds, which round differently. */
#include "image/axis.h"

#include <math.h>
#include <stdlib.h>

#include "base/memory.h"
#include "base/status.h"

/* What the outputs of a stretch have in common. */
struct lens {
    double scale, shrink, support;
};

static double bilinear(double x)
{
    x = fabs(x);
    return x < 1.0 ? 1.0 - x : 0.0;
}

/* Keys' cubic convolution, a = -1/2. */
static double bicubic(double x)
{
    const double a = -0.5;
    x = fabs(x);
    if (x < 1.0)
        return ((a + 2.0) * x - (a + 3.0)) * x * x + 1;
    if (x < 2.0)
        return (((x - 5) * x + 8) * x - 4) * a;
    return 0.0;
}

static struct lens lens_of(const graft_stretch *s)
{
    double scale = (double)(s->to - s->from) / (double)s->outputs, shrink = scale < 1.0 ? 1.0 : scale;
    return (struct lens){scale, shrink, (s->filter == GRAFT_BICUBIC ? 2.0 : 1.0) * shrink};
}

/* Where the support of a kept output is centred in the input, and the inputs that lie in it. */
static double centre_of(const graft_stretch *s, const struct lens *lens, int output, int *first, int *last)
{
    double centre = s->from + ((double)(s->kept + output) + 0.5) * lens->scale;
    *first = (int)(centre - lens->support + 0.5);
    *last = (int)(centre + lens->support + 0.5);
    *first = *first < 0 ? 0 : *first;
    *last = *last > s->inputs ? s->inputs : *last;
    return centre;
}

void graft_stretch_needs(const graft_stretch *stretch, int *first, int *last)
{
    struct lens lens = lens_of(stretch);
    int unused;
    centre_of(stretch, &lens, 0, first, &unused);
    centre_of(stretch, &lens, stretch->count - 1, &unused, last);
}

static int32_t to_fixed(double weight)
{
    return (int32_t)(weight * (1 << GRAFT_WEIGHT_BITS) + (weight < 0 ? -0.5 : 0.5));
}

static void weigh(graft_axis *axis, int output, const graft_stretch *s, const struct lens *lens,
                  double *scratch)
{
    int first, last;
    double centre = centre_of(s, lens, output, &first, &last);
    double sum = 0.0, unit = 1.0 / lens->shrink;
    for (int i = first; i < last; i++) {
        double at = (i - centre + 0.5) * unit;
        double weight = s->filter == GRAFT_BICUBIC ? bicubic(at) : bilinear(at);
        scratch[i - first] = weight;
        sum += weight;
    }
    axis->firsts[output] = first;
    axis->counts[output] = last > first ? last - first : 0;
    int32_t *weights = axis->weights + (size_t)output * (size_t)axis->most;
    for (int t = 0; t < axis->counts[output]; t++)
        weights[t] = to_fixed(sum != 0.0 ? scratch[t] / sum : scratch[t]);
}

static graft_status pack(graft_axis *axis, const graft_packing *packing)
{
    size_t groups = (size_t)axis->outputs * (size_t)(axis->most / GRAFT_TAPS);
    if (!packing->pack)
        return GRAFT_OK;
    axis->words = packing->words;
    graft_status status = GRAFT_NEW_ARRAY(&axis->packed, groups * (size_t)packing->words);
    for (size_t i = 0; status == GRAFT_OK && i < groups; i++)
        packing->pack(axis->packed + i * (size_t)packing->words, axis->weights + i * GRAFT_TAPS);
    return status;
}

graft_status graft_axis_init(graft_axis *axis, const graft_stretch *stretch, const graft_packing *packing)
{
    struct lens lens = lens_of(stretch);
    int most = (int)ceil(lens.support) * 2 + 1;
    graft_axis made = {.outputs = stretch->count, .most = (most + GRAFT_TAPS - 1) / GRAFT_TAPS * GRAFT_TAPS};
    size_t count = (size_t)stretch->count;
    double *scratch = NULL;
    graft_status status;
    GRAFT_TRY(GRAFT_NEW_ARRAY(&scratch, (size_t)made.most));
    GRAFT_TRY(GRAFT_NEW_ARRAY(&made.firsts, count));
    GRAFT_TRY(GRAFT_NEW_ARRAY(&made.counts, count));
    GRAFT_TRY(GRAFT_NEW_ARRAY(&made.weights, count * (size_t)made.most));
    for (int i = 0; i < stretch->count; i++)
        weigh(&made, i, stretch, &lens, scratch);
    GRAFT_TRY(pack(&made, packing));
    *axis = made;
out:
    free(scratch);
    if (status != GRAFT_OK)
        graft_axis_dispose(&made);
    return status;
}

void graft_axis_dispose(graft_axis *axis)
{
    free(axis->firsts);
    free(axis->counts);
    free(axis->weights);
    free(axis->packed);
}
