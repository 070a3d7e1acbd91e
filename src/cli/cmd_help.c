/* `graft help [COMMAND]`: the tables in words, for a terminal, the README and the manual page. */
#include <stdio.h>

#include "cli/command.h"
#include "cli/help.h"
#include "cli/screen.h"
#include "cli/suggest.h"

static const option options[] = {
    {.name = "man", .help = "the manual page of all commands, in roff"},
    {.name = "markdown", .help = "the options of COMMAND as a table in Markdown"},
    {.name = NULL},
};

static int run(const arguments *given)
{
    const char *name = argument_count(given) > 0 ? argument_at(given, 0) : NULL;
    const command *found = name ? command_find(name) : NULL;
    bool markdown = argument_given(given, "markdown"), manual = argument_given(given, "man");
    if (name && !found) {
        const char *meant = suggest_command(name);
        screen_fail("%s is no command of graft%s%s%s", name, meant ? ": did you mean " : "",
                    meant ? meant : "", meant ? "?" : "");
        return EXIT_USAGE;
    }
    if ((markdown && (!found || manual)) || (manual && found)) {
        screen_fail("--man takes no command, and --markdown takes one");
        return EXIT_USAGE;
    }
    if (manual)
        help_manual(stdout);
    else if (markdown)
        help_markdown(stdout, found);
    else if (found)
        help_command(stdout, found);
    else
        help_all(stdout);
    return EXIT_GOOD;
}

const command command_help = {
    .name = "help",
    .usage = "[COMMAND]",
    .summary = "Says what a command does and what its options are",
    .description = "",
    .options = options,
    .least = 0,
    .most = 1,
    .run = run,
};
