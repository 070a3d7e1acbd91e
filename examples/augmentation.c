/* augmentation DATA SHEET: what augmentation makes of pictures; beside the lines stands the Python of
 * torchvision's tutorials. DATA holds a folder of pictures for each class. SHEET becomes a PNG: four
 * pictures, one under the other, and behind each the eight views of it that a network would meet in eight
 * epochs. The sheet is libpng's: cc augmentation.c $(pkg-config --cflags --libs graft libpng) */
#include <stdio.h>
#include <string.h>

#include <png.h>

#include <graft/graft.h>

enum { PICTURES = 4, VIEWS = 8, SIZE = 224 };

static const graft_transform transform = {.resize = 256, .crop = SIZE, .divisor = 255, .std = {1, 1, 1}};

/* transforms.Compose([transforms.RandomResizedCrop(224, scale=(0.35, 1)), transforms.RandomHorizontalFlip(),
 *                     transforms.RandomRotation(15), transforms.ColorJitter(0.4, 0.4, 0.4, 0.1)]) */
static const char steps[] = "crop(0.35,1) flip rotate(15) jitter(0.4,0.4,0.4,0.1)";

/* ---- The sheet: white, the pictures themselves a little apart from their views ---- */

enum {
    GAP = 8,
    MARGIN = 24,
    COLUMNS = 1 + VIEWS,
    WIDTH = MARGIN + COLUMNS * (SIZE + GAP) + (MARGIN - GAP) + MARGIN,
    HEIGHT = MARGIN + PICTURES * (SIZE + GAP) - GAP + MARGIN,
};

static uint8_t sheet[HEIGHT][WIDTH][3];

static void paste(const uint8_t *pixels, int row, int column)
{
    size_t x = MARGIN + (size_t)column * (SIZE + GAP) + (column > 0 ? MARGIN - GAP : 0);
    size_t y = MARGIN + (size_t)row * (SIZE + GAP);
    for (size_t line = 0; line < SIZE; line++)
        memcpy(sheet[y + line][x], pixels + line * SIZE * 3, SIZE * 3);
}

static int write_png(const char *path)
{
    png_image image = {
        .version = PNG_IMAGE_VERSION, .width = WIDTH, .height = HEIGHT, .format = PNG_FORMAT_RGB};
    if (png_image_write_to_file(&image, path, 0, sheet, WIDTH * 3, NULL))
        return 0;
    fprintf(stderr, "%s: %s\n", path, image.message);
    return 1;
}

/* ---- The pictures ---- */

/* A few of all: the classes follow one another, so the same step from one to the next meets many of them. */
static graft_status choose(graft_dataset **few, const graft_dataset *all)
{
    const char *paths[PICTURES];
    size_t count = graft_dataset_count(all), wanted = count < PICTURES ? count : PICTURES, chosen = 0;
    for (size_t i = 0; i < wanted; i++) {
        graft_sample sample = graft_dataset_sample(all, (2 * i + 1) * count / (2 * wanted));
        if (sample.set != GRAFT_SET_SKIPPED)
            paths[chosen++] = sample.path;
    }
    return graft_dataset_list(few, paths, chosen, GRAFT_AS_SEEN);
}

/* One view of each picture, as the epoch has it. */
static graft_status show(graft_loader *loader, int epoch, int column)
{
    graft_status status;
    graft_batch batch;
    GRAFT_TRY(graft_loader_rewind(loader, epoch));
    GRAFT_TRY(graft_loader_next(loader, &batch)); /* inputs, _ = next(iter(loader)) */
    for (int i = 0; i < batch.count; i++)
        if (batch.pixels[i])
            paste(batch.pixels[i], i, column);
out:
    return status;
}

static graft_status fill(const graft_dataset *pictures)
{
    graft_status status;
    graft_loader *plain = NULL, *augmented = NULL;
    graft_loader_options what = GRAFT_LOADER_OPTIONS_INIT;
    what.batch = PICTURES;
    what.shuffle = false;
    GRAFT_TRY(graft_loader_create(&plain, pictures, &transform, &what));
    GRAFT_TRY(graft_augmentation_parse(&what.augment, steps, NULL));         /* transforms.Compose([...]) */
    GRAFT_TRY(graft_loader_create(&augmented, pictures, &transform, &what)); /* loader = DataLoader(...) */
    GRAFT_TRY(show(plain, 0, 0));
    for (int epoch = 0; epoch < VIEWS; epoch++) /* for epoch in range(8): */
        GRAFT_TRY(show(augmented, epoch, 1 + epoch));
out:
    graft_loader_free(plain);
    graft_loader_free(augmented);
    return status;
}

int main(int count, char **values)
{
    graft_status status;
    graft_dataset *all = NULL, *few = NULL;
    graft_dataset_options where = GRAFT_DATASET_OPTIONS_INIT;
    int failed = 1;
    if (count != 3) {
        fprintf(stderr, "usage: augmentation DATA SHEET\n");
        return 2;
    }
    memset(sheet, 255, sizeof sheet);
    GRAFT_TRY(graft_dataset_open(&all, values[1], &where)); /* datasets.ImageFolder(data, transform) */
    GRAFT_TRY(choose(&few, all));
    GRAFT_TRY(fill(few));
    failed = write_png(values[2]);
out:
    if (status != GRAFT_OK)
        fprintf(stderr, "%s\n", graft_error_message());
    graft_dataset_free(few);
    graft_dataset_free(all);
    return failed;
}
