/* graft: the command. Finds the subcommand, parses its arguments, runs it, and makes sure that what was
 * printed has arrived. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <graft/graft.h>

#include "cli/command.h"
#include "cli/help.h"
#include "cli/screen.h"
#include "cli/suggest.h"
#include "cli/threads.h"

const command *const commands[] = {
    &command_train,    &command_eval,    &command_predict,
    &command_features, &command_inspect, &command_cache,
    &command_models,   &command_help,    NULL,
};

const command *command_find(const char *name)
{
    for (const command *const *c = commands; *c; c++)
        if (strcmp((*c)->name, name) == 0)
            return *c;
    return NULL;
}

static int unknown_command(const char *name)
{
    const char *meant = suggest_command(name);
    if (meant)
        screen_fail("%s is no command of graft: did you mean graft %s?", name, meant);
    else
        screen_fail("%s is no command of graft: `graft help` lists them", name);
    return EXIT_USAGE;
}

static int run_command(const command *which, int count, char **values)
{
    bool shown = false;
    arguments *given = arguments_parse(which, count, values, &shown);
    if (!given)
        return shown ? EXIT_GOOD : EXIT_USAGE;
    int status = which->run(given);
    arguments_free(given);
    return status;
}

static int dispatch(int count, char **values)
{
    const char *name = count > 1 ? values[1] : "-h";
    if (strcmp(name, "-h") == 0 || strcmp(name, "--help") == 0) {
        help_all(stdout);
        return EXIT_GOOD;
    }
    if (strcmp(name, "--version") == 0) {
        printf("graft %s\n", graft_version());
        return EXIT_GOOD;
    }
    const command *found = command_find(name);
    return found ? run_command(found, count - 2, values + 2) : unknown_command(name);
}

/* Where a standard stream is closed, its number must not go to a file of ours: it is opened so that using it
 * fails as before. */
static void hold_streams(void)
{
    for (int file = 0; file <= 2; file++)
        if (fcntl(file, F_GETFD) < 0 && open("/dev/null", file == 0 ? O_WRONLY : O_RDONLY) != file)
            _exit(EXIT_FAILED);
}

/* What could not be printed is a failure, even if all else went well. */
static int flush_output(int status)
{
    if (screen_flush())
        return status;
    screen_fail("what was to be printed did not arrive: %s", errno ? strerror(errno) : "writing failed");
    return status == EXIT_GOOD ? EXIT_FAILED : status;
}

int main(int count, char **values)
{
    threads_give_back();
    hold_streams();
    signal(SIGPIPE, SIG_IGN); /* a reader that leaves must not end a training */
    signal(SIGXFSZ, SIG_IGN); /* a limit on files is a failure to write like others */
    return flush_output(dispatch(count, values));
}
