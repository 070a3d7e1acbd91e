/* y = x W^T + b: (N, I) -> (N, features), or with `last` over the last of four dimensions, (N, H, W, I) ->
 * (N, H, W, features). */
#include "ops/op.h"

#include <math.h>

#include "base/status.h"
#include "ops/shapes.h"

static graft_status shape(const graft_node *node, const graft_shape *inputs, graft_shape *out)
{
    const graft_linear_attributes *a = node->attributes;
    char text[GRAFT_SHAPE_TEXT];
    if (inputs[0].rank != (a->last ? 4 : 2))
        return graft_fail(GRAFT_ESHAPE, "a linear layer needs %s, not %s%s",
                          a->last ? "(N, H, W, features)" : "(N, features)",
                          graft_shape_text(&inputs[0], text), a->last ? "" : "; a flatten makes it so");
    *out = inputs[0];
    out->dims[out->rank - 1] = a->features;
    return GRAFT_OK;
}

static void parameters(graft_node *node, const graft_shape *inputs)
{
    const graft_linear_attributes *a = node->attributes;
    int64_t in = inputs[0].dims[inputs[0].rank - 1];
    graft_add_parameter(node, "weight", GRAFT_PARAMETER_LEARNED, GRAFT_SHAPE(a->features, in));
    graft_add_parameter(node, "bias", GRAFT_PARAMETER_LEARNED, GRAFT_SHAPE(a->features));
}

static int64_t macs(const graft_node *node, const graft_shape *inputs)
{
    return graft_shape_count(&inputs[0]) * node->shape.dims[node->shape.rank - 1];
}

/* nn.Linear: weight and bias uniform in +-1 / sqrt(in). */
static void initialize(const graft_node *node, int index, float *values, graft_random *random)
{
    int64_t count = graft_shape_count(&node->parameters[index].shape);
    graft_fill_uniform(values, count, 1.0F / sqrtf((float)node->parameters[0].shape.dims[1]), random);
}

/* All dimensions but the last as one: (rows, features). */
static graft_shape rows_of(const graft_shape *shape)
{
    int64_t features = shape->dims[shape->rank - 1];
    return GRAFT_SHAPE(graft_shape_count(shape) / features, features);
}

static graft_status view_rows(graft_lowering *l, graft_value *value)
{
    graft_shape rows = rows_of(graft_layout_shape(graft_lowering_layout(l, *value)));
    return graft_lowering_view(l, *value, &rows, value);
}

/* In bf16 what others read in the same plan is bf16 too; what leaves the plan is not rounded. */
static graft_linear linear_of(graft_lowering *l, const graft_node *node)
{
    graft_shape shape_in = graft_lowering_input_shape(l, node, 0), shape_out = graft_lowering_shape(l, node);
    graft_shape x = rows_of(&shape_in), y = rows_of(&shape_out);
    bool bf16 = graft_lowering_uses_bf16(l);
    return (graft_linear){.batch = x.dims[0],
                          .in = x.dims[1],
                          .out = y.dims[1],
                          .bf16 = bf16,
                          .y = bf16 && !graft_lowering_leaves(l, node) ? GRAFT_BF16 : GRAFT_F32};
}

static graft_status forward(graft_lowering *l, const graft_node *node)
{
    graft_status status;
    graft_shape shape_out = graft_lowering_shape(l, node);
    graft_linear linear = linear_of(l, node);
    graft_value residual = graft_lowering_residual(l, node);
    bool adds = residual != GRAFT_NO_VALUE;
    int count;
    const graft_post_op *post_ops = graft_lowering_post_ops(l, node, &count);
    graft_value values[] = {graft_lowering_input(l, node, 0), GRAFT_NO_VALUE, GRAFT_NO_VALUE,
                            adds ? residual : GRAFT_NEW_VALUE};
    graft_kernel *kernel;
    GRAFT_TRY(view_rows(l, &values[0]));
    if (adds)
        GRAFT_TRY(view_rows(l, &values[3]));
    GRAFT_TRY(graft_lowering_parameter(l, node, "weight", &values[1]));
    GRAFT_TRY(graft_lowering_parameter(l, node, "bias", &values[2]));
    GRAFT_TRY(graft_linear_forward(&kernel, graft_lowering_device(l), &linear, adds, post_ops, count));
    GRAFT_TRY(graft_lowering_emit(l, kernel, values));
    GRAFT_TRY(graft_lowering_view(l, values[3], &shape_out, &values[3]));
    graft_lowering_set_output(l, node, values[3]);
out:
    return status;
}

/* The weight's goes straight to its place: for a wide layer that is sweeps over memory less. */
static graft_status accumulate_weights(graft_lowering *l, const graft_node *node, const graft_shape *x,
                                       int64_t out_features)
{
    graft_status status;
    graft_value values[] = {graft_lowering_input(l, node, 0), graft_lowering_gradient(l, node),
                            GRAFT_NO_VALUE};
    graft_kernel *kernel;
    GRAFT_TRY(view_rows(l, &values[0]));
    GRAFT_TRY(view_rows(l, &values[1]));
    GRAFT_TRY(graft_lowering_parameter_gradient(l, node, "weight", &values[2]));
    GRAFT_TRY(graft_linear_accumulate(&kernel, graft_lowering_device(l), x->dims[0], x->dims[1], out_features,
                                      graft_lowering_gradient_rule(l)));
    GRAFT_TRY(graft_lowering_emit(l, kernel, values));
    GRAFT_TRY(graft_backward_bias(l, node, values[1], x->dims[0], out_features));
out:
    return status;
}

/* Of a folded weight, whose gradient is unfolded next. */
static graft_status backward_weights(graft_lowering *l, const graft_node *node, const graft_shape *x,
                                     int64_t out_features)
{
    graft_status status;
    graft_value values[] = {graft_lowering_input(l, node, 0), graft_lowering_gradient(l, node),
                            GRAFT_NEW_VALUE, GRAFT_NEW_VALUE};
    graft_kernel *kernel;
    GRAFT_TRY(view_rows(l, &values[0]));
    GRAFT_TRY(view_rows(l, &values[1]));
    GRAFT_TRY(graft_linear_backward_weights(&kernel, graft_lowering_device(l), x->dims[0], x->dims[1],
                                            out_features));
    GRAFT_TRY(graft_lowering_emit(l, kernel, values));
    GRAFT_TRY(graft_lowering_add_weight_gradients(l, node, values[2], values[3]));
out:
    return status;
}

static graft_status backward_data(graft_lowering *l, const graft_node *node, const graft_shape *x,
                                  int64_t out_features)
{
    graft_status status;
    graft_shape whole = graft_lowering_input_shape(l, node, 0);
    graft_value values[] = {graft_lowering_gradient(l, node), GRAFT_NO_VALUE, GRAFT_NEW_VALUE};
    graft_kernel *kernel;
    GRAFT_TRY(view_rows(l, &values[0]));
    GRAFT_TRY(graft_lowering_parameter(l, node, "weight", &values[1]));
    GRAFT_TRY(
        graft_linear_backward_data(&kernel, graft_lowering_device(l), x->dims[0], x->dims[1], out_features));
    GRAFT_TRY(graft_lowering_emit(l, kernel, values));
    GRAFT_TRY(graft_lowering_view(l, values[2], &whole, &values[2]));
    GRAFT_TRY(graft_lowering_add_gradient(l, node, 0, values[2]));
out:
    return status;
}

static graft_status backward(graft_lowering *l, const graft_node *node)
{
    graft_status status = GRAFT_OK;
    const graft_linear_attributes *a = node->attributes;
    graft_shape whole = graft_lowering_input_shape(l, node, 0), x = rows_of(&whole);
    if (graft_lowering_wants_weights(l, node))
        GRAFT_TRY(graft_lowering_is_folded(l, node) ? backward_weights(l, node, &x, a->features)
                                                    : accumulate_weights(l, node, &x, a->features));
    if (graft_lowering_wants_gradient(l, node, 0))
        GRAFT_TRY(backward_data(l, node, &x, a->features));
out:
    return status;
}

const graft_op graft_op_linear = {
    .name = "linear",
    .attributes = sizeof(graft_linear_attributes),
    .shape = shape,
    .parameters = parameters,
    .macs = macs,
    .initialize = initialize,
    .forward = forward,
    .backward = backward,
    .computes_bf16 = true,
    .absorbs_affine = true,
    .takes_post_ops = true,
};
