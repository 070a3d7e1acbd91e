/* The list of families, and looking things up in it. */
#include "zoo/zoo.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/status.h"
#include "base/text.h"

/* A line a family. */
/* clang-format off */
static const graft_zoo_family *const families[] = {
    &graft_zoo_alexnet,
    &graft_zoo_convnext,
    &graft_zoo_densenet,
    &graft_zoo_efficientnet,
    &graft_zoo_efficientnet_lite,
    &graft_zoo_googlenet,
    &graft_zoo_inception,
    &graft_zoo_mnasnet,
    &graft_zoo_mobilenet,
    &graft_zoo_regnet,
    &graft_zoo_resnet,
    &graft_zoo_shufflenet,
    &graft_zoo_squeezenet,
    &graft_zoo_vgg,
};
/* clang-format on */

enum { FAMILIES = sizeof families / sizeof families[0] };

size_t graft_network_count(void)
{
    size_t count = 0;
    for (size_t i = 0; i < FAMILIES; i++)
        count += families[i]->count;
    return count;
}

const graft_network *graft_network_at(size_t index)
{
    for (size_t i = 0; i < FAMILIES; i++) {
        if (index < families[i]->count)
            return &families[i]->rows[index].network;
        index -= families[i]->count;
    }
    return NULL;
}

const graft_network *graft_network_find(const char *name)
{
    for (size_t i = 0; i < graft_network_count(); i++)
        if (strcmp(graft_network_at(i)->name, name) == 0)
            return graft_network_at(i);
    return NULL;
}

const char *graft_network_nearest(const char *name)
{
    const char *nearest = NULL;
    int best = (int)strlen(name) / 3 + 2;
    for (size_t i = 0; i < graft_network_count(); i++) {
        int distance = graft_text_distance(name, graft_network_at(i)->name);
        if (distance < best) {
            best = distance;
            nearest = graft_network_at(i)->name;
        }
    }
    return nearest;
}

graft_transform graft_network_transform(const graft_network *network, const char *sha256)
{
    graft_transform usual = {
        network->size * 256 / 224, network->size,     GRAFT_BILINEAR, 255.0F, {0.485F, 0.456F, 0.406F},
        {0.229F, 0.224F, 0.225F},  GRAFT_DECODE_EXACT};
    for (size_t i = 0; sha256 && i < network->published_count; i++)
        if (graft_text_starts(sha256, network->published[i].sha256))
            return network->published[i].transform;
    if (network->divisor > 0.0F) {
        usual.divisor = network->divisor;
        memcpy(usual.mean, network->mean, sizeof usual.mean);
        memcpy(usual.std, network->std, sizeof usual.std);
    }
    return network->published_count ? network->published[0].transform : usual;
}

graft_status graft_published_path(char **path, const graft_published *published)
{
    char *folder = NULL;
    graft_status status = graft_cache_path(&folder, "weights");
    if (status == GRAFT_OK)
        status = graft_path_join(path, folder, published->file);
    free(folder);
    return status;
}

const graft_zoo_row *graft_zoo_row_of(const graft_network *network)
{
    return (const graft_zoo_row *)network;
}

graft_status graft_zoo_build(graft_graph **out, const graft_zoo_row *row, int classes, int size)
{
    graft_builder b = {.status = GRAFT_OK, .size = size};
    graft_status status = graft_graph_create(&b.graph);
    if (status != GRAFT_OK)
        return status;
    row->build(&b, row, classes);
    if (b.status != GRAFT_OK) {
        graft_graph_free(b.graph);
        return b.status;
    }
    graft_graph_bound(b.graph);
    *out = b.graph;
    return GRAFT_OK;
}
