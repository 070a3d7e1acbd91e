/* RUN: the folder that a training leaves behind. */
#ifndef GRAFT_CLI_RUN_FOLDER_H
#define GRAFT_CLI_RUN_FOLDER_H

#include <dirent.h>
#include <stdbool.h>
#include <stddef.h>

typedef struct run_folder {
    char *path; /* as it is shown and opened */
    int made;   /* the last parts of the path that did not exist */
    DIR *claim; /* locked as long as we write there; NULL: not yet */
} run_folder;

/* Whether `out` (--out) may be used; says why not. NULL is legal. */
bool run_folder_check(const char *out, bool force);
/* Makes `out`, or the first free one of runs/NAME-1, runs/NAME-2, ... with the name of the folder `data`,
 * claims it from other processes, and makes sure that files can be written there and `bytes` of them are
 * free. Says why not. */
bool run_folder_create(run_folder *run, const char *out, bool force, const char *data, size_t bytes);
/* "RUN/NAME"; the caller frees it. NULL after a sentence. */
char *run_folder_file(const run_folder *run, const char *name);
/* Once a new model is there: what an older run left beside it goes, so that no mixture stays if the rest
 * cannot be written. */
void run_folder_clear(const run_folder *run);
/* Takes away what was made, as long as nothing was saved there; frees the path. */
void run_folder_abandon(run_folder *run);
void run_folder_dispose(run_folder *run);

#endif
