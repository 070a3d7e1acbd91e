/* Geometry that max and average pools share. */
#ifndef GRAFT_OPS_POOL_H
#define GRAFT_OPS_POOL_H

#include "ops/op.h"

/* The pool of a node with graft_pool_attributes over inputs of shape (N, C, H, W). */
graft_pool graft_pool_of(const graft_node *node, const graft_shape *x);
/* The shape rule of such a node. */
graft_status graft_pool_shape(const graft_node *node, const graft_shape *inputs, graft_shape *out);

#endif
