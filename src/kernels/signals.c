/* Signals are kept from the threads that compute, while they compute.
 *
 * oneDNN's generated matrix kernels use the stack register as one more pointer, into a buffer on the heap
 * (jit_avx_gemm_f32, jit_avx512_common_gemm_f32: every version up to 3.11, its issue 4845). A handler that
 * runs in that moment, anybody's and for any signal, writes its frame over whatever lies below the buffer,
 * and the process dies much later in free(). A signal sent to the process goes to a thread that does not
 * block it, or waits for the end of the kernel. */
#include "kernels/primitive.h"

#include <omp.h>

/* Those that a thread raises by what it does itself are not held: they must end it where it stands. */
static void fill(sigset_t *signals)
{
    static const int own[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT, SIGSYS};
    sigfillset(signals);
    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++)
        sigdelset(signals, own[i]);
}

void graft_signals_hold(sigset_t *before)
{
    sigset_t signals;
    fill(&signals);
    pthread_sigmask(SIG_BLOCK, &signals, before);
}

void graft_signals_release(const sigset_t *before)
{
    pthread_sigmask(SIG_SETMASK, before, NULL);
}

/* The helpers of a team belong to OpenMP and do nothing else, so they are done once for each thread that
 * leads one. Those that join it later are started while the leader holds, and inherit that. */
void graft_signals_hold_team(graft_device *device)
{
    if (device->led && pthread_equal(device->leader, pthread_self()))
        return;
#pragma omp parallel num_threads(device->threads)
    if (omp_get_thread_num() != 0) {
        sigset_t before;
        graft_signals_hold(&before);
    }
    device->leader = pthread_self();
    device->led = true;
}
