/* All that kept features depend on, as lines that a person can read. What changes the numbers for good stands
 * in the identity and gives another file; versions of libraries and of graft's own steps begin it anew. */
#include <string.h>

#include <graft/tools.h>

#include "base/buffer.h"
#include "base/hash.h"
#include "graph/op.h"
#include "image/image.h"
#include "kernels/kernel.h"
#include "train/keep.h"

/* Of the numbers that the backbone computes: to be raised whenever they may come out otherwise. */
enum { NUMBERS = 1 };

static void add_text(graft_hasher *hasher, const char *text)
{
    graft_hasher_add(hasher, text, strlen(text) + 1);
}

/* The frozen nodes below the boundary, how they hang together, and their weights. */
static void hash_backbone(graft_digest *digest, const graft_model *model)
{
    graft_hasher hasher;
    graft_hasher_begin(&hasher);
    for (size_t i = 0; i < model->state.graph->count; i++) {
        const graft_node *node = &model->state.graph->nodes[i];
        if (!node->backbone)
            continue;
        add_text(&hasher, node->name);
        add_text(&hasher, node->op->name);
        graft_hasher_add(&hasher, node->inputs, sizeof *node->inputs * (size_t)node->input_count);
        graft_hasher_add(&hasher, node->shape.dims, sizeof *node->shape.dims * (size_t)node->shape.rank);
        for (int j = 0; j < node->parameter_count; j++) {
            const graft_tensor *tensor = model->state.tensors[node->first_tensor + j];
            graft_hasher_add(&hasher, tensor->data, tensor->bytes);
        }
    }
    graft_hasher_end(&hasher, digest);
}

/* What computes each step, and in which layout: precision, algorithm, and whatever else was chosen. */
static void hash_plan(graft_digest *digest, const graft_plan *plan)
{
    graft_hasher hasher;
    graft_hasher_begin(&hasher);
    for (size_t i = 0; i < graft_plan_step_count(plan); i++) {
        graft_plan_step step = graft_plan_step_at(plan, i);
        add_text(&hasher, step.node);
        add_text(&hasher, step.implementation);
        add_text(&hasher, step.to ? graft_layout_name(step.to) : "");
    }
    graft_hasher_end(&hasher, digest);
}

static graft_status print_transform(graft_buffer *out, const graft_model *model)
{
    const graft_transform *t = &model->transform;
    return graft_buffer_print(
        out,
        "pictures %s, decoded %s, resize %d %s, crop %d, / %.9g, - (%.9g %.9g %.9g), / (%.9g %.9g %.9g)\n",
        graft_sight_name(model->sight), graft_decode_name(t->decode), t->resize, graft_filter_name(t->filter),
        t->crop, (double)t->divisor, (double)t->mean[0], (double)t->mean[1], (double)t->mean[2],
        (double)t->std[0], (double)t->std[1], (double)t->std[2]);
}

static graft_status print_cuts(graft_buffer *out, const graft_executor *e)
{
    graft_status status = graft_buffer_text(out, "kept");
    for (int i = 0; i < e->cut_count && status == GRAFT_OK; i++)
        status = graft_buffer_print(out, "%s %s", i ? "," : "",
                                    e->model->state.graph->nodes[e->cuts[i].node].name);
    return status == GRAFT_OK ? graft_buffer_print(out, " (%zu numbers)\n", e->row) : status;
}

static graft_status print_identity(graft_buffer *out, graft_executor *e)
{
    graft_status status;
    graft_plan *plan;
    graft_digest backbone, steps;
    char backbone_text[65], steps_text[65];
    GRAFT_TRY(graft_executor_plan(e, GRAFT_PLAN_BACKBONE, false, e->slice, &plan));
    hash_backbone(&backbone, e->model);
    hash_plan(&steps, plan);
    graft_digest_print(&backbone, backbone_text);
    graft_digest_print(&steps, steps_text);
    GRAFT_TRY(graft_buffer_print(out, "network %s, size %d\n", e->model->recipe.network->name,
                                 e->model->recipe.size));
    GRAFT_TRY(graft_buffer_print(out, "backbone SHA-256 %s\n", backbone_text));
    GRAFT_TRY(print_cuts(out, e));
    GRAFT_TRY(print_transform(out, e->model));
    status = graft_buffer_print(out, "computed on %s%s, %d threads, batches of %d, by plan %.16s\n",
                                graft_device_instructions(), e->precision == GRAFT_BF16 ? " in bf16" : "",
                                e->options.threads, e->slice, steps_text);
out:
    return status;
}

static graft_status print_versions(graft_buffer *out)
{
    char decoders[GRAFT_IMAGE_DECODERS];
    graft_image_decoders(decoders);
    return graft_buffer_print(out, "numbers %d, %s\n%s", NUMBERS, graft_device_library(), decoders);
}

graft_status graft_keep_describe(graft_keep_key *key, graft_executor *e)
{
    graft_keep_key fresh = {GRAFT_BUFFER_INIT, GRAFT_BUFFER_INIT};
    graft_status status = print_identity(&fresh.identity, e);
    if (status == GRAFT_OK)
        status = print_versions(&fresh.versions);
    if (status == GRAFT_OK)
        *key = fresh;
    else
        graft_keep_key_dispose(&fresh);
    return status;
}

void graft_keep_key_dispose(graft_keep_key *key)
{
    graft_buffer_dispose(&key->identity);
    graft_buffer_dispose(&key->versions);
}
