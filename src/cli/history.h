/* What happened in each epoch: history.csv. */
#ifndef GRAFT_CLI_HISTORY_H
#define GRAFT_CLI_HISTORY_H

#include <stdbool.h>
#include <stddef.h>

#include <graft/train.h>

typedef struct history {
    graft_fit_event *events; /* (count) epochs and folds; `phase` lives as long as the program */
    size_t count, room;
} history;

bool history_add(history *h, const graft_fit_event *event); /* false: no memory */
/* phase,epoch,loss,held_out_loss,held_out_accuracy,rate,seconds; what is not known is empty. The text is the
 * caller's; NULL: no memory. */
char *history_text(const history *h, size_t *size);
void history_dispose(history *h);

#endif
