/* Files: read, mapped, written whole or not at all; folders, the cache's place, cores. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "asserts.h"

#include "base/file.h"
#include "base/file_hash.h"
#include "base/hash.h"
#include "base/memory.h"

static char folder[] = "/tmp/graft-test-file-XXXXXX";

static int setup(void **state)
{
    (void)state;
    return mkdtemp(folder) ? chdir(folder) : -1;
}

static int teardown(void **state)
{
    char command[128];
    (void)state;
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return chdir("/") || system(command);
}

static void check_content(const char *path, const char *text)
{
    uint8_t *data;
    size_t size;
    assert_int_equal(graft_file_read(path, 1 << 20, &data, &size), GRAFT_OK);
    assert_int_equal(size, strlen(text));
    assert_memory_equal(data, text, size);
    free(data);
}

static void test_written_whole(void **state)
{
    struct stat about;
    (void)state;
    mode_t mask = umask(027);
    assert_int_equal(graft_file_write("a", "one", 3), GRAFT_OK);
    umask(mask);
    check_content("a", "one");
    assert_int_equal(stat("a", &about), 0);
    assert_int_equal(about.st_mode & 0777, 0640); /* as fopen would */
    assert_int_equal(graft_file_write("a", "", 0), GRAFT_OK);
    check_content("a", "");
    assert_int_equal(graft_file_write("a", "three", 5), GRAFT_OK);
    check_content("a", "three");
    assert_int_equal(entries(), 1);
}

static void test_not_at_all(void **state)
{
    graft_writer writer;
    (void)state;
    assert_int_equal(graft_file_write("a", "old", 3), GRAFT_OK);
    assert_int_equal(graft_writer_open(&writer, "a"), GRAFT_OK);
    assert_int_equal(graft_writer_write(&writer, "new", 3), GRAFT_OK);
    check_content("a", "old");
    graft_writer_discard(&writer);
    graft_writer_discard(&writer);
    check_content("a", "old");
    assert_int_equal(entries(), 1);
    assert_int_equal(graft_file_write("nowhere/a", "x", 1), GRAFT_EIO);
    assert_non_null(strstr(graft_error_message(), "nowhere/a"));
    assert_int_equal(mkdir("b", 0777), 0);
    assert_int_equal(graft_file_write("b", "x", 1), GRAFT_EIO); /* a folder cannot be replaced */
    assert_int_equal(entries(), 2);
    assert_int_equal(rmdir("b"), 0);
}

/* A limit on the size of files stands for the disk that fills. */
static void test_a_full_disk(void **state)
{
    struct rlimit before, low = {1 << 16, 1 << 16};
    char *large = calloc(1, 1 << 20);
    (void)state;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    low.rlim_max = before.rlim_max;
    assert_int_equal(graft_file_write("a", "old", 3), GRAFT_OK);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &low), 0);
    graft_status status = graft_file_write("a", large, 1 << 20);
    setrlimit(RLIMIT_FSIZE, &before);
    free(large);
    assert_int_equal(status, GRAFT_EIO);
    assert_string_equal(graft_error_message(), "a: cannot be written: File too large");
    check_content("a", "old");
    assert_int_equal(entries(), 1);
}

static void test_failing_allocations(void **state)
{
    (void)state;
    assert_int_equal(graft_file_write("a", "old", 3), GRAFT_OK);
    graft_status status = GRAFT_EMEMORY;
    for (long n = 1; status != GRAFT_OK && n < 10; n++) {
        graft_memory_fail_after(n);
        status = graft_file_write("a", "new", 3);
        graft_memory_fail_after(0);
        assert_true(status == GRAFT_OK || status == GRAFT_EMEMORY);
        check_content("a", status == GRAFT_OK ? "new" : "old");
        assert_int_equal(entries(), 1);
    }
    assert_int_equal(status, GRAFT_OK);
}

/* Made beside, of the file that is open: what has its name later does not matter. Nobody has to wait for it.
 */
static void test_hash_of_a_file(void **state)
{
    enum { SIZE = 3000001 };
    uint8_t *bytes;
    char expected[65];
    graft_mapping mapping;
    graft_file_hash *hash, *unasked;
    (void)state;
    assert_int_equal(graft_allocate(&bytes, SIZE, 1), GRAFT_OK);
    for (size_t i = 0; i < SIZE; i++)
        bytes[i] = (uint8_t)(i * 31 >> 3);
    graft_sha256(bytes, SIZE, expected);
    assert_int_equal(graft_file_write("a", bytes, SIZE), GRAFT_OK);
    assert_int_equal(graft_mapping_open(&mapping, "a"), GRAFT_OK);
    assert_int_equal(graft_file_write("a", "other", 5), GRAFT_OK);
    assert_int_equal(graft_file_hash_begin(&hash, mapping.file), GRAFT_OK);
    assert_int_equal(graft_file_hash_begin(&unasked, mapping.file), GRAFT_OK);
    graft_mapping_close(&mapping);
    graft_file_hash_release(unasked);
    graft_file_hash_release(graft_file_hash_share(hash));
    assert_string_equal(graft_file_hash_text(hash), expected);
    assert_string_equal(graft_file_hash_text(hash), expected);
    graft_file_hash_release(hash);
    graft_file_hash_release(NULL);
    free(bytes);
}

static void test_reading(void **state)
{
    uint8_t *data = (uint8_t *)1;
    size_t size = 77;
    graft_mapping mapping = {NULL, 0, -1};
    (void)state;
    assert_int_equal(graft_file_write("a", "hello", 5), GRAFT_OK);
    assert_int_equal(graft_file_read("a", 4, &data, &size), GRAFT_EIO);
    assert_int_equal(graft_file_read("missing", 4, &data, &size), GRAFT_EIO);
    assert_string_equal(graft_error_message(), "missing: No such file or directory");
    assert_int_equal(graft_file_read(".", 4, &data, &size), GRAFT_EIO);
    assert_string_equal(graft_error_message(), ".: a folder, not a file");
    assert_int_equal(mkfifo("pipe", 0666), 0);
    assert_int_equal(graft_file_read("pipe", 4, &data, &size), GRAFT_EIO);
    assert_int_equal(graft_mapping_open(&mapping, "pipe"), GRAFT_EIO);
    assert_ptr_equal(data, (uint8_t *)1);
    assert_int_equal(size, 77);
    assert_int_equal(graft_mapping_open(&mapping, "a"), GRAFT_OK);
    assert_int_equal(mapping.size, 5);
    assert_memory_equal(mapping.data, "hello", 5);
    graft_mapping_close(&mapping);
    graft_mapping_close(&mapping);
    assert_int_equal(graft_file_write("a", "", 0), GRAFT_OK);
    assert_int_equal(graft_mapping_open(&mapping, "a"), GRAFT_OK);
    assert_int_equal(mapping.size, 0);
    graft_mapping_close(&mapping);
    unlink("pipe");
}

static void test_folders(void **state)
{
    char *path;
    (void)state;
    assert_int_equal(graft_folder_create("x/y//z/"), GRAFT_OK);
    assert_true(graft_path_is_folder("x/y/z"));
    assert_int_equal(graft_folder_create("x/y"), GRAFT_OK);
    assert_int_equal(graft_folder_create("/"), GRAFT_OK);
    assert_int_equal(graft_folder_create(""), GRAFT_EIO);
    assert_int_equal(graft_file_write("x/file", "", 0), GRAFT_OK);
    assert_int_equal(graft_folder_create("x/file"), GRAFT_EIO);
    assert_int_equal(graft_folder_create("x/file/y"), GRAFT_EIO);
    assert_int_equal(symlink("nowhere", "link"), 0);
    assert_true(graft_path_exists("link"));
    assert_false(graft_path_is_folder("link"));
    assert_false(graft_path_exists("nowhere"));
    assert_int_equal(graft_path_join(&path, "a", "b"), GRAFT_OK);
    assert_string_equal(path, "a/b");
    free(path);
    assert_int_equal(graft_path_join(&path, "/", "b"), GRAFT_OK);
    assert_string_equal(path, "/b");
    free(path);
    assert_string_equal(graft_path_base("a/b/c.png"), "c.png");
    assert_string_equal(graft_path_base("c.png"), "c.png");
}

static void check_cache(const char *xdg, const char *home, const char *expected)
{
    char *path = NULL;
    xdg ? setenv("XDG_CACHE_HOME", xdg, 1) : unsetenv("XDG_CACHE_HOME");
    home ? setenv("HOME", home, 1) : unsetenv("HOME");
    assert_int_equal(graft_cache_path(&path, "weights"), expected ? GRAFT_OK : GRAFT_ENOTFOUND);
    if (expected)
        assert_string_equal(path, expected);
    free(path);
}

static void test_cache(void **state)
{
    (void)state;
    check_cache("/c", "/h", "/c/graft/weights");
    check_cache(NULL, "/h", "/h/.cache/graft/weights");
    check_cache("relative", "/h", "/h/.cache/graft/weights");
    check_cache("", "", NULL);
    check_cache(NULL, NULL, NULL);
}

static void test_cores_follow_the_affinity(void **state)
{
    cpu_set_t before, one;
    (void)state;
    int cores = graft_cores();
    assert_int_equal(sched_getaffinity(0, sizeof before, &before), 0);
    assert_in_range(cores, 1, CPU_COUNT(&before));
    CPU_ZERO(&one);
    for (int cpu = 0; cpu < CPU_SETSIZE && CPU_COUNT(&one) == 0; cpu++)
        if (CPU_ISSET(cpu, &before))
            CPU_SET(cpu, &one);
    assert_int_equal(sched_setaffinity(0, sizeof one, &one), 0);
    assert_int_equal(graft_cores(), 1);
    assert_int_equal(sched_setaffinity(0, sizeof before, &before), 0);
}

static void test_peak_and_clock(void **state)
{
    enum { SIZE = 64 << 20 };
    (void)state;
    double began = graft_clock();
    size_t before = graft_memory_peak();
    volatile char *large = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    for (size_t i = 0; i < SIZE; i += 4096)
        large[i] = 1;
    assert_true(before > 0 && graft_memory_peak() >= before + SIZE / 2);
    munmap((void *)large, SIZE);
    assert_true(graft_clock() >= began);
}

static void test_sha256(void **state)
{
    char text[65];
    (void)state;
    graft_sha256("abc", 3, text);
    assert_string_equal(text, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    graft_sha256("", 0, text);
    assert_string_equal(text, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_written_whole),  cmocka_unit_test(test_not_at_all),
        cmocka_unit_test(test_a_full_disk),    cmocka_unit_test(test_failing_allocations),
        cmocka_unit_test(test_reading),        cmocka_unit_test(test_folders),
        cmocka_unit_test(test_cache),          cmocka_unit_test(test_cores_follow_the_affinity),
        cmocka_unit_test(test_peak_and_clock), cmocka_unit_test(test_sha256),
        cmocka_unit_test(test_hash_of_a_file),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
