/* Layers written out, as --head and graft_model_replace take them: "linear(512) relu dropout(0.5) linear". */
#ifndef GRAFT_MODEL_LAYERS_H
#define GRAFT_MODEL_LAYERS_H

#include <stddef.h>

#include "base/buffer.h"
#include "graph/graph.h"
#include "ops/op.h"

enum { GRAFT_LAYERS = 32 };

typedef struct graft_layers {
    int count;
    graft_graph_layer items[GRAFT_LAYERS]; /* their attributes lie in `attributes` */
    union {
        graft_linear_attributes linear;
        graft_drop_attributes drop;
        graft_batch_norm_attributes batch_norm; /* the usual numbers are zeros */
        graft_layer_norm_attributes layer_norm;
        graft_size_attributes size;
    } attributes[GRAFT_LAYERS];
} graft_layers;

/* `classes`: the width of a last linear that has no number; 0: none may lack it. A failure (GRAFT_EARGUMENT)
 * sets *place (NULL is legal) to the byte of `text` that could not be read. `layers` points into itself: it
 * is not to be copied. */
graft_status graft_layers_parse(graft_layers *layers, const char *text, int classes, size_t *place);
/* The same with every number written out. */
graft_status graft_layers_print(graft_buffer *text, const graft_layers *layers);

#endif
