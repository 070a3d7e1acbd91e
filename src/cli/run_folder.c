/* Choosing, making and giving up RUN. mkdir decides which number is free, and a lock on the folder whose it
 * is, so two processes never share one. */
#include "cli/run_folder.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
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

/* Makes what is missing of run->path; *there: all of it was there. Where that fails, the path is what there
 * is of it. */
static bool make_path(run_folder *run, bool *there)
{
    char *path = run->path;
    for (char *begin = path, *end; *begin; begin = end) {
        end = begin + strspn(begin, "/");
        end += strcspn(end, "/");
        char kept = *end;
        *end = 0;
        *there = mkdir(path, 0777) != 0;
        if (*there && errno != EEXIST) {
            screen_fail("%s: the folder cannot be made: %s", path, strerror(errno));
            *begin = 0;
            return false;
        }
        run->made = *there ? 0 : run->made + 1;
        *end = kept;
    }
    return true;
}

static bool make_numbered(run_folder *run, const char *name)
{
    for (int number = 1; number <= MOST_RUNS; number++) {
        bool there;
        free(run->path);
        if (asprintf(&run->path, "runs/%s-%d", name, number) < 0) {
            run->path = NULL;
            screen_fail("out of memory");
            return false;
        }
        if (!make_path(run, &there))
            return false;
        if (!there)
            return true;
    }
    screen_fail("%s: there are too many runs", run->path);
    return false;
}

static bool make_named(run_folder *run, const char *out)
{
    size_t length = strlen(out);
    bool there;
    while (length > 1 && out[length - 1] == '/')
        length--;
    run->path = strndup(out, length);
    if (run->path)
        return make_path(run, &there);
    screen_fail("out of memory");
    return false;
}

/* The lock goes with the process, however it ends. A file system without locks is taken at its word. */
static bool claim(run_folder *run)
{
    run->claim = opendir(run->path);
    if (!run->claim || flock(dirfd(run->claim), LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK)
        return true;
    screen_fail("%s is being written by another graft: name another folder", run->path);
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

static bool has_room(const run_folder *run, size_t bytes)
{
    struct statvfs about;
    if (statvfs(run->path, &about) != 0 || about.f_blocks == 0)
        return true;
    double left = (double)about.f_bavail * (double)about.f_frsize;
    if (left >= (double)bytes)
        return true;
    screen_fail("%s: the model takes %s, and %s are free there", run->path, screen_bytes(bytes),
                screen_bytes((size_t)left));
    return false;
}

/* Another process may have finished a run there between the first look and the claim. */
bool run_folder_create(run_folder *run, const char *out, bool force, const char *data, size_t bytes)
{
    char *name = NULL;
    if (!run_folder_check(out, force))
        return false;
    bool made = out ? make_named(run, out) : name_of(&name, data) && make_numbered(run, name);
    free(name);
    if (made && claim(run) && run_folder_check(out, force) && can_write(run) && has_room(run, bytes))
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
    while (run->path && run->made-- > 0 && rmdir(run->path) == 0) { /* refuses where something was saved */
        char *slash = strrchr(run->path, '/');
        while (slash && slash > run->path && slash[-1] == '/')
            slash--;
        if (slash)
            *slash = 0;
    }
    run_folder_dispose(run);
}

void run_folder_dispose(run_folder *run)
{
    if (run->claim)
        closedir(run->claim);
    free(run->path);
    *run = (run_folder){NULL, 0, NULL};
}
