/* `graft cache`: where kept features are, how large, and of what; `graft cache clear` takes them away. */
#include <stdio.h>
#include <string.h>

#include <graft/graft.h>

#include "cli/command.h"
#include "cli/json_lines.h"
#include "cli/screen.h"

enum { NAME_COLUMNS = 60, LINE_COLUMNS = 500 };

static const option options[] = {
    {"json", NULL, NULL, "JSON: {folder, bytes, files: [{path, bytes, row, rows, age, key}]}",
     .kind = OPTION_FLAG},
    {.name = NULL},
};

/* ---- For programs ---- */

static json_t *lines_json(const char *text)
{
    json_t *array = json_array();
    for (size_t length; *text; text += length + (text[length] == '\n')) {
        length = strcspn(text, "\n");
        json_array_append_new(array, json_stringn(text, length));
    }
    return array;
}

static void say_json(const graft_cache_list *list)
{
    json_t *files = json_array();
    for (size_t i = 0; i < graft_cache_list_count(list); i++) {
        const graft_cache_file *file = graft_cache_list_at(list, i);
        json_array_append_new(files, json_pack("{s:o,s:I,s:I,s:I,s:o,s:o}", "path", json_text(file->path),
                                               "bytes", (json_int_t)file->bytes, "row", (json_int_t)file->row,
                                               "rows", (json_int_t)file->rows, "age", json_figure(file->age),
                                               "key", lines_json(file->key)));
    }
    json_say(json_pack("{s:o,s:I,s:o}", "folder", json_text(graft_cache_list_folder(list)), "bytes",
                       (json_int_t)graft_cache_list_bytes(list), "files", files));
}

/* ---- For people ---- */

/* "3 hours ago" */
static const char *age_text(char text[32], double seconds)
{
    static const struct {
        double seconds;
        const char *name;
    } units[] = {{86400.0, "day"}, {3600.0, "hour"}, {60.0, "minute"}};
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (seconds >= units[i].seconds) {
            int count = (int)(seconds / units[i].seconds);
            snprintf(text, 32, "%d %s%s ago", count, units[i].name, count == 1 ? "" : "s");
            return text;
        }
    return "just now";
}

static void print_lines(const char *text)
{
    char line[512];
    for (size_t length; *text; text += length + (text[length] == '\n')) {
        length = strcspn(text, "\n");
        snprintf(line, sizeof line, "%.*s", (int)length, text);
        screen_line(stdout, "", "%s", screen_name(line, LINE_COLUMNS));
    }
}

static void print_file(const graft_cache_file *file)
{
    const char *slash = strrchr(file->path, '/');
    char age[32];
    printf("\n");
    screen_line(stdout, screen_bytes(file->bytes), "%s",
                screen_name(slash ? slash + 1 : file->path, NAME_COLUMNS));
    screen_line(stdout, "", "%s %s, used %s", screen_count(file->rows), file->row ? "views" : "pictures",
                age_text(age, file->age));
    print_lines(file->key);
}

static int show(const arguments *given)
{
    graft_cache_list *list;
    if (graft_cache_list_open(&list, NULL) != GRAFT_OK)
        return screen_fail_status();
    graft_cache_list_count_rows(list);
    if (argument_given(given, "json")) {
        say_json(list);
    } else {
        size_t count = graft_cache_list_count(list);
        screen_line(stdout, "cache", "%s: %s in %s file%s",
                    screen_name(graft_cache_list_folder(list), NAME_COLUMNS),
                    screen_bytes(graft_cache_list_bytes(list)), screen_count(count), count == 1 ? "" : "s");
        for (size_t i = 0; i < count; i++)
            print_file(graft_cache_list_at(list, i));
    }
    graft_cache_list_free(list);
    return EXIT_GOOD;
}

static int clear(void)
{
    size_t bytes;
    if (graft_cache_clear(NULL, &bytes) != GRAFT_OK)
        return screen_fail_status();
    screen_line(stdout, "cleared", "%s", screen_bytes(bytes));
    return EXIT_GOOD;
}

static int run(const arguments *given)
{
    const char *word = argument_count(given) > 0 ? argument_at(given, 0) : NULL;
    if (!word)
        return show(given);
    if (strcmp(word, "clear") == 0)
        return clear();
    screen_fail("graft cache knows `clear`, not \"%s\"", screen_name(word, NAME_COLUMNS));
    return EXIT_USAGE;
}

const command command_cache = {
    .name = "cache",
    .usage = "[clear] [OPTION...]",
    .summary = "Shows or clears what is kept of pictures",
    .description = "`graft train` keeps what the frozen part of a network says of pictures in\n"
                   "${XDG_CACHE_HOME:-~/.cache}/graft/features: a file for each network with its\n"
                   "weights, way to see pictures, frozen boundary and machine. They are listed, the\n"
                   "latest used first. `clear` takes them away; a training that uses one goes on.",
    .options = options,
    .least = 0,
    .most = 1,
    .run = run,
};
