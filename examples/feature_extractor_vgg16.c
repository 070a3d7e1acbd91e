/* feature_extractor_vgg16 DATA WEIGHTS [BATCH]: VGG16's features alone, and a classifier composed behind
 * them; beside each line stands what it is in PyTorch. DATA holds a folder of pictures for each class;
 * WEIGHTS is torchvision's vgg16-397923af.pth (https://download.pytorch.org/models/vgg16-397923af.pth), whose
 * classifier is not loaded. Writes feature_extractor_vgg16.safetensors. */
#include <stdio.h>
#include <stdlib.h>

#include <graft/graft.h>

enum { EPOCHS = 10, BATCH = 32, SEED = 0 };

static const char *const behind[] = {
    "flatten",                                          /* nn.Flatten()                                     */
    "linear(4096) relu dropout(0.5) linear logsoftmax", /* nn.Sequential(nn.Linear(25088, 4096), nn.ReLU(), */
};                                                      /*     nn.Dropout(0.5), nn.Linear(4096, 10),        */
                                                        /*     nn.LogSoftmax(dim=1))                        */

static graft_status train_epoch(graft_executor *executor, graft_loader *loader, int epoch)
{
    graft_status status;
    graft_batch batch;
    double running_loss = 0.0;
    int i = 0;
    GRAFT_TRY(graft_loader_rewind(loader, epoch));
    for (; (status = graft_loader_next(loader, &batch)) == GRAFT_OK; i++) {
        float loss;
        GRAFT_TRY(graft_executor_zero_grad(executor));           /* optimizer.zero_grad()             */
        GRAFT_TRY(graft_executor_forward(executor, &batch));     /* outputs = model(inputs)           */
        GRAFT_TRY(graft_executor_loss(executor, &batch, &loss)); /* loss = criterion(outputs, labels) */
        GRAFT_TRY(graft_executor_backward(executor));            /* loss.backward()                   */
        GRAFT_TRY(graft_executor_step(executor));                /* optimizer.step()                  */
        running_loss += (double)loss;
    }
    if (status != GRAFT_DONE)
        goto out;
    printf("[%d, %5d] loss: %.3f\n", epoch + 1, i, running_loss / i);
    status = GRAFT_OK;
out:
    return status;
}

int main(int count, char **values)
{
    graft_status status;
    graft_model *features = NULL, *model = NULL, *trained = NULL;
    graft_dataset *dataset = NULL;
    graft_loader *train_loader = NULL;
    graft_executor *executor = NULL;
    graft_dataset_options where = GRAFT_DATASET_OPTIONS_INIT;
    graft_loader_options what = GRAFT_LOADER_OPTIONS_INIT;
    graft_executor_options how = GRAFT_EXECUTOR_OPTIONS_INIT;
    if (count < 3 || count > 4) {
        fprintf(stderr, "usage: feature_extractor_vgg16 DATA WEIGHTS [BATCH]\n");
        return 2;
    }
    const char *data = values[1], *weights = values[2];
    int batch_size = count > 3 ? atoi(values[3]) : BATCH;

    where.held_out = 0;
    GRAFT_TRY(graft_dataset_open(&dataset, data, &where)); /* ImageFolder(data, transform) */

    /* features = models.vgg16(pretrained=True).features */
    GRAFT_TRY(graft_model_open_module(&features, "vgg16", "features", weights));
    GRAFT_TRY(graft_model_freeze(features, "*")); /* param.requires_grad = False */
    /* model = nn.Sequential(features, nn.Flatten(), nn.Sequential(...)) */
    GRAFT_TRY(graft_model_sequential(&model, features, behind, 2, graft_dataset_classes(dataset),
                                     graft_dataset_class_count(dataset), SEED));

    what.batch = how.batch = batch_size; /* DataLoader(dataset, batch_size, shuffle=True) */
    GRAFT_TRY(graft_loader_create(&train_loader, dataset, graft_model_transform(model), &what));
    how.loss = GRAFT_NLL;                    /* criterion = nn.NLLLoss()                                */
    how.optimizer = graft_sgd(0.001F, 0.9F); /* optim.SGD(model[2].parameters(), lr=0.001, momentum=.9) */
    GRAFT_TRY(graft_executor_create(&executor, model, &how));
    graft_executor_attach(executor, train_loader); /* the features see each picture once */

    for (int epoch = 0; epoch < EPOCHS; epoch++) /* for epoch in range(10): */
        GRAFT_TRY(train_epoch(executor, train_loader, epoch));

    GRAFT_TRY(graft_executor_model(executor, &trained)); /* torch.save(model.state_dict(), ...) */
    GRAFT_TRY(graft_model_save(trained, "feature_extractor_vgg16.safetensors"));
out:
    if (status != GRAFT_OK)
        fprintf(stderr, "%s\n", graft_error_message());
    graft_loader_free(train_loader);
    graft_executor_free(executor);
    graft_dataset_free(dataset);
    graft_model_free(features);
    graft_model_free(model);
    graft_model_free(trained);
    return status != GRAFT_OK;
}
