/* Stochastic gradient descent. */
#include "kernels/host/sgd.h"

void graft_sgd_update(float *restrict value, const float *restrict gradient, float *restrict velocity,
                      int64_t count, const graft_sgd_step *step)
{
    const float rate = step->rate, momentum = step->momentum, decay = step->decay, scale = step->scale;
    const float of_gradient = step->nesterov ? 1.0F : 0.0F, of_velocity = step->nesterov ? momentum : 1.0F;
#pragma omp parallel for simd schedule(static)
    for (int64_t i = 0; i < count; i++) {
        float g = gradient[i] * scale + decay * value[i];
        velocity[i] = momentum * velocity[i] + g;
        value[i] -= rate * (of_gradient * g + of_velocity * velocity[i]);
    }
}

void graft_sgd_follow(float *restrict value, float *restrict velocity, int64_t count,
                      const graft_sgd_step *step)
{
    const float rate = step->rate, decay = step->decay;
    if (decay == 0.0F) { /* the velocity is only read */
#pragma omp parallel for simd schedule(static)
        for (int64_t i = 0; i < count; i++)
            value[i] -= rate * velocity[i];
        return;
    }
#pragma omp parallel for simd schedule(static)
    for (int64_t i = 0; i < count; i++) {
        velocity[i] += decay * value[i];
        value[i] -= rate * velocity[i];
    }
}

void graft_gradient_add(float *restrict place, const float *restrict gradient, int64_t count, float kept)
{
    if (kept == 0.0F) { /* also what is no number */
#pragma omp parallel for simd schedule(static)
        for (int64_t i = 0; i < count; i++)
            place[i] = gradient[i];
        return;
    }
#pragma omp parallel for simd schedule(static)
    for (int64_t i = 0; i < count; i++)
        place[i] = kept * place[i] + gradient[i];
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
