/* What networks are written with. The builder is sticky: its first failure is kept with its message, later
 * calls pass it on, and one check stands at the end. GRAFT_SCOPE pushes a name, so that keys come out as the
 * modules' paths. */
#ifndef GRAFT_ZOO_BUILDER_H
#define GRAFT_ZOO_BUILDER_H

#include "graph/graph.h"
#include "ops/op.h"

enum { GRAFT_PATH_LENGTH = 256, GRAFT_PATH_DEPTH = 16 };

typedef struct graft_builder {
    graft_graph *graph;
    graft_status status;
    int size;                       /* of the pictures: (3, size, size) */
    char path[GRAFT_PATH_LENGTH];   /* "_blocks.0." */
    size_t marks[GRAFT_PATH_DEPTH]; /* lengths of the path before each push */
    int depth;
} graft_builder;

/* Of an output: a node's number, -1 after a failure. */
typedef int graft_output;

graft_output graft_build(graft_builder *b, const char *name, const graft_op *op, const void *attributes,
                         const graft_output *inputs, int input_count);

/* For bodies: GRAFT_SCOPE(b, "downsample") x = ...; the name may be a format. */
bool graft_builder_push(graft_builder *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
bool graft_builder_pop(graft_builder *b);
#define GRAFT_SCOPE(b, ...) \
    for (bool scope_ = graft_builder_push((b), __VA_ARGS__); scope_; scope_ = graft_builder_pop(b))

static inline graft_output graft_build_input(graft_builder *b)
{
    graft_input_attributes a = {3, b->size, b->size};
    return graft_build(b, "input", &graft_op_input, &a, NULL, 0);
}

/* conv(b, "conv1", x, 64, .kernel = 3, .stride = 2): what is not said has its usual value. */
#define conv(b, name, x, width, ...)                                                                         \
    graft_build((b), (name), &graft_op_conv2d, &(graft_conv2d_attributes){.channels = (width), __VA_ARGS__}, \
                &(graft_output){x}, 1)
#define batch_norm(b, name, x, ...)                                                             \
    graft_build((b), (name), &graft_op_batch_norm, &(graft_batch_norm_attributes){__VA_ARGS__}, \
                &(graft_output){x}, 1)
#define relu6(b, name, x)  graft_build((b), (name), &graft_op_relu6, NULL, &(graft_output){x}, 1)
#define add(b, name, x, y) graft_build((b), (name), &graft_op_add, NULL, (graft_output[]){x, y}, 2)
#define global_average_pool(b, name, x) \
    graft_build((b), (name), &graft_op_global_average_pool, NULL, &(graft_output){x}, 1)
#define flatten(b, name, x) graft_build((b), (name), &graft_op_flatten, NULL, &(graft_output){x}, 1)
#define dropout(b, name, x, p) \
    graft_build((b), (name), &graft_op_dropout, &(graft_drop_attributes){p}, &(graft_output){x}, 1)
#define stochastic_depth(b, name, x, p) \
    graft_build((b), (name), &graft_op_stochastic_depth, &(graft_drop_attributes){p}, &(graft_output){x}, 1)
#define linear(b, name, x, width)                                                               \
    graft_build((b), (name), &graft_op_linear, &(graft_linear_attributes){.features = (width)}, \
                &(graft_output){x}, 1)

#endif
