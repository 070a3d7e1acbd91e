/* Numbers in text, in a program that has set a locale of its own: Germany's comma must neither come out of
 * graft nor be asked of what goes in. The locales are compiled for the test, where this machine has their
 * sources. */
#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <graft/graft.h>

#include "base/number.h"
#include "data/scan.h"
#include "image/augment.h"
#include "model/layers.h"

static char folder[] = "/tmp/graft-test-number-XXXXXX";

static int make_locales(void **state)
{
    char command[512];
    (void)state;
    assert_non_null(mkdtemp(folder));
    snprintf(command, sizeof command,
             "for name in de_DE tr_TR; do localedef -i $name -f UTF-8 %s/$name.UTF-8; done >%s/log 2>&1",
             folder, folder);
    if (system(command) != 0)
        print_message("no locales can be compiled here (Debian's package locales has their sources)\n");
    return setenv("LOCPATH", folder, 1);
}

static int remove_locales(void **state)
{
    char command[512];
    (void)state;
    snprintf(command, sizeof command, "rm -r %s", folder);
    return system(command);
}

static int leave_locale(void **state)
{
    (void)state;
    return setlocale(LC_ALL, "C") == NULL;
}

/* Skips the test where there is none. */
static void enter(const char *name)
{
    if (!setlocale(LC_ALL, name))
        skip();
}

static void check_numbers(void)
{
    char text[32], *end;
    const char half[] = "0.5)";
    assert_true(graft_number_read(half, &end) == 0.5);
    assert_ptr_equal(end, half + 3);
    assert_int_equal(graft_number_print(text, sizeof text, "%.9g %s", 1234.5, "x"), 8);
    assert_string_equal(text, "1234.5 x");
}

static void test_numbers(void **state)
{
    (void)state;
    check_numbers();
}

static void test_numbers_where_commas_are_points(void **state)
{
    char text[32];
    (void)state;
    enter("de_DE.UTF-8");
    check_numbers();
    snprintf(text, sizeof text, "%.1f", 0.5);
    assert_string_equal(text, "0,5"); /* the program's own numbers stay as it wants them */
}

static void test_layers(void **state)
{
    graft_layers layers;
    graft_buffer text = GRAFT_BUFFER_INIT;
    (void)state;
    enter("de_DE.UTF-8");
    assert_int_equal(graft_layers_parse(&layers, "dropout(0.25) linear", 3, NULL), GRAFT_OK);
    assert_true(layers.attributes[0].drop.probability == 0.25F);
    assert_int_equal(graft_layers_print(&text, &layers), GRAFT_OK);
    assert_string_equal(text.data, "dropout(0.25) linear(3)");
    graft_buffer_dispose(&text);
}

static void test_augmentations(void **state)
{
    graft_augmentation augmentation;
    char *text;
    (void)state;
    enter("de_DE.UTF-8");
    assert_int_equal(graft_augmentation_parse(&augmentation, "crop(0.35,1) rotate(7.5)", NULL), GRAFT_OK);
    assert_true(augmentation.steps[0].numbers[0] == 0.35 && augmentation.steps[0].numbers[1] == 1.0);
    assert_int_equal(graft_augmentation_print(&text, &augmentation), GRAFT_OK);
    assert_string_equal(text, "crop(0.35,1) rotate(7.5)");
    free(text);
}

static void test_messages(void **state)
{
    graft_augmentation augmentation;
    (void)state;
    enter("de_DE.UTF-8");
    augmentation = (graft_augmentation){1, {{"jitter", {0.0, 0.0, 0.0, 0.75}}}};
    assert_int_equal(graft_augment_check(&augmentation), GRAFT_EARGUMENT);
    assert_non_null(strstr(graft_error_message(), "from 0 to 0.5"));
}

/* The metadata of a saved model is JSON with numbers in it. */
static void test_files(void **state)
{
    char path[128];
    graft_model *model, *loaded;
    graft_weights *weights;
    (void)state;
    enter("de_DE.UTF-8");
    snprintf(path, sizeof path, "%s/model.safetensors", folder);
    assert_int_equal(graft_model_create(&model, "squeezenet1_1", 1), GRAFT_OK);
    assert_int_equal(graft_model_replace(model, "classifier.0", "dropout(0.125)", 1), GRAFT_OK);
    assert_int_equal(graft_model_save(model, path), GRAFT_OK);
    assert_int_equal(graft_model_load(&loaded, path), GRAFT_OK);
    assert_memory_equal(graft_model_transform(loaded), graft_model_transform(model), sizeof(graft_transform));
    assert_int_equal(graft_weights_open(&weights, path), GRAFT_OK);
    assert_non_null(strstr(graft_weights_metadata(weights, "graft.graph"), "dropout(0.125)"));
    assert_null(strstr(graft_weights_metadata(weights, "graft.transform"), "0,4"));
    graft_weights_close(weights);
    graft_model_free(loaded);
    graft_model_free(model);
}

/* In Turkey a capital i has a dot. */
static void test_names_of_pictures(void **state)
{
    (void)state;
    enter("tr_TR.UTF-8");
    assert_true(graft_is_picture_name("A.TIFF"));
    assert_true(graft_is_picture_name("a.Jpeg"));
    assert_false(graft_is_picture_name("a.GIF"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_numbers, leave_locale),
        cmocka_unit_test_teardown(test_numbers_where_commas_are_points, leave_locale),
        cmocka_unit_test_teardown(test_layers, leave_locale),
        cmocka_unit_test_teardown(test_augmentations, leave_locale),
        cmocka_unit_test_teardown(test_messages, leave_locale),
        cmocka_unit_test_teardown(test_files, leave_locale),
        cmocka_unit_test_teardown(test_names_of_pictures, leave_locale),
    };
    return cmocka_run_group_tests(tests, make_locales, remove_locales);
}
