/* The executor: what its calls promise, on a small network. Its numbers against PyTorch's are test_parity's.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <math.h>

#include <graft/plan.h>

#include "asserts.h"
#include "tiny.h"

#include "base/memory.h"
#include "base/random.h"
#include "train/executor.h"
#include "train/keep.h"

enum { PICTURES = 45, BATCH = 8 };

/* ---- Pictures and batches ---- */

typedef struct album {
    uint8_t pixels[PICTURES][TINY_PIXELS];
    const uint8_t *rows[PICTURES];
    int samples[PICTURES], views[PICTURES], labels[PICTURES];
    const char *causes[PICTURES];
} album;

static int setup(void **state)
{
    static album a;
    graft_random random = graft_random_stream(0, GRAFT_RANDOM_TEST, "album", 0, 0);
    for (int i = 0; i < PICTURES; i++) {
        int light = (int)graft_random_below(&random, 160), grain = 1 + (int)graft_random_below(&random, 95);
        for (int j = 0; j < TINY_PIXELS; j++)
            a.pixels[i][j] = (uint8_t)(light + (int)graft_random_below(&random, (uint32_t)grain));
        a.rows[i] = a.pixels[i];
        a.samples[i] = i;
        a.labels[i] = i % TINY_CLASSES;
    }
    *state = &a;
    return 0;
}

static graft_batch batch_of(const album *a, int from, int count)
{
    return (graft_batch){.count = count,
                         .samples = a->samples + from,
                         .views = a->views + from,
                         .labels = a->labels + from,
                         .pixels = a->rows + from,
                         .causes = a->causes + from};
}

/* ---- Models and executors ---- */

static graft_model *model_with(const char *trains)
{
    graft_model *model = NULL;
    assert_ok(tiny_create(&model, 1));
    if (trains)
        assert_ok(graft_model_unfreeze(model, trains));
    return model;
}

static graft_executor_options options_of(int batch)
{
    graft_executor_options options = GRAFT_EXECUTOR_OPTIONS_INIT;
    options.batch = batch;
    options.threads = 2;
    options.optimizer = graft_sgd(0.05F, 0.9F);
    options.keep = false;
    options.stochastic = false;
    return options;
}

/* Takes the model. */
static graft_executor *executor_of(graft_model *model, const graft_executor_options *options)
{
    graft_executor *e;
    assert_ok(graft_executor_create(&e, model, options));
    graft_model_free(model);
    return e;
}

static graft_executor *plain_executor(const char *trains, int batch)
{
    graft_executor_options options = options_of(batch);
    return executor_of(model_with(trains), &options);
}

/* Its memory may be padded. */
static size_t elements_of(const graft_trained *t)
{
    return (size_t)graft_shape_count(&t->node->parameters[t->slot].shape);
}

/* Every trained value in one row; *count is how many. The caller's. */
static float *trained_values(const graft_executor *e, bool gradients, size_t *count)
{
    float *values = NULL;
    *count = 0;
    for (size_t i = 0; i < e->trained_count; i++) {
        size_t more = elements_of(&e->trained[i]);
        const char *name = e->model->state.names[e->trained[i].tensor];
        if (gradients && !e->trained[i].gradient)
            continue;
        values = realloc(values, sizeof(float) * (*count + more));
        assert_ok(gradients ? graft_executor_gradient(e, name, values + *count, more)
                            : graft_executor_parameter(e, name, values + *count, more));
        *count += more;
    }
    return values;
}

/* NaN where a number is none, so that no comparison holds, in either direction. */
static double relative_distance(const float *a, const float *b, size_t count)
{
    double difference = 0, size = 0;
    for (size_t i = 0; i < count; i++) {
        difference += ((double)a[i] - b[i]) * ((double)a[i] - b[i]);
        size += (double)b[i] * b[i];
    }
    return sqrt(difference / size);
}

/* ---- Gradients ---- */

static void test_two_backwards_accumulate(void **state)
{
    const album *a = *state;
    graft_batch first = batch_of(a, 0, 8), second = batch_of(a, 8, 8);
    graft_executor *e = plain_executor("*", BATCH);
    float *sum = NULL, *one = NULL, *two = NULL;
    size_t count;
    for (int turn = 0; turn < 3; turn++) {
        assert_ok(graft_executor_zero_grad(e));
        if (turn < 2) {
            assert_ok(graft_executor_forward(e, turn == 0 ? &first : &second));
            assert_ok(graft_executor_backward(e)); /* the loss need not be asked for */
        } else {
            assert_ok(graft_executor_forward(e, &first));
            assert_ok(graft_executor_backward(e));
            assert_ok(graft_executor_forward(e, &second));
            assert_ok(graft_executor_backward(e));
        }
        *(turn == 0 ? &one : turn == 1 ? &two : &sum) = trained_values(e, true, &count);
    }
    for (size_t i = 0; i < count; i++)
        assert_true(sum[i] == one[i] + two[i]);
    assert_true(relative_distance(one, two, count) > 0.01);
    free(sum);
    free(one);
    free(two);
    graft_executor_free(e);
}

static void test_zero_grad_zeroes(void **state)
{
    graft_batch batch = batch_of(*state, 0, 8);
    graft_executor *e = plain_executor("*", BATCH);
    size_t count;
    tiny_step(e, &batch);
    float *before = trained_values(e, true, &count);
    assert_ok(graft_executor_zero_grad(e));
    float *after = trained_values(e, true, &count);
    double size = 0;
    for (size_t i = 0; i < count; i++) {
        size += fabs(before[i]);
        assert_true(after[i] == 0);
    }
    assert_true(size > 0);
    free(before);
    free(after);
    graft_executor_free(e);
}

static void test_calls_out_of_order(void **state)
{
    graft_batch batch = batch_of(*state, 0, 8), none = batch_of(*state, 0, 0), large = batch_of(*state, 0, 9);
    graft_executor *e = plain_executor("*", BATCH);
    float loss = 7;
    assert_int_equal(graft_executor_loss(e, &batch, &loss), GRAFT_EARGUMENT);
    assert_int_equal(graft_executor_backward(e), GRAFT_EARGUMENT);
    assert_int_equal(graft_executor_step(e), GRAFT_EARGUMENT);
    assert_int_equal(graft_executor_forward(e, &none), GRAFT_EARGUMENT);
    assert_int_equal(graft_executor_forward(e, &large), GRAFT_EARGUMENT);
    assert_ok(graft_executor_forward(e, &batch));
    assert_ok(graft_executor_backward(e));
    assert_int_equal(graft_executor_backward(e), GRAFT_EARGUMENT);
    assert_true(loss == 7);
    assert_ok(graft_executor_loss(e, &batch, &loss)); /* still there behind backward */
    assert_true(loss != 7);
    assert_ok(graft_executor_forward(e, &batch));
    graft_executor_eval(e);
    assert_int_equal(graft_executor_forward(e, &none), GRAFT_EARGUMENT);
    assert_ok(graft_executor_forward(e, &batch)); /* on the same workspace */
    assert_int_equal(graft_executor_loss(e, &batch, &loss), GRAFT_EARGUMENT);
    assert_int_equal(graft_executor_backward(e), GRAFT_EARGUMENT);
    graft_executor_free(e);
}

static void test_labels_are_checked(void **state)
{
    graft_batch batch = batch_of(*state, 0, 2);
    graft_executor *e = plain_executor("_fc", BATCH);
    const int bad[][2] = {{0, 3}, {-1, 0}};
    for (int i = 0; i < 2; i++) {
        batch.labels = bad[i];
        assert_int_equal(graft_executor_forward(e, &batch), GRAFT_EARGUMENT);
    }
    graft_executor_free(e);
}

/* An executor for eight gives for three the bits that one for three gives. */
static void test_short_batches(void **state)
{
    const int sizes[] = {1, 3, 7};
    for (int i = 0; i < 3; i++) {
        graft_batch full = batch_of(*state, 3, BATCH), part = batch_of(*state, 11, sizes[i]);
        graft_executor *wide = plain_executor("*", BATCH), *narrow = plain_executor("*", sizes[i]);
        size_t count;
        assert_ok(graft_executor_forward(wide, &full));
        assert_ok(graft_executor_backward(wide));
        tiny_step(wide, &part);
        tiny_step(narrow, &part);
        float *a = trained_values(wide, true, &count), *b = trained_values(narrow, true, &count);
        assert_memory_equal(a, b, sizeof(float) * count);
        free(a);
        free(b);
        graft_executor_free(wide);
        graft_executor_free(narrow);
    }
}

/* ---- A step ---- */

/* What a program reads of one tensor around a step; the velocity is ours. */
typedef struct around {
    const float *was, *gradient, *is;
    float *velocity;
} around;

/* v = momentum v + (scale g + decay w), w -= rate v. */
static void check_step(const around *a, size_t count, double rate, double decay, double scale)
{
    for (size_t i = 0; i < count; i++) {
        double g = scale * (double)a->gradient[i] + decay * (double)a->was[i];
        a->velocity[i] = (float)(0.9 * (double)a->velocity[i] + g);
        double expected = (double)a->was[i] - rate * (double)a->velocity[i];
        if (fabs((double)a->is[i] - expected) > 1e-6 * (1 + fabs(expected)))
            fail_msg("element %zu is %g, not %g", i, (double)a->is[i], expected);
    }
}

static double gradient_norm(const graft_executor *e)
{
    size_t count;
    float *gradients = trained_values(e, true, &count);
    double squares = 0;
    for (size_t i = 0; i < count; i++)
        squares += (double)gradients[i] * gradients[i];
    free(gradients);
    return sqrt(squares);
}

/* Two steps: rates of head and body, momentum, clipping, decay on weights only. */
static void check_two_steps(void **state, float clip, bool decay_all)
{
    graft_batch batch = batch_of(*state, 0, BATCH);
    graft_executor_options options = options_of(BATCH);
    options.optimizer = (graft_sgd_options){0.05F, 0.01F, 0.9F, 0.1F, decay_all, false};
    options.clip = clip;
    graft_executor *e = executor_of(model_with("*"), &options);
    size_t count;
    float *was = trained_values(e, false, &count), *velocities = calloc(count, sizeof *velocities);
    for (int turn = 0; turn < 2; turn++) {
        tiny_step(e, &batch);
        float *is = trained_values(e, false, &count), *gradients = trained_values(e, true, &count);
        around at = {was, gradients, is, velocities};
        double norm = gradient_norm(e), scale = clip > 0 && norm > (double)clip ? (double)clip / norm : 1;
        assert_true((scale < 1) == (clip > 0));
        for (size_t i = 0; i < e->trained_count; i++) {
            const graft_trained *t = &e->trained[i];
            bool head = strncmp(t->node->name, "_fc", 3) == 0;
            bool decays = decay_all || t->node->parameters[t->slot].shape.rank > 1;
            size_t each = elements_of(t);
            check_step(&at, each, head ? 0.05 : 0.01, decays ? 0.1 : 0, scale);
            at = (around){at.was + each, at.gradient + each, at.is + each, at.velocity + each};
        }
        free(was);
        free(gradients);
        was = is;
    }
    free(was);
    free(velocities);
    graft_executor_free(e);
}

static void test_steps_are_pytorch_sgd(void **state)
{
    check_two_steps(state, 0.0F, false);
    check_two_steps(state, 0.0F, true);
    check_two_steps(state, 0.05F, false);
}

/* w -= rate (g + decay w + momentum v): three steps against the same by hand. */
static void test_nesterov(void **state)
{
    graft_batch batch = batch_of(*state, 0, BATCH);
    graft_executor_options options = options_of(BATCH);
    options.optimizer.decay = 0.1F;
    options.optimizer.nesterov = true;
    graft_executor *e = executor_of(model_with("*"), &options);
    size_t count;
    float *was = trained_values(e, false, &count), *velocity = calloc(count, sizeof *velocity);
    for (int turn = 0; turn < 3; turn++) {
        tiny_step(e, &batch);
        float *is = trained_values(e, false, &count), *gradient = trained_values(e, true, &count);
        for (size_t i = 0; i < count; i++) {
            double g = (double)gradient[i] + 0.1 * (double)was[i];
            velocity[i] = (float)(0.9 * (double)velocity[i] + g);
            assert_true(fabs((double)is[i] - ((double)was[i] - 0.05 * (g + 0.9 * (double)velocity[i]))) <
                        1e-5);
        }
        free(was);
        free(gradient);
        was = is;
    }
    free(was);
    free(velocity);
    graft_executor_free(e);
}

/* Backward and step as one give what they give apart, also where two backwards accumulate. */
static void check_fused(void **state, const char *trains, float momentum, float decay)
{
    graft_batch first = batch_of(*state, 0, BATCH), second = batch_of(*state, 8, BATCH - 3);
    graft_executor_options options = options_of(BATCH);
    options.optimizer.rate = options.optimizer.body_rate = 0.01F;
    options.optimizer.momentum = momentum;
    options.optimizer.decay = decay;
    graft_executor *apart = executor_of(model_with(trains), &options);
    options.fuse_step = true;
    graft_executor *fused = executor_of(model_with(trains), &options);
    float *a, *b, gradient[TINY_CLASSES];
    size_t count;
    for (int turn = 0; turn < 4; turn++)
        for (int i = 0; i < 2; i++) {
            graft_executor *e = i == 0 ? apart : fused;
            assert_ok(graft_executor_zero_grad(e));
            assert_ok(graft_executor_forward(e, &first));
            assert_ok(graft_executor_backward(e));
            assert_ok(graft_executor_forward(e, &second));
            assert_ok(graft_executor_backward(e));
            assert_ok(graft_executor_step(e));
        }
    a = trained_values(apart, false, &count);
    b = trained_values(fused, false, &count);
    assert_true(relative_distance(a, b, count) < 1e-5);
    assert_int_equal(graft_executor_gradient(fused, "_fc.bias", gradient, TINY_CLASSES), GRAFT_EARGUMENT);
    graft_memory with, without;
    graft_executor_memory(apart, &without);
    graft_executor_memory(fused, &with);
    assert_true(with.weights < without.weights);
    free(a);
    free(b);
    graft_executor_free(apart);
    graft_executor_free(fused);
}

static void test_backward_and_step_as_one(void **state)
{
    check_fused(state, "*", 0.9F, 0.0F);
    check_fused(state, "*", 0.9F, 0.1F);
    check_fused(state, "_fc", 0.0F, 0.1F);
}

static void test_rates_can_be_set(void **state)
{
    graft_batch batch = batch_of(*state, 0, BATCH);
    graft_executor *e = plain_executor("*", BATCH);
    size_t count;
    graft_executor_set_rates(e, 0.0F, 0.0F);
    float *was = trained_values(e, false, &count);
    tiny_step(e, &batch);
    float *is = trained_values(e, false, &count);
    assert_memory_equal(was, is, sizeof(float) * count);
    free(was);
    free(is);
    graft_executor_free(e);
}

/* ---- Evaluation and prediction ---- */

/* A picture's logits depend neither on the batch nor on its place in it, but for a linear layer's last bits.
 */
static void test_evaluation_with_any_batch(void **state)
{
    static const char *const trains[] = {"_fc", "*", "_conv_head", NULL};
    static const int sizes[] = {1, 3, 8, 13, 45};
    for (int k = 0; k < 4; k++) {
        graft_executor *e = plain_executor(trains[k], trains[k] ? 4 : 0);
        float wanted[PICTURES * TINY_CLASSES];
        graft_batch all = batch_of(*state, 0, PICTURES);
        graft_executor_eval(e);
        assert_ok(graft_executor_forward(e, &all));
        memcpy(wanted, graft_executor_logits(e), sizeof wanted);
        for (int i = 0; i < 5; i++)
            for (int from = 0; from + sizes[i] <= PICTURES; from += 5) {
                graft_batch part = batch_of(*state, from, sizes[i]);
                assert_ok(graft_executor_forward(e, &part));
                assert_true(relative_distance(graft_executor_logits(e), wanted + from * TINY_CLASSES,
                                              (size_t)(sizes[i] * TINY_CLASSES)) < 1e-6);
            }
        graft_executor_free(e);
    }
}

static int evaluation_batch(const char *trains)
{
    graft_executor *e = plain_executor(trains, BATCH);
    graft_step_info step = {.part = ""};
    for (size_t i = 0; i < graft_executor_step_count(e) && strcmp(step.part, "evaluation") != 0; i++)
        graft_executor_step_info(e, i, &step);
    int batch = strcmp(step.part, "evaluation") == 0 ? step.batch : 0;
    graft_executor_free(e);
    return batch;
}

/* Linear layers read their weights once for many rows; what convolves keeps to a slice. */
static void test_rows_of_an_evaluation(void **state)
{
    (void)state;
    assert_int_equal(evaluation_batch("_fc"), GRAFT_LIGHT_ROWS);
    assert_int_equal(evaluation_batch("*"), GRAFT_SLICE);
}

/* What crosses the cut is the same to the bit, whatever slice it is computed in: it may be kept. */
static void test_the_backbone_has_no_neighbours(void **state)
{
    static const char *const trains[] = {"_fc", "_conv_head"};
    graft_executor_options options = options_of(4);
    options.keep = true;
    for (int k = 0; k < 2; k++) {
        size_t count;
        graft_executor *one = executor_of(model_with(trains[k]), &options);
        graft_executor *other = executor_of(model_with(trains[k]), &options);
        graft_batch all = batch_of(*state, 0, PICTURES);
        assert_ok(graft_features_reserve(one->features, PICTURES));
        assert_ok(graft_features_reserve(other->features, PICTURES));
        graft_executor_eval(one);
        assert_ok(graft_executor_forward(one, &all));
        for (int from = PICTURES - 3; from >= 0; from -= 3) {
            graft_batch part = batch_of(*state, from, 3);
            assert_ok(graft_executor_forward(other, &part));
        }
        for (int i = 0; i < PICTURES; i++) {
            const float *a = graft_executor_features(one, i, GRAFT_VIEW_PLAIN, &count);
            const float *b = graft_executor_features(other, i, GRAFT_VIEW_PLAIN, &count);
            assert_memory_equal(a, b, sizeof(float) * count);
        }
        graft_executor_free(one);
        graft_executor_free(other);
    }
}

static void test_predict_equals_forward(void **state)
{
    const album *a = *state;
    graft_executor *e = plain_executor(NULL, 0);
    graft_batch all = batch_of(a, 0, PICTURES);
    graft_picture pictures[PICTURES];
    float wanted[PICTURES * TINY_CLASSES], got[PICTURES * TINY_CLASSES];
    assert_ok(graft_executor_forward(e, &all));
    memcpy(wanted, graft_executor_logits(e), sizeof wanted);
    for (int i = 0; i < PICTURES; i++)
        pictures[i] = graft_picture_rgb(a->pixels[i], TINY_SIZE, TINY_SIZE, TINY_SIZE * 3);
    assert_ok(graft_executor_score(e, pictures, PICTURES, got));
    assert_memory_equal(got, wanted, sizeof got);
    graft_softmax(wanted, PICTURES, TINY_CLASSES);
    assert_ok(graft_executor_predict(e, pictures, PICTURES, got));
    assert_memory_equal(got, wanted, sizeof got);
    for (int i = 0; i < PICTURES; i++) {
        float sum = 0;
        assert_ok(
            graft_executor_predict(e, &pictures[i], 1, got)); /* a plan of its own: the last bits differ */
        assert_true(relative_distance(got, wanted + i * TINY_CLASSES, TINY_CLASSES) < 1e-5);
        for (int k = 0; k < TINY_CLASSES; k++)
            sum += got[k];
        assert_true(fabsf(sum - 1.0F) < 1e-6F);
    }
    pictures[5].width = -1;
    assert_int_not_equal(graft_executor_predict(e, pictures, PICTURES, got), GRAFT_OK);
    assert_non_null(strstr(graft_error_message(), "picture 5"));
    graft_executor_free(e);
}

/* Evaluation between steps sees the weights as they are, and so does the model that is given. */
static void test_evaluation_follows_training(void **state)
{
    graft_batch batch = batch_of(*state, 0, BATCH), all = batch_of(*state, 0, PICTURES);
    for (int moves = 0; moves < 2; moves++) {
        graft_executor_options options = options_of(BATCH);
        options.batch_norm = moves ? GRAFT_BATCH_NORM_TRAIN : GRAFT_BATCH_NORM_STILL;
        graft_executor *e = executor_of(model_with("*"), &options);
        float logits[PICTURES * TINY_CLASSES], first[PICTURES * TINY_CLASSES];
        graft_executor_eval(e);
        assert_ok(graft_executor_forward(e, &all));
        memcpy(first, graft_executor_logits(e), sizeof first);
        graft_executor_train(e);
        for (int i = 0; i < 3; i++)
            tiny_step(e, &batch);
        graft_executor_eval(e);
        assert_ok(graft_executor_forward(e, &all));
        memcpy(logits, graft_executor_logits(e), sizeof logits);
        graft_model *model;
        assert_ok(graft_executor_model(e, &model));
        graft_executor_options run = options_of(0);
        graft_executor *fresh = executor_of(model, &run);
        assert_ok(graft_executor_forward(fresh, &all));
        assert_true(relative_distance(graft_executor_logits(fresh), logits, PICTURES * TINY_CLASSES) < 1e-5);
        assert_true(relative_distance(first, logits, PICTURES * TINY_CLASSES) > 1e-3);
        graft_executor_free(fresh);
        graft_executor_free(e);
    }
}

static void test_an_unread_picture(void **state)
{
    album broken = *(const album *)*state;
    graft_executor *e = plain_executor("_fc", BATCH);
    for (int i = 0; i < PICTURES; i++)
        broken.rows[i] = broken.pixels[i];
    broken.rows[2] = NULL;
    broken.causes[2] = "ants/x.jpg: No such file or directory";
    graft_batch batch = batch_of(&broken, 0, 4), good = batch_of(&broken, 4, 4);
    float loss;
    assert_int_equal(graft_executor_forward(e, &batch), GRAFT_EIO);
    assert_string_equal(graft_error_message(), "ants/x.jpg: No such file or directory");
    assert_int_equal(graft_executor_loss(e, &batch, &loss), GRAFT_EARGUMENT);
    graft_executor_eval(e);
    assert_int_equal(graft_executor_forward(e, &batch), GRAFT_EIO);
    batch.causes = NULL;
    assert_int_equal(graft_executor_forward(e, &batch), GRAFT_EIO);
    graft_executor_train(e);
    assert_true(isfinite(tiny_step(e, &good)));
    graft_executor_free(e);
}

/* ---- Kept features ---- */

static float *train_head(const album *a, bool keep, bool room, int threads, size_t *count)
{
    enum { EACH = 6, SEEN = 24 };
    graft_executor_options options = options_of(EACH);
    options.keep = keep;
    options.threads = threads;
    graft_executor *e = executor_of(model_with("_fc"), &options);
    if (keep && room)
        assert_ok(graft_features_reserve(e->features, PICTURES));
    for (int step = 0; step < 12; step++) {
        graft_batch batch = batch_of(a, step * 7 % (SEEN - EACH + 1), EACH);
        tiny_step(e, &batch);
    }
    if (keep)
        assert_int_equal(graft_features_count(e->features), room ? SEEN : 0);
    float *values = trained_values(e, false, count);
    graft_executor_free(e);
    return values;
}

static void test_kept_features_give_the_same_bits(void **state)
{
    size_t count;
    float *kept = train_head(*state, true, true, 2, &count),
          *run = train_head(*state, false, false, 2, &count);
    float *without_room = train_head(*state, true, false, 2, &count);
    assert_memory_equal(kept, run, sizeof(float) * count);
    assert_memory_equal(without_room, run, sizeof(float) * count);
    free(kept);
    free(run);
    free(without_room);
}

static void test_kept_features_stand_for_pictures(void **state)
{
    graft_executor_options options = options_of(BATCH);
    options.keep = true;
    graft_executor *e = executor_of(model_with("_conv_head"), &options);
    graft_batch batch = batch_of(*state, 0, BATCH);
    size_t count;
    assert_ok(graft_features_reserve(e->features, PICTURES));
    assert_null(graft_executor_features(e, 0, GRAFT_VIEW_PLAIN, &count));
    assert_ok(graft_executor_forward(e, &batch));
    float logits[BATCH * TINY_CLASSES];
    memcpy(logits, graft_executor_logits(e), sizeof logits);
    assert_non_null(graft_executor_features(e, 3, GRAFT_VIEW_PLAIN, &count));
    assert_int_equal(count, 8 * 10 * 10); /* the sum before _conv_head */
    assert_null(graft_executor_features(e, 3, GRAFT_VIEW_MIRROR, &count));
    assert_null(graft_executor_features(e, BATCH, GRAFT_VIEW_PLAIN, &count));
    batch.pixels = NULL;
    assert_ok(graft_executor_forward(e, &batch));
    assert_memory_equal(graft_executor_logits(e), logits, sizeof logits);
    graft_executor_free(e);
}

/* ---- Seeds and threads ---- */

static float *train_all(const album *a, uint64_t seed, int threads, size_t *count)
{
    graft_executor_options options = options_of(BATCH);
    options.stochastic = true;
    options.seed = seed;
    options.threads = threads;
    options.batch_norm = GRAFT_BATCH_NORM_TRAIN;
    graft_executor *e = executor_of(model_with("*"), &options);
    for (int step = 0; step < 4; step++) {
        graft_batch batch = batch_of(a, step * 5, BATCH);
        tiny_step(e, &batch);
    }
    float *values = trained_values(e, false, count);
    graft_executor_free(e);
    return values;
}

static void test_seeds_and_threads(void **state)
{
    size_t count;
    float *first = train_all(*state, 1, 2, &count), *again = train_all(*state, 1, 2, &count);
    float *other = train_all(*state, 2, 2, &count), *alone = train_all(*state, 1, 1, &count);
    assert_memory_equal(first, again, sizeof(float) * count);
    assert_true(relative_distance(other, first, count) > 1e-4);
    assert_true(relative_distance(alone, first, count) < 1e-5);
    free(first);
    free(again);
    free(other);
    free(alone);
}

/* ---- Results ---- */

static void check_sharing(const char *trains, graft_batch_norm norm, const album *a)
{
    graft_executor_options options = options_of(BATCH);
    graft_model *model = model_with(trains), *trained;
    graft_batch batch = batch_of(a, 0, BATCH);
    options.batch_norm = norm;
    graft_executor *e = executor_of(graft_model_share(model), &options);
    tiny_step(e, &batch);
    tiny_step(e, &batch);
    assert_ok(graft_executor_model(e, &trained));
    graft_executor_free(e);
    for (size_t i = 0; i < graft_model_tensor_count(model); i++) {
        graft_tensor_view was = graft_model_tensor(model, i), is = graft_model_tensor(trained, i);
        bool counter = strstr(was.name, "num_batches"), running = strstr(was.name, "running");
        char node[64];
        snprintf(node, sizeof node, "%.*s", (int)(strrchr(was.name, '.') - was.name), was.name);
        bool marked = graft_graph_find(model->state.graph, node)->trains;
        bool moves = norm == GRAFT_BATCH_NORM_TRAIN;
        bool changes = marked && (moves || !(counter || running));
        if ((was.data != is.data) != changes)
            fail_msg("%s is %s", was.name, changes ? "shared" : "copied");
        if (counter)
            assert_int_equal(*(const int64_t *)is.data, marked && moves ? 2 : 0);
        else if (changes)
            assert_true(memcmp(was.data, is.data, was.bytes) != 0);
    }
    graft_model_free(model);
    graft_model_free(trained);
}

static void test_the_model_shares_what_did_not_change(void **state)
{
    check_sharing("_fc", GRAFT_BATCH_NORM_STILL, *state);
    check_sharing("*", GRAFT_BATCH_NORM_STILL, *state);
    check_sharing("*", GRAFT_BATCH_NORM_TRAIN, *state);
    check_sharing("_blocks.0._bn1", GRAFT_BATCH_NORM_TRAIN, *state);
}

static void test_accessors(void **state)
{
    graft_batch batch = batch_of(*state, 0, BATCH);
    graft_executor_options options = options_of(BATCH);
    options.batch_norm = GRAFT_BATCH_NORM_TRAIN;
    graft_model *model = model_with("_fc");
    assert_ok(graft_model_unfreeze(model, "_bn1"));
    graft_executor *e = executor_of(model, &options);
    float values[32 * TINY_CLASSES], untouched = 7;
    assert_int_equal(graft_executor_gradient(e, "_fc.bias", &untouched, TINY_CLASSES + 1), GRAFT_ESHAPE);
    assert_int_equal(graft_executor_parameter(e, "_fc.wait", &untouched, 1), GRAFT_ENOTFOUND);
    assert_int_equal(graft_executor_parameter(e, "_conv_head.weight", &untouched, 1), GRAFT_ENOTFOUND);
    assert_int_equal(graft_executor_gradient(e, "_bn1.running_mean", &untouched, 32), GRAFT_ENOTFOUND);
    assert_true(untouched == 7);
    assert_ok(graft_executor_parameter(e, "_bn1.running_mean", values, 32));
    assert_true(values[0] == 0);
    tiny_step(e, &batch);
    assert_ok(graft_executor_parameter(e, "_bn1.running_mean", values, 32));
    assert_true(values[0] != 0);
    assert_ok(graft_executor_gradient(e, "_fc.weight", values, 32 * TINY_CLASSES));
    graft_executor_free(e);
}

static void test_memory_is_told(void **state)
{
    graft_memory run, head, all;
    graft_executor_options options = options_of(BATCH);
    (void)state;
    options.keep = true;
    graft_executor *e = plain_executor(NULL, 0);
    graft_executor_memory(e, &run);
    graft_executor_free(e);
    e = executor_of(model_with("_fc"), &options);
    graft_executor_memory(e, &head);
    graft_executor_free(e);
    e = executor_of(model_with("*"), &options);
    graft_executor_memory(e, &all);
    graft_executor_free(e);
    assert_int_equal(run.features_each, 0);
    assert_int_equal(head.features_each, 32 * sizeof(float));
    assert_int_equal(all.features_each, 0); /* the cut is the picture itself */
    assert_true(head.workspace > 0 && all.workspace > head.workspace && head.weights > run.weights);
}

static void test_options_are_checked(void **state)
{
    graft_model *model = model_with("_fc");
    graft_executor *e = NULL;
    (void)state;
    for (int i = 0; i < 4; i++) {
        graft_executor_options options = options_of(i == 0 ? -1 : i == 1 ? 1 << 20 : 4);
        options.threads = i == 2 ? 0 : i == 3 ? 5000 : 1;
        assert_int_equal(graft_executor_create(&e, model, &options), GRAFT_EARGUMENT);
    }
    for (int i = 0; i < 5; i++) {
        graft_executor_options options = options_of(4);
        options.kernels = i == 0 ? (graft_kernels)99 : GRAFT_KERNELS_RULE;
        options.training_kernels = i == 1 ? GRAFT_KERNELS_CHANNELS_LAST + 1 : GRAFT_KERNELS_RULE;
        options.loss = i == 2 ? (graft_loss)-1 : GRAFT_CROSS_ENTROPY;
        options.batch_norm = i == 3 ? (graft_batch_norm)2 : GRAFT_BATCH_NORM_STILL;
        options.precision = i == 4 ? (graft_dtype)77 : GRAFT_F32;
        assert_int_equal(graft_executor_create(&e, model, &options), GRAFT_EARGUMENT);
    }
    assert_string_equal(graft_kernels_name(GRAFT_KERNELS_CHANNELS_LAST), "channels-last");
    assert_string_equal(graft_kernels_name((graft_kernels)99), "unknown");
    assert_null(e);
    graft_executor_free(NULL);
    graft_model_free(model);
}

static void test_an_inner_node(void **state)
{
    graft_batch batch = batch_of(*state, 0, 3);
    graft_model *model = model_with("_fc");
    graft_executor_options options = options_of(0);
    graft_executor *e = NULL;
    options.node = "_blocks.7";
    assert_int_equal(graft_executor_create(&e, model, &options), GRAFT_ENOTFOUND);
    assert_non_null(strstr(graft_error_message(), "_blocks.7"));
    options.node = "view";
    options.batch = BATCH;
    assert_int_equal(graft_executor_create(&e, model, &options), GRAFT_EARGUMENT);
    assert_null(e);
    options.batch = 0;
    e = executor_of(model, &options);
    assert_ok(graft_executor_forward(e, &batch));
    graft_executor_free(e);
}

/* ---- Memory that fails ---- */

typedef struct training {
    const char *trains;
    graft_batch_norm batch_norm;
    graft_kernels kernels;
} training;

static graft_status make_and_step(const album *a, const training *t)
{
    graft_status status;
    graft_model *model = NULL, *trained = NULL;
    graft_executor *e = NULL;
    graft_batch batch = batch_of(a, 0, 4), all = batch_of(a, 0, 9);
    graft_executor_options options = options_of(4);
    options.keep = true;
    options.threads = 1;
    options.batch_norm = t->batch_norm;
    options.training_kernels = t->kernels;
    float loss;
    GRAFT_TRY(tiny_create(&model, 1));
    GRAFT_TRY(graft_model_unfreeze(model, t->trains));
    GRAFT_TRY(graft_executor_create(&e, model, &options));
    if (e->features) /* what crosses the cut may be the picture itself */
        GRAFT_TRY(graft_features_reserve(e->features, PICTURES));
    GRAFT_TRY(graft_executor_forward(e, &batch));
    GRAFT_TRY(graft_executor_loss(e, &batch, &loss));
    GRAFT_TRY(graft_executor_backward(e));
    GRAFT_TRY(graft_executor_step(e));
    graft_executor_eval(e);
    GRAFT_TRY(graft_executor_forward(e, &all));
    GRAFT_TRY(graft_executor_model(e, &trained));
out:
    graft_model_free(trained);
    graft_executor_free(e);
    graft_model_free(model);
    return status;
}

static void check_failing_allocations(const album *a, const training *t)
{
    graft_status status = GRAFT_EMEMORY;
    long n = 1, failed = 0;
    for (; status != GRAFT_OK && n < 20000; n += 1 + n / 24) {
        graft_memory_fail_after(n);
        status = make_and_step(a, t);
        graft_memory_fail_after(0);
        if (status != GRAFT_OK && status != GRAFT_EMEMORY)
            fail_msg("allocation %ld: %s: %s", n, graft_status_name(status), graft_error_message());
        failed += status == GRAFT_EMEMORY;
    }
    assert_int_equal(status, GRAFT_OK);
    assert_true(failed > 40);
}

static void test_failing_allocations(void **state)
{
    static const training trainings[] = {
        {"_conv_head", GRAFT_BATCH_NORM_STILL, GRAFT_KERNELS_RULE},
        {"*", GRAFT_BATCH_NORM_TRAIN, GRAFT_KERNELS_RULE},
        {"_conv_head", GRAFT_BATCH_NORM_STILL, GRAFT_KERNELS_MEASURE},
    };
    for (int i = 0; i < 3; i++)
        check_failing_allocations(*state, &trainings[i]);
}

/* ---- Precision ---- */

/* The key's text; the caller's. */
static char *identity_of(graft_executor *e)
{
    graft_keep_key key;
    assert_ok(graft_keep_describe(&key, e));
    char *text = strdup(key.identity.data);
    graft_keep_key_dispose(&key);
    return text;
}

/* bf16 is used where it pays: the numbers are near, not the same, and kept apart. Elsewhere all is as if f32
 * had been asked for. */
static void test_a_frozen_part_in_bf16(void **state)
{
    graft_batch batch = batch_of(*state, 0, 8);
    graft_executor_options options = options_of(BATCH);
    float logits[2][8 * TINY_CLASSES];
    char *keys[2];
    bool pays = graft_device_bf16() >= GRAFT_BF16_TWICE;
    for (int i = 0; i < 2; i++) {
        options.precision = i ? GRAFT_BF16 : GRAFT_F32;
        graft_executor *e = executor_of(model_with("_fc"), &options);
        assert_int_equal(graft_executor_precision(e), i && pays ? GRAFT_BF16 : GRAFT_F32);
        tiny_step(e, &batch);
        graft_executor_eval(e);
        assert_ok(graft_executor_forward(e, &batch));
        memcpy(logits[i], graft_executor_logits(e), sizeof logits[i]);
        keys[i] = identity_of(e);
        graft_executor_free(e);
    }
    double distance = relative_distance(logits[1], logits[0], 8 * TINY_CLASSES);
    assert_true(pays ? distance > 1e-5 && distance < 0.05 : distance == 0.0);
    assert_null(strstr(keys[0], " in bf16"));
    assert_int_equal(strstr(keys[1], " in bf16, ") != NULL, pays);
    assert_int_equal(strcmp(keys[0], keys[1]) != 0, pays);
    free(keys[0]);
    free(keys[1]);
}

/* Where all trains there is nothing to compute so. */
static void test_what_trains_is_f32(void **state)
{
    graft_executor_options options = options_of(BATCH);
    (void)state;
    options.precision = GRAFT_BF16;
    graft_executor *e = executor_of(model_with("*"), &options);
    assert_int_equal(graft_executor_precision(e), GRAFT_F32);
    graft_executor_free(e);
}

static void test_other_precisions(void **state)
{
    graft_executor *e = NULL;
    graft_model *model = model_with(NULL);
    graft_executor_options options = options_of(BATCH);
    (void)state;
    options.precision = GRAFT_F16;
    assert_int_equal(graft_executor_create(&e, model, &options), GRAFT_EARGUMENT);
    assert_non_null(strstr(graft_error_message(), "f16"));
    assert_null(e);
    graft_model_free(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_two_backwards_accumulate),
        cmocka_unit_test(test_zero_grad_zeroes),
        cmocka_unit_test(test_calls_out_of_order),
        cmocka_unit_test(test_labels_are_checked),
        cmocka_unit_test(test_short_batches),
        cmocka_unit_test(test_steps_are_pytorch_sgd),
        cmocka_unit_test(test_nesterov),
        cmocka_unit_test(test_backward_and_step_as_one),
        cmocka_unit_test(test_rates_can_be_set),
        cmocka_unit_test(test_evaluation_with_any_batch),
        cmocka_unit_test(test_rows_of_an_evaluation),
        cmocka_unit_test(test_the_backbone_has_no_neighbours),
        cmocka_unit_test(test_predict_equals_forward),
        cmocka_unit_test(test_evaluation_follows_training),
        cmocka_unit_test(test_an_unread_picture),
        cmocka_unit_test(test_kept_features_give_the_same_bits),
        cmocka_unit_test(test_kept_features_stand_for_pictures),
        cmocka_unit_test(test_seeds_and_threads),
        cmocka_unit_test(test_the_model_shares_what_did_not_change),
        cmocka_unit_test(test_accessors),
        cmocka_unit_test(test_memory_is_told),
        cmocka_unit_test(test_options_are_checked),
        cmocka_unit_test(test_an_inner_node),
        cmocka_unit_test(test_a_frozen_part_in_bf16),
        cmocka_unit_test(test_what_trains_is_f32),
        cmocka_unit_test(test_other_precisions),
        cmocka_unit_test(test_failing_allocations),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
