/* gradients NETWORK WEIGHTS SIZE PICTURES PATTERNS still|train STEPS RATE OUT MODEL
 *
 * Trains a network on one batch as parity.py asks for, through the public headers: PICTURES holds its pixels,
 * (N, SIZE, SIZE, 3) bytes; picture n is of class 7 n + 3; PATTERNS, comma-separated, are what trains
 * ("all"). OUT gets the gradients of the first pass as safetensors, MODEL the model after STEPS steps of SGD.
 * Each step's loss goes to stdout. Nothing is dropped out. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <graft/graft.h>

enum { BATCH = 64, PATTERNS = 16 };

static const float momentum = 0.9F;

typedef struct job {
    graft_model *model;
    graft_executor *executor;
    uint8_t *bytes;
    graft_batch batch;
    const uint8_t *pixels[BATCH];
    int labels[BATCH], samples[BATCH], views[BATCH];
    const char *causes[BATCH];
} job;

static graft_status open_model(job *j, const char *network, const char *weights, int size, char *patterns)
{
    graft_status status;
    const char *trainable[PATTERNS];
    size_t count = 0;
    for (char *at = strtok(patterns, ","); at && count < PATTERNS; at = strtok(NULL, ","))
        trainable[count++] = at;
    GRAFT_TRY(graft_model_open(&j->model, network, weights));
    GRAFT_TRY(graft_model_set_size(j->model, size));
    GRAFT_TRY(graft_model_select(j->model, trainable, count, NULL, 0));
out:
    return status;
}

static graft_status read_pictures(job *j, const char *path, size_t each)
{
    size_t bytes;
    graft_status status = graft_file_read(path, each * BATCH, &j->bytes, &bytes);
    if (status != GRAFT_OK)
        return status;
    j->batch =
        (graft_batch){(int)(bytes / each), j->samples, j->views, j->labels, j->pixels, j->causes, NULL};
    for (int i = 0; i < j->batch.count; i++) {
        j->samples[i] = i;
        j->labels[i] = 7 * i + 3;
        j->pixels[i] = j->bytes + (size_t)i * each;
    }
    return GRAFT_OK;
}

static graft_status create_executor(job *j, bool still, float rate)
{
    graft_executor_options how = GRAFT_EXECUTOR_OPTIONS_INIT;
    how.batch = j->batch.count;
    how.optimizer = graft_sgd(rate, momentum);
    how.batch_norm = still ? GRAFT_BATCH_NORM_STILL : GRAFT_BATCH_NORM_TRAIN;
    how.stochastic = false;
    how.keep = false;
    return graft_executor_create(&j->executor, j->model, &how);
}

/* The gradients that there are; their numbers lie in `numbers`, one behind another. */
static graft_status write_gradients(const job *j, const char *path)
{
    graft_status status;
    size_t count = graft_model_tensor_count(j->model), found = 0, floats = 0;
    for (size_t i = 0; i < count; i++)
        floats += graft_model_tensor(j->model, i).bytes / sizeof(float);
    graft_tensor_view *views = calloc(count, sizeof *views);
    float *numbers = malloc(floats * sizeof *numbers), *next = numbers;
    for (size_t i = 0; views && numbers && i < count; i++) {
        graft_tensor_view view = graft_model_tensor(j->model, i);
        size_t size = view.bytes / sizeof(float);
        if (view.dtype != GRAFT_F32 ||
            graft_executor_gradient(j->executor, view.name, next, size) != GRAFT_OK)
            continue;
        view.data = (const void *)next;
        views[found++] = view;
        next += size;
    }
    status = graft_safetensors_write(path, views, found, NULL, 0);
    free(views);
    free(numbers);
    return status;
}

static graft_status train(job *j, int steps, const char *out)
{
    graft_status status;
    for (int step = 0; step == 0 || step < steps; step++) {
        float loss;
        GRAFT_TRY(graft_executor_zero_grad(j->executor));
        GRAFT_TRY(graft_executor_forward(j->executor, &j->batch));
        GRAFT_TRY(graft_executor_loss(j->executor, &j->batch, &loss));
        GRAFT_TRY(graft_executor_backward(j->executor));
        if (step == 0)
            GRAFT_TRY(write_gradients(j, out));
        if (step < steps)
            GRAFT_TRY(graft_executor_step(j->executor));
        printf("%.9g\n", (double)loss);
    }
out:
    return status;
}

static graft_status save(const job *j, const char *path)
{
    graft_model *trained = NULL;
    graft_status status = graft_executor_model(j->executor, &trained);
    if (status == GRAFT_OK)
        status = graft_model_save(trained, path);
    graft_model_free(trained);
    return status;
}

int main(int count, char **words)
{
    graft_status status;
    job j = {.model = NULL};
    if (count != 11) {
        fprintf(stderr,
                "gradients NETWORK WEIGHTS SIZE PICTURES PATTERNS still|train STEPS RATE OUT MODEL\n");
        return 2;
    }
    int size = atoi(words[3]);
    GRAFT_TRY(open_model(&j, words[1], words[2], size, words[5]));
    GRAFT_TRY(read_pictures(&j, words[4], (size_t)size * (size_t)size * 3));
    GRAFT_TRY(create_executor(&j, strcmp(words[6], "still") == 0, strtof(words[8], NULL)));
    GRAFT_TRY(train(&j, atoi(words[7]), words[9]));
    GRAFT_TRY(save(&j, words[10]));
out:
    if (status != GRAFT_OK)
        fprintf(stderr, "gradients: %s\n", graft_error_message());
    graft_executor_free(j.executor);
    graft_model_free(j.model);
    free(j.bytes);
    return status == GRAFT_OK ? 0 : 1;
}
