/* Antialiased bilinear and bicubic resampling of 8-bit RGB, equal to Pillow's to the bit (Pillow 9.4,
 * src/libImaging/Resample.c).
 *
 * Each output pixel is a weighted sum of the input pixels under the filter's support, which grows with the
 * scale where the picture shrinks. Weights are computed in double, normalised to a sum of one and rounded to
 * 22 fractional bits; sums are 32-bit integers that begin at one half. Rows are resampled first, rounded to
 * bytes, then columns. An axis that does not change is skipped. Because every output pixel has its own
 * weights, a part of the output can be computed alone: only the input rows and columns that it needs are
 * read.
 *
 * The weights must not be computed with fused multiply-adds, which round differently. */
#include "image/resize.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/status.h"

#ifdef __clang__
#pragma STDC FP_CONTRACT OFF
#else
#pragma GCC optimize("fp-contract=off")
#endif

enum { FRACTION = 22, HALF = 1 << (FRACTION - 1), CHANNELS = 3 };

/* The weights of one axis: output i is the sum over t < counts[i] of weights[i * most + t] times input
 * firsts[i] + t. */
struct axis {
    int outputs;
    int most;
    int *firsts;
    int *counts;
    int32_t *weights;
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

static void axis_dispose(struct axis *axis)
{
    free(axis->firsts);
    free(axis->counts);
    free(axis->weights);
}

static int32_t to_fixed(double weight)
{
    return (int32_t)(weight * (1 << FRACTION) + (weight < 0 ? -0.5 : 0.5));
}

/* The weights of one output, whose support is centred at `centre` in the input. */
static void weigh(struct axis *axis, int output, int inputs, double centre, double support, double shrink,
                  graft_filter filter, double *scratch)
{
    int first = (int)(centre - support + 0.5), last = (int)(centre + support + 0.5);
    first = first < 0 ? 0 : first;
    last = last > inputs ? inputs : last;
    double sum = 0.0, unit = 1.0 / shrink;
    for (int i = first; i < last; i++) {
        double at = (i - centre + 0.5) * unit;
        double weight = filter == GRAFT_BICUBIC ? bicubic(at) : bilinear(at);
        scratch[i - first] = weight;
        sum += weight;
    }
    axis->firsts[output] = first;
    axis->counts[output] = last > first ? last - first : 0;
    int32_t *weights = axis->weights + (size_t)output * (size_t)axis->most;
    for (int t = 0; t < axis->counts[output]; t++)
        weights[t] = to_fixed(sum != 0.0 ? scratch[t] / sum : scratch[t]);
}

/* Outputs kept .. kept + count of the `outputs` that [from, to) of `inputs` becomes. */
static graft_status axis_init(struct axis *axis, int inputs, float from, float to, int64_t outputs,
                              int64_t kept, int count, graft_filter filter)
{
    double scale = (double)(to - from) / (double)outputs, shrink = scale < 1.0 ? 1.0 : scale;
    double support = (filter == GRAFT_BICUBIC ? 2.0 : 1.0) * shrink;
    struct axis made = {.outputs = count, .most = (int)ceil(support) * 2 + 1};
    double *scratch = NULL;
    graft_status status;
    GRAFT_TRY(GRAFT_NEW_ARRAY(&scratch, (size_t)made.most));
    GRAFT_TRY(GRAFT_NEW_ARRAY(&made.firsts, (size_t)count));
    GRAFT_TRY(GRAFT_NEW_ARRAY(&made.counts, (size_t)count));
    GRAFT_TRY(GRAFT_NEW_ARRAY(&made.weights, (size_t)count * (size_t)made.most));
    for (int i = 0; i < count; i++)
        weigh(&made, i, inputs, from + ((double)(kept + i) + 0.5) * scale, support, shrink, filter, scratch);
    *axis = made;
out:
    free(scratch);
    if (status != GRAFT_OK)
        axis_dispose(&made);
    return status;
}

static uint8_t to_byte(int32_t sum)
{
    int32_t value = sum >> FRACTION;
    return (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value);
}

static void resample_row(uint8_t *restrict out, const uint8_t *restrict in, const struct axis *axis)
{
    for (int x = 0; x < axis->outputs; x++, out += CHANNELS) {
        const int32_t *weights = axis->weights + (size_t)x * (size_t)axis->most;
        const uint8_t *pixel = in + (size_t)axis->firsts[x] * CHANNELS;
        int32_t red = HALF, green = HALF, blue = HALF;
        for (int t = 0; t < axis->counts[x]; t++, pixel += CHANNELS) {
            red += weights[t] * pixel[0];
            green += weights[t] * pixel[1];
            blue += weights[t] * pixel[2];
        }
        out[0] = to_byte(red);
        out[1] = to_byte(green);
        out[2] = to_byte(blue);
    }
}

enum { STRETCH = 64 }; /* columns summed together; the sums stay in registers or the nearest cache */

/* Row `y` of the output: weighted rows of the input, `size` bytes wide. */
static void resample_column(uint8_t *restrict out, const uint8_t *restrict in, size_t stride, size_t size,
                            const struct axis *axis, int y)
{
    const int32_t *weights = axis->weights + (size_t)y * (size_t)axis->most;
    for (size_t start = 0; start < size; start += STRETCH) {
        size_t length = size - start < STRETCH ? size - start : STRETCH;
        int32_t sums[STRETCH];
        for (size_t i = 0; i < length; i++)
            sums[i] = HALF;
        for (int t = 0; t < axis->counts[y]; t++) {
            const uint8_t *row = in + (size_t)t * stride + start;
            for (size_t i = 0; i < length; i++)
                sums[i] += weights[t] * row[i];
        }
        for (size_t i = 0; i < length; i++)
            out[start + i] = to_byte(sums[i]);
    }
}

/* Input rows first .. first + rows, resampled to kept_width columns, or a view of them where the width stays.
 */
struct middle {
    const uint8_t *pixels;
    size_t stride;
    int first;
    uint8_t *owned;
};

static graft_status resample_rows(struct middle *middle, const graft_window *window,
                                  const graft_resampling *how, int first, int rows)
{
    const uint8_t *source = window->pixels + (size_t)first * window->stride;
    const graft_box *box = &how->box;
    if (how->width == window->width && box->x == 0 && box->width == window->width) {
        *middle = (struct middle){source + how->kept_x * CHANNELS, window->stride, first, NULL};
        return GRAFT_OK;
    }
    size_t stride = (size_t)how->kept_width * CHANNELS;
    struct axis axis = {0};
    uint8_t *pixels = NULL;
    graft_status status;
    GRAFT_TRY(axis_init(&axis, window->width, (float)box->x, (float)(box->x + box->width), how->width,
                        how->kept_x, how->kept_width, how->filter));
    GRAFT_TRY(graft_allocate_aligned(&pixels, stride * (size_t)rows));
    for (int y = 0; y < rows; y++)
        resample_row(pixels + (size_t)y * stride, source + (size_t)y * window->stride, &axis);
    *middle = (struct middle){pixels, stride, first, pixels};
out:
    axis_dispose(&axis);
    return status;
}

static void copy_rows(uint8_t *out, size_t stride, const struct middle *middle, const graft_resampling *how)
{
    for (int y = 0; y < how->kept_height; y++)
        memcpy(out + (size_t)y * stride, middle->pixels + (size_t)y * middle->stride,
               (size_t)how->kept_width * CHANNELS);
}

/* Input rows that the kept rows need, by the first and the last of their weights. */
static void rows_needed(const struct axis *axis, int *first, int *rows)
{
    int last = axis->outputs - 1;
    *first = axis->firsts[0];
    *rows = axis->firsts[last] + axis->counts[last] - *first;
}

graft_status graft_window_resample(uint8_t *out, size_t stride, const graft_window *window,
                                   const graft_resampling *how)
{
    struct axis axis = {0};
    struct middle middle = {0};
    const graft_box *box = &how->box;
    graft_status status;
    if (how->height == window->height && box->y == 0 && box->height == window->height) {
        GRAFT_TRY(resample_rows(&middle, window, how, (int)how->kept_y, how->kept_height));
        copy_rows(out, stride, &middle, how);
        goto out;
    }
    int first, rows;
    GRAFT_TRY(axis_init(&axis, window->height, (float)box->y, (float)(box->y + box->height), how->height,
                        how->kept_y, how->kept_height, how->filter));
    rows_needed(&axis, &first, &rows);
    GRAFT_TRY(resample_rows(&middle, window, how, first, rows));
    for (int y = 0; y < how->kept_height; y++)
        resample_column(out + (size_t)y * stride,
                        middle.pixels + (size_t)(axis.firsts[y] - first) * middle.stride, middle.stride,
                        (size_t)how->kept_width * CHANNELS, &axis, y);
out:
    free(middle.owned);
    axis_dispose(&axis);
    return status;
}

graft_status graft_image_resize(graft_image *out, const graft_image *image, const graft_box *box, int width,
                                int height, graft_filter filter)
{
    if (box->x < 0 || box->y < 0 || box->width <= 0 || box->height <= 0 ||
        box->width > image->width - box->x || box->height > image->height - box->y)
        return graft_fail(GRAFT_EARGUMENT, "the box %d x %d at (%d, %d) does not lie in %d x %d pixels",
                          box->width, box->height, box->x, box->y, image->width, image->height);
    graft_image made;
    graft_status status = graft_image_create(&made, width, height);
    if (status != GRAFT_OK)
        return status;
    graft_window window = {image->pixels, (size_t)image->width * CHANNELS, image->width, image->height};
    graft_resampling how = {*box, width, height, 0, 0, width, height, filter};
    status = graft_window_resample(made.pixels, (size_t)width * CHANNELS, &window, &how);
    if (status == GRAFT_OK)
        *out = made;
    else
        graft_image_dispose(&made);
    return status;
}
