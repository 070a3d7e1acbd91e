/* Plans: the frozen boundary, folding and fusing, gradients through what is frozen, places in memory. The
 * graphs are drawn: nodes of one shape, so that any two can be added, in any order. Where all trains nothing
 * is folded and nothing fused; that is compared with every other way of running the same graph, and itself
 * with PyTorch in test_ops.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>

#include "rig.h"

#include "plan/internal.h"

enum { PICTURES = 3, SIDE = 7, CLASSES = 4, GRAPHS = 24, LARGEST = 24 };

/* ---- Drawing graphs ---- */

typedef struct drawer {
    graft_random random;
    graft_builder builder;
    int channels;
} drawer;

static int draw(drawer *d, int bound)
{
    return (int)graft_random_below(&d->random, (uint32_t)bound);
}

/* One of the later nodes mostly, so that chains arise; node 0 is the picture and has another shape. */
static graft_output draw_input(drawer *d)
{
    int last = (int)d->builder.graph->count - 1;
    return draw(d, 3) < 2 || last < 2 ? last : 1 + draw(d, last);
}

static graft_output draw_conv(drawer *d, const char *name, graft_output x)
{
    static const int groups[] = {1, 1, 1, 2, 4, 0};
    int group = groups[draw(d, 6)];
    return conv(&d->builder, name, x, d->channels, .kernel = 1 + 2 * draw(d, 3),
                .groups = group ? group : d->channels, .same = true, .bias = draw(d, 2));
}

static void draw_node(drawer *d)
{
    graft_builder *b = &d->builder;
    char name[32];
    graft_output x = draw_input(d);
    snprintf(name, sizeof name, "n%zu", b->graph->count);
    switch (draw(d, 8)) {
    case 0:
    case 1:
    case 2:
        draw_conv(d, name, x);
        break;
    case 3:
        batch_norm(b, name, x, .epsilon = 1e-3F);
        break;
    case 4:
        relu6(b, name, x);
        break;
    case 5:
        dropout(b, name, x, 0.3F);
        break;
    default:
        add(b, name, x, draw_input(d));
        break;
    }
}

/* What nothing reads is read by a last sum, or it would be pruned. */
static graft_output join_ends(drawer *d)
{
    graft_graph *graph = d->builder.graph;
    size_t count = graph->count;
    bool read[2 * LARGEST] = {false};
    graft_output sum = -1;
    for (size_t i = 0; i < count; i++)
        for (int j = 0; j < graph->nodes[i].input_count; j++)
            read[graph->nodes[i].inputs[j]] = true;
    for (size_t i = 1; i < count; i++) {
        char name[32];
        snprintf(name, sizeof name, "join%zu", i);
        if (!read[i])
            sum = sum < 0 ? (graft_output)i : add(&d->builder, name, sum, (graft_output)i);
    }
    return sum;
}

static graft_graph *draw_graph(uint32_t number)
{
    static const int widths[] = {8, 12, 16, 24, 32};
    drawer d = {.random = graft_random_stream(0, GRAFT_RANDOM_TEST, "graph", 0, number)};
    assert_ok(graft_graph_create(&d.builder.graph));
    d.builder.size = SIDE;
    d.channels = widths[draw(&d, 5)];
    graft_output x = graft_build_input(&d.builder);
    conv(&d.builder, "n1", x, d.channels, .kernel = 3, .same = true);
    for (int left = 3 + draw(&d, LARGEST - 4); left > 0; left--)
        draw_node(&d);
    x = join_ends(&d);
    x = flatten(&d.builder, "flat", global_average_pool(&d.builder, "pool", x));
    linear(&d.builder, "fc", x, CLASSES);
    assert_ok(d.builder.status);
    return d.builder.graph;
}

static void mark_all(graft_graph *graph, bool trains)
{
    for (size_t i = 1; i < graph->count; i++)
        graph->nodes[i].trains = trains;
    graft_graph_bound(graph);
}

/* Frozen and trained nodes by chance, by runs, or the first and the last alone. */
static void mark_some(graft_graph *graph, graft_random *random)
{
    uint32_t way = graft_random_below(random, 3), run = graft_random_below(random, (uint32_t)graph->count);
    for (size_t i = 1; i < graph->count; i++)
        graph->nodes[i].trains = way == 0   ? graft_random_below(random, 2)
                                 : way == 1 ? i >= run
                                            : i == 1 || i + 1 == graph->count;
    graft_graph_bound(graph);
}

static void draw_pictures(float *pictures, int32_t *labels)
{
    graft_random random = graft_random_stream(1, GRAFT_RANDOM_TEST, "pictures", 0, 0);
    for (int i = 0; i < PICTURES * 3 * SIDE * SIDE; i++)
        pictures[i] = graft_random_normal(&random);
    for (int i = 0; i < PICTURES; i++)
        labels[i] = (int32_t)graft_random_below(&random, CLASSES);
}

/* ---- The frozen boundary ---- */

static bool below_trains(const graft_graph *graph, int index)
{
    const graft_node *node = &graph->nodes[index];
    bool trains = node->trains;
    for (int j = 0; j < node->input_count; j++)
        trains = trains || below_trains(graph, node->inputs[j]);
    return trains;
}

static void check_boundary(const graft_graph *graph)
{
    for (int i = 0; i < (int)graph->count; i++) {
        bool backbone = !below_trains(graph, i), leaves = i + 1 == (int)graph->count;
        for (int k = 0; k < (int)graph->count; k++)
            for (int j = 0; j < graph->nodes[k].input_count; j++)
                leaves = leaves || (graph->nodes[k].inputs[j] == i && below_trains(graph, k));
        assert_int_equal(graph->nodes[i].backbone, backbone);
        assert_int_equal(graph->nodes[i].cut, backbone && leaves);
    }
}

static void test_boundary_of_any_pattern(void **state)
{
    graft_random random = graft_random_stream(2, GRAFT_RANDOM_TEST, "marks", 0, 0);
    (void)state;
    for (uint32_t number = 0; number < GRAPHS; number++) {
        graft_graph *graph = draw_graph(number);
        for (int way = 0; way < 5; way++) {
            mark_some(graph, &random);
            check_boundary(graph);
        }
        mark_all(graph, false);
        check_boundary(graph);
        graft_graph_free(graph);
    }
}

/* ---- Memory: what is written stays until it was read ---- */

typedef struct shadow {
    const graft_plan *plan;
    int *owner;    /* [64 bytes of the workspace]: the value that was written there last; -1: nothing */
    bool *written; /* [value]: some step or the program writes it; what is not is a view of another */
} shadow;

static void own(const shadow *s, graft_value v)
{
    const char *at = graft_plan_address(s->plan, v, NULL);
    size_t from = (size_t)(at - s->plan->base), bytes = graft_layout_bytes(s->plan->values[v].layout);
    assert_int_equal(from % 64, 0);
    assert_true(from + bytes <= s->plan->workspace);
    for (size_t i = from / 64; i < (from + bytes + 63) / 64; i++)
        s->owner[i] = v;
}

static bool in_workspace(const graft_plan *plan, graft_value v)
{
    return plan->values[v].home == HOME_WORKSPACE;
}

/* The value whose numbers these are: views are followed, places that are used again are not. */
static graft_value original(const shadow *s, graft_value v)
{
    while (!s->written[v])
        v = s->plan->values[v].root;
    return v;
}

static void check_owned(const shadow *s, graft_value v, size_t step)
{
    const char *at = graft_plan_address(s->plan, v, NULL);
    size_t from = (size_t)(at - s->plan->base), bytes = graft_layout_bytes(s->plan->values[v].layout);
    for (size_t i = from / 64; i < (from + bytes + 63) / 64; i++)
        if (s->owner[i] != original(s, v))
            fail_msg("step %zu reads value %d, whose bytes hold value %d", step, v, s->owner[i]);
}

static void shade_step(const shadow *s, size_t number)
{
    const step *at = &s->plan->steps[number];
    for (int slot = 0; slot < GRAFT_KERNEL_SLOTS; slot++)
        if (at->kernel->access[slot] == GRAFT_READS && in_workspace(s->plan, at->values[slot]))
            check_owned(s, at->values[slot], number);
        else if (at->kernel->access[slot] == GRAFT_UPDATES && in_workspace(s->plan, at->values[slot]))
            check_owned(s, s->plan->values[at->values[slot]].root, number);
    if (at->scratch >= 0)
        own(s, at->scratch);
    for (int slot = 0; slot < GRAFT_KERNEL_SLOTS; slot++)
        if (at->kernel->access[slot] >= GRAFT_WRITES && in_workspace(s->plan, at->values[slot]))
            own(s, at->values[slot]);
}

static void find_written(const shadow *s)
{
    const graft_plan *plan = s->plan;
    for (size_t i = 0; i < plan->step_count; i++)
        for (int slot = 0; slot < GRAFT_KERNEL_SLOTS; slot++)
            if (plan->steps[i].kernel->access[slot] >= GRAFT_WRITES)
                s->written[plan->steps[i].values[slot]] = true;
    if (plan->picture >= 0)
        s->written[plan->picture] = true;
    if (plan->labels >= 0)
        s->written[plan->labels] = true;
}

static void check_places(const graft_plan *plan)
{
    shadow s = {plan, malloc((plan->workspace / 64 + 1) * sizeof(int)), calloc(plan->value_count, 1)};
    memset(s.owner, -1, (plan->workspace / 64 + 1) * sizeof(int));
    find_written(&s);
    if (plan->picture >= 0)
        own(&s, plan->picture);
    if (plan->labels >= 0)
        own(&s, plan->labels);
    for (size_t i = 0; i < plan->step_count; i++)
        shade_step(&s, i);
    for (int i = 0; i < plan->output_count; i++)
        if (in_workspace(plan, plan->outputs[i]))
            check_owned(&s, plan->outputs[i], plan->step_count);
    for (int i = 0; i < plan->loss_count; i++)
        check_owned(&s, plan->losses[i], plan->step_count);
    free(s.owner);
    free(s.written);
}

/* ---- All ways of running a graph agree ---- */

static void check_logits(uint32_t number, const char *what, run *u, const float *pictures,
                         const float *wanted)
{
    check_places(u->backbone);
    if (u->upper)
        check_places(u->upper);
    double distance = distance_of(run_forward(u, pictures), wanted, PICTURES * CLASSES);
    if (!(distance < 2e-5))
        fail_msg("graph %u: the logits %s differ by %g", number, what, distance);
}

static void check_gradients(uint32_t number, const rig *r, float *const *wanted)
{
    for (size_t i = 0; i < r->graph->count; i++) {
        const graft_node *node = &r->graph->nodes[i];
        for (int j = 0; node->trains && j < node->parameter_count; j++) {
            int tensor = node->first_tensor + j;
            if (node->parameters[j].kind != GRAFT_PARAMETER_LEARNED)
                continue;
            double distance =
                distance_of(r->tensors[tensor].gradient, wanted[tensor], rig_count(&node->parameters[j]));
            if (!(distance < 1e-4))
                fail_msg("graph %u: the gradient of %s.%s differs by %g", number, node->name,
                         node->parameters[j].suffix, distance);
        }
    }
}

/* What all-training gives, nothing folded; and nothing fused, unless statistics move: logits and gradients
 * are the caller's. */
static void run_plainly(rig *r, bool moves, const float *pictures, const int32_t *labels, float *logits,
                        float **gradients)
{
    run u;
    mark_all(r->graph, true);
    run_open(&u, r, PICTURES, true, moves);
    memcpy(logits, run_forward(&u, pictures), sizeof(float) * PICTURES * CLASSES);
    run_loss(&u, labels);
    run_backward(&u);
    check_places(u.upper);
    run_close(&u);
    for (size_t i = 0; i < r->graph->count; i++)
        for (int j = 0; j < r->graph->nodes[i].parameter_count; j++) {
            int tensor = r->graph->nodes[i].first_tensor + j;
            size_t bytes = sizeof(float) * (size_t)rig_count(&r->graph->nodes[i].parameters[j]);
            gradients[tensor] = malloc(bytes);
            memcpy(gradients[tensor], r->tensors[tensor].gradient, bytes);
        }
}

static void check_training(uint32_t number, rig *r, const float *pictures, const int32_t *labels,
                           const float *logits, float *const *gradients)
{
    run u;
    run_open(&u, r, PICTURES, true, false);
    check_logits(number, "in training", &u, pictures, logits);
    run_loss(&u, labels);
    r->fresh = true;
    run_backward(&u);
    run_close(&u);
    check_gradients(number, r, gradients);
}

static void check_pattern(uint32_t number, rig *r, const float *pictures, const int32_t *labels,
                          const float *logits, float *const *gradients)
{
    run u;
    run_open(&u, r, PICTURES, false, false);
    check_logits(number, "in evaluation", &u, pictures, logits);
    run_close(&u);
    if (graft_graph_logits(r->graph)->backbone)
        return;
    check_training(number, r, pictures, labels, logits, gradients);
    r->packs = true;
    check_training(number, r, pictures, labels, logits, gradients);
    r->packs = false;
}

static void check_graph(graft_graph *graph, uint32_t number, graft_random *random)
{
    rig r;
    float pictures[PICTURES * 3 * SIDE * SIDE], logits[PICTURES * CLASSES];
    int32_t labels[PICTURES];
    rig_open(&r, graph, 2);
    rig_fill(&r, number);
    r.without_drops = true;
    draw_pictures(pictures, labels);
    float **gradients = calloc((size_t)r.graph->tensor_count, sizeof *gradients);
    run_plainly(&r, false, pictures, labels, logits, gradients);
    mark_all(r.graph, false);
    check_pattern(number, &r, pictures, labels, logits, gradients);
    for (int way = 0; way < 2; way++) {
        mark_some(r.graph, random);
        check_pattern(number, &r, pictures, labels, logits, gradients);
    }
    for (int i = 0; i < r.graph->tensor_count; i++)
        free(gradients[i]);
    free(gradients);
    rig_close(&r);
}

static void test_all_ways_of_running_agree(void **state)
{
    graft_random random = graft_random_stream(3, GRAFT_RANDOM_TEST, "marks", 0, 0);
    (void)state;
    for (uint32_t number = 0; number < GRAPHS; number++)
        check_graph(draw_graph(number), number, &random);
}

/* The sum may be written onto x's bytes only when the branch that ends in "late" has read x. */
static void test_a_branch_that_ends_later(void **state)
{
    graft_random random = graft_random_stream(4, GRAFT_RANDOM_TEST, "marks", 0, 0);
    graft_builder b = {.status = GRAFT_OK, .size = SIDE};
    (void)state;
    assert_ok(graft_graph_create(&b.graph));
    graft_output picture = graft_build_input(&b);
    graft_output y = conv(&b, "y", picture, 16, .kernel = 1),
                 x = conv(&b, "x", picture, 16, .kernel = 3, .padding = 1);
    graft_output early = conv(&b, "early", y, 16, .kernel = 1), late = conv(&b, "late", x, 16, .kernel = 1);
    graft_output sum = add(&b, "sum", early, x);
    sum = add(&b, "all", sum, relu6(&b, "relu", late));
    linear(&b, "fc", flatten(&b, "flat", global_average_pool(&b, "pool", sum)), CLASSES);
    assert_ok(b.status);
    check_graph(b.graph, GRAPHS, &random);
}

/* ---- Groups of a batch norm that moves its statistics ---- */

/* The same numbers, and the identity behind every node: nothing is grouped across that. */
static graft_graph *take_apart(const graft_graph *graph)
{
    graft_graph *apart;
    int moved[4 * LARGEST];
    assert_true(graph->count <= 4 * LARGEST);
    assert_ok(graft_graph_create(&apart));
    for (size_t i = 0; i < graph->count; i++) {
        const graft_drop_attributes drop = {0.5F};
        char name[32];
        snprintf(name, sizeof name, "apart%zu", i);
        assert_ok(graft_graph_append_copy(apart, moved, &graph->nodes[i], graph->nodes[i].name));
        if (i > 0 && i + 1 < graph->count)
            assert_ok(graft_graph_append(apart, &moved[i], name, &graft_op_dropout, &drop, &moved[i], 1));
    }
    return apart;
}

static void compare_statistics(uint32_t number, const rig *a, const rig *b)
{
    for (size_t i = 0; i < a->graph->count; i++) {
        const graft_node *node = &a->graph->nodes[i];
        for (int j = 0; j < node->parameter_count; j++) {
            int tensor = node->first_tensor + j;
            if (node->parameters[j].kind == GRAFT_PARAMETER_RUNNING &&
                !(distance_of(a->tensors[tensor].value, b->tensors[tensor].value,
                              rig_count(&node->parameters[j])) < 2e-5))
                fail_msg("graph %u: %s.%s differs", number, node->name, node->parameters[j].suffix);
        }
    }
}

/* Takes the graph. */
static void check_groups(graft_graph *graph, uint32_t number)
{
    rig apart, whole;
    run u;
    float pictures[PICTURES * 3 * SIDE * SIDE], logits[PICTURES * CLASSES];
    int32_t labels[PICTURES];
    rig_open(&apart, take_apart(graph), 2);
    rig_open(&whole, graph, 2);
    rig_fill(&apart, number);
    rig_fill(&whole, number);
    apart.without_drops = whole.without_drops = true;
    draw_pictures(pictures, labels);
    float **gradients = calloc((size_t)graph->tensor_count, sizeof *gradients);
    run_plainly(&apart, true, pictures, labels, logits, gradients);
    mark_all(whole.graph, true);
    run_open(&u, &whole, PICTURES, true, true);
    check_logits(number, "of groups", &u, pictures, logits);
    run_loss(&u, labels);
    run_backward(&u);
    check_gradients(number, &whole, gradients);
    compare_statistics(number, &whole, &apart);
    run_close(&u);
    for (int i = 0; i < graph->tensor_count; i++)
        free(gradients[i]);
    free(gradients);
    rig_close(&apart);
    rig_close(&whole);
}

static void test_groups_agree_with_their_members(void **state)
{
    (void)state;
    for (uint32_t number = 0; number < GRAPHS; number++)
        check_groups(draw_graph(number), number);
}

static graft_output conv_norm(graft_builder *b, const char *name, graft_output x, int kernel)
{
    char norm[32];
    snprintf(norm, sizeof norm, "%s_norm", name);
    return batch_norm(b, norm, conv(b, name, x, 16, .kernel = kernel, .same = true));
}

/* What networks have: on the picture, where nothing is in blocks; two norms that are added; a sum that is not
 * clipped, whose gradient both summands read; a norm first, and one whose output is read twice. */
static graft_graph *build_groups(void)
{
    graft_builder b = {.status = GRAFT_OK, .size = SIDE};
    assert_ok(graft_graph_create(&b.graph));
    graft_output x = graft_build_input(&b);
    x = relu6(&b, "picture_relu", add(&b, "picture_add", batch_norm(&b, "picture_norm", x), x));
    x = relu(&b, "a_relu", conv_norm(&b, "a", x, 3));
    x = add(&b, "two", conv_norm(&b, "b", x, 3), conv_norm(&b, "down", x, 1));
    x = relu(&b, "two_relu", x);
    x = relu(&b, "c_relu", add(&b, "c_add", x, conv_norm(&b, "c", x, 3)));
    graft_output linear_sum = add(&b, "d_add", conv_norm(&b, "d", x, 1), x);
    x = add(&b, "e_add", conv_norm(&b, "e", linear_sum, 3), linear_sum);
    graft_output y = relu(&b, "first_relu", batch_norm(&b, "first_norm", x));
    y = concat(&b, "cat", conv_norm(&b, "f", y, 3), x);
    y = conv_norm(&b, "g", y, 1);
    y = add(&b, "g_add", relu(&b, "g_relu", y), y);
    y = add(&b, "h_add", sigmoid(&b, "h_sigmoid", conv_norm(&b, "h", y, 1)), y);
    linear(&b, "fc", flatten(&b, "flat", global_average_pool(&b, "pool", y)), CLASSES);
    assert_ok(b.status);
    return b.graph;
}

static int steps_of(const graft_plan *plan, const char *node, graft_phase phase)
{
    int count = 0;
    for (size_t i = 0; i < graft_plan_step_count(plan); i++) {
        graft_plan_step step = graft_plan_step_at(plan, i);
        count += step.phase == phase && !step.reorders && strcmp(step.node, node) == 0;
    }
    return count;
}

/* All of it trains, with statistics that move. */
static void open_groups(rig *r, run *u)
{
    rig_open(r, build_groups(), 2);
    mark_all(r->graph, true);
    run_open(u, r, PICTURES, true, true);
}

static void test_what_is_grouped(void **state)
{
    static const char *const members[] = {"a_relu", "two",   "two_relu", "c_relu",
                                          "c_add",  "d_add", "e_add",    "first_relu"};
    static const char *const others[] = {"g_relu", "g_add", "h_sigmoid", "h_add"};
    rig r;
    run u;
    (void)state;
    open_groups(&r, &u);
    check_places(u.upper);
    for (size_t i = 0; i < sizeof members / sizeof *members; i++) {
        assert_int_equal(steps_of(u.upper, members[i], GRAFT_PHASE_FORWARD), 0);
        assert_int_equal(steps_of(u.upper, members[i], GRAFT_PHASE_BACKWARD), 0);
    }
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        assert_int_equal(steps_of(u.upper, others[i], GRAFT_PHASE_FORWARD), 1);
    run_close(&u);
    run_open(&u, &r, PICTURES, true, false);
    assert_int_equal(steps_of(u.upper, "a_relu", GRAFT_PHASE_BACKWARD), 1); /* the convolution's group */
    run_close(&u);
    rig_close(&r);
    check_groups(build_groups(), GRAPHS);
}

/* The number of the one step of a node whose kernel is `implementation`; -1: there is none. */
static int step_by(const graft_plan *plan, const char *node, const char *implementation)
{
    int found = -1;
    for (size_t i = 0; i < graft_plan_step_count(plan); i++) {
        graft_plan_step step = graft_plan_step_at(plan, i);
        if (strcmp(step.node, node) != 0 || strcmp(step.implementation, implementation) != 0)
            continue;
        assert_int_equal(found, -1);
        found = (int)i;
    }
    return found;
}

static int last_reader(const graft_plan *plan, graft_value v)
{
    int last = -1;
    for (size_t i = 0; i < plan->step_count; i++)
        for (int slot = 0; slot < GRAFT_KERNEL_SLOTS; slot++)
            if (plan->steps[i].kernel->access[slot] == GRAFT_READS && plan->steps[i].values[slot] == v)
                last = (int)i;
    return last;
}

/* Of two readers one copy; none where nothing reads it (a concat alone, or a ReLU, does), or where there is a
 * residual. */
static void test_what_backward_makes_again(void **state)
{
    static const char *const made[] = {"a_norm", "first_norm"};
    static const char *const not_made[] = {"picture_norm", "b_norm", "c_norm", "f_norm", "g_norm"};
    enum { Y = 5 };
    rig r;
    run u;
    (void)state;
    open_groups(&r, &u);
    const graft_plan *plan = u.upper;
    for (size_t i = 0; i < sizeof made / sizeof *made; i++) {
        int forward = step_by(plan, made[i], "host:batch_norm");
        int again = step_by(plan, made[i], "host:batch_norm_again");
        if (is_new_enough())
            assert_true(forward >= 0);
        if (forward < 0)
            continue;
        assert_int_equal(plan->steps[last_reader(plan, plan->steps[forward].values[Y])].phase,
                         GRAFT_PHASE_FORWARD);
        assert_true(again > forward && plan->steps[again].phase == GRAFT_PHASE_BACKWARD);
        assert_true(last_reader(plan, plan->steps[again].values[Y]) > again);
    }
    for (size_t i = 0; i < sizeof not_made / sizeof *not_made; i++)
        assert_int_equal(step_by(plan, not_made[i], "host:batch_norm_again"), -1);
    run_close(&u);
    rig_close(&r);
}

static void test_places_are_the_same_every_time(void **state)
{
    (void)state;
    for (uint32_t number = 0; number < 8; number++) {
        rig r;
        run a, b;
        rig_open(&r, draw_graph(number), 2);
        mark_all(r.graph, true);
        run_open(&a, &r, PICTURES, true, true);
        run_open(&b, &r, PICTURES, true, true);
        assert_int_equal(a.upper->value_count, b.upper->value_count);
        assert_int_equal(a.upper->workspace, b.upper->workspace);
        for (size_t i = 0; i < a.upper->value_count; i++)
            assert_int_equal(a.upper->values[i].offset, b.upper->values[i].offset);
        run_close(&a);
        run_close(&b);
        rig_close(&r);
    }
}

/* The backbone, evaluation and training by turns on the same bytes. */
static void test_plans_share_a_workspace(void **state)
{
    rig r;
    run alone, together;
    float pictures[PICTURES * 3 * SIDE * SIDE], logits[PICTURES * CLASSES];
    int32_t labels[PICTURES];
    (void)state;
    rig_open(&r, draw_graph(1), 2);
    rig_fill(&r, 1);
    r.without_drops = true;
    draw_pictures(pictures, labels);
    mark_all(r.graph, false);
    for (size_t i = r.graph->count / 2; i < r.graph->count; i++)
        r.graph->nodes[i].trains = true;
    graft_graph_bound(r.graph);
    run_open(&alone, &r, PICTURES, true, false);
    run_open(&together, &r, PICTURES, false, false);
    memcpy(logits, run_forward(&alone, pictures), sizeof logits);
    void *own = together.workspace;
    size_t bytes = graft_plan_workspace(together.backbone) + graft_plan_workspace(together.upper) +
                   graft_plan_workspace(alone.upper);
    assert_ok(graft_allocate_aligned(&together.workspace, bytes));
    assert_ok(graft_plan_bind(together.backbone, together.workspace, NULL));
    assert_ok(graft_plan_bind(together.upper, together.workspace, together.feeds));
    assert_ok(graft_plan_bind(alone.backbone, together.workspace, NULL));
    assert_ok(graft_plan_bind(alone.upper, together.workspace, alone.feeds));
    for (int turn = 0; turn < 3; turn++) {
        assert_true(distance_of(run_forward(&together, pictures), logits, PICTURES * CLASSES) < 2e-5);
        assert_memory_equal(run_forward(&alone, pictures), logits, sizeof logits);
        double loss = run_loss(&alone, labels);
        run_backward(&alone);
        assert_true(isfinite(loss));
    }
    free(own);
    run_close(&together);
    run_close(&alone);
    rig_close(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_boundary_of_any_pattern),
        cmocka_unit_test(test_all_ways_of_running_agree),
        cmocka_unit_test(test_a_branch_that_ends_later),
        cmocka_unit_test(test_groups_agree_with_their_members),
        cmocka_unit_test(test_what_is_grouped),
        cmocka_unit_test(test_what_backward_makes_again),
        cmocka_unit_test(test_places_are_the_same_every_time),
        cmocka_unit_test(test_plans_share_a_workspace),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
