/* Stochastic gradient descent, as torch.optim.SGD has it. */
#ifndef GRAFT_KERNELS_HOST_SGD_H
#define GRAFT_KERNELS_HOST_SGD_H

#include <stdint.h>

typedef struct graft_sgd_step {
    float rate, momentum, decay;
    float scale; /* of the gradient: what clipping leaves of it */
} graft_sgd_step;

/* g = scale * gradient + decay * value; velocity = momentum * velocity + g; value -= rate * velocity. */
void graft_sgd_update(float *value, const float *gradient, float *velocity, int64_t count,
                      const graft_sgd_step *step);

/* Sum of squares, in an order that depends neither on threads nor on alignment. */
double graft_sum_of_squares(const float *values, int64_t count);

#endif
