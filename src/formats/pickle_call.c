/* Names and calls: the only place that knows what a pickle may ask for. A name is looked up in a table and is
 * a value; so is its call, except for OrderedDict and torch.Size, which are a dict and a tuple here. */
#include <string.h>

#include "base/status.h"
#include "formats/pickle_machine.h"

static const struct {
    const char *module, *name;
    graft_global global;
} known[] = {
    {"collections", "OrderedDict", GRAFT_GLOBAL_ORDERED_DICT},
    {"torch._utils", "_rebuild_tensor_v2", GRAFT_GLOBAL_REBUILD_TENSOR_V2},
    {"torch._utils", "_rebuild_tensor", GRAFT_GLOBAL_REBUILD_TENSOR},
    {"torch._utils", "_rebuild_parameter", GRAFT_GLOBAL_REBUILD_PARAMETER},
    {"torch", "Size", GRAFT_GLOBAL_SIZE},
    {"torch", "float16", GRAFT_GLOBAL_DTYPE},
    {"torch", "bfloat16", GRAFT_GLOBAL_DTYPE},
    {"torch", "float32", GRAFT_GLOBAL_DTYPE},
    {"torch", "float64", GRAFT_GLOBAL_DTYPE},
    {"torch", "uint8", GRAFT_GLOBAL_DTYPE},
    {"torch", "int8", GRAFT_GLOBAL_DTYPE},
    {"torch", "int16", GRAFT_GLOBAL_DTYPE},
    {"torch", "int32", GRAFT_GLOBAL_DTYPE},
    {"torch", "int64", GRAFT_GLOBAL_DTYPE},
    {"torch", "bool", GRAFT_GLOBAL_DTYPE},
};

/* torch.FloatStorage and its like; which of them can be read is asked where their elements are. */
static bool is_storage(const graft_text *module, const graft_text *name)
{
    static const char ending[] = "Storage";
    size_t tail = sizeof ending - 1;
    return graft_text_equals(module, "torch") && name->length > tail &&
           memcmp(name->at + name->length - tail, ending, tail) == 0;
}

graft_status graft_machine_look_up(graft_global *global, const graft_text *module, const graft_text *name)
{
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (graft_text_equals(module, known[i].module) && graft_text_equals(name, known[i].name)) {
            *global = known[i].global;
            return GRAFT_OK;
        }
    if (!is_storage(module, name))
        return graft_fail(GRAFT_EFORMAT,
                          "asks for %.*s.%.*s, which no state dict needs, and graft runs nothing from a file "
                          "(save model.state_dict(), not the model)",
                          graft_text_shown(module), module->at, graft_text_shown(name), name->at);
    *global = GRAFT_GLOBAL_STORAGE;
    return GRAFT_OK;
}

static bool is_pair(const graft_value *value)
{
    return (value->kind == GRAFT_VALUE_LIST || value->kind == GRAFT_VALUE_TUPLE) && value->count == 2;
}

/* OrderedDict() or, from Python 2, OrderedDict([[key, value], ...]). */
static graft_status call_ordered_dict(graft_machine *m, const graft_value *arguments)
{
    graft_status status;
    graft_value *dict;
    GRAFT_TRY(graft_machine_push_new(m, &dict, GRAFT_VALUE_DICT));
    if (arguments->count == 0)
        return GRAFT_OK;
    const graft_value *pairs = arguments->items[0];
    bool good = arguments->count == 1 && pairs->kind == GRAFT_VALUE_LIST;
    if (good) /* one step may copy a list of any length, and be repeated */
        GRAFT_TRY(graft_machine_step(m, pairs->count));
    for (size_t i = 0; good && i < pairs->count; i++) {
        good = is_pair(pairs->items[i]);
        if (good)
            GRAFT_TRY(graft_machine_extend(m, dict, pairs->items[i]->items, 2));
    }
    if (!good)
        status = graft_fail(GRAFT_EFORMAT, "its pickle makes an OrderedDict of what is no list of pairs");
out:
    return status;
}

static graft_status call_size(graft_machine *m, const graft_value *arguments)
{
    if (arguments->count != 1 || arguments->items[0]->kind != GRAFT_VALUE_TUPLE)
        return graft_fail(GRAFT_EFORMAT, "its pickle makes a torch.Size of what is no tuple");
    return graft_machine_push(m, arguments->items[0]);
}

graft_status graft_machine_call(graft_machine *m, const graft_value *function, graft_value *arguments)
{
    if (function->kind != GRAFT_VALUE_GLOBAL || arguments->kind != GRAFT_VALUE_TUPLE ||
        function->global == GRAFT_GLOBAL_STORAGE || function->global == GRAFT_GLOBAL_DTYPE)
        return graft_fail(GRAFT_EFORMAT, "its pickle calls %s with %s, which no state dict does",
                          graft_value_what(function), graft_value_what(arguments));
    if (function->global == GRAFT_GLOBAL_ORDERED_DICT)
        return call_ordered_dict(m, arguments);
    if (function->global == GRAFT_GLOBAL_SIZE)
        return call_size(m, arguments);
    graft_value *call;
    graft_status status = graft_machine_push_new(m, &call, GRAFT_VALUE_CALL);
    if (status != GRAFT_OK)
        return status;
    call->global = function->global;
    call->inner = arguments;
    return GRAFT_OK;
}
