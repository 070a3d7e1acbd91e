/* Compiling by one method: which nodes, in which groups, forward; then the loss and, node by node in reverse,
 * gradients; then places in the workspace. And running what was compiled. */
#include "plan/internal.h"

#include <stdlib.h>

#include "base/memory.h"
#include "base/status.h"
#include "graph/op.h"

static graft_status allocate_state(graft_lowering *l)
{
    graft_status status;
    size_t count = l->request->graph->count;
    GRAFT_TRY(GRAFT_NEW_ARRAY(&l->in_part, count));
    GRAFT_TRY(GRAFT_NEW_ARRAY(&l->visible, count));
    GRAFT_TRY(GRAFT_NEW_ARRAY(&l->needs_gradient, count));
    GRAFT_TRY(GRAFT_NEW_ARRAY(&l->winograd, count));
    GRAFT_TRY(GRAFT_NEW_ARRAY(&l->groups, count));
    GRAFT_TRY(GRAFT_NEW_ARRAY(&l->forward, count));
    GRAFT_TRY(GRAFT_NEW_ARRAY(&l->gradient, count));
    GRAFT_TRY(GRAFT_NEW_ARRAY(&l->again, count));
    GRAFT_TRY(GRAFT_NEW_ARRAY(&l->folds, count));
    GRAFT_TRY(GRAFT_NEW_ARRAY(&l->saved, count * SAVED_SLOTS));
    for (size_t i = 0; i < count; i++)
        l->forward[i] = l->gradient[i] = l->again[i] = GRAFT_NO_VALUE;
out:
    return status;
}

static void free_state(graft_lowering *l)
{
    free(l->in_part);
    free(l->visible);
    free(l->needs_gradient);
    free(l->winograd);
    free(l->groups);
    free(l->forward);
    free(l->gradient);
    free(l->again);
    free(l->folds);
    free(l->saved);
    free(l->copies);
}

/* Whether the upper plan is asked for this node: the logits, and in training the auxiliary outputs that
 * train. */
static bool is_wanted_output(const graft_lowering *l, size_t node)
{
    const graft_graph *graph = l->request->graph;
    int count = l->request->training ? graph->output_count : 1;
    for (int i = 0; i < count; i++)
        if (graph->outputs[i].node == (int)node && graft_graph_output_trains(graph, i))
            return true;
    return false;
}

/* Marks the nodes that this plan computes: of its part, and wanted by an output. */
static void select_nodes(graft_lowering *l)
{
    const graft_graph *graph = l->request->graph;
    bool upper = l->request->part == GRAFT_PLAN_UPPER;
    for (size_t i = graph->count; i-- > 0;) {
        const graft_node *node = &graph->nodes[i];
        l->visible[i] = upper ? is_wanted_output(l, i) : node->cut;
        bool wanted = l->in_part[i] || l->visible[i];
        l->in_part[i] = wanted && node->backbone != upper && i > 0;
        for (int j = 0; l->in_part[i] && j < node->input_count; j++)
            l->in_part[node->inputs[j]] = true;
    }
    for (size_t i = 1; i < graph->count; i++) {
        const graft_node *node = &graph->nodes[i];
        l->in_part[i] = l->in_part[i] && node->backbone != upper;
        l->needs_gradient[i] = node->trains && node->parameter_count > 0;
        for (int j = 0; j < node->input_count; j++)
            l->needs_gradient[i] |= l->needs_gradient[node->inputs[j]];
        l->needs_gradient[i] = l->needs_gradient[i] && upper && l->request->training;
    }
    l->in_part[0] = false;
}

static graft_status workspace_value(graft_lowering *l, const graft_shape *shape, graft_value *out)
{
    value v = {.home = HOME_WORKSPACE};
    graft_status status = graft_layout_plain(l->request->device, shape, &v.layout);
    return status == GRAFT_OK ? graft_plan_add_value(l->plan, &v, out) : status;
}

static graft_status add_inputs(graft_lowering *l)
{
    graft_status status = GRAFT_OK;
    const graft_graph *graph = l->request->graph;
    if (l->request->part == GRAFT_PLAN_BACKBONE) {
        graft_shape shape = graft_lowering_shape(l, &graph->nodes[0]);
        GRAFT_TRY(workspace_value(l, &shape, &l->plan->picture));
        l->forward[0] = l->plan->picture;
        return GRAFT_OK;
    }
    int input = 0;
    for (size_t i = 0; i < graph->count; i++)
        if (graph->nodes[i].cut) {
            value v = {.home = HOME_INPUT, .input = input++};
            graft_shape shape = graft_lowering_shape(l, &graph->nodes[i]);
            GRAFT_TRY(graft_layout_plain(l->request->device, &shape, &v.layout));
            GRAFT_TRY(graft_plan_add_value(l->plan, &v, &l->forward[i]));
        }
out:
    return status;
}

static graft_status lower_forward(graft_lowering *l)
{
    const graft_graph *graph = l->request->graph;
    l->phase = GRAFT_PHASE_FORWARD;
    for (size_t i = 0; i < graph->count; i++) {
        int anchor = l->groups[i].anchor;
        if (!l->in_part[i] || l->groups[anchor].last != (int)i)
            continue;
        const graft_node *node = &graph->nodes[anchor];
        l->node = anchor;
        graft_status status = node->op->forward(l, node);
        if (status != GRAFT_OK)
            return graft_fail_within(status, "node %s", node->name);
    }
    return GRAFT_OK;
}

static graft_status add_output(graft_lowering *l, int node)
{
    graft_shape shape = graft_lowering_shape(l, &l->request->graph->nodes[node]);
    const graft_layout *plain;
    l->node = node;
    graft_status status = graft_layout_plain(l->request->device, &shape, &plain);
    if (status == GRAFT_OK)
        status = graft_lowering_reorder(l, l->forward[node], plain, &l->plan->outputs[l->plan->output_count]);
    l->plan->output_count += status == GRAFT_OK;
    return status;
}

/* Outputs are read from outside: plain, and not on bytes that are not the plan's. The upper plan's first one
 * is the logits, the backbone's are the cut nodes in order. */
static graft_status add_outputs(graft_lowering *l)
{
    graft_status status;
    const graft_graph *graph = l->request->graph;
    GRAFT_TRY(GRAFT_NEW_ARRAY(&l->plan->outputs, graph->count));
    if (l->request->part == GRAFT_PLAN_UPPER)
        return add_output(l, graph->outputs[0].node);
    for (size_t i = 0; i < graph->count; i++)
        if (l->visible[i])
            GRAFT_TRY(add_output(l, (int)i));
out:
    return status;
}

static graft_status create_loss(const graft_lowering *l, const graft_node *node, float weight,
                                graft_kernel **kernel)
{
    const graft_plan_request *r = l->request;
    int64_t classes = node->shape.dims[1];
    if (node->shape.rank != 2)
        return graft_fail(GRAFT_ESHAPE, "node %s: a loss needs an output of shape (N, classes)", node->name);
    if (r->loss == GRAFT_NLL)
        return graft_nll(kernel, r->device, r->batch, classes, weight);
    return graft_cross_entropy(kernel, r->device, r->batch, classes, weight, r->label_smoothing);
}

/* The loss of one output, and its gradient, as the first gradient of the output's node. */
static graft_status lower_output_loss(graft_lowering *l, const graft_graph_output *output)
{
    graft_status status;
    const graft_node *node = &l->request->graph->nodes[output->node];
    graft_value values[] = {l->forward[output->node], l->plan->labels, GRAFT_NEW_VALUE, GRAFT_NEW_VALUE};
    graft_kernel *kernel;
    GRAFT_TRY(create_loss(l, node, output->weight, &kernel));
    GRAFT_TRY(graft_lowering_emit(l, kernel, values));
    l->plan->losses[l->plan->loss_count++] = values[2];
    l->gradient[output->node] = values[3];
out:
    return status;
}

static graft_status lower_loss(graft_lowering *l)
{
    const graft_graph *graph = l->request->graph;
    l->phase = GRAFT_PHASE_LOSS;
    l->node = -1;
    graft_status status = workspace_value(l, &GRAFT_SHAPE(l->request->batch), &l->plan->labels);
    for (int i = 0; i < graph->output_count && status == GRAFT_OK; i++)
        if (graft_graph_output_trains(graph, i))
            status = lower_output_loss(l, &graph->outputs[i]);
    return status;
}

static graft_status lower_backward(graft_lowering *l)
{
    const graft_graph *graph = l->request->graph;
    graft_status status = GRAFT_OK;
    l->phase = GRAFT_PHASE_BACKWARD;
    for (size_t i = graph->count; i-- > 1 && status == GRAFT_OK;) {
        const graft_group *group = &l->groups[l->groups[i].anchor];
        if (!l->in_part[i] || !l->needs_gradient[i] || l->gradient[i] == GRAFT_NO_VALUE)
            continue;
        const graft_node *node = &graph->nodes[group->whole ? group->anchor : (int)i];
        l->node = node->index;
        status = l->groups[i].folded ? graft_lowering_add_gradient(l, node, 0, l->gradient[i])
                                     : node->op->backward(l, node);
        if (status != GRAFT_OK)
            return graft_fail_within(status, "node %s", node->name);
    }
    return status;
}

/* A convolution that is frozen itself has work in backward where the batch norm folded into it trains. */
static void want_folded_gradients(graft_lowering *l)
{
    const graft_graph *graph = l->request->graph;
    for (size_t i = 0; i < graph->count; i++)
        if (l->groups[i].affine >= 0)
            l->needs_gradient[i] |= l->needs_gradient[l->groups[i].affine];
}

static bool computes_by_winograd(const graft_plan *plan)
{
    for (size_t i = 0; i < plan->step_count; i++)
        if (graft_kernel_is_winograd(plan->steps[i].kernel))
            return true;
    return false;
}

static graft_status fail_without_winograd(void)
{
    return graft_fail(GRAFT_EUNSUPPORTED, "no convolution here suits Winograd's method");
}

static bool suits_winograd(graft_lowering *l, const graft_node *node)
{
    return l->in_part[node->index] && node->op->suits_winograd && node->op->suits_winograd(l, node);
}

/* Marks the convolutions that a plan by Winograd's method computes so; false where it has none. */
static bool mark_winograd(graft_lowering *l)
{
    const graft_graph *graph = l->request->graph;
    bool any = false;
    for (size_t i = 0; i < graph->count; i++)
        any |= l->winograd[i] = suits_winograd(l, &graph->nodes[i]);
    return any;
}

static graft_status take_layouts(graft_plan *plan, const graft_plan_request *request)
{
    graft_status status;
    size_t count = (size_t)request->graph->tensor_count;
    GRAFT_TRY(GRAFT_NEW_ARRAY(&plan->kept, count));
    for (size_t i = 0; i < count; i++)
        plan->kept[i] = request->tensors[i].layout;
out:
    return status;
}

static graft_status lower(graft_lowering *l)
{
    graft_status status;
    bool training = l->request->training;
    GRAFT_TRY(allocate_state(l));
    GRAFT_TRY(take_layouts(l->plan, l->request));
    select_nodes(l);
    if (l->plan->kernels == GRAFT_KERNELS_WINOGRAD && (graft_lowering_uses_bf16(l) || !mark_winograd(l)))
        return fail_without_winograd();
    const graft_group_rules rules = {training, l->request->move_statistics, l->winograd};
    graft_group_nodes(l->groups, l->request->graph, l->in_part, l->visible, &rules);
    want_folded_gradients(l);
    GRAFT_TRY(add_inputs(l));
    GRAFT_TRY(lower_forward(l));
    GRAFT_TRY(add_outputs(l));
    if (training) {
        GRAFT_TRY(lower_loss(l));
        GRAFT_TRY(lower_backward(l));
    }
    if (l->plan->kernels == GRAFT_KERNELS_WINOGRAD && !computes_by_winograd(l->plan))
        return fail_without_winograd(); /* it suits, but not with what is fused behind it */
    status = graft_plan_place(l->plan);
out:
    return status;
}

/* What gains are convolutions and linear layers; with AVX-512 alone not those by Winograd's method, which
 * saves as much in f32. Zen 5, two threads, f32 by the rule and bf16 in ms: ResNet50 (16 pictures) 251 and
 * 155, Lite0 (16) 42 and 22, Inception v3 (8) 202 and 108; VGG16 (8), nearly all Winograd, 257 and 276. With
 * AMX no network was slower: docs/performance.md. */
static bool gains_by_bf16(graft_lowering *l, graft_bf16 speed)
{
    enum { PARTS = 3 };
    const graft_graph *graph = l->request->graph;
    int64_t all = 0, gaining = 0;
    for (size_t i = 0; i < graph->count; i++) {
        const graft_node *node = &graph->nodes[i];
        int64_t macs = l->in_part[i] && node->op->macs ? node->op->macs(node, node->input_shapes) : 0;
        bool winograd = speed == GRAFT_BF16_TWICE && suits_winograd(l, node);
        all += macs;
        gaining += node->op->computes_bf16 && !winograd ? macs : 0;
    }
    return gaining > 0 && gaining >= all / PARTS;
}

graft_status graft_plan_gains_by_bf16(bool *gains, const graft_plan_request *request)
{
    graft_lowering l = {.request = request};
    graft_bf16 speed = graft_device_bf16();
    graft_status status = GRAFT_OK;
    if (speed < GRAFT_BF16_TWICE || request->part != GRAFT_PLAN_BACKBONE) {
        *gains = false;
        return status;
    }
    GRAFT_TRY(allocate_state(&l));
    select_nodes(&l);
    *gains = gains_by_bf16(&l, speed);
out:
    free_state(&l);
    return status;
}

graft_status graft_plan_compile_as(graft_plan **out, const graft_plan_request *request, graft_kernels kernels)
{
    graft_plan *plan = NULL;
    graft_status status = GRAFT_NEW(&plan);
    if (status != GRAFT_OK)
        return status;
    plan->picture = plan->labels = GRAFT_NO_VALUE;
    plan->graph = request->graph;
    plan->batch = request->batch;
    plan->kernels = kernels;
    graft_lowering l = {.request = request, .plan = plan};
    graft_device_enter(request->device);
    status = lower(&l);
    free_state(&l);
    if (status != GRAFT_OK) {
        graft_plan_free(plan);
        return status;
    }
    *out = plan;
    return GRAFT_OK;
}

graft_constants_origin graft_plan_origin(const graft_plan_request *request)
{
    return (graft_constants_origin){request->device, request->graph, request->tensors};
}

void graft_plan_count_users(graft_plan *plan, const step *s, int change)
{
    for (int i = 0; i < GRAFT_KERNEL_SLOTS; i++) {
        if (s->kernel->access[i] == GRAFT_UNUSED)
            continue;
        const value *v = &plan->values[s->values[i]];
        if (v->home == HOME_CONSTANT)
            v->constant->users += change;
    }
}

void graft_plan_free(graft_plan *plan)
{
    if (!plan)
        return;
    for (size_t i = 0; i < plan->step_count; i++) {
        graft_plan_count_users(plan, &plan->steps[i], -1);
        graft_kernel_free(plan->steps[i].kernel);
    }
    free(plan->steps);
    free(plan->values);
    free(plan->outputs);
    free(plan->kept);
    free(plan);
}

const graft_layout *graft_plan_kept(const graft_plan *plan, int tensor)
{
    return plan->kept[tensor];
}

size_t graft_plan_workspace(const graft_plan *plan)
{
    return plan->workspace;
}

graft_status graft_plan_bind(graft_plan *plan, void *workspace, float *const *inputs)
{
    graft_status status = GRAFT_OK;
    plan->base = workspace;
    for (size_t i = 0; i < plan->step_count; i++) {
        const step *s = &plan->steps[i];
        void *buffers[GRAFT_KERNEL_SLOTS] = {NULL};
        for (int slot = 0; slot < GRAFT_KERNEL_SLOTS; slot++)
            if (s->kernel->access[slot] != GRAFT_UNUSED)
                buffers[slot] = graft_plan_address(plan, s->values[slot], inputs);
        void *scratch = s->scratch >= 0 ? graft_plan_address(plan, s->scratch, inputs) : NULL;
        GRAFT_TRY(graft_kernel_bind(s->kernel, buffers, scratch));
    }
out:
    return status;
}

graft_status graft_plan_run(graft_plan *plan, graft_phase phase)
{
    graft_status status = GRAFT_OK;
    for (size_t i = 0; i < plan->step_count; i++)
        if (plan->steps[i].phase == phase)
            GRAFT_TRY(graft_kernel_run(plan->steps[i].kernel));
out:
    return status;
}

float *graft_plan_picture(const graft_plan *plan)
{
    return graft_plan_address(plan, plan->picture, NULL);
}

const float *graft_plan_output(const graft_plan *plan, int index)
{
    return graft_plan_address(plan, plan->outputs[index], NULL);
}

int32_t *graft_plan_labels(const graft_plan *plan)
{
    return graft_plan_address(plan, plan->labels, NULL);
}

float graft_plan_loss(const graft_plan *plan)
{
    float sum = 0.0F;
    for (int i = 0; i < plan->loss_count; i++)
        sum += *(const float *)graft_plan_address(plan, plan->losses[i], NULL);
    return sum;
}
