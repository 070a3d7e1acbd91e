/* Creating an executor: what trains is listed (trained.c), the cut gets its feeds, plans are compiled and one
 * workspace serves them all. */
#include "train/executor.h"

#include <stdlib.h>
#include <string.h>

#include <graft/tools.h>

#include "base/memory.h"
#include "base/status.h"
#include "graph/op.h"
#include "ops/op.h"

/* ---- What trains ---- */

/* Who only runs a model trains nothing of it: all of it is folded, whatever the model's file marks; but kept
 * features belong to the boundary that it has. */
static graft_status take_model(graft_executor *e, graft_model *model, const graft_features *features)
{
    graft_status status = GRAFT_OK;
    const char *node = e->options.node;
    size_t index;
    if (node && (e->options.batch > 0 || features))
        return graft_fail(GRAFT_EARGUMENT, "an inner node's output is for an executor that only runs");
    if (e->options.batch > 0 || features) {
        e->model = graft_model_share(model);
        return GRAFT_OK;
    }
    GRAFT_TRY(graft_model_clone(&e->model, model));
    GRAFT_TRY(graft_model_freeze(e->model, "*"));
    if (node) {
        GRAFT_TRY(graft_model_find_node(e->model, node, &index));
        graft_model_end_at(e->model, index);
    }
out:
    return status;
}

/* What the upper plans run over. All that trains is there. */
const graft_graph *graft_executor_upper_graph(const graft_executor *e)
{
    return e->gram ? e->gram->graph : e->model->state.graph;
}

graft_plan_tensor *graft_executor_upper_tensors(const graft_executor *e)
{
    return e->gram ? e->gram->tensors : e->tensors;
}

static graft_status set_up_gram(graft_executor *e)
{
    if (e->options.gram == 0)
        return GRAFT_OK;
    if (e->options.gram > INT32_MAX || !e->options.keep || !graft_gram_layer(e->model->state.graph))
        return graft_fail(GRAFT_EARGUMENT, "the Gram form needs kept features that go straight into one "
                                           "linear layer that trains, and into nothing else");
    return graft_gram_create(&e->gram, e->model, (int64_t)e->options.gram, e->capacity);
}

static void point_at_model(graft_executor *e)
{
    for (int i = 0; i < e->model->state.graph->tensor_count; i++)
        if (e->model->state.tensors[i]) /* behind the output there are none */
            e->tensors[i].value = e->model->state.tensors[i]->data;
}

static graft_status set_up_trained(graft_executor *e)
{
    graft_status status;
    GRAFT_TRY(GRAFT_NEW_ARRAY(&e->tensors, (size_t)e->model->state.graph->tensor_count));
    point_at_model(e);
    status = graft_executor_list_trained(e);
out:
    return status;
}

/* ---- The cut ---- */

static void set_up_rows(graft_executor *e)
{
    e->upper = !graft_graph_logits(e->model->state.graph)->backbone;
    bool light = e->upper && !graft_executor_convolves(e, GRAFT_PLAN_UPPER);
    e->slice = GRAFT_SLICE;
    e->rows = light ? GRAFT_LIGHT_ROWS : GRAFT_SLICE;
    e->capacity = e->options.batch > e->rows ? e->options.batch : e->rows;
}

static graft_status set_up_cut(graft_executor *e)
{
    graft_status status;
    const graft_graph *graph = e->model->state.graph;
    GRAFT_TRY(GRAFT_NEW_ARRAY(&e->cuts, graph->count));
    for (size_t i = 0; i < graph->count; i++)
        if (graph->nodes[i].cut) {
            size_t count = (size_t)graft_shape_count(&graph->nodes[i].shape);
            e->cuts[e->cut_count++] = (graft_cut){(int)i, count, NULL};
            e->row += count;
        }
    for (int i = 0; i < e->cut_count; i++) {
        size_t bytes = sizeof(float) * e->cuts[i].count * (size_t)e->capacity;
        GRAFT_TRY(graft_allocate_aligned(&e->cuts[i].feed, bytes));
        memset(e->cuts[i].feed, 0, bytes);
    }
    GRAFT_TRY(graft_allocate_aligned(&e->picture_row, sizeof(float) * e->row));
out:
    return status;
}

/* A cut that is the picture itself would keep every picture as floats: decoding it again is cheaper. */
static graft_status set_up_features(graft_executor *e, graft_features *shared)
{
    if (!e->options.keep || e->model->state.graph->nodes[0].cut)
        return GRAFT_OK;
    if (!shared)
        return graft_features_create(&e->features, e->row);
    if (graft_features_row(shared) != e->row)
        return graft_fail(GRAFT_EINTERNAL, "kept features of another boundary");
    e->features = graft_features_share(shared);
    return GRAFT_OK;
}

/* ---- Creating ---- */

/* bf16 only where it is asked for and pays. */
static graft_status set_up_precision(graft_executor *e)
{
    bool gains = false;
    const graft_plan_request request = {
        .graph = e->model->state.graph, .device = e->device, .batch = e->slice, .part = GRAFT_PLAN_BACKBONE};
    graft_status status =
        e->options.precision == GRAFT_BF16 ? graft_plan_gains_by_bf16(&gains, &request) : GRAFT_OK;
    e->precision = gains ? GRAFT_BF16 : GRAFT_F32;
    return status;
}

graft_dtype graft_executor_precision(const graft_executor *e)
{
    return e->precision;
}

static graft_status check_options(const graft_executor_options *options)
{
    graft_status status;
    GRAFT_TRY(graft_check_choice("loss", (int)options->loss, GRAFT_NLL));
    GRAFT_TRY(graft_check_choice("way of batch norm", (int)options->batch_norm, GRAFT_BATCH_NORM_TRAIN));
    GRAFT_TRY(graft_check_choice("kind of kernels", (int)options->kernels, GRAFT_KERNELS_CHANNELS_LAST));
    GRAFT_TRY(
        graft_check_choice("kind of kernels", (int)options->training_kernels, GRAFT_KERNELS_CHANNELS_LAST));
    if (options->batch < 0 || options->batch > 65536)
        return graft_fail(GRAFT_EARGUMENT, "a batch of %d is not possible", options->batch);
    if (options->threads != GRAFT_AUTO && (options->threads < 1 || options->threads > 1024))
        return graft_fail(GRAFT_EARGUMENT, "%d threads are not possible", options->threads);
    if (!(options->label_smoothing >= 0.0F && options->label_smoothing < 1.0F))
        return graft_fail(GRAFT_EARGUMENT, "a label smoothing of %g is not possible: 0 to below 1 are",
                          (double)options->label_smoothing);
    if (options->label_smoothing > 0.0F && options->loss == GRAFT_NLL)
        return graft_fail(GRAFT_EARGUMENT, "label smoothing belongs to cross-entropy, not to NLL");
    if (options->precision != GRAFT_F32 && options->precision != GRAFT_BF16)
        return graft_fail(GRAFT_EARGUMENT, "networks are computed in f32 or bf16, not in %s",
                          graft_dtype_name(options->precision));
out:
    return status;
}

static graft_status check_output(const graft_model *model, const graft_executor_options *options)
{
    const graft_node *last = graft_graph_logits(model->state.graph);
    char shape[GRAFT_SHAPE_TEXT];
    if (last->shape.rank == 2 || options->node)
        return GRAFT_OK;
    return graft_fail(GRAFT_ESHAPE, "%s gives %s for a picture, not a row of logits: it needs a head",
                      last->name, graft_shape_text(&last->shape, shape));
}

/* A flatten behind it changes nothing: SqueezeNet has one behind its head. */
static bool gives_log_probabilities(const graft_graph *graph, int index)
{
    while (graph->nodes[index].op == &graft_op_flatten)
        index = graph->nodes[index].inputs[0];
    return graph->nodes[index].op->gives_log_probabilities;
}

/* NLL of logits and cross-entropy of log-probabilities are mistakes that would only show as bad training. */
static graft_status check_loss(const graft_model *model, const graft_executor_options *options)
{
    const graft_graph *graph = model->state.graph;
    for (int i = 0; i < graph->output_count && options->batch > 0; i++) {
        bool logs = gives_log_probabilities(graph, graph->outputs[i].node);
        if (!graft_graph_output_trains(graph, i) || logs == (options->loss == GRAFT_NLL))
            continue;
        return graft_fail(
            GRAFT_EARGUMENT,
            logs ? "cross-entropy takes logits, and the output \"%s\" ends in logsoftmax: that needs NLL"
                 : "NLL takes log-probabilities, and the output \"%s\" does not end in logsoftmax",
            graph->outputs[i].name);
    }
    return GRAFT_OK;
}

graft_status graft_executor_create_with(graft_executor **out, graft_model *model,
                                        const graft_executor_options *options, graft_features *features)
{
    graft_status status;
    graft_executor *e = NULL;
    GRAFT_TRY(check_options(options));
    GRAFT_TRY(check_output(model, options));
    GRAFT_TRY(check_loss(model, options));
    GRAFT_TRY(graft_model_check_finite(model));
    GRAFT_TRY(GRAFT_NEW(&e));
    e->options = *options;
    if (options->threads == GRAFT_AUTO)
        e->options.threads = graft_cores();
    e->training = options->batch > 0;
    e->fresh = true;
    e->fused = options->fuse_step && options->clip <= 0.0F && !options->optimizer.nesterov;
    e->drops.seed = options->seed;
    GRAFT_TRY(take_model(e, model, features));
    set_up_rows(e);
    GRAFT_TRY(graft_device_create(&e->device, e->options.threads));
    GRAFT_TRY(set_up_gram(e));
    GRAFT_TRY(set_up_trained(e));
    GRAFT_TRY(set_up_cut(e));
    GRAFT_TRY(set_up_features(e, features));
    GRAFT_TRY(set_up_precision(e));
    GRAFT_TRY(graft_executor_measure(e));
    if (options->batch > 0)
        GRAFT_TRY(graft_executor_compile(e));
    *out = e;
    return GRAFT_OK;
out:
    graft_executor_free(e);
    return status;
}

graft_status graft_executor_create(graft_executor **executor, graft_model *model,
                                   const graft_executor_options *options)
{
    return graft_executor_create_with(executor, model, options, NULL);
}

void graft_executor_retire(graft_executor *e)
{
    for (size_t i = 0; i < e->plan_count; i++)
        graft_plan_free(e->plans[i].plan);
    free(e->plans);
    e->plans = NULL;
    e->plan_count = e->plan_capacity = 0;
    free(e->workspace);
    e->workspace = NULL;
    e->workspace_bytes = 0;
    graft_constants_trim(&e->constants);
}

void graft_executor_free(graft_executor *e)
{
    if (!e)
        return;
    graft_executor_retire(e);
    for (int i = 0; i < e->cut_count; i++)
        free(e->cuts[i].feed);
    free(e->cuts);
    free(e->picture_row);
    free(e->logits);
    free(e->trained_memory);
    free(e->trained);
    free(e->tensors);
    graft_gram_free(e->gram);
    graft_features_release(e->features);
    graft_constants_dispose(&e->constants);
    graft_device_free(e->device);
    graft_model_free(e->model);
    free(e);
}

void graft_executor_memory(const graft_executor *e, graft_memory *memory)
{
    size_t feeds = sizeof(float) * e->row * (size_t)e->capacity;
    memory->weights = graft_constants_bytes(&e->constants) + e->trained_bytes;
    if (e->gram) {
        memory->weights += graft_constants_bytes(&e->gram->constants);
        feeds += graft_gram_bytes(e->gram) * (size_t)e->capacity;
    }
    for (int i = 0; i < e->model->state.graph->tensor_count; i++)
        memory->weights += e->model->state.tensors[i] ? e->model->state.tensors[i]->bytes : 0;
    memory->workspace = e->workspace_bytes + feeds;
    memory->features_each = e->features ? sizeof(float) * e->row : 0;
    memory->products_each = e->gram ? graft_gram_bytes(e->gram) : 0;
}
