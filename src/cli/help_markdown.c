/* A command's options as a table in Markdown. */
#include "cli/help.h"

static void cell(FILE *stream, const char *text)
{
    for (; *text; text++) {
        if (*text == '|')
            fputc('\\', stream);
        fputc(*text, stream);
    }
}

void help_markdown(FILE *stream, const command *which)
{
    fprintf(stream, "| option | default | |\n|-|-|-|\n");
    for (const option *o = which->options; o->name; o++) {
        fprintf(stream, "| `--%s%s", o->name, o->argument ? " " : "");
        cell(stream, o->argument ? o->argument : "");
        fprintf(stream, "` | ");
        cell(stream, o->standard ? o->standard : "");
        fprintf(stream, "%s| ", o->standard ? " " : "");
        cell(stream, o->help);
        fprintf(stream, " |\n");
    }
}
