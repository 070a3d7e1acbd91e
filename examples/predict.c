/* Looks at two pictures in memory: a file's bytes and a camera's pixels. An executor belongs to one thread.
 */
#include <stdio.h>
#include <stdlib.h>

#include <graft/graft.h>

int main(int count, char **values)
{
    static uint8_t frame[480][2048]; /* RGB, 640 x 480, in rows of 2048 bytes */
    graft_status status;
    graft_model *model = NULL;
    graft_executor *executor = NULL;
    graft_executor_options how = GRAFT_EXECUTOR_OPTIONS_INIT;
    uint8_t *jpeg = NULL;
    float *rows = NULL;
    size_t size;
    how.batch = 0; /* the model is only run */
    if (count != 3)
        return puts("usage: predict MODEL PICTURE"), 2;
    GRAFT_TRY(graft_model_load(&model, values[1]));
    GRAFT_TRY(graft_executor_create(&executor, model, &how));
    GRAFT_TRY(graft_file_read(values[2], SIZE_MAX, &jpeg, &size));
    size_t classes = graft_model_class_count(model);
    graft_picture pictures[] = {graft_picture_encoded(jpeg, size), graft_picture_rgb(*frame, 640, 480, 2048)};
    rows = calloc(2 * classes, sizeof *rows); /* (2, classes) */
    GRAFT_TRY(rows ? GRAFT_OK : GRAFT_EMEMORY);
    GRAFT_TRY(graft_executor_predict(executor, pictures, 2, rows));
    for (size_t i = 0; i < 2 * classes; i++)
        printf("%zu\t%s\t%.4f\n", i / classes, graft_model_class(model, i % classes), (double)rows[i]);
out:
    if (status != GRAFT_OK)
        fprintf(stderr, "%s\n", graft_error_message());
    graft_executor_free(executor);
    graft_model_free(model);
    free(rows);
    free(jpeg);
    return status != GRAFT_OK;
}
