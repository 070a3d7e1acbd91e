/* Memory that is left, of folders such as the kernel's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "pictures.h"

#include "base/memory.h"

static void check_left(size_t expected)
{
    assert_true(graft_memory_available_in("proc", "groups") == expected);
}

static void test_the_machine(void **state)
{
    (void)state;
    check_left(SIZE_MAX); /* nothing is told */
    make_text("proc/meminfo", "MemTotal:  9000 kB\nMemFree:  100 kB\nMemAvailable:    4000 kB\n");
    check_left(4000 * 1024);
    make_text("proc/meminfo", "MemAvailable:  0 kB\n");
    check_left(0);
    make_text("proc/meminfo", "MemTotal:  9000 kB\n");
    check_left(SIZE_MAX);
}

static void test_a_group(void **state)
{
    (void)state;
    make_text("proc/meminfo", "MemAvailable:  4000 kB\n");
    make_text("groups/memory.current", "900000\n");
    check_left(4000 * 1024); /* no limit is told */
    make_text("groups/memory.max", "max\n");
    check_left(4000 * 1024);
    make_text("groups/memory.max", "1000000\n");
    check_left(100000);
    make_text("groups/memory.current", "1000000\n");
    check_left(0); /* nothing, which is not unknown */
    make_text("groups/memory.current", "1200000\n");
    check_left(0);
}

/* Files that were read are given up when memory is asked for. */
static void test_files_that_were_read(void **state)
{
    (void)state;
    make_text("groups/memory.max", "1000000\n");
    make_text("groups/memory.current", "1000000\n");
    make_text("groups/memory.stat", "anon 300000\nfile 800000\nshmem 100000\ninactive_anon 100000\n"
                                    "inactive_file 500000\nactive_file 200000\n");
    check_left(700000);
    make_text("groups/memory.stat", "inactive_file 900000\nactive_file 200000\n"); /* read at another time */
    check_left(1000000);
}

static void test_the_first_version(void **state)
{
    (void)state;
    make_text("groups/memory/memory.limit_in_bytes", "9223372036854771712\n");
    make_text("groups/memory/memory.usage_in_bytes", "600000\n");
    check_left(9223372036854771712U - 600000);
    make_text("groups/memory/memory.limit_in_bytes", "1000000\n");
    check_left(400000);
    make_text("groups/memory/memory.stat",
              "inactive_file 1\ntotal_inactive_file 250000\ntotal_active_file 0\n");
    check_left(650000);
    make_text("proc/meminfo", "MemAvailable:  100 kB\n");
    check_left(100 * 1024);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_the_machine, empty_folder),
        cmocka_unit_test_teardown(test_a_group, empty_folder),
        cmocka_unit_test_teardown(test_files_that_were_read, empty_folder),
        cmocka_unit_test_teardown(test_the_first_version, empty_folder),
    };
    return cmocka_run_group_tests(tests, enter_folder, leave_folder);
}
