/* Files are told by their names (NAME-0123456789abcdef.features, and .PID-ATTEMPT behind that while one is
 * being made); whatever else lies in the folder is left alone. */
#include "data/store_folder.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include <graft/tools.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/status.h"
#include "base/text.h"

static const char ending[] = ".features", hexadecimal[] = "0123456789abcdef", decimal[] = "0123456789";

enum { DIGITS = 16 }; /* of the identity in a name */

struct graft_cache_list {
    char *folder;
    graft_cache_file *files;
    size_t count, capacity;
    size_t bytes; /* of all */
};

graft_status graft_store_folder(char **folder, const graft_cache *cache)
{
    return cache->folder ? graft_duplicate(folder, cache->folder) : graft_cache_path(folder, "features");
}

graft_status graft_store_open_cache(graft_store **store, const graft_cache *cache, const graft_store_key *key)
{
    graft_status status;
    char *folder = NULL;
    GRAFT_TRY(graft_store_folder(&folder, cache));
    status = graft_store_open(store, folder, key);
    free(folder);
out:
    return status;
}

/* ---- Listing ---- */

/* A file that another process takes away meanwhile is passed over. */
static graft_status add_file(graft_cache_list *list, const char *path)
{
    graft_status status;
    struct stat about;
    struct timespec now;
    graft_store_facts facts;
    char *copy = NULL;
    if (stat(path, &about) != 0 || graft_store_read_facts(&facts, path) != GRAFT_OK)
        return GRAFT_OK;
    clock_gettime(CLOCK_REALTIME, &now);
    GRAFT_TRY(graft_duplicate(&copy, path));
    GRAFT_TRY(GRAFT_GROW(&list->files, list->count, &list->capacity));
    list->files[list->count++] = (graft_cache_file){
        .path = copy,
        .key = facts.key,
        .bytes = (size_t)about.st_blocks * 512,
        .row = facts.row,
        .age = (double)(now.tv_sec - about.st_mtim.tv_sec) +
               1e-9 * (double)(now.tv_nsec - about.st_mtim.tv_nsec),
    };
    list->bytes += list->files[list->count - 1].bytes;
    return GRAFT_OK;
out:
    free(copy);
    free(facts.key);
    return status;
}

static int by_age(const void *a, const void *b)
{
    const graft_cache_file *x = a, *y = b;
    return x->age != y->age ? (x->age < y->age ? -1 : 1) : strcmp(x->path, y->path);
}

/* Whether text is digits, a '-' and digits. */
static bool is_attempt(const char *text)
{
    size_t process = strspn(text, decimal);
    const char *attempt = text + process + 1;
    return process > 0 && text[process] == '-' && *attempt && attempt[strspn(attempt, decimal)] == 0;
}

/* One that is still being made, or was left by a kill, only if `all`. */
static bool is_ours(const char *name, bool all)
{
    const char *end = strstr(name, ending);
    if (!end || end - name < DIGITS + 2 || end[-DIGITS - 1] != '-' ||
        strspn(end - DIGITS, hexadecimal) != DIGITS)
        return false;
    end += sizeof ending - 1;
    return *end == 0 || (all && *end == '.' && is_attempt(end + 1));
}

/* Calls `take` with the path of every file whose name is ours; one that is still being made only if `all`. */
static graft_status each_file(const char *folder, bool all,
                              graft_status (*take)(void *context, const char *path), void *context)
{
    graft_status status = GRAFT_OK;
    DIR *open = opendir(folder);
    if (!open)
        return errno == ENOENT ? GRAFT_OK : graft_fail_errno(errno, "%s", folder);
    for (struct dirent *entry; status == GRAFT_OK && (entry = readdir(open));) {
        char *path = NULL;
        if (!is_ours(entry->d_name, all))
            continue;
        status = graft_path_join(&path, folder, entry->d_name);
        if (status == GRAFT_OK)
            status = take(context, path);
        free(path);
    }
    closedir(open);
    return status;
}

static graft_status list_one(void *list, const char *path)
{
    return add_file(list, path);
}

graft_status graft_cache_list_open(graft_cache_list **out, const char *folder)
{
    graft_status status;
    graft_cache_list *list = NULL;
    const graft_cache cache = {.folder = folder};
    GRAFT_TRY(GRAFT_NEW(&list));
    GRAFT_TRY(graft_store_folder(&list->folder, &cache));
    GRAFT_TRY(each_file(list->folder, false, list_one, list));
    if (list->count > 0) /* there is no list where there is no file */
        qsort(list->files, list->count, sizeof *list->files, by_age);
    *out = list;
    list = NULL;
out:
    graft_cache_list_free(list);
    return status;
}

void graft_cache_list_free(graft_cache_list *list)
{
    if (!list)
        return;
    for (size_t i = 0; i < list->count; i++) {
        free((char *)(uintptr_t)list->files[i].path);
        free((char *)(uintptr_t)list->files[i].key);
    }
    free(list->files);
    free(list->folder);
    free(list);
}

const char *graft_cache_list_folder(const graft_cache_list *list)
{
    return list->folder;
}

size_t graft_cache_list_count(const graft_cache_list *list)
{
    return list->count;
}

const graft_cache_file *graft_cache_list_at(const graft_cache_list *list, size_t index)
{
    return &list->files[index];
}

size_t graft_cache_list_bytes(const graft_cache_list *list)
{
    return list->bytes;
}

void graft_cache_list_count_rows(graft_cache_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        if (graft_store_count_rows(&list->files[i].rows, list->files[i].path) != GRAFT_OK)
            list->files[i].rows = 0;
}

/* ---- Clearing ---- */

typedef struct clearing {
    size_t bytes; /* that are gone */
    char *stuck;  /* the first file that stays, and why */
    int error;
} clearing;

/* One that cannot be taken away does not keep the others. */
static graft_status clear_one(void *context, const char *path)
{
    clearing *c = context;
    struct stat about;
    if (lstat(path, &about) != 0 || !S_ISREG(about.st_mode))
        return GRAFT_OK;
    if (unlink(path) == 0) {
        c->bytes += (size_t)about.st_blocks * 512;
        return GRAFT_OK;
    }
    if (errno == ENOENT || c->stuck)
        return GRAFT_OK;
    c->error = errno;
    return graft_duplicate(&c->stuck, path);
}

graft_status graft_cache_clear(const char *folder, size_t *bytes)
{
    graft_status status;
    char *path = NULL;
    const graft_cache cache = {.folder = folder};
    clearing c = {.bytes = 0};
    GRAFT_TRY(graft_store_folder(&path, &cache));
    GRAFT_TRY(each_file(path, true, clear_one, &c));
    if (c.stuck)
        status = graft_fail(GRAFT_EIO, "%s: cannot be taken away: %s; other files are gone, %.1f MB of them",
                            c.stuck, strerror(c.error), 1e-6 * (double)c.bytes);
    else
        *bytes = c.bytes;
out:
    free(c.stuck);
    free(path);
    return status;
}

/* ---- Room ---- */

static bool is_of(const graft_cache_file *file, const graft_store *store)
{
    return strcmp(file->path, graft_store_path(store)) == 0;
}

static uint64_t bytes_of(const graft_cache_list *list, const graft_store *store)
{
    for (size_t i = 0; i < list->count; i++)
        if (is_of(&list->files[i], store))
            return list->files[i].bytes;
    return 0;
}

/* The bytes that are there then. */
static uint64_t take_oldest(graft_cache_list *list, const graft_store *store, uint64_t most)
{
    uint64_t sum = list->bytes;
    for (size_t i = list->count; i-- > 0 && sum > most;)
        if (!is_of(&list->files[i], store) && unlink(list->files[i].path) == 0)
            sum -= list->files[i].bytes;
    return sum;
}

graft_status graft_store_make_room(const graft_store *store, const graft_cache *cache, uint64_t bytes)
{
    graft_status status;
    graft_cache_list *list = NULL;
    if (bytes == 0)
        return GRAFT_OK;
    GRAFT_TRY(graft_cache_list_open(&list, cache->folder));
    uint64_t needed = bytes_of(list, store) + bytes;
    if (needed <= cache->size)
        needed = take_oldest(list, store, cache->size - bytes) + bytes;
    if (needed > cache->size)
        status = graft_fail(GRAFT_EEXISTS, "%s: %.1f MB would be needed there and %.1f MB are allowed",
                            list->folder, 1e-6 * (double)needed, 1e-6 * (double)cache->size);
out:
    graft_cache_list_free(list);
    return status;
}

uint64_t graft_store_free_bytes(const graft_store *store)
{
    struct statvfs about;
    if (statvfs(graft_store_path(store), &about) != 0)
        return 0;
    return (uint64_t)about.f_bavail * about.f_frsize;
}
