/* The pickle machine: each opcode's value, and each program that is not a state dict's refused with a
 * sentence. Programs are written out as bytes; pickletools.dis shows what they say. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "base/random.h"
#include "formats/pickle.h"

#define P     "\x80\2"
#define DICT  "ccollections\nOrderedDict\n"
#define V2    "ctorch._utils\n_rebuild_tensor_v2\n"
#define FLOAT "ctorch\nFloatStorage\n"

/* Reads a program from a block of its exact size, which lives until `arena` is disposed by the caller. */
static graft_status read_program(graft_pickle *pickle, graft_arena *arena, const char *program, size_t size)
{
    graft_arena_init(arena);
    uint8_t *copy;
    assert_int_equal(graft_arena_allocate(arena, &copy, size, 1), GRAFT_OK);
    memcpy(copy, program, size);
    return graft_pickle_read(pickle, arena, copy, size);
}

/* ---- Values ---- */

/* Python's repr, more or less; the depth ends cycles. */
static void show(graft_buffer *out, const graft_value *v, int depth)
{
    static const char brackets[][3] = {
        [GRAFT_VALUE_TUPLE] = "()", [GRAFT_VALUE_LIST] = "[]", [GRAFT_VALUE_DICT] = "{}"};
    switch (depth > 4 ? GRAFT_VALUE_NONE : v->kind) {
    case GRAFT_VALUE_NONE:
        graft_buffer_text(out, "None");
        break;
    case GRAFT_VALUE_BOOLEAN:
        graft_buffer_text(out, v->boolean ? "True" : "False");
        break;
    case GRAFT_VALUE_INTEGER:
        graft_buffer_print(out, "%lld", (long long)v->integer);
        break;
    case GRAFT_VALUE_REAL:
        graft_buffer_print(out, "%.17g", v->real);
        break;
    case GRAFT_VALUE_TEXT:
        graft_buffer_print(out, "'%.*s'", (int)v->text.length, v->text.at);
        break;
    case GRAFT_VALUE_TUPLE:
    case GRAFT_VALUE_LIST:
    case GRAFT_VALUE_DICT:
        graft_buffer_print(out, "%c", brackets[v->kind][0]);
        for (size_t i = 0; i < v->count; i++) {
            graft_buffer_text(out, i ? " " : "");
            show(out, v->items[i], depth + 1);
        }
        graft_buffer_print(out, "%c", brackets[v->kind][1]);
        break;
    case GRAFT_VALUE_GLOBAL:
        graft_buffer_print(out, "%.*s", (int)v->text.length, v->text.at);
        break;
    case GRAFT_VALUE_CALL:
        graft_buffer_print(out, "call %d ", (int)v->global);
        show(out, v->inner, depth + 1);
        break;
    case GRAFT_VALUE_PERSISTENT:
        graft_buffer_text(out, "id ");
        show(out, v->inner, depth + 1);
        break;
    }
}

#define BYTES(text) (text), sizeof(text) - 1

static const struct {
    const char *program;
    size_t size;
    const char *shown;
} values[] = {
    {BYTES(P "N."), "None"},
    {BYTES(P "\x88."), "True"},
    {BYTES(P "\x89."), "False"},
    {BYTES(P "K\xff."), "255"},
    {BYTES(P "M\xff\xff."), "65535"},
    {BYTES(P "J\xff\xff\xff\xff."), "-1"},
    {BYTES(P "J\0\0\0\x80."), "-2147483648"},
    {BYTES(P "\x8a\0."), "0"},
    {BYTES(P "\x8a\1\xff."), "-1"},
    {BYTES(P "\x8a\2\xff\0."), "255"},
    {BYTES(P "\x8a\5\0\0\0\0\1."), "4294967296"},
    {BYTES(P "\x8a\x8\0\0\0\0\0\0\0\x80."), "-9223372036854775808"},
    {BYTES(P "G\x3f\xf8\0\0\0\0\0\0."), "1.5"},
    {BYTES(P "G\xbf\xb9\x99\x99\x99\x99\x99\x9a."), "-0.10000000000000001"},
    {BYTES(P "X\3\0\0\0abc."), "'abc'"},
    {BYTES(P "X\0\0\0\0."), "''"},
    {BYTES(P "X\2\0\0\0\xc3\xa4."), "'\xc3\xa4'"},
    {BYTES(P "U\2hi."), "'hi'"},
    {BYTES(P ")."), "()"},
    {BYTES(P "K\1\x85."), "(1)"},
    {BYTES(P "K\1K\2\x86."), "(1 2)"},
    {BYTES(P "K\1K\2K\3\x87."), "(1 2 3)"},
    {BYTES(P "(K\1K\2K\3K\4t."), "(1 2 3 4)"},
    {BYTES(P "(t."), "()"},
    {BYTES(P "](e."), "[]"},
    {BYTES(P "]K\1a(K\2K\3e."), "[1 2 3]"},
    {BYTES(P "}(u."), "{}"},
    {BYTES(P "}K\1K\2s(K\3K\4K\5K\6u."), "{1 2 3 4 5 6}"},
    {BYTES(P "K\7q\0h\0\x86."), "(7 7)"},
    {BYTES(P "K\7r\0\1\0\0j\0\1\0\0\x86."), "(7 7)"},
    {BYTES(P "K\7q\5K\x8q\5h\5\x87."), "(7 8 8)"}, /* put again */
    {BYTES(P "]q\0h\0a."), "[[[[[None]]]]]"},      /* itself */
    {BYTES(P DICT ")R."), "{}"},
    {BYTES(P DICT "]\x85R."), "{}"},
    {BYTES(P DICT "](](K\1K\2e](K\3K\4ee\x85R."), "{1 2 3 4}"}, /* as Python 2 */
    {BYTES(P DICT ")RK\1K\2s}X\11\0\0\0_metadata)sb."), "{1 2}"},
    {BYTES(P "ctorch\nSize\nK\1K\2\x86\x85R."), "(1 2)"},
    {BYTES(P "ctorch\nfloat16\n."), "float16"},
    {BYTES(P FLOAT "."), "FloatStorage"},
    {BYTES(P "K\5\x85Q."), "id (5)"},
    {BYTES(P V2 "K\5\x85QK\0\x86R."), "call 3 (id (5) 0)"},
    {BYTES(P "ctorch._utils\n_rebuild_tensor\n)R."), "call 2 ()"},
    {BYTES(P "ctorch._utils\n_rebuild_parameter\n)R."), "call 4 ()"},
};

static void test_values(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        graft_arena arena;
        graft_pickle pickle;
        graft_buffer text = GRAFT_BUFFER_INIT;
        if (read_program(&pickle, &arena, values[i].program, values[i].size) != GRAFT_OK)
            fail_msg("%s: %s", values[i].shown, graft_error_message());
        show(&text, pickle.root, 0);
        assert_string_equal(text.data, values[i].shown);
        assert_int_equal(pickle.size, values[i].size);
        graft_buffer_dispose(&text);
        graft_arena_dispose(&arena);
    }
}

static void test_what_follows_is_left(void **state)
{
    (void)state;
    graft_arena arena;
    graft_pickle pickle;
    assert_int_equal(read_program(&pickle, &arena, BYTES(P "K\1Q." P "N.")), GRAFT_OK);
    assert_int_equal(pickle.size, 6);
    assert_int_equal(pickle.persistent->count, 1);
    assert_ptr_equal(pickle.persistent->items[0], pickle.root);
    graft_arena_dispose(&arena);
}

static void test_looking_up(void **state)
{
    (void)state;
    graft_arena arena;
    graft_pickle pickle;
    assert_int_equal(read_program(&pickle, &arena, BYTES(P "}(U\1aK\1U\1bK\2U\1aK\3K\1K\4u.")), GRAFT_OK);
    assert_int_equal(graft_value_get(pickle.root, "a")->integer, 3); /* the last, as in Python */
    assert_int_equal(graft_value_get(pickle.root, "b")->integer, 2);
    assert_null(graft_value_get(pickle.root, "c"));
    assert_null(graft_value_get(pickle.root->items[1], "a"));
    assert_string_equal(graft_value_what(pickle.root), "a dict");
    graft_arena_dispose(&arena);
}

static void test_texts_are_shown_whole_characters(void **state)
{
    (void)state;
    char long_text[202];
    for (int i = 0; i < 202; i += 2)
        memcpy(long_text + i, "\xc3\xa4", 2);
    graft_text text = {long_text, 202};
    assert_int_equal(graft_text_shown(&text), 100);
    text.at++;
    text.length--;
    assert_int_equal(graft_text_shown(&text), 99);
    text.length = 50;
    assert_int_equal(graft_text_shown(&text), 50);
}

/* ---- Refusals ---- */

static const struct {
    const char *program;
    size_t size;
    const char *words;
} refused[] = {
    {BYTES(""), "cut off"},
    {BYTES(P), "cut off"},
    {BYTES("N."), "protocol 2"},
    {BYTES("\x80\4N."), "protocol 2"},
    {BYTES(P P "N."), "opcode 0x80"},
    {BYTES(P "."), "ends with 0 values"},
    {BYTES(P "NN."), "ends with 2 values"},
    {BYTES(P "N(."), "ends with 1 values"},
    {BYTES(P "(N."), "ends with 1 values"},
    {BYTES(P "N"), "cut off"},
    {BYTES(P "K"), "cut off"},
    {BYTES(P "M\1"), "cut off"},
    {BYTES(P "J\1\1\1"), "cut off"},
    {BYTES(P "G\1\1\1\1\1\1\1"), "cut off"},
    {BYTES(P "\x8a"), "cut off"},
    {BYTES(P "\x8a\4\1\1\1"), "cut off"},
    {BYTES(P "X\1\0\0"), "cut off"},
    {BYTES(P "X\xff\xff\xff\xff."), "cut off"},
    {BYTES(P "U\5abc."), "cut off"},
    {BYTES(P "q"), "cut off"},
    {BYTES(P "ctorch"), "cut off"},
    {BYTES(P "ctorch\nSize"), "cut off"},
    {BYTES(P "\x8a\x9\1\1\1\1\1\1\1\1\1."), "a number of 9 bytes"},
    {BYTES(P "X\1\0\0\0\xff."), "not UTF-8"},
    {BYTES(P "U\1\xe4."), "not UTF-8"},
    {BYTES(P "ctor\xe4\nx\n."), "not UTF-8"},
    /* What runs code elsewhere */
    {BYTES(P "cos\nsystem\nU\2ls\x85R."), "asks for os.system"},
    {BYTES(P "cposix\nsystem\n."), "asks for posix.system"},
    {BYTES(P "c__builtin__\neval\n."), "asks for __builtin__.eval"},
    {BYTES(P "ctorch\nload\n."), "asks for torch.load"},
    {BYTES(P "ctorch.storage\n_load_from_bytes\n."), "asks for torch.storage._load_from_bytes"},
    {BYTES(P "ctorch\nStorage\n."), "asks for torch.Storage"},
    {BYTES(P "ctorch.x\nFloatStorage\n."), "asks for torch.x.FloatStorage"},
    {BYTES(P "ccollections\nOrderedDict.__init__\n."), "asks for collections.OrderedDict.__init__"},
    {BYTES(P "c\n\n."), "asks for ."},
    {BYTES(P DICT ")\x81."), "opcode 0x81"},         /* NEWOBJ */
    {BYTES(P "U\2osU\6system\x93."), "opcode 0x93"}, /* STACK_GLOBAL */
    {BYTES(P "(ios\nsystem\n."), "opcode 0x69"},     /* INST */
    {BYTES(P "(cos\nsystem\no."), "asks for"},       /* OBJ */
    {BYTES(P "\x82\1."), "opcode 0x82"},             /* EXT1 */
    {BYTES(P "Pabc\n."), "opcode 0x50"},             /* PERSID */
    {BYTES(P "N0N."), "opcode 0x30"},                /* POP */
    {BYTES(P "\0."), "opcode 0"},
    {BYTES(P "\xff."), "opcode 0xff"},
    /* The stack */
    {BYTES(P "a."), "takes more from its stack"},
    {BYTES(P "]a."), "takes more from its stack"},
    {BYTES(P "s."), "takes more from its stack"},
    {BYTES(P "NNs."), "takes more from its stack"},
    {BYTES(P "}(NNs."), "takes more from its stack"}, /* not through a mark */
    {BYTES(P "N(\x85."), "takes more from its stack"},
    {BYTES(P "N\x86."), "takes more from its stack"},
    {BYTES(P "NN\x87."), "takes more from its stack"},
    {BYTES(P "R."), "takes more from its stack"},
    {BYTES(P "NR."), "takes more from its stack"},
    {BYTES(P "b."), "takes more from its stack"},
    {BYTES(P "Nb."), "takes more from its stack"},
    {BYTES(P "Q."), "takes more from its stack"},
    {BYTES(P "q\0N."), "takes more from its stack"},
    {BYTES(P "Nu."), "a mark where none is"},
    {BYTES(P "Ne."), "a mark where none is"},
    {BYTES(P "Nt."), "a mark where none is"},
    {BYTES(P "(u."), "takes more from its stack"},
    {BYTES(P "h\0."), "fetches memo entry 0"},
    {BYTES(P "Nq\0h\1."), "fetches memo entry 1"},
    {BYTES(P "Nj\xff\xff\xff\xff."), "fetches memo entry 4294967295"},
    {BYTES(P "Nr\xff\xff\xff\xff."), "too large a memo"},
    /* Things that are not what they are taken for */
    {BYTES(P "]NNs."), "treats a list as a dict"},
    {BYTES(P "](NNu."), "treats a list as a dict"},
    {BYTES(P ")NNs."), "treats a tuple as a dict"},
    {BYTES(P V2 ")RNNs."), "treats a tensor as a dict"},
    {BYTES(P "NQNNs."), "treats a storage as a dict"},
    {BYTES(P FLOAT "NNs."), "treats a type as a dict"},
    {BYTES(P "}Na."), "treats a dict as a list"},
    {BYTES(P "}(Ne."), "treats a dict as a list"},
    {BYTES(P "U\0Na."), "treats a text as a list"},
    {BYTES(P "K\1(Ne."), "treats a number as a list"},
    {BYTES(P "}(NNNu."), "a key without a value"},
    {BYTES(P "N)R."), "calls None with a tuple"},
    {BYTES(P "U\2os)R."), "calls a text with a tuple"},
    {BYTES(P DICT "NR."), "calls a type with None"},
    {BYTES(P FLOAT ")R."), "calls a type with a tuple"},
    {BYTES(P "ctorch\nint8\n)R."), "calls a type with a tuple"},
    {BYTES(P "ctorch\nSize\n)R."), "a torch.Size of what is no tuple"},
    {BYTES(P "ctorch\nSize\nK\1\x85R."), "a torch.Size of what is no tuple"},
    {BYTES(P DICT "K\1\x85R."), "no list of pairs"},
    {BYTES(P DICT "]]\x86R."), "no list of pairs"},
    {BYTES(P DICT "]K\1a\x85R."), "no list of pairs"},
    {BYTES(P DICT "]](NNNea\x85R."), "no list of pairs"},
    {BYTES(P "]Nb."), "sets attributes of a list"},
    {BYTES(P V2 ")RNb."), "sets attributes of a tensor"},
    {BYTES(P FLOAT "Nb."), "sets attributes of a type"},
};

static void check_refused(const char *program, size_t size, const char *words)
{
    graft_arena arena;
    graft_pickle pickle = {.size = 77};
    if (read_program(&pickle, &arena, program, size) != GRAFT_EFORMAT)
        fail_msg("a program was not refused where \"%s\" is expected", words);
    if (!strstr(graft_error_message(), words))
        fail_msg("\"%s\" does not contain \"%s\"", graft_error_message(), words);
    assert_int_equal(pickle.size, 77);
    graft_arena_dispose(&arena);
}

static void test_refusals(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
        check_refused(refused[i].program, refused[i].size, refused[i].words);
}

/* ---- Programs that want too much ---- */

static void repeat(graft_buffer *program, const char *bytes, size_t size, int times)
{
    for (int i = 0; i < times; i++)
        assert_int_equal(graft_buffer_append(program, bytes, size), GRAFT_OK);
}

static void check_bomb(graft_buffer *program, const char *words)
{
    graft_buffer_append(program, ".", 1);
    check_refused(program->data, program->size, words);
    graft_buffer_dispose(program);
}

static void test_bombs(void **state)
{
    (void)state;
    graft_buffer program = GRAFT_BUFFER_INIT;
    repeat(&program, BYTES(P), 1);
    repeat(&program, BYTES("("), 257);
    check_bomb(&program, "nests too deeply");

    repeat(&program, BYTES(P "Nq\0"), 1);
    repeat(&program, BYTES("h\0"), 1 << 20);
    check_bomb(&program, "too large a stack");

    repeat(&program, BYTES(P "]Nq\0a"), 1);
    repeat(&program, BYTES("h\0a"), 1 << 22);
    check_bomb(&program, "steps");

    /* A long list of pairs, copied into one dict after another: a few bytes each. */
    repeat(&program,
           BYTES(P DICT "q\0(]NNa"
                        "0"),
           0);
    repeat(&program, BYTES(P "(" DICT "q\0](NN\x86q\1"), 1);
    repeat(&program, BYTES("h\1"), 100000);
    repeat(&program, BYTES("e\x85q\2"), 1);
    repeat(&program, BYTES("h\0h\2R"), 100);
    check_bomb(&program, "steps");
}

/* Containers in containers, deeper than any recursion would like. */
static void test_depth_without_recursion(void **state)
{
    (void)state;
    graft_arena arena;
    graft_pickle pickle;
    graft_buffer program = GRAFT_BUFFER_INIT;
    repeat(&program, BYTES(P "N"), 1);
    repeat(&program, BYTES("\x85"), 1000000);
    repeat(&program, BYTES("."), 1);
    assert_int_equal(read_program(&pickle, &arena, program.data, program.size), GRAFT_OK);
    assert_int_equal(pickle.root->kind, GRAFT_VALUE_TUPLE);
    graft_arena_dispose(&arena);
    graft_buffer_dispose(&program);
}

static void test_random_programs_never_crash(void **state)
{
    (void)state;
    static const char opcodes[] = ")}](t\x85\x86\x87suaecRbQN\x88KMJ\x8aGXUqrhj.";
    graft_random random = graft_random_stream(3, GRAFT_RANDOM_TEST, "pickle", 0, 0);
    for (int round = 0; round < 20000; round++) {
        char program[64] = P;
        for (size_t i = 2; i < sizeof program; i++)
            program[i] = graft_random_below(&random, 4)
                             ? opcodes[graft_random_below(&random, sizeof opcodes - 1)]
                             : (char)graft_random_below(&random, 4);
        graft_arena arena;
        graft_pickle pickle;
        graft_status status = read_program(&pickle, &arena, program, sizeof program);
        assert_true(status == GRAFT_OK || status == GRAFT_EFORMAT);
        graft_arena_dispose(&arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_what_follows_is_left),
        cmocka_unit_test(test_looking_up),
        cmocka_unit_test(test_texts_are_shown_whole_characters),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_bombs),
        cmocka_unit_test(test_depth_without_recursion),
        cmocka_unit_test(test_random_programs_never_crash),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
