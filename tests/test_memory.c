/* The heap, arenas, buffers and checked arithmetic. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/arena.h"
#include "base/buffer.h"
#include "base/checked.h"
#include "base/chunk.h"
#include "base/memory.h"

static void test_allocations_are_zeroed_and_checked(void **state)
{
    int *numbers = NULL, *untouched = (int *)0x1234;
    (void)state;
    assert_int_equal(GRAFT_NEW_ARRAY(&numbers, 1000), GRAFT_OK);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(numbers[i], 0);
    free(numbers);
    assert_int_equal(GRAFT_NEW_ARRAY(&numbers, 0), GRAFT_OK);
    assert_non_null(numbers);
    free(numbers);
    assert_int_equal(GRAFT_NEW_ARRAY(&untouched, SIZE_MAX / 2), GRAFT_EMEMORY);
    assert_int_equal(graft_reallocate(&untouched, SIZE_MAX / 2, 8), GRAFT_EMEMORY);
    assert_ptr_equal(untouched, (int *)0x1234);
    assert_non_null(strstr(graft_error_message(), "out of memory"));
}

static void test_aligned(void **state)
{
    (void)state;
    for (size_t bytes = 0; bytes < 200; bytes += 33) {
        void *memory;
        assert_int_equal(graft_allocate_aligned(&memory, bytes), GRAFT_OK);
        assert_int_equal((uintptr_t)memory % 64, 0);
        free(memory);
    }
}

/* Arrays lie apart, on lines of their own, and outlive what they were taken from; a large one is alone. */
static void test_chunks(void **state)
{
    enum { ARRAYS = 40 };
    graft_chunks chunks = {NULL};
    graft_chunk *held[ARRAYS];
    unsigned char *arrays[ARRAYS];
    size_t sizes[] = {0, 1, 63, 100000, 1 << 20, 3 << 20, 9 << 20, 4097};
    (void)state;
    for (int i = 0; i < ARRAYS; i++) {
        assert_int_equal(graft_chunks_take(i % 9 ? &chunks : NULL, &arrays[i], &held[i], sizes[i % 8]),
                         GRAFT_OK);
        assert_int_equal((uintptr_t)arrays[i] % 64, 0);
        memset(arrays[i], i, sizes[i % 8]);
    }
    graft_chunks_dispose(&chunks);
    for (int i = 0; i < ARRAYS; i++) {
        for (size_t j = 0; j < sizes[i % 8]; j += 509)
            assert_int_equal(arrays[i][j], i);
        graft_chunk_release(graft_chunk_share(held[i]));
        graft_chunk_release(held[i]);
    }
    graft_chunk_release(NULL);
    graft_memory_fail_after(1);
    assert_int_equal(graft_chunks_take(&chunks, &arrays[0], &held[0], 100), GRAFT_EMEMORY);
    graft_memory_fail_after(2);
    assert_int_equal(graft_chunks_take(&chunks, &arrays[0], &held[0], 100), GRAFT_EMEMORY);
    graft_memory_fail_after(0);
    assert_null(chunks.current);
}

static void test_grow_keeps_what_is_there(void **state)
{
    size_t count = 0, capacity = 0, moves = 0;
    int *list = NULL;
    (void)state;
    for (int i = 0; i < 1000; i++) {
        size_t before = capacity;
        assert_int_equal(GRAFT_GROW(&list, count, &capacity), GRAFT_OK);
        moves += capacity != before;
        list[count++] = i;
    }
    for (int i = 0; i < 1000; i++)
        assert_int_equal(list[i], i);
    assert_true(moves < 10);
    size_t large = SIZE_MAX / 2 + 1;
    assert_int_equal(graft_grow(&list, SIZE_MAX - 1, &large, sizeof *list), GRAFT_EMEMORY);
    assert_true(large == SIZE_MAX / 2 + 1);
    free(list);
}

static void test_countdown(void **state)
{
    char *text = NULL;
    (void)state;
    graft_memory_fail_after(3);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(graft_duplicate(&text, "x"), GRAFT_OK);
        free(text);
    }
    text = NULL;
    assert_int_equal(graft_duplicate(&text, "x"), GRAFT_EMEMORY);
    assert_int_equal(graft_allocate_aligned(&text, 1), GRAFT_EMEMORY);
    assert_null(text);
    graft_memory_fail_after(0);
    assert_int_equal(graft_format(&text, "%d-%s", 5, "y"), GRAFT_OK);
    assert_string_equal(text, "5-y");
    free(text);
}

static void test_arena(void **state)
{
    enum { PIECES = 2000 };
    static unsigned char *pieces[PIECES];
    graft_arena arena;
    const char *text;
    (void)state;
    graft_arena_init(&arena);
    for (size_t i = 0; i < PIECES; i++) {
        assert_int_equal(graft_arena_allocate(&arena, &pieces[i], i % 97, 7), GRAFT_OK);
        assert_int_equal((uintptr_t)pieces[i] % _Alignof(max_align_t), 0);
        for (size_t j = 0; j < i % 97 * 7; j++)
            assert_int_equal(pieces[i][j], 0);
        memset(pieces[i], (int)(i % 251), i % 97 * 7);
    }
    for (size_t i = 0; i < PIECES; i++)
        for (size_t j = 0; j < i % 97 * 7; j++)
            assert_int_equal(pieces[i][j], i % 251);
    assert_int_equal(graft_arena_allocate(&arena, &pieces[0], 1 << 20, 1), GRAFT_OK); /* above a block */
    memset(pieces[0], 1, 1 << 20);
    assert_int_equal(graft_arena_allocate(&arena, &pieces[1], SIZE_MAX, 2), GRAFT_EMEMORY);
    assert_int_equal(graft_arena_format(&arena, &text, "%s.%d", "_blocks", 3), GRAFT_OK);
    assert_string_equal(text, "_blocks.3");
    graft_arena_dispose(&arena);
    graft_arena_dispose(&arena);
}

static void test_buffer(void **state)
{
    graft_buffer buffer = GRAFT_BUFFER_INIT;
    (void)state;
    assert_int_equal(graft_buffer_append(&buffer, NULL, 0), GRAFT_OK);
    assert_string_equal(buffer.data, "");
    for (int i = 0; i < 100; i++) {
        assert_int_equal(graft_buffer_print(&buffer, "%02d,", i), GRAFT_OK);
        assert_int_equal(strlen(buffer.data), buffer.size);
    }
    assert_int_equal(graft_buffer_text(&buffer, "end"), GRAFT_OK);
    assert_int_equal(graft_buffer_append(&buffer, "a\0b", 3), GRAFT_OK);
    assert_int_equal(buffer.size, 306);
    assert_memory_equal(buffer.data, "00,01,", 6);
    assert_memory_equal(buffer.data + 300, "enda\0b", 7);
    graft_memory_fail_after(1);
    size_t before = buffer.size;
    char *large = calloc(1, 4096);
    assert_int_equal(graft_buffer_append(&buffer, large, 4096), GRAFT_EMEMORY);
    graft_memory_fail_after(0);
    assert_int_equal(buffer.size, before);
    free(large);
    graft_buffer_dispose(&buffer);
    assert_null(buffer.data);
}

static void test_checked_arithmetic(void **state)
{
    size_t size;
    int64_t number;
    (void)state;
    assert_true(graft_size_multiply(&size, 3, 5) && size == 15);
    assert_false(graft_size_multiply(&size, SIZE_MAX / 2 + 1, 2));
    assert_true(graft_size_add(&size, SIZE_MAX - 1, 1) && size == SIZE_MAX);
    assert_false(graft_size_add(&size, SIZE_MAX, 1));
    assert_true(graft_int64_multiply(&number, 0, INT64_MAX) && number == 0);
    assert_false(graft_int64_multiply(&number, -1, 0));
    assert_false(graft_int64_multiply(&number, 1, -1));
    assert_false(graft_int64_multiply(&number, INT64_MAX / 2 + 1, 2));
    assert_true(graft_range_fits(0, 0, 0));
    assert_true(graft_range_fits(5, 5, 10));
    assert_false(graft_range_fits(5, 6, 10));
    assert_false(graft_range_fits(11, 0, 10));
    assert_false(graft_range_fits(UINT64_MAX, 2, 10));
    assert_false(graft_range_fits(2, UINT64_MAX, 10));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_allocations_are_zeroed_and_checked),
        cmocka_unit_test(test_aligned),
        cmocka_unit_test(test_chunks),
        cmocka_unit_test(test_grow_keeps_what_is_there),
        cmocka_unit_test(test_countdown),
        cmocka_unit_test(test_arena),
        cmocka_unit_test(test_buffer),
        cmocka_unit_test(test_checked_arithmetic),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
