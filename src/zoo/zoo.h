/* The table of networks. A family is one file with its graphs and its rows; zoo.c has a line for each family.
 */
#ifndef GRAFT_ZOO_ZOO_H
#define GRAFT_ZOO_ZOO_H

#include <graft/model.h>

#include "zoo/builder.h"

typedef struct graft_zoo_row graft_zoo_row;

struct graft_zoo_row {
    graft_network network;
    /* Builds the network with `classes` outputs; its class layers are named in `network`. */
    void (*build)(graft_builder *b, const graft_zoo_row *row, int classes);
    const void *shape; /* what distinguishes it within its family */
};

/* A file that torchvision publishes; `filter` is BILINEAR or BICUBIC. */
#define GRAFT_TORCHVISION(name, file, prefix, resize, crop, filter, top1)                           \
    {                                                                                               \
        name, file, prefix, "https://download.pytorch.org/models/" file, {resize,                   \
                                                                          crop,                     \
                                                                          GRAFT_##filter,           \
                                                                          255.0F,                   \
                                                                          {0.485F, 0.456F, 0.406F}, \
                                                                          {0.229F, 0.224F, 0.225F}, \
                                                                          GRAFT_DECODE_EXACT},      \
            top1                                                                                    \
    }

/* The members of a network's row that name its published files: an array of graft_published. */
#define GRAFT_PUBLISHED(array) .published = (array), .published_count = sizeof(array) / sizeof((array)[0])

typedef struct graft_zoo_family {
    const graft_zoo_row *rows;
    size_t count;
} graft_zoo_family;

extern const graft_zoo_family graft_zoo_alexnet;
extern const graft_zoo_family graft_zoo_convnext;
extern const graft_zoo_family graft_zoo_densenet;
extern const graft_zoo_family graft_zoo_efficientnet;
extern const graft_zoo_family graft_zoo_efficientnet_lite;
extern const graft_zoo_family graft_zoo_googlenet;
extern const graft_zoo_family graft_zoo_inception;
extern const graft_zoo_family graft_zoo_mnasnet;
extern const graft_zoo_family graft_zoo_mobilenet;
extern const graft_zoo_family graft_zoo_regnet;
extern const graft_zoo_family graft_zoo_resnet;
extern const graft_zoo_family graft_zoo_shufflenet;
extern const graft_zoo_family graft_zoo_squeezenet;
extern const graft_zoo_family graft_zoo_vgg;

/* The row of a network, which the public graft_network is the first member of. */
const graft_zoo_row *graft_zoo_row_of(const graft_network *network);
/* A graph with this many classes for pictures (3, size, size), all frozen. */
graft_status graft_zoo_build(graft_graph **graph, const graft_zoo_row *row, int classes, int size);

#endif
