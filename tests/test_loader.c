/* Loaders: what an epoch holds, the same bytes for any number of workers, and ends of every kind in
 * mid-epoch. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dlfcn.h>
#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <signal.h>

#include <graft/data.h>

#include "base/memory.h"
#include "image/image.h"
#include "pictures.h"

enum { CROP = 8, BYTES = CROP * CROP * 3 };

static const graft_transform small = {
    10, CROP, GRAFT_BILINEAR, 255.0F, {0.0F, 0.0F, 0.0F}, {1.0F, 1.0F, 1.0F}, GRAFT_DECODE_EXACT};

/* ---- Helpers ---- */

/* In place of the system's: a test makes starting threads fail. */
static int threads_left = -1;

int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*start)(void *), void *context)
{
    int (*real)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
    void *symbol = dlsym(RTLD_NEXT, "pthread_create");
    memcpy(&real, &symbol, sizeof real);
    if (threads_left == 0)
        return EAGAIN;
    if (threads_left > 0)
        threads_left--;
    return real(thread, attributes, start, context);
}

static graft_dataset *opened(double held_out)
{
    graft_dataset *dataset = NULL;
    graft_dataset_options options = GRAFT_DATASET_OPTIONS_INIT;
    options.held_out = held_out;
    if (graft_dataset_open(&dataset, "d", &options) != GRAFT_OK)
        fail_msg("%s", graft_error_message());
    return dataset;
}

/* All kinds of views; "both" is a loader's option, the others are augmentations. */
static const char *const kinds[] = {"none", "flip", "both", "crop",
                                    "crop(0.35,1) flip rotate(15) jitter(0.4,0.4,0.4,0.1)"};

enum { KINDS = sizeof kinds / sizeof *kinds };

static graft_loader_options usual(int batch, const char *kind, int workers)
{
    graft_loader_options options = GRAFT_LOADER_OPTIONS_INIT;
    options.batch = batch;
    options.both_views = strcmp(kind, "both") == 0;
    if (!options.both_views)
        assert_int_equal(graft_augmentation_parse(&options.augment, kind, NULL), GRAFT_OK);
    options.workers = workers;
    return options;
}

static graft_loader *created_with(const graft_dataset *dataset, const graft_loader_options *options)
{
    graft_loader *loader = NULL;
    if (graft_loader_create(&loader, dataset, &small, options) != GRAFT_OK)
        fail_msg("%s", graft_error_message());
    return loader;
}

static graft_loader *created(const graft_dataset *dataset, int batch, const char *kind, int workers)
{
    graft_loader_options options = usual(batch, kind, workers);
    return created_with(dataset, &options);
}

/* Everything that an epoch hands out. */
typedef struct epoch {
    int rows, batches;
    int samples[1024], views[1024], labels[1024];
    uint8_t pixels[1024][BYTES];
} epoch;

static void take(epoch *e, const graft_batch *batch)
{
    for (int i = 0; i < batch->count; i++, e->rows++) {
        assert_true(e->rows < 1024);
        if (!batch->pixels[i])
            fail_msg("%s", batch->causes[i] ? batch->causes[i] : "no pixels and no cause");
        assert_null(batch->causes[i]);
        e->samples[e->rows] = batch->samples[i];
        e->views[e->rows] = batch->views[i];
        e->labels[e->rows] = batch->labels[i];
        memcpy(e->pixels[e->rows], batch->pixels[i], BYTES);
    }
    e->batches++;
}

static void take_rest(epoch *e, graft_loader *loader)
{
    graft_batch batch;
    graft_status status;
    while ((status = graft_loader_next(loader, &batch)) == GRAFT_OK)
        take(e, &batch);
    assert_int_equal(status, GRAFT_DONE);
    assert_int_equal(graft_loader_next(loader, &batch), GRAFT_DONE);
}

static epoch *taken(graft_loader *loader, int number)
{
    epoch *e = calloc(1, sizeof *e);
    assert_non_null(e);
    assert_int_equal(graft_loader_rewind(loader, number), GRAFT_OK);
    take_rest(e, loader);
    return e;
}

static void assert_same(const epoch *a, const epoch *b)
{
    assert_int_equal(a->rows, b->rows);
    assert_memory_equal(a, b, sizeof *a);
}

static int differing(const int *a, const int *b, int count)
{
    int different = 0;
    for (int i = 0; i < count; i++)
        different += a[i] != b[i];
    return different;
}

static void make_two_classes(int each)
{
    make_pictures("d/cats", each);
    make_pictures("d/dogs", each);
}

/* ---- What an epoch holds ---- */

static void test_an_epoch_holds_every_sample_once(void **state)
{
    (void)state;
    make_two_classes(13);
    graft_dataset *dataset = opened(0);
    graft_loader *loader = created(dataset, 4, "none", 2);
    assert_int_equal(graft_loader_batches(loader), 7);
    assert_int_equal(graft_loader_samples(loader), 26);
    epoch *e = taken(loader, 0);
    int seen[26] = {0};
    assert_int_equal(e->rows, 26);
    assert_int_equal(e->batches, 7);
    for (int i = 0; i < 26; i++) {
        seen[e->samples[i]]++;
        assert_int_equal(e->labels[i], graft_dataset_sample(dataset, (size_t)e->samples[i]).label);
        assert_int_equal(e->views[i], GRAFT_VIEW_PLAIN);
    }
    for (int i = 0; i < 26; i++)
        assert_int_equal(seen[i], 1);
    free(e);
    graft_loader_free(loader);
    graft_loader_free(NULL);
    graft_dataset_free(dataset);
}

static void test_sizes_of_batches(void **state)
{
    (void)state;
    make_two_classes(5);
    graft_dataset *dataset = opened(0);
    const struct {
        int batch, rows, batches;
        bool drop_last;
        const char *kind;
    } cases[] = {
        {1, 10, 10, false, "none"}, {3, 10, 4, false, "none"}, {3, 9, 3, true, "none"},
        {10, 10, 1, true, "none"},  {11, 0, 0, true, "none"},  {1000, 10, 1, false, "none"},
        {3, 20, 7, false, "both"},  {3, 18, 6, true, "both"},  {7, 14, 2, true, "both"},
        {1, 20, 20, false, "both"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        for (int workers = 0; workers <= 2; workers++) {
            graft_loader_options options = usual(cases[i].batch, cases[i].kind, workers);
            options.drop_last = cases[i].drop_last;
            graft_loader *loader = created_with(dataset, &options);
            assert_int_equal(graft_loader_samples(loader), cases[i].rows);
            assert_int_equal(graft_loader_batches(loader), cases[i].batches);
            epoch *e = taken(loader, 3);
            assert_int_equal(e->rows, cases[i].rows);
            assert_int_equal(e->batches, cases[i].batches);
            free(e);
            graft_loader_free(loader);
        }
    }
    graft_dataset_free(dataset);
}

static void test_order(void **state)
{
    (void)state;
    make_two_classes(20);
    graft_dataset *dataset = opened(0);
    graft_loader_options options = usual(7, "none", 2);
    options.shuffle = false;
    graft_loader *plain = created_with(dataset, &options);
    options.shuffle = true;
    graft_loader *shuffled = created_with(dataset, &options);
    options.seed = 1;
    graft_loader *other = created_with(dataset, &options);
    epoch *a = taken(plain, 5), *b = taken(shuffled, 0), *c = taken(shuffled, 1), *d = taken(other, 0);
    for (int i = 0; i < 40; i++)
        assert_int_equal(a->samples[i], i);
    assert_true(differing(a->samples, b->samples, 40) > 30);
    assert_true(differing(b->samples, c->samples, 40) > 30);
    assert_true(differing(b->samples, d->samples, 40) > 30);
    epoch *again = taken(shuffled, 0);
    assert_same(b, again);
    epoch *all[] = {a, b, c, d, again};
    for (size_t i = 0; i < 5; i++)
        free(all[i]);
    graft_loader_free(plain);
    graft_loader_free(shuffled);
    graft_loader_free(other);
    graft_dataset_free(dataset);
}

static void test_the_first_epoch_begins_by_itself(void **state)
{
    (void)state;
    make_two_classes(6);
    graft_dataset *dataset = opened(0);
    graft_loader *loader = created(dataset, 4, "flip", 2);
    epoch *e = calloc(1, sizeof *e);
    take_rest(e, loader);
    epoch *first = taken(loader, 0);
    assert_same(e, first);
    free(e);
    free(first);
    graft_loader_free(loader);
    graft_dataset_free(dataset);
}

static void test_sets(void **state)
{
    (void)state;
    make_two_classes(10);
    make_text("d/cats/broken.jpg", "");
    graft_dataset *dataset = opened(0.3);
    const graft_set sets[] = {GRAFT_SET_TRAIN, GRAFT_SET_HELD_OUT, GRAFT_SET_ALL};
    const int counts[] = {14, 6, 20};
    for (size_t i = 0; i < 3; i++) {
        graft_loader_options options = usual(8, "none", 1);
        options.set = sets[i];
        graft_loader *loader = created_with(dataset, &options);
        epoch *e = taken(loader, 0);
        assert_int_equal(e->rows, counts[i]);
        for (int j = 0; j < e->rows && sets[i] != GRAFT_SET_ALL; j++)
            assert_int_equal(graft_dataset_sample(dataset, (size_t)e->samples[j]).set, sets[i]);
        free(e);
        graft_loader_free(loader);
    }
    graft_dataset_free(dataset);
    dataset = opened(0);
    graft_loader_options options = usual(8, "none", 2);
    options.set = GRAFT_SET_HELD_OUT;
    graft_loader *empty = created_with(dataset, &options);
    epoch *e = taken(empty, 0);
    assert_int_equal(e->rows + e->batches, 0);
    free(e);
    graft_loader_free(empty);
    graft_dataset_free(dataset);
}

static void test_a_list_has_no_labels(void **state)
{
    (void)state;
    graft_dataset *dataset;
    graft_batch batch;
    make_picture("x.ppm", 1);
    const char *const paths[] = {"x.ppm", "nowhere.ppm", "x.ppm"};
    assert_int_equal(graft_dataset_list(&dataset, paths, 3, GRAFT_AS_SEEN), GRAFT_OK);
    graft_loader_options options = usual(8, "none", 2);
    options.set = GRAFT_SET_ALL;
    options.shuffle = false;
    graft_loader *loader = created_with(dataset, &options);
    assert_ptr_equal(graft_loader_dataset(loader), dataset);
    assert_int_equal(graft_loader_settings(loader)->batch, 8);
    assert_int_equal(graft_loader_next(loader, &batch), GRAFT_OK);
    assert_int_equal(batch.count, 3);
    assert_int_equal(batch.labels[0], -1);
    assert_null(batch.pixels[1]);
    assert_string_equal(batch.causes[1], "nowhere.ppm: No such file or directory");
    assert_memory_equal(batch.pixels[0], batch.pixels[2], BYTES);
    graft_loader_free(loader);
    graft_dataset_free(dataset);
}

/* ---- Views ---- */

static void reference(uint8_t out[BYTES], const graft_dataset *dataset, int sample, int view)
{
    graft_image image;
    assert_int_equal(
        graft_image_read(&image, graft_dataset_sample(dataset, (size_t)sample).path, GRAFT_AS_SEEN),
        GRAFT_OK);
    assert_int_equal(graft_image_fit(out, &image, &small), GRAFT_OK);
    if (view == GRAFT_VIEW_MIRROR)
        graft_image_mirror(out, CROP, CROP);
    graft_image_dispose(&image);
}

static void test_exact_views_are_exact(void **state)
{
    (void)state;
    make_two_classes(6);
    graft_dataset *dataset = opened(0);
    for (int kind = 0; kind < 3; kind++) {
        graft_loader *loader = created(dataset, 5, kinds[kind], 2);
        epoch *e = taken(loader, 1);
        for (int row = 0; row < e->rows; row++) {
            uint8_t expected[BYTES];
            reference(expected, dataset, e->samples[row], e->views[row]);
            assert_memory_equal(e->pixels[row], expected, BYTES);
        }
        free(e);
        graft_loader_free(loader);
    }
    graft_dataset_free(dataset);
}

static void test_both_views_stand_together(void **state)
{
    (void)state;
    make_two_classes(6);
    graft_dataset *dataset = opened(0);
    graft_loader *loader = created(dataset, 5, "both", 2);
    epoch *e = taken(loader, 0);
    assert_int_equal(e->rows, 24);
    for (int row = 0; row < 24; row += 2) {
        assert_int_equal(e->samples[row], e->samples[row + 1]);
        assert_int_equal(e->views[row], GRAFT_VIEW_PLAIN);
        assert_int_equal(e->views[row + 1], GRAFT_VIEW_MIRROR);
    }
    free(e);
    graft_loader_free(loader);
    graft_dataset_free(dataset);
}

static void test_flips_are_half_and_half(void **state)
{
    (void)state;
    make_two_classes(100);
    graft_dataset *dataset = opened(0);
    graft_loader *loader = created(dataset, 50, "flip", 2);
    int mirrored = 0, of_sample[200] = {0};
    for (int number = 0; number < 10; number++) {
        epoch *e = taken(loader, number);
        for (int i = 0; i < 200; i++) {
            assert_true(e->views[i] == GRAFT_VIEW_PLAIN || e->views[i] == GRAFT_VIEW_MIRROR);
            mirrored += e->views[i];
            of_sample[e->samples[i]] += e->views[i];
        }
        free(e);
    }
    assert_true(mirrored > 900 && mirrored < 1100); /* 1000 +- 4.5 standard deviations */
    for (int i = 0, always = 0; i < 200; i++) {
        always += of_sample[i] == 0 || of_sample[i] == 10;
        assert_true(always < 5);
    }
    graft_loader_free(loader);
    graft_dataset_free(dataset);
}

/* A picture whose red is its column and whose green is its row tells which box was cut out of it. */
static void make_chart(const char *path)
{
    enum { SIDE = 200 };
    static uint8_t bytes[32 + SIDE * SIDE * 3];
    size_t size = (size_t)sprintf((char *)bytes, "P6 %d %d 255\n", SIDE, SIDE);
    for (int i = 0; i < SIDE * SIDE; i++) {
        bytes[size++] = (uint8_t)(i % SIDE);
        bytes[size++] = (uint8_t)(i / SIDE);
        bytes[size++] = 0;
    }
    make_file(path, bytes, size);
}

static void test_crops_are_of_half_the_area_to_all_and_flipped(void **state)
{
    (void)state;
    char path[64];
    for (int i = 0; i < 100; i++) {
        snprintf(path, sizeof path, "d/%s/%02d.ppm", i % 2 ? "cats" : "dogs", i);
        make_chart(path);
    }
    graft_dataset *dataset = opened(0);
    graft_loader *loader = created(dataset, 16, "crop", 2);
    epoch *e = taken(loader, 0), *next = taken(loader, 1);
    int mirrored = 0;
    double least = 1.0, most = 0.0, sum = 0.0;
    for (int i = 0; i < 100; i++) {
        assert_int_equal(e->views[i], GRAFT_VIEW_RANDOM);
        assert_true(i == 0 || memcmp(e->pixels[i], e->pixels[i - 1], BYTES) != 0);
        assert_memory_not_equal(e->pixels[i], next->pixels[i], BYTES);
        const uint8_t *first = e->pixels[i], *last = e->pixels[i] + BYTES - 3;
        double across = (last[0] - first[0]) * CROP / (CROP - 1.0) / 200.0;
        double down = (last[1] - first[1]) * CROP / (CROP - 1.0) / 200.0;
        double area = fabs(across) * down;
        mirrored += across < 0;
        least = area < least ? area : least;
        most = area > most ? area : most;
        sum += area;
    }
    assert_true(least > 0.47 && least < 0.6 && most > 0.85 && most < 1.03);
    assert_true(sum / 100 > 0.65 && sum / 100 < 0.8);
    assert_true(mirrored > 30 && mirrored < 70);
    free(e);
    free(next);
    graft_loader_free(loader);
    graft_dataset_free(dataset);
}

/* ---- Workers ---- */

static void test_workers_do_not_change_a_byte(void **state)
{
    (void)state;
    make_two_classes(20);
    graft_dataset *dataset = opened(0);
    for (int kind = 0; kind < KINDS; kind++) {
        graft_loader *alone = created(dataset, 7, kinds[kind], 0);
        epoch *expected[2] = {taken(alone, 0), taken(alone, 1)};
        for (int workers = 1; workers <= 8; workers *= 2) {
            graft_loader *loader = created(dataset, 7, kinds[kind], workers);
            for (int number = 0; number < 2; number++) {
                epoch *e = taken(loader, number);
                assert_same(e, expected[number]);
                free(e);
            }
            graft_loader_free(loader);
        }
        free(expected[0]);
        free(expected[1]);
        graft_loader_free(alone);
    }
    graft_dataset_free(dataset);
}

static void test_without_threads_the_caller_does_the_work(void **state)
{
    (void)state;
    make_two_classes(8);
    graft_dataset *dataset = opened(0);
    graft_loader *loader = created(dataset, 3, "crop", 4);
    epoch *expected = taken(loader, 0);
    for (int threads = 0; threads <= 1; threads++) {
        threads_left = threads;
        epoch *e = taken(loader, 0);
        assert_same(e, expected);
        free(e);
        graft_dataset_free(opened(0));
        assert_int_equal(threads_left, 0);
        threads_left = -1;
    }
    free(expected);
    graft_loader_free(loader);
    graft_dataset_free(dataset);
}

static bool look_at_signals(void *context, int sample, int view)
{
    sigset_t blocked;
    (void)sample;
    (void)view;
    pthread_sigmask(SIG_SETMASK, NULL, &blocked);
    const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGALRM, SIGCHLD, SIGPROF};
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
        if (!sigismember(&blocked, signals[i]))
            __atomic_add_fetch((int *)context, 1, __ATOMIC_RELAXED);
    return false;
}

static void test_threads_leave_signals_to_the_program(void **state)
{
    (void)state;
    sigset_t mask;
    int open = 0;
    make_two_classes(4);
    graft_dataset *dataset = opened(0);
    graft_loader *loader = created(dataset, 2, "none", 2);
    graft_loader_set_kept(loader, look_at_signals, &open);
    free(taken(loader, 0));
    assert_int_equal(open, 0);
    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    assert_false(sigismember(&mask, SIGINT));
    graft_loader_free(loader);
    graft_dataset_free(dataset);
}

/* ---- Kept features ---- */

static bool keep_even(void *context, int sample, int view)
{
    __atomic_add_fetch((int *)context, 1, __ATOMIC_RELAXED);
    return sample % 2 == 0 && view != GRAFT_VIEW_MIRROR;
}

static void test_what_is_kept_is_not_decoded(void **state)
{
    (void)state;
    graft_batch batch;
    make_two_classes(6);
    graft_dataset *dataset = opened(0);
    for (size_t i = 0; i < 12; i += 2)
        assert_int_equal(unlink(graft_dataset_sample(dataset, i).path), 0);
    for (int workers = 0; workers <= 2; workers += 2) {
        int asked = 0;
        graft_loader *loader = created(dataset, 5, "none", workers);
        graft_loader_set_kept(loader, keep_even, &asked);
        while (graft_loader_next(loader, &batch) == GRAFT_OK)
            for (int i = 0; i < batch.count; i++) {
                assert_int_equal(batch.pixels[i] == NULL, batch.samples[i] % 2 == 0);
                assert_null(batch.causes[i]);
            }
        assert_int_equal(asked, 12);
        graft_loader_free(loader);
    }
    graft_dataset_free(dataset);
}

static void test_one_view_of_two_may_be_kept(void **state)
{
    (void)state;
    graft_batch batch;
    int asked = 0;
    make_two_classes(5);
    graft_dataset *dataset = opened(0);
    graft_loader *loader = created(dataset, 3, "both", 2);
    graft_loader_set_kept(loader, keep_even, &asked);
    while (graft_loader_next(loader, &batch) == GRAFT_OK)
        for (int i = 0; i < batch.count; i++) {
            uint8_t expected[BYTES];
            bool kept = batch.samples[i] % 2 == 0 && batch.views[i] == GRAFT_VIEW_PLAIN;
            assert_int_equal(batch.pixels[i] == NULL, kept);
            reference(expected, dataset, batch.samples[i], batch.views[i]);
            if (!kept)
                assert_memory_equal(batch.pixels[i], expected, BYTES);
        }
    graft_loader_free(loader);
    graft_dataset_free(dataset);
}

static bool keep_all(void *context, int sample, int view)
{
    (void)context;
    (void)sample;
    (void)view;
    return true;
}

/* What was decoded ahead meanwhile does not count. */
static void test_keeping_may_begin_in_mid_epoch(void **state)
{
    (void)state;
    graft_batch batch;
    make_two_classes(10);
    graft_dataset *dataset = opened(0);
    for (int workers = 0; workers <= 2; workers++) {
        graft_loader *loader = created(dataset, 4, "none", workers);
        assert_int_equal(graft_loader_next(loader, &batch), GRAFT_OK);
        usleep(5000);
        graft_loader_set_kept(loader, keep_all, NULL);
        for (int rows = 4; rows < 20; rows += 4) {
            assert_int_equal(graft_loader_next(loader, &batch), GRAFT_OK);
            for (int i = 0; i < 4; i++)
                assert_null(batch.pixels[i]);
        }
        graft_loader_free(loader);
    }
    graft_dataset_free(dataset);
}

static void test_keeping_may_end_in_mid_epoch(void **state)
{
    (void)state;
    graft_batch batch;
    make_two_classes(15);
    graft_dataset *dataset = opened(0);
    for (int kind = 0; kind < KINDS; kind++) {
        int asked = 0, before;
        graft_loader *loader = created(dataset, 5, kinds[kind], 2);
        epoch *expected = taken(loader, 0), *e = calloc(1, sizeof *e);
        assert_int_equal(graft_loader_rewind(loader, 0), GRAFT_OK);
        assert_int_equal(graft_loader_next(loader, &batch), GRAFT_OK);
        take(e, &batch);
        graft_loader_set_kept(loader, keep_even, &asked);
        graft_loader_set_kept(loader, NULL, NULL);
        before = asked;
        take_rest(e, loader);
        assert_same(e, expected);
        assert_int_equal(asked, before);
        free(e);
        free(expected);
        graft_loader_free(loader);
    }
    graft_dataset_free(dataset);
}

/* ---- Pictures that go ---- */

static void test_a_deleted_picture_has_a_cause(void **state)
{
    (void)state;
    graft_batch batch;
    make_two_classes(6);
    graft_dataset *dataset = opened(0);
    assert_int_equal(unlink("d/cats/003.ppm"), 0);
    make_picture_cut("d/dogs/002.ppm", 1, 2);
    for (int workers = 0; workers <= 2; workers++) {
        int missing = 0, cut = 0, rows = 0;
        graft_loader *loader = created(dataset, 5, "both", workers);
        while (graft_loader_next(loader, &batch) == GRAFT_OK)
            for (int i = 0; i < batch.count; i++, rows++) {
                const char *cause = batch.causes[i];
                assert_true((batch.pixels[i] == NULL) == (cause != NULL));
                missing += cause && strcmp(cause, "d/cats/003.ppm: No such file or directory") == 0;
                cut += cause && strcmp(cause, "d/dogs/002.ppm: ends early (133 of 853 bytes)") == 0;
                assert_true(!cause || batch.samples[i] == 3 || batch.samples[i] == 8);
            }
        assert_int_equal(rows, 24);
        assert_int_equal(missing, 2);
        assert_int_equal(cut, 2);
        graft_loader_free(loader);
    }
    graft_dataset_free(dataset);
}

/* What is kept stands under the content that was checked: other bytes must not get there. */
static void test_a_picture_that_changes_is_not_kept(void **state)
{
    (void)state;
    graft_batch batch;
    make_two_classes(6);
    graft_dataset *dataset = opened(0);
    make_picture("d/cats/003.ppm", 99);
    for (int kept = 0; kept < 2; kept++) {
        int asked = 0, changed = 0;
        graft_loader *loader = created(dataset, 5, "both", 2);
        if (kept)
            graft_loader_set_kept(loader, keep_even, &asked);
        while (graft_loader_next(loader, &batch) == GRAFT_OK)
            for (int i = 0; i < batch.count; i++)
                changed += batch.causes[i] &&
                           strcmp(batch.causes[i], "d/cats/003.ppm: changed since it was read first") == 0;
        assert_int_equal(changed, kept ? 2 : 0);
        graft_loader_free(loader);
    }
    graft_dataset_free(dataset);
}

static void test_a_picture_may_come_back(void **state)
{
    (void)state;
    graft_batch batch;
    make_two_classes(4);
    graft_dataset *dataset = opened(0);
    graft_loader *loader = created(dataset, 8, "none", 2);
    assert_int_equal(rename("d/cats/001.ppm", "away"), 0);
    assert_int_equal(graft_loader_next(loader, &batch), GRAFT_OK);
    int causes = 0;
    for (int i = 0; i < 8; i++)
        causes += batch.causes[i] != NULL;
    assert_int_equal(causes, 1);
    assert_int_equal(rename("away", "d/cats/001.ppm"), 0);
    free(taken(loader, 1)); /* fails where there is a cause */
    graft_loader_free(loader);
    graft_dataset_free(dataset);
}

/* ---- Ends in mid-epoch, and memory ---- */

static void test_rewind_and_free_in_mid_epoch(void **state)
{
    (void)state;
    graft_batch batch;
    make_two_classes(15);
    graft_dataset *dataset = opened(0);
    graft_loader *whole = created(dataset, 4, "crop", 2);
    epoch *expected = taken(whole, 2);
    for (int workers = 0; workers <= 4; workers++)
        for (int batches = 0; batches <= 8; batches++) {
            graft_loader *loader = created(dataset, 4, "crop", workers);
            for (int i = 0; i < batches; i++)
                assert_int_equal(graft_loader_next(loader, &batch), GRAFT_OK);
            epoch *e = taken(loader, 2);
            assert_same(e, expected);
            free(e);
            assert_int_equal(graft_loader_rewind(loader, 1), GRAFT_OK);
            for (int i = 0; i < batches; i++)
                assert_int_equal(graft_loader_next(loader, &batch), GRAFT_OK);
            graft_loader_free(loader);
        }
    free(expected);
    graft_loader_free(whole);
    graft_dataset_free(dataset);
}

static bool count_only(void *context, int sample, int view)
{
    (void)sample;
    (void)view;
    __atomic_add_fetch((int *)context, 1, __ATOMIC_RELAXED);
    return false;
}

/* Until they have been asked so often, ten seconds at most. */
static bool comes_to(const int *asked, int count)
{
    for (int i = 0; i < 10000 && __atomic_load_n(asked, __ATOMIC_RELAXED) < count; i++)
        usleep(1000);
    return __atomic_load_n(asked, __ATOMIC_RELAXED) == count;
}

/* While the caller is busy with a batch, workers go on until the room is full, and leave the batch alone. */
static void test_workers_stay_two_batches_ahead(void **state)
{
    (void)state;
    graft_batch batch;
    int asked = 0, handed_out = 0;
    make_two_classes(30);
    graft_dataset *dataset = opened(0);
    graft_loader *loader = created(dataset, 4, "flip", 4);
    graft_loader_set_kept(loader, count_only, &asked);
    while (graft_loader_next(loader, &batch) == GRAFT_OK) {
        uint8_t expected[BYTES];
        handed_out += batch.count;
        assert_true(comes_to(&asked, handed_out + 8 < 60 ? handed_out + 8 : 60));
        usleep(1000); /* for those who would not stop there */
        assert_true(comes_to(&asked, handed_out + 8 < 60 ? handed_out + 8 : 60));
        for (int i = 0; i < batch.count; i++) {
            reference(expected, dataset, batch.samples[i], batch.views[i]);
            assert_memory_equal(batch.pixels[i], expected, BYTES);
        }
    }
    assert_int_equal(handed_out, 60);
    graft_loader_free(loader);
    graft_dataset_free(dataset);
}

static void test_what_a_loader_refuses(void **state)
{
    (void)state;
    graft_loader *loader = NULL;
    graft_transform none = small;
    make_two_classes(2);
    graft_dataset *dataset = opened(0);
    graft_loader_options options = usual(0, "none", 2);
    assert_int_equal(graft_loader_create(&loader, dataset, &small, &options), GRAFT_EARGUMENT);
    assert_string_equal(graft_error_message(), "a batch of 0 pictures is not possible");
    options = usual(1, "rotate(15)", 2);
    options.augment.steps[0].word = "turn";
    assert_int_equal(graft_loader_create(&loader, dataset, &small, &options), GRAFT_EARGUMENT);
    assert_non_null(strstr(graft_error_message(), "\"turn\""));
    options = usual(1, "flip", 2);
    options.both_views = true;
    assert_int_equal(graft_loader_create(&loader, dataset, &small, &options), GRAFT_EARGUMENT);
    assert_non_null(strstr(graft_error_message(), "no room for an augmentation"));
    options = usual(1, "none", -3);
    assert_int_equal(graft_loader_create(&loader, dataset, &small, &options), GRAFT_EARGUMENT);
    options = usual(1, "none", GRAFT_AUTO);
    none.crop = 0;
    assert_int_equal(graft_loader_create(&loader, dataset, &none, &options), GRAFT_EARGUMENT);
    none = small;
    none.filter = (graft_filter)2;
    assert_int_equal(graft_loader_create(&loader, dataset, &none, &options), GRAFT_EARGUMENT);
    none = small;
    none.decode = (graft_decode)-1;
    assert_int_equal(graft_loader_create(&loader, dataset, &none, &options), GRAFT_EARGUMENT);
    options.set = (graft_set)9;
    assert_int_equal(graft_loader_create(&loader, dataset, &small, &options), GRAFT_EARGUMENT);
    assert_string_equal(graft_error_message(), "there is no set number 9");
    options.set = GRAFT_SET_TRAIN;
    assert_null(loader);
    loader = created_with(dataset, &options);
    assert_int_equal(graft_loader_rewind(loader, -1), GRAFT_EARGUMENT);
    assert_string_equal(graft_error_message(), "there is no epoch -1");
    free(taken(loader, 0));
    graft_loader_free(loader);
    graft_dataset_free(dataset);
}

/* After the n-th allocation they all fail, also in threads; once there is memory the epoch goes on. */
static void sweep(const graft_dataset *dataset, int workers, const epoch *expected)
{
    graft_status status = GRAFT_EMEMORY;
    graft_loader_options options = usual(3, "crop", workers);
    long n = 0;
    while (status != GRAFT_DONE) {
        graft_loader *loader = NULL;
        graft_batch batch;
        epoch *e = calloc(1, sizeof *e);
        graft_memory_fail_after(++n);
        status = graft_loader_create(&loader, dataset, &small, &options);
        while (status == GRAFT_OK && (status = graft_loader_next(loader, &batch)) == GRAFT_OK)
            take(e, &batch);
        graft_memory_fail_after(0);
        if (status != GRAFT_DONE)
            assert_non_null(strstr(graft_error_message(), "out of memory"));
        assert_true(status == GRAFT_DONE || status == GRAFT_EMEMORY);
        if (loader && status == GRAFT_EMEMORY) {
            take_rest(e, loader);
            assert_same(e, expected);
        }
        free(e);
        graft_loader_free(loader);
    }
    assert_true(n > 20);
}

static void test_every_allocation_may_fail(void **state)
{
    (void)state;
    make_two_classes(4);
    graft_dataset *dataset = opened(0);
    graft_loader *loader = created(dataset, 3, "crop", 0);
    epoch *expected = taken(loader, 0);
    for (int workers = 0; workers <= 2; workers++)
        sweep(dataset, workers, expected);
    free(expected);
    graft_loader_free(loader);
    graft_dataset_free(dataset);
}

static void test_a_fold_is_loaded(void **state)
{
    (void)state;
    make_two_classes(10);
    graft_dataset *dataset = opened(0);
    graft_loader_options options = usual(4, "none", 2);
    options.set = GRAFT_SET_HELD_OUT;
    int seen[20] = {0};
    for (int fold = 0; fold < 4; fold++) {
        assert_int_equal(graft_dataset_fold(dataset, 4, fold, 0), GRAFT_OK);
        graft_loader *loader = created_with(dataset, &options);
        epoch *e = taken(loader, 0);
        assert_int_equal(e->rows, 5);
        for (int i = 0; i < 5; i++)
            seen[e->samples[i]]++;
        free(e);
        graft_loader_free(loader);
    }
    for (int i = 0; i < 20; i++)
        assert_int_equal(seen[i], 1);
    graft_dataset_free(dataset);
}

#define TEST(name) cmocka_unit_test_teardown(name, empty_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_an_epoch_holds_every_sample_once),
        TEST(test_sizes_of_batches),
        TEST(test_order),
        TEST(test_the_first_epoch_begins_by_itself),
        TEST(test_sets),
        TEST(test_a_list_has_no_labels),
        TEST(test_exact_views_are_exact),
        TEST(test_both_views_stand_together),
        TEST(test_flips_are_half_and_half),
        TEST(test_crops_are_of_half_the_area_to_all_and_flipped),
        TEST(test_workers_do_not_change_a_byte),
        TEST(test_without_threads_the_caller_does_the_work),
        TEST(test_threads_leave_signals_to_the_program),
        TEST(test_what_is_kept_is_not_decoded),
        TEST(test_one_view_of_two_may_be_kept),
        TEST(test_keeping_may_begin_in_mid_epoch),
        TEST(test_keeping_may_end_in_mid_epoch),
        TEST(test_a_deleted_picture_has_a_cause),
        TEST(test_a_picture_that_changes_is_not_kept),
        TEST(test_a_picture_may_come_back),
        TEST(test_rewind_and_free_in_mid_epoch),
        TEST(test_workers_stay_two_batches_ahead),
        TEST(test_what_a_loader_refuses),
        TEST(test_every_allocation_may_fail),
        TEST(test_a_fold_is_loaded),
    };
    return cmocka_run_group_tests(tests, enter_folder, leave_folder);
}
