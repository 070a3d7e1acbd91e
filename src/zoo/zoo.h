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

typedef struct graft_zoo_family {
    const graft_zoo_row *rows;
    size_t count;
} graft_zoo_family;

extern const graft_zoo_family graft_zoo_efficientnet_lite;

/* The row of a network, which the public graft_network is the first member of. */
const graft_zoo_row *graft_zoo_row_of(const graft_network *network);
/* A graph with this many classes for pictures (3, size, size), all frozen. */
graft_status graft_zoo_build(graft_graph **graph, const graft_zoo_row *row, int classes, int size);

#endif
