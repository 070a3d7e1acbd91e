/* The grammar of layers:
 *
 *   layers = "mlp" | layer { " " layer }
 *   layer  = word [ "(" number ")" ]
 *
 * "mlp" is "linear(512) relu dropout(0.5) linear". */
#include "model/layers.h"

#include <stdlib.h>
#include <string.h>

#include "base/number.h"
#include "base/status.h"
#include "base/text.h"

enum { WIDEST = 1 << 20 };

static const char mlp[] = "linear(512) relu dropout(0.5) linear";

typedef enum argument { ARGUMENT_NONE = 0, ARGUMENT_WIDTH, ARGUMENT_PROBABILITY } argument;

static const struct word {
    const char *name;
    const graft_op *op;
    argument argument;
} words[] = {
    {"linear", &graft_op_linear, ARGUMENT_WIDTH},
    {"dropout", &graft_op_dropout, ARGUMENT_PROBABILITY},
    {"relu", &graft_op_relu, ARGUMENT_NONE},
    {"gelu", &graft_op_gelu, ARGUMENT_NONE},
    {"batchnorm", &graft_op_batch_norm, ARGUMENT_NONE},
    {"layernorm", &graft_op_layer_norm, ARGUMENT_NONE},
    {"logsoftmax", &graft_op_log_softmax, ARGUMENT_NONE},
    {"avgpool", &graft_op_adaptive_avg_pool2d, ARGUMENT_NONE}, /* over the whole picture */
    {"flatten", &graft_op_flatten, ARGUMENT_NONE},
};

enum { WORDS = sizeof words / sizeof words[0] };

typedef struct reader {
    const char *text, *at; /* `at`: what is read next */
    const char *token;     /* where the word in hand begins */
    int classes;
    graft_layers *layers;
} reader;

static graft_status unknown_word(const reader *r, int length)
{
    const char *names[WORDS];
    char word[64] = "";
    for (int i = 0; i < WORDS; i++)
        names[i] = words[i].name;
    strncat(word, r->token, length < 63 ? (size_t)length : 63);
    const char *nearest = graft_text_nearest(word, names, WORDS);
    return graft_fail(GRAFT_EARGUMENT, "\"%s\": \"%s\" (column %d) is no layer%s%s%s", r->text, word,
                      (int)(r->token - r->text) + 1, nearest ? "; did you mean " : "", nearest ? nearest : "",
                      nearest ? "?" : "");
}

static graft_status bad(const reader *r, const char *what)
{
    return graft_fail(GRAFT_EARGUMENT, "\"%s\": column %d: %s", r->text, (int)(r->token - r->text) + 1, what);
}

static graft_status read_word(reader *r, const struct word **word)
{
    size_t length = strcspn(r->at, "( ");
    r->token = r->at;
    for (int i = 0; i < WORDS; i++)
        if (strlen(words[i].name) == length && strncmp(words[i].name, r->at, length) == 0) {
            *word = &words[i];
            r->at += length;
            return GRAFT_OK;
        }
    return unknown_word(r, (int)length);
}

/* "(NUMBER)"; *given is false where there is none. */
static graft_status read_number(reader *r, double *number, bool *given)
{
    *given = *r->at == '(';
    if (!*given)
        return GRAFT_OK;
    char *end;
    r->token = r->at + 1;
    *number = graft_number_read(r->token, &end);
    if (end == r->token || *end != ')')
        return bad(r, "a number and \")\" are wanted here");
    r->at = end + 1;
    return GRAFT_OK;
}

/* Whether the head ends here: nothing follows, or what makes log-probabilities of it. */
static bool is_last(const char *rest)
{
    static const char tail[] = "logsoftmax";
    rest += strspn(rest, " ");
    if (graft_text_starts(rest, tail))
        rest += sizeof tail - 1;
    return rest[strspn(rest, " ")] == 0;
}

static graft_status add_width(reader *r, const char *layer, double number, bool given)
{
    graft_layers *all = r->layers;
    if (!given && (!is_last(r->at) || r->classes == 0)) {
        r->token = layer;
        return bad(r, "how wide is this layer? (only a last linear may leave it to the classes)");
    }
    if (given && (number < 1 || number > WIDEST || number != (double)(int)number))
        return bad(r, "a width is a whole number from 1 to 1048576");
    all->attributes[all->count].linear.features = given ? (int)number : r->classes;
    return GRAFT_OK;
}

static graft_status add_probability(reader *r, const char *layer, double number, bool given)
{
    if (!given) {
        r->token = layer;
        return bad(r, "a probability is wanted, as in dropout(0.5)");
    }
    if (!(number >= 0.0 && number < 1.0))
        return bad(r, "a probability is from 0 to below 1");
    r->layers->attributes[r->layers->count].drop.probability = (float)number;
    return GRAFT_OK;
}

static graft_status read_layer(reader *r)
{
    graft_status status;
    graft_layers *all = r->layers;
    const struct word *word = NULL;
    const char *layer = r->at;
    double number = 0.0;
    bool given;
    if (all->count == GRAFT_LAYERS)
        return bad(r, "too many layers");
    GRAFT_TRY(read_word(r, &word));
    GRAFT_TRY(read_number(r, &number, &given));
    if (word->argument == ARGUMENT_WIDTH)
        GRAFT_TRY(add_width(r, layer, number, given));
    if (word->argument == ARGUMENT_PROBABILITY)
        GRAFT_TRY(add_probability(r, layer, number, given));
    if (word->argument == ARGUMENT_NONE && given)
        return bad(r, "this layer takes no number");
    if (*r->at && *r->at != ' ') {
        r->token = r->at;
        return bad(r, "a space is wanted between two layers");
    }
    all->items[all->count] = (graft_graph_layer){word->op, &all->attributes[all->count]};
    all->count++;
out:
    return status;
}

graft_status graft_layers_parse(graft_layers *layers, const char *text, int classes, size_t *place)
{
    graft_status status = GRAFT_OK;
    bool named = strcmp(text, "mlp") == 0;
    reader r = {.text = named ? mlp : text, .classes = classes, .layers = layers};
    memset(layers, 0, sizeof *layers);
    r.at = r.token = r.text;
    r.at += strspn(r.at, " ");
    while (*r.at && status == GRAFT_OK) {
        status = read_layer(&r);
        r.at += strspn(r.at, " ");
    }
    if (status == GRAFT_OK && layers->count == 0)
        status = graft_fail(GRAFT_EARGUMENT, "\"%s\": there is no layer in it", text);
    if (status != GRAFT_OK && place)
        *place = named ? 0 : (size_t)(r.token - r.text);
    return status;
}

graft_status graft_layers_print(graft_buffer *text, const graft_layers *layers)
{
    graft_status status = GRAFT_OK;
    for (int i = 0; i < layers->count; i++) {
        int w = 0;
        while (words[w].op != layers->items[i].op)
            w++;
        GRAFT_TRY(graft_buffer_print(text, "%s%s", i ? " " : "", words[w].name));
        if (words[w].argument == ARGUMENT_WIDTH)
            GRAFT_TRY(graft_buffer_print(text, "(%d)", layers->attributes[i].linear.features));
        if (words[w].argument == ARGUMENT_PROBABILITY)
            GRAFT_TRY(graft_buffer_print(text, "(%.9g)", (double)layers->attributes[i].drop.probability));
    }
out:
    return status;
}
