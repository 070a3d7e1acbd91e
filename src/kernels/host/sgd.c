/* Stochastic gradient descent. */
#include "kernels/host/sgd.h"

void graft_sgd_update(float *restrict value, const float *restrict gradient, float *restrict velocity,
                      int64_t count, const graft_sgd_step *step)
{
    const float rate = step->rate, momentum = step->momentum, decay = step->decay, scale = step->scale;
#pragma omp parallel for simd schedule(static)
    for (int64_t i = 0; i < count; i++) {
        float g = gradient[i] * scale + decay * value[i];
        velocity[i] = momentum * velocity[i] + g;
        value[i] -= rate * velocity[i];
    }
}

double graft_sum_of_squares(const float *values, int64_t count)
{
    double lanes[8] = {0};
    int64_t i = 0;
    for (; i + 8 <= count; i += 8)
        for (int lane = 0; lane < 8; lane++)
            lanes[lane] += (double)values[i + lane] * values[i + lane];
    for (; i < count; i++)
        lanes[0] += (double)values[i] * values[i];
    return ((lanes[0] + lanes[1]) + (lanes[2] + lanes[3])) + ((lanes[4] + lanes[5]) + (lanes[6] + lanes[7]));
}
