/* Resampling with AVX2.
 *
 * A weight of 24 bits does not fit the instruction that multiplies 16-bit numbers and adds pairs of products,
 * so it is cut in two: w = high * 2^15 + low, low without sign. Sums of both halves are put together in the
 * end; all of it wraps at 32 bits, so the result is the plain one's. A group of four weights is packed as
 * high 0 1, low 0 1, high 2 3, low 2 3. */
#include "image/resampler.h"

#if defined(__x86_64__)
#include <immintrin.h>
#include <string.h>

#define AVX2 __attribute__((target("avx2")))

enum { HALF = 1 << (GRAFT_WEIGHT_BITS - 1), LOW_BITS = 15, LOW = (1 << LOW_BITS) - 1, WORDS = 4 };
enum { LOAD = 16, WIDE = 32, CHANNELS = 3 };

static bool runs_here(void)
{
    return __builtin_cpu_supports("avx2");
}

static int32_t pair(int32_t first, int32_t second)
{
    return (int32_t)(((uint32_t)first & 0xFFFFU) | (uint32_t)second << 16);
}

static void pack(int32_t *words, const int32_t *weights)
{
    for (int i = 0; i < GRAFT_TAPS; i += 2) {
        words[i] = pair(weights[i] >> LOW_BITS, weights[i + 1] >> LOW_BITS);
        words[i + 1] = pair(weights[i] & LOW, weights[i + 1] & LOW);
    }
}

/* high * 2^15 + low + 1/2, as whole numbers. */
AVX2 static inline __m256i whole(__m256i high, __m256i low)
{
    __m256i sum = _mm256_add_epi32(_mm256_slli_epi32(high, LOW_BITS), low);
    return _mm256_srai_epi32(_mm256_add_epi32(sum, _mm256_set1_epi32(HALF)), GRAFT_WEIGHT_BITS);
}

AVX2 static inline __m256i load_two(const uint8_t *upper, const uint8_t *lower)
{
    __m128i a = _mm_loadu_si128((const __m128i *)(const void *)upper);
    __m128i b = _mm_loadu_si128((const __m128i *)(const void *)lower);
    return _mm256_inserti128_si256(_mm256_castsi128_si256(a), b, 1);
}

/* Two rows, a half of the register each: red, green, blue of one output. */
AVX2 static inline __m256i sum_pixel(const uint8_t *upper, const uint8_t *lower, const int32_t *packed,
                                     int groups)
{
    const __m256i even = _mm256_setr_epi8(0, -1, 3, -1, 1, -1, 4, -1, 2, -1, 5, -1, -1, -1, -1, -1, 0, -1, 3,
                                          -1, 1, -1, 4, -1, 2, -1, 5, -1, -1, -1, -1, -1);
    const __m256i odd = _mm256_setr_epi8(6, -1, 9, -1, 7, -1, 10, -1, 8, -1, 11, -1, -1, -1, -1, -1, 6, -1, 9,
                                         -1, 7, -1, 10, -1, 8, -1, 11, -1, -1, -1, -1, -1);
    __m256i high = _mm256_setzero_si256(), low = high;
    for (int g = 0; g < groups; g++, packed += WORDS) {
        __m256i pixels = load_two(upper, lower);
        __m256i first = _mm256_shuffle_epi8(pixels, even), second = _mm256_shuffle_epi8(pixels, odd);
        high = _mm256_add_epi32(high, _mm256_madd_epi16(first, _mm256_set1_epi32(packed[0])));
        low = _mm256_add_epi32(low, _mm256_madd_epi16(first, _mm256_set1_epi32(packed[1])));
        high = _mm256_add_epi32(high, _mm256_madd_epi16(second, _mm256_set1_epi32(packed[2])));
        low = _mm256_add_epi32(low, _mm256_madd_epi16(second, _mm256_set1_epi32(packed[3])));
        upper += GRAFT_TAPS * CHANNELS;
        lower += GRAFT_TAPS * CHANNELS;
    }
    return whole(high, low);
}

/* Four bytes are stored for three; the fourth is the next pixel's, or slack. */
AVX2 static inline void store_two(uint8_t *upper, uint8_t *lower, __m256i pixel)
{
    __m256i words = _mm256_packs_epi32(pixel, pixel), bytes = _mm256_packus_epi16(words, words);
    int32_t a = _mm256_extract_epi32(bytes, 0), b = _mm256_extract_epi32(bytes, 4);
    memcpy(lower, &b, sizeof b);
    memcpy(upper, &a, sizeof a);
}

/* Where the number of rows is odd, the last one is done twice. */
AVX2 static void across(uint8_t *out, size_t stride, const graft_rows *in, const graft_axis *axis)
{
    int inside = graft_axis_inside(axis, in, LOAD);
    for (int y = 0; y < in->count; y += 2) {
        size_t next = y + 1 < in->count ? 1 : 0;
        const uint8_t *upper = in->pixels + (size_t)y * in->stride, *lower = upper + next * in->stride;
        uint8_t *to = out + (size_t)y * stride;
        for (int x = 0; x < inside; x++) {
            size_t first = (size_t)axis->firsts[x] * CHANNELS;
            __m256i pixel = sum_pixel(upper + first, lower + first, graft_axis_packed(axis, x),
                                      graft_axis_groups(axis, x));
            store_two(to + x * CHANNELS, to + next * stride + x * CHANNELS, pixel);
        }
    }
    graft_plain_across(out, stride, in, axis, inside);
}

/* 32 bytes of two rows as pairs of 16-bit numbers, times two weights: four registers of eight sums each. */
AVX2 static inline void add_pair(__m256i high[4], __m256i low[4], const uint8_t *upper, const uint8_t *lower,
                                 const int32_t *packed)
{
    const __m256i zero = _mm256_setzero_si256();
    __m256i a = _mm256_loadu_si256((const __m256i *)(const void *)upper);
    __m256i b = _mm256_loadu_si256((const __m256i *)(const void *)lower);
    __m256i ab[2] = {_mm256_unpacklo_epi8(a, b), _mm256_unpackhi_epi8(a, b)};
    for (int i = 0; i < 4; i++) {
        __m256i pairs = i % 2 ? _mm256_unpackhi_epi8(ab[i / 2], zero) : _mm256_unpacklo_epi8(ab[i / 2], zero);
        high[i] = _mm256_add_epi32(high[i], _mm256_madd_epi16(pairs, _mm256_set1_epi32(packed[0])));
        low[i] = _mm256_add_epi32(low[i], _mm256_madd_epi16(pairs, _mm256_set1_epi32(packed[1])));
    }
}

/* A pair's second row may lie behind the last one; its weight is zero, and the first is read again. */
AVX2 static inline __m256i sum_rows(const uint8_t *in, size_t stride, const int32_t *packed, int count)
{
    __m256i high[4], low[4];
    for (int i = 0; i < 4; i++)
        high[i] = low[i] = _mm256_setzero_si256();
    for (int t = 0; t < count; t += 2, packed += 2) {
        const uint8_t *row = in + (size_t)t * stride;
        add_pair(high, low, row, t + 1 < count ? row + stride : row, packed);
    }
    __m256i left = _mm256_packs_epi32(whole(high[0], low[0]), whole(high[1], low[1]));
    __m256i right = _mm256_packs_epi32(whole(high[2], low[2]), whole(high[3], low[3]));
    return _mm256_packus_epi16(left, right);
}

AVX2 static void down(uint8_t *out, const graft_rows *in, const graft_axis *axis, int output)
{
    const int32_t *packed = graft_axis_packed(axis, output);
    size_t at = 0;
    for (; at + WIDE <= in->size; at += WIDE) {
        __m256i bytes = sum_rows(in->pixels + at, in->stride, packed, axis->counts[output]);
        _mm256_storeu_si256((__m256i *)(void *)(out + at), bytes);
    }
    graft_plain_down(out, in, axis, output, at);
}

const graft_resampler graft_resampler_avx2 = {
    .name = "AVX2",
    .runs_here = runs_here,
    .packing = {WORDS, pack},
    .across = across,
    .down = down,
};
#endif
