/* combination DATA WEIGHTS [BATCH]: both ways together. First a new classifier learns from kept features of a
 * frozen VGG16; then the last block of convolutions learns with it, at a tenth of the rate. Beside each line
 * stands what it is in PyTorch. DATA holds a folder of pictures for each class; WEIGHTS is torchvision's
 * vgg16-397923af.pth (https://download.pytorch.org/models/vgg16-397923af.pth). */
#include <stdio.h>
#include <stdlib.h>

#include <graft/graft.h>

enum { BATCH = 32, SEED = 0, HEAD_EPOCHS = 10, FINE_EPOCHS = 5 };

static graft_status train_epoch(graft_executor *executor, graft_loader *loader, int epoch, const char *phase)
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
    printf("%s [%d, %5d] loss: %.3f\n", phase, epoch + 1, i, running_loss / i);
    status = GRAFT_OK;
out:
    return status;
}

/* Trains what is not frozen, and gives the model as it is then. */
static graft_status train(graft_model **trained, graft_model *model, const graft_dataset *dataset,
                          int batch_size, float rate, int epochs, const char *phase)
{
    graft_status status;
    graft_loader *loader = NULL;
    graft_executor *executor = NULL;
    graft_loader_options what = GRAFT_LOADER_OPTIONS_INIT;
    graft_executor_options how = GRAFT_EXECUTOR_OPTIONS_INIT;
    what.batch = how.batch = batch_size;   /* DataLoader(dataset, batch_size, shuffle=True)      */
    how.optimizer = graft_sgd(rate, 0.9F); /* optim.SGD(filter(lambda p: p.requires_grad, ...)) */
    GRAFT_TRY(graft_loader_create(&loader, dataset, graft_model_transform(model), &what));
    GRAFT_TRY(graft_executor_create(&executor, model, &how));
    graft_executor_attach(executor, loader); /* what is frozen sees each picture once */
    for (int epoch = 0; epoch < epochs; epoch++)
        GRAFT_TRY(train_epoch(executor, loader, epoch, phase));
    GRAFT_TRY(graft_executor_model(executor, trained));
out:
    graft_loader_free(loader);
    graft_executor_free(executor);
    return status;
}

int main(int count, char **values)
{
    graft_status status;
    graft_model *vgg16 = NULL, *with_head = NULL, *fine = NULL;
    graft_dataset *dataset = NULL;
    graft_dataset_options where = GRAFT_DATASET_OPTIONS_INIT;
    static const char *const last_block[] = {"features.24", "features.26", "features.28"};
    if (count < 3 || count > 4) {
        fprintf(stderr, "usage: combination DATA WEIGHTS [BATCH]\n");
        return 2;
    }
    const char *data = values[1], *weights = values[2];
    int batch_size = count > 3 ? atoi(values[3]) : BATCH;

    where.held_out = 0;
    GRAFT_TRY(graft_dataset_open(&dataset, data, &where)); /* ImageFolder(data, transform) */

    GRAFT_TRY(graft_model_open(&vgg16, "vgg16", weights)); /* models.vgg16(pretrained=True) */
    GRAFT_TRY(graft_model_freeze(vgg16, "*"));             /* param.requires_grad = False   */
    GRAFT_TRY(graft_model_replace_head(vgg16, "linear(4096) relu dropout(0.5) linear",
                                       graft_dataset_classes(dataset), graft_dataset_class_count(dataset),
                                       GRAFT_START_PYTORCH,
                                       SEED)); /* vgg16.classifier = nn.Sequential(...) */
    GRAFT_TRY(train(&with_head, vgg16, dataset, batch_size, 0.001F, HEAD_EPOCHS, "head"));

    for (size_t i = 0; i < 3;
         i++) /* for param in vgg16.features[24:].parameters(): param.requires_grad = True */
        GRAFT_TRY(graft_model_unfreeze(with_head, last_block[i]));
    GRAFT_TRY(train(&fine, with_head, dataset, batch_size, 0.0001F, FINE_EPOCHS, "fine"));
out:
    if (status != GRAFT_OK)
        fprintf(stderr, "%s\n", graft_error_message());
    graft_dataset_free(dataset);
    graft_model_free(vgg16);
    graft_model_free(with_head);
    graft_model_free(fine);
    return status != GRAFT_OK;
}
