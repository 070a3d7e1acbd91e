/* What stays of a training: the model with notes of what it was trained on, and three tables. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/json_lines.h"
#include "cli/train.h"

static bool say_unless(bool good)
{
    if (!good)
        screen_fail_status();
    return good;
}

static bool write_text(const train_job *job, const char *name, const char *text, size_t size)
{
    char *path = run_folder_file(&job->run, name);
    bool written = path && say_unless(graft_file_write(path, text, size) == GRAFT_OK);
    free(path);
    return written;
}

/* ---- The model ---- */

/* An absolute path; as it was given where the system does not say. */
static void note_path(char *text, size_t size, const char *path)
{
    char *real = realpath(path, NULL);
    snprintf(text, size, "%s", real ? real : path);
    free(real);
}

/* "0.2", "own", "0", or the folder. */
static void note_held_out(char *text, size_t size, const train_job *job)
{
    const graft_dataset_options *o = &job->request.dataset;
    if (o->held_out_folder)
        note_path(text, size, o->held_out_folder);
    else if (o->held_out == GRAFT_AUTO && graft_dataset_has_own_held_out(job->dataset))
        snprintf(text, size, "own");
    else
        snprintf(text, size, "%.15g", o->held_out == GRAFT_AUTO ? 0.2 : o->held_out);
}

static int by_content(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

/* The training pictures' contents, sorted, 16 hexadecimal digits each; the caller's. NULL: no memory. */
static char *trained_on(const graft_dataset *d)
{
    size_t total = graft_dataset_set_count(d, GRAFT_SET_TRAIN, -1), count = 0;
    uint64_t *contents = calloc(total + 1, sizeof *contents);
    char *text = malloc(16 * total + 1);
    for (size_t i = 0; contents && i < graft_dataset_count(d) && count < total; i++) {
        graft_sample sample = graft_dataset_sample(d, i);
        if (sample.set == GRAFT_SET_TRAIN)
            contents[count++] = sample.content;
    }
    if (contents)
        qsort(contents, count, sizeof *contents, by_content);
    for (size_t i = 0; text && contents && i < count; i++)
        snprintf(text + 16 * i, 17, "%016llx", (unsigned long long)contents[i]);
    if (text)
        text[16 * count] = 0;
    if (!contents) {
        free(text);
        text = NULL;
    }
    free(contents);
    return text;
}

static bool add_notes(train_job *job)
{
    char data[PATH_MAX], held_out[PATH_MAX], seed[32];
    char *contents = trained_on(job->dataset);
    note_path(data, sizeof data, job->request.data);
    note_held_out(held_out, sizeof held_out, job);
    snprintf(seed, sizeof seed, "%llu", (unsigned long long)job->request.fit.seed);
    const char *const notes[][2] = {{"graft.data", data},
                                    {"graft.held_out", held_out},
                                    {"graft.seed", seed},
                                    {"graft.trained_on", contents}};
    bool good = contents != NULL;
    if (!good)
        screen_fail("out of memory");
    for (size_t i = 0; good && i < sizeof notes / sizeof notes[0]; i++)
        good = say_unless(graft_model_set_note(job->trained, notes[i][0], notes[i][1]) == GRAFT_OK);
    free(contents);
    return good;
}

bool train_save_model(train_job *job)
{
    char *path = run_folder_file(&job->run, "model.safetensors");
    bool saved = path && add_notes(job) && say_unless(graft_model_save(job->trained, path) == GRAFT_OK);
    if (saved)
        run_folder_clear(&job->run);
    free(path);
    return saved;
}

/* ---- args.json ---- */

/* The words of the table by index: what AUTO became. */
static json_t *word_json(const char *name, int index)
{
    const option *o = train_options;
    while (strcmp(o->name, name) != 0)
        o++;
    const char *words = o->words;
    for (; index > 0; index--)
        words = strchr(words, '|') + 1;
    return json_stringn(words, strcspn(words, "|"));
}

static json_t *text_or_null(const char *text)
{
    return text ? json_text(text) : json_null();
}

static json_t *held_out_json(const train_job *job)
{
    char text[PATH_MAX];
    double fraction;
    note_held_out(text, sizeof text, job);
    return train_val_fraction(&fraction, text) ? json_real(fraction) : json_text(text);
}

static json_t *augment_json(const graft_augmentation *augment)
{
    char *text = NULL;
    json_t *json = graft_augmentation_print(&text, augment) == GRAFT_OK ? json_string(text) : NULL;
    free(text);
    return json;
}

/* Every option of the table under its name, beside DATA, graft's version, and what computed convolutions. */
static json_t *args_json(const train_job *job)
{
    const train_request *r = &job->request;
    const graft_fit_report *f = &job->report;
    const arguments *given = r->given;
    json_t *root = json_object();
    json_object_set_new(root, "graft", json_string(graft_version()));
    json_object_set_new(root, "data", json_text(r->data));
    json_object_set_new(root, "model", json_string(r->network));
    json_object_set_new(root, "weights",
                        json_text(r->weights ? r->weights : graft_model_source_name(job->trained)));
    json_object_set_new(root, "head", json_string(r->head ? r->head : "linear"));
    json_object_set_new(root, "size", json_integer(graft_model_transform(job->trained)->crop));
    json_object_set_new(root, "loss", word_json("loss", r->fit.loss));
    json_object_set_new(root, "label-smoothing", json_figure(r->fit.label_smoothing));
    json_object_set_new(root, "trainable",
                        r->freeze ? json_null()
                                  : json_text(r->trainable ? argument_text(given, "trainable") : "head"));
    json_object_set_new(root, "freeze", text_or_null(argument_text(given, "freeze")));
    json_object_set_new(root, "epochs", json_integer(job->history.events[job->history.count - 1].epochs));
    json_object_set_new(root, "batch", json_integer(f->batch));
    json_object_set_new(root, "lr", json_figure(f->rate));
    json_object_set_new(root, "body-lr", json_figure(f->body_rate));
    json_object_set_new(root, "momentum", json_figure(f->momentum));
    json_object_set_new(root, "weight-decay", json_figure(f->decay));
    json_object_set_new(root, "nesterov", json_boolean(r->fit.nesterov));
    json_object_set_new(root, "schedule", word_json("schedule", f->schedule));
    json_object_set_new(root, "warmup", json_figure(f->warmup));
    json_object_set_new(root, "clip", json_figure(f->clip));
    json_object_set_new(root, "start", word_json("start", f->start));
    json_object_set_new(root, "augment", augment_json(&f->augment));
    json_object_set_new(root, "views", f->views > 0 ? json_integer(f->views) : json_null());
    json_object_set_new(root, "gram", word_json("gram", f->gram ? 1 : 2));
    json_object_set_new(root, "kernels", json_string(graft_kernels_name(r->fit.kernels)));
    json_object_set_new(root, "plans",
                        json_pack("{s:s?, s:s?}", "backbone", train_kernels_name(&f->backbone), "training",
                                  train_kernels_name(&f->training)));
    json_object_set_new(root, "precision", json_string(graft_dtype_name(f->precision)));
    json_object_set_new(root, "batch-norm", word_json("batch-norm", r->fit.batch_norm));
    json_object_set_new(root, "val", held_out_json(job));
    json_object_set_new(root, "pictures", word_json("pictures", (int)r->dataset.sight));
    json_object_set_new(root, "decode", word_json("decode", (int)r->decode));
    json_object_set_new(root, "cache", json_string(train_cache_name(f->cache)));
    json_object_set_new(root, "cache-size", json_integer((json_int_t)r->fit.cache.size));
    json_object_set_new(root, "folds", r->fit.folds ? json_integer(r->fit.folds) : json_null());
    json_object_set_new(root, "seed", json_integer((json_int_t)r->fit.seed));
    json_object_set_new(root, "threads", json_integer(f->threads));
    json_object_set_new(root, "workers", json_integer(f->workers));
    json_object_set_new(root, "out", json_text(job->run.path));
    json_object_set_new(root, "force", json_boolean(r->force));
    json_object_set_new(root, "json", json_boolean(r->json));
    json_object_set_new(root, "quiet", json_boolean(r->quiet));
    return root;
}

static bool write_args(const train_job *job)
{
    json_t *root = args_json(job);
    char *text = json_dumps(root, JSON_INDENT(2) | JSON_REAL_PRECISION(15));
    bool written = false;
    if (text)
        written = write_text(job, "args.json", text, strlen(text));
    else
        screen_fail("out of memory");
    free(text);
    json_decref(root);
    return written;
}

/* ---- The other tables ---- */

static bool write_history(const train_job *job)
{
    size_t size;
    char *text = history_text(&job->history, &size);
    bool written = text && write_text(job, "history.csv", text, size);
    if (!text)
        screen_fail("out of memory");
    free(text);
    return written;
}

static bool write_pictures(const train_job *job)
{
    const graft_evaluation *evaluations[2];
    size_t count = 0;
    if (job->held_out)
        evaluations[count++] = job->held_out;
    if (job->training)
        evaluations[count++] = job->training;
    char *path = run_folder_file(&job->run, "pictures.csv");
    bool written = path && say_unless(graft_pictures_write(path, job->trained, job->dataset, evaluations,
                                                           count) == GRAFT_OK);
    free(path);
    return written;
}

bool train_save_tables(const train_job *job)
{
    return write_history(job) && write_args(job) && write_pictures(job);
}
