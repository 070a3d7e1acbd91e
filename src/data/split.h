/* Which samples are held out: the fixed split, and the folds. */
#ifndef GRAFT_DATA_SPLIT_H
#define GRAFT_DATA_SPLIT_H

#include <graft/data.h>

/* Of each class (label) in `samples`, of those that are in GRAFT_SET_TRAIN: round(fraction x n) become held
 * out, at least one and never all. Nothing for a fraction of 0. GRAFT_EMEMORY. */
graft_status graft_split_draw(graft_sample *samples, size_t count, double fraction, uint64_t seed);

/* Deals the samples in GRAFT_SET_TRAIN to `folds`, class by class: those of `fold` become held out, and those
 * that were held out before are put aside. GRAFT_EARGUMENT where there are fewer samples than folds. */
graft_status graft_split_fold(graft_sample *samples, size_t count, int folds, int fold, uint64_t seed);

#endif
