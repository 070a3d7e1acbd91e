/* A linear layer in the Gram form. What SGD makes of a weight W0 (O, I) over fixed inputs F (R, I) stays
 *     W = c W0 + A^T F,
 * because every gradient of W is G^T F for some G (R, O) and decay only scales. So the state is A (R, O),
 * from 0, and c, from 1; both move by the rule that moves W, A with the gradient G, c with none; and F W^T =
 * c (F W0^T) + (F F^T) A. Inputs are rows for pictures of those products: (F F^T)'s, R numbers; (F W0^T)'s, O
 * numbers; and which of the R it is, an int32 in a float's place, read in backward only. (N, R), (N, O), (N)
 * -> (N, O); the inputs' further dimensions are 1. The bias is as it ever was.
 *
 * `weight` is A. Both c and A have two dimensions, as what they stand for, and so decay with the weights. */
#include "ops/op.h"

#include "ops/shapes.h"

static graft_status shape(const graft_node *node, const graft_shape *inputs, graft_shape *out)
{
    (void)node;
    *out = GRAFT_SHAPE(inputs[1].dims[0], inputs[1].dims[1]);
    return GRAFT_OK;
}

static void parameters(graft_node *node, const graft_shape *inputs)
{
    int64_t rows = inputs[0].dims[1], out = inputs[1].dims[1];
    graft_add_parameter(node, "weight", GRAFT_PARAMETER_LEARNED, GRAFT_SHAPE(rows, out));
    graft_add_parameter(node, "bias", GRAFT_PARAMETER_LEARNED, GRAFT_SHAPE(out));
    graft_add_parameter(node, "start", GRAFT_PARAMETER_LEARNED, GRAFT_SHAPE(1, 1));
}

static graft_status input(graft_lowering *l, const graft_node *node, int index, graft_shape view,
                          graft_value *out)
{
    return graft_lowering_view(l, graft_lowering_input(l, node, index), &view, out);
}

static graft_status begin(graft_lowering *l, const graft_node *node, graft_value *y)
{
    graft_status status;
    int64_t batch = graft_lowering_batch(l), out = node->shape.dims[1];
    graft_value values[] = {GRAFT_NO_VALUE, GRAFT_NO_VALUE, GRAFT_NO_VALUE, GRAFT_NEW_VALUE};
    graft_kernel *kernel;
    GRAFT_TRY(input(l, node, 1, GRAFT_SHAPE(batch, out), &values[0]));
    GRAFT_TRY(graft_lowering_parameter(l, node, "start", &values[1]));
    GRAFT_TRY(graft_lowering_parameter(l, node, "bias", &values[2]));
    GRAFT_TRY(graft_gram_begin(&kernel, graft_lowering_device(l), batch, out));
    GRAFT_TRY(graft_lowering_emit(l, kernel, values));
    *y = values[3];
out:
    return status;
}

static graft_status forward(graft_lowering *l, const graft_node *node)
{
    graft_status status;
    int64_t batch = graft_lowering_batch(l), rows = node->parameters[0].shape.dims[0];
    const graft_matmul_shape product = {
        .rows = batch, .inner = rows, .columns = node->shape.dims[1], .adds = true};
    graft_value values[] = {GRAFT_NO_VALUE, GRAFT_NO_VALUE, GRAFT_NO_VALUE};
    graft_kernel *kernel;
    GRAFT_TRY(input(l, node, 0, GRAFT_SHAPE(batch, rows), &values[0]));
    GRAFT_TRY(graft_lowering_parameter(l, node, "weight", &values[1]));
    GRAFT_TRY(begin(l, node, &values[2]));
    GRAFT_TRY(graft_matmul(&kernel, graft_lowering_device(l), &product));
    GRAFT_TRY(graft_lowering_emit(l, kernel, values));
    graft_lowering_set_output(l, node, values[2]);
out:
    return status;
}

static graft_status backward(graft_lowering *l, const graft_node *node)
{
    graft_status status;
    int64_t batch = graft_lowering_batch(l), rows = node->parameters[0].shape.dims[0];
    graft_value values[] = {graft_lowering_gradient(l, node), GRAFT_NO_VALUE, GRAFT_NO_VALUE, GRAFT_NO_VALUE};
    graft_kernel *kernel;
    GRAFT_TRY(input(l, node, 2, GRAFT_SHAPE(batch), &values[1]));
    GRAFT_TRY(graft_lowering_parameter_gradient(l, node, "weight", &values[2]));
    GRAFT_TRY(graft_lowering_parameter_gradient(l, node, "start", &values[3]));
    GRAFT_TRY(graft_gram_scatter(&kernel, graft_lowering_device(l), batch, rows, node->shape.dims[1],
                                 graft_lowering_gradient_rule(l)));
    GRAFT_TRY(graft_lowering_emit(l, kernel, values));
    GRAFT_TRY(graft_backward_bias(l, node, values[0], batch, node->shape.dims[1]));
out:
    return status;
}

const graft_op graft_op_gram_linear = {
    .name = "gram_linear",
    .shape = shape,
    .parameters = parameters,
    .forward = forward,
    .backward = backward,
};
