/* Choosing how a plan's convolutions are computed: candidates are compiled, each with its layouts and all
 * that is fused, and the cheapest stays. By the rule a candidate costs what its convolutions do, in
 * multiply-adds of a direct one, and what its reorders move; one that would fall back to oneDNN's reference
 * kernels is out. That asks nothing of the machine but which kernels it has: the same machine has the same
 * plan every time.
 *
 * A measurement asks the machine itself. It may be disturbed, so it decides against the rule only where that
 * is slower by more than a tenth in the median of interleaved rounds. */
#include "plan/internal.h"

#include <stdlib.h>
#include <string.h>

#include <graft/tools.h>

#include "base/memory.h"
#include "base/status.h"

enum { CANDIDATES = 4, ROUNDS = 7 };

/* A reorder reads and writes: the machine moves a byte in the time of so many multiply-adds. */
static const double MACS_A_BYTE = 6.5;
static const double WORTH_A_CHANGE = 0.9;

const char *graft_kernels_name(graft_kernels kernels)
{
    static const char *const names[] = {"rule", "measure", "direct", "winograd", "blocked", "channels-last"};
    return (size_t)kernels < sizeof names / sizeof *names ? names[kernels] : "unknown";
}

/* ---- By the rule ---- */

static double cost_of(const graft_plan *plan)
{
    double cost = 0.0;
    for (size_t i = 0; i < plan->step_count; i++) {
        const graft_kernel *kernel = plan->steps[i].kernel;
        cost += kernel->effort;
        if (plan->steps[i].reorders)
            cost += MACS_A_BYTE *
                    (double)(graft_layout_bytes(kernel->layouts[0]) + graft_layout_bytes(kernel->layouts[1]));
    }
    return cost;
}

static size_t references(const graft_plan *plan)
{
    size_t count = 0;
    for (size_t i = 0; i < plan->step_count; i++)
        count += graft_kernel_is_reference(plan->steps[i].kernel);
    return count;
}

/* A candidate, or NULL where this machine has none or it would need reference kernels that `than` does not.
 */
static graft_status compile_beside(graft_plan **out, const graft_plan_request *request, graft_kernels kernels,
                                   const graft_plan *than)
{
    graft_plan *plan = NULL;
    graft_status status = graft_plan_compile_as(&plan, request, kernels);
    if (status != GRAFT_OK && status != GRAFT_EUNSUPPORTED)
        return status;
    if (plan && references(plan) > references(than)) {
        graft_plan_free(plan);
        plan = NULL;
    }
    *out = plan;
    return GRAFT_OK;
}

/* What the rule takes, and behind it what it compared that with, or NULL: direct, and in blocks, by
 * Winograd's method if anything suits it. */
static graft_status compile_pair(graft_plan *pair[2], const graft_plan_request *request)
{
    graft_plan *direct = NULL, *blocked = NULL;
    graft_status status = graft_plan_compile_as(&direct, request, GRAFT_KERNELS_DIRECT);
    if (status == GRAFT_OK)
        status = compile_beside(&blocked, request, GRAFT_KERNELS_WINOGRAD, direct);
    if (status == GRAFT_OK && !blocked)
        status = compile_beside(&blocked, request, GRAFT_KERNELS_BLOCKED, direct);
    if (status != GRAFT_OK) {
        graft_plan_free(direct);
        return status;
    }
    bool better = blocked && cost_of(blocked) < cost_of(direct);
    pair[0] = better ? blocked : direct;
    pair[1] = better ? direct : blocked;
    return GRAFT_OK;
}

static graft_status compile_by_rule(graft_plan **out, const graft_plan_request *request)
{
    graft_plan *pair[2];
    graft_status status = compile_pair(pair, request);
    if (status != GRAFT_OK)
        return status;
    graft_plan_free(pair[1]);
    *out = pair[0];
    return GRAFT_OK;
}

static graft_status compile(graft_plan **plan, const graft_plan_request *request)
{
    graft_kernels kernels = request->kernels;
    if (kernels == GRAFT_KERNELS_RULE || kernels == GRAFT_KERNELS_MEASURE)
        return compile_by_rule(plan, request);
    graft_status status = graft_plan_compile_as(plan, request, kernels);
    return status == GRAFT_EUNSUPPORTED ? graft_plan_compile_as(plan, request, GRAFT_KERNELS_DIRECT) : status;
}

/* The constants of what was compiled, and of nothing else. */
static graft_status fill(const graft_plan_request *request)
{
    graft_constants_origin origin = graft_plan_origin(request);
    return graft_constants_fill(request->constants, &origin);
}

graft_status graft_plan_compile(graft_plan **out, const graft_plan_request *request)
{
    graft_status status;
    graft_plan *plan = NULL;
    GRAFT_TRY(compile(&plan, request));
    GRAFT_TRY(fill(request));
    *out = plan;
    return GRAFT_OK;
out:
    graft_plan_free(plan);
    return status;
}

graft_kernels graft_plan_kernels(const graft_plan *plan)
{
    return plan->kernels;
}

/* ---- By measurement ---- */

typedef struct candidates {
    graft_plan *plans[CANDIDATES]; /* the rule's first */
    double seconds[CANDIDATES][ROUNDS];
    int count;
    void *workspace;
} candidates;

static void dispose(candidates *c)
{
    for (int i = 0; i < c->count; i++)
        graft_plan_free(c->plans[i]);
    free(c->workspace);
}

static bool is_compiled(const candidates *c, graft_kernels kernels)
{
    for (int i = 0; i < c->count; i++)
        if (c->plans[i]->kernels == kernels)
            return true;
    return false;
}

static graft_status compile_all(candidates *c, const graft_plan_request *request)
{
    graft_status status;
    GRAFT_TRY(compile_pair(c->plans, request));
    c->count = c->plans[1] ? 2 : 1;
    for (int i = 0; i < CANDIDATES; i++) {
        graft_kernels kernels = (graft_kernels)(GRAFT_KERNELS_DIRECT + i);
        if (is_compiled(c, kernels))
            continue;
        GRAFT_TRY(compile_beside(&c->plans[c->count], request, kernels, c->plans[0]));
        c->count += c->plans[c->count] != NULL;
    }
    status = fill(request);
out:
    return status;
}

static graft_status lay_out(const graft_plan_stage *stage, const graft_plan *plan)
{
    return stage->lay_out ? stage->lay_out(stage->context, plan) : GRAFT_OK;
}

static graft_status bind_all(candidates *c, const graft_plan_stage *stage)
{
    graft_status status;
    size_t bytes = 0;
    for (int i = 0; i < c->count; i++) {
        bytes = c->plans[i]->workspace > bytes ? c->plans[i]->workspace : bytes;
        GRAFT_TRY(lay_out(stage, c->plans[i]));
    }
    GRAFT_TRY(graft_allocate_aligned(&c->workspace, bytes));
    memset(c->workspace, 0, bytes);
    for (int i = 0; i < c->count; i++) {
        GRAFT_TRY(lay_out(stage, c->plans[i]));
        GRAFT_TRY(graft_plan_bind(c->plans[i], c->workspace, stage->inputs));
    }
out:
    return status;
}

/* In turns; each runs once before, uncounted. */
static graft_status time_all(candidates *c)
{
    graft_status status = GRAFT_OK;
    for (int round = -1; round < ROUNDS; round++)
        for (int i = 0; i < c->count; i++) {
            double began = graft_clock();
            GRAFT_TRY(graft_plan_rehearse(c->plans[i]));
            if (round >= 0)
                c->seconds[i][round] = graft_clock() - began;
        }
out:
    return status;
}

/* The index of the one that is taken. */
static int judge(candidates *c, graft_kernels_choice *choice)
{
    double medians[CANDIDATES] = {0.0};
    int best = 0;
    for (int i = 0; i < c->count; i++) {
        medians[i] = graft_plan_median(c->seconds[i], ROUNDS);
        best = medians[i] < medians[best] ? i : best;
    }
    int taken = medians[best] < WORTH_A_CHANGE * medians[0] ? best : 0;
    *choice =
        (graft_kernels_choice){c->plans[taken]->kernels, c->plans[0]->kernels, medians[taken], medians[0]};
    return taken;
}

graft_status graft_plan_measure(graft_plan **out, graft_kernels_choice *choice,
                                const graft_plan_request *request, const graft_plan_stage *stage)
{
    graft_status status;
    candidates c = {.count = 0};
    GRAFT_TRY(compile_all(&c, request));
    GRAFT_TRY(bind_all(&c, stage));
    GRAFT_TRY(time_all(&c));
    int taken = judge(&c, choice);
    *out = c.plans[taken];
    c.plans[taken] = NULL;
out:
    dispose(&c);
    graft_constants_trim(request->constants);
    return status;
}
