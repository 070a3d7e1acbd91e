/* Opening a RUN or a network. */
#include "cli/subject.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <graft/tools.h>

#include "cli/screen.h"

static int refuse(const char *sentence)
{
    screen_fail("%s", sentence);
    return EXIT_USAGE;
}

static int check_options(const arguments *given)
{
    bool network = argument_given(given, "model");
    if (argument_given(given, "weights") && !network)
        return refuse("--weights says what a network starts from: it needs --model NAME, and no RUN");
    if (argument_given(given, "pictures") && !network)
        return refuse("--pictures needs --model NAME: a RUN knows how its pictures are seen");
    return EXIT_GOOD;
}

/* What may have been meant by something that is no RUN. */
static int fail_run(const char *run)
{
    struct stat about;
    if (stat(run, &about) != 0 && graft_network_find(run))
        return screen_fail("%s is a network, not a run: --model %s runs it with its published classes", run,
                           run);
    return screen_fail_status();
}

static int open_run(subject *s, const arguments *given)
{
    const char *run = argument_at(given, 0);
    if (graft_model_load(&s->model, run) != GRAFT_OK)
        return fail_run(run);
    s->run = run;
    s->rest = 1;
    return EXIT_GOOD;
}

static int open_network(subject *s, const arguments *given)
{
    const char *weights = argument_text(given, "weights");
    if (graft_model_open(&s->model, argument_text(given, "model"), weights) != GRAFT_OK)
        return screen_fail_status();
    graft_model_set_sight(s->model, (graft_sight)argument_word(given, "pictures", GRAFT_AS_SEEN));
    return EXIT_GOOD;
}

int subject_open(subject *s, const arguments *given)
{
    int status = check_options(given);
    *s = (subject){NULL, NULL, 0};
    if (status != EXIT_GOOD)
        return status;
    return argument_given(given, "model") ? open_network(s, given) : open_run(s, given);
}

void subject_dispose(subject *s)
{
    graft_model_free(s->model);
    s->model = NULL;
}

void subject_threads(int *threads, int *workers, const arguments *given)
{
    *threads = (int)argument_integer(given, "threads", graft_cores());
    *workers = (int)argument_integer(given, "workers", graft_workers(*threads));
}

const char *subject_class(const graft_model *model, int index, int most)
{
    char number[16];
    const char *name = graft_model_class(model, (size_t)index);
    snprintf(number, sizeof number, "%d", index);
    return screen_name(name ? name : number, most);
}
