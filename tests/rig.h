/* A small graph with its numbers, and the plans of a run over it: what the tests of operators and of plans
 * stand on. The includer brings cmocka. */
#ifndef GRAFT_TESTS_RIG_H
#define GRAFT_TESTS_RIG_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "asserts.h"

#include "base/memory.h"
#include "graph/op.h"
#include "plan/plan.h"
#include "zoo/builder.h"

/* Older machines have other kernels, which nobody chose here. */
static inline bool is_new_enough(void)
{
    const char *instructions = graft_device_instructions();
    return strncmp(instructions, "avx2", 4) == 0 || strncmp(instructions, "avx512", 6) == 0;
}

typedef struct rig {
    graft_graph *graph;
    graft_device *device;
    graft_constants constants;
    graft_plan_tensor *tensors; /* owned, value and gradient */
    bool fresh;
    graft_kernels kernels; /* of both plans */
    graft_dtype precision; /* of the backbone */
    bool without_drops;    /* dropout is the identity also where it trains */
    bool packs;            /* a plan that trains decides how the tensors lie, until its run is closed */
    graft_loss loss;
    graft_drop_source drops;
} rig;

static inline int64_t rig_count(const graft_parameter *parameter)
{
    return graft_shape_count(&parameter->shape);
}

/* Takes the graph; every parameter is 0. */
static inline void rig_open(rig *r, graft_graph *graph, int threads)
{
    memset(r, 0, sizeof *r);
    r->graph = graph;
    r->fresh = true;
    r->drops.seed = 5;
    graft_graph_bound(graph);
    assert_ok(graft_device_create(&r->device, threads));
    r->tensors = calloc((size_t)graph->tensor_count + 1, sizeof *r->tensors);
    for (size_t i = 0; i < graph->count; i++) {
        const graft_node *node = &graph->nodes[i];
        for (int j = 0; j < node->parameter_count; j++) {
            size_t bytes = sizeof(float) * (size_t)rig_count(&node->parameters[j]) + 8;
            graft_plan_tensor *tensor = &r->tensors[node->first_tensor + j];
            assert_ok(graft_allocate_aligned(&tensor->value, bytes));
            assert_ok(graft_allocate_aligned(&tensor->gradient, bytes));
            memset(tensor->value, 0, bytes);
            memset(tensor->gradient, 0, bytes);
        }
    }
}

static inline void rig_close(rig *r)
{
    for (int i = 0; i < r->graph->tensor_count; i++) {
        free(r->tensors[i].value);
        free(r->tensors[i].gradient);
    }
    free(r->tensors);
    graft_constants_dispose(&r->constants);
    graft_device_free(r->device);
    graft_graph_free(r->graph);
}

/* The tensor "NODE.SUFFIX" and how many elements it has. */
static inline graft_plan_tensor *rig_tensor(const rig *r, const char *node_name, const char *suffix,
                                            int64_t *count)
{
    const graft_node *node = graft_graph_find(r->graph, node_name);
    assert_non_null(node);
    int slot = graft_node_parameter(node, suffix);
    assert_true(slot >= 0);
    *count = rig_count(&node->parameters[slot]);
    return &r->tensors[node->first_tensor + slot];
}

/* Fills learned parameters with normal numbers of the usual size, statistics with likely ones. */
static inline void rig_fill(rig *r, uint64_t seed)
{
    for (size_t i = 0; i < r->graph->count; i++) {
        const graft_node *node = &r->graph->nodes[i];
        for (int j = 0; j < node->parameter_count; j++) {
            const graft_parameter *p = &node->parameters[j];
            int64_t count = rig_count(p);
            float *value = r->tensors[node->first_tensor + j].value;
            graft_random random = graft_random_stream(seed, GRAFT_RANDOM_TEST, node->name, 0, (uint32_t)j);
            float scale = p->shape.rank > 1 ? 1.4F / sqrtf((float)(count / p->shape.dims[0])) : 0.3F;
            bool positive =
                node->op->affine && strcmp(p->suffix, "bias") && strcmp(p->suffix, "running_mean");
            for (int64_t k = 0; p->kind != GRAFT_PARAMETER_COUNTER && k < count; k++)
                value[k] =
                    positive ? 0.4F + graft_random_uniform(&random) : scale * graft_random_normal(&random);
        }
    }
}

static inline void rig_draw(float *pictures, int64_t count, uint64_t seed)
{
    graft_random random = graft_random_stream(seed, GRAFT_RANDOM_TEST, "pictures", 0, 0);
    for (int64_t i = 0; i < count; i++)
        pictures[i] = graft_random_normal(&random);
}

enum { RUN_CUTS = 8 };

/* The plans of one batch size, in one workspace. */
typedef struct run {
    rig *rig;
    int batch;
    graft_plan *backbone, *upper; /* upper NULL: nothing is above the cut */
    void *workspace;
    float *feeds[RUN_CUTS];
    size_t feed_floats[RUN_CUTS];
    int cuts;
    graft_plan_tensor *plain; /* the rig's tensors as they were; NULL: as they are */
    int packed;               /* of them, not row-major now */
} run;

/* Between the rig's tensors and those that were, which are row-major. */
static inline void run_reorder(const run *u, int tensor, bool out)
{
    graft_device *device = u->rig->device;
    const graft_plan_tensor *packed = &u->rig->tensors[tensor], *plain = &u->plain[tensor];
    const graft_layout *rows;
    assert_ok(graft_layout_plain(device, graft_layout_shape(packed->layout), &rows));
    if (!out) {
        assert_ok(graft_reorder_once(device, rows, plain->value, packed->layout, packed->value));
        return;
    }
    assert_ok(graft_reorder_once(device, packed->layout, packed->value, rows, plain->value));
    assert_ok(graft_reorder_once(device, packed->layout, packed->gradient, rows, plain->gradient));
}

/* Lays the tensors out as the plan wants them. */
static inline void run_pack(run *u)
{
    int count = u->rig->graph->tensor_count;
    u->plain = malloc(sizeof *u->plain * (size_t)count);
    memcpy(u->plain, u->rig->tensors, sizeof *u->plain * (size_t)count);
    for (int i = 0; i < count; i++) {
        const graft_layout *layout = graft_plan_kept(u->upper, i);
        graft_plan_tensor *tensor = &u->rig->tensors[i];
        if (!layout || graft_layout_is_plain(layout))
            continue;
        size_t bytes = graft_layout_bytes(layout);
        tensor->layout = layout;
        assert_ok(graft_allocate_aligned(&tensor->value, bytes));
        assert_ok(graft_allocate_aligned(&tensor->gradient, bytes));
        memset(tensor->gradient, 0, bytes);
        run_reorder(u, i, false);
        u->packed++;
    }
}

/* What a layout is padded with is zero and stays so: steps and norms go over it. */
static inline void run_check_padding(const run *u, int tensor, const float *packed, const float *plain)
{
    graft_device *device = u->rig->device;
    const graft_layout *layout = u->rig->tensors[tensor].layout, *rows;
    float *again;
    assert_ok(graft_layout_plain(device, graft_layout_shape(layout), &rows));
    assert_ok(graft_allocate_aligned(&again, graft_layout_bytes(layout)));
    assert_ok(graft_reorder_once(device, rows, plain, layout, again));
    for (size_t i = 0; i < graft_layout_bytes(layout) / sizeof(float); i++)
        if (packed[i] != again[i])
            fail_msg("tensor %d has %g in its padding", tensor, (double)packed[i]);
    free(again);
}

static inline void run_unpack(run *u)
{
    for (int i = 0; i < u->rig->graph->tensor_count; i++) {
        graft_plan_tensor *tensor = &u->rig->tensors[i];
        if (!tensor->layout)
            continue;
        run_reorder(u, i, true);
        run_check_padding(u, i, tensor->value, u->plain[i].value);
        run_check_padding(u, i, tensor->gradient, u->plain[i].gradient);
        free(tensor->value);
        free(tensor->gradient);
        *tensor = u->plain[i];
    }
    free(u->plain);
}

static inline void run_place(run *u)
{
    size_t bytes = graft_plan_workspace(u->backbone);
    if (u->upper && graft_plan_workspace(u->upper) > bytes)
        bytes = graft_plan_workspace(u->upper);
    assert_ok(graft_allocate_aligned(&u->workspace, bytes));
    memset(u->workspace, 0xff, bytes); /* NaNs: what is read before it is written shows */
    assert_ok(graft_plan_bind(u->backbone, u->workspace, NULL));
    if (u->upper)
        assert_ok(graft_plan_bind(u->upper, u->workspace, u->feeds));
}

/* Of the backbone's plan. */
static inline graft_plan_request rig_request(rig *r, int batch)
{
    return (graft_plan_request){
        .graph = r->graph,
        .device = r->device,
        .constants = &r->constants,
        .tensors = r->tensors,
        .batch = batch,
        .part = GRAFT_PLAN_BACKBONE,
        .precision = r->precision,
        .kernels = r->kernels,
        .loss = r->loss,
        .drops = r->without_drops ? NULL : &r->drops,
        .gradients = {&r->fresh, 0.0F},
    };
}

static inline void run_open(run *u, rig *r, int batch, bool training, bool move_statistics)
{
    memset(u, 0, sizeof *u);
    u->rig = r;
    u->batch = batch;
    graft_plan_request request = rig_request(r, batch);
    request.move_statistics = move_statistics;
    for (size_t i = 0; i < r->graph->count; i++)
        if (r->graph->nodes[i].cut) {
            size_t floats = (size_t)batch * (size_t)graft_shape_count(&r->graph->nodes[i].shape);
            assert_true(u->cuts < RUN_CUTS);
            assert_ok(graft_allocate_aligned(&u->feeds[u->cuts], sizeof(float) * floats));
            u->feed_floats[u->cuts++] = floats;
        }
    assert_ok(graft_plan_compile(&u->backbone, &request));
    request.part = GRAFT_PLAN_UPPER;
    request.training = training;
    request.packs = r->packs && training;
    if (!graft_graph_logits(r->graph)->backbone)
        assert_ok(graft_plan_compile(&u->upper, &request));
    if (u->upper && request.packs)
        run_pack(u);
    run_place(u);
}

static inline void run_close(run *u)
{
    if (u->plain)
        run_unpack(u);
    graft_plan_free(u->backbone);
    graft_plan_free(u->upper);
    free(u->workspace);
    for (int i = 0; i < u->cuts; i++)
        free(u->feeds[i]);
}

/* Pictures (batch, C, H, W) to logits (batch, classes), borrowed. */
static inline const float *run_forward(run *u, const float *pictures)
{
    size_t floats = (size_t)u->batch * (size_t)graft_shape_count(&u->rig->graph->nodes[0].shape);
    graft_device_enter(u->rig->device);
    memcpy(graft_plan_picture(u->backbone), pictures, sizeof(float) * floats);
    assert_ok(graft_plan_run(u->backbone, GRAFT_PHASE_FORWARD));
    for (int i = 0; i < u->cuts; i++)
        memcpy(u->feeds[i], graft_plan_output(u->backbone, i), sizeof(float) * u->feed_floats[i]);
    if (!u->upper)
        return u->feeds[0];
    assert_ok(graft_plan_run(u->upper, GRAFT_PHASE_FORWARD));
    return graft_plan_output(u->upper, 0);
}

static inline double run_loss(run *u, const int32_t *labels)
{
    memcpy(graft_plan_labels(u->upper), labels, sizeof(int32_t) * (size_t)u->batch);
    assert_ok(graft_plan_run(u->upper, GRAFT_PHASE_LOSS));
    return graft_plan_loss(u->upper);
}

static inline void run_backward(run *u)
{
    assert_ok(graft_plan_run(u->upper, GRAFT_PHASE_BACKWARD));
}

#endif
