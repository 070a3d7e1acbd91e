/* What the command is made of: a table of subcommands, each with a table of options. From these tables come
 * the parser, `graft help COMMAND`, the README's table and the manual page. */
#ifndef GRAFT_CLI_COMMAND_H
#define GRAFT_CLI_COMMAND_H

#include <stdbool.h>
#include <stddef.h>

typedef enum option_kind {
    OPTION_FLAG = 0, /* no argument */
    OPTION_TEXT,
    OPTION_WORD,    /* one of `words` */
    OPTION_INTEGER, /* low to high */
    OPTION_NUMBER   /* low to high */
} option_kind;

typedef struct option {
    const char *name;     /* "batch": --batch N, --batch=N */
    const char *argument; /* "N"; NULL for a flag */
    const char *standard; /* its default, as people read it; NULL: there is none */
    const char *help;     /* a clause without a full stop */
    option_kind kind;
    double low, high;  /* legal values of numbers, both included */
    const char *words; /* of OPTION_WORD: "probe|zero|pytorch" */
    char letter;       /* 'o': -o FILE is the same; 0: none */
} option;

/* The words of graft_kernels. */
#define KERNELS_WORDS "rule|measure|direct|winograd|blocked|channels-last"

typedef struct arguments arguments;

typedef struct command {
    const char *name;
    const char *usage;         /* what follows the name: "DATA [OPTION...]" */
    const char *network_usage; /* and with --model; NULL: there is no such option, or it changes nothing */
    const char *summary;       /* one line without a full stop */
    const char *description;   /* paragraphs of lines up to 80 columns, no line end last; may be "" */
    const option *options;     /* ends with a NULL name */
    int least, most;           /* positional arguments; most < 0: any number */
    int (*run)(const arguments *arguments); /* the exit status */
} command;

extern const command command_train, command_eval, command_predict, command_features, command_cache,
    command_inspect, command_models, command_help;

/* All of them, in the order of help; ends with NULL. */
extern const command *const commands[];
const command *command_find(const char *name); /* or NULL */

/* Exit statuses: 0 all went well; 1 something could not be done, and one sentence says what; 2 the command
 * line makes no sense. */
enum { EXIT_GOOD = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

/* ---- What was given; every name must stand in the command's table ---- */

size_t argument_count(const arguments *arguments); /* positional ones */
const char *argument_at(const arguments *arguments, size_t index);
bool argument_given(const arguments *arguments, const char *name);       /* also: the flag is set */
const char *argument_text(const arguments *arguments, const char *name); /* NULL where it was not given */
double argument_number(const arguments *arguments, const char *name, double otherwise);
long argument_integer(const arguments *arguments, const char *name, long otherwise);
/* Of an OPTION_WORD the index among its words, `otherwise` where it was not given. */
int argument_word(const arguments *arguments, const char *name, int otherwise);
/* "a,b,c" as a list that ends with NULL; *count is its length; the caller frees the list (one block). NULL
 * where it was not given. */
const char **argument_list(const arguments *arguments, const char *name, size_t *count);
const command *argument_command(const arguments *arguments);

/* Parses what follows the command's name; says on stderr what is wrong (exit status EXIT_USAGE then) and
 * returns NULL. *shown: `-h` or `--help` was given and answered. */
arguments *arguments_parse(const command *command, int count, char **values, bool *shown);
void arguments_free(arguments *arguments); /* NULL is legal */

#endif
