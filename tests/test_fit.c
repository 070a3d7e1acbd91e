/* The whole job on a small network and pictures made on the spot: what is kept of the epochs, where it stops,
 * and that the same seed gives the same bytes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <math.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include "asserts.h"
#include "pictures.h"
#include "tiny.h"
#include "winograd.h"

#include "base/memory.h"
#include "image/augment.h"
#include "train/executor.h"
#include "train/schedule.h"

enum { EACH = 10, TRAINED = 24, EVENTS = 256 };

static const char *const names[TINY_CLASSES] = {"blue", "green", "red"};

/* ---- Pictures and models ---- */

/* A class is a colour; light and grain are any. */
static void make_coloured(const char *path, int label, uint32_t number)
{
    char bytes[32 + PICTURE_BYTES];
    int size = sprintf(bytes, "P6 %d %d 255\n", PICTURE_WIDTH, PICTURE_HEIGHT);
    uint32_t state = number * 2654435761U + 1, light = 20 + number * 37 % 50;
    for (int i = 0; i < PICTURE_BYTES; i++) {
        state = state * 1664525 + 1013904223;
        bytes[size++] = (char)(uint8_t)(light + (state >> 24) % 40 + (i % 3 == 2 - label ? 140 : 0));
    }
    make_file(path, bytes, (size_t)size);
}

static int setup(void **state)
{
    if (enter_folder(state) != 0)
        return -1;
    for (int label = 0; label < TINY_CLASSES; label++)
        for (int i = 0; i < EACH; i++) {
            char path[64];
            snprintf(path, sizeof path, "data/%s/%02d.ppm", names[label], i);
            make_coloured(path, label, (uint32_t)(label * EACH + i));
        }
    return 0;
}

static graft_dataset *open_held_out(double fraction)
{
    graft_dataset *dataset = NULL;
    graft_dataset_options options = GRAFT_DATASET_OPTIONS_INIT;
    options.held_out = fraction;
    assert_ok(graft_dataset_open(&dataset, "data", &options));
    return dataset;
}

static graft_dataset *open_data(void)
{
    graft_dataset *dataset = open_held_out(GRAFT_AUTO);
    assert_int_equal(graft_dataset_set_count(dataset, GRAFT_SET_TRAIN, -1), TRAINED);
    return dataset;
}

static graft_model *open_model(void)
{
    graft_model *model = NULL;
    assert_ok(tiny_create(&model, 1));
    assert_ok(graft_model_name_classes(model, names, TINY_CLASSES));
    return model;
}

/* What leaves the frozen part times about so much. */
static graft_model *open_scaled_model(float scale)
{
    graft_model *model = open_model();
    const graft_node *norm = graft_graph_find(model->state.graph, "_bn1");
    graft_tensor *gamma = model->state.tensors[norm->first_tensor + graft_node_parameter(norm, "weight")];
    for (size_t i = 0; i < gamma->bytes / sizeof(float); i++)
        ((float *)gamma->data)[i] = scale;
    return model;
}

static graft_fit_options options_of(int epochs)
{
    graft_fit_options options = GRAFT_FIT_OPTIONS_INIT;
    options.epochs = epochs;
    options.batch = 10; /* the last batch of an epoch is short */
    options.threads = 1;
    options.workers = 2;
    return options;
}

static const char *const everything[] = {"all"};

static graft_fit_options all_layers(int epochs)
{
    graft_fit_options options = options_of(epochs);
    options.trainable = everything;
    options.trainable_count = 1;
    return options;
}

/* ---- Watching ---- */

typedef struct watcher {
    graft_fit_event events[EVENTS];
    int count;
    char words[EVENTS][256]; /* of the events: theirs are borrowed */
    const char *stop_phase;  /* NULL: never */
    int stop_epoch;          /* 0: when it is planned */
} watcher;

static int watch(void *context, const graft_fit_event *event)
{
    watcher *w = context;
    assert_true(w->count < EVENTS);
    snprintf(w->words[w->count], sizeof w->words[0], "%s", event->word ? event->word : "");
    w->events[w->count++] = *event;
    return w->stop_phase && strcmp(event->phase, w->stop_phase) == 0 && event->epoch == w->stop_epoch;
}

static int count_kind(const watcher *w, graft_fit_event_kind kind, const char *phase)
{
    int count = 0;
    for (int i = 0; i < w->count; i++)
        count += w->events[i].kind == kind && (!phase || strcmp(w->events[i].phase, phase) == 0);
    return count;
}

/* The first event of a kind in a phase. */
static int find_event(const watcher *w, graft_fit_event_kind kind, const char *phase)
{
    for (int i = 0; i < w->count; i++)
        if (w->events[i].kind == kind && strcmp(w->events[i].phase, phase) == 0)
            return i;
    fail_msg("there was no event %d in %s", (int)kind, phase);
    return 0;
}

/* Takes the dataset and the model. */
static graft_model *fit_with(graft_dataset *dataset, graft_model *model, graft_fit_options *options,
                             watcher *w, graft_fit_report *report)
{
    graft_model *trained = NULL;
    if (w) {
        options->event = watch;
        options->context = w;
    }
    assert_ok(graft_fit(&trained, model, dataset, options, report));
    graft_model_free(model);
    graft_dataset_free(dataset);
    return trained;
}

static graft_model *fit(graft_fit_options *options, watcher *w, graft_fit_report *report)
{
    return fit_with(open_data(), open_model(), options, w, report);
}

static void check_finite(const graft_model *model)
{
    for (size_t i = 0; i < graft_model_tensor_count(model); i++) {
        int64_t nans, infinite;
        graft_tensor_view view = graft_model_tensor(model, i);
        graft_tensor_count_nonfinite(&view, &nans, &infinite);
        assert_true(nans == 0 && infinite == 0);
    }
}

static bool same_weights(const graft_model *a, const graft_model *b)
{
    for (size_t i = 0; i < graft_model_tensor_count(a); i++) {
        graft_tensor_view x = graft_model_tensor(a, i), y = graft_model_tensor(b, i);
        if (memcmp(x.data, y.data, x.bytes) != 0)
            return false;
    }
    return true;
}

/* Accuracy and mean loss on the held-out pictures. */
static void evaluate(graft_model *model, double *accuracy, double *loss)
{
    graft_dataset *dataset = open_data();
    graft_executor *e = NULL;
    graft_loader *loader = NULL;
    graft_batch batch;
    graft_executor_options run = GRAFT_EXECUTOR_OPTIONS_INIT;
    graft_loader_options load = GRAFT_LOADER_OPTIONS_INIT;
    int right = 0, count = 0;
    run.batch = 0;
    run.threads = 1;
    load.set = GRAFT_SET_HELD_OUT;
    load.shuffle = false;
    *loss = 0;
    assert_ok(graft_executor_create(&e, model, &run));
    assert_ok(graft_loader_create(&loader, dataset, graft_model_transform(model), &load));
    while (graft_loader_next(loader, &batch) == GRAFT_OK) {
        assert_ok(graft_executor_forward(e, &batch));
        for (int i = 0; i < batch.count; i++) {
            float row[TINY_CLASSES];
            memcpy(row, graft_executor_logits(e) + i * TINY_CLASSES, sizeof row);
            graft_softmax(row, 1, TINY_CLASSES);
            int best = 0;
            for (int k = 1; k < TINY_CLASSES; k++)
                best = row[k] > row[best] ? k : best;
            right += best == batch.labels[i];
            *loss -= log((double)row[batch.labels[i]]);
            count++;
        }
    }
    *accuracy = (double)right / count;
    *loss /= count;
    graft_loader_free(loader);
    graft_executor_free(e);
    graft_dataset_free(dataset);
}

/* ---- The schedule ---- */

static void check_factor(graft_schedule schedule, double warmup, long step, long steps, double expected)
{
    assert_true(fabs(graft_schedule_factor(schedule, warmup, step, steps) - expected) < 1e-12);
}

static void test_schedule(void **state)
{
    (void)state;
    check_factor(GRAFT_SCHEDULE_COSINE, 0, 0, 10, 1);
    check_factor(GRAFT_SCHEDULE_COSINE, 0, 5, 10, 0.5);
    check_factor(GRAFT_SCHEDULE_COSINE, 0, 9, 10, 0.5 * (1 + cos(0.9 * 3.14159265358979323846)));
    check_factor(GRAFT_SCHEDULE_COSINE, 0.2, 0, 10, 0.5);
    check_factor(GRAFT_SCHEDULE_COSINE, 0.2, 1, 10, 1);
    check_factor(GRAFT_SCHEDULE_COSINE, 0.2, 2, 10, 1);
    check_factor(GRAFT_SCHEDULE_COSINE, 0.2, 6, 10, 0.5);
    check_factor(GRAFT_SCHEDULE_CONSTANT, 0, 7, 10, 1);
    check_factor(GRAFT_SCHEDULE_CONSTANT, 0.3, 1, 10, 2.0 / 3);
    check_factor(GRAFT_SCHEDULE_CONSTANT, 0.3, 3, 10, 1);
    check_factor(GRAFT_SCHEDULE_COSINE, 1, 9, 10, 1);
    check_factor(GRAFT_SCHEDULE_COSINE, 0.1, 0, 1, 1);
}

/* ---- A head ---- */

static double mean_square_of_features(const graft_features *features)
{
    graft_dataset *dataset = open_data();
    double sum = 0;
    int rows = 0;
    for (size_t i = 0; i < graft_dataset_count(dataset); i++)
        for (int view = 0; graft_dataset_sample(dataset, i).set == GRAFT_SET_TRAIN && view < 2; view++) {
            const float *row = graft_features_find(features, (int)i, view);
            assert_non_null(row);
            for (size_t j = 0; j < graft_features_row(features); j++)
                sum += (double)row[j] * row[j];
            rows++;
        }
    graft_dataset_free(dataset);
    assert_int_equal(rows, 2 * TRAINED);
    return sum / rows;
}

static void test_a_head_learns(void **state)
{
    static watcher w;
    graft_fit_report report;
    graft_fit_options options = options_of(GRAFT_AUTO);
    double accuracy, loss;
    (void)state;
    w = (watcher){.count = 0};
    graft_model *trained = fit(&options, &w, &report);
    evaluate(trained, &accuracy, &loss);
    assert_true(accuracy == 1 && loss < 0.3);
    assert_int_equal(report.epochs, 50);
    assert_int_equal(report.best_epoch, 50); /* of a probe the last epoch is kept */
    assert_int_equal(report.start, GRAFT_FIT_ZERO);
    assert_true(!report.chosen && !report.stopped && report.failure == GRAFT_OK);
    assert_true(report.momentum == 0.9 && report.warmup == 0 && report.clip == 0 && report.decay == 0.01);
    assert_true(fabs(report.rate * mean_square_of_features(report.features) / 20 - 1) < 1e-9);
    assert_int_equal(w.count, 51);
    assert_int_equal(w.events[0].kind, GRAFT_FIT_PLANNED);
    assert_int_equal(w.events[0].views, 2 * TRAINED + TINY_CLASSES * EACH - TRAINED);
    assert_int_equal(w.events[0].trained, 33 * TINY_CLASSES);
    assert_true(!w.events[0].every_epoch && w.events[0].planned > w.events[0].memory.workspace);
    for (int epoch = 1; epoch <= 50; epoch++) { /* of three steps: the last one's rate */
        double factor = graft_schedule_factor(GRAFT_SCHEDULE_COSINE, 0, 3 * epoch - 1, 150);
        assert_true(fabs(w.events[epoch].rate / report.rate / factor - 1) < 1e-9);
    }
    assert_true(fabs(w.events[1].loss - log(3)) < 0.5 && w.events[50].loss < w.events[1].loss);
    assert_true(fabs(w.events[50].held_out_loss - loss) < 1e-5 && w.events[50].held_out_accuracy == accuracy);
    graft_features_release(report.features);
    graft_model_free(trained);
}

/* The layers of a head that starts as they were made are not made again. */
static void test_a_head_of_layers_is_not_drawn_again(void **state)
{
    static const int starts[] = {GRAFT_FIT_AUTO, GRAFT_FIT_PYTORCH, GRAFT_FIT_KEEP};
    graft_dataset *dataset = open_data();
    graft_model *model = open_model(), *trained = NULL;
    graft_fit_report report;
    (void)state;
    assert_ok(graft_model_replace_head(model, "linear(8) relu linear", names, TINY_CLASSES, GRAFT_START_ZERO,
                                       options_of(0).seed));
    for (int i = 0; i < 3; i++) {
        graft_fit_options options = options_of(0);
        options.start = starts[i];
        assert_ok(graft_fit(&trained, model, dataset, &options, &report));
        for (int j = 0; j < model->state.graph->tensor_count; j++)
            assert_ptr_equal(trained->state.tensors[j], model->state.tensors[j]);
        assert_int_equal(report.start, i < 2 ? GRAFT_FIT_PYTORCH : GRAFT_FIT_KEEP);
        graft_features_release(report.features);
        graft_model_free(trained);
    }
    graft_model_free(model);
    graft_dataset_free(dataset);
}

/* ---- All layers ---- */

static void test_the_best_epoch_is_kept(void **state)
{
    static watcher w;
    graft_fit_report report;
    graft_fit_options options = all_layers(6);
    double accuracy, loss;
    int best = -1, probes = 0, trains = 0;
    (void)state;
    w = (watcher){.count = 0};
    options.rate = 0.05;
    graft_model *trained = fit(&options, &w, &report);
    for (int i = 0; i < w.count; i++) {
        const graft_fit_event *e = &w.events[i], *b = best < 0 ? NULL : &w.events[best];
        probes += e->kind == GRAFT_FIT_EPOCH && strcmp(e->phase, "probe") == 0;
        if (e->kind != GRAFT_FIT_EPOCH || strcmp(e->phase, "train") != 0)
            continue;
        trains++;
        if (!b || e->held_out_accuracy > b->held_out_accuracy ||
            (e->held_out_accuracy == b->held_out_accuracy && e->held_out_loss < b->held_out_loss))
            best = i;
    }
    assert_int_equal(probes, 50);
    assert_int_equal(trains, 6);
    assert_true(report.chosen);
    assert_int_equal(report.start, GRAFT_FIT_PROBE);
    assert_int_equal(report.best_epoch, w.events[best].epoch);
    assert_true(report.clip == 1 && report.warmup == 0.1 && report.decay == 1e-4 && report.body_rate == 0.05);
    evaluate(trained, &accuracy, &loss);
    assert_true(accuracy == w.events[best].held_out_accuracy);
    assert_true(fabs(loss - w.events[best].held_out_loss) < 1e-4 * (1 + loss));
    assert_null(report.features);
    graft_model_free(trained);
}

/* ---- Stopping ---- */

static void check_stop(graft_fit_options options, const char *phase, int epoch, int epochs)
{
    static watcher w;
    graft_fit_report report;
    w = (watcher){.stop_phase = phase, .stop_epoch = epoch};
    graft_model *trained = fit(&options, &w, &report);
    assert_true(report.stopped && report.failure == GRAFT_OK);
    assert_int_equal(report.epochs, epochs);
    check_finite(trained);
    graft_features_release(report.features);
    graft_model_free(trained);
}

static void test_stopping(void **state)
{
    (void)state;
    check_stop(options_of(9), "train", 0, 0);
    check_stop(options_of(9), "train", 3, 3);
    check_stop(all_layers(4), "probe", 0, 0);
    check_stop(all_layers(4), "probe", 5, 0);
    check_stop(all_layers(4), "train", 2, 2);
}

static int stop_within(void *context, const char *what, size_t done, size_t total)
{
    int *left = context;
    assert_true(what && done <= total);
    return --*left <= 0;
}

static void test_stopping_within_an_epoch(void **state)
{
    (void)state;
    for (int calls = 1; calls < 16; calls += 3) {
        graft_fit_report report;
        graft_fit_options options = options_of(9);
        int left = calls;
        options.progress = (graft_progress){stop_within, &left};
        graft_model *trained = fit(&options, NULL, &report);
        assert_true(report.stopped && report.epochs < 9);
        check_finite(trained);
        graft_features_release(report.features);
        graft_model_free(trained);
    }
}

/* ---- What goes wrong ---- */

static void check_divergence(graft_fit_options options, double held_out, const char *what)
{
    graft_fit_report report;
    double accuracy, loss;
    graft_model *trained = fit_with(open_held_out(held_out), open_scaled_model(30), &options, NULL, &report);
    assert_int_equal(report.failure, GRAFT_EDIVERGED);
    if (!strstr(graft_error_message(), what))
        fail_msg("%s: not as expected", graft_error_message());
    check_finite(trained);
    evaluate(trained, &accuracy, &loss);
    assert_true(isfinite(loss));
    graft_features_release(report.features);
    graft_model_free(trained);
}

static void test_divergence_keeps_the_last_good_weights(void **state)
{
    (void)state;
    graft_fit_options head = options_of(5), all = all_layers(5), last_step = options_of(1);
    head.rate = 1e38;
    all.rate = 1e30;
    all.clip = 0;
    last_step.rate = 1e38; /* one step in all: its loss is fine, what it leaves is not */
    last_step.momentum = 0;
    last_step.decay = 0;
    last_step.batch = TINY_CLASSES * EACH;
    last_step.start = GRAFT_FIT_PYTORCH;
    check_divergence(head, GRAFT_AUTO, "behind step");
    check_divergence(all, GRAFT_AUTO, "behind step");
    /* the weights are finite, and what they give is not */
    check_divergence(last_step, GRAFT_AUTO, "the held-out loss is not a finite number behind step 1 (");
    check_divergence(last_step, 0, "the model's output is not a finite number behind step 1 (");
    last_step.rate = 1e39; /* infinite as a float */
    check_divergence(last_step, GRAFT_AUTO, "_fc.weight is not a finite number behind step 1 (");
}

/* Features are so small that the rate which suits them, times the decay, is far beyond what is stable. It is
 * said, and training goes on from where it would have begun without. */
static void test_a_probe_that_diverges(void **state)
{
    static const char *const block[] = {"_blocks.0"};
    static watcher w;
    graft_fit_report report, without_report;
    graft_fit_options options = options_of(2), without = options;
    (void)state;
    options.trainable = without.trainable = block;
    options.trainable_count = without.trainable_count = 1;
    options.start = GRAFT_FIT_PROBE;
    without.start = GRAFT_FIT_ZERO;
    w = (watcher){.count = 0};
    graft_model *a = fit_with(open_data(), open_scaled_model(1e-3F), &options, &w, &report);
    graft_model *b = fit_with(open_data(), open_scaled_model(1e-3F), &without, NULL, &without_report);
    assert_int_equal(count_kind(&w, GRAFT_FIT_SHORT, NULL), 1);
    assert_non_null(strstr(w.words[find_event(&w, GRAFT_FIT_SHORT, "probe")], "not a finite number"));
    assert_true(count_kind(&w, GRAFT_FIT_EPOCH, "probe") < 50);
    assert_int_equal(count_kind(&w, GRAFT_FIT_EPOCH, "train"), 2);
    assert_int_equal(report.failure, GRAFT_OK);
    assert_true(same_weights(a, b));
    graft_model_free(a);
    graft_model_free(b);
}

/* A fold that diverges has no figures, and says why. */
static void test_folds_that_diverge(void **state)
{
    static watcher w;
    graft_fit_report report;
    graft_fit_options options = options_of(3);
    (void)state;
    options.rate = 1e38;
    options.folds = 3;
    w = (watcher){.count = 0};
    graft_model *trained = fit(&options, &w, &report);
    assert_int_equal(count_kind(&w, GRAFT_FIT_FOLD, "fold"), 3);
    for (int i = 0; i < w.count; i++)
        if (w.events[i].kind == GRAFT_FIT_FOLD) {
            assert_non_null(strstr(w.words[i], "not a finite number"));
            assert_true(isnan(w.events[i].held_out_loss) && isnan(w.events[i].held_out_accuracy));
        }
    assert_int_equal(report.failure, GRAFT_EDIVERGED);
    graft_features_release(report.features);
    graft_model_free(trained);
}

static void test_a_picture_that_has_gone(void **state)
{
    graft_dataset *dataset = open_data();
    graft_model *model = open_model(), *trained = NULL;
    graft_fit_options options = options_of(3);
    (void)state;
    assert_int_equal(rename("data/green/04.ppm", "gone"), 0);
    graft_status status = graft_fit(&trained, model, dataset, &options, NULL);
    assert_int_equal(rename("gone", "data/green/04.ppm"), 0);
    assert_int_equal(status, GRAFT_EIO);
    assert_non_null(strstr(graft_error_message(), "04.ppm"));
    assert_null(trained);
    graft_model_free(model);
    graft_dataset_free(dataset);
}

static void test_arguments(void **state)
{
    static const char *const other[TINY_CLASSES] = {"green", "blue", "red"};
    graft_dataset *dataset = open_data();
    graft_model *model = open_model(), *trained = NULL;
    enum { BAD = 17 };
    graft_fit_options bad[BAD];
    (void)state;
    for (int i = 0; i < BAD; i++)
        bad[i] = options_of(2);
    bad[0].epochs = -3;
    bad[1].batch = 0;
    bad[2].trainable = bad[2].freeze = everything;
    bad[2].trainable_count = bad[2].freeze_count = 1;
    bad[3].folds = 1;
    bad[4].rate = NAN;
    bad[5].schedule = 2;
    bad[6].start = GRAFT_FIT_KEEP + 1;
    bad[7].gram = -2;
    bad[8].batch_norm = 2;
    bad[9].loss = -1;
    bad[10].cache.kind = GRAFT_CACHE_DISK + 1;
    bad[11].kernels = (graft_kernels)99;
    bad[12].augment = bad[13].augment = bad[14].augment = &graft_augment_crops;
    bad[12].views = 0;
    bad[13].views = -2;
    bad[14].views = 1001;
    bad[15].views = 3; /* of exact ones */
    bad[16].precision = GRAFT_F16;
    for (int i = 0; i < BAD; i++)
        if (graft_fit(&trained, model, dataset, &bad[i], NULL) != GRAFT_EARGUMENT)
            fail_msg("bad argument %d was taken", i);
    graft_fit_options good = options_of(2);
    assert_ok(graft_model_name_classes(model, other, TINY_CLASSES));
    assert_int_equal(graft_fit(&trained, model, dataset, &good, NULL), GRAFT_EARGUMENT);
    assert_ok(graft_model_replace_head(model, NULL, names, 2, GRAFT_START_ZERO, 0));
    assert_int_equal(graft_fit(&trained, model, dataset, &good, NULL), GRAFT_ESHAPE);
    assert_null(trained);
    graft_model_free(model);
    graft_dataset_free(dataset);
}

/* ---- Folds ---- */

/* Folds leave the sets, and what is trained behind them, as they would be without. */
static void test_folds_leave_no_trace(void **state)
{
    static watcher w;
    graft_fit_report with_report, without_report;
    graft_fit_options with = options_of(3), without = options_of(3);
    int folds = 0;
    (void)state;
    with.folds = 4;
    w = (watcher){.count = 0};
    graft_model *a = fit(&with, &w, &with_report), *b = fit(&without, NULL, &without_report);
    for (int i = 0; i < w.count; i++)
        if (w.events[i].kind == GRAFT_FIT_FOLD) {
            assert_int_equal(w.events[i].epoch, ++folds);
            assert_int_equal(w.events[i].epochs, 4);
            assert_in_range(w.events[i].held_out_accuracy * 100, 0, 100);
        }
    assert_int_equal(folds, 4);
    assert_true(with_report.rate == without_report.rate);
    assert_true(same_weights(a, b));
    graft_features_release(with_report.features);
    graft_features_release(without_report.features);
    graft_model_free(a);
    graft_model_free(b);
}

/* ---- The same bytes ---- */

static void test_the_same_seed(void **state)
{
    graft_model *models[5];
    (void)state;
    for (int i = 0; i < 5; i++) {
        static const int workers[] = {1, 2, 4, 0, 2};
        graft_fit_options options = all_layers(2);
        options.workers = workers[i];
        options.seed = i == 4 ? 1 : 0;
        models[i] = fit(&options, NULL, NULL);
    }
    for (int i = 1; i < 5; i++)
        assert_true(same_weights(models[i], models[0]) == (i < 4));
    for (int i = 0; i < 5; i++)
        graft_model_free(models[i]);
}

/* Wherever features are kept, and found again, training has the same bits. */
static void test_where_features_are_kept(void **state)
{
    static const int kinds[] = {GRAFT_CACHE_NONE, GRAFT_CACHE_MEMORY, GRAFT_CACHE_DISK, GRAFT_CACHE_AUTO};
    (void)state;
    for (int all = 0; all < 2; all++) {
        graft_model *models[4];
        for (int i = 0; i < 4; i++) {
            static watcher w;
            graft_fit_report report;
            graft_fit_options options = all ? all_layers(2) : options_of(3);
            int expected = kinds[i] == GRAFT_CACHE_AUTO ? GRAFT_CACHE_DISK : kinds[i];
            bool there = i == 3 || (all && i == 2);
            w = (watcher){.count = 0};
            options.cache = (graft_cache){kinds[i], "kept/features", GRAFT_CACHE_SIZE};
            models[i] = fit(&options, &w, &report);
            assert_int_equal(w.events[0].cache, expected);
            assert_int_equal(report.cache, expected);
            assert_int_equal(w.events[0].views, expected ? 2 * TRAINED + 6 : 0);
            assert_int_equal(w.events[0].found, there ? 2 * TRAINED + 6 : 0);
            graft_features_release(report.features);
        }
        for (int i = 1; i < 4; i++)
            assert_true(same_weights(models[i], models[0]));
        for (int i = 0; i < 4; i++)
            graft_model_free(models[i]);
    }
}

/* ---- A cache that cannot be written ---- */

/* One word, in folds too, and the same bits as without a cache. */
static void check_word(graft_fit_options options, const char *phase, const char *word)
{
    static watcher w;
    graft_fit_report report, without_report;
    graft_fit_options without = options;
    struct rlimit old, tight = {6000, RLIM_INFINITY};
    int said = 0;
    options.cache = (graft_cache){GRAFT_CACHE_DISK, "full/features", GRAFT_CACHE_SIZE};
    w = (watcher){.count = 0};
    getrlimit(RLIMIT_FSIZE, &old);
    tight.rlim_max = old.rlim_max;
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &tight);
    graft_model *trained = fit_with(open_held_out(0), open_model(), &options, &w, &report);
    setrlimit(RLIMIT_FSIZE, &old);
    signal(SIGXFSZ, SIG_DFL);
    graft_model *plain = fit_with(open_held_out(0), open_model(), &without, NULL, &without_report);
    for (int i = 0; i < w.count; i++)
        said += w.words[i][0] != 0;
    assert_int_equal(said, 1);
    assert_non_null(strstr(w.words[find_event(&w, GRAFT_FIT_WORD, phase)], word));
    assert_true(same_weights(trained, plain));
    assert_int_equal(system("rm -rf full"), 0);
    graft_features_release(report.features);
    graft_features_release(without_report.features);
    graft_model_free(trained);
    graft_model_free(plain);
}

static void test_a_full_disk(void **state)
{
    static const char full[] = "cannot be written any more: File too large; what is new is kept in memory";
    graft_fit_options plain = options_of(3), folds = plain, gram = plain;
    (void)state;
    folds.folds = gram.folds = 3;
    gram.gram = GRAFT_GRAM_ON;
    check_word(plain, "train", full);
    check_word(folds, "folds", full);
    check_word(gram, "folds", full);
}

/* Below a file there is no folder, for nobody. */
static void test_a_folder_that_cannot_be(void **state)
{
    static watcher w;
    graft_fit_report report;
    graft_fit_options options = options_of(2);
    (void)state;
    make_text("a-file", "");
    options.cache = (graft_cache){GRAFT_CACHE_DISK, "a-file/features", GRAFT_CACHE_SIZE};
    w = (watcher){.count = 0};
    graft_model *trained = fit(&options, &w, &report);
    assert_int_equal(w.events[0].kind, GRAFT_FIT_PLANNED);
    assert_int_equal(w.events[0].cache, GRAFT_CACHE_MEMORY);
    assert_non_null(strstr(w.words[0], "a-file"));
    assert_int_equal(count_kind(&w, GRAFT_FIT_WORD, NULL), 0);
    graft_features_release(report.features);
    graft_model_free(trained);
}

/* ---- Memory that is told ---- */

/* Products of features are in memory, wherever the features are. */
static void test_memory_of_the_gram_form(void **state)
{
    static const int kinds[] = {GRAFT_CACHE_MEMORY, GRAFT_CACHE_DISK};
    (void)state;
    for (int i = 0; i < 2; i++) {
        static watcher w;
        graft_fit_report report;
        graft_fit_options options = options_of(1);
        w = (watcher){.count = 0};
        options.gram = GRAFT_GRAM_ON;
        options.cache = (graft_cache){kinds[i], "gram/features", GRAFT_CACHE_SIZE};
        graft_model *trained = fit(&options, &w, &report);
        const graft_fit_event *plan = &w.events[0];
        const graft_memory *m = &plan->memory;
        size_t in_memory = m->products_each + (i == 0 ? m->features_each : 0);
        assert_true(plan->gram);
        assert_int_equal(m->features_each, 32 * sizeof(float));
        assert_int_equal(m->products_each, (2 * TRAINED + TINY_CLASSES) * sizeof(float));
        assert_int_equal(plan->planned, m->weights + m->workspace + plan->views * in_memory);
        graft_features_release(report.features);
        graft_model_free(trained);
    }
}

/* ---- Kernels ---- */

/* What is measured is measured once for each frozen part: a probe's is larger than that of a training below
 * the head. */
static void test_each_frozen_part_is_measured(void **state)
{
    static const char *const block[] = {"_conv_head"};
    static watcher w;
    graft_fit_report report;
    graft_fit_options options = options_of(1);
    (void)state;
    options.kernels = GRAFT_KERNELS_MEASURE;
    options.folds = 2;
    options.trainable = block;
    options.trainable_count = 1;
    w = (watcher){.count = 0};
    graft_model *trained = fit(&options, &w, &report);
    double folds = w.events[find_event(&w, GRAFT_FIT_PLANNED, "folds")].backbone.seconds;
    double probe = w.events[find_event(&w, GRAFT_FIT_PLANNED, "probe")].backbone.seconds;
    double train = w.events[find_event(&w, GRAFT_FIT_PLANNED, "train")].backbone.seconds;
    assert_true(folds > 0 && probe == folds);
    assert_true(train > 0 && train != probe);
    assert_true(report.backbone.seconds == train);
    graft_model_free(trained);
}

/* ---- Memory that fails ---- */

/* A training whose n-th allocation fails, for a few n up to the first that is never asked for. */
static void check_failing_allocations(graft_model *model, graft_fit_options *options)
{
    graft_status status = GRAFT_EMEMORY;
    graft_dataset *dataset = open_data();
    int failed = 0;
    options->workers = 0;
    for (long n = 1; status != GRAFT_OK && n < 20000; n += 1 + n / 40) {
        graft_model *trained = NULL;
        options->cache =
            (graft_cache){n % 2 ? GRAFT_CACHE_DISK : GRAFT_CACHE_MEMORY, "kept/failing", GRAFT_CACHE_SIZE};
        graft_memory_fail_after(n);
        status = graft_fit(&trained, model, dataset, options, NULL);
        graft_memory_fail_after(0);
        assert_true((status == GRAFT_OK) == (trained != NULL));
        failed += status != GRAFT_OK;
        graft_model_free(trained);
    }
    assert_int_equal(status, GRAFT_OK);
    assert_true(failed > 100);
    graft_dataset_free(dataset);
}

static void test_failing_allocations(void **state)
{
    graft_model *model = open_model();
    graft_fit_options options = options_of(2);
    (void)state;
    check_failing_allocations(model, &options);
    graft_model_free(model);
}

/* Three convolutions that suit Winograd's method, between a stem and the class layer. */
static void wide_build(graft_builder *b, const graft_zoo_row *row, int classes)
{
    static const char *const blocks[] = {"a", "b", "c"};
    (void)row;
    graft_output x = graft_build_input(b);
    x = relu(b, "relu", conv(b, "stem", x, 64, .kernel = 3, .padding = 1, .bias = true));
    for (int i = 0; i < 3; i++)
        GRAFT_SCOPE (b, "%s", blocks[i]) {
            x = batch_norm(b, "norm", conv(b, "conv", x, 64, .kernel = 3, .padding = 1));
            x = relu(b, "relu", x);
        }
    linear(b, "fc", flatten(b, "flatten", global_average_pool(b, "pool", x)), classes);
}

static const graft_zoo_row wide_row = {
    .network = {.name = "wide", .head = "fc", .class_layer = "fc", .classes = TINY_CLASSES},
    .build = wide_build,
};

static int winograd_steps_of(const graft_executor *e, graft_plan_part part, graft_phase phase)
{
    int count = 0;
    for (size_t i = 0; i < e->plan_count; i++)
        count += e->plans[i].part == part ? winograd_steps(e->plans[i].plan, phase) : 0;
    return count;
}

/* Block a is frozen, b trains, and gradients pass through c. */
static void check_methods(graft_model *model, int batch)
{
    graft_executor *e = NULL;
    graft_executor_options options = GRAFT_EXECUTOR_OPTIONS_INIT;
    options.batch = batch;
    options.threads = 1;
    assert_ok(graft_model_unfreeze(model, "b"));
    assert_ok(graft_executor_create(&e, model, &options));
    bool has = has_winograd();
    assert_int_equal(winograd_steps_of(e, GRAFT_PLAN_BACKBONE, GRAFT_PHASE_FORWARD), has ? 1 : 0);
    assert_int_equal(winograd_steps_of(e, GRAFT_PLAN_UPPER, GRAFT_PHASE_BACKWARD), has ? 2 : 0);
    graft_executor_free(e);
}

static void test_failing_allocations_with_winograd(void **state)
{
    static const graft_recipe recipe = {
        .network = &wide_row.network, .size = TINY_SIZE, .classes = TINY_CLASSES};
    static const char *const block[] = {"b"};
    graft_model *model = NULL;
    graft_fit_options options = options_of(1);
    (void)state;
    assert_ok(tiny_create_of(&model, &recipe, 1));
    assert_ok(graft_model_name_classes(model, names, TINY_CLASSES));
    check_methods(model, options.batch);
    options.trainable = block;
    options.trainable_count = 1;
    options.augment = &graft_augment_flips;
    check_failing_allocations(model, &options);
    graft_model_free(model);
}

/* What was used stands in the report, and is said when it is known. */
static void test_precision(void **state)
{
    watcher w = {0};
    graft_fit_report report = {0};
    graft_fit_options options = options_of(2);
    graft_dtype expected = graft_device_bf16() >= GRAFT_BF16_TWICE ? GRAFT_BF16 : GRAFT_F32;
    (void)state;
    graft_model *single = fit(&options, &w, &report);
    assert_int_equal(report.precision, GRAFT_F32);
    assert_int_equal(w.events[0].precision, GRAFT_F32);
    graft_features_release(report.features);
    options.precision = GRAFT_BF16;
    w.count = 0;
    graft_model *half = fit(&options, &w, &report);
    assert_int_equal(report.precision, expected);
    assert_int_equal(w.events[0].kind, GRAFT_FIT_PLANNED);
    assert_int_equal(w.events[0].precision, expected);
    graft_features_release(report.features);
    check_finite(half);
    options.precision = GRAFT_U8;
    graft_dataset *dataset = open_data();
    graft_model *model = open_model(), *none = NULL;
    assert_int_equal(graft_fit(&none, model, dataset, &options, NULL), GRAFT_EARGUMENT);
    graft_model_free(model);
    graft_dataset_free(dataset);
    graft_model_free(single);
    graft_model_free(half);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_schedule),
        cmocka_unit_test(test_a_head_learns),
        cmocka_unit_test(test_precision),
        cmocka_unit_test(test_a_head_of_layers_is_not_drawn_again),
        cmocka_unit_test(test_the_best_epoch_is_kept),
        cmocka_unit_test(test_stopping),
        cmocka_unit_test(test_stopping_within_an_epoch),
        cmocka_unit_test(test_divergence_keeps_the_last_good_weights),
        cmocka_unit_test(test_a_probe_that_diverges),
        cmocka_unit_test(test_folds_that_diverge),
        cmocka_unit_test(test_a_picture_that_has_gone),
        cmocka_unit_test(test_arguments),
        cmocka_unit_test(test_folds_leave_no_trace),
        cmocka_unit_test(test_the_same_seed),
        cmocka_unit_test(test_where_features_are_kept),
        cmocka_unit_test(test_a_full_disk),
        cmocka_unit_test(test_a_folder_that_cannot_be),
        cmocka_unit_test(test_memory_of_the_gram_form),
        cmocka_unit_test(test_each_frozen_part_is_measured),
        cmocka_unit_test(test_failing_allocations),
        cmocka_unit_test(test_failing_allocations_with_winograd),
    };
    return cmocka_run_group_tests(tests, setup, leave_folder);
}
