/* Stochastic gradient descent, as torch.optim.SGD has it. */
#ifndef GRAFT_KERNELS_HOST_SGD_H
#define GRAFT_KERNELS_HOST_SGD_H

#include <stdbool.h>
#include <stdint.h>

typedef struct graft_sgd_step {
    float rate, momentum, decay;
    float scale; /* of the gradient: what clipping leaves of it */
    bool nesterov;
} graft_sgd_step;

/* g = scale * gradient + decay * value; velocity = momentum * velocity + g; value -= rate * velocity, with
 * Nesterov's momentum rate * (g + momentum * velocity). */
void graft_sgd_update(float *value, const float *gradient, float *velocity, int64_t count,
                      const graft_sgd_step *step);

/* The same where the gradient was added to momentum * velocity already: velocity += decay * value, value -=
 * rate
 * * velocity. */
void graft_sgd_follow(float *value, float *velocity, int64_t count, const graft_sgd_step *step);

/* place = kept * place + gradient; a `kept` of 0 forgets whatever was there. */
void graft_gradient_add(float *place, const float *gradient, int64_t count, float kept);

/* Sum of squares, in an order that depends neither on threads nor on alignment. */
double graft_sum_of_squares(const float *values, int64_t count);

#endif
