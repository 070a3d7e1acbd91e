/* Weights with holes: some published files fill what they do not have with NaN (VGG16's features without a
 * classifier). What the logits depend on must be numbers; one sentence instead of a NaN far away. */
#include <stdlib.h>

#include "base/memory.h"
#include "base/status.h"
#include "train/executor.h"

static graft_status check_tensor(const graft_model *model, int index)
{
    int64_t nans, infinite;
    const graft_tensor *tensor = model->state.tensors[index];
    if (tensor->dtype != GRAFT_F32 || graft_tensor_is_finite(tensor))
        return GRAFT_OK;
    graft_tensor_view view = graft_tensor_view_of(tensor, model->state.names[index]);
    graft_tensor_count_nonfinite(&view, &nans, &infinite);
    return graft_fail(
        GRAFT_EFORMAT, "%s: %s holds %lld NaN and %lld infinite values: a new head must replace it",
        graft_model_source_name(model), model->state.names[index], (long long)nans, (long long)infinite);
}

static graft_status check_node(const graft_model *model, const graft_node *node)
{
    graft_status status = GRAFT_OK;
    for (int i = 0; i < node->parameter_count && status == GRAFT_OK; i++)
        status = check_tensor(model, node->first_tensor + i);
    return status;
}

graft_status graft_model_check_finite(const graft_model *model)
{
    graft_status status;
    const graft_graph *graph = model->state.graph;
    bool *wanted = NULL;
    GRAFT_TRY(graft_model_check_whole(model));
    GRAFT_TRY(GRAFT_NEW_ARRAY(&wanted, graph->count));
    wanted[graph->outputs[0].node] = true;
    for (size_t i = graph->count; i-- > 0;) {
        const graft_node *node = &graph->nodes[i];
        for (int j = 0; wanted[i] && j < node->input_count; j++)
            wanted[node->inputs[j]] = true;
        if (wanted[i])
            GRAFT_TRY(check_node(model, node));
    }
out:
    free(wanted);
    return status;
}
