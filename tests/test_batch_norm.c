/* Batch norm with the batch's statistics, a residual and a clip behind it, in one kernel: against plain loops
 * in doubles and their finite differences, in every layout that it takes, and with the same bits whatever the
 * number of threads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>

#include "plain.h"
#include "rig.h"

static const float EPSILON = 1e-3F;

enum { LAYOUTS = 3, TEAMS = 3 };
static const int teams[TEAMS] = {1, 2, 5};
static graft_device *devices[TEAMS];

static int open_devices(void **state)
{
    (void)state;
    for (int i = 0; i < TEAMS; i++)
        if (graft_device_create(&devices[i], teams[i]) != GRAFT_OK)
            return -1;
    return 0;
}

static int close_devices(void **state)
{
    (void)state;
    for (int i = 0; i < TEAMS; i++)
        graft_device_free(devices[i]);
    return 0;
}

/* Row-major throughout. */
typedef struct problem {
    graft_shape shape;
    bool residual, clips;
    graft_post_op clip;
} problem;

typedef enum tensor {
    X,
    GAMMA,
    BETA,
    MEAN,
    VARIANCE,
    Y,
    RESIDUAL,
    DY,
    DX,
    DGAMMA,
    DBETA,
    DRESIDUAL,
    TENSORS
} tensor;

static graft_batch_norm_form form_of(const problem *p)
{
    return (graft_batch_norm_form){EPSILON, p->residual, p->clips ? &p->clip : NULL};
}

/* x is `far` from zero. */
static void fill(plain *tensors, const problem *p, float far)
{
    for (int i = 0; i < TENSORS; i++) {
        bool whole = i == X || i == Y || i == RESIDUAL || i == DY || i == DX || i == DRESIDUAL;
        tensors[i].shape = whole ? p->shape : GRAFT_SHAPE(p->shape.dims[1]);
        int64_t count = graft_shape_count(&tensors[i].shape);
        assert_ok(GRAFT_NEW_ARRAY(&tensors[i].values, (size_t)count));
        rig_draw(tensors[i].values, count, (uint64_t)i + 1);
        for (int64_t k = 0; i == X && k < count; k++)
            tensors[i].values[k] += far;
    }
}

static void dispose(plain *tensors)
{
    for (int i = 0; i < TENSORS; i++)
        free(tensors[i].values);
}

static void compute_forward(graft_device *device, plain *t, const problem *p, const graft_layout *x,
                            bool again)
{
    graft_kernel *kernel;
    graft_batch_norm_form form = form_of(p);
    plain slots[GRAFT_KERNEL_SLOTS] = {t[X], t[GAMMA], t[BETA], t[MEAN], t[VARIANCE], t[Y], t[RESIDUAL]};
    assert_ok(graft_batch_norm_group(&kernel, device, x, &form, again));
    plain_run(device, kernel, slots);
}

static void compute_backward(graft_device *device, plain *t, const problem *p, const graft_layout *x)
{
    graft_kernel *kernel;
    graft_batch_norm_form form = form_of(p);
    plain slots[GRAFT_KERNEL_SLOTS] = {t[X],        t[DY],       t[GAMMA],
                                       t[MEAN],     t[VARIANCE], t[DX],
                                       t[DGAMMA],   t[DBETA],    p->residual && p->clips ? t[Y] : t[BETA],
                                       t[DRESIDUAL]};
    assert_ok(graft_batch_norm_group_backward(&kernel, device, x, &form));
    plain_run(device, kernel, slots);
}

/* Channels last, in blocks of 8, of 16. */
static const graft_layout *layout_of(graft_device *device, const graft_shape *shape, int number)
{
    const graft_layout *layout;
    if (number == 0)
        assert_ok(graft_layout_channels_last(device, shape, GRAFT_F32, &layout));
    else
        assert_ok(graft_layout_blocked(device, shape, 8 * number, &layout));
    return layout;
}

/* ---- Plain loops in doubles: one channel, whose numbers lie side by side ---- */

typedef struct channel {
    int64_t count;
    double gamma, beta, mean, variance;
    double *x, *residual, *dy, *y;
} channel;

/* y, and the sum of y dY. */
static double normalize(channel *c, const problem *p)
{
    double sum = 0.0, squares = 0.0, loss = 0.0;
    for (int64_t i = 0; i < c->count; i++)
        sum += c->x[i];
    c->mean = sum / (double)c->count;
    for (int64_t i = 0; i < c->count; i++)
        squares += (c->x[i] - c->mean) * (c->x[i] - c->mean);
    c->variance = squares / (double)c->count;
    for (int64_t i = 0; i < c->count; i++) {
        double y = c->gamma * (c->x[i] - c->mean) / sqrt(c->variance + (double)EPSILON) + c->beta;
        y += p->residual ? c->residual[i] : 0.0;
        if (p->clips)
            y = fmin(fmax(y, p->clip.low), p->clip.high);
        c->y[i] = y;
        loss += y * c->dy[i];
    }
    return loss;
}

static double difference(channel *c, const problem *p, double *of)
{
    static const double STEP = 1e-6;
    double before = *of;
    *of = before + STEP;
    double up = normalize(c, p);
    *of = before - STEP;
    double down = normalize(c, p);
    *of = before;
    return (up - down) / (2.0 * STEP);
}

static void close_to(double got, double wanted, double size, const char *what)
{
    if (!(fabs(got - wanted) <= 2e-5 * (fabs(wanted) + size)))
        fail_msg("%s: %.9g, not %.9g", what, got, wanted);
}

static int64_t place(const problem *p, int64_t number, int64_t i)
{
    int64_t pixels = p->shape.dims[2] * p->shape.dims[3];
    return (i / pixels * p->shape.dims[1] + number) * pixels + i % pixels;
}

static void take(channel *c, const plain *t, const problem *p, int64_t number)
{
    c->gamma = t[GAMMA].values[number];
    c->beta = t[BETA].values[number];
    for (int64_t i = 0; i < c->count; i++) {
        c->x[i] = t[X].values[place(p, number, i)];
        c->residual[i] = t[RESIDUAL].values[place(p, number, i)];
        c->dy[i] = t[DY].values[place(p, number, i)];
    }
}

/* Beside a far mean the step is too coarse for differences, so gradients are not looked at; and that the mean
 * is a float shows in y. */
static void check_channel(channel *c, const plain *t, const problem *p, int64_t number, bool gradients)
{
    double many = sqrt((double)c->count);
    take(c, t, p, number);
    normalize(c, p);
    close_to(t[MEAN].values[number], c->mean, 0.1, "mean");
    close_to(t[VARIANCE].values[number], c->variance, 0.0, "variance");
    for (int64_t i = 0; i < c->count; i++)
        close_to(t[Y].values[place(p, number, i)], c->y[i], gradients ? 1.0 : 500.0, "y");
    if (!gradients)
        return;
    close_to(t[DGAMMA].values[number], difference(c, p, &c->gamma), many, "gradient of gamma");
    close_to(t[DBETA].values[number], difference(c, p, &c->beta), many, "gradient of beta");
    for (int64_t i = 0; i < c->count; i++) {
        close_to(t[DX].values[place(p, number, i)], difference(c, p, &c->x[i]), 1.0, "gradient of x");
        if (p->residual && p->clips)
            close_to(t[DRESIDUAL].values[place(p, number, i)], difference(c, p, &c->residual[i]), 1.0,
                     "gradient of the residual");
    }
}

static void check_numbers(const plain *t, const problem *p, bool gradients)
{
    channel c = {.count = graft_shape_count(&p->shape) / p->shape.dims[1]};
    assert_ok(GRAFT_NEW_ARRAY(&c.x, (size_t)c.count));
    assert_ok(GRAFT_NEW_ARRAY(&c.residual, (size_t)c.count));
    assert_ok(GRAFT_NEW_ARRAY(&c.dy, (size_t)c.count));
    assert_ok(GRAFT_NEW_ARRAY(&c.y, (size_t)c.count));
    for (int64_t number = 0; number < p->shape.dims[1]; number++)
        check_channel(&c, t, p, number, gradients);
    free(c.x);
    free(c.residual);
    free(c.dy);
    free(c.y);
}

/* ---- Bits ---- */

static void check_same(const plain *a, const plain *b, const char *what)
{
    for (int i = 0; i < TENSORS; i++)
        if (memcmp(a[i].values, b[i].values, sizeof(float) * (size_t)graft_shape_count(&a[i].shape)) != 0)
            fail_msg("%s: tensor %d has other bits", what, i);
}

static void check_again(graft_device *device, const plain *t, const problem *p, const graft_layout *x)
{
    plain again[TENSORS];
    memcpy(again, t, sizeof again);
    again[Y].values = NULL;
    assert_ok(GRAFT_NEW_ARRAY(&again[Y].values, (size_t)graft_shape_count(&p->shape)));
    compute_forward(device, again, p, x, true);
    check_same(again, t, "again");
    free(again[Y].values);
}

static void check(const problem *p, int number, float far)
{
    plain first[TENSORS];
    for (int i = 0; i < TEAMS; i++) {
        plain tensors[TENSORS];
        const graft_layout *x = layout_of(devices[i], &p->shape, number);
        graft_device_enter(devices[i]);
        fill(tensors, p, far);
        compute_forward(devices[i], tensors, p, x, false);
        check_again(devices[i], tensors, p, x);
        compute_backward(devices[i], tensors, p, x);
        if (i > 0) {
            check_same(tensors, first, "another number of threads");
            dispose(tensors);
            continue;
        }
        check_numbers(tensors, p, far == 0.0F);
        memcpy(first, tensors, sizeof first);
    }
    dispose(first);
}

/* ---- ---- */

/* A block and a half, one block and stretches that are merged, channels that end within a block of 8, groups
 * of several widths, more groups than threads. */
static const graft_shape shapes[] = {{4, {2, 24, 5, 5}}, {4, {1, 16, 20, 17}}, {4, {3, 5, 3, 4}},
                                     {4, {2, 58, 1, 7}}, {4, {3, 104, 4, 3}},  {4, {2, 40, 1, 1}},
                                     {4, {1, 640, 3, 1}}};
enum { SHAPES = sizeof shapes / sizeof *shapes };

static void check_form(bool residual, bool clips, float high, float far)
{
    int taken = 0;
    for (int s = 0; s < SHAPES; s++)
        for (int number = 0; number < LAYOUTS; number++) {
            problem p = {shapes[s], residual, clips, {GRAFT_CLIP, 0.0F, high}};
            if (!graft_batch_norm_suits(layout_of(devices[0], &p.shape, number)))
                continue;
            check(&p, number, far);
            taken++;
        }
    if (taken == 0)
        skip();                              /* a processor without AVX2 */
    assert_int_equal(taken, 2 * SHAPES + 5); /* 5 and 58 channels do not lie last */
}

static void test_alone(void **state)
{
    (void)state;
    check_form(false, false, 0.0F, 0.0F);
}

static void test_with_relu(void **state)
{
    (void)state;
    check_form(false, true, INFINITY, 0.0F);
}

static void test_with_relu6(void **state)
{
    (void)state;
    check_form(false, true, 1.5F, 0.0F);
}

static void test_with_a_residual(void **state)
{
    (void)state;
    check_form(true, false, 0.0F, 0.0F);
}

static void test_with_a_residual_and_relu(void **state)
{
    (void)state;
    check_form(true, true, INFINITY, 0.0F);
    check_form(true, true, 1.0F, 0.0F);
}

/* Squares that are summed around zero would leave a variance of no digits here. */
static void test_far_from_zero(void **state)
{
    (void)state;
    check_form(false, false, 0.0F, 3000.0F);
}

/* As with a gamma that begins at zero: y lies on the bound, and torch's gradient there is 0. */
static void test_on_the_bound(void **state)
{
    const problem p = {
        .shape = GRAFT_SHAPE(2, 16, 3, 3), .clips = true, .clip = {GRAFT_CLIP, 0.0F, INFINITY}};
    (void)state;
    for (int number = 0; number < LAYOUTS; number++) {
        plain t[TENSORS];
        const graft_layout *x = layout_of(devices[0], &p.shape, number);
        if (!graft_batch_norm_suits(x))
            continue;
        fill(t, &p, 0.0F);
        for (int c = 0; c < 16; c++)
            t[GAMMA].values[c] = t[BETA].values[c] = 0.0F;
        compute_forward(devices[0], t, &p, x, false);
        compute_backward(devices[0], t, &p, x);
        for (int64_t i = 0; i < graft_shape_count(&p.shape); i++)
            assert_true(t[Y].values[i] == 0.0F && t[DX].values[i] == 0.0F);
        for (int c = 0; c < 16; c++)
            assert_true(t[DGAMMA].values[c] == 0.0F && t[DBETA].values[c] == 0.0F);
        dispose(t);
    }
}

static void test_what_it_does_not_take(void **state)
{
    const graft_layout *layout;
    (void)state;
    assert_ok(graft_layout_plain(devices[0], &GRAFT_SHAPE(2, 16, 3, 3), &layout));
    assert_false(graft_batch_norm_suits(layout));
    assert_ok(graft_layout_plain(devices[0], &GRAFT_SHAPE(2, 16), &layout));
    assert_false(graft_batch_norm_suits(layout));
    assert_ok(graft_layout_channels_last(devices[0], &GRAFT_SHAPE(2, 16, 3, 3), GRAFT_BF16, &layout));
    assert_false(graft_batch_norm_suits(layout));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_alone),
        cmocka_unit_test(test_with_relu),
        cmocka_unit_test(test_with_relu6),
        cmocka_unit_test(test_with_a_residual),
        cmocka_unit_test(test_with_a_residual_and_relu),
        cmocka_unit_test(test_far_from_zero),
        cmocka_unit_test(test_on_the_bound),
        cmocka_unit_test(test_what_it_does_not_take),
    };
    return cmocka_run_group_tests_name("batch norm", tests, open_devices, close_devices);
}
