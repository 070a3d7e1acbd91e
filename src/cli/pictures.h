/* The pictures that a subcommand was given, through an executor: threads decode ahead of the arithmetic, and
 * each picture's answer or cause is handed on in the order in which they were given. */
#ifndef GRAFT_CLI_PICTURES_H
#define GRAFT_CLI_PICTURES_H

#include <stddef.h>

#include <graft/graft.h>

typedef struct picture_pass {
    graft_model *model; /* borrowed, as the executor */
    graft_executor *executor;
    size_t row;  /* floats that the executor gives of a picture */
    int workers; /* threads that decode */
    int batch;   /* PICTURES_MOST at most */
    void *context;
    graft_status (*good)(void *context, const char *path, const float *row);
    void (*bad)(void *context, const char *path, const char *cause);
} picture_pass;

enum { PICTURES_MOST = 32 };

/* The failure is the work's as a whole; a picture's own goes to `bad`. */
graft_status pictures_pass(const picture_pass *pass, const char *const *paths, size_t count);

/* The cause without the path that it may begin with; `folder` where the path is one: what to do about it. */
const char *pictures_cause(const char *path, const char *cause, const char *folder);

#endif
