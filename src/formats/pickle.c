/* A pickle machine for state dicts (protocol 2; Python's Lib/pickletools.py defines the opcodes).
 *
 * A pickle is a program for a stack machine with a memo: opcodes push values, gather what lies above the
 * last mark into containers, and put values into numbered places or fetch them again. Python's machine also
 * imports and calls what the program names, which is why a pickle can do anything. This one has no way to: a
 * name is looked up in a table (pickle_call.c) and is a value, a call of it is a value too, and whatever a
 * state dict does not need is refused by name.
 *
 * What a hostile program can use up is bounded: its steps, and thereby its values and the items of its
 * containers (one step makes at most one value and one item); its stack, its open marks and its memo. The
 * machine does not recurse. */
#include "formats/pickle.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/status.h"
#include "formats/bytes.h"
#include "formats/pickle_machine.h"

/* ---- Operands ---- */

static graft_status take_u8(graft_machine *m, size_t *number)
{
    const uint8_t *bytes;
    graft_status status = graft_machine_take(m, &bytes, 1);
    if (status == GRAFT_OK)
        *number = bytes[0];
    return status;
}

static graft_status take_u32(graft_machine *m, size_t *number)
{
    const uint8_t *bytes;
    graft_status status = graft_machine_take(m, &bytes, 4);
    if (status == GRAFT_OK)
        *number = graft_u32(bytes);
    return status;
}

/* ---- Plain values ---- */

static graft_status push_integer(graft_machine *m, int64_t integer)
{
    graft_value *value;
    graft_status status = graft_machine_push_new(m, &value, GRAFT_VALUE_INTEGER);
    if (status == GRAFT_OK)
        value->integer = integer;
    return status;
}

/* An integer of 0 to 8 bytes: two's complement, least significant byte first. */
static graft_status take_signed(graft_machine *m, size_t size)
{
    const uint8_t *bytes;
    graft_status status = graft_machine_take(m, &bytes, size);
    if (status != GRAFT_OK)
        return status;
    uint64_t number = size && bytes[size - 1] & 0x80 ? UINT64_MAX : 0;
    for (size_t i = size; i > 0; i--)
        number = number << 8 | bytes[i - 1];
    return push_integer(m, (int64_t)number);
}

static graft_status op_int4(graft_machine *m)
{
    return take_signed(m, 4);
}

static graft_status op_int1(graft_machine *m)
{
    const uint8_t *bytes;
    graft_status status = graft_machine_take(m, &bytes, 1);
    return status == GRAFT_OK ? push_integer(m, bytes[0]) : status;
}

static graft_status op_int2(graft_machine *m)
{
    const uint8_t *bytes;
    graft_status status = graft_machine_take(m, &bytes, 2);
    return status == GRAFT_OK ? push_integer(m, graft_u16(bytes)) : status;
}

static graft_status op_long(graft_machine *m)
{
    graft_status status;
    size_t size;
    GRAFT_TRY(take_u8(m, &size));
    if (size > 8)
        return graft_fail(GRAFT_EFORMAT, "its pickle holds a number of %zu bytes", size);
    GRAFT_TRY(take_signed(m, size));
out:
    return status;
}

static graft_status op_float(graft_machine *m)
{
    graft_status status;
    const uint8_t *bytes;
    graft_value *value;
    GRAFT_TRY(graft_machine_take(m, &bytes, 8));
    GRAFT_TRY(graft_machine_push_new(m, &value, GRAFT_VALUE_REAL));
    uint64_t bits = __builtin_bswap64(graft_u64(bytes));
    memcpy(&value->real, &bits, sizeof bits);
out:
    return status;
}

static graft_status push_text(graft_machine *m, size_t length)
{
    graft_status status;
    const uint8_t *bytes;
    graft_value *value;
    GRAFT_TRY(graft_machine_take(m, &bytes, length));
    GRAFT_TRY(graft_machine_push_new(m, &value, GRAFT_VALUE_TEXT));
    value->text = (graft_text){(const char *)bytes, length};
    GRAFT_TRY(graft_machine_check_text(&value->text));
out:
    return status;
}

static graft_status op_unicode(graft_machine *m)
{
    size_t length;
    graft_status status = take_u32(m, &length);
    return status == GRAFT_OK ? push_text(m, length) : status;
}

/* A str of Python 2. */
static graft_status op_short_string(graft_machine *m)
{
    size_t length;
    graft_status status = take_u8(m, &length);
    return status == GRAFT_OK ? push_text(m, length) : status;
}

static graft_status op_none(graft_machine *m)
{
    graft_value *value;
    return graft_machine_push_new(m, &value, GRAFT_VALUE_NONE);
}

static graft_status push_boolean(graft_machine *m, bool boolean)
{
    graft_value *value;
    graft_status status = graft_machine_push_new(m, &value, GRAFT_VALUE_BOOLEAN);
    if (status == GRAFT_OK)
        value->boolean = boolean;
    return status;
}

static graft_status op_true(graft_machine *m)
{
    return push_boolean(m, true);
}

static graft_status op_false(graft_machine *m)
{
    return push_boolean(m, false);
}

/* ---- Containers ---- */

static graft_status push_tuple(graft_machine *m, graft_value *const *items, size_t count)
{
    graft_status status;
    graft_value *tuple;
    GRAFT_TRY(GRAFT_ARENA_NEW(m->arena, &tuple, 1));
    tuple->kind = GRAFT_VALUE_TUPLE;
    GRAFT_TRY(graft_machine_extend(m, tuple, items, count));
    GRAFT_TRY(graft_machine_push(m, tuple));
out:
    return status;
}

static graft_status op_empty_tuple(graft_machine *m)
{
    return push_tuple(m, NULL, 0);
}

static graft_status tuple_of(graft_machine *m, size_t count)
{
    graft_value **items;
    graft_status status = graft_machine_pop_several(m, &items, count);
    return status == GRAFT_OK ? push_tuple(m, items, count) : status;
}

static graft_status op_tuple1(graft_machine *m)
{
    return tuple_of(m, 1);
}

static graft_status op_tuple2(graft_machine *m)
{
    return tuple_of(m, 2);
}

static graft_status op_tuple3(graft_machine *m)
{
    return tuple_of(m, 3);
}

static graft_status op_tuple(graft_machine *m)
{
    graft_value **items;
    size_t count;
    graft_status status = graft_machine_pop_mark(m, &items, &count);
    return status == GRAFT_OK ? push_tuple(m, items, count) : status;
}

static graft_status op_empty_list(graft_machine *m)
{
    graft_value *value;
    return graft_machine_push_new(m, &value, GRAFT_VALUE_LIST);
}

static graft_status op_empty_dict(graft_machine *m)
{
    graft_value *value;
    return graft_machine_push_new(m, &value, GRAFT_VALUE_DICT);
}

/* Appends what was just popped to the container that is now on top. */
static graft_status append(graft_machine *m, graft_value_kind kind, graft_value *const *items, size_t count)
{
    graft_value *container;
    graft_status status = graft_machine_top(m, &container);
    if (status != GRAFT_OK)
        return status;
    if (container->kind != kind)
        return graft_fail(GRAFT_EFORMAT, "its pickle treats %s as a %s", graft_value_what(container),
                          kind == GRAFT_VALUE_DICT ? "dict" : "list");
    if (kind == GRAFT_VALUE_DICT && count % 2 != 0)
        return graft_fail(GRAFT_EFORMAT, "its pickle has a key without a value");
    return graft_machine_extend(m, container, items, count);
}

static graft_status append_popped(graft_machine *m, graft_value_kind kind, size_t count)
{
    graft_value **items;
    graft_status status = graft_machine_pop_several(m, &items, count);
    return status == GRAFT_OK ? append(m, kind, items, count) : status;
}

static graft_status append_marked(graft_machine *m, graft_value_kind kind)
{
    graft_value **items;
    size_t count;
    graft_status status = graft_machine_pop_mark(m, &items, &count);
    return status == GRAFT_OK ? append(m, kind, items, count) : status;
}

static graft_status op_append(graft_machine *m)
{
    return append_popped(m, GRAFT_VALUE_LIST, 1);
}

static graft_status op_appends(graft_machine *m)
{
    return append_marked(m, GRAFT_VALUE_LIST);
}

static graft_status op_setitem(graft_machine *m)
{
    return append_popped(m, GRAFT_VALUE_DICT, 2);
}

static graft_status op_setitems(graft_machine *m)
{
    return append_marked(m, GRAFT_VALUE_DICT);
}

/* ---- The memo ---- */

static graft_status op_put(graft_machine *m)
{
    size_t index;
    graft_status status = take_u8(m, &index);
    return status == GRAFT_OK ? graft_machine_put(m, index) : status;
}

static graft_status op_long_put(graft_machine *m)
{
    size_t index;
    graft_status status = take_u32(m, &index);
    return status == GRAFT_OK ? graft_machine_put(m, index) : status;
}

static graft_status op_get(graft_machine *m)
{
    size_t index;
    graft_status status = take_u8(m, &index);
    return status == GRAFT_OK ? graft_machine_get(m, index) : status;
}

static graft_status op_long_get(graft_machine *m)
{
    size_t index;
    graft_status status = take_u32(m, &index);
    return status == GRAFT_OK ? graft_machine_get(m, index) : status;
}

/* ---- Objects ---- */

static graft_status op_global(graft_machine *m)
{
    graft_status status;
    graft_text module, name;
    graft_value *value;
    GRAFT_TRY(graft_machine_take_line(m, &module));
    GRAFT_TRY(graft_machine_take_line(m, &name));
    GRAFT_TRY(graft_machine_push_new(m, &value, GRAFT_VALUE_GLOBAL));
    GRAFT_TRY(graft_machine_look_up(&value->global, &module, &name));
    value->text = name;
out:
    return status;
}

static graft_status op_reduce(graft_machine *m)
{
    graft_value **items; /* the function and its arguments */
    graft_status status = graft_machine_pop_several(m, &items, 2);
    return status == GRAFT_OK ? graft_machine_call(m, items[0], items[1]) : status;
}

/* State behind an object. On an OrderedDict it is _metadata, which holds versions of modules: not needed. */
static graft_status op_build(graft_machine *m)
{
    graft_status status;
    graft_value *state, *object;
    GRAFT_TRY(graft_machine_pop(m, &state));
    GRAFT_TRY(graft_machine_top(m, &object));
    if (object->kind != GRAFT_VALUE_DICT)
        return graft_fail(GRAFT_EFORMAT, "its pickle sets attributes of %s, which no state dict does",
                          graft_value_what(object));
out:
    return status;
}

static graft_status op_persistent(graft_machine *m)
{
    graft_status status;
    graft_value *id, *value;
    GRAFT_TRY(graft_machine_pop(m, &id));
    GRAFT_TRY(graft_machine_push_new(m, &value, GRAFT_VALUE_PERSISTENT));
    value->inner = id;
    GRAFT_TRY(graft_machine_extend(m, m->persistent, &value, 1));
out:
    return status;
}

static graft_status op_stop(graft_machine *m)
{
    if (m->height != 1 || m->mark_count != 0)
        return graft_fail(GRAFT_EFORMAT, "its pickle ends with %zu values where one is due", m->height);
    m->stopped = true;
    return GRAFT_OK;
}

/* ---- The program ---- */

static graft_status (*const operations[256])(graft_machine *m) = {
    [')'] = op_empty_tuple, ['}'] = op_empty_dict,   [']'] = op_empty_list, ['('] = graft_machine_mark,
    ['t'] = op_tuple,       [0x85] = op_tuple1,      [0x86] = op_tuple2,    [0x87] = op_tuple3,
    ['s'] = op_setitem,     ['u'] = op_setitems,     ['a'] = op_append,     ['e'] = op_appends,
    ['c'] = op_global,      ['R'] = op_reduce,       ['b'] = op_build,      ['Q'] = op_persistent,
    ['N'] = op_none,        [0x88] = op_true,        [0x89] = op_false,     ['K'] = op_int1,
    ['M'] = op_int2,        ['J'] = op_int4,         [0x8a] = op_long,      ['G'] = op_float,
    ['X'] = op_unicode,     ['U'] = op_short_string, ['q'] = op_put,        ['r'] = op_long_put,
    ['h'] = op_get,         ['j'] = op_long_get,     ['.'] = op_stop,
};

static graft_status run(graft_machine *m)
{
    graft_status status;
    const uint8_t *protocol, *code;
    GRAFT_TRY(graft_machine_take(m, &protocol, 2));
    if (protocol[0] != 0x80 || protocol[1] != 2)
        return graft_fail(GRAFT_EFORMAT, "its pickle is not of protocol 2, which torch.save writes");
    while (!m->stopped) {
        GRAFT_TRY(graft_machine_step(m, 1));
        GRAFT_TRY(graft_machine_take(m, &code, 1));
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
    graft_machine m = {.at = bytes, .end = bytes + size, .arena = arena};
    GRAFT_TRY(GRAFT_ARENA_NEW(arena, &m.persistent, 1));
    m.persistent->kind = GRAFT_VALUE_LIST;
    GRAFT_TRY(
        GRAFT_GROW(&m.stack, 0, &m.stack_capacity)); /* a place in it is a pointer, also while it is empty */
    GRAFT_TRY(run(&m));
    *pickle = (graft_pickle){m.stack[0], m.persistent, (size_t)(m.at - bytes)};
out:
    free(m.stack);
    free(m.memo);
    return status;
}
