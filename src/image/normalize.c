/* ToTensor and Normalize: (v / divisor - mean) / std, each operation rounded to a float, as torch has it.
 *
 * In plain C by a table of the 256 values. With AVX2 by dividing, eight pixels at a time: two divisions that
 * are rounded as the table's were cost less than loads from 256 places. They are what that takes, so wider
 * registers would gain nothing. */
#include "image/normalize.h"

enum { CHANNELS = 3 };

/* Pixels from `first` on. */
static void by_table(float *out, const uint8_t *pixels, size_t first, size_t count,
                     const graft_transform *transform)
{
    for (size_t c = 0; c < CHANNELS; c++) {
        float table[256];
        for (int v = 0; v < 256; v++)
            table[v] = ((float)v / transform->divisor - transform->mean[c]) / transform->std[c];
        for (size_t i = first; i < count; i++)
            out[c * count + i] = table[pixels[i * CHANNELS + c]];
    }
}

void graft_normalize_plain(float *out, const uint8_t *pixels, size_t count, const graft_transform *transform)
{
    by_table(out, pixels, 0, count, transform);
}

#if defined(__x86_64__)
#include <immintrin.h>

#define AVX2 __attribute__((target("avx2")))

enum {
    EIGHT = 8,
    LATER = 8
}; /* the second load of eight pixels begins this many bytes later, and ends with them */

/* One channel of eight pixels, taken out of their first 16 bytes and their last 16. */
AVX2 static inline __m256 take(__m128i first, __m128i last, __m128i from_first, __m128i from_last)
{
    __m128i bytes = _mm_or_si128(_mm_shuffle_epi8(first, from_first), _mm_shuffle_epi8(last, from_last));
    return _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(bytes));
}

AVX2 void graft_normalize_avx2(float *out, const uint8_t *pixels, size_t count,
                               const graft_transform *transform)
{
    const __m128i from_first[CHANNELS] = {
        _mm_setr_epi8(0, 3, 6, 9, 12, 15, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1),
        _mm_setr_epi8(1, 4, 7, 10, 13, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1),
        _mm_setr_epi8(2, 5, 8, 11, 14, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1)};
    const __m128i from_last[CHANNELS] = {
        _mm_setr_epi8(-1, -1, -1, -1, -1, -1, 10, 13, -1, -1, -1, -1, -1, -1, -1, -1),
        _mm_setr_epi8(-1, -1, -1, -1, -1, 8, 11, 14, -1, -1, -1, -1, -1, -1, -1, -1),
        _mm_setr_epi8(-1, -1, -1, -1, -1, 9, 12, 15, -1, -1, -1, -1, -1, -1, -1, -1)};
    const __m256 divisor = _mm256_set1_ps(transform->divisor);
    size_t whole = count / EIGHT * EIGHT;
    for (size_t i = 0; i < whole; i += EIGHT) {
        __m128i first = _mm_loadu_si128((const __m128i *)(const void *)(pixels + i * CHANNELS));
        __m128i last = _mm_loadu_si128((const __m128i *)(const void *)(pixels + i * CHANNELS + LATER));
        for (size_t c = 0; c < CHANNELS; c++) {
            __m256 value = _mm256_div_ps(take(first, last, from_first[c], from_last[c]), divisor);
            value = _mm256_sub_ps(value, _mm256_set1_ps(transform->mean[c]));
            _mm256_storeu_ps(out + c * count + i, _mm256_div_ps(value, _mm256_set1_ps(transform->std[c])));
        }
    }
    if (whole < count)
        by_table(out, pixels, whole, count, transform);
}
#endif

graft_normalizer graft_normalizer_here(void)
{
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2"))
        return graft_normalize_avx2;
#endif
    return graft_normalize_plain;
}

void graft_image_normalize(float *out, const uint8_t *pixels, int size, const graft_transform *transform)
{
    graft_normalizer_here()(out, pixels, (size_t)size * (size_t)size, transform);
}
