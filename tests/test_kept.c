/* Kept features belong to one dataset: another's pictures have the same numbers, and are other pictures. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <graft/report.h>

#include "asserts.h"
#include "pictures.h"
#include "tiny.h"

#include "train/executor.h"

enum { EACH = 8, PICTURES = TINY_CLASSES * EACH, LOGITS = PICTURES * TINY_CLASSES };

static const char *const names[TINY_CLASSES] = {"blue", "green", "red"};

static int setup(void **state)
{
    if (enter_folder(state) != 0)
        return -1;
    for (int i = 0; i < 2 * TINY_CLASSES; i++) {
        char folder[64];
        snprintf(folder, sizeof folder, "%s/%s", i < TINY_CLASSES ? "first" : "second",
                 names[i % TINY_CLASSES]);
        make_pictures(folder, EACH);
    }
    return 0;
}

static graft_dataset *open_data(const char *folder, double held_out)
{
    graft_dataset *dataset = NULL;
    graft_dataset_options options = GRAFT_DATASET_OPTIONS_INIT;
    options.held_out = held_out;
    assert_ok(graft_dataset_open(&dataset, folder, &options));
    return dataset;
}

static graft_model *open_model(void)
{
    graft_model *model = NULL;
    assert_ok(tiny_create(&model, 1));
    assert_ok(graft_model_name_classes(model, names, TINY_CLASSES));
    assert_ok(graft_model_unfreeze(model, "_fc"));
    return model;
}

static graft_executor *open_executor(bool keep, size_t gram)
{
    graft_executor *e = NULL;
    graft_model *model = open_model();
    graft_executor_options options = GRAFT_EXECUTOR_OPTIONS_INIT;
    options.threads = 1;
    options.keep = keep;
    options.gram = gram;
    assert_ok(graft_executor_create(&e, model, &options));
    graft_model_free(model);
    graft_executor_eval(e);
    return e;
}

static graft_loader *open_loader(const graft_dataset *dataset)
{
    graft_loader *loader = NULL;
    graft_loader_options options = GRAFT_LOADER_OPTIONS_INIT;
    options.shuffle = false;
    options.batch = 7;
    assert_ok(graft_loader_create(&loader, dataset, &tiny_transform, &options));
    return loader;
}

static void run(graft_executor *e, graft_loader *loader, float logits[LOGITS])
{
    graft_batch batch;
    assert_ok(graft_loader_rewind(loader, 0));
    while (graft_loader_next(loader, &batch) == GRAFT_OK) {
        size_t row = (size_t)batch.count * TINY_CLASSES;
        assert_ok(graft_executor_forward(e, &batch));
        memcpy(logits, graft_executor_logits(e), sizeof(float) * row);
        logits += row;
    }
}

/* What an executor that keeps nothing says of them. */
static void run_plainly(const graft_dataset *dataset, float logits[LOGITS])
{
    graft_executor *e = open_executor(false, 0);
    graft_loader *loader = open_loader(dataset);
    run(e, loader, logits);
    graft_loader_free(loader);
    graft_executor_free(e);
}

/* The first dataset's are kept; the second's loader is attached or not, and its pictures are run as they are.
 */
static void check_two_datasets(bool attach, size_t gram)
{
    graft_dataset *first = open_data("first", 0), *second = open_data("second", 0);
    graft_loader *one = open_loader(first), *two = open_loader(second);
    graft_executor *e = open_executor(true, gram);
    float logits[LOGITS], expected[LOGITS];
    size_t count;
    assert_ok(graft_executor_keep(e, one, NULL));
    if (attach)
        graft_executor_attach(e, two);
    for (int turn = 0; turn < 2; turn++) { /* the second time of what the first has kept */
        run(e, two, logits);
        run_plainly(second, expected);
        assert_true(distance_of(logits, expected, LOGITS) < 1e-5);
        run(e, one, logits);
        run_plainly(first, expected);
        assert_true(distance_of(logits, expected, LOGITS) < 1e-5);
    }
    assert_non_null(graft_executor_features(e, PICTURES - 1, GRAFT_VIEW_PLAIN, &count));
    assert_int_equal(graft_executor_keep(e, two, NULL), GRAFT_EARGUMENT);
    assert_non_null(strstr(graft_error_message(), "another dataset"));
    run(e, one, logits); /* nothing has come of it */
    assert_true(distance_of(logits, expected, LOGITS) < 1e-5);
    graft_loader_free(one);
    graft_loader_free(two);
    graft_executor_free(e);
    graft_dataset_free(first);
    graft_dataset_free(second);
}

static void test_an_executor_and_two_datasets(void **state)
{
    (void)state;
    check_two_datasets(false, 0);
    check_two_datasets(true, 0);
    check_two_datasets(false, PICTURES);
    check_two_datasets(true, PICTURES);
}

static graft_features *fit(graft_model **trained, const char *folder)
{
    graft_dataset *dataset = open_data(folder, GRAFT_AUTO);
    graft_model *model = open_model();
    graft_fit_options options = GRAFT_FIT_OPTIONS_INIT;
    graft_fit_report report;
    options.epochs = 2;
    options.threads = 1;
    assert_ok(graft_fit(trained, model, dataset, &options, &report));
    graft_model_free(model);
    graft_dataset_free(dataset);
    return report.features;
}

/* A dataset's memory may be the next one's: its pictures are not. */
static void test_a_dataset_where_another_was(void **state)
{
    graft_model *trained = NULL;
    graft_features *features = fit(&trained, "first");
    graft_dataset *dataset = open_data("second", GRAFT_AUTO);
    graft_evaluate_options options = GRAFT_EVALUATE_OPTIONS_INIT;
    graft_evaluation *with = NULL, *without = NULL;
    (void)state;
    options.threads = 1;
    assert_ok(graft_evaluate(&without, trained, dataset, &options));
    options.features = features;
    assert_ok(graft_evaluate(&with, trained, dataset, &options));
    assert_int_equal(graft_evaluation_count(with), graft_evaluation_count(without));
    for (size_t i = 0; i < graft_evaluation_count(with); i++)
        assert_memory_equal(graft_evaluation_probabilities(with, i),
                            graft_evaluation_probabilities(without, i), sizeof(float) * TINY_CLASSES);
    assert_false(graft_features_serve(features, trained, dataset));
    graft_evaluation_free(with);
    graft_evaluation_free(without);
    graft_features_release(features);
    graft_model_free(trained);
    graft_dataset_free(dataset);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_executor_and_two_datasets),
        cmocka_unit_test(test_a_dataset_where_another_was),
    };
    return cmocka_run_group_tests(tests, setup, leave_folder);
}
