/* Kept rows on disk: never a wrong one, whatever happens to the file. */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include <graft/tools.h>

#include "base/file.h"
#include "base/memory.h"
#include "data/store.h"

enum { ROW = 30, MANY = 200 };

static char folder[64];
static const graft_store_key key = {"net", "network net\n", "format 1\n", ROW};

static int setup(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/graft-test-store-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command);
}

static graft_digest content_of(int sample)
{
    graft_digest digest;
    graft_digest_of(&digest, &sample, sizeof sample);
    return digest;
}

static void make_row(float row[ROW], int sample, int view)
{
    for (int i = 0; i < ROW; i++)
        row[i] = (float)(1000 * sample + 100 * view + i);
}

static graft_store *open_key(const graft_store_key *k)
{
    graft_store *store;
    assert_int_equal(graft_store_open(&store, folder, k), GRAFT_OK);
    return store;
}

static const float *add(graft_store *store, int sample, int view)
{
    float row[ROW];
    const float *kept;
    graft_digest content = content_of(sample);
    make_row(row, sample, view);
    assert_int_equal(graft_store_add(store, &kept, &content, view, row), GRAFT_OK);
    return kept;
}

/* Whether the row is there; if it is, it is right. */
static bool look(graft_store *store, int sample, int view)
{
    float row[ROW];
    graft_digest content = content_of(sample);
    const float *kept = graft_store_find(store, &content, view);
    make_row(row, sample, view);
    if (kept)
        assert_memory_equal(kept, row, sizeof row);
    return kept != NULL;
}

static int count_found(graft_store *store)
{
    int found = 0;
    for (int i = 0; i < MANY; i++)
        for (int view = 0; view < 2; view++)
            found += look(store, i, view);
    return found;
}

static void fill(int count)
{
    graft_store *store = open_key(&key);
    for (int i = 0; i < count; i++) {
        assert_non_null(add(store, i, 0));
        assert_non_null(add(store, i, 1));
    }
    graft_store_close(store);
}

static char *path_of(void)
{
    static char path[256];
    graft_store *store = open_key(&key);
    snprintf(path, sizeof path, "%s", graft_store_path(store));
    graft_store_close(store);
    return path;
}

/* ---- As it should be ---- */

static void test_rows_come_back(void **state)
{
    (void)state;
    graft_store *store = open_key(&key);
    const float *first = add(store, 0, 0);
    for (int i = 1; i < MANY; i++)
        assert_non_null(add(store, i, 0));
    assert_ptr_equal(add(store, 0, 0), first); /* it is there already, and does not move */
    assert_int_equal((uintptr_t)first % 64, 0);
    assert_null(graft_store_word(store));
    assert_int_equal(count_found(store), MANY);
    graft_store_close(store);
    store = open_key(&key);
    assert_int_equal(count_found(store), MANY);
    assert_false(look(store, 0, 1));
    graft_store_close(store);
    graft_store_close(NULL);
}

static void test_contents_alone(void **state)
{
    (void)state;
    const graft_store_key set = {"checked", "pictures\n", "", 0};
    const float *kept;
    graft_store *store = open_key(&set);
    for (int i = 0; i < MANY; i++) {
        graft_digest content = content_of(i);
        assert_false(graft_store_has(store, &content, 0));
        assert_int_equal(graft_store_add(store, &kept, &content, 0, NULL), GRAFT_OK);
        assert_true(graft_store_has(store, &content, 0));
    }
    graft_store_close(store);
    store = open_key(&set);
    for (int i = 0; i < MANY; i++) {
        graft_digest content = content_of(i);
        assert_true(graft_store_has(store, &content, 0));
        assert_false(graft_store_has(store, &content, 1));
        assert_non_null(graft_store_find(store, &content, 0));
    }
    graft_store_close(store);
}

static void test_keys(void **state)
{
    (void)state;
    graft_store_key other = key, newer = key;
    other.identity = "network other\n";
    newer.versions = "format 2\n";
    fill(3);
    graft_store *store = open_key(&other);
    assert_int_equal(count_found(store), 0);
    assert_null(graft_store_word(store));
    graft_store_close(store);
    store = open_key(&newer); /* the same file, begun anew */
    assert_int_equal(count_found(store), 0);
    assert_non_null(strstr(graft_store_word(store), "another version"));
    assert_non_null(add(store, 1, 0));
    graft_store_close(store);
    store = open_key(&newer);
    assert_null(graft_store_word(store));
    assert_int_equal(count_found(store), 1);
    graft_store_close(store);
    store = open_key(&key);
    assert_int_equal(count_found(store), 0);
    graft_store_close(store);
}

/* ---- Damage ---- */

static void flip(const char *path, off_t place)
{
    unsigned char byte;
    int file = open(path, O_RDWR);
    assert_int_equal(pread(file, &byte, 1, place), 1);
    byte ^= 0x80; /* the sign, where it is a float's last byte */
    assert_int_equal(pwrite(file, &byte, 1, place), 1);
    close(file);
}

static off_t size_of(const char *path)
{
    struct stat about;
    assert_int_equal(stat(path, &about), 0);
    return about.st_size;
}

static void test_a_flipped_byte(void **state)
{
    (void)state;
    fill(2);
    const char *path = path_of();
    int lost = 0, anew = 0;
    for (off_t place = 0; place < size_of(path); place += place < 300 ? 1 : 7) {
        flip(path, place);
        graft_store *store = open_key(&key);
        int found = count_found(store);
        assert_true(found == 4 || found == 3 || found == 0);
        lost += found == 3;
        anew += found == 0;
        if (found == 3) { /* computed again, it is there again */
            for (int i = 0; i < 4; i++)
                add(store, i / 2, i % 2);
            assert_int_equal(count_found(store), 4);
        }
        graft_store_close(store);
        unlink(path);
        fill(2);
    }
    assert_true(lost > 50 && anew > 40);
}

static void test_a_file_that_ends_early(void **state)
{
    (void)state;
    fill(4);
    const char *path = path_of();
    char whole[256];
    snprintf(whole, sizeof whole, "%s/whole", folder);
    assert_int_equal(link(path, whole), 0);
    uint8_t *bytes;
    size_t size;
    assert_int_equal(graft_file_read(path, SIZE_MAX, &bytes, &size), GRAFT_OK);
    for (size_t length = 0; length <= size; length += length < 4000 ? 777 : 13) {
        assert_int_equal(graft_file_write(path, bytes, length), GRAFT_OK);
        graft_store *store = open_key(&key);
        int before = count_found(store);
        assert_true(before <= 8);
        for (int i = 0; i < 8; i++)
            add(store, i / 2, i % 2);
        assert_int_equal(count_found(store), 8);
        graft_store_close(store);
        store = open_key(&key);
        assert_int_equal(count_found(store), 8);
        graft_store_close(store);
    }
    free(bytes);
}

static void test_something_else_under_its_name(void **state)
{
    (void)state;
    const char *path = path_of();
    assert_int_equal(graft_file_write(path, "not ours", 8), GRAFT_OK);
    graft_store *store = open_key(&key);
    assert_non_null(strstr(graft_store_word(store), "damaged"));
    assert_non_null(add(store, 0, 0));
    graft_store_close(store);
}

/* ---- Kills and company ---- */

/* A child that writes rows from `first` on, from the end to the beginning if `down`. */
static pid_t start_writer(int first, bool down)
{
    pid_t child = fork();
    if (child != 0)
        return child;
    graft_store *store;
    if (graft_store_open(&store, folder, &key) != GRAFT_OK)
        _exit(1);
    for (int i = 0; i < MANY; i++) {
        int sample = (first + (down ? MANY - 1 - i : i)) % MANY;
        for (int view = 0; view < 2; view++) {
            float row[ROW];
            const float *kept;
            graft_digest content = content_of(sample);
            make_row(row, sample, view);
            if (graft_store_add(store, &kept, &content, view, row) != GRAFT_OK ||
                (kept && memcmp(kept, row, sizeof row) != 0))
                _exit(2);
        }
    }
    graft_store_close(store);
    _exit(0);
}

static void test_killed_in_mid_write(void **state)
{
    (void)state;
    for (int i = 0; i < 60; i++) {
        pid_t child = start_writer(17 * i, i % 2);
        usleep((useconds_t)(i * 53 % 2000));
        kill(child, SIGKILL);
        assert_int_equal(waitpid(child, NULL, 0), child);
        graft_store *store = open_key(&key);
        count_found(store); /* what is found is right */
        assert_non_null(add(store, i, 1));
        assert_true(look(store, i, 1));
        graft_store_close(store);
        if (i % 20 == 19)
            unlink(path_of());
    }
}

static void test_two_at_once(void **state)
{
    (void)state;
    int result;
    for (int i = 0; i < 10; i++) {
        pid_t children[3] = {start_writer(0, false), start_writer(0, true), start_writer(MANY / 2, false)};
        graft_store *store = open_key(&key);
        for (int j = 0; j < 20; j++)
            count_found(store);
        for (int j = 0; j < 3; j++) {
            assert_int_equal(waitpid(children[j], &result, 0), children[j]);
            assert_int_equal(result, 0);
        }
        graft_store_close(store);
        assert_int_equal(waitpid(start_writer(0, false), &result, 0) > 0, 1); /* nobody waits for a lock: */
        assert_int_equal(result, 0);                                          /* what is missing is added  */
        store = open_key(&key);
        assert_int_equal(count_found(store), 2 * MANY);
        graft_store_close(store);
        unlink(path_of());
    }
}

static void test_while_another_writes(void **state)
{
    (void)state;
    graft_store *store = open_key(&key);
    int other = open(graft_store_path(store), O_RDWR);
    assert_int_equal(flock(other, LOCK_EX), 0);
    assert_null(add(store, 0, 0)); /* not waited for */
    assert_null(graft_store_word(store));
    close(other);
    assert_non_null(add(store, 0, 0));
    graft_store_close(store);
}

static void test_what_another_has_written_is_seen(void **state)
{
    (void)state;
    graft_store *one = open_key(&key), *two = open_key(&key);
    assert_non_null(add(one, 0, 0));
    assert_false(look(two, 0, 0));
    assert_non_null(add(two, 1, 0)); /* looks around while it is at it */
    assert_true(look(two, 0, 0));
    off_t before = size_of(graft_store_path(one));
    assert_non_null(add(one, 1, 0)); /* is not written twice */
    assert_int_equal(size_of(graft_store_path(one)), before);
    graft_store_close(one);
    graft_store_close(two);
}

/* A kill leaves a whole row without a record; two stores that are open then take turns. */
static void test_a_row_without_a_record(void **state)
{
    (void)state;
    fill(1);
    graft_store *one = open_key(&key), *two = open_key(&key);
    char rubbish[4 * 128];
    memset(rubbish, 'x', sizeof rubbish);
    int file = open(graft_store_path(one), O_RDWR | O_APPEND);
    assert_int_equal(write(file, rubbish, sizeof rubbish), sizeof rubbish);
    close(file);
    assert_non_null(add(one, 1, 0));
    assert_non_null(add(two, 2, 0));
    assert_non_null(add(one, 3, 0));
    for (int i = 0; i < 2; i++) {
        assert_true(look(i ? two : one, 1, 0));
        assert_true(look(i ? two : one, 2, 0));
    }
    graft_store_close(one);
    graft_store_close(two);
}

static void test_a_file_that_is_taken_away(void **state)
{
    (void)state;
    graft_store *store = open_key(&key);
    assert_non_null(add(store, 0, 0));
    unlink(graft_store_path(store));
    assert_null(add(store, 1, 0));
    assert_non_null(strstr(graft_store_word(store), "taken away"));
    assert_true(look(store, 0, 0));
    graft_store_close(store);
}

/* ---- What cannot be written ---- */

static void test_a_full_disk(void **state)
{
    (void)state;
    struct rlimit old, tight = {10000, RLIM_INFINITY};
    graft_store *store = open_key(&key);
    getrlimit(RLIMIT_FSIZE, &old);
    tight.rlim_max = old.rlim_max;
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &tight);
    int kept = 0;
    for (int i = 0; i < MANY; i++)
        kept += add(store, i, 0) != NULL;
    setrlimit(RLIMIT_FSIZE, &old);
    signal(SIGXFSZ, SIG_DFL);
    assert_true(kept > 5 && kept < 20);
    assert_non_null(strstr(graft_store_word(store), "cannot be written any more: File too large"));
    assert_null(add(store, 0, 1)); /* it does not try again */
    assert_int_equal(count_found(store), kept);
    graft_store_close(store);
    store = open_key(&key);
    assert_int_equal(count_found(store), kept);
    assert_non_null(add(store, 0, 1));
    graft_store_close(store);
}

static void test_a_folder_that_cannot_be(void **state)
{
    (void)state;
    graft_store *store;
    char path[128];
    snprintf(path, sizeof path, "%s/file", folder);
    assert_int_equal(graft_file_write(path, "", 0), GRAFT_OK);
    assert_int_equal(graft_store_open(&store, path, &key), GRAFT_EIO);
    strcat(path, "/below");
    assert_int_equal(graft_store_open(&store, path, &key), GRAFT_EIO);
}

static void as_somebody_else(int want)
{
    graft_store *store;
    char path[128];
    snprintf(path, sizeof path, "%s/sub", folder);
    if (geteuid() == 0 && (setgid(65534) != 0 || setuid(65534) != 0))
        _exit(99);
    _exit(graft_store_open(&store, want ? path : folder, &key) == GRAFT_EIO ? 0 : 1);
}

static void test_another_users_folder(void **state)
{
    (void)state;
    int result;
    if (geteuid() != 0)
        skip();
    fill(1);
    chmod(folder, 0755);
    for (int sub = 0; sub < 2; sub++) {
        pid_t child = fork();
        if (child == 0)
            as_somebody_else(sub);
        waitpid(child, &result, 0);
        assert_int_equal(result, 0);
    }
}

/* ---- Memory ---- */

static void test_every_allocation_may_fail(void **state)
{
    (void)state;
    graft_status status = GRAFT_EMEMORY;
    float row[ROW];
    long n = 0;
    make_row(row, 0, 0);
    while (status != GRAFT_OK) {
        graft_store *store = NULL;
        const float *kept;
        unlink(path_of());
        graft_memory_fail_after(++n);
        status = graft_store_open(&store, folder, &key);
        for (int i = 0; i < 100 && status == GRAFT_OK; i++) {
            graft_digest content = content_of(i);
            make_row(row, i, 0);
            status = graft_store_add(store, &kept, &content, 0, row);
        }
        graft_memory_fail_after(0);
        assert_true(status == GRAFT_OK || status == GRAFT_EMEMORY);
        if (store)
            count_found(store);
        graft_store_close(store);
    }
    assert_true(n > 10);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_rows_come_back),
        TEST(test_contents_alone),
        TEST(test_keys),
        TEST(test_a_flipped_byte),
        TEST(test_a_file_that_ends_early),
        TEST(test_something_else_under_its_name),
        TEST(test_killed_in_mid_write),
        TEST(test_two_at_once),
        TEST(test_while_another_writes),
        TEST(test_what_another_has_written_is_seen),
        TEST(test_a_row_without_a_record),
        TEST(test_a_file_that_is_taken_away),
        TEST(test_a_full_disk),
        TEST(test_a_folder_that_cannot_be),
        TEST(test_another_users_folder),
        TEST(test_every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
