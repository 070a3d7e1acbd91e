/* Batch norm's inner loops in vectors of LANES numbers, which whoever includes this file defines. */
#include "kernels/host/batch_norm.h"
#include "kernels/host/vectors.h"

enum { MOST = GRAFT_NORM_WIDEST / LANES }; /* vectors of a group */

typedef graft_norm_factors factors;
typedef graft_norm_stretch stretch;
typedef graft_norm_walk walk;
typedef graft_norm_view view;

/* Sums, in two rows that do not wait for each other. */
typedef struct rows {
    lanes first[MOST], second[MOST];
} rows;

/* Before it is clipped; both directions have the same bits. */
INLINE lanes normalized(lanes x, const factors *f, int vector)
{
    int i = vector * LANES;
    return (x - at(f->mean + i)) * at(f->scale + i) + at(f->shift + i);
}

/* 0 at both ends, as torch's. */
INLINE lanes let_through(lanes gradient, lanes y, const factors *f)
{
    return (lanes)((masks)gradient & (y > f->low) & (y < f->high));
}

INLINE void put_rows(float *first, float *second, const rows *even, const rows *odd, int vectors)
{
    for (int v = 0; v < vectors; v++) {
        put(first + v * LANES, even->first[v] + odd->first[v]);
        put(second + v * LANES, even->second[v] + odd->second[v]);
    }
}

/* ---- Statistics ---- */

INLINE void measure_pixel(rows *to, const float *x, const float *middle, int vectors)
{
    for (int v = 0; v < vectors; v++) {
        lanes far = at(x + v * LANES) - at(middle + v * LANES);
        to->first[v] += far;
        to->second[v] += far * far;
    }
}

INLINE void measure_pixels(float *first, float *second, const float *x, const float *middle, stretch s,
                           int vectors)
{
    rows even = {{{0}}, {{0}}}, odd = even;
    int64_t p = 0;
    for (; p + 2 <= s.pixels; p += 2, x += 2 * s.pixel) {
        measure_pixel(&even, x, middle, vectors);
        measure_pixel(&odd, x + s.pixel, middle, vectors);
    }
    if (p < s.pixels)
        measure_pixel(&even, x, middle, vectors);
    put_rows(first, second, &even, &odd, vectors);
}

/* With the usual numbers of vectors the compiler keeps sums and factors in registers: here and below. */
static void measure(float *first, float *second, const float *x, const float *middle, stretch s)
{
    if (s.vectors == 2)
        measure_pixels(first, second, x, middle, s, 2);
    else if (s.vectors == 1)
        measure_pixels(first, second, x, middle, s, 1);
    else
        measure_pixels(first, second, x, middle, s, s.vectors);
}

/* ---- y ---- */

INLINE void write_pixels(float *y, const float *x, const float *residual, const factors *f, stretch s,
                         int vectors)
{
    for (int64_t p = 0; p < s.pixels; p++)
        for (int v = 0; v < vectors; v++) {
            int64_t i = p * s.pixel + v * LANES;
            lanes value = normalized(at(x + i), f, v);
            if (residual)
                value += at(residual + i);
            put(y + i, clipped(value, f->low, f->high));
        }
}

INLINE void write_vectors(float *y, const float *x, const float *residual, const factors *f, stretch s,
                          int vectors)
{
    if (residual)
        write_pixels(y, x, residual, f, s, vectors);
    else
        write_pixels(y, x, NULL, f, s, vectors);
}

static void normalize(float *y, const float *x, const float *residual, factors f, stretch s)
{
    if (s.vectors == 2)
        write_vectors(y, x, residual, &f, s, 2);
    else if (s.vectors == 1)
        write_vectors(y, x, residual, &f, s, 1);
    else
        write_vectors(y, x, residual, &f, s, s.vectors);
}

/* ---- Gradients ---- */

/* g of the vector at i. */
INLINE lanes gradient_at(const walk *w, int64_t i, const factors *f, int vector, view sees)
{
    lanes gradient = at(w->gradient + i);
    if (sees == GRAFT_NORM_FROM_X)
        return let_through(gradient, normalized(at(w->x + i), f, vector), f);
    return sees == GRAFT_NORM_FROM_Y ? let_through(gradient, at(w->y + i), f) : gradient;
}

INLINE void sum_pixel(rows *to, const walk *w, int64_t i, const factors *f, int vectors, view sees)
{
    for (int v = 0; v < vectors; v++, i += LANES) {
        lanes g = gradient_at(w, i, f, v, sees);
        if (sees == GRAFT_NORM_FROM_Y)
            put(w->kept + i, g);
        to->first[v] += g;
        to->second[v] += g * (at(w->x + i) - at(f->mean + v * LANES));
    }
}

INLINE void sum_pixels(float *first, float *second, const walk *w, const factors *f, stretch s, int vectors,
                       view sees)
{
    rows even = {{{0}}, {{0}}}, odd = even;
    int64_t p = 0;
    for (; p + 2 <= s.pixels; p += 2) {
        sum_pixel(&even, w, p * s.pixel, f, vectors, sees);
        sum_pixel(&odd, w, (p + 1) * s.pixel, f, vectors, sees);
    }
    if (p < s.pixels)
        sum_pixel(&even, w, p * s.pixel, f, vectors, sees);
    put_rows(first, second, &even, &odd, vectors);
}

INLINE void sum_vectors(float *first, float *second, const walk *w, const factors *f, stretch s, int vectors,
                        view sees)
{
    if (sees == GRAFT_NORM_FROM_X)
        sum_pixels(first, second, w, f, s, vectors, GRAFT_NORM_FROM_X);
    else if (sees == GRAFT_NORM_FROM_Y)
        sum_pixels(first, second, w, f, s, vectors, GRAFT_NORM_FROM_Y);
    else
        sum_pixels(first, second, w, f, s, vectors, GRAFT_NORM_EVERYTHING);
}

static void sum(float *first, float *second, walk w, factors f, stretch s, view sees)
{
    if (s.vectors == 2)
        sum_vectors(first, second, &w, &f, s, 2, sees);
    else if (s.vectors == 1)
        sum_vectors(first, second, &w, &f, s, 1, sees);
    else
        sum_vectors(first, second, &w, &f, s, s.vectors, sees);
}

INLINE void differentiate_pixels(const walk *w, const factors *f, stretch s, int vectors, view sees)
{
    for (int64_t p = 0; p < s.pixels; p++)
        for (int v = 0; v < vectors; v++) {
            int64_t i = p * s.pixel + v * LANES;
            lanes far = at(w->x + i) - at(f->mean + v * LANES);
            lanes g = gradient_at(w, i, f, v, sees) - at(f->level + v * LANES);
            put(w->out + i, at(f->scale + v * LANES) * (g - far * at(f->slope + v * LANES)));
        }
}

INLINE void differentiate_vectors(const walk *w, const factors *f, stretch s, int vectors, view sees)
{
    if (sees == GRAFT_NORM_FROM_X)
        differentiate_pixels(w, f, s, vectors, GRAFT_NORM_FROM_X);
    else
        differentiate_pixels(w, f, s, vectors, GRAFT_NORM_EVERYTHING);
}

static void differentiate(walk w, factors f, stretch s, view sees)
{
    if (s.vectors == 2)
        differentiate_vectors(&w, &f, s, 2, sees);
    else if (s.vectors == 1)
        differentiate_vectors(&w, &f, s, 1, sees);
    else
        differentiate_vectors(&w, &f, s, s.vectors, sees);
}

static const graft_norm_code code = {LANES, measure, normalize, sum, differentiate};
