/* history.csv, kept in memory until it is written as a whole. */
#include "cli/history.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

bool history_add(history *h, const graft_fit_event *event)
{
    if (h->count == h->room) {
        size_t room = h->room ? 2 * h->room : 64;
        graft_fit_event *events = realloc(h->events, room * sizeof *events);
        if (!events)
            return false;
        h->events = events;
        h->room = room;
    }
    h->events[h->count++] = *event;
    return true;
}

static void put_figure(FILE *stream, double value)
{
    if (isfinite(value))
        fprintf(stream, ",%.9g", value);
    else
        fputc(',', stream);
}

char *history_text(const history *h, size_t *size)
{
    char *text = NULL;
    FILE *stream = open_memstream(&text, size);
    if (!stream)
        return NULL;
    fprintf(stream, "phase,epoch,loss,held_out_loss,held_out_accuracy,rate,seconds\n");
    for (size_t i = 0; i < h->count; i++) {
        const graft_fit_event *e = &h->events[i];
        bool fold = e->kind == GRAFT_FIT_FOLD; /* it has no one loss and no one time */
        fprintf(stream, "%s,%d", e->phase, e->epoch);
        put_figure(stream, fold ? NAN : e->loss);
        put_figure(stream, e->held_out_loss);
        put_figure(stream, e->held_out_accuracy);
        put_figure(stream, e->rate);
        put_figure(stream, fold ? NAN : e->seconds);
        fputc('\n', stream);
    }
    bool bad = ferror(stream) != 0;
    if (fclose(stream) == 0 && !bad)
        return text;
    free(text);
    return NULL;
}

void history_dispose(history *h)
{
    free(h->events);
    *h = (history){NULL, 0, 0};
}
