/* Which nodes are emitted together. Greedy, from each anchor along its only consumer. */
#include "plan/group.h"

#include "graph/op.h"

typedef struct search {
    graft_group *groups;
    const graft_graph *graph;
    const bool *in_part, *visible;
    const graft_group_rules *rules;
} search;

/* The only node that reads `index`, or -1. */
static int only_consumer(const graft_graph *graph, int index)
{
    int consumer = -1;
    for (size_t i = (size_t)index + 1; i < graph->count; i++)
        for (int j = 0; j < graph->nodes[i].input_count; j++)
            if (graph->nodes[i].inputs[j] == index) {
                if (consumer >= 0)
                    return -1;
                consumer = (int)i;
            }
    return consumer;
}

static bool reads(const graft_node *node, int index)
{
    for (int i = 0; i < node->input_count; i++)
        if (node->inputs[i] == index)
            return true;
    return false;
}

/* A group reads its anchor's inputs and its residual when it is emitted, at its last member's place. */
static bool group_reads(const search *s, const graft_group *group, int index)
{
    return group->residual == index || reads(&s->graph->nodes[group->anchor], index);
}

/* Whether a node's output may be its input's bytes. Dropout with a backward stays a node, which emits nothing
 * where it is the identity. */
static bool may_share_bytes(const graft_node *node)
{
    return node->op->identity_unless_trained || node->op->is_view;
}

/* A group that ends at node `last` may write onto the output of `index`: it has bytes of its own, nothing
 * reads them later, whatever has become of its readers' groups so far, and the convolution that writes does
 * not read them itself. */
static bool may_overwrite(const search *s, const graft_group *group, int index, int last)
{
    const graft_node *nodes = s->graph->nodes;
    for (size_t i = 0; i < s->graph->count; i++) {
        int anchor = s->groups[i].anchor;
        if ((int)i == last || !s->in_part[i] || !reads(&nodes[i], index))
            continue;
        if (may_share_bytes(&nodes[i]) || anchor == group->anchor || s->groups[anchor].last > last)
            return false;
    }
    return s->in_part[index] && !s->visible[index] && !may_share_bytes(&nodes[index]);
}

/* `group` may grow to node `last`: what it reads then was not overwritten by another group before. With a
 * backward nothing is. */
static bool may_wait(const search *s, const graft_group *group, int last)
{
    if (s->rules->training)
        return true;
    for (size_t i = 0; i < s->graph->count; i++) {
        const graft_group *other = &s->groups[i];
        if (other->anchor == (int)i && other != group && other->residual >= 0 && other->last < last &&
            group_reads(s, group, other->residual))
            return false;
    }
    return true;
}

static bool uses_statistics(const search *s, const graft_node *node)
{
    return s->rules->training && s->rules->moves_statistics && node->trains && node->op->uses_statistics;
}

static bool fold_affine(graft_group *group, const search *s, const graft_node *node)
{
    const graft_node *anchor = &s->graph->nodes[group->anchor];
    bool live = node->trains || anchor->trains;
    if (!node->op->affine || uses_statistics(s, node) || !anchor->op->absorbs_affine || group->affine >= 0 ||
        group->residual >= 0 || group->post_count > 0 || (live && !node->op->lower_affine))
        return false;
    group->affine = node->index;
    group->live = live;
    return true;
}

/* With a backward it stays a node of its own, which emits nothing. */
static bool is_identity(const search *s, const graft_node *node)
{
    return node->op->identity_unless_trained && !s->rules->training;
}

/* With a backward, which may need the summand, only by what does not overwrite it. */
static bool fuse_residual(graft_group *group, const search *s, const graft_node *node, int from)
{
    if (!node->op->is_sum || s->rules->training != group->whole || group->residual >= 0 ||
        group->post_count > 0)
        return false;
    int other = node->inputs[0] == from ? node->inputs[1] : node->inputs[0];
    if (other == from || (!group->whole && !may_overwrite(s, group, other, node->index)))
        return false;
    group->residual = other;
    return true;
}

/* With a backward only one, whose gradient needs its output: that is then the group's. */
static bool fuse_post_op(graft_group *group, const search *s, const graft_node *node)
{
    graft_post_op function;
    if (!node->op->post_op || group->post_count == (s->rules->training ? 1 : GRAFT_GROUP_POST_OPS))
        return false;
    if (!node->op->post_op(node, &function) ||
        (s->rules->training && !graft_function_reads_output(&function)))
        return false;
    if (group->whole && function.function != GRAFT_CLIP)
        return false;
    group->post_ops[group->post_count++] = function;
    return true;
}

/* Without a backward, by Winograd's method; nothing is fused behind it. */
static bool fuse_squares(graft_group *group, const search *s, const graft_node *node)
{
    bool winograd =
        s->rules->winograd[group->anchor] && graft_winograd_applies(group->post_ops, group->post_count);
    if (s->rules->training || !winograd || group->residual >= 0 || !node->op->takes_squares ||
        !node->op->takes_squares(node))
        return false;
    group->squares = true;
    return true;
}

static void grow(search *s, int anchor)
{
    graft_group *group = &s->groups[anchor];
    for (int at = anchor; !s->visible[at] && !group->squares;) {
        int next = only_consumer(s->graph, at);
        if (next < 0 || !s->in_part[next] || s->groups[next].anchor != next || !may_wait(s, group, next))
            return;
        const graft_node *node = &s->graph->nodes[next];
        bool folded = fold_affine(group, s, node);
        if (!folded && !is_identity(s, node) && !fuse_residual(group, s, node, at) &&
            !fuse_post_op(group, s, node) && !fuse_squares(group, s, node))
            return;
        s->groups[next].anchor = anchor;
        s->groups[next].folded = folded;
        group->last = at = next;
    }
}

void graft_group_nodes(graft_group *groups, const graft_graph *graph, const bool *in_part,
                       const bool *visible, const graft_group_rules *rules)
{
    search s = {groups, graph, in_part, visible, rules};
    for (size_t i = 0; i < graph->count; i++)
        groups[i] = (graft_group){.anchor = (int)i, .last = (int)i, .affine = -1, .residual = -1};
    for (size_t i = 0; i < graph->count; i++) {
        if (!in_part[i] || groups[i].anchor != (int)i)
            continue;
        groups[i].whole = uses_statistics(&s, &graph->nodes[i]);
        if (groups[i].whole || graph->nodes[i].op->takes_post_ops)
            grow(&s, (int)i);
    }
}
