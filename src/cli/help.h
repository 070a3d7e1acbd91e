/* What the tables of commands and options say of themselves. */
#ifndef GRAFT_CLI_HELP_H
#define GRAFT_CLI_HELP_H

#include <stdio.h>

#include "cli/command.h"

/* `graft` alone: the commands. */
void help_all(FILE *stream);
/* `graft COMMAND -h`. */
void help_command(FILE *stream, const command *command);
/* The options as a table in Markdown, as the README has it. */
void help_markdown(FILE *stream, const command *command);
/* graft.1: every command in roff. */
void help_manual(FILE *stream);

#endif
