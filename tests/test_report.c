/* Evaluation: figures against numbers worked out by hand and with NumPy, the table of pictures, and what
 * becomes of a picture that has gone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <math.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/memory.h"
#include "report/csv.h"
#include "report/evaluation.h"

enum { CLASSES = 3, ROWS = 6, PATH = 4096 };

static void near(double value, double expected, double tolerance)
{
    if (!(fabs(value - expected) <= tolerance))
        fail_msg("%.15g where %.15g was expected", value, expected);
}

/* ---- Figures ---- */

static const float logits[ROWS][CLASSES] = {{2, 1, 0},  {0, 3, 1}, {1, 1, 1},
                                            {5, 0, -5}, {0, 0, 4}, {-1, 2, 2.5F}};
static const int labels[ROWS] = {0, 1, 2, 2, 2, 1};

static graft_evaluation *six(void)
{
    graft_evaluation *e;
    assert_int_equal(graft_evaluation_create(&e, CLASSES), GRAFT_OK);
    for (int i = 0; i < ROWS; i++)
        assert_int_equal(graft_evaluation_add(e, 10 + i, labels[i], logits[i]), GRAFT_OK);
    assert_int_equal(graft_evaluation_finish(e), GRAFT_OK);
    return e;
}

static void test_outcomes(void **state)
{
    (void)state;
    const int predicted[ROWS] = {0, 1, 0, 0, 2, 2}, ranks[ROWS] = {0, 0, 2, 2, 0, 1};
    /* NumPy: log(sum(exp(row))) - row[label], and the softmax's largest */
    const double losses[ROWS] = {0.407605964,  0.169846020, 1.098612289,
                                 10.006760444, 0.035976300, 0.992699153};
    const double most[ROWS] = {0.665240956, 0.843794734, 0.333333333, 0.993262357, 0.964663163, 0.610975051};
    graft_evaluation *e = six();
    assert_int_equal(graft_evaluation_count(e), ROWS);
    for (size_t i = 0; i < ROWS; i++) {
        const graft_outcome *o = graft_evaluation_outcome(e, i);
        const float *row = graft_evaluation_probabilities(e, i);
        assert_int_equal(o->sample, 10 + (int)i);
        assert_int_equal(o->label, labels[i]);
        assert_int_equal(o->predicted, predicted[i]);
        assert_int_equal(o->rank, ranks[i]);
        near(o->loss, losses[i], 1e-8);
        near(o->probability, most[i], 1e-7);
        near((double)row[0] + (double)row[1] + (double)row[2], 1.0, 1e-6);
    }
    graft_evaluation_free(e);
}

static void test_figures(void **state)
{
    (void)state;
    /* said:       0  1  2
     * label 0:    1  0  0
     * label 1:    0  1  1
     * label 2:    2  0  1 */
    const size_t matrix[CLASSES][CLASSES] = {{1, 0, 0}, {0, 1, 1}, {2, 0, 1}};
    const graft_class_figures expected[CLASSES] = {
        {1, 3, 1, 1.0 / 3, 1.0, 0.5}, {2, 1, 1, 1.0, 0.5, 2.0 / 3}, {3, 2, 1, 0.5, 1.0 / 3, 0.4}};
    graft_evaluation *e = six();
    for (int i = 0; i < CLASSES; i++) {
        graft_class_figures f = graft_evaluation_class(e, i);
        for (int j = 0; j < CLASSES; j++)
            assert_int_equal(graft_evaluation_confusion(e, i, j), matrix[i][j]);
        assert_int_equal(f.support, expected[i].support);
        assert_int_equal(f.said, expected[i].said);
        assert_int_equal(f.correct, expected[i].correct);
        near(f.precision, expected[i].precision, 1e-15);
        near(f.recall, expected[i].recall, 1e-15);
        near(f.f1, expected[i].f1, 1e-15);
    }
    size_t count;
    assert_int_equal(graft_evaluation_majority(e, &count), 2);
    assert_int_equal(count, 3);
    near(graft_evaluation_accuracy(e), 0.5, 1e-15);
    near(graft_evaluation_top(e, 1), 0.5, 1e-15);
    near(graft_evaluation_top(e, 2), 4.0 / 6, 1e-15);
    near(graft_evaluation_top(e, 3), 1.0, 1e-15);
    near(graft_evaluation_log_loss(e), 2.118583362, 1e-8);
    graft_evaluation_free(e);
}

/* A class that is never there and never said has figures of 0, not NaN. */
static void test_undefined_figures_are_zero(void **state)
{
    (void)state;
    const float row[2] = {1, 0};
    graft_evaluation *e;
    assert_int_equal(graft_evaluation_create(&e, 2), GRAFT_OK);
    assert_int_equal(graft_evaluation_add(e, 0, 0, row), GRAFT_OK);
    assert_int_equal(graft_evaluation_finish(e), GRAFT_OK);
    graft_class_figures f = graft_evaluation_class(e, 1);
    assert_true(f.precision == 0.0 && f.recall == 0.0 && f.f1 == 0.0);
    assert_int_equal(graft_evaluation_confusion(e, 1, 1), 0);
    graft_evaluation_free(e);
}

/* Logits so far apart that the label's probability is 0 in float: the loss is their distance all the same. */
static void test_loss_survives_a_probability_of_zero(void **state)
{
    (void)state;
    const float row[2] = {500, -500};
    graft_evaluation *e;
    assert_int_equal(graft_evaluation_create(&e, 2), GRAFT_OK);
    assert_int_equal(graft_evaluation_add(e, 0, 1, row), GRAFT_OK);
    near(graft_evaluation_outcome(e, 0)->loss, 1000.0, 1e-9);
    graft_evaluation_free(e);
}

static void test_refused_outcomes(void **state)
{
    (void)state;
    const float good[2] = {1, 0}, nan[2] = {NAN, 0}, infinite[2] = {0, INFINITY};
    graft_evaluation *e;
    assert_int_equal(graft_evaluation_create(&e, 2), GRAFT_OK);
    assert_int_equal(graft_evaluation_add(e, 0, -1, good), GRAFT_EARGUMENT);
    assert_int_equal(graft_evaluation_add(e, 0, 2, good), GRAFT_EARGUMENT);
    assert_int_equal(graft_evaluation_add(e, 0, 0, nan), GRAFT_EDIVERGED);
    assert_int_equal(graft_evaluation_add(e, 0, 0, infinite), GRAFT_EDIVERGED);
    assert_int_equal(graft_evaluation_count(e), 0);
    graft_evaluation_free(e);
    graft_evaluation_free(NULL);
}

static void test_wilson(void **state)
{
    (void)state;
    static const struct {
        size_t right, count;
        double low, high;
    } cases[] = {
        {57, 70, 0.7077442179325669, 0.8881269999809797},
        {0, 10, 0.0, 0.2775327998628892},
        {10, 10, 0.7224672001371107, 1.0},
        {1, 1, 0.20654931437723745, 1.0},
        {128, 153, 0.7699096584814309, 0.8868044576359964},
        {5000, 10000, 0.49020206181540477, 0.5097979381845952},
        {0, 0, 0.0, 1.0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        double low, high;
        graft_wilson(cases[i].right, cases[i].count, &low, &high);
        near(low, cases[i].low, 1e-12);
        near(high, cases[i].high, 1e-12);
        assert_true(low >= 0.0 && high <= 1.0);
    }
}

static graft_status build_once(void)
{
    graft_evaluation *e = NULL;
    graft_status status;
    GRAFT_TRY(graft_evaluation_create(&e, CLASSES));
    for (int i = 0; i < ROWS; i++)
        GRAFT_TRY(graft_evaluation_add(e, i, labels[i], logits[i]));
    GRAFT_TRY(graft_evaluation_miss(e, 7, "gone"));
    GRAFT_TRY(graft_evaluation_finish(e));
out:
    graft_evaluation_free(e);
    return status;
}

static void test_failing_allocations(void **state)
{
    (void)state;
    graft_status status = GRAFT_EMEMORY;
    for (long n = 1; status != GRAFT_OK; n++) {
        graft_memory_fail_after(n);
        status = build_once();
        graft_memory_fail_after(0);
        assert_true(status == GRAFT_EMEMORY || (status == GRAFT_OK && n > 4));
    }
}

/* ---- Comma-separated values ---- */

static void test_csv_quoting(void **state)
{
    (void)state;
    const char *const fields[] = {"plain", "a,b", "say \"hi\"", "two\nlines", "cr\r", NULL, " kept ", "\""};
    graft_buffer buffer = GRAFT_BUFFER_INIT;
    assert_int_equal(graft_csv_line(&buffer, fields, 8), GRAFT_OK);
    assert_string_equal(buffer.data,
                        "plain,\"a,b\",\"say \"\"hi\"\"\",\"two\nlines\",\"cr\r\",, kept ,\"\"\"\"\r\n");
    graft_buffer_dispose(&buffer);
}

/* ---- A model and a folder of pictures ---- */

typedef struct place {
    char folder[PATH];
    graft_dataset *dataset;
    graft_model *model;
} place;

static void path_in(char out[PATH], const place *p, const char *name)
{
    assert_true(snprintf(out, PATH, "%s/%s", p->folder, name) < PATH);
}

static void make_picture(const place *p, const char *name, int seed)
{
    char path[PATH];
    uint8_t bytes[11 + 3 * 64] = "P6 8 8 255\n";
    for (int i = 0; i < 3 * 64; i++)
        bytes[11 + i] = (uint8_t)(i * seed + 40 * seed);
    path_in(path, p, name);
    assert_int_equal(graft_file_write(path, bytes, sizeof bytes), GRAFT_OK);
}

static void remove_file(const place *p, const char *name)
{
    char path[PATH];
    path_in(path, p, name);
    assert_int_equal(remove(path), 0);
}

static const char *const names[] = {"a/1.ppm", "a/2.ppm", "a/3.ppm", "b/4.ppm", "b/5.ppm", "b/6.ppm"};
enum { PICTURES = 6 };

static int set_up(void **state)
{
    place *p = calloc(1, sizeof *p);
    static const char *const classes[] = {"a", "b \"quoted\", with a comma"};
    snprintf(p->folder, sizeof p->folder, "/tmp/graft-report-XXXXXX");
    assert_non_null(mkdtemp(p->folder));
    for (int i = 0; i < PICTURES; i++) {
        char path[PATH], class[] = {names[i][0], 0};
        path_in(path, p, class);
        assert_int_equal(graft_folder_create(path), GRAFT_OK);
        make_picture(p, names[i], i + 1);
    }
    char path[PATH];
    path_in(path, p, "b/broken.ppm");
    assert_int_equal(graft_file_write(path, "P6 8 8 255\n", 11), GRAFT_OK);
    graft_dataset_options options = GRAFT_DATASET_OPTIONS_INIT;
    options.held_out = 0.34; /* one of each class */
    assert_int_equal(graft_dataset_open(&p->dataset, p->folder, &options), GRAFT_OK);
    assert_int_equal(graft_model_create(&p->model, "efficientnet_lite0", 1), GRAFT_OK);
    assert_int_equal(graft_model_replace_head(p->model, NULL, classes, 2, GRAFT_START_PYTORCH, 1), GRAFT_OK);
    *state = p;
    return 0;
}

static int tear_down(void **state)
{
    place *p = *state;
    char command[PATH + 16];
    graft_dataset_free(p->dataset);
    graft_model_free(p->model);
    snprintf(command, sizeof command, "rm -rf '%s'", p->folder);
    assert_int_equal(system(command), 0);
    free(p);
    return 0;
}

static graft_status evaluate_set(graft_evaluation **e, const place *p, const graft_dataset *dataset,
                                 graft_set set, int workers)
{
    graft_evaluate_options how = GRAFT_EVALUATE_OPTIONS_INIT;
    how.set = set;
    how.threads = 2;
    how.workers = workers;
    return graft_evaluate(e, p->model, dataset, &how);
}

static graft_evaluation *evaluate(const place *p, graft_set set)
{
    graft_evaluation *e = NULL;
    if (evaluate_set(&e, p, p->dataset, set, 2) != GRAFT_OK)
        fail_msg("%s", graft_error_message());
    return e;
}

/* The executor's own prediction of a picture's file. */
static void predict_file(const place *p, const char *path, float row[2])
{
    graft_executor_options options = GRAFT_EXECUTOR_OPTIONS_INIT;
    graft_executor *executor;
    uint8_t *bytes;
    size_t size;
    options.batch = 0;
    options.threads = 2;
    assert_int_equal(graft_file_read(path, SIZE_MAX, &bytes, &size), GRAFT_OK);
    graft_picture picture = graft_picture_encoded(bytes, size);
    assert_int_equal(graft_executor_create(&executor, p->model, &options), GRAFT_OK);
    assert_int_equal(graft_executor_predict(executor, &picture, 1, row), GRAFT_OK);
    graft_executor_free(executor);
    free(bytes);
}

static void test_evaluation_is_what_the_model_predicts(void **state)
{
    place *p = *state;
    graft_evaluation *e = evaluate(p, GRAFT_SET_ALL);
    assert_int_equal(graft_evaluation_count(e), PICTURES);
    for (size_t i = 0; i < PICTURES; i++) {
        const graft_outcome *o = graft_evaluation_outcome(e, i);
        graft_sample sample = graft_dataset_sample(p->dataset, (size_t)o->sample);
        float row[2];
        predict_file(p, sample.path, row);
        assert_int_equal(o->label, sample.label);
        near((double)graft_evaluation_probabilities(e, i)[0], (double)row[0], 1e-5);
        near(o->loss, -log((double)row[o->label]), 1e-4);
        assert_true(i == 0 || o->sample > graft_evaluation_outcome(e, i - 1)->sample);
    }
    graft_evaluation_free(e);
    e = evaluate(p, GRAFT_SET_HELD_OUT);
    assert_int_equal(graft_evaluation_count(e), 2);
    graft_evaluation_free(e);
}

static void test_a_picture_that_has_gone_is_left_out_and_named(void **state)
{
    place *p = *state;
    remove_file(p, names[1]);
    remove_file(p, names[5]);
    graft_evaluation *e = evaluate(p, GRAFT_SET_ALL);
    assert_int_equal(graft_evaluation_count(e), PICTURES - 2);
    assert_int_equal(graft_evaluation_missing_count(e), 2);
    for (size_t i = 0; i < 2; i++) {
        graft_missing missing = graft_evaluation_missing(e, i);
        assert_string_equal(graft_dataset_sample(p->dataset, (size_t)missing.sample).name, names[i ? 5 : 1]);
        assert_string_equal(missing.cause, "No such file or directory");
    }
    graft_evaluation_free(e);
    for (int i = 0; i < PICTURES; i++)
        if (i != 1 && i != 5)
            remove_file(p, names[i]);
    assert_int_equal(evaluate_set(&e, p, p->dataset, GRAFT_SET_ALL, 0), GRAFT_EIO);
    assert_non_null(strstr(graft_error_message(), "none of the 6 pictures"));
}

static size_t weights_of(graft_model *model)
{
    graft_executor_options options = GRAFT_EXECUTOR_OPTIONS_INIT;
    graft_executor *executor;
    graft_memory memory;
    options.batch = 0;
    assert_int_equal(graft_executor_create(&executor, model, &options), GRAFT_OK);
    graft_executor_memory(executor, &memory);
    graft_executor_free(executor);
    return memory.weights;
}

/* Whoever only runs a model has no gradients, whatever its marks say, and gets the same numbers. */
static void test_running_does_not_depend_on_what_trains(void **state)
{
    place *p = *state;
    size_t before = weights_of(p->model);
    graft_evaluation *frozen = evaluate(p, GRAFT_SET_ALL);
    assert_int_equal(graft_model_unfreeze(p->model, "*"), GRAFT_OK);
    assert_int_equal(weights_of(p->model), before);
    graft_evaluation *trained = evaluate(p, GRAFT_SET_ALL);
    for (size_t i = 0; i < PICTURES; i++)
        assert_memory_equal(graft_evaluation_probabilities(frozen, i),
                            graft_evaluation_probabilities(trained, i), 2 * sizeof(float));
    graft_evaluation_free(frozen);
    graft_evaluation_free(trained);
}

static int stop(void *context, const char *what, size_t done, size_t total)
{
    assert_string_equal(what, "evaluate");
    assert_true(done <= total && total == PICTURES);
    ++*(int *)context;
    return 1;
}

/* With the features that the training kept nothing is decoded, and the figures are the same. */
static void test_kept_features_serve_an_evaluation(void **state)
{
    place *p = *state;
    graft_fit_options options = GRAFT_FIT_OPTIONS_INIT;
    graft_fit_report report;
    graft_model *trained;
    graft_evaluation *run = NULL, *kept = NULL, *other = NULL;
    graft_evaluate_options how = GRAFT_EVALUATE_OPTIONS_INIT;
    options.epochs = 1;
    options.threads = 2;
    assert_int_equal(graft_model_name_classes(p->model, (const char *const[]){"a", "b"}, 2), GRAFT_OK);
    assert_int_equal(graft_fit(&trained, p->model, p->dataset, &options, &report), GRAFT_OK);
    assert_non_null(report.features);
    how.threads = 2;
    assert_int_equal(graft_evaluate(&run, trained, p->dataset, &how), GRAFT_OK);
    for (int i = 0; i < PICTURES; i++)
        remove_file(p, names[i]);
    how.features = report.features;
    assert_int_equal(graft_evaluate(&kept, trained, p->dataset, &how), GRAFT_OK);
    assert_int_equal(graft_evaluation_count(kept), graft_evaluation_count(run));
    for (size_t i = 0; i < graft_evaluation_count(run); i++) {
        const float *a = graft_evaluation_probabilities(run, i), *b = graft_evaluation_probabilities(kept, i);
        assert_true(a[0] - b[0] < 1e-5F && b[0] - a[0] < 1e-5F);
    }
    /* of another network they are not taken: the pictures are gone */
    assert_int_equal(graft_model_set_size(p->model, 64), GRAFT_OK);
    assert_int_equal(graft_evaluate(&other, p->model, p->dataset, &how), GRAFT_EIO);
    graft_features_release(report.features);
    graft_evaluation_free(run);
    graft_evaluation_free(kept);
    graft_model_free(trained);
}

static void test_stopping_and_refusals(void **state)
{
    place *p = *state;
    graft_evaluation *e = NULL;
    int calls = 0;
    graft_evaluate_options how = GRAFT_EVALUATE_OPTIONS_INIT;
    how.set = GRAFT_SET_ALL;
    how.progress = (graft_progress){stop, &calls};
    assert_int_equal(graft_evaluate(&e, p->model, p->dataset, &how), GRAFT_ECANCELLED);
    assert_int_equal(calls, 1);
    graft_dataset *other;
    char path[PATH];
    path_in(path, p, names[0]);
    const char *const paths[] = {path};
    assert_int_equal(graft_dataset_list(&other, paths, 1, GRAFT_AS_SEEN), GRAFT_OK);
    assert_int_equal(evaluate_set(&e, p, other, GRAFT_SET_ALL, 1), GRAFT_EARGUMENT);
    assert_int_equal(evaluate_set(&e, p, other, GRAFT_SET_HELD_OUT, 1), GRAFT_EARGUMENT);
    assert_null(e);
    graft_dataset_free(other);
}

/* ---- The table of pictures ---- */

typedef struct row {
    char *path, *class, *set, *cause, *predicted;
    double probability, loss; /* -1 where empty */
} row;

static char *next_field(char **at)
{
    char *field = *at, *to = field;
    bool quoted = *field == '"';
    char *from = field + quoted;
    for (; *from && (quoted || (*from != ',' && *from != '\r')); from++)
        if (quoted && *from == '"') {
            if (*++from != '"')
                break;
            *to++ = '"';
        } else {
            *to++ = *from;
        }
    *at = *from == ',' ? from + 1 : from + 2;
    assert_true(*from == ',' || (from[0] == '\r' && from[1] == '\n'));
    *to = 0;
    return field;
}

static size_t read_table(row rows[16], char *text)
{
    static const char head[] = "path,class,set,cause,predicted,probability,loss\r\n";
    assert_memory_equal(text, head, sizeof head - 1);
    char *at = text + sizeof head - 1;
    size_t count = 0;
    for (; *at; count++) {
        row *r = &rows[count];
        assert_true(count < 16);
        r->path = next_field(&at);
        r->class = next_field(&at);
        r->set = next_field(&at);
        r->cause = next_field(&at);
        r->predicted = next_field(&at);
        const char *probability = next_field(&at), *loss = next_field(&at);
        r->probability = *probability ? strtod(probability, NULL) : -1.0;
        r->loss = *loss ? strtod(loss, NULL) : -1.0;
    }
    return count;
}

static char *load_table(const char *path)
{
    uint8_t *bytes;
    size_t size;
    assert_int_equal(graft_file_read(path, SIZE_MAX, &bytes, &size), GRAFT_OK);
    char *text = calloc(size + 1, 1);
    memcpy(text, bytes, size);
    free(bytes);
    return text;
}

static void test_table_of_all_pictures(void **state)
{
    place *p = *state;
    char path[PATH];
    row rows[16];
    remove_file(p, names[0]);
    graft_evaluation *held_out = evaluate(p, GRAFT_SET_HELD_OUT);
    const graft_evaluation *all[] = {held_out};
    size_t predicted = graft_evaluation_count(held_out);
    path_in(path, p, "pictures.csv");
    assert_int_equal(graft_pictures_write(path, p->model, p->dataset, all, 1), GRAFT_OK);
    char *text = load_table(path);
    assert_int_equal(read_table(rows, text), PICTURES + 1);
    for (size_t i = 0; i < PICTURES + 1; i++) {
        assert_int_equal(rows[i].loss >= 0.0, i < predicted);
        assert_true(i == 0 || i >= predicted || rows[i].loss <= rows[i - 1].loss);
        assert_true(*rows[i].predicted ? i < predicted : i >= predicted);
        assert_true(strncmp(rows[i].path, p->folder, strlen(p->folder)) == 0);
        if (strstr(rows[i].path, "/b/"))
            assert_string_equal(rows[i].class, "b \"quoted\", with a comma");
    }
    const row *last = &rows[PICTURES]; /* what is skipped comes last */
    assert_non_null(strstr(last->path, "b/broken.ppm"));
    assert_string_equal(last->set, "skipped");
    assert_true(*last->cause != 0);
    free(text);
    graft_evaluation_free(held_out);
}

static void test_table_of_one_evaluation(void **state)
{
    place *p = *state;
    char path[PATH];
    row rows[16];
    remove_file(p, names[0]);
    graft_evaluation *e = evaluate(p, GRAFT_SET_ALL);
    path_in(path, p, "one.csv");
    assert_int_equal(graft_evaluation_write(path, p->model, p->dataset, e), GRAFT_OK);
    char *text = load_table(path);
    assert_int_equal(read_table(rows, text), PICTURES); /* not the skipped one, but the one that has gone */
    assert_non_null(strstr(rows[PICTURES - 1].path, names[0]));
    assert_non_null(strstr(rows[PICTURES - 1].cause, "No such file"));
    for (size_t i = 0; i + 1 < PICTURES; i++)
        assert_true(rows[i].probability >= 0.5 && rows[i].probability <= 1.0);
    free(text);
    assert_int_equal(graft_evaluation_write("/nowhere/x.csv", p->model, p->dataset, e), GRAFT_EIO);
    graft_evaluation_free(e);
}

static void test_table_with_failing_allocations(void **state)
{
    place *p = *state;
    char path[PATH];
    graft_evaluation *e = evaluate(p, GRAFT_SET_ALL);
    const graft_evaluation *all[] = {e};
    graft_status status = GRAFT_EMEMORY;
    path_in(path, p, "memory.csv");
    for (long n = 1; status != GRAFT_OK; n++) {
        graft_memory_fail_after(n);
        status = graft_pictures_write(path, p->model, p->dataset, all, 1);
        graft_memory_fail_after(0);
        assert_true(status == GRAFT_OK ? n > 3 : status == GRAFT_EMEMORY && !graft_path_exists(path));
    }
    graft_evaluation_free(e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_outcomes),
        cmocka_unit_test(test_figures),
        cmocka_unit_test(test_undefined_figures_are_zero),
        cmocka_unit_test(test_loss_survives_a_probability_of_zero),
        cmocka_unit_test(test_refused_outcomes),
        cmocka_unit_test(test_wilson),
        cmocka_unit_test(test_failing_allocations),
        cmocka_unit_test(test_csv_quoting),
        cmocka_unit_test_setup_teardown(test_evaluation_is_what_the_model_predicts, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_picture_that_has_gone_is_left_out_and_named, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_kept_features_serve_an_evaluation, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_running_does_not_depend_on_what_trains, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_stopping_and_refusals, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_table_of_all_pictures, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_table_of_one_evaluation, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_table_with_failing_allocations, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
