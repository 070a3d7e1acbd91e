/* How long OpenMP's threads spin while they wait for each other. libgomp's own choice suits a machine that
 * does nothing else; beside any other work it makes the arithmetic several times slower, and a short spin
 * costs nothing measurable.
 *
 * libgomp reads that from the environment once, when it is loaded, before main. Functions in .preinit_array
 * run before that, but the environment cannot grow there yet: a variable that no library asks for lends its
 * place until main begins. Beginning anew with another environment would load all libraries twice. */
#include "cli/threads.h"

#include <stdbool.h>
#include <stddef.h>

static char spin[] = "GOMP_SPINCOUNT=1000";
static char **place, *lent;

/* The C library is not ready where this is called. */
static bool is_variable(const char *entry, const char *name)
{
    while (*name && *entry == *name) {
        entry++;
        name++;
    }
    return !*name && *entry == '=';
}

static bool is_any(const char *entry, const char *const *names)
{
    for (; *names; names++)
        if (is_variable(entry, *names))
            return true;
    return false;
}

/* Whoever says how threads wait has a reason. Where no variable lends its place libgomp's choice stays. */
static void spin_briefly(int count, char **values, char **environment)
{
    static const char *const said[] = {"GOMP_SPINCOUNT", "OMP_WAIT_POLICY", NULL};
    static const char *const lenders[] = {"_", "SHLVL", "OLDPWD", "PWD", "HOME", "PATH", NULL};
    char **found = NULL;
    (void)count;
    (void)values;
    for (char **entry = environment; *entry; entry++) {
        if (is_any(*entry, said))
            return;
        if (is_any(*entry, lenders))
            found = entry;
    }
    if (!found)
        return;
    place = found;
    lent = *found;
    *found = spin;
}

__attribute__((section(".preinit_array"), used)) static void (*const before_main)(int, char **,
                                                                                  char **) = spin_briefly;

void threads_give_back(void)
{
    if (place)
        *place = lent;
    place = NULL;
}
