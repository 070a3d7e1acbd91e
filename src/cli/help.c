/* Help for a terminal: 80 columns, options on the left, what they do on the right. */
#include "cli/help.h"

#include <graft/status.h>

#include "cli/screen.h"

enum { WIDTH = 80, LEFT = 28 };

void help_all(FILE *stream)
{
    fprintf(stream, "graft %s: teaches a network that knows pictures your own classes\n\n", graft_version());
    for (const command *const *c = commands; *c; c++)
        fprintf(stream, "  graft %s %s\n      %s\n", (*c)->name, (*c)->usage, (*c)->summary);
    fprintf(stream, "\n`graft COMMAND -h` says more of a command, `graft --version` which graft this is.\n");
}

static void option_line(FILE *stream, const option *o)
{
    char text[1024];
    int column =
        fprintf(stream, "  --%s%s%s", o->name, o->argument ? " " : "", o->argument ? o->argument : "");
    if (column + 2 > LEFT) {
        fputc('\n', stream);
        column = 0;
    }
    fprintf(stream, "%*s", LEFT - column, "");
    if (o->standard)
        snprintf(text, sizeof text, "%s (default: %s)", o->help, o->standard);
    else
        snprintf(text, sizeof text, "%s", o->help);
    screen_wrap(stream, text, LEFT, LEFT, WIDTH);
    fputc('\n', stream);
}

void help_command(FILE *stream, const command *which)
{
    fprintf(stream, "usage: graft %s %s\n", which->name, which->usage);
    if (which->network_usage)
        fprintf(stream, "       graft %s %s\n", which->name, which->network_usage);
    fprintf(stream, "\n%s.\n", which->summary);
    if (which->description[0])
        fprintf(stream, "\n%s\n", which->description);
    fprintf(stream, "\noptions\n");
    for (const option *o = which->options; o->name; o++)
        option_line(stream, o);
    fprintf(stream, "  -h, --help%*sthis text\n", LEFT - 12, "");
}
