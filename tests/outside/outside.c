/* A program that knows nothing of graft's source tree; as C11 and as C++17. */
#include <stdio.h>
#include <string.h>

#include <graft/graft.h>

int main(void)
{
    graft_model *model = NULL;
    graft_executor_options how = GRAFT_EXECUTOR_OPTIONS_INIT;
    graft_executor *executor = NULL;
    static unsigned char pixels[64 * 64 * 3];
    static float probabilities[1000];
    graft_picture picture = graft_picture_rgb(pixels, 64, 64, 64 * 3);
    int good;
    how.batch = 0;
    if (graft_model_open(&model, "no_such_network", NULL) == GRAFT_OK || strlen(graft_error_message()) == 0)
        return 1;
    if (graft_model_create(&model, "efficientnet_lite0", 1) != GRAFT_OK ||
        graft_executor_create(&executor, model, &how) != GRAFT_OK ||
        graft_executor_predict(executor, &picture, 1, probabilities) != GRAFT_OK) {
        fprintf(stderr, "%s\n", graft_error_message());
        return 1;
    }
    good = graft_model_class_count(model) == 1000 && probabilities[0] > 0;
    graft_executor_free(executor);
    graft_model_free(model);
    printf("graft %s works from outside\n", graft_version());
    return good ? 0 : 1;
}
