/* graft's side of a row: does the same work again whenever it is told to, and says how long it took.
 *
 *     side forward NETWORK BATCH THREADS [NODE]   a forward pass, from bytes of pixels to logits or a node
 *     side bf16 NETWORK BATCH THREADS [NODE]      the same in bf16; fails where graft would take f32
 *     side step NETWORK BATCH THREADS PATTERNS    a training step of what they name ("*": of all); what is
 *                                                 frozen runs in every step, as nothing is kept
 *     side pictures FOLDER                        decode, resize 256, crop 224 of every picture, one thread
 *
 * Prints "ready"; then for each line of stdin works for half a second or more and prints the seconds of one
 * unit of work (a pass, a step, a picture). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <graft/graft.h>

enum { MOST = 256 };

static const double least_seconds = 0.5;

typedef struct work {
    graft_model *model;
    graft_executor *executor;
    graft_dataset *dataset;
    graft_loader *loader;
    uint8_t *bytes;
    float *rows;
    const uint8_t *pixels[MOST];
    graft_picture picture;
    int labels[MOST];
    graft_batch batch;
} work;

/* Does the work once; *units is how many it was. */
typedef graft_status (*doing)(work *w, size_t *units);

/* ---- Passes and steps ---- */

static graft_status forward(work *w, size_t *units)
{
    *units = 1;
    return graft_executor_forward(w->executor, &w->batch);
}

/* One picture has a plan of its own; forward would fill a slice. */
static graft_status forward_one(work *w, size_t *units)
{
    *units = 1;
    return graft_executor_score(w->executor, &w->picture, 1, w->rows);
}

static graft_status step(work *w, size_t *units)
{
    graft_status status;
    float loss;
    *units = 1;
    GRAFT_TRY(graft_executor_zero_grad(w->executor));
    GRAFT_TRY(graft_executor_forward(w->executor, &w->batch));
    GRAFT_TRY(graft_executor_loss(w->executor, &w->batch, &loss));
    GRAFT_TRY(graft_executor_backward(w->executor));
    GRAFT_TRY(graft_executor_step(w->executor));
out:
    return status;
}

/* Pictures of noise. A single one is as large as it is resized to, so that it is only cropped. */
static graft_status make_batch(work *w, int count)
{
    const graft_transform *t = graft_model_transform(w->model);
    size_t side = (size_t)(t->resize > t->crop ? t->resize : t->crop), each = side * side * 3;
    uint32_t state = 1;
    w->bytes = malloc(each * (size_t)count);
    w->rows = malloc(sizeof(float) * graft_model_class_count(w->model));
    if (!w->bytes || !w->rows)
        return GRAFT_EMEMORY;
    for (size_t i = 0; i < each * (size_t)count; i++) {
        state = state * 1664525U + 1013904223U;
        w->bytes[i] = (uint8_t)(state >> 24);
    }
    for (int i = 0; i < count; i++) {
        w->pixels[i] = w->bytes + each * (size_t)i;
        w->labels[i] = i % 7;
    }
    w->picture = graft_picture_rgb(w->bytes, t->resize, t->resize, (ptrdiff_t)t->resize * 3);
    w->batch = (graft_batch){.count = count, .labels = w->labels, .pixels = w->pixels};
    return GRAFT_OK;
}

static graft_status select_layers(work *w, char *patterns)
{
    const char *list[MOST];
    size_t count = 0;
    for (char *word = strtok(patterns, ","); word && count < MOST; word = strtok(NULL, ","))
        list[count++] = word;
    return graft_model_select(w->model, list, count, NULL, 0);
}

static graft_status open_network(work *w, int count, char **values, bool trains)
{
    graft_status status;
    graft_executor_options how = GRAFT_EXECUTOR_OPTIONS_INIT;
    int batch = atoi(values[3]);
    if (batch < 1 || batch > MOST)
        return GRAFT_EARGUMENT;
    how.batch = trains ? batch : 0;
    how.threads = atoi(values[4]);
    how.node = !trains && count > 5 ? values[5] : NULL;
    how.batch_norm = GRAFT_BATCH_NORM_TRAIN;
    how.keep = false;
    how.precision = strcmp(values[1], "bf16") == 0 ? GRAFT_BF16 : GRAFT_F32;
    GRAFT_TRY(graft_model_create(&w->model, values[2], 0));
    if (trains)
        GRAFT_TRY(select_layers(w, values[5]));
    GRAFT_TRY(make_batch(w, batch));
    GRAFT_TRY(graft_executor_create(&w->executor, w->model, &how));
    graft_model_free(w->model); /* of a part the executor has what is wanted */
    w->model = NULL;
    if (graft_executor_precision(w->executor) != how.precision) {
        fprintf(stderr, "side: %s in bf16 would not be faster here\n", values[2]);
        status = GRAFT_EUNSUPPORTED;
    }
out:
    return status;
}

/* ---- Pictures ---- */

static graft_status load(work *w, size_t *units)
{
    graft_status status = graft_loader_rewind(w->loader, 0);
    graft_batch batch;
    *units = 0;
    while (status == GRAFT_OK) {
        status = graft_loader_next(w->loader, &batch);
        *units += status == GRAFT_OK ? (size_t)batch.count : 0;
    }
    return status == GRAFT_DONE ? GRAFT_OK : status;
}

static graft_status open_pictures(work *w, const char *folder)
{
    graft_status status;
    const graft_transform transform = {.resize = 256, .crop = 224, .divisor = 255.0F, .std = {1, 1, 1}};
    graft_dataset_options where = GRAFT_DATASET_OPTIONS_INIT;
    graft_loader_options how = GRAFT_LOADER_OPTIONS_INIT;
    where.held_out = 0;
    how.workers = 0;
    how.shuffle = false;
    GRAFT_TRY(graft_dataset_open(&w->dataset, folder, &where));
    GRAFT_TRY(graft_loader_create(&w->loader, w->dataset, &transform, &how));
out:
    return status;
}

/* ---- What it is told ---- */

static graft_status obey(work *w, doing once)
{
    graft_status status = GRAFT_OK;
    char line[64];
    size_t units;
    GRAFT_TRY(once(w, &units)); /* plans, packs, fills the caches */
    puts("ready");
    fflush(stdout);
    while (fgets(line, sizeof line, stdin)) {
        double began = graft_clock(), seconds = 0.0;
        size_t done = 0;
        while (seconds < least_seconds) {
            GRAFT_TRY(once(w, &units));
            done += units;
            seconds = graft_clock() - began;
        }
        printf("%.9f\n", seconds / (double)done);
        fflush(stdout);
    }
out:
    return status;
}

int main(int count, char **values)
{
    graft_status status;
    work w = {.model = NULL};
    bool pictures = count == 3 && strcmp(values[1], "pictures") == 0;
    bool trains = count == 6 && strcmp(values[1], "step") == 0;
    bool runs = count >= 5 && (strcmp(values[1], "forward") == 0 || strcmp(values[1], "bf16") == 0);
    if (!pictures && !trains && !runs)
        return fputs("usage: side forward|bf16 NETWORK BATCH THREADS [NODE]\n"
                     "       side step NETWORK BATCH THREADS PATTERNS\n"
                     "       side pictures FOLDER\n",
                     stderr),
               2;
    GRAFT_TRY(pictures ? open_pictures(&w, values[2]) : open_network(&w, count, values, trains));
    bool one = !pictures && !trains && w.batch.count == 1 && count == 5;
    GRAFT_TRY(obey(&w, pictures ? load : trains ? step : one ? forward_one : forward));
out:
    if (status != GRAFT_OK && *graft_error_message())
        fprintf(stderr, "side: %s\n", graft_error_message());
    graft_executor_free(w.executor);
    graft_model_free(w.model);
    graft_loader_free(w.loader);
    graft_dataset_free(w.dataset);
    free(w.bytes);
    free(w.rows);
    return status != GRAFT_OK;
}
