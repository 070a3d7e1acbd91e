/* EfficientNet-Lite0 as a whole against PyTorch's module (tests/reference/make_parity.py): logits, gradients
 * of every parameter, twenty steps of training, and back into PyTorch. On one thread: tests run beside each
 * other, and oneDNN waits for its threads without rest. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <math.h>
#include <unistd.h>

#include "asserts.h"

#include <graft/graft.h>

#include "base/file.h"

enum { PICTURES = 12, FEW = 4, BATCH = 6, STEPS = 20, CLASSES = 1000, SIDE = 224, PIXELS = SIDE * SIDE * 3 };

/* ---- The reference ---- */

static void reference_path(char path[4096], const char *name)
{
    const char *folder = getenv("GRAFT_TEST_REFERENCE");
    assert_non_null(folder);
    snprintf(path, 4096, "%s/parity/%s", folder, name);
}

/* The caller's. */
static void *read_reference(const char *name, size_t *size)
{
    char path[4096];
    uint8_t *data = NULL;
    reference_path(path, name);
    assert_ok(graft_file_read(path, SIZE_MAX, &data, size));
    return data;
}

static float *read_floats(const char *regime, const char *what, size_t *count)
{
    char name[64];
    snprintf(name, sizeof name, "%s.%s.bin", regime, what);
    float *values = read_reference(name, count);
    *count /= sizeof(float);
    return values;
}

static double read_figure(const char *name)
{
    char path[4096], key[64];
    double value, found = NAN;
    reference_path(path, "figures.txt");
    FILE *stream = fopen(path, "r");
    assert_non_null(stream);
    while (fscanf(stream, "%63s %lf", key, &value) == 2)
        if (strcmp(key, name) == 0)
            found = value;
    fclose(stream);
    assert_true(isfinite(found));
    return found;
}

static double norm_of(const float *values, size_t count)
{
    double squares = 0;
    for (size_t i = 0; i < count; i++)
        squares += (double)values[i] * values[i];
    return sqrt(squares);
}

static double difference(const float *a, const float *b, size_t count)
{
    double squares = 0;
    for (size_t i = 0; i < count; i++)
        squares += ((double)a[i] - b[i]) * ((double)a[i] - b[i]);
    return isfinite(squares) ? sqrt(squares) : INFINITY;
}

/* ---- Pictures ---- */

typedef struct album {
    uint8_t *pixels;
    const uint8_t *rows[PICTURES];
    int labels[PICTURES];
} album;

static int setup(void **state)
{
    static album a;
    size_t size;
    a.pixels = read_reference("pixels.bin", &size);
    assert_int_equal(size, PICTURES * PIXELS);
    for (int i = 0; i < PICTURES; i++) {
        a.rows[i] = a.pixels + (size_t)i * PIXELS;
        a.labels[i] = i * 61;
    }
    *state = &a;
    return 0;
}

static int teardown(void **state)
{
    free(((album *)*state)->pixels);
    return 0;
}

/* ---- Regimes ---- */

typedef struct regime {
    const char *name, *trains;
    graft_batch_norm norm;
} regime;

static const regime head = {"head", "_fc", GRAFT_BATCH_NORM_STILL};
static const regime still = {"still", "*", GRAFT_BATCH_NORM_STILL};
static const regime train = {"train", "*", GRAFT_BATCH_NORM_TRAIN};

static graft_model *open_model(const char *name)
{
    char path[4096];
    graft_model *model = NULL;
    reference_path(path, name);
    assert_ok(graft_model_open(&model, "efficientnet_lite0", path));
    return model;
}

static graft_executor *open_executor(const char *file, const regime *r, int batch,
                                     const graft_sgd_options *sgd, float clip)
{
    graft_executor_options options = GRAFT_EXECUTOR_OPTIONS_INIT;
    graft_executor *e = NULL;
    graft_model *model = open_model(file);
    options.batch = batch;
    options.threads = 1;
    options.batch_norm = r->norm;
    options.stochastic = false;
    options.keep = false;
    options.clip = clip;
    if (sgd)
        options.optimizer = *sgd;
    assert_ok(graft_model_unfreeze(model, r->trains));
    assert_ok(graft_executor_create(&e, model, &options));
    graft_model_free(model);
    return e;
}

/* ---- Logits ---- */

static void check_logits(const album *a, const char *file)
{
    size_t count;
    float *wanted = read_reference("logits.bin", &count);
    graft_executor *e = NULL;
    graft_model *model = open_model(file);
    graft_executor_options options = GRAFT_EXECUTOR_OPTIONS_INIT;
    graft_batch batch = {.count = FEW, .pixels = a->rows};
    options.batch = 0;
    options.threads = 1;
    assert_ok(graft_executor_create(&e, model, &options));
    assert_ok(graft_executor_forward(e, &batch));
    assert_int_equal(count, FEW * CLASSES * sizeof(float));
    double own = read_figure("logits"), limit = fmax(1e-5, 3 * own);
    for (int i = 0; i < FEW; i++) {
        const float *row = wanted + i * CLASSES;
        double distance =
            difference(graft_executor_logits(e) + i * CLASSES, row, CLASSES) / norm_of(row, CLASSES);
        print_message("%s, picture %d: logits differ by %.2g (PyTorch's f32 by %.2g)\n", file, i, distance,
                      own);
        assert_true(distance <= limit);
    }
    free(wanted);
    graft_executor_free(e);
    graft_model_free(model);
}

static void test_logits(void **state)
{
    check_logits(*state, "legacy.pth");
    check_logits(*state, "zip.pth");
}

/* ---- Gradients ---- */

/* The names of learned parameters that train, in the state dict's order; *count of them. */
static size_t learned(const graft_model *model, const regime *r, const char **names, size_t *sizes)
{
    size_t count = 0;
    for (size_t i = 0; i < graft_model_tensor_count(model); i++) {
        graft_tensor_view view = graft_model_tensor(model, i);
        bool runs = strstr(view.name, "running") || strstr(view.name, "num_batches");
        if (runs || (r->trains[0] != '*' && strncmp(view.name, "_fc.", 4) != 0))
            continue;
        names[count] = view.name;
        sizes[count++] = view.bytes / sizeof(float);
    }
    return count;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* What is mathematically zero is measured against the largest, as the reference measures it. */
static double *gradient_distances(const graft_executor *e, const char *const *names, const size_t *sizes,
                                  size_t count, const float *wanted)
{
    double largest = 0, *distances = calloc(count, sizeof *distances);
    const float *at = wanted;
    for (size_t i = 0; i < count; at += sizes[i++])
        largest = fmax(largest, norm_of(at, sizes[i]));
    at = wanted;
    for (size_t i = 0; i < count; at += sizes[i++]) {
        float *got = malloc(sizeof(float) * sizes[i]);
        double size = norm_of(at, sizes[i]);
        assert_ok(graft_executor_gradient(e, names[i], got, sizes[i]));
        distances[i] = difference(got, at, sizes[i]) / (size < 1e-5 * largest ? largest : size);
        free(got);
    }
    return distances;
}

typedef struct gradient_case {
    const char *name, *file;
    const regime *regime;
    double limit; /* or four times PyTorch's own, if that is more */
} gradient_case;

static void check_gradients(const album *a, const gradient_case *c)
{
    const char *names[256];
    size_t sizes[256], wanted_count, own_count;
    graft_model *model = open_model(c->file);
    graft_executor *e = open_executor(c->file, c->regime, FEW, NULL, 0.0F);
    graft_batch batch = {.count = FEW, .labels = a->labels, .pixels = a->rows};
    float *wanted = read_floats(c->name, "gradients", &wanted_count);
    float *own = read_floats(c->name, "distances", &own_count);
    size_t count = learned(model, c->regime, names, sizes);
    double own_worst = 0;
    assert_int_equal(count, own_count);
    assert_ok(graft_executor_zero_grad(e));
    assert_ok(graft_executor_forward(e, &batch));
    assert_ok(graft_executor_backward(e));
    double *distances = gradient_distances(e, names, sizes, count, wanted);
    for (size_t i = 0; i < count; i++)
        own_worst = fmax(own_worst, (double)own[i]);
    qsort(distances, count, sizeof *distances, by_value);
    print_message("%s: %zu gradients differ by %.2g at the median, %.2g at most (PyTorch's f32 by %.2g)\n",
                  c->name, count, distances[count / 2], distances[count - 1], own_worst);
    assert_true(distances[count - 1] <= fmax(c->limit, 4 * own_worst));
    free(distances);
    free(wanted);
    free(own);
    graft_executor_free(e);
    graft_model_free(model);
}

/* Where rounding turns one of millions of ReLU6 over, all gradients below it move by a thousandth or more, in
 * PyTorch too. With calm weights none can: there the limit is that of arithmetic. (The worst is a gamma whose
 * batch norm is folded: a difference of sums that is small beside them where the mean is far from zero.) */
static void test_gradients_without_chance(void **state)
{
    check_gradients(*state, &(gradient_case){"calm.head", "calm.pth", &head, 1e-5});
    check_gradients(*state, &(gradient_case){"calm.still", "calm.pth", &still, 2e-4});
    check_gradients(*state, &(gradient_case){"calm.train", "calm.pth", &train, 1e-3});
}

static void test_gradients(void **state)
{
    check_gradients(*state, &(gradient_case){"head", "legacy.pth", &head, 1e-5});
    check_gradients(*state, &(gradient_case){"still", "legacy.pth", &still, 2e-2});
    check_gradients(*state, &(gradient_case){"train", "legacy.pth", &train, 5e-2});
}

/* ---- Twenty steps ---- */

static float rate_at(const regime *r, double head_rate, int step)
{
    const double pi = 3.14159265358979323846;
    bool every = r->trains[0] == '*';
    int rising = every ? 2 : 0;
    double factor =
        step < rising ? (step + 1.0) / rising : 0.5 * (1 + cos(pi * (step - rising) / (STEPS - rising)));
    return (float)((every ? 0.003 : head_rate) * factor);
}

/* The largest relative difference of a loss. */
static double run_steps(graft_executor *e, const album *a, const regime *r, const float *wanted)
{
    double worst = 0, head_rate = read_figure("head_rate");
    for (int step = 0; step < STEPS; step++) {
        const uint8_t *rows[BATCH];
        int labels[BATCH];
        float loss = NAN;
        graft_batch batch = {.count = BATCH, .labels = labels, .pixels = rows};
        for (int i = 0; i < BATCH; i++) {
            rows[i] = a->rows[(step * 5 + i) % PICTURES];
            labels[i] = a->labels[(step * 5 + i) % PICTURES];
        }
        float rate = rate_at(r, head_rate, step);
        graft_executor_set_rates(e, rate, rate);
        assert_ok(graft_executor_zero_grad(e));
        assert_ok(graft_executor_forward(e, &batch));
        assert_ok(graft_executor_loss(e, &batch, &loss));
        assert_ok(graft_executor_backward(e));
        assert_ok(graft_executor_step(e));
        worst = fmax(worst, fabs((double)loss - (double)wanted[step]) / (double)wanted[step]);
    }
    return worst;
}

/* How far the trained weights are from PyTorch's: the worst of a tensor relative to the tensor, and all
 * together relative to how far they have moved. */
static void weight_distances(const graft_model *trained, const float *wanted, double *worst,
                             double *of_the_way)
{
    graft_model *before = open_model("legacy.pth");
    double apart = 0, way = 0;
    *worst = 0;
    for (size_t i = 0; i < graft_model_tensor_count(trained); i++) {
        graft_tensor_view view = graft_model_tensor(trained, i);
        size_t count = view.bytes / sizeof(float);
        if (view.dtype != GRAFT_F32)
            continue;
        double distance = difference(view.data, wanted, count);
        double moved = difference(graft_model_tensor(before, i).data, wanted, count);
        *worst = fmax(*worst, distance / norm_of(wanted, count));
        apart += distance * distance;
        way += moved * moved;
        wanted += count;
    }
    *of_the_way = sqrt(apart / way);
    graft_model_free(before);
}

static void check_training(const album *a, const regime *r)
{
    bool every = r->trains[0] == '*';
    size_t loss_count, weight_count;
    double worst, of_the_way;
    graft_sgd_options sgd = graft_sgd(0.0F, 0.9F);
    sgd.decay = every ? 1e-4F : 0.01F;
    sgd.decay_all = false;
    float *losses = read_floats(r->name, "losses", &loss_count);
    float *weights = read_floats(r->name, "weights", &weight_count);
    graft_executor *e = open_executor("legacy.pth", r, BATCH, &sgd, every ? 1.0F : 0.0F);
    graft_model *trained = NULL;
    assert_int_equal(loss_count, STEPS);
    double loss = run_steps(e, a, r, losses);
    assert_ok(graft_executor_model(e, &trained));
    weight_distances(trained, weights, &worst, &of_the_way);
    print_message(
        "%s: behind %d steps a loss differs by %.2g at most, a weight tensor by %.2g, all of them by %.2g "
        "of their way\n",
        r->name, STEPS, loss, worst, of_the_way);
    assert_true(loss <= 1e-3);
    assert_true(worst <= 1e-3);
    assert_true(of_the_way <= 5e-2);
    graft_model_free(trained);
    graft_executor_free(e);
    free(losses);
    free(weights);
}

static void test_training_the_head(void **state)
{
    check_training(*state, &head);
}

static void test_training_with_still_statistics(void **state)
{
    check_training(*state, &still);
}

static void test_training_with_the_batch_statistics(void **state)
{
    check_training(*state, &train);
}

/* ---- Back into PyTorch ---- */

static const char *const classes[] = {"ants", "bees", "\xc3\xa4pfel"};

/* A model with a new head, trained a step, in a file; and its logits for the first picture. */
static void write_model(const album *a, const char *folder)
{
    char path[4096];
    const int labels[] = {2};
    graft_model *model = open_model("zip.pth"), *trained = NULL;
    graft_executor *e = NULL;
    graft_executor_options options = GRAFT_EXECUTOR_OPTIONS_INIT;
    graft_batch batch = {.count = 1, .labels = labels, .pixels = a->rows};
    options.batch = 1;
    options.threads = 1;
    options.batch_norm = GRAFT_BATCH_NORM_TRAIN;
    assert_ok(graft_model_replace_head(model, NULL, classes, 3, GRAFT_START_PYTORCH, 3));
    assert_ok(graft_model_unfreeze(model, "*"));
    assert_ok(graft_executor_create(&e, model, &options));
    assert_ok(graft_executor_forward(e, &batch));
    assert_ok(graft_executor_backward(e));
    assert_ok(graft_executor_step(e));
    assert_ok(graft_executor_model(e, &trained));
    graft_executor_eval(e);
    assert_ok(graft_executor_forward(e, &batch));
    snprintf(path, sizeof path, "%s/logits.bin", folder);
    assert_ok(graft_file_write(path, graft_executor_logits(e), 3 * sizeof(float)));
    snprintf(path, sizeof path, "%s/model.safetensors", folder);
    assert_ok(graft_model_save(trained, path));
    graft_executor_free(e);
    graft_model_free(model);
    graft_model_free(trained);
}

/* What was saved opens again, the same to the bit. */
static void check_reopened(const album *a, const char *folder)
{
    char path[4096];
    uint8_t *logits;
    size_t size;
    graft_model *model = NULL;
    graft_executor *e = NULL;
    graft_executor_options options = GRAFT_EXECUTOR_OPTIONS_INIT;
    graft_batch batch = {.count = 1, .pixels = a->rows};
    options.batch = 0;
    options.threads = 1;
    assert_ok(graft_model_load(&model, folder));
    assert_string_equal(graft_model_class(model, 2), classes[2]);
    assert_ok(graft_executor_create(&e, model, &options));
    assert_ok(graft_executor_forward(e, &batch));
    snprintf(path, sizeof path, "%s/logits.bin", folder);
    assert_ok(graft_file_read(path, SIZE_MAX, &logits, &size));
    double distance = difference(graft_executor_logits(e), (const float *)(const void *)logits, 3);
    assert_true(distance <= 1e-5 * norm_of((const float *)(const void *)logits, 3));
    free(logits);
    graft_executor_free(e);
    graft_model_free(model);
}

static void test_pytorch_reads_what_graft_saves(void **state)
{
    char folder[] = "/tmp/graft-test-parity-XXXXXX", pixels[4096], command[16384];
    const char *source = getenv("GRAFT_TEST_SOURCE");
    assert_non_null(mkdtemp(folder));
    write_model(*state, folder);
    check_reopened(*state, folder);
    reference_path(pixels, "pixels.bin");
    snprintf(
        command, sizeof command,
        "LD_PRELOAD= /usr/bin/python3 -B '%s/tests/reference/check_state_dict.py' %s/model.safetensors '%s' "
        "%s/logits.bin 3; status=$?; rm -r %s; exit $status",
        source ? source : ".", folder, pixels, folder, folder);
    assert_int_equal(system(command), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_logits),
        cmocka_unit_test(test_gradients),
        cmocka_unit_test(test_gradients_without_chance),
        cmocka_unit_test(test_training_the_head),
        cmocka_unit_test(test_training_with_still_statistics),
        cmocka_unit_test(test_training_with_the_batch_statistics),
        cmocka_unit_test(test_pytorch_reads_what_graft_saves),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
