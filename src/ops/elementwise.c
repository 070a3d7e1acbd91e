/* Element-wise functions in the layout that their input has. */
#include "ops/elementwise.h"

graft_status graft_elementwise_lower_forward(graft_lowering *l, const graft_node *node)
{
    graft_status status;
    graft_value values[] = {graft_lowering_input(l, node, 0), GRAFT_NEW_VALUE};
    graft_post_op function;
    graft_kernel *kernel;
    node->op->post_op(node, &function);
    GRAFT_TRY(graft_elementwise_forward(&kernel, graft_lowering_device(l),
                                        graft_lowering_layout(l, values[0]), &function));
    GRAFT_TRY(graft_lowering_emit(l, kernel, values));
    graft_lowering_set_output(l, node, values[1]);
out:
    return status;
}

graft_status graft_elementwise_lower_backward(graft_lowering *l, const graft_node *node)
{
    graft_status status;
    graft_post_op function;
    graft_kernel *kernel;
    if (!graft_lowering_wants_gradient(l, node, 0))
        return GRAFT_OK;
    node->op->post_op(node, &function);
    graft_value values[] = {graft_function_reads_output(&function) ? graft_lowering_output(l, node)
                                                                   : graft_lowering_input(l, node, 0),
                            graft_lowering_gradient(l, node), GRAFT_NEW_VALUE};
    GRAFT_TRY(graft_elementwise_backward(&kernel, graft_lowering_device(l),
                                         graft_lowering_layout(l, values[0]), &function));
    GRAFT_TRY(graft_lowering_emit(l, kernel, values));
    GRAFT_TRY(graft_lowering_add_gradient(l, node, 0, values[2]));
out:
    return status;
}
