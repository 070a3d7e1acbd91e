/* A thread that reads and hashes. Where the system gives none, who asks first does the work. */
#include "base/file_hash.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/hash.h"
#include "base/memory.h"
#include "base/status.h"
#include "base/team.h"

struct graft_file_hash {
    int references; /* atomic */
    bool unwanted;  /* atomic: nobody will ask any more */
    bool done;
    int file;
    pthread_mutex_t lock; /* of who waits */
    graft_team team;
    char text[65];
};

/* The file is read and not mapped: it would be counted as memory of this process, and one that shrinks
 * meanwhile would end it. */
static void *compute(void *context)
{
    enum { BLOCK = 1 << 18 };
    graft_file_hash *hash = context;
    graft_hasher hasher;
    graft_digest digest;
    uint8_t *block = malloc(BLOCK);
    off_t at = 0;
    ssize_t got = block ? 1 : -1;
    graft_hasher_begin(&hasher);
    while (got > 0 && !__atomic_load_n(&hash->unwanted, __ATOMIC_RELAXED)) {
        do
            got = pread(hash->file, block, BLOCK, at);
        while (got < 0 && errno == EINTR);
        graft_hasher_add(&hasher, block, got > 0 ? (size_t)got : 0);
        at += got;
    }
    graft_hasher_end(&hasher, &digest);
    if (got == 0)
        graft_digest_print(&digest, hash->text);
    hash->done = true;
    free(block);
    return NULL;
}

graft_status graft_file_hash_begin(graft_file_hash **out, int file)
{
    graft_status status;
    graft_file_hash *hash = NULL;
    GRAFT_TRY(GRAFT_NEW(&hash));
    hash->references = 1;
    hash->file = fcntl(file, F_DUPFD_CLOEXEC, 0);
    if (hash->file < 0) {
        status = graft_fail_errno(errno, "a file cannot be opened a second time");
        goto out;
    }
    pthread_mutex_init(&hash->lock, NULL);
    status = graft_team_start(&hash->team, 1, compute, hash);
    if (status == GRAFT_OK) {
        *out = hash;
        return GRAFT_OK;
    }
    pthread_mutex_destroy(&hash->lock);
    close(hash->file);
out:
    free(hash);
    return status;
}

graft_file_hash *graft_file_hash_share(graft_file_hash *hash)
{
    __atomic_add_fetch(&hash->references, 1, __ATOMIC_RELAXED);
    return hash;
}

void graft_file_hash_release(graft_file_hash *hash)
{
    if (!hash || __atomic_sub_fetch(&hash->references, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    __atomic_store_n(&hash->unwanted, true, __ATOMIC_RELAXED);
    graft_team_join(&hash->team);
    pthread_mutex_destroy(&hash->lock);
    close(hash->file);
    free(hash);
}

const char *graft_file_hash_text(graft_file_hash *hash)
{
    pthread_mutex_lock(&hash->lock);
    graft_team_join(&hash->team);
    if (!hash->done)
        compute(hash);
    pthread_mutex_unlock(&hash->lock);
    return hash->text;
}
