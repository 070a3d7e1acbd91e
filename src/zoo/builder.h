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

/* A layer's name in a torch.nn.Sequential: conv(b, number(3), x, 64). The text lives until the block ends. */
enum { GRAFT_NUMBER_LENGTH = 12 };
const char *graft_number(char text[GRAFT_NUMBER_LENGTH], int number);
#define number(n) graft_number((char[GRAFT_NUMBER_LENGTH]){0}, (n))

/* x is what an auxiliary classifier says: in training its loss, times `weight`, is added. */
void graft_build_auxiliary(graft_builder *b, const char *name, graft_output x, float weight);

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
#define layer_norm(b, name, x, ...)                                                             \
    graft_build((b), (name), &graft_op_layer_norm, &(graft_layer_norm_attributes){__VA_ARGS__}, \
                &(graft_output){x}, 1)
#define layer_scale(b, name, x, ...)                                                              \
    graft_build((b), (name), &graft_op_layer_scale, &(graft_layer_scale_attributes){__VA_ARGS__}, \
                &(graft_output){x}, 1)
/* .scale = {...}, .shift = {...} */
#define affine(b, name, x, ...) \
    graft_build((b), (name), &graft_op_affine, &(graft_affine_attributes){__VA_ARGS__}, &(graft_output){x}, 1)
#define relu(b, name, x)         graft_build((b), (name), &graft_op_relu, NULL, &(graft_output){x}, 1)
#define relu6(b, name, x)        graft_build((b), (name), &graft_op_relu6, NULL, &(graft_output){x}, 1)
#define sigmoid(b, name, x)      graft_build((b), (name), &graft_op_sigmoid, NULL, &(graft_output){x}, 1)
#define hard_sigmoid(b, name, x) graft_build((b), (name), &graft_op_hard_sigmoid, NULL, &(graft_output){x}, 1)
#define silu(b, name, x)         graft_build((b), (name), &graft_op_silu, NULL, &(graft_output){x}, 1)
#define hard_swish(b, name, x)   graft_build((b), (name), &graft_op_hard_swish, NULL, &(graft_output){x}, 1)
#define gelu(b, name, x)         graft_build((b), (name), &graft_op_gelu, NULL, &(graft_output){x}, 1)
#define add(b, name, x, y)       graft_build((b), (name), &graft_op_add, NULL, (graft_output[]){x, y}, 2)
#define mul(b, name, x, factor)  graft_build((b), (name), &graft_op_mul, NULL, (graft_output[]){x, factor}, 2)
/* concat(b, "cat", a, b, c), and of an array. */
#define concat(b, name, ...)                                       \
    concat_all((b), (name), ((const graft_output[]){__VA_ARGS__}), \
               (int)(sizeof((graft_output[]){__VA_ARGS__}) / sizeof(graft_output)))
#define concat_all(b, name, outputs, count) \
    graft_build((b), (name), &graft_op_concat, NULL, (outputs), (count))
/* Channels first to first + width - 1. */
#define slice_channels(b, name, x, first, width)                                                    \
    graft_build((b), (name), &graft_op_slice_channels, &(graft_slice_attributes){(first), (width)}, \
                &(graft_output){x}, 1)
#define channel_shuffle(b, name, x, group_count)                                                   \
    graft_build((b), (name), &graft_op_channel_shuffle, &(graft_groups_attributes){(group_count)}, \
                &(graft_output){x}, 1)
/* (N, C, H, W) -> (N, H, W, C), and back. */
#define channels_last(b, name, x) \
    graft_build((b), (name), &graft_op_permute, &(graft_permute_attributes){false}, &(graft_output){x}, 1)
#define channels_first(b, name, x) \
    graft_build((b), (name), &graft_op_permute, &(graft_permute_attributes){true}, &(graft_output){x}, 1)
/* max_pool(b, "maxpool", x, .kernel = 3, .stride = 2, .padding = 1) */
#define max_pool(b, name, x, ...)                                                         \
    graft_build((b), (name), &graft_op_max_pool2d, &(graft_pool_attributes){__VA_ARGS__}, \
                &(graft_output){x}, 1)
#define avg_pool(b, name, x, ...)                                                         \
    graft_build((b), (name), &graft_op_avg_pool2d, &(graft_pool_attributes){__VA_ARGS__}, \
                &(graft_output){x}, 1)
#define adaptive_avg_pool(b, name, x, size)                                                           \
    graft_build((b), (name), &graft_op_adaptive_avg_pool2d, &(graft_size_attributes){(size), (size)}, \
                &(graft_output){x}, 1)
#define global_average_pool(b, name, x) adaptive_avg_pool(b, name, x, 1)
#define flatten(b, name, x)             graft_build((b), (name), &graft_op_flatten, NULL, &(graft_output){x}, 1)
#define dropout(b, name, x, p) \
    graft_build((b), (name), &graft_op_dropout, &(graft_drop_attributes){p}, &(graft_output){x}, 1)
#define stochastic_depth(b, name, x, p) \
    graft_build((b), (name), &graft_op_stochastic_depth, &(graft_drop_attributes){p}, &(graft_output){x}, 1)
#define linear(b, name, x, width, ...)                                                                       \
    graft_build((b), (name), &graft_op_linear, &(graft_linear_attributes){.features = (width), __VA_ARGS__}, \
                &(graft_output){x}, 1)
#define log_softmax(b, name, x) graft_build((b), (name), &graft_op_log_softmax, NULL, &(graft_output){x}, 1)

#endif
