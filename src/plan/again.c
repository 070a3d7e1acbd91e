/* Outputs that backward makes again instead of keeping: they die in forward, with their last reader there.
 * The first step of backward that reads one has it made before, and those behind read the same copy; for what
 * nothing reads there nothing is made. */
#include "plan/internal.h"

#include "base/status.h"
#include "graph/op.h"

void graft_lowering_forget(graft_lowering *l, const graft_node *node)
{
    l->again[node->index] = GRAFT_NEW_VALUE;
}

static const graft_node *maker_of(graft_lowering *l, graft_value v)
{
    const graft_graph *graph = l->request->graph;
    for (size_t i = 0; i < graph->count; i++)
        if (l->again[i] != GRAFT_NO_VALUE && graft_lowering_output(l, &graph->nodes[i]) == v)
            return &graph->nodes[i];
    return NULL;
}

static graft_status make(graft_lowering *l, const graft_node *node)
{
    int reader = l->node;
    l->node = node->index;
    graft_status status = node->op->again(l, node, &l->again[node->index]);
    l->node = reader;
    return status;
}

graft_status graft_lowering_recall(graft_lowering *l, const graft_layout *layout, graft_value *v)
{
    graft_status status = GRAFT_OK;
    if (l->phase != GRAFT_PHASE_BACKWARD || l->plan->values[*v].layout != layout)
        return GRAFT_OK;
    const graft_node *maker = maker_of(l, *v);
    if (!maker)
        return GRAFT_OK;
    if (l->again[maker->index] == GRAFT_NEW_VALUE)
        GRAFT_TRY(make(l, maker));
    *v = l->again[maker->index];
out:
    return status;
}
