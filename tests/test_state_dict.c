/* From files to models: the names that published files have, and what they may lack. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <graft/model.h>
#include <graft/train.h>

enum { TENSORS = 1200, TEXT = 128 };

typedef struct renamed {
    graft_tensor_view views[TENSORS];
    char names[TENSORS][TEXT];
    size_t count;
} renamed;

static renamed file;

/* The model's tensors under names that the test may change. */
static void list_tensors(const graft_model *model)
{
    file.count = graft_model_tensor_count(model);
    assert_true(file.count <= TENSORS);
    for (size_t i = 0; i < file.count; i++) {
        file.views[i] = graft_model_tensor(model, i);
        snprintf(file.names[i], TEXT, "%s", file.views[i].name);
        file.views[i].name = file.names[i];
    }
}

/* Leaves out tensors with these words in their names. */
static void drop(const char *words)
{
    size_t kept = 0;
    for (size_t i = 0; i < file.count; i++) {
        if (strstr(file.names[i], words))
            continue;
        file.views[kept] = file.views[i];
        memmove(file.names[kept], file.names[i], TEXT);
        file.views[kept].name = file.names[kept];
        kept++;
    }
    file.count = kept;
}

/* "denselayer7.norm1.weight" is "denselayer7.norm.1.weight" in the published files. */
static void use_older_names(void)
{
    size_t renamed = 0;
    for (size_t i = 0; i < file.count; i++) {
        char *layer = strstr(file.names[i], ".denselayer");
        char *module = layer ? strchr(layer + 1, '.') : NULL;
        if (!module)
            continue;
        memmove(module + 6, module + 5, strlen(module + 5) + 1);
        module[5] = '.';
        renamed++;
    }
    assert_int_equal(renamed, 58 * (4 + 1 + 4 + 1)); /* without num_batches_tracked */
}

static graft_status open_file(graft_model **model, const char *network)
{
    char path[] = "/tmp/graft-state-XXXXXX";
    close(mkstemp(path));
    assert_int_equal(graft_safetensors_write(path, file.views, file.count, NULL, 0), GRAFT_OK);
    graft_status status = graft_model_open(model, network, path);
    unlink(path);
    return status;
}

static void assert_same_weights(const graft_model *a, const graft_model *b)
{
    assert_int_equal(graft_model_tensor_count(a), graft_model_tensor_count(b));
    for (size_t i = 0; i < graft_model_tensor_count(a); i++) {
        graft_tensor_view x = graft_model_tensor(a, i), y = graft_model_tensor(b, i);
        assert_string_equal(x.name, y.name);
        assert_int_equal(x.bytes, y.bytes);
        assert_memory_equal(x.data, y.data, x.bytes);
    }
}

/* num_batches_tracked of a batch norm. */
static int64_t counter_of(const graft_model *model, const char *norm)
{
    int64_t counter = -1;
    char name[TEXT];
    snprintf(name, sizeof name, "%s.num_batches_tracked", norm);
    for (size_t i = 0; i < graft_model_tensor_count(model); i++) {
        graft_tensor_view view = graft_model_tensor(model, i);
        if (strcmp(view.name, name) == 0)
            memcpy(&counter, view.data, sizeof counter);
    }
    return counter;
}

static void test_older_names_of_dense_layers(void **state)
{
    graft_model *model, *opened = NULL;
    (void)state;
    assert_int_equal(graft_model_create(&model, "densenet121", 3), GRAFT_OK);
    list_tensors(model);
    drop(".num_batches_tracked"); /* the files are older than it, too */
    use_older_names();
    assert_int_equal(open_file(&opened, "densenet121"), GRAFT_OK);
    assert_same_weights(model, opened);
    graft_model_free(opened);
    graft_model_free(model);
}

/* A dot elsewhere is no older name. */
static void test_only_these_names_are_older(void **state)
{
    static const char *const others[] = {"features.denseblock1.denselayer1.norm1.w.eight",
                                         "features.denseblock1.denselayer1.n.orm1.weight"};
    graft_model *model, *opened = NULL;
    (void)state;
    assert_int_equal(graft_model_create(&model, "densenet121", 3), GRAFT_OK);
    for (int i = 0; i < 2; i++) {
        list_tensors(model);
        for (size_t j = 0; j < file.count; j++)
            if (strcmp(file.names[j], "features.denseblock1.denselayer1.norm1.weight") == 0)
                strcpy(file.names[j], others[i]);
        assert_int_equal(open_file(&opened, "densenet121"), GRAFT_EFORMAT);
        assert_null(opened);
        assert_non_null(
            strstr(graft_error_message(), "1 missing (features.denseblock1.denselayer1.norm1.weight)"));
        assert_non_null(strstr(graft_error_message(), "1 left over"));
        assert_non_null(strstr(graft_error_message(), others[i]));
    }
    graft_model_free(model);
}

static void test_auxiliary_classifiers_may_be_absent_as_a_whole(void **state)
{
    graft_model *model, *opened = NULL;
    (void)state;
    assert_int_equal(graft_model_create(&model, "googlenet", 3), GRAFT_OK);
    list_tensors(model);
    assert_int_equal(open_file(&opened, "googlenet"), GRAFT_OK);
    assert_same_weights(model, opened);
    graft_model_free(opened);
    drop("aux2.");
    assert_int_equal(open_file(&opened, "googlenet"), GRAFT_OK);
    assert_int_equal(graft_model_tensor_count(opened), graft_model_tensor_count(model));
    graft_model_free(opened);
    opened = NULL;
    drop("aux1.fc2.bias");
    assert_int_equal(open_file(&opened, "googlenet"), GRAFT_EFORMAT);
    assert_non_null(strstr(graft_error_message(), "1 missing (aux1.fc2.bias)"));
    graft_model_free(model);
}

/* Files older than PyTorch 0.4.1 lack it. */
static void test_counters_may_be_absent(void **state)
{
    graft_model *model, *opened = NULL;
    int64_t seven = 7;
    (void)state;
    assert_int_equal(graft_model_create(&model, "mobilenet_v3_small", 3), GRAFT_OK);
    list_tensors(model);
    for (size_t i = 0; i < file.count; i++)
        if (strstr(file.names[i], ".num_batches_tracked"))
            file.views[i].data = &seven;
    assert_int_equal(open_file(&opened, "mobilenet_v3_small"), GRAFT_OK);
    assert_int_equal(counter_of(opened, "features.0.1"), 7);
    graft_model_free(opened);
    drop(".num_batches_tracked");
    assert_int_equal(open_file(&opened, "mobilenet_v3_small"), GRAFT_OK);
    assert_int_equal(counter_of(opened, "features.0.1"), 0);
    assert_same_weights(model, opened);
    graft_model_free(opened);
    graft_model_free(model);
}

/* VGG16's features are published with NaN in the place of a classifier: it may be replaced, not run. */
static void test_a_classifier_of_nan(void **state)
{
    static const char *const classes[] = {"ant", "bee"};
    float *hole = malloc(512 * 1000 * sizeof *hole);
    char path[] = "/tmp/graft-state-XXXXXX";
    graft_model *model, *opened;
    graft_executor *executor = NULL;
    graft_executor_options how = GRAFT_EXECUTOR_OPTIONS_INIT;
    (void)state;
    how.batch = 0;
    how.threads = 1;
    for (int i = 0; i < 512 * 1000; i++)
        hole[i] = NAN;
    assert_int_equal(graft_model_create(&model, "squeezenet1_1", 3), GRAFT_OK);
    list_tensors(model);
    for (size_t i = file.count - 2; i < file.count; i++)
        file.views[i].data = hole; /* classifier.1.weight and its bias */
    close(mkstemp(path));
    assert_int_equal(graft_safetensors_write(path, file.views, file.count, NULL, 0), GRAFT_OK);
    assert_int_equal(graft_model_open(&opened, "squeezenet1_1", path), GRAFT_OK);
    assert_int_equal(graft_executor_create(&executor, opened, &how), GRAFT_EFORMAT);
    assert_non_null(strstr(graft_error_message(), "classifier.1.weight holds 512000 NaN"));
    assert_non_null(strstr(graft_error_message(), "a new head must replace it"));
    assert_int_equal(graft_model_replace_head(opened, NULL, classes, 2, GRAFT_START_ZERO, 1), GRAFT_OK);
    assert_int_equal(graft_executor_create(&executor, opened, &how), GRAFT_OK);
    graft_executor_free(executor);
    graft_model_free(opened);
    graft_model_free(model);
    free(hole);
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_older_names_of_dense_layers),
        cmocka_unit_test(test_only_these_names_are_older),
        cmocka_unit_test(test_auxiliary_classifiers_may_be_absent_as_a_whole),
        cmocka_unit_test(test_counters_may_be_absent),
        cmocka_unit_test(test_a_classifier_of_nan),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
