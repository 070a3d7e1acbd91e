/* Learning rates over the steps of a phase. */
#ifndef GRAFT_TRAIN_SCHEDULE_H
#define GRAFT_TRAIN_SCHEDULE_H

#include <graft/train.h>

/* What the rate is multiplied by at step `step` of `steps` (from 0): linear from 1 / w to 1 over the first
 * w = round(warmup * steps) steps, then 1, or half a cosine from 1 towards 0. */
double graft_schedule_factor(graft_schedule schedule, double warmup, long step, long steps);

#endif
