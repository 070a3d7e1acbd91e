/* What is kept of a picture: the numbers that cross the frozen boundary, by (sample, view). Rows are plain
 * NCHW f32, all cut tensors one behind another, and exact: the same bits as running the backbone again. They
 * lie in memory, or in a store on disk as far as that takes them. One thread writes; loader threads ask
 * whether a row is there.
 *
 * They are rows of one dataset's samples, which is known by its identity: it need not live as long. */
#ifndef GRAFT_DATA_FEATURES_H
#define GRAFT_DATA_FEATURES_H

#include <stdbool.h>
#include <stddef.h>

#include <graft/data.h>
#include <graft/model.h>

#include "data/store.h"

/* `row`: floats of one view. Counted: share and release. */
graft_status graft_features_create(graft_features **features, size_t row);
/* For what crosses this model's frozen boundary, of this dataset's samples. The model is shared. `drawn`:
 * random views of each picture that are kept, GRAFT_VIEW_KEPT and up; `source` is all they depend on beside
 * the picture. */
graft_status graft_features_create_for(graft_features **features, graft_model *model,
                                       const graft_dataset *dataset, int drawn, const char *source);
/* Whether these rows are what crosses this model's boundary for this dataset's samples: made for a model with
 * the same backbone. */
bool graft_features_serve(const graft_features *features, const graft_model *model,
                          const graft_dataset *dataset);
graft_features *graft_features_share(graft_features *features);

/* From now on rows are looked for in this store, which is taken over, and written there; before any loader
 * asks. For features of a dataset (create_for) that has read its files. */
void graft_features_use_store(graft_features *features, graft_store *store);
graft_store *graft_features_store(const graft_features *features); /* NULL: memory alone */
/* Whether the store notes such a row, unchecked. */
bool graft_features_stored(const graft_features *features, int sample, int view);
/* Takes the row from the store if it is there and whole; whether it is kept now. */
bool graft_features_recall(graft_features *features, int sample, int view);

/* From now on these are rows of this dataset's samples, with room for all of them; before any loader asks.
 * GRAFT_EARGUMENT where they are another's. */
graft_status graft_features_bind(graft_features *features, const graft_dataset *dataset);
/* Whether samples of this dataset (NULL: nobody's) are meant by the rows' numbers. */
bool graft_features_are_of(const graft_features *features, const graft_dataset *dataset);
/* Room for this many samples; before any loader asks. */
graft_status graft_features_reserve(graft_features *features, size_t samples);
/* Whether such a row can be kept: there is room for the sample, and the view is one that comes again. */
bool graft_features_has_room(const graft_features *features, int sample, int view);
/* A new row, copied and then published. */
graft_status graft_features_add(graft_features *features, int sample, int view, const float *row);
/* NULL where it is not kept. Borrowed until the last release. */
const float *graft_features_find(const graft_features *features, int sample, int view);
size_t graft_features_row(const graft_features *features);
size_t graft_features_count(const graft_features *features); /* rows kept */

#endif
