/* Lists of pictures through an executor, and why one did not go. */
#include "cli/pictures.h"

#include <stdio.h>
#include <sys/stat.h>

#include <graft/tools.h>

#include "cli/screen.h"

static graft_status pass_batch(const picture_pass *pass, const graft_batch *batch, const char *const *paths)
{
    graft_status status = GRAFT_OK;
    const uint8_t *pixels[PICTURES_MOST];
    graft_batch readable = {.pixels = pixels};
    for (int i = 0; i < batch->count; i++)
        if (batch->pixels[i])
            pixels[readable.count++] = batch->pixels[i];
    if (readable.count > 0)
        GRAFT_TRY(graft_executor_forward(pass->executor, &readable));
    const float *row = graft_executor_logits(pass->executor);
    for (int i = 0; i < batch->count; i++) {
        const char *path = paths[batch->samples[i]];
        if (!batch->pixels[i]) {
            pass->bad(pass->context, path, batch->causes[i]);
            continue;
        }
        GRAFT_TRY(pass->good(pass->context, path, row));
        row += pass->row;
    }
out:
    screen_flush(); /* whatever was said of them */
    return status;
}

graft_status pictures_pass(const picture_pass *pass, const char *const *paths, size_t count)
{
    graft_status status;
    graft_dataset *dataset = NULL;
    graft_loader *loader = NULL;
    graft_batch batch;
    graft_loader_options what = GRAFT_LOADER_OPTIONS_INIT;
    what.set = GRAFT_SET_ALL;
    what.batch = pass->batch;
    what.shuffle = false;
    what.workers = pass->workers;
    GRAFT_TRY(graft_dataset_list(&dataset, paths, count, graft_model_sight(pass->model)));
    GRAFT_TRY(graft_loader_create(&loader, dataset, graft_model_transform(pass->model), &what));
    while ((status = graft_loader_next(loader, &batch)) == GRAFT_OK)
        GRAFT_TRY(pass_batch(pass, &batch, paths));
    if (status == GRAFT_DONE)
        status = GRAFT_OK;
out:
    graft_loader_free(loader);
    graft_dataset_free(dataset);
    return status;
}

const char *pictures_cause(const char *path, const char *cause, const char *folder)
{
    struct stat about;
    if (stat(path, &about) == 0 && S_ISDIR(about.st_mode))
        return folder;
    return graft_cause_without(cause, path);
}
