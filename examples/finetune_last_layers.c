/* finetune_last_layers DATA WEIGHTS [BATCH]: the last block of VGG16's convolutions and its classifier train,
 * the rest is frozen; two learning rates. Beside each line stands what it is in PyTorch. DATA holds a folder
 * of pictures for each class; WEIGHTS is torchvision's vgg16-397923af.pth
 * (https://download.pytorch.org/models/vgg16-397923af.pth). */
#include <stdio.h>
#include <stdlib.h>

#include <graft/graft.h>

enum { EPOCHS = 10, BATCH = 32, SEED = 0 };

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
        GRAFT_TRY(graft_executor_forward(executor, &batch));     /* outputs = vgg16(inputs)           */
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
    graft_model *vgg16 = NULL;
    graft_dataset *dataset = NULL;
    graft_loader *train_loader = NULL;
    graft_executor *executor = NULL;
    graft_dataset_options where = GRAFT_DATASET_OPTIONS_INIT;
    graft_loader_options what = GRAFT_LOADER_OPTIONS_INIT;
    graft_executor_options how = GRAFT_EXECUTOR_OPTIONS_INIT;
    static const char *const last_block[] = {"features.24", "features.26", "features.28"};
    if (count < 3 || count > 4) {
        fprintf(stderr, "usage: finetune_last_layers DATA WEIGHTS [BATCH]\n");
        return 2;
    }
    const char *data = values[1], *weights = values[2];
    int batch_size = count > 3 ? atoi(values[3]) : BATCH;

    where.held_out = 0;
    GRAFT_TRY(graft_dataset_open(&dataset, data, &where)); /* ImageFolder(data, transform) */

    GRAFT_TRY(graft_model_open(&vgg16, "vgg16", weights)); /* models.vgg16(pretrained=True) */
    GRAFT_TRY(graft_model_freeze(vgg16, "*"));             /* param.requires_grad = False   */
    for (size_t i = 0; i < 3; i++) /* for param in vgg16.features[24:].parameters(): ... = True */
        GRAFT_TRY(graft_model_unfreeze(vgg16, last_block[i]));
    GRAFT_TRY(graft_model_replace_head(vgg16, "linear(4096) relu dropout(0.5) linear",
                                       graft_dataset_classes(dataset), graft_dataset_class_count(dataset),
                                       GRAFT_START_PYTORCH,
                                       SEED)); /* vgg16.classifier = nn.Sequential(...) */

    what.batch = batch_size; /* DataLoader(dataset, batch_size, shuffle=True) */
    GRAFT_TRY(graft_loader_create(&train_loader, dataset, graft_model_transform(vgg16), &what));

    how.batch = batch_size; /* optim.SGD([{"params": vgg16.classifier.parameters()},           */
    how.optimizer = graft_sgd(0.001F, 0.9F); /*            {"params": vgg16.features[24:].parameters(), */
    how.optimizer.body_rate = 0.0001F; /*             "lr": 0.0001}], lr=0.001, momentum=0.9)             */
    GRAFT_TRY(graft_executor_create(&executor, vgg16, &how));
    graft_executor_attach(executor, train_loader); /* the frozen blocks see each picture once */

    for (int epoch = 0; epoch < EPOCHS; epoch++)
        GRAFT_TRY(train_epoch(executor, train_loader, epoch));
out:
    if (status != GRAFT_OK)
        fprintf(stderr, "%s\n", graft_error_message());
    graft_loader_free(train_loader);
    graft_executor_free(executor);
    graft_dataset_free(dataset);
    graft_model_free(vgg16);
    return status != GRAFT_OK;
}
