/* Choosing, making and giving up RUN. mkdir decides which number is free, so two processes never share one.
 */
#include "cli/run_folder.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <graft/tools.h>

#include "cli/screen.h"

enum { MOST_RUNS = 1000000 };

/* All that a run consists of; the first is what makes a folder one. */
static const char *const files[] = {"model.safetensors", "history.csv", "pictures.csv", "args.json"};

enum { FILES = sizeof files / sizeof files[0] };

static char *join(const char *folder, const char *name)
{
    char *path = NULL;
    if (asprintf(&path, "%s/%s", folder, name) >= 0)
        return path;
    screen_fail("out of memory");
    return NULL;
}

char *run_folder_file(const run_folder *run, const char *name)
{
    return join(run->path, name);
}

/* ---- What is there already ---- */

static bool is_empty(const char *path)
{
    DIR *folder = opendir(path);
    bool empty = true;
    for (struct dirent *entry; folder && (entry = readdir(folder));)
        empty = empty && (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0);
    if (folder)
        closedir(folder);
    return empty;
}

static bool has_run(const char *path)
{
    struct stat about;
    bool found = false;
    for (int i = 0; i < FILES; i++) {
        char *file = join(path, files[i]);
        found = found || (file && lstat(file, &about) == 0);
        free(file);
    }
    return found;
}

bool run_folder_check(const char *out, bool force)
{
    struct stat about;
    if (!out || (stat(out, &about) != 0 && errno == ENOENT))
        return true;
    if (stat(out, &about) != 0)
        screen_fail("%s: %s", out, strerror(errno));
    else if (!S_ISDIR(about.st_mode))
        screen_fail("%s is a file, and a run needs a folder", out);
    else if (!force && has_run(out))
        screen_fail("%s holds a run already: name another folder, or let --force overwrite it", out);
    else if (!force && !is_empty(out))
        screen_fail("%s holds other files: name another folder, or let --force put a run beside them", out);
    else
        return true;
    return false;
}

/* ---- Making it ---- */

/* The last part of the path, of "." and the like that of the folder's real path. *name is the caller's. */
static bool name_of(char **name, const char *data)
{
    char *real = realpath(data, NULL);
    size_t length = strlen(data);
    while (length > 0 && data[length - 1] == '/')
        length--;
    size_t begin = length;
    while (begin > 0 && data[begin - 1] != '/')
        begin--;
    bool dots = length == begin || strspn(data + begin, ".") >= length - begin;
    const char *slash = real ? strrchr(real, '/') : NULL;
    if (!dots)
        *name = strndup(data + begin, length - begin);
    else
        *name = strdup(slash && slash[1] ? slash + 1 : "data");
    free(real);
    return *name != NULL;
}

static bool make_numbered(run_folder *run, const char *name)
{
    run->made_parent = mkdir("runs", 0777) == 0;
    if (!run->made_parent && errno != EEXIST) {
        screen_fail("runs: the folder cannot be made: %s", strerror(errno));
        return false;
    }
    for (int number = 1; number <= MOST_RUNS; number++) {
        if (asprintf(&run->path, "runs/%s-%d", name, number) < 0) {
            run->path = NULL;
            screen_fail("out of memory");
            return false;
        }
        run->made = mkdir(run->path, 0777) == 0;
        if (run->made)
            return true;
        if (errno != EEXIST)
            break;
        free(run->path);
        run->path = NULL;
    }
    screen_fail("%s: the folder cannot be made: %s", run->path ? run->path : "runs", strerror(errno));
    return false;
}

static bool make_named(run_folder *run, const char *out)
{
    struct stat about;
    size_t length = strlen(out);
    while (length > 1 && out[length - 1] == '/')
        length--;
    run->path = strndup(out, length);
    run->made = stat(out, &about) != 0;
    if (run->path && graft_folder_create(run->path) == GRAFT_OK)
        return true;
    run->made = false;
    screen_fail("%s", run->path ? graft_error_message() : "out of memory");
    return false;
}

/* A full answer only the writing itself gives: a read-only file system, a quota, another user's folder. */
static bool can_write(const run_folder *run)
{
    char *probe = join(run->path, ".graft");
    bool good = probe && graft_file_write(probe, "", 0) == GRAFT_OK;
    if (good)
        unlink(probe);
    else if (probe)
        screen_fail("%s: no file can be written there (%s)", run->path, graft_error_message());
    free(probe);
    return good;
}

bool run_folder_create(run_folder *run, const char *out, bool force, const char *data)
{
    char *name = NULL;
    if (!run_folder_check(out, force))
        return false;
    bool made = out ? make_named(run, out) : name_of(&name, data) && make_numbered(run, name);
    free(name);
    if (made && can_write(run))
        return true;
    run_folder_abandon(run);
    return false;
}

/* ---- Giving it up ---- */

void run_folder_clear(const run_folder *run)
{
    for (int i = 1; i < FILES; i++) {
        char *file = join(run->path, files[i]);
        if (file)
            unlink(file);
        free(file);
    }
}

void run_folder_abandon(run_folder *run)
{
    if (run->path && run->made)
        rmdir(run->path); /* refuses where something was saved */
    if (run->made_parent)
        rmdir("runs");
    run_folder_dispose(run);
}

void run_folder_dispose(run_folder *run)
{
    free(run->path);
    *run = (run_folder){NULL, false, false};
}
