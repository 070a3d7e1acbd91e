/* Program, stack, memo and containers of the pickle machine. */
#include "formats/pickle_machine.h"

#include <string.h>

#include "base/memory.h"
#include "base/status.h"
#include "base/text.h"

/* A tensor takes 36 steps and 9 places of the memo: room for 200,000 of them. */
enum { MOST_STEPS = 1 << 23, MOST_STACK = 1 << 20, MOST_MEMO = 1 << 21 };

graft_status graft_machine_step(graft_machine *m, size_t steps)
{
    if (steps > MOST_STEPS - m->steps)
        return graft_fail(GRAFT_EFORMAT, "its pickle has more than %d steps", MOST_STEPS);
    m->steps += steps;
    return GRAFT_OK;
}

/* ---- The program ---- */

static graft_status cut_off(void)
{
    return graft_fail(GRAFT_EFORMAT, "ends early: its pickle is cut off");
}

graft_status graft_machine_take(graft_machine *m, const uint8_t **bytes, size_t size)
{
    if ((size_t)(m->end - m->at) < size)
        return cut_off();
    *bytes = m->at;
    m->at += size;
    return GRAFT_OK;
}

graft_status graft_machine_check_text(const graft_text *text)
{
    return graft_text_is_utf8(text->at, text->length)
               ? GRAFT_OK
               : graft_fail(GRAFT_EFORMAT, "its pickle holds text that is not UTF-8");
}

graft_status graft_machine_take_line(graft_machine *m, graft_text *line)
{
    const uint8_t *newline = memchr(m->at, '\n', (size_t)(m->end - m->at));
    if (!newline)
        return cut_off();
    *line = (graft_text){(const char *)m->at, (size_t)(newline - m->at)};
    m->at = newline + 1;
    return graft_machine_check_text(line);
}

/* ---- The stack ---- */

graft_status graft_machine_push(graft_machine *m, graft_value *value)
{
    if (m->height == MOST_STACK)
        return graft_fail(GRAFT_EFORMAT, "its pickle needs too large a stack");
    graft_status status = GRAFT_GROW(&m->stack, m->height, &m->stack_capacity);
    if (status == GRAFT_OK)
        m->stack[m->height++] = value;
    return status;
}

graft_status graft_machine_push_new(graft_machine *m, graft_value **out, graft_value_kind kind)
{
    graft_value *value;
    graft_status status = GRAFT_ARENA_NEW(m->arena, &value, 1);
    if (status != GRAFT_OK)
        return status;
    value->kind = kind;
    *out = value;
    return graft_machine_push(m, value);
}

/* Values above the last mark. */
static graft_status need(const graft_machine *m, size_t count)
{
    size_t available = m->height - (m->mark_count ? m->marks[m->mark_count - 1] : 0);
    return available >= count
               ? GRAFT_OK
               : graft_fail(GRAFT_EFORMAT, "its pickle takes more from its stack than is there");
}

graft_status graft_machine_pop_several(graft_machine *m, graft_value ***items, size_t count)
{
    graft_status status = need(m, count);
    if (status != GRAFT_OK)
        return status;
    m->height -= count;
    *items = m->stack + m->height;
    return GRAFT_OK;
}

graft_status graft_machine_pop(graft_machine *m, graft_value **value)
{
    graft_value **items;
    graft_status status = graft_machine_pop_several(m, &items, 1);
    if (status == GRAFT_OK)
        *value = items[0];
    return status;
}

graft_status graft_machine_top(const graft_machine *m, graft_value **value)
{
    graft_status status = need(m, 1);
    if (status == GRAFT_OK)
        *value = m->stack[m->height - 1];
    return status;
}

graft_status graft_machine_mark(graft_machine *m)
{
    if (m->mark_count == GRAFT_MACHINE_MARKS)
        return graft_fail(GRAFT_EFORMAT, "its pickle nests too deeply");
    m->marks[m->mark_count++] = m->height;
    return GRAFT_OK;
}

graft_status graft_machine_pop_mark(graft_machine *m, graft_value ***items, size_t *count)
{
    if (m->mark_count == 0)
        return graft_fail(GRAFT_EFORMAT, "its pickle wants a mark where none is");
    size_t height = m->marks[--m->mark_count];
    *items = m->stack + height;
    *count = m->height - height;
    m->height = height;
    return GRAFT_OK;
}

/* ---- The memo ---- */

static graft_status enlarge_memo(graft_machine *m, size_t index)
{
    size_t count = m->memo_count ? m->memo_count : 256;
    while (count <= index)
        count *= 2;
    graft_status status = graft_reallocate(&m->memo, count, sizeof *m->memo);
    if (status != GRAFT_OK)
        return status;
    memset(m->memo + m->memo_count, 0, (count - m->memo_count) * sizeof *m->memo);
    m->memo_count = count;
    return GRAFT_OK;
}

graft_status graft_machine_put(graft_machine *m, size_t index)
{
    graft_status status;
    graft_value *value;
    GRAFT_TRY(graft_machine_top(m, &value));
    if (index >= MOST_MEMO)
        return graft_fail(GRAFT_EFORMAT, "its pickle needs too large a memo");
    if (index >= m->memo_count)
        GRAFT_TRY(enlarge_memo(m, index));
    m->memo[index] = value;
out:
    return status;
}

graft_status graft_machine_get(graft_machine *m, size_t index)
{
    if (index >= m->memo_count || !m->memo[index])
        return graft_fail(GRAFT_EFORMAT, "its pickle fetches memo entry %zu, which it never put", index);
    return graft_machine_push(m, m->memo[index]);
}

/* ---- Containers ---- */

/* What a container outgrows stays in the arena, which is at most as much again. */
static graft_status reserve(graft_machine *m, graft_value *container, size_t count)
{
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
    return GRAFT_OK;
}

graft_status graft_machine_extend(graft_machine *m, graft_value *container, graft_value *const *items,
                                  size_t count)
{
    if (count == 0)
        return GRAFT_OK;
    if (count > container->capacity - container->count) {
        graft_status status = reserve(m, container, count);
        if (status != GRAFT_OK)
            return status;
    }
    memcpy(container->items + container->count, items, count * sizeof *items);
    container->count += count;
    return GRAFT_OK;
}
