/* The zip directory: well-formed archives of every kind that is read, and each way in which an archive can
 * say two things at once, made by changing a few bytes of a good one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buffer.h"
#include "formats/zip.h"

/* ---- A writer of archives ---- */

enum {
    DESCRIPTORS = 1, /* flag bit 3, sizes behind the data: as torch.save writes */
    ZIP64 = 2,       /* the zip64 records, and the end record leaves them the word */
    ZIP64_ECHO = 4,  /* the end record has the numbers too */
    WIDE = 8,        /* sizes and offset of every entry in zip64 fields */
    SAME_NAMES = 16
};

enum { ENTRIES = 3 };

typedef struct archive {
    graft_buffer bytes;
    size_t local[ENTRIES], central[ENTRIES], directory, zip64, locator, end;
} archive;

static const char *const names[ENTRIES] = {"a/data.pkl", "a/data/0", "a/data/1"};
static const char *const contents[ENTRIES] = {"pickle", "", "0123456789abcdef"};

static void number(archive *a, size_t width, uint64_t value)
{
    graft_buffer_append(&a->bytes, &value, width); /* little-endian */
}

static const char *name_of(int i, int kind)
{
    return kind & SAME_NAMES ? "a/data/1" : names[i];
}

/* What local and central header have in common: flags to the length of the extra field. */
static void common(archive *a, int i, int kind, bool central)
{
    bool later = (kind & DESCRIPTORS) && !central;
    uint64_t size = later ? 0 : kind & WIDE ? UINT32_MAX : strlen(contents[i]);
    number(a, 2, kind & DESCRIPTORS ? 0x0808 : 0x0800);
    number(a, 2, 0);
    number(a, 4, 0); /* time and date */
    number(a, 4, later ? 0 : 0x12345678);
    number(a, 4, size);
    number(a, 4, size);
    number(a, 2, strlen(name_of(i, kind)));
    number(a, 2, (kind & WIDE ? (later ? 0 : central ? 28 : 20) : 0) + 6);
}

static void extra(archive *a, int i, int kind, bool central)
{
    bool later = (kind & DESCRIPTORS) && !central;
    number(a, 2, 0x4246); /* "FB", torch.save's padding */
    number(a, 2, 2);
    number(a, 2, 0x5a5a);
    if (!(kind & WIDE) || later)
        return;
    number(a, 2, 1);
    number(a, 2, central ? 24 : 16);
    number(a, 8, strlen(contents[i]));
    number(a, 8, strlen(contents[i]));
    if (central)
        number(a, 8, a->local[i]);
}

static void add_local(archive *a, int i, int kind)
{
    a->local[i] = a->bytes.size;
    graft_buffer_text(&a->bytes, "PK\3\4");
    number(a, 2, 45);
    common(a, i, kind, false);
    graft_buffer_text(&a->bytes, name_of(i, kind));
    extra(a, i, kind, false);
    graft_buffer_text(&a->bytes, contents[i]);
    if (kind & DESCRIPTORS) {
        graft_buffer_text(&a->bytes, "PK\7\10");
        number(a, 4, 0x12345678);
        number(a, 4, strlen(contents[i]));
        number(a, 4, strlen(contents[i]));
    }
}

static void add_central(archive *a, int i, int kind)
{
    a->central[i] = a->bytes.size;
    graft_buffer_text(&a->bytes, "PK\1\2");
    number(a, 2, 45);
    number(a, 2, 45);
    common(a, i, kind, true);
    number(a, 2, 3); /* a comment */
    number(a, 2, 0);
    number(a, 2, 0);
    number(a, 4, 0);
    number(a, 4, kind & WIDE ? UINT32_MAX : a->local[i]);
    graft_buffer_text(&a->bytes, name_of(i, kind));
    extra(a, i, kind, true);
    graft_buffer_text(&a->bytes, "hi!");
}

static void add_zip64(archive *a, uint64_t size)
{
    a->zip64 = a->bytes.size;
    graft_buffer_text(&a->bytes, "PK\6\6");
    number(a, 8, 44);
    number(a, 4, 45 | 45 << 16);
    number(a, 4, 0);
    number(a, 4, 0);
    number(a, 8, ENTRIES);
    number(a, 8, ENTRIES);
    number(a, 8, size);
    number(a, 8, a->directory);
    a->locator = a->bytes.size;
    graft_buffer_text(&a->bytes, "PK\6\7");
    number(a, 4, 0);
    number(a, 8, a->zip64);
    number(a, 4, 1);
}

static archive make(int kind)
{
    archive a = {.bytes = GRAFT_BUFFER_INIT};
    for (int i = 0; i < ENTRIES; i++)
        add_local(&a, i, kind);
    a.directory = a.bytes.size;
    for (int i = 0; i < ENTRIES; i++)
        add_central(&a, i, kind);
    size_t size = a.bytes.size - a.directory;
    if (kind & ZIP64)
        add_zip64(&a, size);
    bool ones = (kind & ZIP64) && !(kind & ZIP64_ECHO);
    a.end = a.bytes.size;
    graft_buffer_text(&a.bytes, "PK\5\6");
    number(&a, 4, 0);
    number(&a, 2, ones ? UINT16_MAX : ENTRIES);
    number(&a, 2, ones ? UINT16_MAX : ENTRIES);
    number(&a, 4, ones ? UINT32_MAX : size);
    number(&a, 4, ones ? UINT32_MAX : a.directory);
    number(&a, 2, 0);
    return a;
}

/* Reads the archive from a block of its exact size. */
static graft_status read_archive(const archive *a)
{
    graft_zip zip = {NULL, 77};
    graft_arena arena;
    graft_arena_init(&arena);
    uint8_t *copy = malloc(a->bytes.size);
    assert_non_null(copy);
    memcpy(copy, a->bytes.data, a->bytes.size);
    graft_status status = graft_zip_read(&zip, &arena, copy, a->bytes.size);
    assert_int_equal(zip.count, status == GRAFT_OK ? ENTRIES : 77);
    for (int i = 0; status == GRAFT_OK && i < ENTRIES; i++) {
        const graft_zip_entry *entry = graft_zip_find(&zip, names[i]);
        assert_non_null(entry);
        assert_int_equal(entry->size, strlen(contents[i]));
        assert_memory_equal(entry->data, contents[i], entry->size);
        assert_null(graft_zip_find(&zip, "a/data"));
    }
    free(copy);
    graft_arena_dispose(&arena);
    return status;
}

/* ---- Good ones ---- */

static void test_every_kind_is_read(void **state)
{
    (void)state;
    for (int kind = 0; kind < SAME_NAMES; kind++) {
        archive a = make(kind);
        if (read_archive(&a) != GRAFT_OK)
            fail_msg("kind %d: %s", kind, graft_error_message());
        graft_buffer_dispose(&a.bytes);
    }
}

/* ---- Bad ones ---- */

enum part { LOCAL, CENTRAL, RECORD, LOCATOR, END };

static size_t part_of(const archive *a, enum part part, int entry)
{
    return part == LOCAL     ? a->local[entry]
           : part == CENTRAL ? a->central[entry]
           : part == RECORD  ? a->zip64
           : part == LOCATOR ? a->locator
                             : a->end;
}

/* One number of a good archive, changed. */
static const struct change {
    const char *what;
    int kind;
    enum part part;
    int entry;
    size_t offset, width;
    uint64_t value;
    const char *words;
} changes[] = {
    {"deflated", DESCRIPTORS, CENTRAL, 0, 10, 2, 8, "is compressed"},
    {"deflated before its data", DESCRIPTORS, LOCAL, 0, 8, 2, 8, "differs"},
    {"encrypted", DESCRIPTORS, CENTRAL, 0, 8, 2, 0x0809, "the zip flags 0x809"},
    {"encrypted before its data", DESCRIPTORS, LOCAL, 0, 6, 2, 0x0809, "differs"},
    {"strongly encrypted", DESCRIPTORS, CENTRAL, 2, 8, 2, 0x0848, "the zip flags"},
    {"no descriptor in the directory", DESCRIPTORS, CENTRAL, 0, 8, 2, 0x0800, "differs"},
    {"another name", DESCRIPTORS, LOCAL, 0, 30, 1, 'b', "differs"},
    {"another length of the name", DESCRIPTORS, LOCAL, 0, 26, 2, 9, "differs"},
    {"a name that reaches into the directory", DESCRIPTORS, LOCAL, 2, 26, 2, 60000, "differs"},
    {"extra that reaches into the directory", DESCRIPTORS, LOCAL, 2, 28, 2, 60000, "differs"},
    {"no local signature", DESCRIPTORS, LOCAL, 1, 0, 4, 0, "differs"},
    {"another packed size", 0, LOCAL, 0, 18, 4, 5, "differs"},
    {"another size", 0, LOCAL, 0, 22, 4, 5, "differs"},
    {"another CRC", 0, LOCAL, 0, 14, 4, 5, "differs"},
    {"another wide size", WIDE, LOCAL, 0, 30 + 10 + 6 + 4, 8, 5, "differs"},
    {"packed in another size", DESCRIPTORS, CENTRAL, 2, 20, 4, 15, "stored in another size"},
    {"unpacked in another size", DESCRIPTORS, CENTRAL, 2, 24, 4, 1U << 30, "stored in another size"},
    {"an empty name", DESCRIPTORS, CENTRAL, 0, 28, 2, 0, "zip directory"},
    {"a zero byte in the name", DESCRIPTORS, CENTRAL, 0, 47, 1, 0, "no proper name"},
    {"a name that is not UTF-8", DESCRIPTORS, CENTRAL, 0, 47, 1, 0xff, "no proper name"},
    {"a name beyond the directory", DESCRIPTORS, CENTRAL, 2, 28, 2, 60000, "damaged"},
    {"a comment beyond the directory", DESCRIPTORS, CENTRAL, 2, 32, 2, 60000, "damaged"},
    {"a shorter comment", DESCRIPTORS, CENTRAL, 2, 32, 2, 2, "damaged"},
    {"extra that ends early", DESCRIPTORS, CENTRAL, 0, 46 + 10 + 2, 2, 3, "damaged"},
    {"extra with a rest", DESCRIPTORS, CENTRAL, 0, 46 + 10 + 2, 2, 1, "damaged"},
    {"another disk", DESCRIPTORS, CENTRAL, 0, 34, 2, 1, "damaged"},
    {"no central signature", DESCRIPTORS, CENTRAL, 1, 0, 4, 0, "damaged"},
    {"ones without a zip64 field", DESCRIPTORS, CENTRAL, 0, 24, 4, UINT32_MAX, "damaged"},
    {"a zip64 field of another name", WIDE, CENTRAL, 0, 46 + 10 + 6, 2, 2, "damaged"},
    {"a short zip64 field", WIDE, CENTRAL, 0, 46 + 10 + 6 + 2, 2, 16, "damaged"},
    {"a wide size beyond all", WIDE | DESCRIPTORS, CENTRAL, 0, 46 + 10 + 6 + 4, 8, UINT64_MAX,
     "another size"},
    {"a place beyond the file", DESCRIPTORS, CENTRAL, 2, 42, 4, 1U << 31, "differs"},
    {"a place in the directory", DESCRIPTORS, CENTRAL, 2, 42, 4, 250, "differs"},
    {"a wide place beyond all", WIDE, CENTRAL, 2, 46 + 8 + 6 + 20, 8, UINT64_MAX, "differs"},
    {"several disks", 0, END, 0, 4, 2, 1, "damaged"},
    {"a directory on another disk", 0, END, 0, 6, 2, 1, "damaged"},
    {"other entries on this disk", 0, END, 0, 8, 2, 2, "damaged"},
    {"a comment", 0, END, 0, 20, 2, 1, "damaged"},
    {"a smaller directory", 0, END, 0, 12, 4, 100, "damaged"},
    {"another directory", 0, END, 0, 16, 4, 1, "damaged"},
    {"a directory beyond the file", 0, END, 0, 16, 4, UINT32_MAX, "damaged"},
    {"an end beside the end", 0, END, 0, 0, 4, 0, "cut off"},
    {"zip64 of another size", ZIP64, RECORD, 0, 4, 8, 45, "damaged"},
    {"zip64 on a disk", ZIP64, RECORD, 0, 16, 4, 1, "damaged"},
    {"zip64 directory on a disk", ZIP64, RECORD, 0, 20, 4, 1, "damaged"},
    {"zip64 entries on this disk", ZIP64, RECORD, 0, 24, 8, 2, "damaged"},
    {"zip64 entries", ZIP64 | ZIP64_ECHO, RECORD, 0, 32, 8, 2, "damaged"},
    {"zip64 directory size", ZIP64, RECORD, 0, 40, 8, UINT64_MAX, "damaged"},
    {"zip64 directory", ZIP64, RECORD, 0, 48, 8, 1, "damaged"},
    {"zip64 directory beyond all", ZIP64, RECORD, 0, 48, 8, UINT64_MAX - 3, "damaged"},
    {"no zip64 record", ZIP64, RECORD, 0, 0, 4, 0, "damaged"},
    {"no zip64 locator", ZIP64, LOCATOR, 0, 0, 4, 0, "damaged"},
    {"a locator of a disk", ZIP64, LOCATOR, 0, 4, 4, 1, "damaged"},
    {"a locator of two disks", ZIP64, LOCATOR, 0, 16, 4, 2, "damaged"},
    {"a locator beyond the file", ZIP64, LOCATOR, 0, 8, 8, UINT64_MAX - 30, "damaged"},
    {"an end that contradicts zip64", ZIP64 | ZIP64_ECHO, END, 0, 12, 4, 7, "damaged"},
};

static void test_contradictions_are_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        const struct change *c = &changes[i];
        archive a = make(c->kind);
        memcpy(a.bytes.data + part_of(&a, c->part, c->entry) + c->offset, &c->value, c->width);
        if (read_archive(&a) != GRAFT_EFORMAT)
            fail_msg("%s was not refused", c->what);
        if (!strstr(graft_error_message(), c->words))
            fail_msg("%s: \"%s\" does not contain \"%s\"", c->what, graft_error_message(), c->words);
        graft_buffer_dispose(&a.bytes);
    }
}

static void refuse(archive *a, const char *words)
{
    assert_int_equal(read_archive(a), GRAFT_EFORMAT);
    if (!strstr(graft_error_message(), words))
        fail_msg("\"%s\" does not contain \"%s\"", graft_error_message(), words);
    graft_buffer_dispose(&a->bytes);
}

static void test_one_name_twice(void **state)
{
    (void)state;
    archive a = make(DESCRIPTORS | SAME_NAMES);
    refuse(&a, "two of its entries are named a/data/1");
}

/* The first entry's data reaches over the second's header, and is then an entry of its own. */
static void test_overlapping_entries(void **state)
{
    (void)state;
    archive a = make(DESCRIPTORS);
    uint32_t size = (uint32_t)(a.local[1] - a.local[0]);
    memcpy(a.bytes.data + a.central[0] + 20, &size, 4);
    memcpy(a.bytes.data + a.central[0] + 24, &size, 4);
    refuse(&a, "a/data.pkl and a/data/0 overlap");
}

static void test_data_that_reaches_into_the_directory(void **state)
{
    (void)state;
    archive a = make(DESCRIPTORS);
    uint32_t size = (uint32_t)(a.directory - a.local[2]);
    memcpy(a.bytes.data + a.central[2] + 20, &size, 4);
    memcpy(a.bytes.data + a.central[2] + 24, &size, 4);
    refuse(&a, "reaches beyond");
}

static void test_one_entry_listed_twice(void **state)
{
    (void)state;
    archive a = make(DESCRIPTORS | SAME_NAMES);
    uint32_t place = (uint32_t)a.local[1];
    memcpy(a.bytes.data + a.central[0] + 42, &place, 4);
    memcpy(a.bytes.data + a.central[0] + 20, a.bytes.data + a.central[1] + 20, 8);
    refuse(&a, "overlap"); /* it has no bytes: only its headers do */
}

/* Entries that the directory's size cannot hold, and more than anybody has. */
static void test_promised_entries(void **state)
{
    (void)state;
    const uint64_t counts[] = {4, 1 << 20, UINT64_MAX};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        archive a = make(ZIP64);
        memcpy(a.bytes.data + a.zip64 + 24, &counts[i], 8);
        memcpy(a.bytes.data + a.zip64 + 32, &counts[i], 8);
        refuse(&a, i == 0 ? "damaged" : "entries, which cannot be");
    }
    archive fewer = make(0);
    const uint16_t two = 2;
    memcpy(fewer.bytes.data + fewer.end + 8, &two, 2);
    memcpy(fewer.bytes.data + fewer.end + 10, &two, 2);
    refuse(&fewer, "damaged");
}

static void test_something_behind_the_end(void **state)
{
    (void)state;
    archive a = make(ZIP64 | DESCRIPTORS);
    graft_buffer_append(&a.bytes, "x", 1);
    refuse(&a, "something follows its end");
}

static void test_every_cut(void **state)
{
    (void)state;
    archive a = make(ZIP64 | DESCRIPTORS);
    for (size_t size = a.bytes.size; a.bytes.size > 0; size = a.bytes.size) {
        a.bytes.size = size - 1;
        assert_int_equal(read_archive(&a), GRAFT_EFORMAT);
    }
    graft_buffer_dispose(&a.bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_kind_is_read),
        cmocka_unit_test(test_contradictions_are_refused),
        cmocka_unit_test(test_one_name_twice),
        cmocka_unit_test(test_overlapping_entries),
        cmocka_unit_test(test_data_that_reaches_into_the_directory),
        cmocka_unit_test(test_one_entry_listed_twice),
        cmocka_unit_test(test_promised_entries),
        cmocka_unit_test(test_something_behind_the_end),
        cmocka_unit_test(test_every_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
