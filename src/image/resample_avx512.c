/* Resampling with AVX-512 and its VNNI, which multiplies four bytes by four signed bytes and adds all.
 *
 * A weight of 24 bits is three signed digits, w = a + 256 b + 65536 c, and each digit has a sum of its own;
 * they are put together in the end. All of it wraps at 32 bits, so the result is the plain one's. A group of
 * four weights is packed as four times a, four times b, four times c. */
#include "image/resampler.h"

#if defined(__x86_64__)
#include <immintrin.h>
#include <string.h>

#define AVX512 __attribute__((target("avx512f,avx512bw,avx512vl,avx512vnni")))

enum { HALF = 1 << (GRAFT_WEIGHT_BITS - 1), DIGITS = 3 };
enum { LOAD = 16, WIDE = 64, ROWS = 4, CHANNELS = 3 };

static bool runs_here(void)
{
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512vnni");
}

static void pack(int32_t *words, const int32_t *weights)
{
    int8_t digits[DIGITS][GRAFT_TAPS];
    for (int t = 0; t < GRAFT_TAPS; t++) {
        int32_t left = weights[t];
        for (int d = 0; d < DIGITS; d++) {
            int32_t digit = (left & 255) - (left & 128) * 2;
            digits[d][t] = (int8_t)digit;
            left = (left - digit) >> 8;
        }
    }
    memcpy(words, digits, sizeof digits);
}

/* a + 256 b + 65536 c + 1/2, as whole numbers. */
AVX512 static inline __m512i whole(const __m512i sums[DIGITS])
{
    __m512i sum = _mm512_add_epi32(sums[0], _mm512_slli_epi32(sums[1], 8));
    sum = _mm512_add_epi32(sum, _mm512_slli_epi32(sums[2], 16));
    return _mm512_srai_epi32(_mm512_add_epi32(sum, _mm512_set1_epi32(HALF)), GRAFT_WEIGHT_BITS);
}

AVX512 static inline void add_group(__m512i sums[DIGITS], __m512i fours, const int32_t *packed)
{
    for (int d = 0; d < DIGITS; d++)
        sums[d] = _mm512_dpbusd_epi32(sums[d], fours, _mm512_set1_epi32(packed[d]));
}

AVX512 static inline __m128i load(const uint8_t *at)
{
    return _mm_loadu_si128((const __m128i *)(const void *)at);
}

/* Four rows, a quarter of the register each: four reds, four greens, four blues. */
AVX512 static inline __m512i load_four(const uint8_t *const rows[ROWS], size_t at)
{
    const __m512i order =
        _mm512_broadcast_i32x4(_mm_setr_epi8(0, 3, 6, 9, 1, 4, 7, 10, 2, 5, 8, 11, -1, -1, -1, -1));
    __m256i left = _mm256_inserti128_si256(_mm256_castsi128_si256(load(rows[0] + at)), load(rows[1] + at), 1);
    __m256i right =
        _mm256_inserti128_si256(_mm256_castsi128_si256(load(rows[2] + at)), load(rows[3] + at), 1);
    return _mm512_shuffle_epi8(_mm512_inserti64x4(_mm512_castsi256_si512(left), right, 1), order);
}

/* Four bytes are stored for three; the fourth is the next pixel's, or slack. */
AVX512 static inline void store_four(uint8_t *const rows[ROWS], size_t at, __m512i pixels)
{
    __m128i bytes = _mm512_cvtusepi32_epi8(_mm512_max_epi32(pixels, _mm512_setzero_si512()));
    for (int i = 0; i < ROWS; i++, bytes = _mm_srli_si128(bytes, 4)) {
        int32_t pixel = _mm_cvtsi128_si32(bytes);
        memcpy(rows[i] + at, &pixel, sizeof pixel);
    }
}

AVX512 static inline void resample_four(uint8_t *const out[ROWS], const uint8_t *const in[ROWS],
                                        const graft_axis *axis, int inside)
{
    for (int x = 0; x < inside; x++) {
        const int32_t *packed = graft_axis_packed(axis, x);
        size_t at = (size_t)axis->firsts[x] * CHANNELS;
        __m512i sums[DIGITS] = {_mm512_setzero_si512(), _mm512_setzero_si512(), _mm512_setzero_si512()};
        for (int g = graft_axis_groups(axis, x); g > 0; g--, packed += DIGITS, at += GRAFT_TAPS * CHANNELS)
            add_group(sums, load_four(in, at), packed);
        store_four(out, (size_t)x * CHANNELS, whole(sums));
    }
}

/* Where the number of rows is no multiple of four, the last one is done again. */
AVX512 static void across(uint8_t *out, size_t stride, const graft_rows *in, const graft_axis *axis)
{
    int inside = graft_axis_inside(axis, in, LOAD);
    for (int y = 0; y < in->count; y += ROWS) {
        const uint8_t *from[ROWS];
        uint8_t *to[ROWS];
        for (int i = 0; i < ROWS; i++) {
            size_t row = (size_t)(y + i < in->count ? y + i : in->count - 1);
            from[i] = in->pixels + row * in->stride;
            to[i] = out + row * stride;
        }
        resample_four(to, from, axis, inside);
    }
    graft_plain_across(out, stride, in, axis, inside);
}

/* Bytes of four rows beside each other: sixteen bytes of each are four registers' quarters. */
AVX512 static inline void interleave(__m512i fours[4], const __m512i rows[GRAFT_TAPS])
{
    __m512i low = _mm512_unpacklo_epi8(rows[0], rows[1]), high = _mm512_unpackhi_epi8(rows[0], rows[1]);
    __m512i low2 = _mm512_unpacklo_epi8(rows[2], rows[3]), high2 = _mm512_unpackhi_epi8(rows[2], rows[3]);
    fours[0] = _mm512_unpacklo_epi16(low, low2);
    fours[1] = _mm512_unpackhi_epi16(low, low2);
    fours[2] = _mm512_unpacklo_epi16(high, high2);
    fours[3] = _mm512_unpackhi_epi16(high, high2);
}

/* A group's last rows may lie behind the last one; their weights are zero, and the last is read again. */
AVX512 static inline __m512i sum_rows(const uint8_t *in, size_t stride, const int32_t *packed, int count,
                                      __mmask64 wanted)
{
    __m512i sums[4][DIGITS], rows[GRAFT_TAPS], fours[4];
    for (int i = 0; i < 4; i++)
        sums[i][0] = sums[i][1] = sums[i][2] = _mm512_setzero_si512();
    for (int t = 0; t < count; t += GRAFT_TAPS, packed += DIGITS) {
        for (int i = 0; i < GRAFT_TAPS; i++)
            rows[i] = _mm512_maskz_loadu_epi8(wanted, in + (size_t)(t + i < count ? t + i : t) * stride);
        interleave(fours, rows);
        for (int i = 0; i < 4; i++)
            add_group(sums[i], fours[i], packed);
    }
    __m512i left = _mm512_packs_epi32(whole(sums[0]), whole(sums[1]));
    __m512i right = _mm512_packs_epi32(whole(sums[2]), whole(sums[3]));
    return _mm512_packus_epi16(left, right);
}

AVX512 static void down(uint8_t *out, const graft_rows *in, const graft_axis *axis, int output)
{
    const int32_t *packed = graft_axis_packed(axis, output);
    for (size_t at = 0; at < in->size; at += WIDE) {
        size_t left = in->size - at;
        __mmask64 wanted = left < WIDE ? (1ULL << left) - 1 : ~0ULL;
        __m512i bytes = sum_rows(in->pixels + at, in->stride, packed, axis->counts[output], wanted);
        _mm512_mask_storeu_epi8(out + at, wanted, bytes);
    }
}

const graft_resampler graft_resampler_avx512 = {
    .name = "AVX-512",
    .runs_here = runs_here,
    .packing = {DIGITS, pack},
    .across = across,
    .down = down,
};
#endif
