/* Writing predictions. */
#include "cli/prediction.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include <graft/train.h>

#include "cli/json_lines.h"

bool prediction_open(prediction_form *form)
{
    form->order = calloc(form->classes, sizeof *form->order);
    form->values = calloc(form->classes, sizeof *form->values);
    return form->order && form->values;
}

void prediction_dispose(prediction_form *form)
{
    free(form->order);
    free(form->values);
}

/* ---- Which classes ---- */

static int compare_values(const void *a, const void *b, void *context)
{
    int i = *(const int *)a, j = *(const int *)b;
    const float *values = context;
    if (values[i] != values[j])
        return values[i] < values[j] ? 1 : -1;
    return (i > j) - (i < j);
}

static size_t shown_count(const prediction_form *form)
{
    return form->top == 0 || form->top > form->classes ? form->classes : form->top;
}

/* The likeliest classes come first; only as many as are shown are put in order. */
static void rank(prediction_form *form, const float *logits)
{
    for (size_t i = 0; i < form->classes; i++)
        form->order[i] = (int)i;
    memcpy(form->values, logits, form->classes * sizeof *form->values);
    if (shown_count(form) > 1) {
        qsort_r(form->order, form->classes, sizeof *form->order, compare_values, form->values);
        return;
    }
    for (size_t i = 1; i < form->classes; i++)
        if (logits[i] > logits[form->order[0]])
            form->order[0] = (int)i;
}

/* ---- Text ---- */

static const char *escape_of(char c)
{
    switch (c) {
    case '\t':
        return "\\t";
    case '\n':
        return "\\n";
    case '\r':
        return "\\r";
    case '\\':
        return "\\\\";
    default:
        return NULL;
    }
}

static void put_field(const char *text)
{
    for (; *text; text++) {
        const char *escape = escape_of(*text);
        if (escape)
            fputs(escape, stdout);
        else
            putchar(*text);
    }
}

static void say_line(const prediction_form *form, const char *path, int class)
{
    const char *name = graft_model_class(form->model, (size_t) class);
    put_field(path);
    putchar('\t');
    if (name)
        put_field(name);
    else
        printf("%d", class);
    printf(form->logits ? "\t%.9g\n" : "\t%.6g\n", (double)form->values[class]);
}

/* ---- JSON ---- */

static json_t *class_json(const prediction_form *form, int class)
{
    char number[16];
    const char *name = graft_model_class(form->model, (size_t) class);
    snprintf(number, sizeof number, "%d", class);
    return json_pack("{s:o, s:i, s:o}", "class", json_text(name ? name : number), "index", class,
                     form->logits ? "logit" : "probability", json_figure((double)form->values[class]));
}

static void say_json(const prediction_form *form, const char *path)
{
    json_t *list = json_array();
    for (size_t i = 0; i < shown_count(form); i++)
        json_array_append_new(list, class_json(form, form->order[i]));
    json_say(json_pack("{s:o, s:o}", "path", json_text(path), "predictions", list));
}

/* ---- Both ---- */

void prediction_say(prediction_form *form, const char *path, const float *logits)
{
    rank(form, logits);
    if (!form->logits)
        graft_softmax(form->values, 1, form->classes);
    if (form->json) {
        say_json(form, path);
        return;
    }
    for (size_t i = 0; i < shown_count(form); i++)
        say_line(form, path, form->order[i]);
}

void prediction_say_failure(const prediction_form *form, const char *path, const char *cause)
{
    if (form->json)
        json_say(json_pack("{s:o, s:o}", "path", json_text(path), "error", json_text(cause)));
}
