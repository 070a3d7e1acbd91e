/* roofline THREADS: what this machine can do at most, measured: multiply-adds a second in registers with the
 * widest vectors it has, and bytes a second from memory (a triad, three streams). Prints JSON. */
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>

#include <immintrin.h>

#include <graft/tools.h>

enum { CHAINS = 12, STEPS = 4000000, FLOATS = 1 << 25, ROUNDS = 7 };

/* Independent chains, so that no multiply-add waits for the one before; the sum keeps them from being left
 * out. */
__attribute__((target("avx512f"))) static float chains512(void)
{
    __m512 sums[CHAINS], factor = _mm512_set1_ps(0.999999F), term = _mm512_set1_ps(1e-6F);
    for (int i = 0; i < CHAINS; i++)
        sums[i] = _mm512_set1_ps((float)i);
    for (int n = 0; n < STEPS; n++)
        for (int i = 0; i < CHAINS; i++)
            sums[i] = _mm512_fmadd_ps(sums[i], factor, term);
    for (int i = 1; i < CHAINS; i++)
        sums[0] = _mm512_add_ps(sums[0], sums[i]);
    return _mm512_reduce_add_ps(sums[0]);
}

__attribute__((target("avx2,fma"))) static float chains256(void)
{
    __m256 sums[CHAINS], factor = _mm256_set1_ps(0.999999F), term = _mm256_set1_ps(1e-6F);
    for (int i = 0; i < CHAINS; i++)
        sums[i] = _mm256_set1_ps((float)i);
    for (int n = 0; n < STEPS; n++)
        for (int i = 0; i < CHAINS; i++)
            sums[i] = _mm256_fmadd_ps(sums[i], factor, term);
    for (int i = 1; i < CHAINS; i++)
        sums[0] = _mm256_add_ps(sums[0], sums[i]);
    return _mm256_cvtss_f32(sums[0]);
}

static volatile float sink;

static double multiply_adds(int threads)
{
    int wide = __builtin_cpu_supports("avx512f");
    double best = 0.0;
    for (int r = 0; r < ROUNDS; r++) {
        double began = graft_clock();
#pragma omp parallel num_threads(threads)
        {
            float sum = wide ? chains512() : chains256();
#pragma omp critical
            sink = sum;
        }
        double rate = (double)threads * STEPS * CHAINS * (wide ? 16 : 8) / (graft_clock() - began);
        best = rate > best ? rate : best;
    }
    return best;
}

static double bytes_moved(int threads)
{
    float *a = aligned_alloc(64, sizeof(float) * FLOATS), *b = aligned_alloc(64, sizeof(float) * FLOATS);
    float *c = aligned_alloc(64, sizeof(float) * FLOATS);
    double best = 0.0;
    for (int r = 0; a && b && c && r < ROUNDS; r++) {
        double began = graft_clock();
#pragma omp parallel for num_threads(threads)
        for (int i = 0; i < FLOATS; i++) {
            if (r == 0)
                b[i] = c[i] = 1.0F; /* whoever touches a page first has it near */
            a[i] = b[i] + 0.5F * c[i];
        }
        double rate = 3.0 * sizeof(float) * FLOATS / (graft_clock() - began);
        best = r > 0 && rate > best ? rate : best;
    }
    free(a);
    free(b);
    free(c);
    return best;
}

int main(int count, char **values)
{
    int threads = count > 1 ? atoi(values[1]) : omp_get_max_threads();
    printf("{\"threads\": %d, \"vectors\": \"%s\", \"multiply_adds\": %.4g, \"bytes\": %.4g}\n", threads,
           __builtin_cpu_supports("avx512f") ? "AVX-512" : "AVX2", multiply_adds(threads),
           bytes_moved(threads));
    return 0;
}
