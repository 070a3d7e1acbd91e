/* Which resampler runs here, and the plain one. */
#include "image/resampler.h"

enum { HALF = 1 << (GRAFT_WEIGHT_BITS - 1), CHANNELS = 3 };

const graft_resampler *const *graft_resamplers(void)
{
    static const graft_resampler *const all[] = {
#if defined(__x86_64__)
        &graft_resampler_avx512,
        &graft_resampler_avx2,
#endif
        &graft_resampler_plain,
        NULL,
    };
    return all;
}

const graft_resampler *graft_resampler_here(void)
{
    const graft_resampler *const *all = graft_resamplers();
    while (!(*all)->runs_here())
        all++;
    return *all;
}

int graft_axis_inside(const graft_axis *axis, const graft_rows *in, size_t bytes)
{
    for (int x = 0; x < axis->outputs; x++) {
        size_t groups = (size_t)graft_axis_groups(axis, x), first = (size_t)axis->firsts[x];
        if (groups > 0 && (first + (groups - 1) * GRAFT_TAPS) * CHANNELS + bytes > in->size)
            return x;
    }
    return axis->outputs;
}

static uint8_t to_byte(uint32_t sum)
{
    int32_t value = (int32_t)sum >> GRAFT_WEIGHT_BITS;
    return (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value);
}

static void resample_row(uint8_t *restrict out, const uint8_t *restrict in, const graft_axis *axis, int first)
{
    for (int x = first; x < axis->outputs; x++) {
        const int32_t *weights = axis->weights + (size_t)x * (size_t)axis->most;
        const uint8_t *pixel = in + (size_t)axis->firsts[x] * CHANNELS;
        uint32_t red = HALF, green = HALF, blue = HALF;
        for (int t = 0; t < axis->counts[x]; t++, pixel += CHANNELS) {
            uint32_t weight = (uint32_t)weights[t];
            red += weight * pixel[0];
            green += weight * pixel[1];
            blue += weight * pixel[2];
        }
        out[x * CHANNELS] = to_byte(red);
        out[x * CHANNELS + 1] = to_byte(green);
        out[x * CHANNELS + 2] = to_byte(blue);
    }
}

void graft_plain_across(uint8_t *out, size_t stride, const graft_rows *in, const graft_axis *axis, int first)
{
    for (int y = 0; y < in->count; y++)
        resample_row(out + (size_t)y * stride, in->pixels + (size_t)y * in->stride, axis, first);
}

enum { STRETCH = 64 }; /* columns summed together; the sums stay in registers or the nearest cache */

void graft_plain_down(uint8_t *restrict out, const graft_rows *in, const graft_axis *axis, int output,
                      size_t start)
{
    const int32_t *weights = axis->weights + (size_t)output * (size_t)axis->most;
    for (; start < in->size; start += STRETCH) {
        size_t length = in->size - start < STRETCH ? in->size - start : STRETCH;
        uint32_t sums[STRETCH];
        for (size_t i = 0; i < length; i++)
            sums[i] = HALF;
        for (int t = 0; t < axis->counts[output]; t++) {
            const uint8_t *row = in->pixels + (size_t)t * in->stride + start;
            uint32_t weight = (uint32_t)weights[t];
            for (size_t i = 0; i < length; i++)
                sums[i] += weight * row[i];
        }
        for (size_t i = 0; i < length; i++)
            out[start + i] = to_byte(sums[i]);
    }
}

static bool always(void)
{
    return true;
}

static void across(uint8_t *out, size_t stride, const graft_rows *in, const graft_axis *axis)
{
    graft_plain_across(out, stride, in, axis, 0);
}

static void down(uint8_t *out, const graft_rows *in, const graft_axis *axis, int output)
{
    graft_plain_down(out, in, axis, output, 0);
}

const graft_resampler graft_resampler_plain = {
    .name = "plain",
    .runs_here = always,
    .across = across,
    .down = down,
};
