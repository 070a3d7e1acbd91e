/* A network of the zoo's kind, but small: what the tests of training train. */
#ifndef GRAFT_TESTS_TINY_H
#define GRAFT_TESTS_TINY_H

#include <string.h>

#include <graft/train.h>

#include "asserts.h"

#include "model/model.h"
#include "zoo/zoo.h"

enum { TINY_SIZE = 20, TINY_CLASSES = 3, TINY_PIXELS = TINY_SIZE * TINY_SIZE * 3 };

static inline void tiny_build(graft_builder *b, const graft_zoo_row *row, int classes)
{
    (void)row;
    graft_output x = graft_build_input(b);
    x = batch_norm(b, "_bn0", conv(b, "_conv_stem", x, 8, .kernel = 3, .stride = 2, .same = true),
                   .epsilon = 1e-3F, .momentum = 0.01F);
    x = relu6(b, "_swish", x);
    GRAFT_SCOPE (b, "_blocks.0") {
        graft_output y = batch_norm(b, "_bn0", conv(b, "_expand_conv", x, 24, .kernel = 1), .epsilon = 1e-3F);
        y = relu6(b, "_swish", y);
        y = conv(b, "_depthwise_conv", y, 24, .kernel = 5, .groups = 24, .same = true);
        y = relu6(b, "_swish_1", batch_norm(b, "_bn1", y, .epsilon = 1e-3F));
        y = batch_norm(b, "_bn2", conv(b, "_project_conv", y, 8, .kernel = 1), .epsilon = 1e-3F);
        x = add(b, "add", stochastic_depth(b, "drop_connect", y, 0.2F), x);
    }
    x = batch_norm(b, "_bn1", conv(b, "_conv_head", x, 32, .kernel = 1), .epsilon = 1e-3F);
    x = relu6(b, "_swish_1", x);
    x = flatten(b, "view", global_average_pool(b, "_avg_pooling", x));
    x = dropout(b, "_dropout", x, 0.2F);
    linear(b, "_fc", x, classes);
}

static const graft_zoo_row tiny_row = {
    .network = {.name = "tiny",
                .title = "a network for tests",
                .head = "_fc",
                .class_layer = "_fc",
                .classes = TINY_CLASSES},
    .build = tiny_build,
};

static const graft_recipe tiny_recipe = {
    .network = &tiny_row.network, .size = TINY_SIZE, .classes = TINY_CLASSES};
static const graft_transform tiny_transform = {
    TINY_SIZE,         TINY_SIZE, GRAFT_BILINEAR, 1.0F, {127.0F, 127.0F, 127.0F}, {128.0F, 128.0F, 128.0F},
    GRAFT_DECODE_EXACT};

/* First values from the seed; all of it is frozen. */
static inline graft_status tiny_create_of(graft_model **out, const graft_recipe *recipe, uint64_t seed)
{
    graft_model *model = NULL;
    graft_status status = graft_model_wrap(&model, recipe);
    if (status != GRAFT_OK)
        return status;
    model->transform = tiny_transform;
    for (size_t i = 0; i < model->state.graph->count && status == GRAFT_OK; i++)
        status = graft_state_initialize(&model->state, (int)i, seed);
    if (status == GRAFT_OK)
        *out = model;
    else
        graft_model_free(model);
    return status;
}

static inline graft_status tiny_create(graft_model **out, uint64_t seed)
{
    return tiny_create_of(out, &tiny_recipe, seed);
}

/* The five calls of a training step; the batch's loss. */
static inline float tiny_step(graft_executor *e, const graft_batch *batch)
{
    float loss;
    assert_ok(graft_executor_zero_grad(e));
    assert_ok(graft_executor_forward(e, batch));
    assert_ok(graft_executor_loss(e, batch, &loss));
    assert_ok(graft_executor_backward(e));
    assert_ok(graft_executor_step(e));
    return loss;
}

#endif
