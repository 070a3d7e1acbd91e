/* Where bf16 is not faster the library takes f32; whoever asked is told. */
#include "cli/precision.h"

#include <graft/plan.h>

#include "cli/screen.h"

graft_dtype precision_asked(const arguments *given)
{
    static const graft_dtype dtypes[] = {GRAFT_F32, GRAFT_BF16}; /* by the words' order */
    return dtypes[argument_word(given, "precision", 0)];
}

void precision_say(graft_dtype asked, graft_dtype used)
{
    if (asked != used)
        screen_line(stderr, "precision", "%s would not be faster here (%s): what is frozen is computed in %s",
                    graft_dtype_name(asked), graft_instructions(), graft_dtype_name(used));
}
