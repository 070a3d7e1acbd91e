/* The manual page, graft.1, in roff's man macros. */
#include "cli/help.h"

#include <string.h>

#include <graft/status.h>

/* Text with what roff would read as its own taken away: backslashes, hyphens that are minus signs, and a '.'
 * or '\'' at the beginning of a line. */
static void escape(FILE *stream, const char *text)
{
    for (bool line_begins = true; *text; line_begins = *text == '\n', text++) {
        if (line_begins && (*text == '.' || *text == '\''))
            fprintf(stream, "\\&");
        if (*text == '\\')
            fprintf(stream, "\\e");
        else if (*text == '-')
            fprintf(stream, "\\-");
        else
            fputc(*text, stream);
    }
}

static void option_entry(FILE *stream, const option *o)
{
    fprintf(stream, ".TP\n\\fB\\-\\-");
    escape(stream, o->name);
    fprintf(stream, "\\fR");
    if (o->argument) {
        fprintf(stream, " \\fI");
        escape(stream, o->argument);
        fprintf(stream, "\\fR");
    }
    fputc('\n', stream);
    escape(stream, o->help);
    if (o->standard) {
        fprintf(stream, "\n(default: ");
        escape(stream, o->standard);
        fputc(')', stream);
    }
    fputc('\n', stream);
}

/* Paragraphs as they stand, lines kept: descriptions hold tables and examples. */
static void description(FILE *stream, const char *text)
{
    fprintf(stream, ".PP\n.nf\n");
    escape(stream, text);
    fprintf(stream, "\n.fi\n");
}

static void command_section(FILE *stream, const command *which)
{
    fprintf(stream, ".SS graft ");
    escape(stream, which->name);
    fputc(' ', stream);
    escape(stream, which->usage);
    fputc('\n', stream);
    escape(stream, which->summary);
    fprintf(stream, ".\n");
    if (which->description[0])
        description(stream, which->description);
    for (const option *o = which->options; o->name; o++)
        option_entry(stream, o);
}

static const char tail[] = ".SH FILES\n"
                           ".TP\n"
                           ".I ${XDG_CACHE_HOME:\\-~/.cache}/graft/weights\n"
                           "published weights of networks\n"
                           ".SH ENVIRONMENT\n"
                           ".TP\n"
                           ".B NO_COLOR\n"
                           "set: nothing is written in colour or bold\n"
                           ".TP\n"
                           ".B TERM\n"
                           "\"dumb\": plain lines in place of a progress bar\n"
                           ".SH EXIT STATUS\n"
                           ".TP\n0\nall went well\n"
                           ".TP\n1\nsomething could not be done, and one sentence on stderr says what\n"
                           ".TP\n2\nthe command line makes no sense\n";

void help_manual(FILE *stream)
{
    fprintf(stream, ".TH GRAFT 1 \"\" \"graft %s\" \"User Commands\"\n", graft_version());
    fprintf(stream, ".SH NAME\ngraft \\- transfer learning for images\n.SH SYNOPSIS\n");
    for (const command *const *c = commands; *c; c++) {
        fprintf(stream, "%s.B graft ", c == commands ? "" : ".br\n");
        escape(stream, (*c)->name);
        fprintf(stream, "\n\\fR");
        escape(stream, (*c)->usage);
        fprintf(stream, "\n");
    }
    fprintf(stream, ".SH COMMANDS\n");
    for (const command *const *c = commands; *c; c++)
        command_section(stream, *c);
    fputs(tail, stream);
}
