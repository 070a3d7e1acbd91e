/* The whole job: what the options become, the folds, the probe, and the last phase. */
#include "train/fit.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <graft/tools.h>

#include "base/memory.h"
#include "base/status.h"
#include "image/augment.h"
#include "model/model.h"
#include "ops/op.h"

enum { MOST_VIEWS = 1000 };

void graft_fit_tell(graft_fit_job *job, const graft_fit_event *event)
{
    if (job->options->event && job->options->event(job->options->context, event))
        job->stopped = true;
}

/* ---- What trains ---- */

static bool trains_head_only(const graft_model *model)
{
    for (size_t i = 0; i < model->state.graph->count; i++) {
        const graft_node *node = &model->state.graph->nodes[i];
        if (node->trains && node->parameter_count > 0 && !graft_model_in_head(model, node))
            return false;
    }
    return true;
}

/* A clone in which the head alone trains. */
static graft_status clone_for_probe(graft_model **out, const graft_model *model)
{
    graft_status status;
    graft_model *probe = NULL;
    GRAFT_TRY(graft_model_clone(&probe, model));
    GRAFT_TRY(graft_model_freeze(probe, "*"));
    GRAFT_TRY(graft_model_unfreeze(probe, probe->head));
    *out = probe;
    probe = NULL;
out:
    graft_model_free(probe);
    return status;
}

/* ---- What AUTO becomes ---- */

static double or_default(double value, double otherwise)
{
    return value == GRAFT_AUTO ? otherwise : value;
}

static int or_int(int value, int otherwise)
{
    return value == GRAFT_AUTO ? otherwise : value;
}

/* A head of one linear layer is a linear probe; several, and SqueezeNet's convolution with its ReLU, start as
 * PyTorch's, drop out, and have a rate of their own. */
static bool is_linear_probe(const graft_model *model)
{
    int layers = 0, linear = 0;
    for (size_t i = 0; i < model->state.graph->count; i++) {
        const graft_node *node = &model->state.graph->nodes[i];
        if (graft_model_in_head(model, node) && node->parameter_count > 0) {
            layers++;
            linear += node->op == &graft_op_linear;
        }
    }
    return layers == 1 && linear == 1;
}

/* A head alone: measured starting points. */
static graft_phase_settings probe_settings(const graft_model *model, const graft_fit_options *o,
                                           size_t samples)
{
    double decay = 2.5 / (double)samples;
    bool linear = is_linear_probe(model);
    int threads = or_int(o->threads, graft_cores());
    graft_phase_settings s = {
        .name = "probe",
        .epochs = 50,
        .batch = or_int(o->batch, 32),
        .threads = threads,
        .workers = or_int(o->workers, graft_workers(threads)),
        .momentum = 0.9,
        .decay = decay < 0.01 ? decay : 0.01,
        .schedule = GRAFT_SCHEDULE_COSINE,
        .augment = graft_augment_flips,
        .rate = 0.01,
        .body_rate = 0.01,
        .batch_norm = GRAFT_BATCH_NORM_STILL,
        .loss = (graft_loss)o->loss,
        .label_smoothing = o->label_smoothing,
        .nesterov = o->nesterov,
        .gram = o->gram,
        .kernels = o->kernels,
        .find_rate = linear,
        .stochastic = !linear && o->stochastic,
        .seed = o->seed,
    };
    return s;
}

static void override(graft_phase_settings *s, const graft_fit_options *o)
{
    s->name = "train";
    s->epochs = or_int(o->epochs, s->epochs);
    s->find_rate = s->find_rate && o->rate == GRAFT_AUTO;
    s->rate = or_default(o->rate, s->rate);
    s->body_rate = or_default(o->body_rate, s->rate);
    s->momentum = or_default(o->momentum, s->momentum);
    s->decay = or_default(o->decay, s->decay);
    s->warmup = or_default(o->warmup, s->warmup);
    s->clip = or_default(o->clip, s->clip);
    s->schedule = (graft_schedule)or_int(o->schedule, (int)s->schedule);
    s->augment = o->augment ? *o->augment : s->augment;
    s->views = or_int(o->views, 0);
    s->batch_norm = (graft_batch_norm)o->batch_norm;
}

static graft_phase_settings head_settings(const graft_model *model, const graft_fit_options *o,
                                          size_t samples)
{
    graft_phase_settings s = probe_settings(model, o, samples);
    override(&s, o);
    return s;
}

static graft_phase_settings body_settings(const graft_model *model, const graft_fit_options *o,
                                          size_t samples)
{
    graft_phase_settings s = probe_settings(model, o, samples);
    s.epochs = 8;
    s.rate = 0.003;
    s.warmup = 0.1;
    s.clip = 1.0;
    s.decay = 1e-4;
    s.augment = graft_augment_crops;
    s.find_rate = false;
    s.choose = true;
    s.stochastic = o->stochastic;
    override(&s, o);
    return s;
}

/* ---- Phases ---- */

typedef struct fold {
    graft_fit_job *job;
    int number; /* from 0 */
} fold;

/* Of what happens in folds: the first one's plan, which is that of all, and words. */
static int relay(void *context, const graft_fit_event *event)
{
    const fold *f = context;
    graft_fit_event told = *event;
    told.phase = "folds";
    if ((event->kind == GRAFT_FIT_PLANNED && f->number == 0) || event->kind == GRAFT_FIT_WORD)
        graft_fit_tell(f->job, &told);
    return f->job->stopped;
}

/* One that ended early has no figures to compare with the others'. */
static void tell_fold(const fold *f, const graft_phase_result *result)
{
    bool ended = result->failure != GRAFT_OK;
    graft_fit_event event = {
        .kind = GRAFT_FIT_FOLD,
        .phase = "fold",
        .epoch = f->number + 1,
        .epochs = f->job->options->folds,
        .held_out_accuracy = ended ? NAN : result->held_out_accuracy,
        .held_out_loss = ended ? NAN : result->held_out_loss,
        .rate = result->rate,
        .word = ended ? result->cause : NULL,
    };
    graft_fit_tell(f->job, &event);
}

static graft_status run_fold(graft_fit_job *job, graft_model *model, const graft_phase_settings *settings,
                             graft_features *features, int number)
{
    graft_status status;
    graft_phase_result result = {.model = NULL};
    graft_fit_options quiet = *job->options;
    graft_fit_job inner = *job;
    fold f = {job, number};
    quiet.event = relay;
    quiet.context = &f;
    inner.options = &quiet;
    GRAFT_TRY(graft_dataset_fold(job->dataset, job->options->folds, number, job->options->seed));
    GRAFT_TRY(graft_phase_run(&inner, model, settings, features, &result));
    job->stopped |= inner.stopped;
    if (!inner.stopped)
        tell_fold(&f, &result);
out:
    graft_model_free(result.model);
    return status;
}

/* Of the training pictures, K times a part held out: honest figures from kept features, before the final
 * training. */
static graft_status run_folds(graft_fit_job *job, graft_model *probe, const graft_phase_settings *settings,
                              graft_features *features)
{
    graft_status status = GRAFT_OK;
    for (int i = 0; i < job->options->folds && status == GRAFT_OK && !job->stopped; i++)
        status = run_fold(job, probe, settings, features, i);
    graft_status restored = graft_dataset_fold(job->dataset, 0, -1, 0);
    return status == GRAFT_OK ? restored : status;
}

static void report_settings(graft_fit_report *report, const graft_phase_settings *s, int start)
{
    report->batch = s->batch;
    report->augment = s->augment;
    report->views = s->views;
    report->schedule = (int)s->schedule;
    report->start = start;
    report->threads = s->threads;
    report->workers = s->workers;
    report->momentum = s->momentum;
    report->decay = s->decay;
    report->warmup = s->warmup;
    report->clip = s->clip;
}

static graft_status run_last(graft_fit_job *job, graft_model **trained, graft_model *model,
                             const graft_phase_settings *settings, graft_features *features, int start)
{
    graft_phase_result result;
    graft_status status = graft_phase_run(job, model, settings, features, &result);
    if (status != GRAFT_OK)
        return status;
    graft_fit_report *report = job->report;
    report_settings(report, settings, start);
    report->rate = result.rate;
    report->gram = result.gram;
    report->body_rate = settings->find_rate ? result.rate : settings->body_rate;
    report->epochs = result.epochs;
    report->best_epoch = result.best_epoch;
    report->chosen = settings->choose && graft_dataset_set_count(job->dataset, GRAFT_SET_HELD_OUT, -1) > 0;
    report->failure = result.failure;
    if (result.failure != GRAFT_OK) /* its sentence is the last one again */
        graft_fail(result.failure, "%s", result.cause);
    *trained = result.model;
    return GRAFT_OK;
}

/* The probe's head goes into the model whose other layers will train. One that ended early is no start: what
 * was finite of it may be close to what was not. */
static graft_status run_probe(graft_fit_job *job, graft_model *model, graft_model *probe,
                              const graft_phase_settings *settings, graft_features *features)
{
    graft_phase_result result;
    graft_status status = graft_phase_run(job, probe, settings, features, &result);
    if (status != GRAFT_OK)
        return status;
    const graft_fit_event ended = {.kind = GRAFT_FIT_SHORT, .phase = settings->name, .word = result.cause};
    if (result.failure != GRAFT_OK)
        graft_fit_tell(job, &ended);
    else
        graft_state_take(&model->state, &result.model->state);
    graft_model_free(result.model);
    return GRAFT_OK;
}

/* What a phase keeps: of random views those that it draws once, which depend on the seed and the steps. */
static graft_status create_features(graft_features **features, graft_model *model, const graft_fit_job *job,
                                    const graft_phase_settings *settings)
{
    graft_status status;
    char *steps = NULL, *source = NULL;
    GRAFT_TRY(graft_augmentation_print(&steps, &settings->augment));
    GRAFT_TRY(graft_format(&source, "%s, seed %llu", steps, (unsigned long long)settings->seed));
    status = graft_features_create_for(features, model, job->dataset, settings->views, source);
out:
    free(source);
    free(steps);
    return status;
}

static graft_status check_views(const graft_phase_settings *s, const graft_fit_options *o)
{
    if (o->views == GRAFT_AUTO)
        return GRAFT_OK;
    if (o->views < 1 || o->views > MOST_VIEWS)
        return graft_fail(GRAFT_EARGUMENT, "%d views cannot be kept: 1 to %d can", o->views, MOST_VIEWS);
    if (graft_augmentation_views(&s->augment) > 0)
        return graft_fail(
            GRAFT_EARGUMENT,
            "views are drawn of a random augmentation, and these are exact: all of them are kept");
    return GRAFT_OK;
}

static int start_of(const graft_model *model, const graft_fit_options *o, bool head_only)
{
    if (o->start != GRAFT_FIT_AUTO)
        return o->start;
    return !head_only ? GRAFT_FIT_PROBE : is_linear_probe(model) ? GRAFT_FIT_ZERO : GRAFT_FIT_PYTORCH;
}

/* Zeros suit one linear layer only: anything else would never leave zero. */
static graft_status start_head(graft_model *model, int start, uint64_t seed)
{
    bool linear = is_linear_probe(model);
    if (start == GRAFT_FIT_KEEP)
        return GRAFT_OK;
    if (start == GRAFT_FIT_ZERO && !linear)
        return graft_fail(
            GRAFT_EARGUMENT,
            "a head that is more than one linear layer cannot start from zeros: it would stay there");
    return graft_model_start_head(
        model, start == GRAFT_FIT_PYTORCH || !linear ? GRAFT_START_PYTORCH : GRAFT_START_ZERO, seed);
}

static graft_status check_gram(const graft_model *model, const graft_phase_settings *last)
{
    if (last->gram != GRAFT_GRAM_ON)
        return GRAFT_OK;
    if (graft_augmentation_views(&last->augment) == 0 && last->views == 0)
        return graft_fail(GRAFT_EARGUMENT,
                          "the Gram form goes over kept views, and random ones are not kept");
    if (!graft_gram_possible(model))
        return graft_fail(GRAFT_EARGUMENT,
                          "the Gram form needs a linear layer that trains right above what is "
                          "frozen, and here there is none");
    return GRAFT_OK;
}

static graft_status run_all(graft_fit_job *job, graft_model **trained, graft_model *model)
{
    graft_status status;
    const graft_fit_options *o = job->options;
    graft_model *probe = NULL;
    graft_features *features = NULL;
    bool head_only = trains_head_only(model);
    int start = start_of(model, o, head_only);
    size_t samples = graft_dataset_set_count(job->dataset, GRAFT_SET_TRAIN, -1);
    graft_phase_settings probe_phase = probe_settings(model, o, samples);
    graft_phase_settings last =
        head_only ? head_settings(model, o, samples) : body_settings(model, o, samples);
    GRAFT_TRY(check_views(&last, o));
    GRAFT_TRY(check_gram(model, &last));
    GRAFT_TRY(start_head(model, start, o->seed));
    if (head_only || start == GRAFT_FIT_PROBE || o->folds > 0) {
        GRAFT_TRY(clone_for_probe(&probe, model));
        GRAFT_TRY(create_features(&features, probe, job, head_only ? &last : &probe_phase));
    }
    if (o->folds > 0)
        GRAFT_TRY(run_folds(job, probe, head_only ? &last : &probe_phase, features));
    if (start == GRAFT_FIT_PROBE && !job->stopped)
        GRAFT_TRY(run_probe(job, model, probe, &probe_phase, features));
    if (!head_only) {
        graft_features_release(features);
        features = NULL;
        job->report->backbone = (graft_kernels_choice){.seconds = 0.0}; /* the frozen part is another */
        GRAFT_TRY(create_features(&features, model, job, &last));
    }
    GRAFT_TRY(run_last(job, trained, model, &last, features, start));
    if (head_only) {
        job->report->features = features;
        features = NULL;
    }
out:
    graft_features_release(features);
    graft_model_free(probe);
    return status;
}

/* A rate may be 0 and infinity is a number too large for a float: training tells. */
static graft_status check_numbers(const graft_fit_options *o)
{
    const double numbers[] = {o->rate, o->body_rate, o->momentum, o->decay, o->warmup, o->clip};
    static const char *const names[] = {"rate", "body rate", "momentum", "decay", "warm-up", "clip"};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (!(numbers[i] >= 0) && numbers[i] != GRAFT_AUTO)
            return graft_fail(GRAFT_EARGUMENT, "a %s of %g is not possible", names[i], numbers[i]);
    if (o->batch != GRAFT_AUTO && o->batch < 1)
        return graft_fail(GRAFT_EARGUMENT, "a batch of %d is not possible", o->batch);
    if (o->epochs != GRAFT_AUTO && o->epochs < 0)
        return graft_fail(GRAFT_EARGUMENT, "%d epochs are not possible", o->epochs);
    return GRAFT_OK;
}

/* As graft_check_choice, where GRAFT_AUTO may be asked for too. */
static graft_status check_auto(const char *what, int value, int last)
{
    return value == GRAFT_AUTO ? GRAFT_OK : graft_check_choice(what, value, last);
}

static graft_status check_choices(const graft_fit_options *o)
{
    graft_status status;
    GRAFT_TRY(check_auto("kind of cache", o->cache.kind, GRAFT_CACHE_DISK));
    GRAFT_TRY(check_auto("schedule", o->schedule, GRAFT_SCHEDULE_CONSTANT));
    GRAFT_TRY(check_auto("start", o->start, GRAFT_FIT_KEEP));
    GRAFT_TRY(check_auto("use of the Gram form", o->gram, GRAFT_GRAM_ON));
    GRAFT_TRY(graft_check_choice("way of batch norm", o->batch_norm, GRAFT_BATCH_NORM_TRAIN));
    GRAFT_TRY(graft_check_choice("loss", o->loss, GRAFT_NLL));
out:
    return status;
}

/* Labels are places in the model's list of classes. */
static graft_status check_classes(const graft_model *model, const graft_dataset *dataset)
{
    if (model->class_count != graft_dataset_class_count(dataset))
        return graft_fail(GRAFT_ESHAPE, "the model has %zu classes and the pictures %zu", model->class_count,
                          graft_dataset_class_count(dataset));
    for (size_t i = 0; model->classes && i < model->class_count; i++)
        if (strcmp(model->classes[i], graft_dataset_class(dataset, i)) != 0)
            return graft_fail(GRAFT_EARGUMENT, "class %zu is %s in the model and %s among the pictures", i,
                              model->classes[i], graft_dataset_class(dataset, i));
    return GRAFT_OK;
}

static graft_status check_fit(const graft_model *model, const graft_dataset *dataset,
                              const graft_fit_options *o)
{
    graft_status status;
    GRAFT_TRY(check_classes(model, dataset));
    GRAFT_TRY(check_numbers(o));
    GRAFT_TRY(check_choices(o));
    if (graft_dataset_set_count(dataset, GRAFT_SET_TRAIN, -1) == 0)
        return graft_fail(GRAFT_EARGUMENT, "there is no picture to train on");
    if (o->augment)
        status = graft_augment_check(o->augment);
out:
    return status;
}

graft_status graft_fit(graft_model **trained, graft_model *model, graft_dataset *dataset,
                       const graft_fit_options *options, graft_fit_report *report)
{
    graft_status status;
    graft_model *own = NULL;
    graft_fit_report ignored = {0};
    graft_fit_job job = {.options = options, .dataset = dataset, .report = report ? report : &ignored};
    *job.report = ignored;
    GRAFT_TRY(check_fit(model, dataset, options));
    GRAFT_TRY(graft_model_clone(&own, model));
    GRAFT_TRY(graft_model_select(own, options->trainable, options->trainable_count, options->freeze,
                                 options->freeze_count));
    GRAFT_TRY(run_all(&job, trained, own));
    job.report->stopped = job.stopped;
out:
    graft_features_release(ignored.features);
    graft_model_free(own);
    return status;
}
