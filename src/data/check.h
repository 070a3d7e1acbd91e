/* Opening every picture once, before anything is trained on it. */
#ifndef GRAFT_DATA_CHECK_H
#define GRAFT_DATA_CHECK_H

#include <graft/data.h>

#include "data/dataset.h"

/* Reads, hashes and decodes every sample that has no cause yet, with options->workers threads: sets its
 * content and marks what cannot be read as skipped with its cause (texts in the arena). Where the options
 * keep something on disk, contents that were decoded before are not decoded again. Progress is called on this
 * thread as "pictures". GRAFT_ECANCELLED, GRAFT_EMEMORY, GRAFT_EARGUMENT. */
graft_status graft_check_samples(graft_dataset *dataset, const graft_dataset_options *options);

/* Whether a failure is the picture's own and not the machine's or graft's. */
bool graft_is_cause(graft_status status);

#endif
