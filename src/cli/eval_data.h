/* The pictures that eval looks at: those that a RUN held out, found again by what train noted in the model's
 * file, or all of a folder.
 *
 *   graft.data         the absolute path of DATA
 *   graft.held_out     the fraction that was held out; "own": DATA's own val folder; an absolute path:
 * another folder; "0": nothing graft.seed         of the split graft.trained_on   16 hexadecimal digits for
 * the content of each training picture, sorted */
#ifndef GRAFT_CLI_EVAL_DATA_H
#define GRAFT_CLI_EVAL_DATA_H

#include <graft/data.h>

#include "cli/screen.h"
#include "cli/subject.h"

typedef struct eval_data {
    graft_dataset *dataset;
    graft_set set;
    bool held_out;     /* not all of a folder that was named */
    bool knows;        /* which pictures the model was trained on */
    size_t trained_on; /* how many of the set it was trained on */
    size_t count;      /* pictures of the set */
    char folder[4096]; /* where they lie */
    screen_state *screen;
} eval_data;

/* `folder` NULL: what the RUN held out. Progress goes to the screen. An exit status, with its sentence said
 * where it is not EXIT_GOOD. */
int eval_data_open(eval_data *data, const subject *s, const char *folder, int workers, screen_state *screen);
void eval_data_dispose(eval_data *data);

#endif
