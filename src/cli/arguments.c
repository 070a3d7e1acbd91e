/* Command lines, by a command's table.
 *
 *   --name value, --name=value   a value; with the first form another option's name is not taken for one
 *   --name                       a flag
 *   -x value                     the same where the option has a letter
 *   -h, --help                   the command's help, and nothing else
 *   --                           everything behind it is positional
 *   everything else              positional, wherever it stands; "-" too
 *
 * An option that is given twice has its last value. The first thing that makes no sense ends the parsing with
 * one sentence. */
#include "cli/command.h"

#include <assert.h>
#include <errno.h>
#include <float.h>
#include <stdlib.h>
#include <string.h>

#include "cli/help.h"
#include "cli/screen.h"
#include "cli/suggest.h"

struct arguments {
    const command *command;
    const char **values;      /* beside the command's options; NULL: not given; "" for a flag */
    const char **positionals; /* (count) */
    size_t count;
};

/* Where the parser stands. */
typedef struct cursor {
    char **values;
    int index, count;
} cursor;

/* ---- Values ---- */

static bool parse_number(double *out, const char *text, bool whole)
{
    char *end;
    errno = 0;
    *out = whole ? (double)strtoll(text, &end, 10) : strtod(text, &end);
    return end != text && *end == 0 && errno == 0 && text[strspn(text, " \t\n\v\f\r")] == text[0];
}

static bool check_number(const option *o, const char *text)
{
    double value;
    bool whole = o->kind == OPTION_INTEGER;
    if (parse_number(&value, text, whole) && value >= o->low && value <= o->high)
        return true;
    int digits = whole ? DBL_DECIMAL_DIG : DBL_DIG;
    screen_fail("--%s %s is not possible: %s is a %s from %.*g to %.*g", o->name, text, o->argument,
                whole ? "whole number" : "number", digits, o->low, digits, o->high);
    return false;
}

/* The index of `text` among "a|b|c", or -1. */
static int word_index(const char *words, const char *text)
{
    size_t length = strlen(text);
    for (int index = 0; words; index++) {
        size_t span = strcspn(words, "|");
        if (span == length && strncmp(words, text, length) == 0)
            return index;
        words = words[span] ? words + span + 1 : NULL;
    }
    return -1;
}

static bool check_word(const option *o, const char *text)
{
    if (word_index(o->words, text) >= 0)
        return true;
    screen_fail("--%s %s is not possible: it is one of %s", o->name, text, o->words);
    return false;
}

static bool check_value(const option *o, const char *text)
{
    switch (o->kind) {
    case OPTION_INTEGER:
    case OPTION_NUMBER:
        return check_number(o, text);
    case OPTION_WORD:
        return check_word(o, text);
    case OPTION_TEXT:
        if (text[0])
            return true;
        screen_fail("--%s needs %s, and what was given is empty", o->name, o->argument);
        return false;
    case OPTION_FLAG:
        break;
    }
    return true;
}

/* ---- Options ---- */

static const option *find_letter(const command *which, char letter)
{
    for (const option *o = which->options; o->name; o++)
        if (letter && o->letter == letter)
            return o;
    return NULL;
}

static const option *find_option(const command *which, const char *name, size_t length)
{
    for (const option *o = which->options; o->name; o++)
        if (strlen(o->name) == length && strncmp(o->name, name, length) == 0)
            return o;
    return NULL;
}

static bool is_option(const command *which, const char *text)
{
    return strncmp(text, "--", 2) == 0 &&
           (text[2] == 0 || find_option(which, text + 2, strcspn(text + 2, "=")) != NULL);
}

/* The text behind '=' or the next argument; NULL after a sentence. */
static const char *take_value(const command *which, const option *o, cursor *at, const char *equals)
{
    const char *next = at->index + 1 < at->count ? at->values[at->index + 1] : NULL;
    if (o->kind == OPTION_FLAG) {
        if (equals)
            screen_fail("--%s takes no value", o->name);
        return equals ? NULL : "";
    }
    if (equals)
        return equals + 1;
    if (!next || is_option(which, next)) {
        screen_fail("--%s needs a value: --%s %s", o->name, o->name, o->argument);
        return NULL;
    }
    at->index++;
    return next;
}

static bool fail_unknown(const command *which, const char *text)
{
    char clause[256];
    suggest_option(which, text, clause, sizeof clause);
    screen_fail("%s is no option of graft %s: %s", text, which->name, clause);
    return false;
}

/* The option under the cursor, which begins with '-'. */
static bool parse_option(arguments *a, cursor *at)
{
    const char *text = at->values[at->index];
    const char *equals = strchr(text, '=');
    const option *o = NULL;
    if (strncmp(text, "--", 2) == 0)
        o = find_option(a->command, text + 2, strcspn(text + 2, "="));
    else if (text[2] == 0)
        o = find_letter(a->command, text[1]);
    if (!o)
        return fail_unknown(a->command, text);
    const char *value = take_value(a->command, o, at, equals);
    if (!value || !check_value(o, value))
        return false;
    a->values[o - a->command->options] = value;
    return true;
}

/* ---- The whole line ---- */

static bool check_count(const arguments *a)
{
    const command *c = a->command;
    bool network = c->network_usage && argument_given(a, "model");
    if (a->count < (size_t)c->least)
        screen_fail("something is missing: graft %s %s", c->name, network ? c->network_usage : c->usage);
    else if (c->most >= 0 && a->count > (size_t)c->most)
        screen_fail("\"%s\" is one argument too many: graft %s %s", a->positionals[c->most], c->name,
                    c->usage);
    else
        return true;
    return false;
}

static bool parse_all(arguments *a, cursor *at, bool *shown)
{
    bool only_positionals = false;
    for (; at->index < at->count; at->index++) {
        const char *text = at->values[at->index];
        if (only_positionals || text[0] != '-' || text[1] == 0) {
            a->positionals[a->count++] = text;
        } else if (strcmp(text, "--") == 0) {
            only_positionals = true;
        } else if (strcmp(text, "-h") == 0 || strcmp(text, "--help") == 0) {
            help_command(stdout, a->command);
            *shown = true;
            return false;
        } else if (!parse_option(a, at)) {
            return false;
        }
    }
    return check_count(a);
}

static size_t option_count(const command *which)
{
    size_t count = 0;
    while (which->options[count].name)
        count++;
    return count;
}

arguments *arguments_parse(const command *which, int count, char **values, bool *shown)
{
    cursor at = {values, 0, count};
    arguments *a = calloc(1, sizeof *a);
    *shown = false;
    if (a) {
        a->command = which;
        a->values = calloc(option_count(which) + 1, sizeof *a->values);
        a->positionals = calloc((size_t)count + 1, sizeof *a->positionals);
    }
    if (!a || !a->values || !a->positionals) {
        screen_fail("out of memory");
    } else if (parse_all(a, &at, shown)) {
        return a;
    }
    arguments_free(a);
    return NULL;
}

void arguments_free(arguments *a)
{
    if (!a)
        return;
    free(a->values);
    free(a->positionals);
    free(a);
}

/* ---- Asking ---- */

static const option *known_option(const arguments *a, const char *name)
{
    const option *o = find_option(a->command, name, strlen(name));
    assert(o && "every name that is asked for stands in the command's table");
    return o;
}

size_t argument_count(const arguments *a)
{
    return a->count;
}

const char *argument_at(const arguments *a, size_t index)
{
    return a->positionals[index];
}

const command *argument_command(const arguments *a)
{
    return a->command;
}

const char *argument_text(const arguments *a, const char *name)
{
    return a->values[known_option(a, name) - a->command->options];
}

bool argument_given(const arguments *a, const char *name)
{
    return argument_text(a, name) != NULL;
}

double argument_number(const arguments *a, const char *name, double otherwise)
{
    const char *text = argument_text(a, name);
    return text ? strtod(text, NULL) : otherwise;
}

long argument_integer(const arguments *a, const char *name, long otherwise)
{
    const char *text = argument_text(a, name);
    return text ? strtol(text, NULL, 10) : otherwise;
}

int argument_word(const arguments *a, const char *name, int otherwise)
{
    const char *text = argument_text(a, name);
    return text ? word_index(known_option(a, name)->words, text) : otherwise;
}

const char **argument_list(const arguments *a, const char *name, size_t *count)
{
    const char *text = argument_text(a, name);
    size_t length = text ? strlen(text) + 1 : 0, slots = 2;
    *count = 0;
    for (const char *c = text; c && *c; c++)
        slots += *c == ',';
    const char **list = text ? calloc(1, slots * sizeof *list + length) : NULL;
    if (!list)
        return NULL;
    char *copy = (char *)(list + slots), *rest = NULL;
    memcpy(copy, text, length);
    for (char *part = strtok_r(copy, ",", &rest); part; part = strtok_r(NULL, ",", &rest))
        list[(*count)++] = part;
    return list;
}
