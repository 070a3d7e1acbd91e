/* Training the first layer above the boundary in the Gram form (ops/gram_linear.c): where what crosses the
 * boundary is kept and goes straight into a linear layer W (O, I) that trains, a step need not touch W. The
 * upper plan then runs over another graph: the linear layer there has A (R, O) and c for parameters, R views
 * that training goes over, and reads products of features, which are computed once: (F F^T) of every view
 * with those R, and (F W0^T). W is made where it is asked for.
 *
 * It is exact up to rounding, in all that SGD does: momentum, decay, clipping (|grad W|^2 = tr(G^T F F^T G)).
 * F F^T is summed in f32 in pieces of GRAFT_COLUMNS columns. Where features have a large common part, its
 * products cancel in (F F^T) A; so do they in W = A^T F, over as many summands, and to the same relative
 * error. */
#ifndef GRAFT_TRAIN_GRAM_H
#define GRAFT_TRAIN_GRAM_H

#include "model/model.h"
#include "plan/constants.h"

enum { GRAFT_GRAM_INPUTS = 3 };

/* A view whose products are known. */
typedef struct graft_gram_view {
    int sample, view;
    size_t row; /* of the products; where training goes over the view, so below `rows`, also of A */
} graft_gram_view;

typedef struct graft_gram {
    graft_graph *graph;         /* of the upper part */
    int *tensor_of;             /* [tensor of the graph] the model's; A and c have the weight's */
    graft_plan_tensor *tensors; /* [tensor of the graph] */
    graft_constants constants;
    int64_t rows, in, out;
    const float *start;  /* W0 */
    const float **fixed; /* (rows + out) what products are made with: rows of F, NULL until they are kept, and
                            of W0 */
    graft_gram_view *views; /* sorted */
    size_t view_count;
    float *products;                 /* (view_count, rows + out) */
    size_t told;                     /* views that training goes over, so far */
    bool filled;                     /* all of them are told: F is known */
    const graft_gram_view **touched; /* (rows) of graft_gram_squares */
    size_t sizes[GRAFT_GRAM_INPUTS];
    float *inputs[GRAFT_GRAM_INPUTS]; /* (capacity, size): the upper plan's */
} graft_gram;

/* The linear layer that can train in the Gram form: it trains, all below it is frozen, nothing else reads
 * what crosses the boundary. NULL where there is none. */
const graft_node *graft_gram_layer(const graft_graph *graph);

/* For `rows` views; batches of at most `capacity`. The model, whose graph has such a layer, is borrowed. */
graft_status graft_gram_create(graft_gram **gram, const graft_model *model, int64_t rows, int capacity);
void graft_gram_free(graft_gram *gram);          /* NULL is legal */
size_t graft_gram_bytes(const graft_gram *gram); /* of one view's products */

/* Adds views (of each its sample and view) with their features, (I) each, which stay where they are while the
 * Gram form is used. Those that training goes over come first, and no more of them than were planned; when
 * the last of them is there all are multiplied. */
graft_status graft_gram_add(graft_gram *gram, graft_device *device, const graft_gram_view *views,
                            const float *const *features, size_t count, bool training);
const graft_gram_view *graft_gram_find(const graft_gram *gram, int sample, int view); /* NULL: not added */
bool graft_gram_trains(const graft_gram *gram, const graft_gram_view *view); /* training goes over it */
/* Row `row` of the upper plan's inputs. */
void graft_gram_put(graft_gram *gram, int row, const graft_gram_view *view);
/* Rows from 0 on for features (count, I) that are nobody's. */
graft_status graft_gram_put_features(graft_gram *gram, graft_device *device, const float *features,
                                     int count);

/* c W0 + A^T F; with a c of 0 what a gradient with respect to A is with respect to W. */
graft_status graft_gram_weight(const graft_gram *gram, graft_device *device, const float *a, float c,
                               float *weight);
/* The squared norm of that gradient. */
double graft_gram_squares(const graft_gram *gram, const float *gradient);

#endif
