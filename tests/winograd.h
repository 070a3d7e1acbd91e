/* Winograd's method: whether this machine has it, and where plans use it. The includer brings cmocka.
 */
#ifndef GRAFT_TESTS_WINOGRAD_H
#define GRAFT_TESTS_WINOGRAD_H

#include <string.h>

#include "plan/plan.h"

/* By asking, as graft does. */
static inline bool has_winograd(void)
{
    const graft_convolution c = {.batch = 4,
                                 .channels_in = 64,
                                 .height_in = 16,
                                 .width_in = 16,
                                 .channels_out = 64,
                                 .height_out = 16,
                                 .width_out = 16,
                                 .kernel_height = 3,
                                 .kernel_width = 3,
                                 .stride = 1,
                                 .groups = 1,
                                 .pad_top = 1,
                                 .pad_left = 1,
                                 .pad_bottom = 1,
                                 .pad_right = 1};
    return graft_convolution_suits_winograd(&c);
}

static inline int winograd_steps(const graft_plan *plan, graft_phase phase)
{
    int count = 0;
    for (size_t i = 0; plan && i < graft_plan_step_count(plan); i++) {
        graft_plan_step step = graft_plan_step_at(plan, i);
        bool is_winograd = strstr(step.implementation, "wino") != NULL;
        count += is_winograd && step.phase == phase;
        if (is_winograd)
            assert_true(step.scratch > 0 && step.scratch <= step.live);
    }
    return count;
}

#endif
