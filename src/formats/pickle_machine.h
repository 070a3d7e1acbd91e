/* The parts of the pickle machine that its opcodes share: program, stack with marks, memo, containers. Each
 * checks what it is asked for; together they keep the machine's bounds (pickle.c). */
#ifndef GRAFT_FORMATS_PICKLE_MACHINE_H
#define GRAFT_FORMATS_PICKLE_MACHINE_H

#include "formats/pickle.h"

enum { GRAFT_MACHINE_MARKS = 256 };

typedef struct graft_machine {
    const uint8_t *at, *end; /* the program that is left */
    graft_arena *arena;
    graft_value **stack;
    size_t height, stack_capacity;
    size_t marks[GRAFT_MACHINE_MARKS]; /* heights of the stack */
    size_t mark_count;
    graft_value **memo; /* NULL where nothing was put */
    size_t memo_count;
    graft_value *persistent; /* the LIST of all persistent ids */
    size_t steps;
    bool stopped;
} graft_machine;

/* Counts work that is about to be done. */
graft_status graft_machine_step(graft_machine *m, size_t steps);

/* The next bytes of the program, or its next line without the line end. */
graft_status graft_machine_take(graft_machine *m, const uint8_t **bytes, size_t size);
graft_status graft_machine_take_line(graft_machine *m, graft_text *line);
graft_status graft_machine_check_text(const graft_text *text);

graft_status graft_machine_push(graft_machine *m, graft_value *value);
graft_status graft_machine_push_new(graft_machine *m, graft_value **out, graft_value_kind kind);
graft_status graft_machine_pop(graft_machine *m, graft_value **value);
/* Removes so many values; *items stays valid until the next push. */
graft_status graft_machine_pop_several(graft_machine *m, graft_value ***items, size_t count);
graft_status graft_machine_top(const graft_machine *m, graft_value **value);

/* What lies below a mark cannot be popped before pop_mark, which removes the last mark and what lies above
 * it; *items stays valid until the next push. */
graft_status graft_machine_mark(graft_machine *m);
graft_status graft_machine_pop_mark(graft_machine *m, graft_value ***items, size_t *count);

graft_status graft_machine_put(graft_machine *m, size_t index);
graft_status graft_machine_get(graft_machine *m, size_t index);

/* Appends to the items of a container. */
graft_status graft_machine_extend(graft_machine *m, graft_value *container, graft_value *const *items,
                                  size_t count);

/* What a name stands for, or the refusal of it; and a call of what it stands for, which is pushed as a value
 * (pickle_call.c). */
graft_status graft_machine_look_up(graft_global *global, const graft_text *module, const graft_text *name);
graft_status graft_machine_call(graft_machine *m, const graft_value *function, graft_value *arguments);

#endif
