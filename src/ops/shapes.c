/* Shape rules that several operators share. */
#include "ops/shapes.h"

graft_status graft_shape_same(const graft_node *node, const graft_shape *inputs, graft_shape *out)
{
    (void)node;
    *out = inputs[0];
    return GRAFT_OK;
}

void graft_add_parameter(graft_node *node, const char *suffix, graft_parameter_kind kind, graft_shape shape)
{
    node->parameters[node->parameter_count++] = (graft_parameter){suffix, kind, shape};
}

void graft_fill_uniform(float *values, int64_t count, float bound, graft_random *random)
{
    graft_random_uniforms(random, values, count);
    for (int64_t i = 0; i < count; i++)
        values[i] = (2.0F * values[i] - 1.0F) * bound;
}

graft_status graft_backward_identity(graft_lowering *lowering, const graft_node *node)
{
    if (!graft_lowering_wants_gradient(lowering, node, 0))
        return GRAFT_OK;
    return graft_lowering_add_gradient(lowering, node, 0, graft_lowering_gradient(lowering, node));
}

graft_status graft_backward_bias(graft_lowering *l, const graft_node *node, graft_value gradient,
                                 int64_t rows, int64_t columns)
{
    graft_status status;
    graft_value values[] = {gradient, GRAFT_NEW_VALUE};
    graft_kernel *kernel;
    GRAFT_TRY(graft_column_sums(&kernel, graft_lowering_device(l), rows, columns));
    GRAFT_TRY(graft_lowering_emit(l, kernel, values));
    GRAFT_TRY(graft_lowering_add_parameter_gradient(l, node, "bias", values[1]));
out:
    return status;
}
