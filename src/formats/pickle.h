/* What a pickle of a state dict says, as plain values. Nothing is imported, called or built: a call stays a
 * value that names one of the few functions a state dict needs. */
#ifndef GRAFT_FORMATS_PICKLE_H
#define GRAFT_FORMATS_PICKLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <graft/status.h>

#include "base/arena.h"

typedef enum graft_value_kind {
    GRAFT_VALUE_NONE,
    GRAFT_VALUE_BOOLEAN,
    GRAFT_VALUE_INTEGER,
    GRAFT_VALUE_REAL,
    GRAFT_VALUE_TEXT,
    GRAFT_VALUE_TUPLE,
    GRAFT_VALUE_LIST,
    GRAFT_VALUE_DICT, /* also an OrderedDict */
    GRAFT_VALUE_GLOBAL,
    GRAFT_VALUE_CALL,
    GRAFT_VALUE_PERSISTENT /* a persistent id: how PyTorch names a storage */
} graft_value_kind;

typedef enum graft_global {
    GRAFT_GLOBAL_ORDERED_DICT,
    GRAFT_GLOBAL_SIZE,
    GRAFT_GLOBAL_REBUILD_TENSOR,
    GRAFT_GLOBAL_REBUILD_TENSOR_V2,
    GRAFT_GLOBAL_REBUILD_PARAMETER,
    GRAFT_GLOBAL_STORAGE, /* torch.FloatStorage and its like: the value's text says which */
    GRAFT_GLOBAL_DTYPE
} graft_global;

/* UTF-8 in the pickle's bytes; no 0 behind it, though one may be inside. */
typedef struct graft_text {
    const char *at;
    size_t length;
} graft_text;

typedef struct graft_value graft_value;

/* Values refer to each other as Python's do, in cycles too: whoever follows them must bound the walk. */
struct graft_value {
    graft_value_kind kind;
    graft_global global; /* GLOBAL, and the function of a CALL */
    union {
        bool boolean;
        int64_t integer;
        double real;
        graft_text text; /* TEXT; the name of a GLOBAL */
        struct {
            graft_value **items; /* TUPLE, LIST; DICT: key, value, key, value, ... */
            size_t count, capacity;
        };
        graft_value *inner; /* the arguments of a CALL (a TUPLE), the id of a PERSISTENT */
    };
};

typedef struct graft_pickle {
    graft_value *root;
    graft_value *persistent; /* a LIST of all persistent ids, in order */
    size_t size;             /* bytes from the start to behind STOP */
} graft_pickle;

/* Reads one pickle from the start of `bytes`, which may go on behind it. Values live in the arena and point
 * into the bytes. */
graft_status graft_pickle_read(graft_pickle *pickle, graft_arena *arena, const uint8_t *bytes, size_t size);

/* The value of a key, the last where there are several (as in Python); NULL without it or without a dict. */
graft_value *graft_value_get(const graft_value *dict, const char *key);
bool graft_value_is_text(const graft_value *value, const char *text);
bool graft_text_equals(const graft_text *text, const char *word);
/* "a tuple", "a number", ...: for messages. */
const char *graft_value_what(const graft_value *value);

/* The bytes of a text that a message shows: at most 100, no character cut. For "%.*s". */
int graft_text_shown(const graft_text *text);

#endif
