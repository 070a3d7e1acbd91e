/* Groups: nodes that are emitted together, by one kernel where there is one. A convolution with what it can
 * do as it writes: an affine behind it is folded into its weights, a residual is added onto the other
 * summand, element-wise functions are applied, squares are pooled. And a batch norm that uses the batch's
 * statistics, with a residual, which it reads only, and a clip behind it. */
#ifndef GRAFT_PLAN_GROUP_H
#define GRAFT_PLAN_GROUP_H

#include "graph/graph.h"
#include "kernels/kernel.h"

enum { GRAFT_GROUP_POST_OPS = 4 };

typedef struct graft_group {
    int anchor;   /* of this node: itself where it begins a group or stands alone */
    int last;     /* anchor: the last member, at whose place the group is emitted */
    int affine;   /* anchor: the folded node; -1 */
    bool live;    /* anchor: it or the folded node trains, so that folding is done in every step */
    int residual; /* anchor: the node whose output is added; -1 */
    int post_count;
    graft_post_op post_ops[GRAFT_GROUP_POST_OPS];
    bool squares; /* anchor: of what it gives the largest of each square of 2x2 is written */
    bool folded;  /* member: backward passes its gradient through unchanged */
    bool whole;   /* anchor: its backward, at the last member's place, is that of all members */
} graft_group;

typedef struct graft_group_rules {
    bool training;
    bool moves_statistics; /* batch norm that trains uses the batch's statistics */
    const bool *winograd;  /* [node] a convolution that Winograd's method computes */
} graft_group_rules;

/* groups[i] for each node. in_part[i]: the plan computes the node; visible[i]: its output is wanted itself.
 */
void graft_group_nodes(graft_group *groups, const graft_graph *graph, const bool *in_part,
                       const bool *visible, const graft_group_rules *rules);

#endif
