/* What was meant by a word that graft does not know. */
#ifndef GRAFT_CLI_SUGGEST_H
#define GRAFT_CLI_SUGGEST_H

#include <stddef.h>

#include "cli/command.h"

/* A clause about an unknown option ("--batch-size", "-b", "--wd=1"): graft's word for what other systems call
 * so, the nearest name, or where graft's options are listed. */
void suggest_option(const command *command, const char *given, char *clause, size_t size);

/* The command that was meant, or NULL. */
const char *suggest_command(const char *given);

#endif
