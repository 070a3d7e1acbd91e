/* The Gram form against the plain one: the same losses, weights, gradients and logits to rounding, in all
 * that SGD does, one head layer and several; and what its calls promise. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <math.h>

#include "asserts.h"
#include "pictures.h"
#include "tiny.h"

#include "base/memory.h"
#include "image/augment.h"
#include "train/executor.h"

enum { EACH = 10, TRAINED = 24, BATCH = 7, EPOCHS = 3 };

static const char *const names[TINY_CLASSES] = {"blue", "green", "red"};
static const char *const layers = "linear(40) relu dropout(0.5) linear";

/* ---- Pictures, models, executors ---- */

static int setup(void **state)
{
    if (enter_folder(state) != 0)
        return -1;
    for (int label = 0; label < TINY_CLASSES; label++) {
        char folder[64];
        snprintf(folder, sizeof folder, "data/%s", names[label]);
        make_pictures(folder, EACH);
    }
    return 0;
}

static graft_dataset *open_data(void)
{
    graft_dataset *dataset = NULL;
    graft_dataset_options options = GRAFT_DATASET_OPTIONS_INIT;
    assert_ok(graft_dataset_open(&dataset, "data", &options));
    assert_int_equal(graft_dataset_set_count(dataset, GRAFT_SET_TRAIN, -1), TRAINED);
    return dataset;
}

/* With the class layer alone, or with a head of several layers. It starts from no zeros. */
static graft_model *open_model(const char *head)
{
    graft_model *model = NULL;
    assert_ok(tiny_create(&model, 1));
    if (head)
        assert_ok(graft_model_replace_head(model, head, names, TINY_CLASSES, GRAFT_START_PYTORCH, 3));
    else
        assert_ok(graft_model_name_classes(model, names, TINY_CLASSES));
    assert_ok(graft_model_unfreeze(model, "_fc"));
    return model;
}

typedef struct job {
    graft_dataset *dataset;
    graft_executor *e;
    graft_loader *train, *held_out;
} job;

static graft_loader *loader_of(const job *j, graft_set set, bool training, bool both)
{
    graft_loader *loader = NULL;
    graft_loader_options options = GRAFT_LOADER_OPTIONS_INIT;
    options.set = set;
    options.batch = BATCH; /* the last batch is short */
    options.shuffle = training;
    options.both_views = both;
    if (training)
        options.augment = graft_augment_flips;
    assert_ok(graft_loader_create(&loader, j->dataset, graft_model_transform(j->e->model), &options));
    return loader;
}

static void keep(const job *j, graft_set set, bool both)
{
    graft_loader *loader = loader_of(j, set, false, both);
    assert_ok(graft_executor_keep(j->e, loader, NULL));
    graft_loader_free(loader);
}

static graft_executor_options options_of(bool gram)
{
    graft_executor_options options = GRAFT_EXECUTOR_OPTIONS_INIT;
    options.batch = BATCH;
    options.threads = 2;
    options.optimizer = graft_sgd(0.02F, 0.9F);
    options.gram = gram ? 2 * TRAINED : 0;
    return options;
}

static void job_open(job *j, const char *head, const graft_executor_options *options)
{
    graft_model *model = open_model(head);
    j->dataset = open_data();
    assert_ok(graft_executor_create(&j->e, model, options));
    graft_model_free(model);
    keep(j, GRAFT_SET_TRAIN, true);
    keep(j, GRAFT_SET_HELD_OUT, false);
    j->train = loader_of(j, GRAFT_SET_TRAIN, true, false);
    j->held_out = loader_of(j, GRAFT_SET_HELD_OUT, false, false);
    graft_executor_attach(j->e, j->train);
    graft_executor_attach(j->e, j->held_out);
    assert_true((j->e->gram != NULL) == (options->gram > 0));
}

static void job_close(job *j)
{
    graft_loader_free(j->train);
    graft_loader_free(j->held_out);
    graft_executor_free(j->e);
    graft_dataset_free(j->dataset);
}

/* Both take an epoch's batches in turn; the largest distance between their losses. */
static double train_both(job *a, job *b, int epoch)
{
    graft_batch batch, other;
    double worst = 0;
    graft_executor_train(a->e);
    graft_executor_train(b->e);
    assert_ok(graft_loader_rewind(a->train, epoch));
    assert_ok(graft_loader_rewind(b->train, epoch));
    while (graft_loader_next(a->train, &batch) == GRAFT_OK) {
        assert_ok(graft_loader_next(b->train, &other));
        double x = (double)tiny_step(a->e, &batch), y = (double)tiny_step(b->e, &other);
        worst = fmax(worst, fabs(x - y) / y);
    }
    return worst;
}

/* Every weight and every gradient, read by name. */
static void compare_trained(const job *a, const job *b, double limit)
{
    graft_model *x, *y;
    assert_ok(graft_executor_model(a->e, &x));
    assert_ok(graft_executor_model(b->e, &y));
    for (size_t i = 0; i < graft_model_tensor_count(x); i++) {
        graft_tensor_view v = graft_model_tensor(x, i), w = graft_model_tensor(y, i);
        size_t count = v.dtype == GRAFT_F32 ? v.bytes / sizeof(float) : 0;
        float *read = malloc(v.bytes), *wanted = malloc(v.bytes);
        assert_int_equal(v.bytes, w.bytes);
        if (strncmp(v.name, "_fc", 3) != 0 || strstr(v.name, "running") || count == 0) {
            assert_memory_equal(v.data, w.data, v.bytes);
        } else {
            assert_ok(graft_executor_parameter(a->e, v.name, read, count));
            assert_memory_equal(read, v.data, v.bytes);
            if (!(distance_of(v.data, w.data, count) < limit))
                fail_msg("%s is %g away", v.name, distance_of(v.data, w.data, count));
            if (!a->e->fused) {
                assert_ok(graft_executor_gradient(a->e, v.name, read, count));
                assert_ok(graft_executor_gradient(b->e, v.name, wanted, count));
            }
            if (!a->e->fused && !(distance_of(read, wanted, count) < 10 * limit))
                fail_msg("%s's gradient is %g away", v.name, distance_of(read, wanted, count));
        }
        free(read);
        free(wanted);
    }
    graft_model_free(x);
    graft_model_free(y);
}

static void compare_held_out(job *a, job *b)
{
    graft_batch batch, other;
    graft_executor_eval(a->e);
    graft_executor_eval(b->e);
    assert_ok(graft_loader_rewind(a->held_out, 0));
    assert_ok(graft_loader_rewind(b->held_out, 0));
    while (graft_loader_next(a->held_out, &batch) == GRAFT_OK) {
        assert_ok(graft_loader_next(b->held_out, &other));
        assert_ok(graft_executor_forward(a->e, &batch));
        assert_ok(graft_executor_forward(b->e, &other));
        size_t count = (size_t)batch.count * TINY_CLASSES;
        assert_true(distance_of(graft_executor_logits(a->e), graft_executor_logits(b->e), count) < 1e-5);
    }
}

/* ---- Both forms ---- */

static void check_forms(const char *head, float momentum, bool nesterov, float decay, float clip)
{
    job gram, plain;
    graft_executor_options options = options_of(true);
    options.fuse_step = decay == 0.3F;
    options.optimizer.momentum = momentum;
    options.optimizer.nesterov = nesterov;
    options.optimizer.decay = decay;
    options.optimizer.decay_all = clip > 0;
    options.clip = clip;
    job_open(&gram, head, &options);
    options.gram = 0;
    job_open(&plain, head, &options);
    for (int epoch = 0; epoch < EPOCHS; epoch++) {
        double worst = train_both(&gram, &plain, epoch);
        if (!(worst < 1e-5))
            fail_msg("epoch %d: the losses are %g away", epoch, worst);
        compare_held_out(&gram, &plain);
    }
    compare_trained(&gram, &plain, 1e-5);
    job_close(&gram);
    job_close(&plain);
}

static void test_both_forms(void **state)
{
    static const char *const heads[] = {NULL, "linear(40) relu dropout(0.5) linear",
                                        "linear(24) batchnorm gelu linear(9) relu linear"};
    (void)state;
    for (int i = 0; i < 3; i++) {
        check_forms(heads[i], 0.9F, false, 0.0F, 0.0F);
        check_forms(heads[i], 0.9F, false, 0.05F, 0.0F);
        check_forms(heads[i], 0.9F, true, 0.05F, 0.0F);
        check_forms(heads[i], 0.0F, false, 0.05F, 0.0F);
        check_forms(heads[i], 0.7F, false, 0.3F, 0.0F); /* backward and step as one */
        check_forms(heads[i], 0.9F, false, 0.0F, 0.1F);
        check_forms(heads[i], 0.8F, true, 0.05F, 0.1F);
    }
}

/* A training picture of a class. */
static int a_sample(const graft_dataset *dataset, int label)
{
    for (size_t i = 0; i < graft_dataset_count(dataset); i++) {
        graft_sample sample = graft_dataset_sample(dataset, i);
        if (sample.set == GRAFT_SET_TRAIN && sample.label == label)
            return (int)i;
    }
    fail();
    return -1;
}

/* Twice the same view in a batch, two backwards before a step, and zeros after zero_grad. */
static void test_gradients_accumulate(void **state)
{
    static const int views[] = {0, 1, 0, 1, 0}, labels[] = {0, 1, 0, 2, 1};
    int samples[5] = {0};
    graft_batch batch = {.count = 5, .samples = samples, .views = views, .labels = labels};
    job gram, plain;
    graft_executor_options options = options_of(true);
    (void)state;
    options.clip = 0.2F;
    job_open(&gram, layers, &options);
    samples[1] = samples[4] = a_sample(gram.dataset, 0);
    samples[0] = samples[2] = samples[3] = a_sample(gram.dataset, 2);
    options.gram = 0;
    job_open(&plain, layers, &options);
    for (int turn = 0; turn < 3; turn++)
        for (int i = 0; i < 2; i++) {
            job *j = i == 0 ? &gram : &plain;
            batch.dataset = j->dataset;
            assert_ok(graft_executor_zero_grad(j->e));
            for (int k = 0; k < 2; k++) {
                assert_ok(graft_executor_forward(j->e, &batch));
                assert_ok(graft_executor_backward(j->e));
            }
            assert_ok(graft_executor_step(j->e));
        }
    compare_trained(&gram, &plain, 1e-5);
    float *gradient = malloc(sizeof(float) * 40 * 32);
    assert_ok(graft_executor_zero_grad(gram.e));
    assert_ok(graft_executor_gradient(gram.e, "_fc.0.weight", gradient, 40 * 32));
    for (int i = 0; i < 40 * 32; i++)
        assert_true(gradient[i] == 0);
    free(gradient);
    job_close(&gram);
    job_close(&plain);
}

/* Pictures that were never kept are looked at too, before and behind training. */
static void test_prediction(void **state)
{
    job gram, plain;
    graft_executor_options options = options_of(true);
    uint8_t pixels[2][TINY_PIXELS];
    graft_picture pictures[2];
    float a[2 * TINY_CLASSES], b[2 * TINY_CLASSES];
    (void)state;
    job_open(&gram, layers, &options);
    options.gram = 0;
    job_open(&plain, layers, &options);
    for (int i = 0; i < 2; i++) {
        for (int k = 0; k < TINY_PIXELS; k++)
            pixels[i][k] = (uint8_t)(k * (17 + i) % 251);
        pictures[i] = graft_picture_rgb(pixels[i], TINY_SIZE, TINY_SIZE, TINY_SIZE * 3);
    }
    for (int epoch = 0; epoch < 2; epoch++)
        for (size_t count = 1; count <= 2; count++) {
            assert_ok(graft_executor_score(gram.e, pictures, count, a));
            assert_ok(graft_executor_score(plain.e, pictures, count, b));
            assert_true(distance_of(a, b, count * TINY_CLASSES) < 1e-5);
            train_both(&gram, &plain, epoch);
        }
    job_close(&gram);
    job_close(&plain);
}

/* ---- What it asks for ---- */

static graft_status create(graft_executor **e, const char *unfrozen, const graft_executor_options *options)
{
    graft_model *model = open_model(NULL);
    if (unfrozen)
        assert_ok(graft_model_unfreeze(model, unfrozen));
    graft_status status = graft_executor_create(e, model, options);
    graft_model_free(model);
    return status;
}

static void test_where_it_is_not_possible(void **state)
{
    graft_executor *e = NULL;
    graft_executor_options options = options_of(true);
    (void)state;
    assert_int_equal(create(&e, "_conv_head", &options), GRAFT_EARGUMENT);
    assert_int_equal(create(&e, "_dropout", &options), GRAFT_EARGUMENT); /* random, below the layer */
    options.keep = false;
    assert_int_equal(create(&e, NULL, &options), GRAFT_EARGUMENT);
    assert_null(e);
    assert_non_null(strstr(graft_error_message(), "Gram form"));
}

static void test_views_are_told_first(void **state)
{
    static const int views[] = {0}, labels[] = {0};
    int samples[] = {0};
    graft_batch batch = {.count = 1, .samples = samples, .views = views, .labels = labels};
    const graft_batch nameless = {.count = 1, .labels = labels};
    graft_executor_options options = options_of(true);
    job j = {NULL, NULL, NULL, NULL};
    (void)state;
    j.dataset = open_data();
    samples[0] = a_sample(j.dataset, 1);
    batch.dataset = j.dataset;
    assert_ok(create(&j.e, NULL, &options));
    assert_int_equal(graft_executor_forward(j.e, &batch), GRAFT_EARGUMENT);
    graft_loader *one = loader_of(&j, GRAFT_SET_TRAIN, false, false);
    assert_ok(graft_executor_keep(j.e, one, NULL)); /* half of the views */
    graft_loader_free(one);
    assert_int_equal(graft_executor_forward(j.e, &batch), GRAFT_EARGUMENT);
    keep(&j, GRAFT_SET_TRAIN, true);
    keep(&j, GRAFT_SET_TRAIN, true); /* again is nothing new */
    assert_ok(graft_executor_forward(j.e, &batch));
    assert_int_equal(graft_executor_forward(j.e, &nameless), GRAFT_EARGUMENT);
    job_close(&j);
}

static void test_the_rule(void **state)
{
    graft_model *vgg = NULL, *tiny = open_model(NULL);
    static const char *const two[] = {"ants", "bees"};
    (void)state;
    assert_ok(graft_model_outline(&vgg, "vgg16"));
    assert_ok(graft_model_replace_head(vgg, "linear(4096) relu linear", two, 2, GRAFT_START_PYTORCH, 0));
    assert_true(graft_gram_possible(vgg) && graft_gram_possible(tiny));
    assert_true(graft_gram_worthwhile(vgg, 244, 0, 32, 80));
    assert_true(graft_gram_worthwhile(vgg, 488, 153, 32, 80));
    assert_false(graft_gram_worthwhile(vgg, 244, 0, 32, 1));           /* making W costs more than a step */
    assert_false(graft_gram_worthwhile(vgg, 60000, 0, 32, 10 * 1875)); /* products of 14 GB */
    assert_false(graft_gram_worthwhile(tiny, 24, 6, 32, 50));          /* nothing to save */
    assert_ok(graft_model_unfreeze(vgg, "features.28"));
    assert_false(graft_gram_possible(vgg) || graft_gram_worthwhile(vgg, 244, 0, 32, 80));
    graft_model_free(vgg);
    graft_model_free(tiny);
}

/* ---- The whole job ---- */

static graft_fit_options fit_options_of(int gram)
{
    graft_fit_options options = GRAFT_FIT_OPTIONS_INIT;
    options.cache.kind = GRAFT_CACHE_MEMORY;
    options.epochs = 5;
    options.batch = BATCH;
    options.threads = 2;
    options.rate = 0.02;
    options.gram = gram;
    return options;
}

static graft_status fit(graft_model **trained, const char *head, const graft_fit_options *options,
                        graft_fit_report *report)
{
    graft_dataset *dataset = open_data();
    graft_model *model = open_model(head);
    graft_status status = graft_fit(trained, model, dataset, options, report);
    if (report && status == GRAFT_OK)
        graft_features_release(report->features);
    graft_model_free(model);
    graft_dataset_free(dataset);
    return status;
}

/* The largest distance of a tensor; 0 where they have the same bytes. */
static double distance_of_models(const graft_model *a, const graft_model *b)
{
    double worst = 0;
    for (size_t i = 0; i < graft_model_tensor_count(a); i++) {
        graft_tensor_view x = graft_model_tensor(a, i), y = graft_model_tensor(b, i);
        if (memcmp(x.data, y.data, x.bytes) != 0)
            worst = fmax(worst, distance_of(x.data, y.data, x.bytes / sizeof(float)));
    }
    return worst;
}

typedef struct curve {
    double losses[16], held_out[16];
    int count;
    bool gram;
    int stop; /* behind this epoch; 0: never */
} curve;

static int note(void *context, const graft_fit_event *event)
{
    curve *c = context;
    c->gram |= event->gram;
    if (event->kind != GRAFT_FIT_EPOCH)
        return 0;
    c->losses[c->count] = event->loss;
    c->held_out[c->count] = event->held_out_loss;
    return ++c->count == c->stop;
}

static void check_fit(const char *head, int folds, int stop)
{
    graft_model *models[2];
    curve curves[2];
    for (int i = 0; i < 2; i++) {
        graft_fit_report report;
        graft_fit_options options = fit_options_of(i == 0 ? GRAFT_GRAM_ON : GRAFT_GRAM_OFF);
        curves[i] = (curve){.stop = stop};
        options.folds = folds;
        options.event = note;
        options.context = &curves[i];
        assert_ok(fit(&models[i], head, &options, &report));
        assert_true(report.gram == (i == 0) && curves[i].gram == (i == 0));
        assert_int_equal(report.epochs, stop ? stop : 5);
        assert_int_equal(curves[i].count, report.epochs);
    }
    for (int i = 0; i < curves[0].count; i++) {
        assert_true(fabs(curves[0].losses[i] / curves[1].losses[i] - 1) < 1e-5);
        assert_true(fabs(curves[0].held_out[i] / curves[1].held_out[i] - 1) < 1e-5);
    }
    double distance = distance_of_models(models[0], models[1]);
    assert_true(distance > 0 && distance < 1e-5);
    graft_model_free(models[0]);
    graft_model_free(models[1]);
}

static void test_the_whole_job(void **state)
{
    (void)state;
    check_fit(NULL, 0, 0);
    check_fit(layers, 0, 0);
    check_fit(layers, 3, 0);
    check_fit(layers, 0, 2); /* stopped: the weights are those of then */
}

static void test_divergence(void **state)
{
    graft_fit_report report;
    graft_fit_options options = fit_options_of(GRAFT_GRAM_ON);
    graft_model *trained = NULL;
    (void)state;
    options.rate = 1e30;
    assert_ok(fit(&trained, layers, &options, &report));
    assert_int_equal(report.failure, GRAFT_EDIVERGED);
    for (size_t i = 0; i < graft_model_tensor_count(trained); i++) {
        int64_t nans, infinite;
        graft_tensor_view view = graft_model_tensor(trained, i);
        graft_tensor_count_nonfinite(&view, &nans, &infinite);
        assert_true(nans == 0 && infinite == 0);
    }
    graft_model_free(trained);
}

static void test_the_same_bytes(void **state)
{
    static const int workers[] = {1, 0, 2, 4, 2};
    graft_model *models[5];
    (void)state;
    for (int i = 0; i < 5; i++) {
        graft_fit_options options = fit_options_of(GRAFT_GRAM_ON);
        options.workers = workers[i];
        options.seed = i == 4;
        assert_ok(fit(&models[i], layers, &options, NULL));
        assert_true((distance_of_models(models[i], models[0]) == 0) == (i < 4));
    }
    for (int i = 0; i < 5; i++)
        graft_model_free(models[i]);
}

/* What is drawn once and kept comes in as many passes; with no cache asked for there is the run's own memory.
 */
static void test_views_and_caches(void **state)
{
    graft_model *models[3];
    (void)state;
    for (int i = 0; i < 3; i++) {
        graft_fit_options options = fit_options_of(i < 2 ? GRAFT_GRAM_ON : GRAFT_GRAM_OFF);
        graft_fit_report report;
        options.augment = &graft_augment_crops;
        options.views = 3;
        options.cache.kind = i == 0 ? GRAFT_CACHE_NONE : GRAFT_CACHE_MEMORY;
        assert_ok(fit(&models[i], layers, &options, &report));
        assert_true(report.gram == (i < 2));
    }
    assert_true(distance_of_models(models[0], models[1]) == 0);
    assert_true(distance_of_models(models[0], models[2]) < 1e-5);
    for (int i = 0; i < 3; i++)
        graft_model_free(models[i]);
}

static void test_what_cannot_be_asked_for(void **state)
{
    static const char *const body[] = {"_conv_head"};
    graft_fit_options crops = fit_options_of(GRAFT_GRAM_ON), deep = crops;
    graft_model *trained = NULL;
    (void)state;
    crops.augment = &graft_augment_crops;
    deep.trainable = body;
    deep.trainable_count = 1;
    deep.augment = &graft_augment_flips;
    assert_int_equal(fit(&trained, layers, &crops, NULL), GRAFT_EARGUMENT);
    assert_non_null(strstr(graft_error_message(), "random"));
    assert_int_equal(fit(&trained, layers, &deep, NULL), GRAFT_EARGUMENT);
    assert_non_null(strstr(graft_error_message(), "linear layer"));
    assert_null(trained);
}

static void test_failing_allocations(void **state)
{
    graft_status status = GRAFT_EMEMORY;
    graft_dataset *dataset = open_data();
    graft_model *model = open_model(layers);
    int failed = 0;
    (void)state;
    for (long n = 1; status != GRAFT_OK && n < 20000; n += 1 + n / 10) {
        graft_model *trained = NULL;
        graft_fit_options options = fit_options_of(GRAFT_GRAM_ON);
        options.epochs = 2;
        options.workers = 0;
        graft_memory_fail_after(n);
        status = graft_fit(&trained, model, dataset, &options, NULL);
        graft_memory_fail_after(0);
        assert_true((status == GRAFT_OK) == (trained != NULL));
        failed += status != GRAFT_OK;
        graft_model_free(trained);
    }
    assert_int_equal(status, GRAFT_OK);
    assert_true(failed > 30);
    graft_model_free(model);
    graft_dataset_free(dataset);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_both_forms),
        cmocka_unit_test(test_gradients_accumulate),
        cmocka_unit_test(test_prediction),
        cmocka_unit_test(test_where_it_is_not_possible),
        cmocka_unit_test(test_views_are_told_first),
        cmocka_unit_test(test_the_rule),
        cmocka_unit_test(test_the_whole_job),
        cmocka_unit_test(test_divergence),
        cmocka_unit_test(test_the_same_bytes),
        cmocka_unit_test(test_views_and_caches),
        cmocka_unit_test(test_what_cannot_be_asked_for),
        cmocka_unit_test(test_failing_allocations),
    };
    return cmocka_run_group_tests(tests, setup, leave_folder);
}
