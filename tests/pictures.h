/* Pictures made on the spot, in a temporary folder that is the working directory of a test program. */
#ifndef GRAFT_TESTS_PICTURES_H
#define GRAFT_TESTS_PICTURES_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <graft/tools.h>

static char pictures_folder[] = "/tmp/graft-test-pictures-XXXXXX";

/* Readable by others, because a test becomes somebody else. */
static int enter_folder(void **state)
{
    (void)state;
    return mkdtemp(pictures_folder) && chmod(pictures_folder, 0755) == 0 ? chdir(pictures_folder) : -1;
}

static int leave_folder(void **state)
{
    char command[128];
    (void)state;
    snprintf(command, sizeof command, "chmod -R u+rwX %s; rm -rf %s", pictures_folder, pictures_folder);
    return chdir("/") || system(command);
}

/* Everything that a test left behind. */
static inline int empty_folder(void **state)
{
    (void)state;
    return system("chmod -R u+rwX .; rm -rf ./* ./.[!.]*");
}

static void make_file(const char *path, const void *bytes, size_t size)
{
    char parent[512];
    const char *slash = strrchr(path, '/');
    snprintf(parent, sizeof parent, "%.*s", slash ? (int)(slash - path) : 1, slash ? path : ".");
    assert_int_equal(graft_folder_create(parent), GRAFT_OK);
    FILE *stream = fopen(path, "wb");
    assert_non_null(stream);
    assert_int_equal(fwrite(bytes, 1, size, stream), size);
    assert_int_equal(fclose(stream), 0);
}

static inline void make_text(const char *path, const char *text)
{
    make_file(path, text, strlen(text));
}

enum { PICTURE_WIDTH = 20, PICTURE_HEIGHT = 14, PICTURE_BYTES = PICTURE_WIDTH * PICTURE_HEIGHT * 3 };

/* A PPM, whatever its name says: the same bytes for the same number. Of its rows only `rows` are there. */
static void make_picture_cut(const char *path, uint32_t number, int rows)
{
    uint8_t bytes[32 + PICTURE_BYTES];
    size_t size = (size_t)sprintf((char *)bytes, "P6 %d %d 255\n", PICTURE_WIDTH, PICTURE_HEIGHT);
    for (int i = 0; i < rows * PICTURE_WIDTH * 3; i++) {
        number = number * 1664525 + 1013904223;
        bytes[size++] = (uint8_t)(number >> 24);
    }
    make_file(path, bytes, size);
}

static void make_picture(const char *path, uint32_t number)
{
    make_picture_cut(path, number, PICTURE_HEIGHT);
}

/* FOLDER/000.ppm, FOLDER/001.ppm, ... */
static inline void make_pictures(const char *folder, int count)
{
    static uint32_t number;
    char path[512];
    for (int i = 0; i < count; i++) {
        snprintf(path, sizeof path, "%s/%03d.ppm", folder, i);
        make_picture(path, ++number);
    }
}

#endif
