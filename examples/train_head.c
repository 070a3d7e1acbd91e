/* train_head DATA OUT [WEIGHTS]: the last layer of a published network learns the classes of a folder; beside
 * each line stands what it is in PyTorch. graft_fit does all of this in one call; here is the loop itself.
 * DATA holds a folder of pictures for each class, or train/ and val/ with those; OUT becomes a
 * model.safetensors. */
#include <stdio.h>

#include <graft/graft.h>

enum { EPOCHS = 20, BATCH = 16, SEED = 0 };

static graft_status train_step(graft_executor *executor, const graft_batch *batch, double *running_loss)
{
    graft_status status;
    float loss;
    GRAFT_TRY(graft_executor_zero_grad(executor));          /* optimizer.zero_grad()             */
    GRAFT_TRY(graft_executor_forward(executor, batch));     /* outputs = model(inputs)           */
    GRAFT_TRY(graft_executor_loss(executor, batch, &loss)); /* loss = criterion(outputs, labels) */
    GRAFT_TRY(graft_executor_backward(executor));           /* loss.backward()                   */
    GRAFT_TRY(graft_executor_step(executor));               /* optimizer.step()                  */
    *running_loss += (double)loss;                          /* running_loss += loss.item()       */
out:
    return status;
}

static graft_status train_epoch(graft_executor *executor, graft_loader *loader, int epoch)
{
    graft_status status;
    graft_batch batch;
    double running_loss = 0.0;
    int step = 0;
    GRAFT_TRY(graft_loader_rewind(loader, epoch));
    while ((status = graft_loader_next(loader, &batch)) == GRAFT_OK) { /* for inputs, labels in loader: */
        GRAFT_TRY(train_step(executor, &batch, &running_loss));
        step++;
    }
    if (status != GRAFT_DONE)
        goto out;
    printf("[%d, %5d] loss: %.3f\n", epoch + 1, step, running_loss / step);
    status = GRAFT_OK;
out:
    return status;
}

int main(int count, char **values)
{
    graft_status status;
    graft_model *model = NULL, *trained = NULL;
    graft_dataset *dataset = NULL;
    graft_loader *loader = NULL;
    graft_executor *executor = NULL;
    graft_evaluation *result = NULL;
    graft_dataset_options where = GRAFT_DATASET_OPTIONS_INIT;
    graft_loader_options what = GRAFT_LOADER_OPTIONS_INIT;
    graft_executor_options how = GRAFT_EXECUTOR_OPTIONS_INIT;
    if (count < 3 || count > 4) {
        fprintf(stderr, "usage: train_head DATA OUT [WEIGHTS]\n");
        return 2;
    }
    const char *data = values[1], *out = values[2], *weights = values[3];

    where.held_out = GRAFT_AUTO;                           /* DATA's own val/, or a fifth of each class */
    GRAFT_TRY(graft_dataset_open(&dataset, data, &where)); /* dataset = ImageFolder(data) */
    size_t class_count = graft_dataset_class_count(dataset);
    const char *const *classes = graft_dataset_classes(dataset);

    GRAFT_TRY(graft_model_open(&model, "efficientnet_lite0", weights)); /* from_pretrained(...) */
    GRAFT_TRY(graft_model_freeze(model, "*")); /* for param in model.parameters(): requires_grad = False */
    GRAFT_TRY(graft_model_replace_head(model, NULL, classes, class_count, GRAFT_START_PYTORCH, SEED));
    /* model._fc = nn.Linear(1280, len(dataset.classes)) */

    what.batch = BATCH; /* DataLoader(dataset, batch_size=16, shuffle=True) */
    GRAFT_TRY(graft_augmentation_parse(&what.augment, "flip", NULL)); /* RandomHorizontalFlip() */
    GRAFT_TRY(graft_loader_create(&loader, dataset, graft_model_transform(model), &what));

    how.batch = BATCH;                      /* criterion = nn.CrossEntropyLoss() */
    how.optimizer = graft_sgd(0.01F, 0.9F); /* optim.SGD(model._fc.parameters(), lr=0.01, momentum=0.9) */
    GRAFT_TRY(graft_executor_create(&executor, model, &how));
    graft_executor_attach(executor, loader); /* what the frozen layers make of a picture is computed once */

    for (int epoch = 0; epoch < EPOCHS; epoch++) /* for epoch in range(20): */
        GRAFT_TRY(train_epoch(executor, loader, epoch));

    GRAFT_TRY(graft_executor_model(executor, &trained)); /* model.eval(), then correct / total: */
    GRAFT_TRY(graft_evaluate(&result, trained, dataset, NULL));
    printf("accuracy: %.1f %% of %zu held-out pictures\n", 100.0 * graft_evaluation_accuracy(result),
           graft_evaluation_count(result));
    GRAFT_TRY(graft_model_save(trained, out)); /* torch.save(model.state_dict(), out) */
out:
    if (status != GRAFT_OK)
        fprintf(stderr, "%s\n", graft_error_message());
    graft_evaluation_free(result);
    graft_loader_free(loader); /* it asks the executor what is kept, so it goes first */
    graft_executor_free(executor);
    graft_dataset_free(dataset);
    graft_model_free(trained);
    graft_model_free(model);
    return status != GRAFT_OK;
}
