/* Files by POSIX calls. */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/status.h"

enum { ATTEMPTS = 100 };

/* Opens a regular file for reading; *size is what fstat says. */
static graft_status open_regular(int *out, size_t *size, const char *path)
{
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a pipe without a writer must not hang us */
    if (file < 0)
        return graft_fail_errno(errno, "%s", path);
    struct stat about;
    if (fstat(file, &about) != 0) {
        int error = errno;
        close(file);
        return graft_fail_errno(error, "%s", path);
    }
    if (!S_ISREG(about.st_mode)) {
        close(file);
        return graft_fail(GRAFT_EIO, "%s: %s, not a file", path,
                          S_ISDIR(about.st_mode) ? "a folder" : "a device or pipe");
    }
    *size = (size_t)about.st_size;
    *out = file;
    return GRAFT_OK;
}

graft_status graft_mapping_open(graft_mapping *mapping, const char *path)
{
    int file = -1;
    size_t size = 0;
    graft_status status = open_regular(&file, &size, path);
    if (status != GRAFT_OK)
        return status;
    if (size == 0) {
        close(file);
        *mapping = (graft_mapping){NULL, 0, -1};
        return GRAFT_OK;
    }
    void *data = mmap(NULL, size, PROT_READ, MAP_PRIVATE, file, 0);
    if (data == MAP_FAILED) {
        int error = errno;
        close(file);
        return graft_fail_errno(error, "%s", path);
    }
    *mapping = (graft_mapping){data, size, file};
    return GRAFT_OK;
}

void graft_mapping_close(graft_mapping *mapping)
{
    if (mapping->data) {
        munmap((void *)(uintptr_t)mapping->data, mapping->size);
        close(mapping->file);
    }
    *mapping = (graft_mapping){NULL, 0, -1};
}

static graft_status read_all(int file, uint8_t *data, size_t size, size_t *got, const char *path)
{
    size_t done = 0;
    while (done < size) {
        ssize_t n = read(file, data + done, size - done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return graft_fail_errno(errno, "%s", path);
        if (n == 0)
            break;
        done += (size_t)n;
    }
    *got = done;
    return GRAFT_OK;
}

graft_status graft_file_read(const char *path, size_t limit, uint8_t **data, size_t *size)
{
    int file = -1;
    size_t length = 0;
    graft_status status = open_regular(&file, &length, path);
    if (status != GRAFT_OK)
        return status;
    uint8_t *bytes = NULL;
    if (length > limit) {
        status =
            graft_fail(GRAFT_EIO, "%s: %zu bytes are more than the %zu that are read", path, length, limit);
        goto out;
    }
    GRAFT_TRY(graft_allocate(&bytes, length, 1));
    GRAFT_TRY(read_all(file, bytes, length, &length, path));
    *data = bytes;
    *size = length;
    bytes = NULL;
out:
    free(bytes);
    close(file);
    return status;
}

/* What a crash left is stepped over. */
graft_status graft_file_create_beside(int *file, char **name, const char *path)
{
    for (int attempt = 0;; attempt++) {
        graft_status status = graft_format(name, "%s.%ld-%d", path, (long)getpid(), attempt);
        if (status != GRAFT_OK)
            return status;
        *file = open(*name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (*file >= 0)
            return GRAFT_OK;
        int error = errno;
        free(*name);
        *name = NULL;
        if (error != EEXIST || attempt == ATTEMPTS)
            return graft_fail_errno(error, "%s: cannot be written", path);
    }
}

graft_status graft_writer_open(graft_writer *writer, const char *path)
{
    graft_status status;
    graft_writer fresh = {NULL, NULL, NULL};
    int file = -1;
    GRAFT_TRY(graft_duplicate(&fresh.path, path));
    GRAFT_TRY(graft_file_create_beside(&file, &fresh.temporary, path));
    fresh.stream = fdopen(file, "wb");
    if (!fresh.stream) {
        status = graft_fail_errno(errno, "%s: cannot be written", path);
        close(file);
        goto out;
    }
    *writer = fresh;
    return GRAFT_OK;
out:
    graft_writer_discard(&fresh);
    return status;
}

graft_status graft_writer_write(graft_writer *writer, const void *bytes, size_t size)
{
    if (size && fwrite(bytes, 1, size, writer->stream) != size)
        return graft_fail_errno(errno, "%s: cannot be written", writer->path);
    return GRAFT_OK;
}

graft_status graft_writer_rewind(graft_writer *writer)
{
    if (fseek(writer->stream, 0, SEEK_SET) != 0)
        return graft_fail_errno(errno, "%s: cannot be written", writer->path);
    return GRAFT_OK;
}

/* Without the folder's own sync a crash could lose the new name; its failure loses nothing that was there. */
static void sync_folder(const char *path)
{
    const char *base = graft_path_base(path);
    char *folder = NULL;
    if (graft_format(&folder, "%.*s.", (int)(base - path), path) != GRAFT_OK)
        return;
    int file = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (file >= 0) {
        fsync(file);
        close(file);
    }
    free(folder);
}

graft_status graft_writer_commit(graft_writer *writer)
{
    graft_status status = GRAFT_OK;
    if (fflush(writer->stream) != 0 || fsync(fileno(writer->stream)) != 0)
        status = graft_fail_errno(errno, "%s: cannot be written", writer->path);
    if (fclose(writer->stream) != 0 && status == GRAFT_OK)
        status = graft_fail_errno(errno, "%s: cannot be written", writer->path);
    writer->stream = NULL;
    if (status == GRAFT_OK && rename(writer->temporary, writer->path) != 0)
        status = graft_fail_errno(errno, "%s: cannot be written", writer->path);
    if (status == GRAFT_OK) {
        sync_folder(writer->path);
        free(writer->temporary);
        writer->temporary = NULL;
    }
    graft_writer_discard(writer);
    return status;
}

void graft_writer_discard(graft_writer *writer)
{
    if (writer->stream)
        fclose(writer->stream);
    if (writer->temporary)
        unlink(writer->temporary);
    free(writer->temporary);
    free(writer->path);
    *writer = (graft_writer){NULL, NULL, NULL};
}

graft_status graft_file_write(const char *path, const void *bytes, size_t size)
{
    graft_writer writer;
    graft_status status = graft_writer_open(&writer, path);
    if (status != GRAFT_OK)
        return status;
    GRAFT_TRY(graft_writer_write(&writer, bytes, size));
    GRAFT_TRY(graft_writer_commit(&writer));
out:
    graft_writer_discard(&writer);
    return status;
}

static graft_status create_one(const char *path)
{
    if (mkdir(path, 0777) == 0 || (errno == EEXIST && graft_path_is_folder(path)))
        return GRAFT_OK;
    return graft_fail_errno(errno, "%s: the folder cannot be made", path);
}

graft_status graft_folder_create(const char *path)
{
    graft_status status;
    char *prefix = NULL;
    if (!path[0])
        return graft_fail_errno(ENOENT, "a folder without a name cannot be made");
    GRAFT_TRY(graft_duplicate(&prefix, path));
    for (char *slash = strchr(prefix + 1, '/'); slash && status == GRAFT_OK; slash = strchr(slash + 1, '/')) {
        *slash = 0;
        status = create_one(prefix);
        *slash = '/';
    }
    if (status == GRAFT_OK)
        status = create_one(prefix);
    free(prefix);
out:
    return status;
}

bool graft_path_is_folder(const char *path)
{
    struct stat about;
    return stat(path, &about) == 0 && S_ISDIR(about.st_mode);
}

bool graft_path_exists(const char *path)
{
    struct stat about;
    return lstat(path, &about) == 0;
}

graft_status graft_path_join(char **out, const char *folder, const char *name)
{
    size_t length = strlen(folder);
    return graft_format(out, "%s%s%s", folder, length && folder[length - 1] == '/' ? "" : "/", name);
}

const char *graft_path_base(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

graft_status graft_cache_path(char **out, const char *name)
{
    const char *cache = getenv("XDG_CACHE_HOME");
    if (cache && cache[0] == '/') /* the specification: a relative path is to be ignored */
        return graft_format(out, "%s/graft/%s", cache, name);
    const char *home = getenv("HOME");
    if (!home || !home[0])
        return graft_fail(GRAFT_ENOTFOUND, "neither XDG_CACHE_HOME nor HOME says where graft's cache is");
    return graft_format(out, "%s/.cache/graft/%s", home, name);
}
