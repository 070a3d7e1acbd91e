/* The table of steps, and the grammar of an augmentation:
 *
 *   augmentation = "none" | "crop" | step { " " step }
 *   step         = word [ "(" number { "," number } ")" ]
 *
 * "none" is no step, "crop" is "crop(0.5,1) flip"; in a list each word is itself. */
#include "image/augment.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/number.h"
#include "base/status.h"
#include "base/text.h"

static const graft_augment_kind *const kinds[] = {
    &graft_augment_crop,
    &graft_augment_flip,
    &graft_augment_rotate,
    &graft_augment_jitter,
};

enum { KINDS = sizeof kinds / sizeof *kinds };

const graft_augmentation graft_augment_flips = {1, {{"flip", {0.0}}}};
const graft_augmentation graft_augment_crops = {2, {{"crop", {0.5, 1.0}}, {"flip", {0.0}}}};

static const graft_augment_kind *find(const char *name, size_t length)
{
    for (int i = 0; i < KINDS; i++)
        if (strlen(kinds[i]->name) == length && strncmp(kinds[i]->name, name, length) == 0)
            return kinds[i];
    return NULL;
}

const graft_augment_kind *graft_augment_find(const char *name)
{
    return find(name, strlen(name));
}

static graft_status check_number(const graft_augment_kind *kind, const double *numbers, int i)
{
    const graft_augment_number *number = &kind->numbers[i];
    if (!(numbers[i] >= number->least && numbers[i] <= number->most))
        return graft_fail(GRAFT_EARGUMENT, "%s: %s is a number from %g to %g", kind->form, number->name,
                          number->least, number->most);
    if (kind->ascending && i > 0 && numbers[i] < numbers[i - 1])
        return graft_fail(GRAFT_EARGUMENT, "%s: %s is not below %s", kind->form, number->name,
                          kind->numbers[i - 1].name);
    return GRAFT_OK;
}

static graft_status check_step(const graft_augment_step *step)
{
    graft_status status = GRAFT_OK;
    const graft_augment_kind *kind = step->word ? graft_augment_find(step->word) : NULL;
    if (!kind)
        return graft_fail(GRAFT_EARGUMENT, "\"%s\" is no step of an augmentation",
                          step->word ? step->word : "");
    for (int i = 0; i < kind->most && status == GRAFT_OK; i++)
        status = check_number(kind, step->numbers, i);
    return status;
}

graft_status graft_augment_check(const graft_augmentation *augmentation)
{
    graft_status status = GRAFT_OK;
    if (augmentation->count < 0 || augmentation->count > GRAFT_AUGMENT_STEPS)
        return graft_fail(GRAFT_EARGUMENT, "an augmentation of %d steps is not possible",
                          augmentation->count);
    for (int i = 0; i < augmentation->count && status == GRAFT_OK; i++)
        status = check_step(&augmentation->steps[i]);
    return status;
}

/* ---- Reading ---- */

typedef struct reader {
    const char *text, *at; /* `at`: what is read next */
    const char *token;     /* what a failure points at */
} reader;

static graft_status bad(const reader *r, const char *what)
{
    return graft_fail(GRAFT_EARGUMENT, "\"%s\": column %d: %s", r->text, (int)(r->token - r->text) + 1, what);
}

static graft_status bad_form(const reader *r, const graft_augment_kind *kind)
{
    return graft_fail(GRAFT_EARGUMENT, "\"%s\": column %d: this step is written %s", r->text,
                      (int)(r->token - r->text) + 1, kind->form);
}

/* "did you mean jitter?" for what torchvision calls ColorJitter, or for a slip; else what there is. */
static void hint(char *text, size_t size, const char *word)
{
    const char *names[KINDS], *meant = NULL;
    for (int i = 0; i < KINDS; i++) {
        names[i] = kinds[i]->name;
        if (strcmp(kinds[i]->python, word) == 0)
            meant = names[i];
    }
    meant = meant ? meant : graft_text_nearest(word, names, KINDS);
    size_t used =
        (size_t)snprintf(text, size, meant ? "did you mean %s?" : "there are %s", meant ? meant : names[0]);
    for (int i = 1; !meant && i < KINDS && used < size; i++)
        used += (size_t)snprintf(text + used, size - used, ", %s", names[i]);
}

static graft_status unknown_word(const reader *r, size_t length)
{
    char word[64] = "", advice[128];
    strncat(word, r->token, length < 63 ? length : 63);
    if (strcmp(word, "none") == 0)
        return bad(r, "none stands alone");
    hint(advice, sizeof advice, word);
    return graft_fail(GRAFT_EARGUMENT, "\"%s\": \"%s\" (column %d) is no step of an augmentation; %s",
                      r->text, word, (int)(r->token - r->text) + 1, advice);
}

static graft_status read_number(reader *r, const graft_augment_kind *kind, double *numbers, int i)
{
    char *end;
    r->token = r->at;
    numbers[i] = graft_number_read(r->at, &end);
    if (end == r->at)
        return bad(r, "a number is wanted here");
    r->at = end + strspn(end, " ");
    graft_status status = check_number(kind, numbers, i);
    return status == GRAFT_OK
               ? status
               : graft_fail_within(status, "\"%s\": column %d", r->text, (int)(r->token - r->text) + 1);
}

/* "(NUMBER,...)", as many as the kind takes. */
static graft_status read_numbers(reader *r, const graft_augment_kind *kind, double *numbers)
{
    graft_status status = GRAFT_OK;
    const char *word = r->token;
    int count = 0;
    if (*r->at == '(' && kind->most > 0) {
        do {
            r->token = ++r->at;
            if (count == kind->most)
                return bad_form(r, kind);
            GRAFT_TRY(read_number(r, kind, numbers, count++));
        } while (*r->at == ',');
        r->token = r->at;
        if (*r->at != ')')
            return bad(r, "a comma or \")\" is wanted here");
        r->at++;
    }
    r->token = word;
    if (count < kind->least || *r->at == '(')
        return bad_form(r, kind);
out:
    return status;
}

static graft_status read_step(reader *r, graft_augmentation *all)
{
    size_t length = strcspn(r->at, "( ");
    r->token = r->at;
    if (all->count == GRAFT_AUGMENT_STEPS)
        return bad(r, "these are too many steps");
    const graft_augment_kind *kind = find(r->at, length);
    if (!kind)
        return unknown_word(r, length);
    graft_augment_step step = {.word = kind->name};
    r->at += length;
    graft_status status = read_numbers(r, kind, step.numbers);
    if (status != GRAFT_OK)
        return status;
    r->token = r->at;
    if (*r->at && *r->at != ' ')
        return bad(r, "a space is wanted between two steps");
    all->steps[all->count++] = step;
    return GRAFT_OK;
}

static graft_status read_steps(reader *r, graft_augmentation *all)
{
    graft_status status = GRAFT_OK;
    r->at += strspn(r->at, " ");
    while (*r->at && status == GRAFT_OK) {
        status = read_step(r, all);
        r->at += strspn(r->at, " ");
    }
    if (status == GRAFT_OK && all->count == 0)
        status = bad(r, "there is no step here (\"none\" is no augmentation)");
    return status;
}

static bool is_alone(const char *text, const char *word)
{
    size_t length = strlen(word);
    text += strspn(text, " ");
    return strncmp(text, word, length) == 0 && text[length + strspn(text + length, " ")] == 0;
}

graft_status graft_augmentation_parse(graft_augmentation *augmentation, const char *text, size_t *place)
{
    graft_augmentation all = GRAFT_AUGMENTATION_INIT;
    reader r = {text, text, text};
    graft_status status = GRAFT_OK;
    if (is_alone(text, "crop"))
        all = graft_augment_crops;
    else if (!is_alone(text, "none"))
        status = read_steps(&r, &all);
    if (status == GRAFT_OK)
        *augmentation = all;
    else if (place)
        *place = (size_t)(r.token - text);
    return status;
}

/* ---- Writing, and what it is ---- */

static graft_status print_step(graft_buffer *text, const graft_augment_step *step)
{
    graft_status status;
    int count = graft_augment_find(step->word)->most;
    GRAFT_TRY(graft_buffer_print(text, "%s%s", text->size > 0 ? " " : "", step->word));
    for (int i = 0; i < count; i++)
        GRAFT_TRY(graft_buffer_print(text, "%s%.9g", i > 0 ? "," : "(", step->numbers[i]));
    if (count > 0)
        GRAFT_TRY(graft_buffer_text(text, ")"));
out:
    return status;
}

graft_status graft_augmentation_print(char **text, const graft_augmentation *augmentation)
{
    graft_status status;
    graft_buffer made = GRAFT_BUFFER_INIT;
    GRAFT_TRY(graft_augment_check(augmentation));
    for (int i = 0; i < augmentation->count; i++)
        GRAFT_TRY(print_step(&made, &augmentation->steps[i]));
    if (augmentation->count == 0)
        GRAFT_TRY(graft_buffer_text(&made, "none"));
    *text = made.data;
    made = (graft_buffer)GRAFT_BUFFER_INIT;
out:
    graft_buffer_dispose(&made);
    return status;
}

int graft_augmentation_views(const graft_augmentation *augmentation)
{
    if (augmentation->count == 0)
        return 1;
    return augmentation->count == 1 && strcmp(augmentation->steps[0].word, graft_augment_flip.name) == 0 ? 2
                                                                                                         : 0;
}
