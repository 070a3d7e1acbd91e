/* Where libFuzzer is not linked in: gives every file of the folders named to the target, once, in the order
 * of their names, from a block of its exact size. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int is_visible(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

static graft_status replay_file(const char *folder, const char *name)
{
    graft_status status;
    char *path = NULL;
    uint8_t *data = NULL;
    size_t size;
    GRAFT_TRY(graft_path_join(&path, folder, name));
    GRAFT_TRY(graft_file_read(path, SIZE_MAX, &data, &size));
    GRAFT_TRY(graft_reallocate(&data, size, 1));
    LLVMFuzzerTestOneInput(data, size);
out:
    if (status != GRAFT_OK)
        fprintf(stderr, "%s\n", graft_error_message());
    free(path);
    free(data);
    return status;
}

/* How many files were replayed; 0 where that failed. */
static int replay_folder(const char *folder)
{
    struct dirent **entries;
    int count = scandir(folder, &entries, is_visible, alphasort), replayed = 0;
    for (int i = 0; i < count; i++) {
        replayed += replay_file(folder, entries[i]->d_name) == GRAFT_OK;
        free(entries[i]);
    }
    if (count >= 0)
        free(entries);
    printf("%s: %d files\n", folder, replayed);
    return replayed == count ? replayed : 0;
}

int main(int count, char **folders)
{
    int failed = count < 2;
    for (int i = 1; i < count; i++)
        failed |= replay_folder(folders[i]) == 0;
    return failed;
}
