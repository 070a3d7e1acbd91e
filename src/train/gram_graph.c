/* Where the Gram form is possible, where it pays, and the graph that the upper plan then has. */
#include "train/gram.h"

#include <stdlib.h>

#include "base/memory.h"
#include "base/status.h"
#include "ops/op.h"

/* ---- Where ---- */

static const graft_node *only_reader(const graft_graph *graph, int index)
{
    const graft_node *reader = NULL;
    for (size_t i = 0; i < graph->count; i++)
        for (int j = 0; j < graph->nodes[i].input_count; j++)
            if (graph->nodes[i].inputs[j] == index) {
                if (reader)
                    return NULL;
                reader = &graph->nodes[i];
            }
    return reader;
}

const graft_node *graft_gram_layer(const graft_graph *graph)
{
    int cut = -1;
    for (int i = 1; i < graph->output_count; i++)
        if (graft_graph_output_trains(graph, i))
            return NULL;
    for (size_t i = 0; i < graph->count; i++) {
        if (graph->nodes[i].cut && cut >= 0)
            return NULL;
        cut = graph->nodes[i].cut ? (int)i : cut;
    }
    const graft_node *reader = cut > 0 ? only_reader(graph, cut) : NULL; /* node 0, a picture, is not kept */
    if (!reader || reader->op != &graft_op_linear || !reader->trains || reader->shape.rank != 2)
        return NULL;
    return reader;
}

bool graft_gram_possible(const graft_model *model)
{
    return graft_gram_layer(model->state.graph) != NULL;
}

/* ---- Whether ---- */

/* The rule, for R views to train on, M others, S steps of B, in multiply-adds, a float that is read or
 * written counting as 16 of them. A plain step takes 2 B I O for products and six sweeps of the weight; a
 * step in the Gram form B R O, and six sweeps of A; and once (R + M) (R + O) I for the products, and R I O
 * for the weight in the end. It is worthwhile where that saves 1e10 (some tenths of a second), and where A
 * with gradient and velocity and the products take no more memory than the weight with its own. */
bool graft_gram_worthwhile(const graft_model *model, size_t views, size_t others, int batch, size_t steps)
{
    enum { FLOAT = 16, SWEEPS = 6 };
    const graft_node *layer = graft_gram_layer(model->state.graph);
    if (!layer)
        return false;
    double out = (double)layer->parameters[0].shape.dims[0], in = (double)layer->parameters[0].shape.dims[1];
    double rows = (double)views, all = rows + (double)others, count = (double)steps;
    double plain = count * in * out * (2.0 * batch + SWEEPS * FLOAT);
    double gram = count * rows * out * (batch + SWEEPS * FLOAT) + all * (rows + out) * in + rows * in * out;
    double floats = 3.0 * rows * out + all * (rows + out);
    return plain - gram >= 1e10 && floats <= 3.0 * in * out;
}

/* ---- The graph ---- */

static graft_status append_inputs(graft_gram *g)
{
    static const char *const names[GRAFT_GRAM_INPUTS] = {"gram:features", "gram:start", "gram:place"};
    graft_status status = GRAFT_OK;
    int index;
    for (int i = 0; i < GRAFT_GRAM_INPUTS; i++) {
        const graft_input_attributes shape = {(int)g->sizes[i], 1, 1};
        GRAFT_TRY(graft_graph_append(g->graph, &index, names[i], &graft_op_input, &shape, NULL, 0));
    }
out:
    return status;
}

static graft_status append_layer(graft_gram *g, int *index, const graft_node *layer)
{
    static const int inputs[GRAFT_GRAM_INPUTS] = {0, 1, 2};
    graft_status status = graft_graph_append(g->graph, index, layer->name, &graft_op_gram_linear, NULL,
                                             inputs, GRAFT_GRAM_INPUTS);
    if (status == GRAFT_OK)
        g->graph->nodes[*index].trains = true;
    return status;
}

static graft_status append_nodes(graft_gram *g, const graft_graph *graph, const graft_node *layer)
{
    graft_status status;
    int *number = NULL; /* [node of the model's graph] here */
    GRAFT_TRY(GRAFT_NEW_ARRAY(&number, graph->count));
    GRAFT_TRY(append_inputs(g));
    for (size_t i = 0; i < graph->count; i++) {
        const graft_node *node = &graph->nodes[i];
        if (node == layer)
            GRAFT_TRY(append_layer(g, &number[i], layer));
        else if (!node->backbone)
            GRAFT_TRY(graft_graph_append_copy(g->graph, number, node, node->name));
    }
    g->graph->outputs[0].node = number[graph->outputs[0].node];
    graft_graph_bound(g->graph);
out:
    free(number);
    return status;
}

/* A and c begin with numbers of their own, all others with the model's. */
static graft_status map_tensors(graft_gram *g, const graft_graph *graph, graft_tensor *const *tensors)
{
    graft_status status;
    GRAFT_TRY(GRAFT_NEW_ARRAY(&g->tensor_of, (size_t)g->graph->tensor_count));
    GRAFT_TRY(GRAFT_NEW_ARRAY(&g->tensors, (size_t)g->graph->tensor_count));
    for (size_t i = GRAFT_GRAM_INPUTS; i < g->graph->count; i++) {
        const graft_node *node = &g->graph->nodes[i], *like = graft_graph_find(graph, node->name);
        for (int j = 0; j < node->parameter_count; j++) {
            bool own = node->op == &graft_op_gram_linear && j != graft_node_parameter(node, "bias");
            int tensor = like->first_tensor + (own ? 0 : j);
            g->tensor_of[node->first_tensor + j] = tensor;
            g->tensors[node->first_tensor + j].value = own ? NULL : tensors[tensor]->data;
        }
    }
out:
    return status;
}

graft_status graft_gram_create(graft_gram **out, const graft_model *model, int64_t rows, int capacity)
{
    graft_status status;
    graft_gram *g = NULL;
    const graft_node *layer = graft_gram_layer(model->state.graph);
    GRAFT_TRY(GRAFT_NEW(&g));
    g->rows = rows;
    g->out = layer->parameters[0].shape.dims[0];
    g->in = layer->parameters[0].shape.dims[1];
    g->start = model->state.tensors[layer->first_tensor]->data;
    g->sizes[0] = (size_t)rows;
    g->sizes[1] = (size_t)g->out;
    g->sizes[2] = 1;
    for (int i = 0; i < GRAFT_GRAM_INPUTS; i++)
        GRAFT_TRY(graft_allocate(&g->inputs[i], (size_t)capacity * g->sizes[i], sizeof(float)));
    GRAFT_TRY(GRAFT_NEW_ARRAY(&g->fixed, (size_t)(g->rows + g->out)));
    GRAFT_TRY(GRAFT_NEW_ARRAY(&g->touched, (size_t)g->rows));
    for (int64_t i = 0; i < g->out; i++)
        g->fixed[rows + i] = g->start + i * g->in;
    GRAFT_TRY(graft_graph_create(&g->graph));
    GRAFT_TRY(append_nodes(g, model->state.graph, layer));
    GRAFT_TRY(map_tensors(g, model->state.graph, model->state.tensors));
    *out = g;
    return GRAFT_OK;
out:
    graft_gram_free(g);
    return status;
}

void graft_gram_free(graft_gram *g)
{
    if (!g)
        return;
    for (int i = 0; i < GRAFT_GRAM_INPUTS; i++)
        free(g->inputs[i]);
    graft_constants_dispose(&g->constants);
    graft_graph_free(g->graph);
    free(g->tensor_of);
    free(g->tensors);
    free(g->fixed);
    free(g->touched);
    free(g->views);
    free(g->products);
    free(g);
}
