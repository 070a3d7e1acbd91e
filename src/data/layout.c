/* How a dataset's folder is laid out: class folders, or train/ beside val/ (valid/, validation/) and test/.
 *
 * A folder `train` is the training set where a held-out folder lies beside it, and also where nothing but
 * test/ does and it holds folders; otherwise it is a class like any other (a dataset of vehicles has one). */
#include <stdbool.h>
#include <string.h>

#include "base/status.h"
#include "data/scan.h"

static bool is_one_of(const char *name, const char *const *words)
{
    for (; *words; words++)
        if (strcmp(name, *words) == 0)
            return true;
    return false;
}

static const char *const held_out_names[] = {"val", "valid", "validation", NULL};
static const char *const left_alone_names[] = {"train", "test", NULL};
