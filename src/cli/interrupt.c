/* The wish to stop: a flag that the callbacks of long work ask for. */
#include "cli/screen.h"

#include <signal.h>
#include <stddef.h>

static volatile sig_atomic_t interrupted;

static void note_interrupt(int number)
{
    if (interrupted) { /* the second time: at once, as the system would have done it */
        signal(number, SIG_DFL);
        raise(number);
    }
    interrupted = 1;
}

void screen_catch_interrupts(void)
{
    static const int numbers[] = {SIGINT, SIGTERM};
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        struct sigaction before, action = {.sa_handler = note_interrupt, .sa_flags = SA_RESTART};
        sigemptyset(&action.sa_mask);
        if (sigaction(numbers[i], NULL, &before) == 0 && before.sa_handler != SIG_IGN)
            sigaction(numbers[i], &action, NULL);
    }
}

bool screen_interrupted(void)
{
    return interrupted != 0;
}
