/* Weights to come back to, in the form in which they train: in the Gram form that is little. */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/status.h"
#include "train/executor.h"

static size_t count_of(const graft_executor *e)
{
    size_t count = 0;
    for (size_t i = 0; i < e->trained_count; i++)
        count += (size_t)e->trained[i].count;
    return count;
}

graft_status graft_executor_save(const graft_executor *e, graft_snapshot *s)
{
    graft_status status = GRAFT_OK;
    if (!s->values)
        GRAFT_TRY(graft_allocate_aligned(&s->values, sizeof(float) * count_of(e)));
    float *at = s->values;
    for (size_t i = 0; i < e->trained_count; i++) {
        memcpy(at, e->trained[i].value, sizeof(float) * (size_t)e->trained[i].count);
        at += e->trained[i].count;
    }
    s->moves = e->moves;
out:
    return status;
}

void graft_executor_restore(graft_executor *e, const graft_snapshot *s)
{
    const float *at = s->values;
    for (size_t i = 0; i < e->trained_count; i++) {
        memcpy(e->trained[i].value, at, sizeof(float) * (size_t)e->trained[i].count);
        at += e->trained[i].count;
    }
    e->moves = s->moves;
}

void graft_snapshot_dispose(graft_snapshot *s)
{
    free(s->values);
    s->values = NULL;
}
