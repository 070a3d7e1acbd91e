/* State dicts: what wraps them, and the names of their tensors.
 *
 *   root  = state | {"state_dict": root, ...} | {"model": root, ...} | {"model_ema": root, ...}
 *   state = {name: tensor, ...}
 *
 * Where a wrapper has several of the three, the first of this order is read. torch.nn.DataParallel puts
 * "module." before every name; torch.optim.swa_utils.AveragedModel does too and adds a counter,
 * "n_averaged", beside the model's own tensors. */
#include <string.h>

#include "base/status.h"
#include "base/text.h"
#include "formats/pytorch.h"

enum { MOST_WRAPPERS = 4, EXPANSION = 8, LONGEST_NAME = UINT16_MAX };

static const char prefix[] = "module.";
static const char counter[] = "n_averaged";

static const graft_value *unwrap(const graft_value *root)
{
    static const char *const keys[] = {"state_dict", "model", "model_ema"};
    for (int depth = 0; depth < MOST_WRAPPERS; depth++) {
        const graft_value *inner = NULL;
        for (size_t i = 0; i < sizeof keys / sizeof *keys && !inner; i++) {
            const graft_value *value = graft_value_get(root, keys[i]);
            inner = value && value->kind == GRAFT_VALUE_DICT ? value : NULL;
        }
        if (!inner)
            return root;
        root = inner;
    }
    return root;
}

static bool has_prefix(const graft_value *name)
{
    size_t length = sizeof prefix - 1;
    return name->kind == GRAFT_VALUE_TEXT && name->text.length > length &&
           memcmp(name->text.at, prefix, length) == 0;
}

static bool all_have_prefix(const graft_value *state)
{
    size_t with = 0;
    for (size_t i = 0; i < state->count; i += 2)
        if (has_prefix(state->items[i]))
            with++;
        else if (!graft_value_is_text(state->items[i], counter))
            return false;
    return with > 0;
}

static graft_status copy_name(const char **out, graft_arena *arena, const graft_value *key, size_t skip)
{
    if (key->kind != GRAFT_VALUE_TEXT)
        return graft_fail(GRAFT_EFORMAT, "holds no state dict: %s is a key of it", graft_value_what(key));
    if (key->text.length > LONGEST_NAME || memchr(key->text.at, 0, key->text.length))
        return graft_fail(GRAFT_EFORMAT, "the name of a tensor has a zero byte or is longer than %d bytes",
                          LONGEST_NAME);
    return graft_arena_format(arena, out, "%.*s", (int)(key->text.length - skip), key->text.at + skip);
}

static graft_status add_tensor(graft_weights *weights, graft_tensor_reader *reader, const graft_value *key,
                               const graft_value *value, size_t skip)
{
    graft_status status;
    const char *name;
    graft_tensor_view view;
    graft_chunk *chunk;
    GRAFT_TRY(copy_name(&name, &weights->arena, key, skip));
    if (value->kind != GRAFT_VALUE_CALL)
        return graft_fail(GRAFT_EFORMAT, "holds no state dict: its entry %.100s is %s, not a tensor", name,
                          graft_value_what(value));
    status = graft_tensor_rebuild(&view, &chunk, reader, value);
    if (status != GRAFT_OK)
        return graft_fail_within(status, "the tensor %.200s", name);
    view.name = name;
    GRAFT_TRY(graft_weights_add(weights, &view, chunk));
out:
    return status;
}

graft_status graft_state_dict_read(graft_weights *weights, const graft_value *root,
                                   const graft_storages *storages)
{
    graft_status status = GRAFT_OK;
    const graft_value *state = unwrap(root);
    if (state->kind != GRAFT_VALUE_DICT)
        return graft_fail(GRAFT_EFORMAT, "holds %s, not a state dict", graft_value_what(state));
    graft_tensor_reader reader = {&weights->chunks, storages, weights->size * EXPANSION};
    bool prefixed = all_have_prefix(state);
    for (size_t i = 0; i < state->count; i += 2)
        if (!prefixed || has_prefix(state->items[i]))
            GRAFT_TRY(add_tensor(weights, &reader, state->items[i], state->items[i + 1],
                                 prefixed ? sizeof prefix - 1 : 0));
out:
    return status;
}
