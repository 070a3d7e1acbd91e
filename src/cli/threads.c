/* How long OpenMP's threads spin while they wait for each other. libgomp's own choice suits a machine that
 * does nothing else; beside any other work it makes the arithmetic several times slower, and a short spin
 * costs nothing measurable. It is read once, before main, so the program begins anew with it. */
#include "cli/threads.h"

#include <stdlib.h>
#include <unistd.h>

void threads_spin_briefly(char **values)
{
    static const char name[] = "GOMP_SPINCOUNT";
    if (getenv(name) || getenv("OMP_WAIT_POLICY"))
        return;      /* whoever sets one of them has a reason, or we have been here */
    char path[4096]; /* by its own name, so that `ps` shows that one */
    ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1);
    if (length <= 0 || setenv(name, "1000", 0) != 0)
        return;
    path[length] = 0;
    execv(path, values); /* where this fails all goes on as it is */
}
