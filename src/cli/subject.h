/* The model that eval and predict run: a RUN (its folder, or a model.safetensors), or with --model a network
 * with its published head. */
#ifndef GRAFT_CLI_SUBJECT_H
#define GRAFT_CLI_SUBJECT_H

#include <stddef.h>

#include <graft/model.h>

#include "cli/command.h"
#include "cli/precision.h"

/* Their options, alike in both commands. */
#define SUBJECT_OPTIONS                                                                                    \
    {"model", "NAME", NULL, "a network with its published classes, in place of RUN", .kind = OPTION_TEXT}, \
        {"weights", "FILE", "the network's published file in graft's cache", "with --model: its weights",  \
         .kind = OPTION_TEXT},                                                                             \
        {"pictures",          "as-seen|as-pillow",                                                         \
         "as-seen",           "with --model: how pictures are seen, as in graft train; a RUN knows",       \
         .kind = OPTION_WORD, .words = "as-seen|as-pillow"},                                               \
        {"threads",                                                                                        \
         "N",                                                                                              \
         "the cores this process may use",                                                                 \
         "threads of the arithmetic",                                                                      \
         .kind = OPTION_INTEGER,                                                                           \
         1,                                                                                                \
         1024},                                                                                            \
        {"precision",                                                                                      \
         PRECISION_WORDS,                                                                                  \
         "f32",                                                                                            \
         "bf16 has 8 binary digits, and is used where it is faster here",                                  \
         .kind = OPTION_WORD,                                                                              \
         .words = PRECISION_WORDS},                                                                        \
    {                                                                                                      \
        "workers", "N", "min(4, threads)", "threads that decode pictures", .kind = OPTION_INTEGER, 0, 1024 \
    }

typedef struct subject {
    graft_model *model;
    const char *run; /* NULL with --model */
    size_t rest;     /* the first positional argument that is not RUN */
} subject;

/* --threads and --workers, or what they are where they are not given. */
void subject_threads(int *threads, int *workers, const arguments *given);

/* An exit status, with its sentence said where it is not EXIT_GOOD. */
int subject_open(subject *s, const arguments *given);
void subject_dispose(subject *s);

/* A class as people write it: its name, or its index where classes have no names. In a buffer of the
 * screen's. */
const char *subject_class(const graft_model *model, int index, int most);

#endif
