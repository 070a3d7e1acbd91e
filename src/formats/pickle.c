/* A pickle machine for state dicts (protocol 2; Python's Lib/pickletools.py defines the opcodes).
 *
 * A pickle is a program for a stack machine with a memo: opcodes push values, gather what lies above the
 * last mark into containers, and put values into numbered places or fetch them again. Python's machine also
 * imports and calls what the program names, which is why a pickle can do anything. This one has no way to: a
 * name is looked up in the table below and is a value, a call of it is a value too, and whatever a state dict
 * does not need is refused by name.
 *
 * What a hostile program can use up is bounded: its steps, and thereby its values and the items of its
 * containers (one step makes at most one value and pushes at most one item), its stack, its open marks and
 * its memo. The machine does not recurse. */
#include "formats/pickle.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/status.h"
#include "base/text.h"
#include "formats/bytes.h"

enum {
    MOST_STEPS = 1 << 24, /* 36 a tensor */
    MOST_STACK = 1 << 20,
    MOST_MARKS = 256,
    MOST_MEMO = 1 << 22 /* 9 a tensor */
};

typedef struct machine {
    const uint8_t *bytes, *at, *end;
    graft_arena *arena;
    graft_value **stack;
    size_t height, stack_capacity;
    size_t marks[MOST_MARKS]; /* heights of the stack */
    size_t mark_count;
    graft_value **memo; /* NULL where nothing was put */
    size_t memo_count;
    graft_value *persistent;
    size_t steps;
    bool stopped;
} machine;

/* ---- The bytes of the program ---- */

static graft_status take(machine *m, const uint8_t **bytes, size_t size)
{
    if ((size_t)(m->end - m->at) < size)
        return graft_fail(GRAFT_EFORMAT, "ends early: its pickle is cut off");
    *bytes = m->at;
    m->at += size;
    return GRAFT_OK;
}

static graft_status check_text(const graft_text *text)
{
    return graft_text_is_utf8(text->at, text->length)
               ? GRAFT_OK
               : graft_fail(GRAFT_EFORMAT, "its pickle holds text that is not UTF-8");
}

/* Up to a line end, which is taken too. */
static graft_status take_line(machine *m, graft_text *line)
{
    const uint8_t *newline = memchr(m->at, '\n', (size_t)(m->end - m->at));
    if (!newline)
        return graft_fail(GRAFT_EFORMAT, "ends early: its pickle is cut off");
    *line = (graft_text){(const char *)m->at, (size_t)(newline - m->at)};
    m->at = newline + 1;
    return check_text(line);
}

/* ---- Stack, marks, memo ---- */

static graft_status push(machine *m, graft_value *value)
{
    if (m->height == MOST_STACK)
        return graft_fail(GRAFT_EFORMAT, "its pickle needs too large a stack");
    graft_status status = GRAFT_GROW(&m->stack, m->height, &m->stack_capacity);
    if (status == GRAFT_OK)
        m->stack[m->height++] = value;
    return status;
}

static graft_status push_new(machine *m, graft_value_kind kind, graft_value **out)
{
    graft_value *value;
    graft_status status = GRAFT_ARENA_NEW(m->arena, &value, 1);
    if (status != GRAFT_OK)
        return status;
    value->kind = kind;
    *out = value;
    return push(m, value);
}

/* What lies above the last mark may be used. */
static size_t available(const machine *m)
{
    return m->height - (m->mark_count ? m->marks[m->mark_count - 1] : 0);
}

static graft_status need(const machine *m, size_t count)
{
    return available(m) >= count
               ? GRAFT_OK
               : graft_fail(GRAFT_EFORMAT, "its pickle takes more from its stack than there is");
}

static graft_status pop(machine *m, graft_value **value)
{
    graft_status status = need(m, 1);
    if (status == GRAFT_OK)
        *value = m->stack[--m->height];
    return status;
}

static graft_status top(const machine *m, graft_value **value)
{
    graft_status status = need(m, 1);
    if (status == GRAFT_OK)
        *value = m->stack[m->height - 1];
    return status;
}

/* Removes the last mark and gives what lay above it, which stays valid until the next push. */
static graft_status pop_mark(machine *m, graft_value ***items, size_t *count)
{
    if (m->mark_count == 0)
        return graft_fail(GRAFT_EFORMAT, "its pickle wants a mark where none is");
    size_t height = m->marks[--m->mark_count];
    *items = m->stack + height;
    *count = m->height - height;
    m->height = height;
    return GRAFT_OK;
}

static graft_status put(machine *m, size_t index)
{
    graft_value *value;
    graft_status status;
    GRAFT_TRY(top(m, &value));
    if (index >= MOST_MEMO)
        return graft_fail(GRAFT_EFORMAT, "its pickle needs too large a memo");
    if (index >= m->memo_count) {
        size_t count = m->memo_count ? m->memo_count : 256;
        while (count <= index)
            count *= 2;
        GRAFT_TRY(graft_reallocate(&m->memo, count, sizeof *m->memo));
        memset(m->memo + m->memo_count, 0, (count - m->memo_count) * sizeof *m->memo);
        m->memo_count = count;
    }
    m->memo[index] = value;
out:
    return status;
}

static graft_status get(machine *m, size_t index)
{
    if (index >= m->memo_count || !m->memo[index])
        return graft_fail(GRAFT_EFORMAT, "its pickle fetches memo entry %zu, which it never put", index);
    return push(m, m->memo[index]);
}

/* ---- Containers ---- */

/* Appends to the items of a container; what it outgrows stays in the arena until the end. */
static graft_status extend(machine *m, graft_value *container, graft_value *const *items, size_t count)
{
    if (count > container->capacity - container->count) {
        size_t capacity = container->capacity * 2;
        if (capacity < container->count + count)
            capacity = container->count + count;
        graft_value **larger;
        graft_status status = GRAFT_ARENA_NEW(m->arena, &larger, capacity);
        if (status != GRAFT_OK)
            return status;
        if (container->count)
            memcpy(larger, container->items, container->count * sizeof *larger);
        container->items = larger;
        container->capacity = capacity;
    }
    if (count)
        memcpy(container->items + container->count, items, count * sizeof *items);
    container->count += count;
    return GRAFT_OK;
}

static graft_status make_tuple(machine *m, graft_value *const *items, size_t count)
{
    graft_value *tuple;
    graft_status status;
    GRAFT_TRY(GRAFT_ARENA_NEW(m->arena, &tuple, 1));
    tuple->kind = GRAFT_VALUE_TUPLE;
    GRAFT_TRY(extend(m, tuple, items, count));
    GRAFT_TRY(push(m, tuple));
out:
    return status;
}

/* ---- Names and calls ---- */

static graft_status count_steps(machine *m, size_t steps)
{
    m->steps += steps;
    return m->steps <= MOST_STEPS
               ? GRAFT_OK
               : graft_fail(GRAFT_EFORMAT, "its pickle has more than %d steps", MOST_STEPS);
}

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

static bool equals(const graft_text *text, const char *word)
{
    return text->length == strlen(word) && memcmp(text->at, word, text->length) == 0;
}

static bool is_storage(const graft_text *module, const graft_text *name)
{
    static const char ending[] = "Storage";
    size_t tail = sizeof ending - 1;
    return equals(module, "torch") && name->length > tail &&
           memcmp(name->at + name->length - tail, ending, tail) == 0;
}

static graft_status look_up(graft_global *global, const graft_text *module, const graft_text *name)
{
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (equals(module, known[i].module) && equals(name, known[i].name)) {
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

static graft_status op_global(machine *m)
{
    graft_status status;
    graft_text module, name;
    graft_value *value;
    GRAFT_TRY(take_line(m, &module));
    GRAFT_TRY(take_line(m, &name));
    GRAFT_TRY(push_new(m, GRAFT_VALUE_GLOBAL, &value));
    GRAFT_TRY(look_up(&value->global, &module, &name));
    value->text = name;
out:
    return status;
}

/* OrderedDict() or, from Python 2, OrderedDict([[key, value], ...]). */
static graft_status call_ordered_dict(machine *m, const graft_value *arguments)
{
    graft_status status;
    graft_value *dict;
    GRAFT_TRY(push_new(m, GRAFT_VALUE_DICT, &dict));
    if (arguments->count == 0)
        return GRAFT_OK;
    const graft_value *pairs = arguments->items[0];
    if (arguments->count != 1 || pairs->kind != GRAFT_VALUE_LIST)
        return graft_fail(GRAFT_EFORMAT, "its pickle makes an OrderedDict of what is no list of pairs");
    GRAFT_TRY(count_steps(m, pairs->count));
    for (size_t i = 0; i < pairs->count; i++) {
        const graft_value *pair = pairs->items[i];
        if ((pair->kind != GRAFT_VALUE_LIST && pair->kind != GRAFT_VALUE_TUPLE) || pair->count != 2)
            return graft_fail(GRAFT_EFORMAT, "its pickle makes an OrderedDict of what is no list of pairs");
        GRAFT_TRY(extend(m, dict, pair->items, 2));
    }
out:
    return status;
}

static graft_status call_size(machine *m, const graft_value *arguments)
{
    if (arguments->count != 1 || arguments->items[0]->kind != GRAFT_VALUE_TUPLE)
        return graft_fail(GRAFT_EFORMAT, "its pickle makes a torch.Size of what is no tuple");
    return push(m, arguments->items[0]);
}

static graft_status op_reduce(machine *m)
{
    graft_status status;
    graft_value *arguments, *function, *call;
    GRAFT_TRY(pop(m, &arguments));
    GRAFT_TRY(pop(m, &function));
    if (function->kind != GRAFT_VALUE_GLOBAL || arguments->kind != GRAFT_VALUE_TUPLE ||
        function->global == GRAFT_GLOBAL_STORAGE || function->global == GRAFT_GLOBAL_DTYPE)
        return graft_fail(GRAFT_EFORMAT, "its pickle calls %s with %s, which no state dict does",
                          graft_value_what(function), graft_value_what(arguments));
    if (function->global == GRAFT_GLOBAL_ORDERED_DICT)
        return call_ordered_dict(m, arguments);
    if (function->global == GRAFT_GLOBAL_SIZE)
        return call_size(m, arguments);
    GRAFT_TRY(push_new(m, GRAFT_VALUE_CALL, &call));
    call->global = function->global;
    call->inner = arguments;
out:
    return status;
}

/* State behind an object. On an OrderedDict it is _metadata, which holds versions of modules: not needed. */
static graft_status op_build(machine *m)
{
    graft_status status;
    graft_value *state, *object;
    GRAFT_TRY(pop(m, &state));
    GRAFT_TRY(top(m, &object));
    if (object->kind != GRAFT_VALUE_DICT)
        return graft_fail(GRAFT_EFORMAT, "its pickle sets attributes of %s, which no state dict does",
                          graft_value_what(object));
out:
    return status;
}

static graft_status op_persistent(machine *m)
{
    graft_status status;
    graft_value *id, *value;
    GRAFT_TRY(pop(m, &id));
    GRAFT_TRY(push_new(m, GRAFT_VALUE_PERSISTENT, &value));
    value->inner = id;
    GRAFT_TRY(extend(m, m->persistent, &value, 1));
out:
    return status;
}

/* ---- Plain values ---- */

static graft_status push_integer(machine *m, int64_t integer)
{
    graft_value *value;
    graft_status status = push_new(m, GRAFT_VALUE_INTEGER, &value);
    if (status == GRAFT_OK)
        value->integer = integer;
    return status;
}

static graft_status op_int1(machine *m)
{
    const uint8_t *bytes = NULL;
    graft_status status = take(m, &bytes, 1);
    return status == GRAFT_OK ? push_integer(m, bytes[0]) : status;
}

static graft_status op_int2(machine *m)
{
    const uint8_t *bytes = NULL;
    graft_status status = take(m, &bytes, 2);
    return status == GRAFT_OK ? push_integer(m, graft_u16(bytes)) : status;
}

static graft_status op_int(machine *m)
{
    const uint8_t *bytes = NULL;
    graft_status status = take(m, &bytes, 4);
    return status == GRAFT_OK ? push_integer(m, (int32_t)graft_u32(bytes)) : status;
}

/* Two's complement, least significant byte first, as short as can be. */
static graft_status op_long1(machine *m)
{
    graft_status status;
    const uint8_t *length = NULL, *bytes = NULL;
    GRAFT_TRY(take(m, &length, 1));
    GRAFT_TRY(take(m, &bytes, *length));
    if (*length > 8)
        return graft_fail(GRAFT_EFORMAT, "its pickle holds a number of %d bytes", *length);
    uint64_t number = *length && bytes[*length - 1] & 0x80 ? UINT64_MAX : 0;
    for (int i = *length - 1; i >= 0; i--)
        number = number << 8 | bytes[i];
    GRAFT_TRY(push_integer(m, (int64_t)number));
out:
    return status;
}

static graft_status op_float(machine *m)
{
    graft_status status;
    const uint8_t *bytes = NULL;
    graft_value *value;
    GRAFT_TRY(take(m, &bytes, 8));
    GRAFT_TRY(push_new(m, GRAFT_VALUE_REAL, &value));
    uint64_t bits = __builtin_bswap64(graft_u64(bytes));
    memcpy(&value->real, &bits, sizeof bits);
out:
    return status;
}

static graft_status push_text(machine *m, size_t length)
{
    graft_status status;
    const uint8_t *bytes = NULL;
    graft_value *value;
    GRAFT_TRY(take(m, &bytes, length));
    GRAFT_TRY(push_new(m, GRAFT_VALUE_TEXT, &value));
    value->text = (graft_text){(const char *)bytes, length};
    GRAFT_TRY(check_text(&value->text));
out:
    return status;
}

static graft_status op_unicode(machine *m)
{
    const uint8_t *length = NULL;
    graft_status status = take(m, &length, 4);
    return status == GRAFT_OK ? push_text(m, graft_u32(length)) : status;
}

/* A str of Python 2. */
static graft_status op_short_string(machine *m)
{
    const uint8_t *length = NULL;
    graft_status status = take(m, &length, 1);
    return status == GRAFT_OK ? push_text(m, *length) : status;
}

static graft_status op_none(machine *m)
{
    graft_value *value;
    return push_new(m, GRAFT_VALUE_NONE, &value);
}

static graft_status push_boolean(machine *m, bool boolean)
{
    graft_value *value;
    graft_status status = push_new(m, GRAFT_VALUE_BOOLEAN, &value);
    if (status == GRAFT_OK)
        value->boolean = boolean;
    return status;
}

static graft_status op_true(machine *m)
{
    return push_boolean(m, true);
}

static graft_status op_false(machine *m)
{
    return push_boolean(m, false);
}

/* ---- Building containers ---- */

static graft_status op_empty_tuple(machine *m)
{
    return make_tuple(m, NULL, 0);
}

static graft_status op_empty_list(machine *m)
{
    graft_value *value;
    return push_new(m, GRAFT_VALUE_LIST, &value);
}

static graft_status op_empty_dict(machine *m)
{
    graft_value *value;
    return push_new(m, GRAFT_VALUE_DICT, &value);
}

static graft_status op_mark(machine *m)
{
    if (m->mark_count == MOST_MARKS)
        return graft_fail(GRAFT_EFORMAT, "its pickle nests too deeply");
    m->marks[m->mark_count++] = m->height;
    return GRAFT_OK;
}

static graft_status op_tuple(machine *m)
{
    graft_value **items = NULL;
    size_t count = 0;
    graft_status status = pop_mark(m, &items, &count);
    return status == GRAFT_OK ? make_tuple(m, items, count) : status;
}

static graft_status tuple_of(machine *m, size_t count)
{
    graft_status status = need(m, count);
    if (status != GRAFT_OK)
        return status;
    m->height -= count;
    return make_tuple(m, m->stack + m->height, count);
}

static graft_status op_tuple1(machine *m)
{
    return tuple_of(m, 1);
}

static graft_status op_tuple2(machine *m)
{
    return tuple_of(m, 2);
}

static graft_status op_tuple3(machine *m)
{
    return tuple_of(m, 3);
}

/* Appends what was popped to the container that is now on top. */
static graft_status append_to(machine *m, graft_value_kind kind, graft_value *const *items, size_t count)
{
    graft_status status;
    graft_value *container;
    GRAFT_TRY(top(m, &container));
    if (container->kind != kind || (kind == GRAFT_VALUE_DICT && count % 2 != 0))
        return graft_fail(GRAFT_EFORMAT, "its pickle adds %zu items to %s, which cannot be", count,
                          graft_value_what(container));
    GRAFT_TRY(extend(m, container, items, count));
out:
    return status;
}

static graft_status op_append(machine *m)
{
    graft_value *item;
    graft_status status = pop(m, &item);
    return status == GRAFT_OK ? append_to(m, GRAFT_VALUE_LIST, &item, 1) : status;
}

static graft_status op_setitem(machine *m)
{
    graft_status status = need(m, 2);
    if (status != GRAFT_OK)
        return status;
    m->height -= 2;
    return append_to(m, GRAFT_VALUE_DICT, m->stack + m->height, 2);
}

static graft_status append_marked(machine *m, graft_value_kind kind)
{
    graft_value **items = NULL;
    size_t count = 0;
    graft_status status = pop_mark(m, &items, &count);
    return status == GRAFT_OK ? append_to(m, kind, items, count) : status;
}

static graft_status op_appends(machine *m)
{
    return append_marked(m, GRAFT_VALUE_LIST);
}

static graft_status op_setitems(machine *m)
{
    return append_marked(m, GRAFT_VALUE_DICT);
}

/* ---- The memo ---- */

static graft_status op_put(machine *m)
{
    const uint8_t *index = NULL;
    graft_status status = take(m, &index, 1);
    return status == GRAFT_OK ? put(m, index[0]) : status;
}

static graft_status op_long_put(machine *m)
{
    const uint8_t *index = NULL;
    graft_status status = take(m, &index, 4);
    return status == GRAFT_OK ? put(m, graft_u32(index)) : status;
}

static graft_status op_get(machine *m)
{
    const uint8_t *index = NULL;
    graft_status status = take(m, &index, 1);
    return status == GRAFT_OK ? get(m, index[0]) : status;
}

static graft_status op_long_get(machine *m)
{
    const uint8_t *index = NULL;
    graft_status status = take(m, &index, 4);
    return status == GRAFT_OK ? get(m, graft_u32(index)) : status;
}

/* ---- The program ---- */

static graft_status op_stop(machine *m)
{
    m->stopped = true;
    if (m->height != 1 || m->mark_count != 0)
        return graft_fail(GRAFT_EFORMAT, "its pickle ends with %zu values where one is due", m->height);
    return GRAFT_OK;
}

static graft_status (*const operations[256])(machine *m) = {
    [')'] = op_empty_tuple, ['}'] = op_empty_dict,   [']'] = op_empty_list, ['('] = op_mark,
    ['t'] = op_tuple,       [0x85] = op_tuple1,      [0x86] = op_tuple2,    [0x87] = op_tuple3,
    ['s'] = op_setitem,     ['u'] = op_setitems,     ['a'] = op_append,     ['e'] = op_appends,
    ['c'] = op_global,      ['R'] = op_reduce,       ['b'] = op_build,      ['Q'] = op_persistent,
    ['N'] = op_none,        [0x88] = op_true,        [0x89] = op_false,     ['K'] = op_int1,
    ['M'] = op_int2,        ['J'] = op_int,          [0x8a] = op_long1,     ['G'] = op_float,
    ['X'] = op_unicode,     ['U'] = op_short_string, ['q'] = op_put,        ['r'] = op_long_put,
    ['h'] = op_get,         ['j'] = op_long_get,     ['.'] = op_stop,
};

static graft_status run(machine *m)
{
    graft_status status;
    const uint8_t *start = NULL, *code = NULL;
    GRAFT_TRY(take(m, &start, 2));
    if (start[0] != 0x80 || start[1] != 2)
        return graft_fail(GRAFT_EFORMAT, "its pickle is not of protocol 2, which torch.save writes");
    while (!m->stopped) {
        GRAFT_TRY(count_steps(m, 1));
        GRAFT_TRY(take(m, &code, 1));
        if (!operations[*code])
            return graft_fail(GRAFT_EFORMAT, "its pickle has the opcode %#x, which no state dict needs",
                              *code);
        GRAFT_TRY(operations[*code](m));
    }
out:
    return status;
}

graft_status graft_pickle_read(graft_pickle *pickle, graft_arena *arena, const uint8_t *bytes, size_t size)
{
    graft_status status;
    machine m = {.bytes = bytes, .at = bytes, .end = bytes + size, .arena = arena};
    GRAFT_TRY(GRAFT_ARENA_NEW(arena, &m.persistent, 1));
    m.persistent->kind = GRAFT_VALUE_LIST;
    GRAFT_TRY(run(&m));
    *pickle = (graft_pickle){m.stack[0], m.persistent, (size_t)(m.at - bytes)};
out:
    free(m.stack);
    free(m.memo);
    return status;
}
