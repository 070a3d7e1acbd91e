/* Folding: a frozen affine y = s (w * x + b) + t behind a convolution is the convolution with weight s w and
 * bias s b + t. Packing: oneDNN's reorder, run once. */
#include "plan/constants.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/status.h"
#include "graph/op.h"

void graft_constants_dispose(graft_constants *constants)
{
    while (constants->first) {
        graft_constant *constant = constants->first;
        constants->first = constant->next;
        graft_chunk_release(constant->chunk);
        free(constant);
    }
    graft_chunks_dispose(&constants->chunks);
}

size_t graft_constants_bytes(const graft_constants *constants)
{
    size_t bytes = 0;
    for (const graft_constant *constant = constants->first; constant; constant = constant->next)
        bytes += constant->chunk ? graft_layout_bytes(constant->layout) : 0;
    return bytes;
}

static graft_constant *find(graft_constants *constants, const graft_constant *like)
{
    for (graft_constant *c = constants->first; c; c = c->next)
        if (c->node == like->node && c->slot == like->slot && c->affine == like->affine &&
            c->layout == like->layout)
            return c;
    return NULL;
}

static graft_status add(graft_constants *constants, const graft_constant *like, graft_constant **out)
{
    graft_constant *constant;
    graft_status status = GRAFT_NEW(&constant);
    if (status != GRAFT_OK)
        return status;
    *constant = *like;
    constant->next = constants->first;
    constants->first = constant;
    *out = constant;
    return GRAFT_OK;
}

static graft_status affine_of(const graft_node *node, const graft_plan_tensor *tensors, float **scale,
                              float **shift)
{
    graft_status status;
    const float *values[GRAFT_NODE_PARAMETERS] = {NULL};
    size_t channels = (size_t)node->parameters[0].shape.dims[0];
    float *both;
    for (int i = 0; i < node->parameter_count; i++)
        values[i] = tensors[node->first_tensor + i].value;
    GRAFT_TRY(GRAFT_NEW_ARRAY(&both, 2 * channels));
    node->op->affine(node, values, both, both + channels);
    *scale = both;
    *shift = both + channels;
out:
    return status;
}

/* weight (O, ...) times scale (O); or bias (O), 0 where there is none, times scale plus shift. */
static void fold(float *out, const float *in, int64_t channels, int64_t each, const float *scale,
                 const float *shift)
{
    for (int64_t o = 0; o < channels; o++)
        for (int64_t i = 0; i < each; i++)
            out[o * each + i] = (in ? in[o * each + i] * scale[o] : 0.0F) + (shift ? shift[o] : 0.0F);
}

static graft_status make_folded(float *out, const graft_constant *constant,
                                const graft_constants_origin *origin)
{
    graft_status status;
    const graft_node *node = &origin->graph->nodes[constant->node];
    const graft_shape *weight = &node->parameters[0].shape;
    bool is_weight = constant->slot == 0;
    int64_t channels = weight->dims[0], each = is_weight ? graft_shape_count(weight) / channels : 1;
    float *scale = NULL, *shift = NULL;
    const float *in = constant->slot < node->parameter_count
                          ? origin->tensors[node->first_tensor + constant->slot].value
                          : NULL;
    GRAFT_TRY(affine_of(&origin->graph->nodes[constant->affine], origin->tensors, &scale, &shift));
    fold(out, in, channels, each, scale, is_weight ? NULL : shift);
out:
    free(scale);
    return status;
}

graft_status graft_constants_plain(graft_constants *constants, const graft_constants_origin *origin,
                                   int node_index, int slot, int affine, graft_constant **out)
{
    graft_status status;
    const graft_node *node = &origin->graph->nodes[node_index];
    graft_shape row = GRAFT_SHAPE(node->parameters[0].shape.dims[0]);
    graft_constant like = {.node = node_index, .slot = slot, .affine = affine};
    const graft_shape *shape = slot < node->parameter_count ? &node->parameters[slot].shape : &row;
    GRAFT_TRY(graft_layout_plain(origin->device, shape, &like.layout));
    *out = find(constants, &like);
    if (*out)
        return GRAFT_OK;
    like.data = affine >= 0 ? NULL : origin->tensors[node->first_tensor + slot].value;
    status = add(constants, &like, out);
out:
    return status;
}

graft_status graft_constants_packed(graft_constants *constants, graft_constant *constant,
                                    const graft_layout *from, const graft_layout *to, graft_constant **packed)
{
    graft_constant like = *constant;
    like.layout = to;
    like.source = constant;
    like.from = from;
    like.data = NULL;
    like.chunk = NULL;
    like.users = 0;
    *packed = find(constants, &like);
    return *packed ? GRAFT_OK : add(constants, &like, packed);
}

/* ---- Their numbers ---- */

/* Gives a constant its memory and makes its numbers there, of its source where it is packed. */
static graft_status make(graft_constants *constants, graft_constant *constant, void *source,
                         const graft_constants_origin *origin)
{
    graft_status status;
    void *data;
    graft_chunk *chunk = NULL;
    GRAFT_TRY(graft_chunks_take(&constants->chunks, &data, &chunk, graft_layout_bytes(constant->layout)));
    if (source)
        GRAFT_TRY(graft_reorder_once(origin->device, constant->from, source, constant->layout, data));
    else
        GRAFT_TRY(make_folded(data, constant, origin));
    constant->data = data;
    constant->chunk = chunk;
    constant->source = NULL;
    return GRAFT_OK;
out:
    graft_chunk_release(chunk);
    return status;
}

/* Folded only to be packed from: nobody reads it as it is. */
static bool passes(const graft_constant *constant)
{
    return constant->users == 0 && !constant->data && !constant->source;
}

/* `folded` has room for a source that only passes: all of them use the same memory, one after another. */
static graft_status fill(graft_constants *constants, graft_constant *constant, float *folded,
                         const graft_constants_origin *origin)
{
    graft_status status = GRAFT_OK;
    graft_constant *source = constant->source;
    if (constant->data)
        return GRAFT_OK;
    if (!source)
        return make(constants, constant, NULL, origin);
    if (passes(source))
        GRAFT_TRY(make_folded(folded, source, origin));
    else
        GRAFT_TRY(fill(constants, source, folded, origin));
    status = make(constants, constant, passes(source) ? folded : source->data, origin);
out:
    return status;
}

static size_t room_for_passing(const graft_constants *constants)
{
    size_t most = 0;
    for (const graft_constant *c = constants->first; c; c = c->next) {
        size_t bytes =
            c->users > 0 && c->source && passes(c->source) ? graft_layout_bytes(c->source->layout) : 0;
        most = bytes > most ? bytes : most;
    }
    return most;
}

void graft_constants_trim(graft_constants *constants)
{
    graft_constant **link = &constants->first;
    while (*link) {
        graft_constant *constant = *link;
        if (constant->users > 0) {
            link = &constant->next;
            continue;
        }
        *link = constant->next;
        graft_chunk_release(constant->chunk);
        free(constant);
    }
}

graft_status graft_constants_fill(graft_constants *constants, const graft_constants_origin *origin)
{
    graft_status status;
    float *folded = NULL;
    GRAFT_TRY(graft_allocate_aligned(&folded, room_for_passing(constants)));
    for (graft_constant *constant = constants->first; constant; constant = constant->next)
        if (constant->users > 0)
            GRAFT_TRY(fill(constants, constant, folded, origin));
    graft_constants_trim(constants);
out:
    free(folded);
    return status;
}
