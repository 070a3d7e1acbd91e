/* Datasets: how folders are read, what is skipped and why, what is held out, and every way in which a folder
 * can be wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <sys/wait.h>

#include <graft/data.h>

#include "base/file.h"
#include "base/hash.h"
#include "base/memory.h"
#include "pictures.h"

/* ---- Helpers ---- */

static graft_dataset_options usual(void)
{
    graft_dataset_options options = GRAFT_DATASET_OPTIONS_INIT;
    return options;
}

static graft_dataset *opened_with(const char *path, const graft_dataset_options *options)
{
    graft_dataset *dataset = NULL;
    if (graft_dataset_open(&dataset, path, options) != GRAFT_OK)
        fail_msg("%s", graft_error_message());
    return dataset;
}

static graft_dataset *opened(const char *path, double held_out)
{
    graft_dataset_options options = usual();
    options.held_out = held_out;
    return opened_with(path, &options);
}

static void refused_with(const char *path, const graft_dataset_options *options, graft_status expected,
                         const char *sentence)
{
    graft_dataset *dataset = NULL;
    graft_status status = graft_dataset_open(&dataset, path, options);
    if (status != expected)
        fail_msg("%s: %s (%s)", path, graft_status_name(status), graft_error_message());
    assert_null(dataset);
    assert_string_equal(graft_error_message(), sentence);
}

static void refused(const char *path, graft_status expected, const char *sentence)
{
    graft_dataset_options options = usual();
    refused_with(path, &options, expected, sentence);
}

static graft_sample sample_of(const graft_dataset *dataset, const char *name)
{
    for (size_t i = 0; i < graft_dataset_count(dataset); i++)
        if (strcmp(graft_dataset_sample(dataset, i).name, name) == 0)
            return graft_dataset_sample(dataset, i);
    fail_msg("there is no %s", name);
    return (graft_sample){0};
}

static bool is_there(const graft_dataset *dataset, const char *name)
{
    for (size_t i = 0; i < graft_dataset_count(dataset); i++)
        if (strcmp(graft_dataset_sample(dataset, i).name, name) == 0)
            return true;
    return false;
}

static bool is_ignored(const graft_dataset *dataset, const char *name)
{
    for (size_t i = 0; i < graft_dataset_ignored_count(dataset); i++)
        if (strcmp(graft_dataset_ignored(dataset, i), name) == 0)
            return true;
    return false;
}

static void assert_classes(const graft_dataset *dataset, const char *joined)
{
    char all[512] = "";
    for (size_t i = 0; i < graft_dataset_class_count(dataset); i++) {
        assert_ptr_equal(graft_dataset_classes(dataset)[i], graft_dataset_class(dataset, i));
        strcat(strcat(all, i ? " " : ""), graft_dataset_class(dataset, i));
    }
    assert_string_equal(all, joined);
}

static int counted(const graft_dataset *dataset, graft_set set, int label)
{
    return (int)graft_dataset_set_count(dataset, set, label);
}

static void assert_cause(const graft_dataset *dataset, const char *name, const char *cause)
{
    graft_sample sample = sample_of(dataset, name);
    assert_int_equal(sample.set, GRAFT_SET_SKIPPED);
    assert_string_equal(sample.cause, cause);
}

/* ---- How folders are read ---- */

static void test_class_folders(void **state)
{
    (void)state;
    make_picture("d/ant/b.ppm", 1);
    make_picture("d/ant/a.PNG", 2);
    make_picture("d/ant/deep/er/c.jpeg", 3);
    make_picture("d/Zebra/x.TiFf", 4);
    make_picture("d/\xc3\xa4mse/x.webp", 5);
    make_text("d/ant/notes.txt", "not a picture");
    make_text("d/ant/noextension", "");
    make_text("d/README.md", "");
    make_picture("d/loose.ppm", 6);
    make_picture("d/.hidden/x.ppm", 7);
    make_picture("d/ant/.x.ppm", 8);
    const char *paths[] = {"d", "d/", "./d//"};
    for (size_t i = 0; i < 3; i++) {
        graft_dataset *dataset = opened(paths[i], 0);
        assert_classes(dataset, "Zebra ant \xc3\xa4mse");
        assert_int_equal(graft_dataset_count(dataset), 5);
        assert_int_equal(counted(dataset, GRAFT_SET_TRAIN, -1), 5);
        assert_int_equal(counted(dataset, GRAFT_SET_TRAIN, 1), 3);
        assert_int_equal(counted(dataset, GRAFT_SET_ALL, 1), 3);
        assert_string_equal(graft_dataset_sample(dataset, 0).name, "Zebra/x.TiFf");
        assert_string_equal(graft_dataset_sample(dataset, 1).name, "ant/a.PNG");
        assert_string_equal(graft_dataset_sample(dataset, 3).name, "ant/deep/er/c.jpeg");
        assert_int_equal(sample_of(dataset, "ant/deep/er/c.jpeg").label, 1);
        assert_true(graft_path_exists(sample_of(dataset, "ant/b.ppm").path));
        assert_int_equal(graft_dataset_ignored_count(dataset), 4);
        assert_true(is_ignored(dataset, "ant/notes.txt") && is_ignored(dataset, "ant/noextension"));
        assert_true(is_ignored(dataset, "README.md") && is_ignored(dataset, "loose.ppm"));
        assert_false(graft_dataset_has_own_held_out(dataset));
        graft_dataset_free(dataset);
    }
    graft_dataset_free(NULL);
}

static void make_halves(const char *held_out)
{
    char path[64];
    make_pictures("d/train/cats", 3);
    make_pictures("d/train/dogs", 2);
    snprintf(path, sizeof path, "d/%s/dogs", held_out);
    make_pictures(path, 4);
}

static void test_train_beside_a_held_out_folder(void **state)
{
    (void)state;
    const char *names[] = {"val", "valid", "validation"};
    for (size_t i = 0; i < 3; i++) {
        char name[64];
        make_halves(names[i]);
        make_text("d/test/wolves/broken.jpg", "never looked at");
        make_picture("d/extra/x.ppm", 1);
        make_text("d/labels.csv", "");
        graft_dataset *dataset = opened("d", GRAFT_AUTO);
        assert_classes(dataset, "cats dogs");
        assert_true(graft_dataset_has_own_held_out(dataset));
        assert_int_equal(graft_dataset_count(dataset), 9);
        assert_int_equal(counted(dataset, GRAFT_SET_TRAIN, -1), 5);
        assert_int_equal(counted(dataset, GRAFT_SET_HELD_OUT, 0), 0);
        assert_int_equal(counted(dataset, GRAFT_SET_HELD_OUT, 1), 4);
        snprintf(name, sizeof name, "%s/dogs/003.ppm", names[i]);
        assert_int_equal(sample_of(dataset, name).set, GRAFT_SET_HELD_OUT);
        assert_int_equal(sample_of(dataset, "train/dogs/001.ppm").set, GRAFT_SET_TRAIN);
        assert_int_equal(graft_dataset_ignored_count(dataset), 2);
        assert_true(is_ignored(dataset, "extra") && is_ignored(dataset, "labels.csv"));
        graft_dataset_free(dataset);
        empty_folder(NULL);
    }
}

static void test_train_without_a_held_out_folder(void **state)
{
    (void)state;
    make_pictures("d/train/cats", 5);
    make_pictures("d/train/dogs", 5);
    make_pictures("d/test/wolves", 5);
    graft_dataset *dataset = opened("d", GRAFT_AUTO);
    assert_classes(dataset, "cats dogs");
    assert_false(graft_dataset_has_own_held_out(dataset));
    assert_int_equal(counted(dataset, GRAFT_SET_TRAIN, -1), 8);
    assert_int_equal(counted(dataset, GRAFT_SET_HELD_OUT, -1), 2);
    graft_dataset_free(dataset);
}

static void test_a_train_is_a_class_among_vehicles(void **state)
{
    (void)state;
    make_pictures("d/train", 2);
    make_pictures("d/train/steam", 1);
    make_pictures("d/car", 2);
    make_pictures("d/test", 2);
    graft_dataset *dataset = opened("d", 0);
    assert_classes(dataset, "car test train");
    assert_int_equal(counted(dataset, GRAFT_SET_TRAIN, 2), 3);
    graft_dataset_free(dataset);
    make_pictures("two/train", 2);
    make_pictures("two/test", 2);
    dataset = opened("two", 0);
    assert_classes(dataset, "test train");
    graft_dataset_free(dataset);
}

static void test_nothing_held_out_leaves_the_val_folder_alone(void **state)
{
    (void)state;
    make_halves("val");
    make_text("d/val/wolves/broken.jpg", "");
    graft_dataset *dataset = opened("d", 0);
    assert_int_equal(graft_dataset_count(dataset), 5);
    assert_int_equal(counted(dataset, GRAFT_SET_TRAIN, -1), 5);
    assert_false(graft_dataset_has_own_held_out(dataset));
    graft_dataset_free(dataset);
}

/* ---- A held-out folder that is named ---- */

static void test_a_named_folder_is_held_out(void **state)
{
    (void)state;
    graft_dataset_options options = usual();
    char absolute[512];
    make_pictures("d/cats", 2);
    make_pictures("d/dogs", 2);
    make_pictures("elsewhere/dogs", 3);
    snprintf(absolute, sizeof absolute, "%s/elsewhere", pictures_folder);
    const char *folders[] = {"elsewhere", "./elsewhere", "d/../elsewhere/", absolute};
    for (size_t i = 0; i < 4; i++) {
        options.held_out_folder = folders[i];
        graft_dataset *dataset = opened_with("d", &options);
        assert_true(graft_dataset_has_own_held_out(dataset));
        assert_int_equal(counted(dataset, GRAFT_SET_TRAIN, -1), 4);
        assert_int_equal(counted(dataset, GRAFT_SET_HELD_OUT, 1), 3);
        graft_sample sample = graft_dataset_sample(dataset, 4);
        assert_true(sample.name[0] == '/' || sample.name[0] == '.');
        assert_true(graft_path_exists(sample.path) && graft_path_exists(sample.name));
        graft_dataset_free(dataset);
    }
}

static void test_a_held_out_folder_in_the_data(void **state)
{
    (void)state;
    graft_dataset_options options = usual();
    make_pictures("d/cats", 2);
    make_pictures("d/dogs", 2);
    make_pictures("d/judge/dogs", 3);
    assert_int_equal(symlink("d", "link"), 0);
    const char *folders[] = {"d/judge", "link/judge/", "d/./judge"};
    for (size_t i = 0; i < 3; i++) {
        options.held_out_folder = folders[i];
        graft_dataset *dataset = opened_with("d", &options);
        assert_classes(dataset, "cats dogs");
        assert_int_equal(graft_dataset_count(dataset), 7);
        assert_int_equal(sample_of(dataset, "judge/dogs/002.ppm").set, GRAFT_SET_HELD_OUT);
        assert_int_equal(graft_dataset_ignored_count(dataset), 0);
        graft_dataset_free(dataset);
    }
    make_pictures("deep/cats", 2);
    make_pictures("deep/dogs/judge/cats", 3);
    make_pictures("deep/dogs/young", 1);
    options.held_out_folder = "deep/dogs/judge";
    graft_dataset *dataset = opened_with("deep", &options);
    assert_int_equal(graft_dataset_count(dataset), 6);
    assert_int_equal(counted(dataset, GRAFT_SET_TRAIN, 1), 1);
    assert_int_equal(sample_of(dataset, "dogs/judge/cats/000.ppm").label, 0);
    graft_dataset_free(dataset);
}

static void test_contradictions_about_what_is_held_out(void **state)
{
    (void)state;
    graft_dataset_options options = usual();
    make_halves("val");
    make_pictures("elsewhere/dogs", 1);
    options.held_out = 0.25;
    refused_with("d", &options, GRAFT_EARGUMENT,
                 "d: held-out pictures of its own lie in val/, so a fraction (0.25) cannot be held out");
    options.held_out_folder = "elsewhere";
    refused_with("d", &options, GRAFT_EARGUMENT,
                 "a folder (elsewhere) and a fraction (0.25) cannot both be held out");
    options.held_out = GRAFT_AUTO;
    refused_with("d", &options, GRAFT_EARGUMENT,
                 "d: held-out pictures of its own lie in val/, so elsewhere cannot be held out");
    options.held_out_folder = "d/train";
    refused_with("d", &options, GRAFT_EARGUMENT,
                 "d/train: the held-out folder is the training folder itself");
    options.held_out_folder = "nowhere";
    refused_with("d", &options, GRAFT_ENOTFOUND, "nowhere: there is no such folder");
    options.sight = (graft_sight)2;
    refused_with("d", &options, GRAFT_EARGUMENT, "there is no sight number 2");
    options.sight = GRAFT_AS_SEEN;
    options.held_out_folder = "d/val/../val/";
    graft_dataset_free(opened_with("d", &options));
    options.held_out_folder = NULL;
    const double fractions[] = {1.0, -0.5, 2.0, NAN, INFINITY};
    for (size_t i = 0; i < 5; i++) {
        graft_dataset *dataset = NULL;
        options.held_out = fractions[i];
        assert_int_equal(graft_dataset_open(&dataset, "d", &options), GRAFT_EARGUMENT);
        assert_non_null(strstr(graft_error_message(), "0 or more and less than 1 can"));
    }
}

static void test_a_held_out_folder_must_make_sense(void **state)
{
    (void)state;
    graft_dataset_options options = usual();
    make_halves("val");
    make_pictures("d/val/wolves", 1);
    refused("d", GRAFT_EFORMAT, "d/val/wolves: a held-out class that d/train lacks");
    make_picture("d/valid/dogs/x.ppm", 1);
    refused("d", GRAFT_EFORMAT, "d: two held-out folders beside train/: val/ and valid/");
    empty_folder(NULL);
    make_halves("val");
    make_text("d/train/cats/broken.jpg", "");
    assert_int_equal(system("rm d/val/dogs/*"), 0);
    refused("d", GRAFT_EFORMAT, "d/val: no pictures here");
    make_text("d/val/dogs/damaged.jpg", "");
    refused("d", GRAFT_EFORMAT, "d/val: no picture can be read (val/dogs/damaged.jpg: is empty)");
    assert_int_equal(system("rm d/train/dogs/*"), 0);
    refused("d", GRAFT_EFORMAT, "d/train/dogs: no pictures here");
    empty_folder(NULL);
    make_pictures("d/cats", 2);
    make_pictures("d/dogs", 2);
    make_pictures("loose", 2);
    options.held_out_folder = "loose";
    refused_with("d", &options, GRAFT_EFORMAT,
                 "./loose: holds pictures (2) but no class folders; each class needs a folder of its own");
    assert_int_equal(graft_folder_create("none/cats"), GRAFT_OK);
    options.held_out_folder = "none";
    refused_with("d", &options, GRAFT_EFORMAT, "./none: no pictures here");
    options.held_out_folder = "d";
    refused_with("d", &options, GRAFT_EARGUMENT, "d: the held-out folder is the training folder itself");
}

/* ---- Folders that are no dataset ---- */

static void test_what_is_no_dataset(void **state)
{
    (void)state;
    make_text("file.jpg", "");
    assert_int_equal(mkdir("empty", 0777), 0);
    assert_int_equal(symlink("loop", "loop"), 0);
    make_pictures("loose", 3);
    make_text("loose/notes.txt", "");
    make_text("texts/notes.txt", "");
    make_pictures("one/cats", 3);
    make_pictures("hollow/cats", 3);
    assert_int_equal(graft_folder_create("hollow/dogs/deep"), GRAFT_OK);
    make_text("hollow/dogs/notes.txt", "");
    make_pictures("broken/cats", 3);
    make_text("broken/dogs/x.jpg", "");
    make_pictures("bytes/cats", 3);
    make_pictures("bytes/d\xf6gs", 3);
    refused("nowhere", GRAFT_ENOTFOUND, "nowhere: there is no such folder");
    refused("", GRAFT_ENOTFOUND, ": there is no such folder");
    refused("file.jpg/below", GRAFT_ENOTFOUND, "file.jpg/below: there is no such folder");
    refused("file.jpg", GRAFT_EFORMAT,
            "file.jpg: a file, where a folder with a folder for each class is wanted");
    refused("empty", GRAFT_EFORMAT, "empty: the folder is empty");
    refused("loop", GRAFT_EIO, "loop: a loop of links, not a folder");
    refused("loose", GRAFT_EFORMAT,
            "loose: holds pictures (3) but no class folders; each class needs a folder of its own");
    refused("texts", GRAFT_EFORMAT, "texts: no folders here, where a folder for each class is wanted");
    refused("one", GRAFT_EFORMAT, "one: one class only, cats, where two at least are needed");
    refused("hollow", GRAFT_EFORMAT, "hollow/dogs: no pictures here");
    refused("broken", GRAFT_EFORMAT, "broken/dogs: no picture can be read (dogs/x.jpg: is empty)");
    refused("bytes", GRAFT_EFORMAT, "bytes: the name of class folder 2 is not UTF-8");
}

/* Runs `check` in a process that permissions hold for; what it returns comes back. */
static int as_another_user(int (*check)(void))
{
    fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        _exit(geteuid() == 0 && (setgid(65534) != 0 || setuid(65534) != 0) ? 99 : check());
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static bool says(const char *path, const char *sentence)
{
    graft_dataset *dataset = NULL;
    graft_dataset_options options = usual();
    options.held_out = 0.0;
    return graft_dataset_open(&dataset, path, &options) == GRAFT_EIO &&
           strcmp(graft_error_message(), sentence) == 0;
}

static int check_locked(void)
{
    graft_dataset *dataset;
    graft_dataset_options options = usual();
    if (!says("locked", "locked: the folder cannot be read: Permission denied"))
        return 1;
    if (!says("locked/cats", "locked/cats: the folder cannot be read: Permission denied"))
        return 2;
    if (!says("shut", "shut/cats: cannot be read: Permission denied"))
        return 3;
    if (graft_dataset_open(&dataset, "d", &options) != GRAFT_OK)
        return 4;
    if (strcmp(sample_of(dataset, "cats/x.ppm").cause, "Permission denied") != 0)
        return 5;
    if (strcmp(sample_of(dataset, "cats/sub").cause, "the folder cannot be read: Permission denied") != 0)
        return 6;
    int skipped = counted(dataset, GRAFT_SET_SKIPPED, 0);
    graft_dataset_free(dataset);
    return skipped == 2 ? 0 : 7;
}

static void test_what_may_not_be_read(void **state)
{
    (void)state;
    make_pictures("locked/cats", 1);
    make_pictures("shut/cats", 1);
    make_pictures("d/cats", 2);
    make_pictures("d/dogs", 2);
    make_picture("d/cats/x.ppm", 1);
    make_pictures("d/cats/sub", 2);
    assert_int_equal(chmod("locked", 0000), 0);
    assert_int_equal(chmod("shut", 0444), 0);
    assert_int_equal(chmod("d/cats/x.ppm", 0000), 0);
    assert_int_equal(chmod("d/cats/sub", 0000), 0);
    assert_int_equal(as_another_user(check_locked), 0);
}

/* ---- Links ---- */

static void test_links_are_followed_and_their_loops_end(void **state)
{
    (void)state;
    make_pictures("pool", 3);
    make_pictures("d/cats", 2);
    make_pictures("d/dogs/deep", 2);
    assert_int_equal(symlink("../../pool/000.ppm", "d/cats/linked.ppm"), 0);
    assert_int_equal(symlink("../../pool", "d/cats/pool"), 0);
    assert_int_equal(symlink("../pool", "d/pool"), 0);
    assert_int_equal(symlink("../..", "d/cats/up"), 0); /* below it lies the pool again, and d */
    assert_int_equal(symlink("..", "d/cats/root"), 0);  /* d itself */
    assert_int_equal(symlink("../../dogs", "d/dogs/deep/back"), 0);
    assert_int_equal(symlink(".", "d/self"), 0);
    assert_int_equal(symlink("loop.ppm", "d/cats/loop.ppm"), 0);
    assert_int_equal(symlink("nowhere", "d/cats/gone.ppm"), 0);
    assert_int_equal(symlink("nowhere", "d/cats/gone.txt"), 0);
    assert_int_equal(symlink("nowhere", "d/gone"), 0);
    graft_dataset *dataset = opened("d", 0);
    assert_classes(dataset, "cats dogs pool");
    assert_int_equal(counted(dataset, GRAFT_SET_TRAIN, 0), 6); /* 2, linked, pool's 3 once */
    assert_int_equal(counted(dataset, GRAFT_SET_TRAIN, 1), 2);
    assert_int_equal(counted(dataset, GRAFT_SET_TRAIN, 2), 3);
    assert_true(is_there(dataset, "cats/linked.ppm") && is_there(dataset, "cats/pool/002.ppm"));
    assert_cause(dataset, "cats/loop.ppm", "a loop of links");
    assert_cause(dataset, "cats/gone.ppm", "a link that leads nowhere");
    const char *ignored[] = {"cats/gone.txt",  "cats/root", "cats/up/pool", "cats/up/d",
                             "dogs/deep/back", "gone",      "self"};
    for (size_t i = 0; i < sizeof ignored / sizeof *ignored; i++)
        if (!is_ignored(dataset, ignored[i]))
            fail_msg("%s was not ignored", ignored[i]);
    assert_int_equal(graft_dataset_ignored_count(dataset), sizeof ignored / sizeof *ignored);
    graft_dataset_free(dataset);
}

/* ---- What is skipped ---- */

static void test_what_cannot_be_read_is_skipped_with_its_cause(void **state)
{
    (void)state;
    make_pictures("d/cats", 3);
    make_pictures("d/dogs", 3);
    make_picture_cut("d/dogs/cut.ppm", 1, 4);
    make_text("d/dogs/empty.png", "");
    make_text("d/dogs/page.jpg", "<!DOCTYPE html>");
    make_text("d/dogs/moving.jpg", "GIF89a");
    assert_int_equal(mkfifo("d/dogs/pipe.bmp", 0666), 0);
    for (int workers = 0; workers <= 4; workers += 2) {
        graft_dataset_options options = usual();
        options.workers = workers;
        graft_dataset *dataset = opened_with("d", &options);
        assert_int_equal(graft_dataset_count(dataset), 11);
        assert_int_equal(counted(dataset, GRAFT_SET_SKIPPED, 1), 5);
        assert_int_equal(counted(dataset, GRAFT_SET_SKIPPED, -1), 5);
        assert_int_equal(counted(dataset, GRAFT_SET_ALL, -1), 6);
        assert_cause(dataset, "dogs/cut.ppm", "ends early (253 of 853 bytes)");
        assert_cause(dataset, "dogs/empty.png", "is empty");
        assert_cause(dataset, "dogs/moving.jpg", "is a GIF, which is not read");
        assert_cause(dataset, "dogs/pipe.bmp", "a device or pipe, not a file");
        assert_non_null(strstr(sample_of(dataset, "dogs/page.jpg").cause, "is not a picture"));
        assert_null(sample_of(dataset, "dogs/000.ppm").cause);
        graft_dataset_free(dataset);
    }
}

static void test_content_tells_the_same_picture(void **state)
{
    (void)state;
    char digits[65];
    uint8_t *bytes;
    size_t size;
    make_halves("val");
    make_picture("d/train/cats/same.ppm", 7777);
    make_picture("d/val/dogs/other.ppm", 7777);
    make_text("d/train/cats/abc.jpg", "abc");
    graft_dataset *dataset = opened("d", GRAFT_AUTO);
    uint64_t content = sample_of(dataset, "train/cats/same.ppm").content;
    assert_true(content == sample_of(dataset, "val/dogs/other.ppm").content);
    assert_true(content != sample_of(dataset, "val/dogs/000.ppm").content);
    assert_int_equal(graft_file_read("d/val/dogs/other.ppm", SIZE_MAX, &bytes, &size), GRAFT_OK);
    graft_sha256(bytes, size, digits);
    digits[16] = 0;
    assert_true(content == strtoull(digits, NULL, 16));
    /* FIPS 180-2's example; a file that is no picture was read all the same */
    assert_true(sample_of(dataset, "train/cats/abc.jpg").content == UINT64_C(0xba7816bf8f01cfea));
    free(bytes);
    graft_dataset_free(dataset);
}

/* ---- The fixed split ---- */

static int held_out_of(int n, double fraction)
{
    make_pictures("d/cats", n);
    make_pictures("d/dogs", 10);
    graft_dataset *dataset = opened("d", fraction);
    int held_out = counted(dataset, GRAFT_SET_HELD_OUT, 0);
    assert_int_equal(counted(dataset, GRAFT_SET_TRAIN, 0), n - held_out);
    graft_dataset_free(dataset);
    empty_folder(NULL);
    return held_out;
}

static void test_how_many_are_held_out(void **state)
{
    (void)state;
    assert_int_equal(held_out_of(1, 0.2), 0);
    assert_int_equal(held_out_of(2, 0.2), 1);
    assert_int_equal(held_out_of(7, 0.2), 1);
    assert_int_equal(held_out_of(8, 0.2), 2);
    assert_int_equal(held_out_of(20, GRAFT_AUTO), 4);
    assert_int_equal(held_out_of(20, 0.001), 1);
    assert_int_equal(held_out_of(3, 0.99), 2);
    assert_int_equal(held_out_of(20, 0), 0);
}

/* How many of the names that both have lie in another set. */
static int moved(const graft_dataset *a, const graft_dataset *b)
{
    int count = 0;
    for (size_t i = 0; i < graft_dataset_count(a); i++) {
        graft_sample sample = graft_dataset_sample(a, i);
        count += is_there(b, sample.name) && sample_of(b, sample.name).set != sample.set;
    }
    return count;
}

static void test_the_split_is_fixed(void **state)
{
    (void)state;
    make_pictures("d/cats", 60);
    make_pictures("d/dogs", 60);
    graft_dataset *first = opened("d", 0.2), *again = opened("./d/", 0.2);
    assert_int_equal(moved(first, again), 0);
    assert_int_equal(rename("d", "moved"), 0);
    graft_dataset *elsewhere = opened("moved", 0.2);
    assert_int_equal(moved(first, elsewhere), 0);
    make_picture("moved/cats/added.ppm", 1);
    make_picture("moved/dogs/added.ppm", 2);
    make_text("moved/dogs/broken.jpg", "");
    graft_dataset *added = opened("moved", 0.2);
    assert_true(moved(first, added) <= 2);
    graft_dataset_options options = usual();
    options.seed = 1;
    graft_dataset *other = opened_with("moved", &options);
    assert_true(moved(added, other) > 10);
    graft_dataset *all[] = {first, again, elsewhere, added, other};
    for (size_t i = 0; i < 5; i++)
        graft_dataset_free(all[i]);
}

/* Names that differ in one digit only: neighbours must not go together. */
static void test_the_split_does_not_follow_names(void **state)
{
    (void)state;
    int pairs = 0;
    make_pictures("d/cats", 100);
    make_pictures("d/dogs", 100);
    graft_dataset *dataset = opened("d", 0.5);
    for (size_t i = 1; i < 200; i++)
        pairs += graft_dataset_sample(dataset, i).set == graft_dataset_sample(dataset, i - 1).set;
    assert_true(pairs > 70 && pairs < 130);
    graft_dataset_free(dataset);
}

/* ---- What was decoded before ---- */

/* How many allocations it takes to open the folder. */
static long allocations_of(const graft_dataset_options *options)
{
    for (long n = 1;; n++) {
        graft_dataset *dataset = NULL;
        graft_memory_fail_after(n);
        graft_status status = graft_dataset_open(&dataset, "d", options);
        graft_memory_fail_after(0);
        graft_dataset_free(dataset);
        if (status == GRAFT_OK)
            return n;
        assert_int_equal(status, GRAFT_EMEMORY);
    }
}

static void test_known_contents_are_not_decoded_again(void **state)
{
    (void)state;
    graft_dataset_options options = usual();
    make_pictures("d/cats", 20);
    make_pictures("d/dogs", 20);
    make_text("d/dogs/broken.png", "\x89PNG\r\n\x1a\n");
    options.workers = 0;
    long plain = allocations_of(&options);
    options.cache = (graft_cache){GRAFT_CACHE_DISK, "c", GRAFT_CACHE_SIZE};
    graft_dataset_free(opened_with("d", &options));
    assert_true(allocations_of(&options) < plain);
    assert_int_equal(rename("d/cats/003.ppm", "d/dogs/other.ppm"), 0); /* whatever its name is */
    make_picture("d/cats/new.ppm", 77);
    for (int i = 0; i < 2; i++) {
        graft_dataset *dataset = opened_with("d", &options);
        assert_int_equal(counted(dataset, GRAFT_SET_ALL, -1), 41);
        assert_int_equal(counted(dataset, GRAFT_SET_SKIPPED, -1), 1);
        assert_true(sample_of(dataset, "cats/new.ppm").content != 0);
        graft_dataset_free(dataset);
    }
    options.sight = GRAFT_AS_PILLOW; /* another way to see is another file */
    graft_dataset_free(opened_with("d", &options));
    options.cache.folder = "d/cats/001.ppm"; /* no folder: no matter */
    graft_dataset_free(opened_with("d", &options));
}

/* ---- Folds ---- */

static void assert_fold(graft_dataset *dataset, int folds, int fold, int *held)
{
    assert_int_equal(graft_dataset_fold(dataset, folds, fold, 3), GRAFT_OK);
    for (size_t i = 0; i < graft_dataset_count(dataset); i++)
        held[i] += graft_dataset_sample(dataset, i).set == GRAFT_SET_HELD_OUT;
    int n = counted(dataset, GRAFT_SET_TRAIN, -1) + counted(dataset, GRAFT_SET_HELD_OUT, -1);
    int part = counted(dataset, GRAFT_SET_HELD_OUT, -1);
    assert_true(part == n / folds || part == n / folds + 1);
    for (int label = 0; label < 3; label++) {
        int of_class = counted(dataset, GRAFT_SET_TRAIN, label);
        part = counted(dataset, GRAFT_SET_HELD_OUT, label);
        of_class += part;
        assert_true(part == of_class / folds || part == of_class / folds + 1);
    }
}

static void test_folds(void **state)
{
    (void)state;
    make_pictures("d/cats", 23);
    make_pictures("d/dogs", 11);
    make_pictures("d/owls", 6);
    make_text("d/owls/broken.jpg", "");
    graft_dataset *dataset = opened("d", 0.2), *untouched = opened("d", 0.2);
    int held[41] = {0}, held_out = counted(dataset, GRAFT_SET_HELD_OUT, -1);
    for (int fold = 0; fold < 5; fold++) {
        assert_fold(dataset, 5, fold, held);
        assert_int_equal(counted(dataset, GRAFT_SET_ASIDE, -1), held_out);
        assert_int_equal(counted(dataset, GRAFT_SET_SKIPPED, -1), 1);
        assert_int_equal(counted(dataset, GRAFT_SET_ALL, -1), 40);
    }
    for (size_t i = 0; i < graft_dataset_count(dataset); i++)
        assert_int_equal(held[i], graft_dataset_sample(untouched, i).set == GRAFT_SET_TRAIN);
    assert_int_equal(graft_dataset_fold(dataset, 0, -1, 0), GRAFT_OK);
    assert_int_equal(moved(untouched, dataset), 0);
    graft_dataset_free(dataset);
    graft_dataset_free(untouched);
}

static void test_folds_differ_by_seed_and_can_be_refused(void **state)
{
    (void)state;
    make_pictures("d/cats", 20);
    make_pictures("d/dogs", 20);
    graft_dataset *a = opened("d", 0), *b = opened("d", 0);
    assert_int_equal(graft_dataset_fold(a, 2, 0, 0), GRAFT_OK);
    assert_int_equal(graft_dataset_fold(b, 2, 0, 0), GRAFT_OK);
    assert_int_equal(moved(a, b), 0);
    assert_int_equal(graft_dataset_fold(b, 2, 0, 1), GRAFT_OK);
    assert_true(moved(a, b) > 5);
    assert_int_equal(graft_dataset_fold(a, 1, 0, 0), GRAFT_EARGUMENT);
    assert_int_equal(graft_dataset_fold(a, 5, 5, 0), GRAFT_EARGUMENT);
    assert_int_equal(graft_dataset_fold(a, 5, -2, 0), GRAFT_EARGUMENT);
    assert_string_equal(graft_error_message(), "there is no fold -2 of 5");
    assert_int_equal(graft_dataset_fold(a, 41, 0, 0), GRAFT_EARGUMENT);
    assert_string_equal(graft_error_message(), "40 pictures cannot be dealt to 41 folds");
    assert_int_equal(graft_dataset_fold(a, 40, 0, 0), GRAFT_OK);
    assert_int_equal(counted(a, GRAFT_SET_HELD_OUT, -1), 1);
    graft_dataset_free(a);
    graft_dataset_free(b);
}

/* ---- For evaluation, and lists ---- */

static const char *const models_classes[] = {"wolf", "cats", "owl", "dogs"};

static void refused_for(const char *path, const char *const *classes, graft_status expected,
                        const char *sentence)
{
    graft_dataset *dataset = NULL;
    graft_dataset_options options = usual();
    assert_int_equal(graft_dataset_open_for(&dataset, path, classes, 4, &options), expected);
    assert_null(dataset);
    assert_string_equal(graft_error_message(), sentence);
}

static void test_labels_in_the_models_order(void **state)
{
    (void)state;
    graft_dataset *dataset;
    graft_dataset_options options = usual();
    make_pictures("some/dogs", 2);
    make_pictures("some/cats", 3);
    assert_int_equal(mkdir("some/owl", 0777), 0);
    assert_int_equal(graft_dataset_open_for(&dataset, "some", models_classes, 4, &options), GRAFT_OK);
    assert_classes(dataset, "wolf cats owl dogs");
    assert_int_equal(counted(dataset, GRAFT_SET_TRAIN, 3), 2);
    assert_int_equal(counted(dataset, GRAFT_SET_TRAIN, 1), 3);
    assert_int_equal(counted(dataset, GRAFT_SET_ALL, -1), 5);
    assert_int_equal(sample_of(dataset, "dogs/000.ppm").label, 3);
    graft_dataset_free(dataset);
    make_halves("val");
    make_text("d/test/nothing.txt", "");
    options.held_out = 0;
    assert_int_equal(graft_dataset_open_for(&dataset, "d", models_classes, 4, &options), GRAFT_OK);
    assert_int_equal(counted(dataset, GRAFT_SET_TRAIN, 3), 6);
    assert_int_equal(counted(dataset, GRAFT_SET_HELD_OUT, -1), 0);
    assert_false(graft_dataset_has_own_held_out(dataset));
    assert_int_equal(sample_of(dataset, "val/dogs/000.ppm").label, 3);
    graft_dataset_free(dataset);
}

static void test_labels_by_index(void **state)
{
    (void)state;
    graft_dataset *dataset;
    graft_dataset_options options = usual();
    make_pictures("d/2", 2);
    make_pictures("d/0003", 1);
    assert_int_equal(graft_dataset_open_for(&dataset, "d", NULL, 4, &options), GRAFT_OK);
    assert_classes(dataset, "0 1 2 3");
    assert_int_equal(counted(dataset, GRAFT_SET_TRAIN, 2), 2);
    assert_int_equal(counted(dataset, GRAFT_SET_TRAIN, 3), 1);
    graft_dataset_free(dataset);
    const char *bad[] = {"4", "2x", "-1", "99999999999999999999999999"};
    for (size_t i = 0; i < 4; i++) {
        char path[64], sentence[128];
        snprintf(path, sizeof path, "d/%s", bad[i]);
        assert_int_equal(mkdir(path, 0777), 0);
        snprintf(sentence, sizeof sentence, "%s: the folder's name is no class index (0 to 3)", path);
        refused_for("d", NULL, GRAFT_ENOTFOUND, sentence);
        assert_int_equal(rmdir(path), 0);
    }
}

static void test_what_cannot_be_evaluated(void **state)
{
    (void)state;
    graft_dataset *dataset = NULL;
    graft_dataset_options options = usual();
    make_pictures("near/dog", 1);
    make_pictures("far/submarine", 1);
    make_pictures("loose", 1);
    make_text("broken/dogs/x.jpg", "");
    assert_int_equal(graft_folder_create("hollow/dogs"), GRAFT_OK);
    refused_for("near", models_classes, GRAFT_ENOTFOUND,
                "near/dog: none of the model's 4 classes (the nearest is dogs)");
    refused_for("far", models_classes, GRAFT_ENOTFOUND, "far/submarine: none of the model's 4 classes");
    refused_for("loose", models_classes, GRAFT_EFORMAT,
                "loose: holds pictures (1) but no class folders; each class needs a folder of its own");
    refused_for("hollow", models_classes, GRAFT_EFORMAT, "hollow: no pictures here");
    refused_for("broken", models_classes, GRAFT_EFORMAT,
                "broken: no picture can be read (dogs/x.jpg: is empty)");
    refused_for("nowhere", models_classes, GRAFT_ENOTFOUND, "nowhere: there is no such folder");
    options.held_out = 0.5;
    assert_int_equal(graft_dataset_open_for(&dataset, "near", models_classes, 4, &options), GRAFT_EARGUMENT);
    options = usual();
    assert_int_equal(graft_dataset_open_for(&dataset, "near", NULL, 0, &options), GRAFT_EARGUMENT);
    assert_null(dataset);
}

static void test_a_list_opens_nothing(void **state)
{
    (void)state;
    graft_dataset *dataset;
    const char *const paths[] = {"nowhere/x.jpg", "b", "nowhere/x.jpg"};
    assert_int_equal(graft_dataset_list(&dataset, paths, 3, GRAFT_AS_PILLOW), GRAFT_OK);
    assert_int_equal(graft_dataset_count(dataset), 3);
    assert_int_equal(graft_dataset_class_count(dataset), 0);
    assert_int_equal(counted(dataset, GRAFT_SET_ALL, -1), 3);
    graft_sample sample = graft_dataset_sample(dataset, 2);
    assert_string_equal(sample.path, "nowhere/x.jpg");
    assert_string_equal(sample.name, "nowhere/x.jpg");
    assert_ptr_not_equal(sample.path, paths[2]);
    assert_int_equal(sample.label, -1);
    assert_null(sample.cause);
    assert_true(sample.content == 0);
    graft_dataset_free(dataset);
    assert_int_equal(graft_dataset_list(&dataset, NULL, 0, GRAFT_AS_SEEN), GRAFT_OK);
    assert_int_equal(graft_dataset_count(dataset), 0);
    graft_dataset_free(dataset);
}

/* ---- Progress, workers, memory ---- */

typedef struct progress {
    size_t last, stop_at;
} progress;

static int follow(void *context, const char *what, size_t done, size_t total)
{
    progress *p = context;
    assert_string_equal(what, "pictures");
    assert_int_equal(total, 12);
    assert_int_equal(done, p->last + 1);
    p->last = done;
    return done == p->stop_at;
}

static void test_progress_counts_and_stops(void **state)
{
    (void)state;
    make_pictures("d/cats", 6);
    make_pictures("d/dogs", 6);
    for (int workers = 0; workers <= 4; workers += 2) {
        graft_dataset_options options = usual();
        progress p = {0, 0};
        options.workers = workers;
        options.progress = (graft_progress){follow, &p};
        graft_dataset_free(opened_with("d", &options));
        assert_int_equal(p.last, 12);
        p = (progress){0, 5};
        refused_with("d", &options, GRAFT_ECANCELLED, "stopped");
        assert_int_equal(p.last, 5);
    }
    graft_dataset_options options = usual();
    options.workers = GRAFT_AUTO;
    graft_dataset_free(opened_with("d", &options));
    options.workers = -2;
    refused_with("d", &options, GRAFT_EARGUMENT, "-2 workers: 0 to 1024 are possible");
}

/* The n-th allocation fails, for every n, until there are no more of them. */
static void sweep(int workers, bool evaluate)
{
    static const char *const classes[] = {"cats", "dogs"};
    graft_dataset_options options = usual();
    graft_status status = GRAFT_EMEMORY;
    long n = 0;
    options.workers = workers;
    while (status != GRAFT_OK) {
        graft_dataset *dataset = NULL;
        graft_memory_fail_after(++n);
        status = evaluate ? graft_dataset_open_for(&dataset, "d", classes, 2, &options)
                          : graft_dataset_open(&dataset, "d", &options);
        if (status == GRAFT_OK)
            status = graft_dataset_fold(dataset, 2, 0, 0);
        graft_memory_fail_after(0);
        if (status != GRAFT_OK)
            assert_non_null(strstr(graft_error_message(), "out of memory"));
        assert_true(status == GRAFT_OK || status == GRAFT_EMEMORY);
        graft_dataset_free(dataset);
    }
    assert_true(n > 30);
}

static void test_every_allocation_may_fail(void **state)
{
    (void)state;
    make_halves("val");
    make_text("d/train/cats/broken.jpg", "");
    make_text("d/train/cats/notes.txt", "");
    for (int workers = 0; workers <= 2; workers++) {
        sweep(workers, false);
        sweep(workers, true);
    }
    const char *const paths[] = {"a", "b"};
    graft_dataset *dataset = NULL;
    for (long n = 1; !dataset; n++) {
        graft_memory_fail_after(n);
        graft_status status = graft_dataset_list(&dataset, paths, 2, GRAFT_AS_SEEN);
        graft_memory_fail_after(0);
        assert_int_equal(status == GRAFT_OK, dataset != NULL);
    }
    graft_dataset_free(dataset);
}

#define TEST(name) cmocka_unit_test_teardown(name, empty_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_class_folders),
        TEST(test_train_beside_a_held_out_folder),
        TEST(test_train_without_a_held_out_folder),
        TEST(test_a_train_is_a_class_among_vehicles),
        TEST(test_nothing_held_out_leaves_the_val_folder_alone),
        TEST(test_a_named_folder_is_held_out),
        TEST(test_a_held_out_folder_in_the_data),
        TEST(test_contradictions_about_what_is_held_out),
        TEST(test_a_held_out_folder_must_make_sense),
        TEST(test_what_is_no_dataset),
        TEST(test_what_may_not_be_read),
        TEST(test_links_are_followed_and_their_loops_end),
        TEST(test_what_cannot_be_read_is_skipped_with_its_cause),
        TEST(test_content_tells_the_same_picture),
        TEST(test_how_many_are_held_out),
        TEST(test_the_split_is_fixed),
        TEST(test_the_split_does_not_follow_names),
        TEST(test_known_contents_are_not_decoded_again),
        TEST(test_folds),
        TEST(test_folds_differ_by_seed_and_can_be_refused),
        TEST(test_labels_in_the_models_order),
        TEST(test_labels_by_index),
        TEST(test_what_cannot_be_evaluated),
        TEST(test_a_list_opens_nothing),
        TEST(test_progress_counts_and_stops),
        TEST(test_every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, enter_folder, leave_folder);
}
