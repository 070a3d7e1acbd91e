/* Batch normalisation (Ioffe and Szegedy 2015, arXiv 1502.03167) over N, H and W of (N, C, H, W), or over N
 * of (N, C): y = gamma (x - mean) / sqrt(variance + epsilon) + beta. Frozen: running statistics. Trained: the
 * running statistics too (still), or the batch's, which then move the running ones. With running statistics
 * it is folded into the convolution or linear layer before it where there is one; with the batch's it is the
 * head of a group: a residual behind it and a clip (ReLU) are computed with it.
 */
#include "ops/op.h"

#include "base/status.h"
#include "ops/shapes.h"

enum { GAMMA, BETA, MEAN, VARIANCE }; /* parameters */
enum { SAVED_MEAN, SAVED_VARIANCE };  /* what forward leaves for backward */

static float epsilon_of(const graft_node *node)
{
    const graft_batch_norm_attributes *a = node->attributes;
    return a->epsilon > 0.0F ? a->epsilon : 1e-5F;
}

static void parameters(graft_node *node, const graft_shape *inputs)
{
    graft_shape row = GRAFT_SHAPE(inputs[0].dims[1]);
    graft_add_parameter(node, "weight", GRAFT_PARAMETER_LEARNED, row);
    graft_add_parameter(node, "bias", GRAFT_PARAMETER_LEARNED, row);
    graft_add_parameter(node, "running_mean", GRAFT_PARAMETER_RUNNING, row);
    graft_add_parameter(node, "running_var", GRAFT_PARAMETER_RUNNING, row);
    graft_add_parameter(node, "num_batches_tracked", GRAFT_PARAMETER_COUNTER, (graft_shape){0, {0}});
}

static void initialize(const graft_node *node, int index, float *values, graft_random *random)
{
    (void)random;
    int64_t channels = node->parameters[index].shape.dims[0];
    for (int64_t c = 0; c < channels; c++)
        values[c] = index == GAMMA || index == VARIANCE ? 1.0F : 0.0F;
}

static void affine(const graft_node *node, const float *const *tensors, float *scale, float *shift)
{
    graft_batch_norm_fold(scale, shift, tensors[GAMMA], tensors[BETA], tensors[MEAN], tensors[VARIANCE],
                          node->parameters[0].shape.dims[0], epsilon_of(node));
}

/* values: gamma, beta, and with `running` the running mean and variance. */
static graft_status take_parameters(graft_lowering *l, const graft_node *node, bool running,
                                    graft_value *values)
{
    graft_status status = GRAFT_OK;
    for (int i = GAMMA; i <= (running ? VARIANCE : BETA); i++)
        GRAFT_TRY(graft_lowering_parameter(l, node, node->parameters[i].suffix, &values[i]));
out:
    return status;
}

static graft_status lower_affine(graft_lowering *l, const graft_node *node, graft_value *scale,
                                 graft_value *shift)
{
    graft_status status;
    graft_value values[] = {GRAFT_NO_VALUE, GRAFT_NO_VALUE,  GRAFT_NO_VALUE,
                            GRAFT_NO_VALUE, GRAFT_NEW_VALUE, GRAFT_NEW_VALUE};
    graft_kernel *kernel;
    GRAFT_TRY(take_parameters(l, node, true, values));
    GRAFT_TRY(graft_batch_norm_affine(&kernel, graft_lowering_device(l), node->parameters[0].shape.dims[0],
                                      epsilon_of(node)));
    GRAFT_TRY(graft_lowering_emit(l, kernel, values));
    *scale = values[4];
    *shift = values[5];
out:
    return status;
}

static graft_status lower_affine_backward(graft_lowering *l, const graft_node *node,
                                          graft_value scale_gradient, graft_value shift_gradient)
{
    graft_status status;
    graft_value values[] = {scale_gradient, shift_gradient, GRAFT_NO_VALUE, GRAFT_NO_VALUE, GRAFT_NEW_VALUE};
    graft_kernel *kernel;
    GRAFT_TRY(graft_lowering_parameter(l, node, "running_mean", &values[2]));
    GRAFT_TRY(graft_lowering_parameter(l, node, "running_var", &values[3]));
    GRAFT_TRY(graft_batch_norm_affine_backward(&kernel, graft_lowering_device(l),
                                               node->parameters[0].shape.dims[0], epsilon_of(node)));
    GRAFT_TRY(graft_lowering_emit(l, kernel, values));
    status = graft_lowering_add_weight_gradients(l, node, values[4], shift_gradient);
out:
    return status;
}

static bool still(const graft_lowering *l, const graft_node *node)
{
    return !(graft_lowering_trains(l, node) && graft_lowering_moves_statistics(l));
}

/* One value has no variance. */
static graft_status check_count(const graft_lowering *l, const graft_node *node)
{
    graft_shape x = graft_lowering_input_shape(l, node, 0);
    if (graft_shape_count(&x) / x.dims[1] > 1)
        return GRAFT_OK;
    return graft_fail(
        GRAFT_EARGUMENT,
        "node %s: of a batch of 1 picture it has 1 value a channel, and that has no statistics: batch "
        "norm trains with batches of two or more, also in the last step of an epoch",
        node->name);
}

static graft_status move_statistics(graft_lowering *l, const graft_node *node, graft_value mean,
                                    graft_value variance)
{
    graft_status status;
    const graft_batch_norm_attributes *a = node->attributes;
    graft_shape x = graft_lowering_input_shape(l, node, 0);
    graft_value values[] = {mean, variance, GRAFT_NO_VALUE, GRAFT_NO_VALUE};
    graft_kernel *kernel;
    GRAFT_TRY(graft_lowering_parameter(l, node, "running_mean", &values[2]));
    GRAFT_TRY(graft_lowering_parameter(l, node, "running_var", &values[3]));
    GRAFT_TRY(graft_running_statistics(&kernel, graft_lowering_device(l), x.dims[1],
                                       graft_shape_count(&x) / x.dims[1],
                                       a->momentum > 0.0F ? a->momentum : 0.1F));
    GRAFT_TRY(graft_lowering_emit(l, kernel, values));
out:
    return status;
}

/* What stands behind it in its group. */
static graft_batch_norm_form form_of(graft_lowering *l, const graft_node *node)
{
    int count;
    const graft_post_op *post_ops = graft_lowering_post_ops(l, node, &count);
    return (graft_batch_norm_form){.epsilon = epsilon_of(node),
                                   .residual = graft_lowering_residual(l, node) != GRAFT_NO_VALUE,
                                   .clip = count > 0 ? post_ops : NULL};
}

/* One kernel does what the group does; else each of it has its own. */
static bool is_one_kernel(graft_lowering *l, const graft_node *node)
{
    return !still(l, node) &&
           graft_batch_norm_suits(graft_lowering_layout(l, graft_lowering_input(l, node, 0)));
}

static graft_status add_and_clip(graft_lowering *l, const graft_batch_norm_form *form, graft_value residual,
                                 graft_value *y)
{
    graft_status status = GRAFT_OK;
    graft_kernel *kernel;
    const graft_layout *layout = graft_lowering_layout(l, *y);
    if (form->residual) {
        graft_value values[] = {*y, residual, GRAFT_NEW_VALUE};
        GRAFT_TRY(graft_add(&kernel, graft_lowering_device(l), layout));
        GRAFT_TRY(graft_lowering_emit(l, kernel, values));
        *y = values[2];
    }
    if (form->clip) {
        graft_value values[] = {*y, GRAFT_NEW_VALUE};
        GRAFT_TRY(graft_elementwise_forward(&kernel, graft_lowering_device(l), layout, form->clip));
        GRAFT_TRY(graft_lowering_emit(l, kernel, values));
        *y = values[1];
    }
out:
    return status;
}

/* values: x, gamma, beta, mean, variance, y, residual. */
static graft_status emit_forward(graft_lowering *l, const graft_node *node, graft_value *values)
{
    graft_status status;
    graft_batch_norm_form form = form_of(l, node);
    const graft_layout *x = graft_lowering_layout(l, values[0]);
    bool is_still = still(l, node), one = is_one_kernel(l, node);
    graft_kernel *kernel;
    if (one)
        GRAFT_TRY(graft_batch_norm_group(&kernel, graft_lowering_device(l), x, &form, false));
    else
        GRAFT_TRY(graft_batch_norm_forward(&kernel, graft_lowering_device(l), x, form.epsilon, is_still,
                                           !is_still));
    GRAFT_TRY(graft_lowering_emit(l, kernel, values));
    if (!one)
        status = add_and_clip(l, &form, values[6], &values[5]);
out:
    return status;
}

/* x and the statistics are kept anyway, so y need not be: it costs one walk to make it again. With a residual
 * it would cost more, and y is kept for the clip; what is read from outside is there anyway. */
static bool is_forgotten(graft_lowering *l, const graft_node *node)
{
    return is_one_kernel(l, node) && graft_lowering_residual(l, node) == GRAFT_NO_VALUE &&
           !graft_lowering_leaves(l, node);
}

static graft_status again(graft_lowering *l, const graft_node *node, graft_value *y)
{
    graft_status status;
    graft_batch_norm_form form = form_of(l, node);
    graft_value values[] = {graft_lowering_input(l, node, 0),
                            GRAFT_NO_VALUE,
                            GRAFT_NO_VALUE,
                            graft_lowering_saved(l, node, SAVED_MEAN),
                            graft_lowering_saved(l, node, SAVED_VARIANCE),
                            GRAFT_NEW_VALUE};
    graft_kernel *kernel;
    GRAFT_TRY(take_parameters(l, node, false, &values[1]));
    GRAFT_TRY(graft_batch_norm_group(&kernel, graft_lowering_device(l), graft_lowering_layout(l, values[0]),
                                     &form, true));
    GRAFT_TRY(graft_lowering_emit(l, kernel, values));
    *y = values[5];
out:
    return status;
}

static graft_status forward(graft_lowering *l, const graft_node *node)
{
    graft_status status;
    graft_value values[] = {graft_lowering_input(l, node, 0),
                            GRAFT_NO_VALUE,
                            GRAFT_NO_VALUE,
                            GRAFT_NEW_VALUE,
                            GRAFT_NEW_VALUE,
                            GRAFT_NEW_VALUE,
                            graft_lowering_residual(l, node)};
    bool is_still = still(l, node);
    if (!is_still)
        GRAFT_TRY(check_count(l, node));
    GRAFT_TRY(take_parameters(l, node, is_still, &values[1]));
    GRAFT_TRY(emit_forward(l, node, values));
    graft_lowering_set_output(l, node, values[5]);
    graft_lowering_save(l, node, SAVED_MEAN, values[3]);
    graft_lowering_save(l, node, SAVED_VARIANCE, values[4]);
    if (is_forgotten(l, node))
        graft_lowering_forget(l, node);
    if (!is_still)
        GRAFT_TRY(move_statistics(l, node, values[3], values[4]));
out:
    return status;
}

/* From y's gradient to that of what was clipped, which is the residual's too. */
static graft_status unclip(graft_lowering *l, const graft_node *node, const graft_post_op *clip,
                           graft_value *gradient)
{
    graft_status status;
    graft_value values[] = {graft_lowering_output(l, node), *gradient, GRAFT_NEW_VALUE};
    graft_kernel *kernel;
    GRAFT_TRY(graft_elementwise_backward(&kernel, graft_lowering_device(l),
                                         graft_lowering_layout(l, values[0]), clip));
    GRAFT_TRY(graft_lowering_emit(l, kernel, values));
    *gradient = values[2];
out:
    return status;
}

/* values: x, gradient of y, gamma, mean, variance, gradient of x, of gamma, of beta; then beta, or y where
 * what the clip let through is seen in it, and the gradient of what was clipped, which goes to values[1]. */
static graft_status emit_backward(graft_lowering *l, const graft_node *node, graft_value *values)
{
    graft_status status;
    graft_batch_norm_form form = form_of(l, node);
    const graft_layout *x = graft_lowering_layout(l, values[0]);
    bool one = is_one_kernel(l, node);
    graft_kernel *kernel;
    if (one && form.clip && form.residual)
        values[8] = graft_lowering_output(l, node);
    if (!one && form.clip)
        GRAFT_TRY(unclip(l, node, form.clip, &values[1]));
    if (one)
        GRAFT_TRY(graft_batch_norm_group_backward(&kernel, graft_lowering_device(l), x, &form));
    else
        GRAFT_TRY(
            graft_batch_norm_backward(&kernel, graft_lowering_device(l), x, form.epsilon, still(l, node)));
    GRAFT_TRY(graft_lowering_emit(l, kernel, values));
    if (one && form.clip && form.residual)
        values[1] = values[9];
out:
    return status;
}

/* values as emit_backward leaves them. */
static graft_status add_gradients(graft_lowering *l, const graft_node *node, const graft_value *values)
{
    graft_status status = GRAFT_OK;
    if (graft_lowering_residual(l, node) != GRAFT_NO_VALUE &&
        graft_lowering_wants_gradient(l, node, GRAFT_RESIDUAL))
        GRAFT_TRY(graft_lowering_add_gradient(l, node, GRAFT_RESIDUAL, values[1]));
    if (graft_lowering_trains(l, node))
        GRAFT_TRY(graft_lowering_add_weight_gradients(l, node, values[6], values[7]));
    if (graft_lowering_wants_gradient(l, node, 0))
        GRAFT_TRY(graft_lowering_add_gradient(l, node, 0, values[5]));
out:
    return status;
}

static graft_status backward(graft_lowering *l, const graft_node *node)
{
    graft_status status;
    graft_value values[] = {graft_lowering_input(l, node, 0),
                            graft_lowering_gradient(l, node),
                            GRAFT_NO_VALUE,
                            graft_lowering_saved(l, node, SAVED_MEAN),
                            graft_lowering_saved(l, node, SAVED_VARIANCE),
                            GRAFT_NEW_VALUE,
                            GRAFT_NEW_VALUE,
                            GRAFT_NEW_VALUE,
                            GRAFT_NO_VALUE,
                            GRAFT_NEW_VALUE};
    GRAFT_TRY(graft_lowering_parameter(l, node, "weight", &values[2]));
    GRAFT_TRY(graft_lowering_parameter(l, node, "bias", &values[8]));
    GRAFT_TRY(emit_backward(l, node, values));
    status = add_gradients(l, node, values);
out:
    return status;
}

const graft_op graft_op_batch_norm = {
    .name = "batch_norm",
    .attributes = sizeof(graft_batch_norm_attributes),
    .shape = graft_shape_same,
    .parameters = parameters,
    .initialize = initialize,
    .forward = forward,
    .backward = backward,
    .affine = affine,
    .uses_statistics = true,
    .again = again,
    .lower_affine = lower_affine,
    .lower_affine_backward = lower_affine_backward,
};
