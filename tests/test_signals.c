/* A host program's signals, a timer's or a profiler's, and the arithmetic: a handler never runs on a thread
 * that computes, where oneDNN's matrix kernels may have taken the stack register for something else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <sys/time.h>

#include "rig.h"

#include "kernels/primitive.h"

enum { BATCH = 24, SIZE = 20, CLASSES = 3, TICKS = 300, STEPS_MOST = 1000000 };

static struct {
    char *low, *high; /* the main thread's stack */
    volatile sig_atomic_t ticks, strays;
} heard;

static void hear(int number)
{
    char here;
    (void)number;
    heard.ticks++;
    if (&here < heard.low || &here >= heard.high)
        heard.strays++;
}

static void find_stack(void)
{
    pthread_attr_t attributes;
    void *low;
    size_t size;
    assert_int_equal(0, pthread_getattr_np(pthread_self(), &attributes));
    assert_int_equal(0, pthread_attr_getstack(&attributes, &low, &size));
    pthread_attr_destroy(&attributes);
    heard.low = low;
    heard.high = heard.low + size;
}

static void tick_every(long microseconds)
{
    struct itimerval timer = {{0, microseconds}, {0, microseconds}};
    assert_int_equal(0, setitimer(ITIMER_REAL, &timer, NULL));
}

static graft_graph *rows_and_a_linear_layer(void)
{
    graft_builder b = {.status = GRAFT_OK, .size = SIZE};
    assert_ok(graft_graph_create(&b.graph));
    linear(&b, "fc", flatten(&b, "flatten", graft_build_input(&b)), CLASSES);
    assert_ok(b.status);
    int matched;
    graft_graph_mark(b.graph, "fc", true, &matched);
    assert_int_equal(1, matched);
    return b.graph;
}

static void check_threads(int threads)
{
    rig r;
    run u;
    float *pictures = calloc(BATCH * 3 * SIZE * SIZE, sizeof *pictures);
    const int32_t labels[BATCH] = {0, 1, 2};
    struct sigaction before, action = {.sa_handler = hear, .sa_flags = SA_RESTART};
    rig_open(&r, rows_and_a_linear_layer(), threads);
    run_open(&u, &r, BATCH, true, false);
    sigaction(SIGALRM, &action, &before);
    heard.ticks = heard.strays = 0;
    tick_every(100);
    for (int step = 0; heard.ticks < TICKS && step < STEPS_MOST; step++) {
        run_forward(&u, pictures);
        run_loss(&u, labels);
        run_backward(&u);
    }
    tick_every(0);
    sigaction(SIGALRM, &before, NULL);
    assert_true(heard.ticks >= TICKS); /* they do come, between the kernels */
    assert_int_equal(0, heard.strays);
    run_close(&u);
    rig_close(&r);
    free(pictures);
}

static void no_handler_runs_inside_the_arithmetic(void **state)
{
    (void)state;
    find_stack();
    check_threads(1);
    check_threads(2);
}

static void a_pending_signal_comes_after_the_hold(void **state)
{
    (void)state;
    sigset_t before;
    struct sigaction old, action = {.sa_handler = hear};
    sigaction(SIGUSR1, &action, &old);
    heard.ticks = 0;
    graft_signals_hold(&before);
    raise(SIGUSR1);
    assert_int_equal(0, heard.ticks);
    graft_signals_release(&before);
    assert_int_equal(1, heard.ticks);
    sigaction(SIGUSR1, &old, NULL);
}

static graft_status look_at_mask(graft_kernel *kernel)
{
    sigset_t now;
    (void)kernel;
    pthread_sigmask(SIG_SETMASK, NULL, &now);
    return sigismember(&now, SIGALRM) && sigismember(&now, SIGINT) && !sigismember(&now, SIGSEGV)
               ? GRAFT_OK
               : GRAFT_EINTERNAL;
}

static void whoever_runs_a_kernel_holds_them(void **state)
{
    (void)state;
    sigset_t after;
    graft_kernel kernel = {.run = look_at_mask};
    assert_int_equal(graft_kernel_run(&kernel), GRAFT_OK);
    pthread_sigmask(SIG_SETMASK, NULL, &after);
    assert_false(sigismember(&after, SIGALRM));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pending_signal_comes_after_the_hold),
        cmocka_unit_test(whoever_runs_a_kernel_holds_them),
        cmocka_unit_test(no_handler_runs_inside_the_arithmetic),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
