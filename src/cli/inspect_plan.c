/* The plans that graft makes for a network, a line a step: whom it works for, the kernel, the layout that it
 * writes, memory and, where it was asked for, time. What only brings a tensor into another layout is marked.
 *
 * As JSON: {network, instructions, threads, weights, plans: [{part, batch, kernels, workspace, milliseconds
 * or null, steps: [{phase, node, kernel, layout, from or null, shape, scratch, live, milliseconds or
 * null}]}]}. */
#include "cli/inspect.h"

#include <stdio.h>
#include <string.h>

#include "cli/command.h"
#include "cli/json_lines.h"
#include "cli/precision.h"
#include "cli/screen.h"

enum { ROUNDS = 7, NODE = 21, KERNEL = 23 };

typedef struct plan_sum {
    size_t steps, reorders;
    double seconds;
} plan_sum;

static plan_sum sum_up(const graft_executor *executor, size_t first)
{
    plan_sum sum = {0, 0, 0.0};
    graft_step_info info, head;
    graft_executor_step_info(executor, first, &head);
    for (size_t i = first; i < graft_executor_step_count(executor); i++) {
        graft_executor_step_info(executor, i, &info);
        if (info.plan != head.plan)
            break;
        sum.steps++;
        sum.reorders += info.from != NULL;
        sum.seconds += info.seconds;
    }
    return sum;
}

/* ---- For people ---- */

/* Columns of a layout's name. */
static int layout_columns(const graft_executor *executor)
{
    return graft_executor_precision(executor) == GRAFT_F32 ? 8 : 12;
}

static void print_plan_head(const graft_executor *executor, size_t first, bool timed)
{
    graft_step_info info;
    plan_sum sum = sum_up(executor, first);
    graft_executor_step_info(executor, first, &info);
    printf("%s%s of %d, %s: %zu step%s, %zu of them reorders; workspace %s", first ? "\n" : "", info.part,
           info.batch, graft_kernels_name(info.kernels), sum.steps, sum.steps == 1 ? "" : "s", sum.reorders,
           screen_bytes(info.workspace));
    if (timed)
        printf("; %.2f ms", 1e3 * sum.seconds);
    printf("\n  %-*s %-*s %-*s %7s %7s%s\n", NODE, "node", KERNEL, "kernel", layout_columns(executor),
           "layout", "scratch", "live", timed ? "      ms" : "");
}

static void print_step(const graft_step_info *info, int columns, bool timed)
{
    printf("%c %-*s %-*s %-*s %7s %7s", info->from ? '~' : ' ', NODE, screen_name(info->node, NODE), KERNEL,
           screen_name(info->kernel, KERNEL), columns, info->layout,
           info->scratch ? screen_bytes(info->scratch) : "", screen_bytes(info->live));
    if (timed)
        printf(" %7.*f", info->seconds < 0.9995 ? 3 : 0, 1e3 * info->seconds);
    printf("\n");
}

static void print_plans(const graft_executor *executor, bool timed)
{
    graft_step_info info, before = {.phase = ""};
    for (size_t i = 0; i < graft_executor_step_count(executor); i++) {
        graft_executor_step_info(executor, i, &info);
        bool begins = i == 0 || info.plan != before.plan;
        if (begins)
            print_plan_head(executor, i, timed);
        if (!begins && strcmp(info.phase, before.phase) != 0)
            printf("--- %s ---\n", info.phase);
        print_step(&info, layout_columns(executor), timed);
        before = info;
    }
    printf("~ brings a tensor into another layout\n");
}

/* ---- For programs ---- */

static json_t *milliseconds(double seconds, bool timed)
{
    return timed ? json_real(1e3 * seconds) : json_null();
}

static json_t *step_json(const graft_step_info *info, bool timed)
{
    return json_pack("{s:s, s:o, s:s, s:s, s:o, s:o, s:I, s:I, s:o}", "phase", info->phase, "node",
                     json_text(info->node), "kernel", info->kernel, "layout", info->layout, "from",
                     info->from ? json_string(info->from) : json_null(), "shape",
                     inspect_shape_json(&info->shape), "scratch", (json_int_t)info->scratch, "live",
                     (json_int_t)info->live, "milliseconds", milliseconds(info->seconds, timed));
}

static json_t *plans_json(const graft_executor *executor, bool timed)
{
    json_t *plans = json_array(), *steps = NULL;
    graft_step_info info;
    size_t plan = 0;
    for (size_t i = 0; i < graft_executor_step_count(executor); i++) {
        graft_executor_step_info(executor, i, &info);
        if (i == 0 || info.plan != plan) {
            steps = json_array();
            json_array_append_new(
                plans,
                json_pack("{s:s, s:i, s:s, s:I, s:o, s:o}", "part", info.part, "batch", info.batch, "kernels",
                          graft_kernels_name(info.kernels), "workspace", (json_int_t)info.workspace,
                          "milliseconds", milliseconds(sum_up(executor, i).seconds, timed), "steps", steps));
        }
        plan = info.plan;
        json_array_append_new(steps, step_json(&info, timed));
    }
    return plans;
}

static void say_plans(const graft_executor *executor, const graft_model *model, int threads, bool timed)
{
    graft_memory memory;
    graft_executor_memory(executor, &memory);
    json_say(json_pack("{s:s, s:s, s:i, s:I, s:o}", "network", graft_model_network(model)->name,
                       "instructions", graft_instructions(), "threads", threads, "weights",
                       (json_int_t)memory.weights, "plans", plans_json(executor, timed)));
}

/* ---- Both ---- */

int inspect_plan(graft_model *model, const graft_executor_options *options, bool timed, bool json)
{
    graft_executor *executor = NULL;
    int status = EXIT_FAILED;
    if (graft_executor_create(&executor, model, options) != GRAFT_OK ||
        (options->batch == 0 && graft_executor_plan_prediction(executor) != GRAFT_OK) ||
        (timed && graft_executor_time_steps(executor, ROUNDS) != GRAFT_OK))
        screen_fail_status();
    else {
        precision_say(options->precision, graft_executor_precision(executor));
        if (json)
            say_plans(executor, model, options->threads, timed);
        else
            print_plans(executor, timed);
        status = EXIT_GOOD;
    }
    graft_executor_free(executor);
    return status;
}
