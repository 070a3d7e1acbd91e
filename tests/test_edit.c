/* Editing models: layers that are written out, modules replaced by them, heads for new classes, what trains.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <graft/model.h>
#include <graft/train.h>

#include "asserts.h"

#include "base/memory.h"
#include "graph/op.h"
#include "model/layers.h"
#include "model/model.h"

static const char *const names[] = {"ant", "bee", "wasp"};

static graft_model *create(void)
{
    graft_model *model;
    assert_int_equal(graft_model_create(&model, "efficientnet_lite0", 1), GRAFT_OK);
    return model;
}

static const graft_node *node_of(const graft_model *model, const char *name)
{
    return graft_graph_find(model->state.graph, name);
}

static const graft_tensor *tensor_of(const graft_model *model, const char *name)
{
    int index = graft_state_find(&model->state, name);
    return index < 0 ? NULL : model->state.tensors[index];
}

static void make_file(char *path)
{
    int file = mkstemp(path);
    assert_true(file >= 0);
    close(file);
}

/* ---- Layers ---- */

static void check_layers(const char *text, int classes, const char *printed)
{
    graft_layers layers;
    graft_buffer buffer = GRAFT_BUFFER_INIT;
    assert_int_equal(graft_layers_parse(&layers, text, classes, NULL), GRAFT_OK);
    assert_int_equal(graft_layers_print(&buffer, &layers), GRAFT_OK);
    assert_string_equal(buffer.data, printed);
    graft_buffer_dispose(&buffer);
}

static void test_layers_are_read(void **state)
{
    (void)state;
    check_layers("linear", 7, "linear(7)");
    check_layers("  linear(16)  relu dropout(0.25)   linear ", 3, "linear(16) relu dropout(0.25) linear(3)");
    check_layers("linear(5) linear(1048576)", 0, "linear(5) linear(1048576)");
    check_layers("dropout(0)", 0, "dropout(0)");
    check_layers("avgpool flatten linear", 3, "avgpool flatten linear(3)");
}

static void check_bad(const char *text, size_t place, const char *words)
{
    size_t found = 12345;
    assert_int_equal(graft_layers_check(text, &found), GRAFT_EARGUMENT);
    if (found != place || !strstr(graft_error_message(), words))
        fail_msg("%s: place %zu and \"%s\", where %zu and \"%s\" were expected", text, found,
                 graft_error_message(), place, words);
}

static void test_layers_that_cannot_be_read(void **state)
{
    (void)state;
    check_bad("", 0, "no layer in it");
    check_bad("   ", 0, "no layer in it");
    check_bad("linear(4096) rellu", 13, "did you mean relu?");
    check_bad("liner(3)", 0, "did you mean linear?");
    check_bad("linear linear", 0, "how wide");
    check_bad("linear(0)", 7, "whole number");
    check_bad("linear(2.5)", 7, "whole number");
    check_bad("linear(9999999)", 7, "whole number");
    check_bad("linear(nan)", 7, "whole number");
    check_bad("linear()", 7, "a number");
    check_bad("linear(3", 7, "\")\"");
    check_bad("linear(3)relu", 9, "a space");
    check_bad("dropout linear", 0, "a probability");
    check_bad("dropout(1) linear", 8, "from 0 to below 1");
    check_bad("dropout(-0.5)", 8, "from 0 to below 1");
    check_bad("relu(2)", 5, "takes no number");
}

/* ---- Heads ---- */

static void test_class_layer_is_replaced(void **state)
{
    (void)state;
    graft_model *model = create();
    graft_tensor *stem = model->state.tensors[0];
    assert_int_equal(graft_model_replace_head(model, NULL, names, 3, GRAFT_START_ZERO, 5), GRAFT_OK);
    assert_string_equal(graft_model_head(model), "_fc");
    assert_int_equal(graft_model_class_count(model), 3);
    assert_string_equal(graft_model_class(model, 2), "wasp");
    assert_ptr_equal(model->state.tensors[0], stem);
    const graft_tensor *weight = tensor_of(model, "_fc.weight");
    assert_int_equal(weight->shape.dims[0], 3);
    for (int i = 0; i < 3 * 1280; i++)
        assert_true(((const float *)weight->data)[i] == 0.0F);
    assert_true(node_of(model, "_fc")->trains);
    assert_true(node_of(model, "_dropout")->cut);
    graft_model_free(model);
}

static void test_start_as_pytorch_is_drawn_from_the_seed(void **state)
{
    (void)state;
    float first[3 * 1280];
    for (uint64_t seed = 5; seed < 7; seed++) {
        graft_model *model = create();
        assert_int_equal(graft_model_replace_head(model, NULL, names, 3, GRAFT_START_PYTORCH, seed),
                         GRAFT_OK);
        const float *weight = tensor_of(model, "_fc.weight")->data;
        double sum = 0, squares = 0;
        for (int i = 0; i < 3 * 1280; i++) {
            sum += (double)weight[i];
            squares += (double)weight[i] * (double)weight[i];
            assert_true(weight[i] > -0.02796F && weight[i] < 0.02796F); /* 1 / sqrt(1280) */
        }
        assert_true(sum / 3840 > -0.001 && sum / 3840 < 0.001);
        assert_true(squares / 3840 * 3 * 1280 > 0.95 &&
                    squares / 3840 * 3 * 1280 < 1.05); /* variance bound^2 / 3 */
        if (seed == 5)
            memcpy(first, weight, sizeof first);
        else
            assert_memory_not_equal(first, weight, sizeof first);
        graft_model_free(model);
    }
}

/* A wide head is drawn once, however often it is started: what is there already stays. */
static void test_a_head_is_drawn_once(void **state)
{
    (void)state;
    graft_model *model = create(), *shared = NULL;
    assert_ok(graft_model_replace_head(model, "linear(16) relu linear", names, 3, GRAFT_START_ZERO, 5));
    const graft_tensor *wide = tensor_of(model, "_fc.0.weight"), *bias = tensor_of(model, "_fc.2.bias");
    assert_ok(graft_model_clone(&shared, model));
    assert_ok(graft_model_start_head(shared, GRAFT_START_PYTORCH, 5));
    assert_ptr_equal(tensor_of(shared, "_fc.0.weight"), wide);
    assert_ptr_equal(tensor_of(shared, "_fc.2.bias"), bias);
    assert_ok(graft_model_start_head(shared, GRAFT_START_PYTORCH, 6));
    assert_memory_not_equal(tensor_of(shared, "_fc.0.weight")->data, wide->data, wide->bytes);
    assert_ok(graft_model_start_head(shared, GRAFT_START_ZERO, 5));
    assert_true(*(const float *)tensor_of(shared, "_fc.0.weight")->data == 0.0F);
    assert_ok(graft_model_start_head(shared, GRAFT_START_PYTORCH, 5));
    assert_memory_equal(tensor_of(shared, "_fc.0.weight")->data, wide->data, wide->bytes);
    graft_model_free(shared);
    graft_model_free(model);
}

static void test_head_of_layers_is_numbered_as_sequential(void **state)
{
    (void)state;
    graft_model *model = create();
    assert_int_equal(
        graft_model_replace_head(model, "linear(16) relu dropout(0.5) linear", names, 3, GRAFT_START_ZERO, 5),
        GRAFT_OK);
    assert_string_equal(graft_model_head(model), "_fc");
    assert_null(node_of(model, "_fc"));
    assert_non_null(tensor_of(model, "_fc.0.weight"));
    assert_non_null(tensor_of(model, "_fc.3.bias"));
    assert_null(tensor_of(model, "_fc.1.weight"));
    assert_true(node_of(model, "_fc.2")->trains);
    assert_int_equal(model->class_count, 3);
    assert_false(((const float *)tensor_of(model, "_fc.0.weight")->data)[0] == 0.0F);
    /* a class layer alone stands in the network's own place again */
    assert_int_equal(graft_model_replace_head(model, NULL, names, 2, GRAFT_START_ZERO, 5), GRAFT_OK);
    assert_non_null(node_of(model, "_fc"));
    assert_null(node_of(model, "_fc.0"));
    assert_int_equal(model->class_count, 2);
    graft_model_free(model);
}

static void test_any_node_can_be_replaced(void **state)
{
    (void)state;
    graft_model *model = create();
    assert_int_equal(graft_model_replace(model, "_dropout", "linear(1280) relu", 1), GRAFT_OK);
    assert_non_null(tensor_of(model, "_dropout.0.weight"));
    assert_string_equal(graft_model_head(model), "_fc");
    assert_int_equal(model->class_count, 1000);
    assert_int_equal(graft_model_replace(model, "_fc", "linear(4)", 1), GRAFT_OK);
    assert_int_equal(model->class_count, 4);
    assert_null(graft_model_class(model, 0));
    assert_int_equal(graft_model_name_classes(model, names, 3), GRAFT_EARGUMENT);
    graft_model_free(model);
}

static void check_refused(const char *module, const char *layers, graft_status status, const char *words)
{
    graft_model *model = create();
    graft_graph *before = model->state.graph;
    assert_int_equal(graft_model_replace(model, module, layers, 1), status);
    if (!strstr(graft_error_message(), words))
        fail_msg("\"%s\" does not say \"%s\"", graft_error_message(), words);
    assert_ptr_equal(model->state.graph, before); /* nothing has changed */
    graft_model_free(model);
}

static void test_what_cannot_be_replaced(void **state)
{
    (void)state;
    check_refused("_fcc", "linear(4)", GRAFT_ENOTFOUND, "_fcc");
    check_refused("input", "linear(4)", GRAFT_ENOTFOUND, "between two others");
    check_refused("_blocks.2.add", "relu", GRAFT_ESHAPE, "more than one tensor goes into");
    check_refused("_conv_stem", "linear(4)", GRAFT_ESHAPE, "_conv_stem");
}

static void check_head(const char *layers, graft_status status, const char *words)
{
    graft_model *model = create();
    assert_int_equal(graft_model_replace_head(model, layers, names, 3, GRAFT_START_ZERO, 5), status);
    if (!strstr(graft_error_message(), words))
        fail_msg("\"%s\" does not say \"%s\"", graft_error_message(), words);
    assert_int_equal(model->class_count, 1000);
    graft_model_free(model);
}

static void test_heads_that_do_not_fit(void **state)
{
    (void)state;
    check_head("relu", GRAFT_ESHAPE, "ends in 1280 numbers where there are 3 classes");
    check_head("linear(4)", GRAFT_ESHAPE, "ends in 4 numbers");
    check_head("linear(3) linear(", GRAFT_EARGUMENT, "column 18");
}

/* A ReLU stands behind SqueezeNet's class layer: it would never leave zero. */
static void test_a_convolution_starts_as_pytorchs(void **state)
{
    (void)state;
    graft_model *model;
    assert_int_equal(graft_model_create(&model, "squeezenet1_1", 1), GRAFT_OK);
    assert_int_equal(graft_model_replace_head(model, NULL, names, 3, GRAFT_START_ZERO, 5), GRAFT_OK);
    const graft_tensor *weight = tensor_of(model, "classifier.1.weight");
    const graft_tensor *bias = tensor_of(model, "classifier.1.bias");
    assert_int_equal(graft_shape_count(&weight->shape), 3 * 512);
    double squares = 0;
    for (int i = 0; i < 3 * 512; i++) {
        double value = (double)((const float *)weight->data)[i];
        assert_true(value > -0.0442 && value < 0.0442); /* 1 / sqrt(512) */
        squares += value * value;
    }
    assert_true(squares > 0.95 && squares < 1.05); /* variance bound^2 / 3 */
    for (int i = 0; i < 3; i++)
        assert_true(((const float *)bias->data)[i] != 0.0F);
    graft_model_free(model);
}

/* What SqueezeNet's head module gets is no row of features yet. */
static void test_a_head_behind_convolutions(void **state)
{
    (void)state;
    graft_model *model;
    assert_int_equal(graft_model_create(&model, "squeezenet1_1", 1), GRAFT_OK);
    assert_int_equal(graft_model_replace_head(model, "linear", names, 3, GRAFT_START_ZERO, 5), GRAFT_ESHAPE);
    assert_non_null(strstr(graft_error_message(), "node classifier: "));
    assert_non_null(strstr(graft_error_message(), "a flatten makes it so"));
    assert_int_equal(graft_model_replace_head(model, "avgpool flatten linear(16) relu linear", names, 3,
                                              GRAFT_START_ZERO, 5),
                     GRAFT_OK);
    assert_string_equal(graft_model_head(model), "classifier");
    assert_int_equal(tensor_of(model, "classifier.2.weight")->shape.dims[1], 512);
    assert_int_equal(tensor_of(model, "classifier.4.weight")->shape.dims[0], 3);
    assert_int_equal(model->class_count, 3);
    graft_model_free(model);
}

/* An executor wants the loss that fits the head. */
static void check_loss(const char *layers, graft_loss loss, float smoothing, const char *words)
{
    graft_model *model = create();
    graft_executor *executor = NULL;
    graft_executor_options how = GRAFT_EXECUTOR_OPTIONS_INIT;
    how.loss = loss;
    how.label_smoothing = smoothing;
    how.batch = 1;
    how.threads = 1;
    assert_int_equal(graft_model_set_size(model, 32), GRAFT_OK);
    assert_int_equal(graft_model_replace_head(model, layers, names, 3, GRAFT_START_ZERO, 5), GRAFT_OK);
    graft_status status = graft_executor_create(&executor, model, &how);
    assert_int_equal(status, words ? GRAFT_EARGUMENT : GRAFT_OK);
    if (words && !strstr(graft_error_message(), words))
        fail_msg("\"%s\" does not say \"%s\"", graft_error_message(), words);
    graft_executor_free(executor);
    graft_model_free(model);
}

static void test_losses_that_do_not_fit(void **state)
{
    (void)state;
    check_loss("linear logsoftmax", GRAFT_NLL, 0, NULL);
    check_loss("linear", GRAFT_CROSS_ENTROPY, 0.1F, NULL);
    check_loss("linear", GRAFT_NLL, 0, "does not end in logsoftmax");
    check_loss("linear logsoftmax", GRAFT_CROSS_ENTROPY, 0, "needs NLL");
    check_loss("linear logsoftmax", GRAFT_NLL, 0.1F, "label smoothing");
    check_loss("linear", GRAFT_CROSS_ENTROPY, 1.0F, "label smoothing of 1");
}

/* Of pictures of 32 pixels the last stage sees one value a channel. */
static void test_statistics_of_one_value(void **state)
{
    static const struct {
        int batch;
        graft_batch_norm norm;
        graft_status status;
    } cases[] = {{1, GRAFT_BATCH_NORM_TRAIN, GRAFT_EARGUMENT},
                 {1, GRAFT_BATCH_NORM_STILL, GRAFT_OK},
                 {2, GRAFT_BATCH_NORM_TRAIN, GRAFT_OK}};
    (void)state;
    graft_model *model = create();
    assert_int_equal(graft_model_set_size(model, 32), GRAFT_OK);
    assert_int_equal(graft_model_unfreeze(model, "_bn1"), GRAFT_OK);
    for (int i = 0; i < 3; i++) {
        graft_executor *executor = NULL;
        graft_executor_options how = GRAFT_EXECUTOR_OPTIONS_INIT;
        how.batch = cases[i].batch;
        how.batch_norm = cases[i].norm;
        how.threads = 1;
        assert_int_equal(graft_executor_create(&executor, model, &how), cases[i].status);
        if (cases[i].status != GRAFT_OK)
            assert_non_null(strstr(graft_error_message(), "node _bn1: of a batch of 1 picture"));
        graft_executor_free(executor);
    }
    graft_model_free(model);
}

/* ---- Composing ---- */

static const char *const parts[] = {"avgpool", "flatten", "linear(16) relu dropout(0.5) linear"};

/* SqueezeNet's features by themselves, out of a file. */
static graft_model *open_features(graft_model **whole, char *path)
{
    graft_model *features;
    make_file(path);
    assert_int_equal(graft_model_create(whole, "squeezenet1_1", 1), GRAFT_OK);
    assert_int_equal(graft_model_save(*whole, path), GRAFT_OK);
    assert_int_equal(graft_model_open_module(&features, "squeezenet1_1", "features", path), GRAFT_OK);
    return features;
}

static void check_same(const graft_model *a, const char *name, const graft_model *b, const char *other)
{
    const graft_tensor *one = tensor_of(a, name), *two = tensor_of(b, other);
    if (!one || !two)
        fail_msg("%s and %s: one is missing", name, other);
    assert_int_equal(one->bytes, two->bytes);
    assert_memory_equal(one->data, two->data, one->bytes);
}

static void test_a_module_by_itself(void **state)
{
    (void)state;
    char path[] = "/tmp/graft-edit-XXXXXX";
    graft_model *whole, *features = open_features(&whole, path), *none = NULL;
    graft_executor *executor = NULL;
    graft_executor_options how = GRAFT_EXECUTOR_OPTIONS_INIT;
    check_same(features, "12.expand3x3.bias", whole, "features.12.expand3x3.bias");
    assert_int_equal(graft_model_tensor_count(features), graft_model_tensor_count(whole) - 2);
    assert_string_equal(graft_model_head(features), "");
    assert_int_equal(graft_model_class_count(features), 0);
    assert_int_equal(graft_model_select(features, NULL, 0, NULL, 0), GRAFT_OK);
    assert_int_equal(graft_executor_create(&executor, features, &how), GRAFT_ESHAPE);
    assert_non_null(strstr(graft_error_message(), "12.cat gives (1, 512, 13, 13) for a picture"));
    how.batch = 0;
    how.node = "12"; /* whoever asks for just this gets it */
    assert_int_equal(graft_executor_create(&executor, features, &how), GRAFT_OK);
    graft_executor_free(executor);
    assert_int_equal(graft_model_feature_node(features), graft_model_node_count(features) - 1);
    assert_int_equal(graft_model_replace_head(features, NULL, names, 3, GRAFT_START_ZERO, 5), GRAFT_ESHAPE);
    assert_int_equal(graft_model_open_module(&none, "squeezenet1_1", "featurs", path), GRAFT_ENOTFOUND);
    assert_non_null(strstr(graft_error_message(), "\"featurs\"; the nearest is features"));
    assert_int_equal(graft_model_open_module(&none, "squeezenet1_1", "classifier", path), GRAFT_ESHAPE);
    assert_non_null(strstr(graft_error_message(), "classifier.0 reads features.12.cat"));
    assert_null(none);
    graft_model_free(features);
    graft_model_free(whole);
    unlink(path);
}

static void test_a_head_is_composed_behind_it(void **state)
{
    (void)state;
    char path[] = "/tmp/graft-edit-XXXXXX";
    graft_model *whole, *features = open_features(&whole, path), *model, *loaded;
    assert_int_equal(graft_model_unfreeze(features, "12"), GRAFT_OK);
    assert_int_equal(graft_model_sequential(&model, features, parts, 3, names, 3, 5), GRAFT_OK);
    assert_int_equal(graft_model_save(model, path), GRAFT_OK);
    assert_int_equal(graft_model_load(&loaded, path), GRAFT_OK);
    graft_model *both[] = {model, loaded};
    for (int i = 0; i < 2; i++) {
        check_same(both[i], "0.12.expand3x3.bias", whole, "features.12.expand3x3.bias");
        check_same(both[i], "3.0.weight", model, "3.0.weight");
        assert_int_equal(tensor_of(both[i], "3.3.weight")->shape.dims[0], 3);
        assert_string_equal(graft_model_head(both[i]), "3");
        assert_string_equal(graft_model_class(both[i], 1), "bee");
        assert_string_equal(node_of(both[i], "2")->op->name, "flatten");
        assert_true(node_of(both[i], "0.12.squeeze")->trains && !node_of(both[i], "0.11.squeeze")->trains);
    }
    assert_ptr_equal(tensor_of(model, "0.0.weight"), tensor_of(features, "0.weight")); /* shared */
    graft_model_free(loaded);
    graft_model_free(model);
    graft_model_free(features);
    graft_model_free(whole);
    unlink(path);
}

/* A whole network may be a body, and what is composed may be edited. */
static void test_what_is_composed_is_a_model(void **state)
{
    (void)state;
    static const char *const behind[] = {"relu", "linear"};
    graft_model *body = create(), *model, *twice;
    assert_int_equal(graft_model_replace(body, "_dropout", "linear(8)", 1), GRAFT_OK);
    assert_int_equal(graft_model_sequential(&model, body, behind, 2, names, 3, 5), GRAFT_OK);
    check_same(model, "0._dropout.weight", body, "_dropout.weight");
    assert_int_equal(graft_model_replace_head(model, NULL, names, 2, GRAFT_START_ZERO, 5), GRAFT_EARGUMENT);
    assert_int_equal(graft_model_replace_head(model, "mlp", names, 2, GRAFT_START_ZERO, 5), GRAFT_OK);
    assert_int_equal(tensor_of(model, "2.3.weight")->shape.dims[0], 2);
    assert_int_equal(graft_model_sequential(&twice, model, behind, 2, names, 3, 5), GRAFT_OK);
    check_same(twice, "0.0._dropout.weight", body, "_dropout.weight");
    check_same(twice, "0.2.3.weight", model, "2.3.weight");
    assert_string_equal(graft_model_head(twice), "2");
    graft_model_free(twice);
    graft_model_free(model);
    graft_model_free(body);
}

static void check_composed(const char *const *behind, size_t count, size_t classes, graft_status status,
                           const char *words)
{
    graft_model *body = create(), *model = NULL;
    assert_int_equal(graft_model_sequential(&model, body, behind, count, names, classes, 5), status);
    if (!strstr(graft_error_message(), words))
        fail_msg("\"%s\" does not say \"%s\"", graft_error_message(), words);
    assert_null(model);
    graft_model_free(body);
}

static void test_what_cannot_be_composed(void **state)
{
    (void)state;
    static const char *const slip[] = {"relu", "linnear"}, *const open[] = {"linear", "relu"},
                             *const wide[] = {"linear(4)"}, *const pool[] = {"avgpool", "linear"};
    check_composed(NULL, 0, 3, GRAFT_EARGUMENT, "no part");
    check_composed(wide, 1, 1, GRAFT_EARGUMENT, "two classes or more");
    check_composed(slip, 2, 3, GRAFT_EARGUMENT, "did you mean linear?");
    check_composed(open, 2, 3, GRAFT_EARGUMENT, "how wide");
    check_composed(wide, 1, 3, GRAFT_ESHAPE, "ends in 4 numbers where there are 3 classes");
    check_composed(pool, 2, 3, GRAFT_ESHAPE, "node 1: ");
}

/* A new layer of another width takes the weights above it away. */
static void test_weights_that_no_longer_fit(void **state)
{
    (void)state;
    graft_model *model = create();
    graft_executor *executor = NULL;
    graft_executor_options how = GRAFT_EXECUTOR_OPTIONS_INIT;
    assert_int_equal(graft_model_replace(model, "_dropout", "linear(64)", 1), GRAFT_OK);
    assert_null(graft_model_tensor(model, graft_model_tensor_count(model) - 2).data);
    assert_int_equal(graft_executor_create(&executor, model, &how), GRAFT_ESHAPE);
    assert_non_null(strstr(graft_error_message(), "node _fc: it has no weights, or none of the shape"));
    assert_int_equal(graft_model_save(model, "/tmp/graft-never"), GRAFT_ESHAPE);
    assert_int_equal(graft_model_replace(model, "_fc", "linear(4)", 1), GRAFT_OK);
    assert_non_null(graft_model_tensor(model, graft_model_tensor_count(model) - 2).data);
    graft_model_free(model);
}

static void test_failing_allocations_leave_the_model(void **state)
{
    (void)state;
    graft_model *model = create();
    graft_status status = GRAFT_EMEMORY;
    for (long n = 1; status != GRAFT_OK; n += 37) {
        graft_memory_fail_after(n);
        status = graft_model_replace_head(model, "linear(16) relu linear", names, 3, GRAFT_START_ZERO, 5);
        graft_memory_fail_after(0);
        assert_true(status == GRAFT_OK || status == GRAFT_EMEMORY);
        if (status != GRAFT_OK)
            assert_non_null(tensor_of(model, "_fc.weight"));
    }
    graft_model_free(model);
}

static void test_failing_allocations_compose_nothing(void **state)
{
    (void)state;
    char path[] = "/tmp/graft-edit-XXXXXX";
    graft_model *whole, *features = open_features(&whole, path), *again = NULL, *model = NULL;
    graft_status status = GRAFT_EMEMORY;
    for (long n = 1; status != GRAFT_OK; n += 29) {
        graft_memory_fail_after(n);
        status = graft_model_open_module(&again, "squeezenet1_1", "features", path);
        if (status == GRAFT_OK)
            status = graft_model_sequential(&model, again, parts, 3, names, 3, 5);
        graft_memory_fail_after(0);
        assert_true(status == GRAFT_OK || status == GRAFT_EMEMORY);
        graft_model_free(again);
        again = NULL;
    }
    graft_model_free(model);
    graft_model_free(features);
    graft_model_free(whole);
    unlink(path);
}

static void test_size(void **state)
{
    (void)state;
    graft_model *model = create();
    graft_tensor *stem = model->state.tensors[0];
    assert_int_equal(graft_model_set_size(model, 64), GRAFT_OK);
    assert_int_equal(graft_model_transform(model)->crop, 64);
    assert_int_equal(graft_model_transform(model)->resize, 73);
    assert_ptr_equal(model->state.tensors[0], stem);
    assert_int_equal(node_of(model, "_conv_head")->shape.dims[2], 2);
    assert_int_equal(graft_model_set_size(model, 0), GRAFT_EARGUMENT);
    assert_int_equal(graft_model_set_size(model, 5000), GRAFT_EARGUMENT);
    graft_model_free(model);
}

static void test_an_outline_is_only_looked_at(void **state)
{
    (void)state;
    graft_model *model;
    graft_executor *executor;
    graft_executor_options how = GRAFT_EXECUTOR_OPTIONS_INIT;
    assert_int_equal(graft_model_outline(&model, "efficientnet_lite0"), GRAFT_OK);
    assert_int_equal(graft_model_replace_head(model, NULL, names, 3, GRAFT_START_ZERO, 5), GRAFT_OK);
    assert_int_equal(graft_model_set_size(model, 64), GRAFT_OK);
    assert_true(node_of(model, "_fc")->trains);
    assert_int_equal(graft_model_class_count(model), 3);
    assert_int_equal(graft_model_tensor_count(model), 0);
    assert_int_equal(graft_executor_create(&executor, model, &how), GRAFT_EARGUMENT);
    assert_int_equal(graft_model_save(model, "/tmp/graft-never"), GRAFT_EARGUMENT);
    graft_model_free(model);
}

/* ---- Saved and loaded ---- */

static void test_weights_for_other_classes(void **state)
{
    (void)state;
    char path[] = "/tmp/graft-edit-XXXXXX";
    graft_model *model = create(), *opened = NULL;
    bool replaced = false;
    make_file(path);
    assert_int_equal(graft_model_replace_head(model, NULL, names, 3, GRAFT_START_PYTORCH, 5), GRAFT_OK);
    assert_int_equal(graft_model_save(model, path), GRAFT_OK);
    assert_int_equal(graft_model_open(&opened, "efficientnet_lite0", path), GRAFT_EFORMAT);
    assert_non_null(strstr(graft_error_message(), "_fc.weight (3, 1280) where (1000, 1280) is needed"));
    assert_int_equal(graft_model_open_body(&opened, "efficientnet_lite0", path, NULL, &replaced), GRAFT_OK);
    assert_true(replaced);
    assert_int_equal(opened->class_count, 1000);
    assert_memory_equal(tensor_of(opened, "_conv_stem.weight")->data,
                        tensor_of(model, "_conv_stem.weight")->data, 32 * 27 * sizeof(float));
    graft_model_free(opened);
    graft_model_free(model);
    unlink(path);
}

/* Compared with the file, and not loaded. */
static void test_a_body_without_the_head_that_goes(void **state)
{
    (void)state;
    static const char layers[] = "linear(16) relu linear";
    char path[] = "/tmp/graft-edit-XXXXXX";
    graft_model *model = create(), *opened = NULL;
    graft_executor *executor;
    graft_executor_options how = GRAFT_EXECUTOR_OPTIONS_INIT;
    bool replaced = true;
    make_file(path);
    assert_int_equal(graft_model_save(model, path), GRAFT_OK);
    assert_int_equal(graft_model_open_body(&opened, "efficientnet_lite0", path, layers, &replaced), GRAFT_OK);
    assert_false(replaced);
    assert_null(tensor_of(opened, "_fc.weight"));
    assert_int_equal(graft_executor_create(&executor, opened, &how), GRAFT_ESHAPE);
    assert_int_equal(graft_model_set_size(opened, 64), GRAFT_OK);
    assert_int_equal(graft_model_replace_head(opened, layers, names, 3, GRAFT_START_ZERO, 5), GRAFT_OK);
    assert_int_equal(graft_model_check_whole(opened), GRAFT_OK);
    assert_memory_equal(tensor_of(opened, "_conv_stem.weight")->data,
                        tensor_of(model, "_conv_stem.weight")->data, 32 * 27 * sizeof(float));
    graft_model_free(opened);
    graft_model_free(model);
    unlink(path);
}

static void test_edits_survive_a_file(void **state)
{
    (void)state;
    char path[] = "/tmp/graft-edit-XXXXXX";
    graft_model *model = create(), *loaded;
    make_file(path);
    assert_int_equal(graft_model_replace(model, "_dropout", "linear(8) dropout(0.125)", 1), GRAFT_OK);
    assert_int_equal(graft_model_replace_head(model, "linear(16) relu linear", names, 3, GRAFT_START_ZERO, 5),
                     GRAFT_OK);
    assert_int_equal(graft_model_save(model, path), GRAFT_OK);
    assert_int_equal(graft_model_load(&loaded, path), GRAFT_OK);
    assert_string_equal(graft_model_head(loaded), "_fc");
    assert_string_equal(graft_model_class(loaded, 1), "bee");
    assert_int_equal(graft_model_tensor_count(loaded), graft_model_tensor_count(model));
    for (size_t i = 0; i < graft_model_tensor_count(model); i++) {
        graft_tensor_view a = graft_model_tensor(model, i), b = graft_model_tensor(loaded, i);
        assert_string_equal(a.name, b.name);
        assert_int_equal(a.bytes, b.bytes);
        assert_memory_equal(a.data, b.data, a.bytes);
    }
    for (size_t i = 0; i < model->state.graph->count; i++)
        assert_int_equal(model->state.graph->nodes[i].trains, loaded->state.graph->nodes[i].trains);
    graft_model_free(loaded);
    graft_model_free(model);
    unlink(path);
}

static void test_a_file_of_a_newer_graft(void **state)
{
    (void)state;
    char path[] = "/tmp/graft-edit-XXXXXX";
    const float one = 1.0F;
    const graft_tensor_view view = {"x", GRAFT_F32, {1, {1}}, &one, sizeof one};
    const char *const newer[] = {"graft.format", "2", "graft.version", "9.0.0", "graft.network", "vgg16"};
    const char *const other[] = {"who", "knows"};
    graft_model *model = NULL;
    make_file(path);
    assert_int_equal(graft_safetensors_write(path, &view, 1, newer, 3), GRAFT_OK);
    assert_int_equal(graft_model_load(&model, path), GRAFT_EUNSUPPORTED);
    assert_non_null(strstr(graft_error_message(), "written by a newer graft (9.0.0, format 2)"));
    assert_int_equal(graft_safetensors_write(path, &view, 1, other, 1), GRAFT_OK);
    assert_int_equal(graft_model_load(&model, path), GRAFT_EFORMAT);
    assert_non_null(strstr(graft_error_message(), "not a model that graft saved"));
    assert_null(model);
    unlink(path);
}

/* ---- What trains ---- */

static bool trains(const graft_model *model, const char *name)
{
    return node_of(model, name)->trains;
}

static void test_selection(void **state)
{
    (void)state;
    graft_model *model = create();
    const char *blocks[] = {"_blocks.15"}, *glob[] = {"*_bn1"}, *all[] = {"all"}, *none[] = {"_blokcs"};
    assert_int_equal(graft_model_select(model, NULL, 0, NULL, 0), GRAFT_OK);
    assert_true(trains(model, "_fc") && !trains(model, "_bn1") && !trains(model, "_dropout"));
    assert_int_equal(graft_model_select(model, blocks, 1, NULL, 0), GRAFT_OK);
    assert_true(trains(model, "_fc") && trains(model, "_blocks.15._bn0") && !trains(model, "_blocks.1._bn1"));
    assert_int_equal(graft_model_select(model, glob, 1, NULL, 0), GRAFT_OK);
    assert_true(trains(model, "_bn1") && trains(model, "_blocks.3._bn1") && !trains(model, "_blocks.3._bn0"));
    assert_int_equal(graft_model_select(model, all, 1, NULL, 0), GRAFT_OK);
    assert_true(trains(model, "_conv_stem") && trains(model, "_dropout"));
    assert_int_equal(graft_model_select(model, NULL, 0, blocks, 1), GRAFT_OK);
    assert_true(trains(model, "_conv_stem") && !trains(model, "_blocks.15._bn0") && trains(model, "_fc"));
    assert_int_equal(graft_model_select(model, blocks, 1, all, 1), GRAFT_EARGUMENT);
    assert_int_equal(graft_model_select(model, none, 1, NULL, 0), GRAFT_ENOTFOUND);
    assert_non_null(strstr(graft_error_message(), "_blocks"));
    graft_model_free(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_layers_are_read),
        cmocka_unit_test(test_layers_that_cannot_be_read),
        cmocka_unit_test(test_class_layer_is_replaced),
        cmocka_unit_test(test_start_as_pytorch_is_drawn_from_the_seed),
        cmocka_unit_test(test_a_head_is_drawn_once),
        cmocka_unit_test(test_head_of_layers_is_numbered_as_sequential),
        cmocka_unit_test(test_any_node_can_be_replaced),
        cmocka_unit_test(test_what_cannot_be_replaced),
        cmocka_unit_test(test_heads_that_do_not_fit),
        cmocka_unit_test(test_a_convolution_starts_as_pytorchs),
        cmocka_unit_test(test_a_head_behind_convolutions),
        cmocka_unit_test(test_losses_that_do_not_fit),
        cmocka_unit_test(test_statistics_of_one_value),
        cmocka_unit_test(test_a_module_by_itself),
        cmocka_unit_test(test_a_head_is_composed_behind_it),
        cmocka_unit_test(test_what_is_composed_is_a_model),
        cmocka_unit_test(test_what_cannot_be_composed),
        cmocka_unit_test(test_weights_that_no_longer_fit),
        cmocka_unit_test(test_failing_allocations_leave_the_model),
        cmocka_unit_test(test_failing_allocations_compose_nothing),
        cmocka_unit_test(test_size),
        cmocka_unit_test(test_an_outline_is_only_looked_at),
        cmocka_unit_test(test_weights_for_other_classes),
        cmocka_unit_test(test_a_body_without_the_head_that_goes),
        cmocka_unit_test(test_edits_survive_a_file),
        cmocka_unit_test(test_a_file_of_a_newer_graft),
        cmocka_unit_test(test_selection),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
