/* Learning rates over the steps of a phase (cosine: Loshchilov and Hutter, arXiv 1608.03983, without
 * restarts). */
#include "train/schedule.h"

#include <math.h>

double graft_schedule_factor(graft_schedule schedule, double warmup, long step, long steps)
{
    long rising = lround(warmup * (double)steps);
    if (step < rising)
        return (double)(step + 1) / (double)rising;
    if (schedule == GRAFT_SCHEDULE_CONSTANT)
        return 1.0;
    return 0.5 * (1.0 + cos(3.14159265358979323846 * (double)(step - rising) / (double)(steps - rising)));
}
