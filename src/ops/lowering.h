/* What an operator sees of the plan while it is compiled: values come in, kernels go out. Declared here, on
 * the operators' floor, and implemented in plan/. */
#ifndef GRAFT_OPS_LOWERING_H
#define GRAFT_OPS_LOWERING_H

#include <stdbool.h>

#include <graft/train.h>

#include "graph/graph.h"
#include "kernels/kernel.h"

typedef struct graft_lowering graft_lowering;

/* A tensor of the plan, by number. */
typedef int graft_value;
enum { GRAFT_NO_VALUE = -1, GRAFT_NEW_VALUE = -2 };

graft_device *graft_lowering_device(const graft_lowering *lowering);
int64_t graft_lowering_batch(const graft_lowering *lowering);
/* This plan trains (it has a backward), and this node is marked. */
bool graft_lowering_trains(const graft_lowering *lowering, const graft_node *node);
/* Batch norm of this plan uses the batch's statistics where it trains. */
bool graft_lowering_moves_statistics(const graft_lowering *lowering);
/* How convolutions of this plan are computed: neither by rule nor by measurement. */
graft_kernels graft_lowering_kernels(const graft_lowering *lowering);
/* Convolutions and linear layers of this plan compute in bf16; what has no kernels for that gets f32 by the
 * layout that its kernels ask for. */
bool graft_lowering_uses_bf16(const graft_lowering *lowering);
/* What the node's group gives is read from outside the plan. */
bool graft_lowering_leaves(const graft_lowering *lowering, const graft_node *node);
/* Dropout and stochastic depth are on; the key and the counter of their numbers. */
const graft_drop_source *graft_lowering_drop_source(const graft_lowering *lowering);

/* A node's output shape at this plan's batch, and its input's. */
graft_shape graft_lowering_shape(const graft_lowering *lowering, const graft_node *node);
graft_shape graft_lowering_input_shape(const graft_lowering *lowering, const graft_node *node, int input);

/* Forward values: an input's, and (in backward) the output of the node's group. */
graft_value graft_lowering_input(graft_lowering *lowering, const graft_node *node, int input);
graft_value graft_lowering_output(graft_lowering *lowering, const graft_node *node);
void graft_lowering_set_output(graft_lowering *lowering, const graft_node *node, graft_value value);
/* Backward is to make the group's output again, by the operator's `again`, instead of keeping it. */
void graft_lowering_forget(graft_lowering *lowering, const graft_node *node);
const graft_layout *graft_lowering_layout(const graft_lowering *lowering, graft_value value);

/* A parameter, folded where the node's group says so. */
graft_status graft_lowering_parameter(graft_lowering *lowering, const graft_node *node, const char *suffix,
                                      graft_value *value);
/* A convolution's weight in the layout of the kernel that reads it, folded where the node's group says so. */
graft_status graft_lowering_weight(graft_lowering *lowering, const graft_node *node,
                                   const graft_layout *layout, graft_value *value);
/* The node has a bias, its own or a folded one. */
bool graft_lowering_has_bias(const graft_lowering *lowering, const graft_node *node);
/* What the node's group applies as it writes; `residual` is added first where it is not GRAFT_NO_VALUE. */
const graft_post_op *graft_lowering_post_ops(const graft_lowering *lowering, const graft_node *node,
                                             int *count);
graft_value graft_lowering_residual(graft_lowering *lowering, const graft_node *node);
/* The node's group gives the largest of each square of 2x2. */
bool graft_lowering_takes_squares(const graft_lowering *lowering, const graft_node *node);

/* Emits a kernel (and takes it, also on failure). values[slot]: what is read is brought to the kernel's
 * layout; for what is written GRAFT_NEW_VALUE makes a value of the kernel's layout and stores it there; a
 * slot that is read and written takes a value of exactly its layout. */
graft_status graft_lowering_emit(graft_lowering *lowering, graft_kernel *kernel, graft_value *values);
/* A copy of a value in another layout, or the value itself where it has it. */
graft_status graft_lowering_reorder(graft_lowering *lowering, graft_value value, const graft_layout *layout,
                                    graft_value *out);
/* The same elements (row-major) as a tensor of another shape, plain and of the same type. */
graft_status graft_lowering_view(graft_lowering *lowering, graft_value value, const graft_shape *shape,
                                 graft_value *out);
/* The same bytes, looked at in another layout of as many. */
graft_status graft_lowering_relabel(graft_lowering *lowering, graft_value value, const graft_layout *layout,
                                    graft_value *out);

/* Backward. */
/* Of the output; of the group's, where the node is to go back through all of it: batch norm's. */
graft_value graft_lowering_gradient(graft_lowering *lowering, const graft_node *node);
/* Input `input` is to get a gradient, or the residual of the node's group; in a plan without a backward none
 * is. */
enum { GRAFT_RESIDUAL = -1 };
bool graft_lowering_wants_gradient(const graft_lowering *lowering, const graft_node *node, int input);
graft_status graft_lowering_add_gradient(graft_lowering *lowering, const graft_node *node, int input,
                                         graft_value gradient);
graft_status graft_lowering_add_parameter_gradient(graft_lowering *lowering, const graft_node *node,
                                                   const char *suffix, graft_value gradient);
/* Where the parameter's gradient lies, for a kernel that adds to it by itself, by this rule. */
graft_status graft_lowering_parameter_gradient(graft_lowering *lowering, const graft_node *node,
                                               const char *suffix, graft_value *gradient);
const graft_gradient_rule *graft_lowering_gradient_rule(const graft_lowering *lowering);
/* Whether gradients of the node's weight and bias are wanted, as they are after folding; and where they go.
 */
bool graft_lowering_is_folded(const graft_lowering *lowering, const graft_node *node); /* with what trains */
bool graft_lowering_wants_weights(const graft_lowering *lowering, const graft_node *node);
graft_status graft_lowering_add_weight_gradients(graft_lowering *lowering, const graft_node *node,
                                                 graft_value weight, graft_value bias);
/* A value that forward leaves for backward (batch statistics), by a small number of the node's own. */
void graft_lowering_save(graft_lowering *lowering, const graft_node *node, int slot, graft_value value);
graft_value graft_lowering_saved(graft_lowering *lowering, const graft_node *node, int slot);

#endif
