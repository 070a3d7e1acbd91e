/* The features of a phase: what is kept of every view before the first epoch, and the rate that suits it. */
#include "train/phase.h"

typedef struct counted {
    graft_progress outer;
    size_t before, now, total;
} counted;

static int add_up(void *context, const char *what, size_t done, size_t total)
{
    counted *c = context;
    (void)total;
    c->now = c->before + done;
    return c->outer.call ? c->outer.call(c->outer.context, what, c->now, c->total) : 0;
}

/* A loader of views of a set, in the dataset's order: of drawn ones number `view`, of exact ones all. */
static graft_status open_views(graft_loader **loader, const graft_fit_phase *p, const graft_model *model,
                               graft_set set, int view)
{
    graft_loader_options options = GRAFT_LOADER_OPTIONS_INIT;
    bool drawn = view >= GRAFT_VIEW_KEPT;
    options.set = set;
    options.batch = p->settings->batch;
    options.shuffle = false;
    options.seed = p->settings->seed;
    options.both_views = set == GRAFT_SET_TRAIN && !drawn && p->keep.views == 2;
    if (drawn) {
        options.augment = p->settings->augment;
        options.views = p->settings->views;
        options.only = view;
    }
    options.workers = p->settings->workers;
    return graft_loader_create(loader, p->job->dataset, graft_model_transform(model), &options);
}

static graft_status keep_views(graft_fit_phase *p, const graft_model *model, graft_set set, int view,
                               counted *c)
{
    graft_status status;
    graft_loader *loader = NULL;
    graft_progress progress = {add_up, c};
    GRAFT_TRY(open_views(&loader, p, model, set, view));
    GRAFT_TRY(graft_executor_keep(p->executor, loader, &progress));
    c->before = c->now;
out:
    graft_loader_free(loader);
    return status;
}

/* The passes over the training pictures: one of exact views, or one of each drawn view. */
static int last_pass(const graft_fit_phase *p)
{
    return p->keep.first == GRAFT_VIEW_PLAIN ? (p->keep.views > 0 ? 1 : 0) : GRAFT_VIEW_KEPT + p->keep.views;
}

/* The disk was full, or somebody has taken the file away. */
static void tell_trouble(graft_fit_phase *p)
{
    graft_fit_event event = {.kind = GRAFT_FIT_WORD, .phase = p->settings->name, .cache = p->keep.kind};
    if (!graft_keep_has_trouble(&p->keep, p->executor))
        return;
    event.word = p->keep.word;
    graft_fit_tell(p->job, &event);
}

graft_status graft_phase_keep(graft_fit_phase *p, const graft_model *model)
{
    graft_status status = GRAFT_OK;
    bool troubled = graft_keep_has_trouble(&p->keep, p->executor); /* and said by who met it */
    counted c = {p->job->options->progress, 0, 0, graft_keep_missing(&p->keep, p->executor)};
    if (!p->executor->features || (c.total == 0 && !p->executor->gram))
        return GRAFT_OK; /* the Gram form is told the views also where all are kept */
    for (int view = p->keep.first; view < last_pass(p); view++)
        GRAFT_TRY(keep_views(p, model, GRAFT_SET_TRAIN, view, &c));
    if (p->held_out)
        GRAFT_TRY(keep_views(p, model, GRAFT_SET_HELD_OUT, GRAFT_VIEW_PLAIN, &c));
    if (!troubled)
        tell_trouble(p);
out:
    if (status == GRAFT_ECANCELLED) {
        p->job->stopped = true;
        status = GRAFT_OK;
    }
    return status;
}

/* |f|^2 of each row of a batch, for which the backbone runs. */
static graft_status add_squares(graft_fit_phase *p, const graft_batch *batch, double *sum)
{
    graft_status status = GRAFT_OK;
    graft_executor *e = p->executor;
    for (int from = 0; from < batch->count; from += e->slice) {
        int count = batch->count - from < e->slice ? batch->count - from : e->slice;
        const graft_batch part = graft_batch_part(batch, from, count);
        GRAFT_TRY(graft_executor_gather(e, &part));
        for (int i = 0; i < count; i++)
            for (int cut = 0; cut < e->cut_count; cut++) {
                const float *row = e->cuts[cut].feed + (size_t)i * e->cuts[cut].count;
                for (size_t j = 0; j < e->cuts[cut].count; j++)
                    *sum += (double)row[j] * row[j];
            }
    }
out:
    return status;
}

static graft_status add_pass(graft_fit_phase *p, const graft_model *model, int view, double *sum,
                             size_t *rows)
{
    graft_status status;
    graft_loader *loader = NULL;
    graft_batch batch;
    GRAFT_TRY(open_views(&loader, p, model, GRAFT_SET_TRAIN, view));
    graft_executor_attach(p->executor, loader);
    while ((status = graft_loader_next(loader, &batch)) == GRAFT_OK && !p->job->stopped) {
        GRAFT_TRY(add_squares(p, &batch, sum));
        *rows += (size_t)batch.count;
        if (!p->executor->features)
            p->job->stopped = graft_phase_progress(p, "features", *rows,
                                                   graft_loader_samples(loader) * (size_t)p->keep.views);
    }
    if (status == GRAFT_DONE)
        status = GRAFT_OK;
out:
    graft_loader_free(loader);
    return status;
}

graft_status graft_phase_find_rate(graft_fit_phase *p, const graft_model *model)
{
    graft_status status = GRAFT_OK;
    double sum = 0.0;
    size_t rows = 0;
    for (int view = p->keep.first; view < last_pass(p) && !p->job->stopped; view++)
        GRAFT_TRY(add_pass(p, model, view, &sum, &rows));
    if (rows > 0 && sum > 0.0 && !p->job->stopped)
        p->rate = p->body_rate = 20.0 / (sum / (double)rows);
out:
    return status;
}
