/* Models: a network, its weights, the classes it knows, and how pictures become its input.
 * A model is a graph of named nodes. It can be edited until an executor uses it; from then on it is immutable
 * and may be shared among threads. Shapes are NCHW. */
#ifndef GRAFT_MODEL_H
#define GRAFT_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <graft/picture.h>
#include <graft/status.h>
#include <graft/tensor.h>
#include <graft/weights.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Networks: the zoo's table ---- */

/* A published file of weights; one network may have several ("IMAGENET1K_V1", "IMAGENET1K_V2"). */
typedef struct graft_published {
    const char *name;
    const char *file;          /* "efficientnet-lite0-57934424.pth" */
    const char *sha256;        /* the file's SHA-256, or as much of it as is published */
    const char *place;         /* where a person finds it */
    graft_transform transform; /* what its pictures went through */
    double top1;               /* per cent of ImageNet's validation set, as published; 0: not said */
} graft_published;

typedef struct graft_network {
    const char *name;         /* "efficientnet_lite0" */
    const char *title;        /* "EfficientNet-Lite0" */
    const char *class_layer;  /* the last class layer: "classifier.6"; what is replaced for new classes */
    const char *head;         /* the module that a new head of several layers replaces: "classifier" */
    const char *auxiliary[2]; /* class layers of auxiliary classifiers, replaced too; NULL: none */
    int size;                 /* pictures are (3, size, size) where nobody says otherwise */
    float divisor, mean[3],
        std[3];  /* of its pictures where no published file says; divisor 0: ImageNet's usual */
    int classes; /* of the published head */
    const graft_published *published; /* the first is what graft uses where nobody says otherwise */
    size_t published_count;           /* 0: nothing is published under this name */
} graft_network;

GRAFT_API size_t graft_network_count(void);
GRAFT_API const graft_network *graft_network_at(size_t index);
/* NULL where there is none; graft_network_nearest then says what was meant, or NULL. */
GRAFT_API const graft_network *graft_network_find(const char *name);
GRAFT_API const char *graft_network_nearest(const char *name);
/* What pictures go through for weights of this network: of the published file with this SHA-256 (64 digits),
 * else (NULL or unknown) of the network's first. */
GRAFT_API graft_transform graft_network_transform(const graft_network *network, const char *sha256);
/* Where graft looks for a published file: ${XDG_CACHE_HOME:-~/.cache}/graft/weights/FILE. *path is the
 * caller's (free). */
GRAFT_API graft_status graft_published_path(char **path, const graft_published *published);

/* ---- Opening, editing, saving ---- */

typedef struct graft_model graft_model;

/* A network with weights from a file: `path` NULL is the first published file that lies in graft's cache
 * (GRAFT_ENOTFOUND says which file is wanted, its hash and where it is published). Every tensor of the
 * network must be there with its shape and nothing may be left over (GRAFT_EFORMAT lists the first few);
 * auxiliary classifiers may be absent as a whole, and start at random. All of the model is frozen. */
GRAFT_API graft_status graft_model_open(graft_model **model, const char *network, const char *path);
/* The same for a model that gets a new head next: graft_model_replace_head with these `layers`. Where they
 * are not NULL the head that they replace must be in the file, and is not loaded. Class layers that the file
 * lacks, or has for another number of classes, start at random; *replaced (NULL is legal) says whether there
 * are any. */
GRAFT_API graft_status graft_model_open_body(graft_model **model, const char *network, const char *path,
                                             const char *layers, bool *replaced);
/* A module of a network by itself, which reads nothing but the picture ("features" of VGG): its names lose
 * the module's path, and only its weights are loaded and needed; the file is otherwise this network's. What
 * it gives are no logits: graft_model_sequential puts a head behind it. GRAFT_ENOTFOUND, GRAFT_ESHAPE. */
GRAFT_API graft_status graft_model_open_module(graft_model **model, const char *network, const char *module,
                                               const char *path);
/* A network without weights, to be edited and looked at (nodes, shapes, parameters, what trains): it has no
 * tensors, and is neither run nor saved. */
GRAFT_API graft_status graft_model_outline(graft_model **model, const char *network);
/* A network with random weights (Kaiming), drawn from `seed`. */
GRAFT_API graft_status graft_model_create(graft_model **model, const char *network, uint64_t seed);
/* What graft_model_save wrote: a model.safetensors, or a folder with one. */
GRAFT_API graft_status graft_model_load(graft_model **model, const char *path);
/* Writes one file with the weights and, in its metadata, all that `load` needs. Whole or not at all. */
GRAFT_API graft_status graft_model_save(const graft_model *model, const char *path);
GRAFT_API graft_model *graft_model_share(graft_model *model); /* one more owner; each calls free */
GRAFT_API void graft_model_free(graft_model *model);          /* NULL is legal */

/* A node or module path, or a glob whose '*' crosses dots; a module means all below it; "*" is everything.
 * GRAFT_ENOTFOUND where nothing matches, with the nearest name. */
GRAFT_API graft_status graft_model_freeze(graft_model *model, const char *pattern);
GRAFT_API graft_status graft_model_unfreeze(graft_model *model, const char *pattern);

/* What trains, as the command's --trainable and --freeze say it: everything is frozen, then what matches
 * `trainable` is not ("all" is everything, "head" the last class layer); or everything trains but what
 * matches `frozen`. The head always trains. Both given is GRAFT_EARGUMENT, what matches nothing
 * GRAFT_ENOTFOUND. */
GRAFT_API graft_status graft_model_select(graft_model *model, const char *const *trainable,
                                          size_t trainable_count, const char *const *frozen,
                                          size_t frozen_count);

/* Pictures of (3, size, size) instead of the network's own; the resize before the crop changes in proportion.
 * GRAFT_ESHAPE names the node where too small a picture ends. */
GRAFT_API graft_status graft_model_set_size(graft_model *model, int size);

typedef enum graft_start { GRAFT_START_ZERO = 0, GRAFT_START_PYTORCH } graft_start;

/* A new head for these classes, which trains; the names are copied. `layers` NULL: the last class layer alone
 * is replaced, as the tutorials do (auxiliary class layers too), and starts from zeros or as PyTorch's layer
 * does, drawn from `seed` (SqueezeNet's is a convolution with a ReLU behind it, which would never leave zero:
 * always as PyTorch's). Otherwise the network's whole head module gives way to these layers, as
 * graft_model_replace has it; a last linear without a number gets the classes, and they start as PyTorch's.
 */
GRAFT_API graft_status graft_model_replace_head(graft_model *model, const char *layers,
                                                const char *const *classes, size_t count, graft_start start,
                                                uint64_t seed);
/* Replaces a module, or a single node, by layers one behind another, such as
 * "linear(4096) relu dropout(0.5) linear(10)"; "mlp" is "linear(512) relu dropout(0.5) linear". They train
 * and start as PyTorch's, drawn from `seed`. Several are numbered as nn.Sequential numbers them
 * ("classifier.0"), a single one keeps the module's name. A module that holds the class layer becomes the
 * model's head. GRAFT_EARGUMENT (the layers cannot be read), GRAFT_ENOTFOUND, GRAFT_ESHAPE (they do not fit).
 */
GRAFT_API graft_status graft_model_replace(graft_model *model, const char *module, const char *layers,
                                           uint64_t seed);
/* A new model, nn.Sequential(body, part, part, ...): the body's names get "0." before them, the parts' are
 * "1" or "1.0", "1.1", ... for layers that are several, written as graft_model_replace has them. The last
 * part is the head, and a last linear without a number gets the classes. The parts train and start as
 * PyTorch's, drawn from `seed`; the body trains as it did, and its tensors are shared. */
GRAFT_API graft_status graft_model_sequential(graft_model **model, const graft_model *body,
                                              const char *const *parts, size_t part_count,
                                              const char *const *classes, size_t class_count, uint64_t seed);
/* Whether layers can be read; *place is the byte of `layers` that cannot be. */
GRAFT_API graft_status graft_layers_check(const char *layers, size_t *place);
/* Names for the classes, in the order of the logits; `count` must be their number. */
GRAFT_API graft_status graft_model_name_classes(graft_model *model, const char *const *classes, size_t count);
/* How pictures were and are to be seen; kept in the file. */
GRAFT_API void graft_model_set_sight(graft_model *model, graft_sight sight);
/* How exactly JPEGs were and are to be decoded: part of the transform, so kept in the file. */
GRAFT_API void graft_model_set_decode(graft_model *model, graft_decode decode);

/* ---- Looking ---- */

GRAFT_API const graft_network *graft_model_network(const graft_model *model);
GRAFT_API const graft_transform *graft_model_transform(const graft_model *model);
GRAFT_API graft_sight graft_model_sight(const graft_model *model);
/* The module that is the model's head: the last class layer, or what replaced the head module; "" where there
 * is none. Borrowed. */
GRAFT_API const char *graft_model_head(const graft_model *model);
/* The width of the logits (0 of a module without a head). Class names: borrowed; NULL where the model has
 * none (a published ImageNet head).
 */
GRAFT_API size_t graft_model_class_count(const graft_model *model);
GRAFT_API const char *graft_model_class(const graft_model *model, size_t index);
/* SHA-256 of the weights file that the model started from ("" for random weights), and that file's name. */
GRAFT_API const char *graft_model_source_sha256(const graft_model *model);
GRAFT_API const char *graft_model_source_name(const graft_model *model);
/* The metadata of the file that the model was loaded from, or what was set; NULL where the key is absent.
 * Keys set here are saved with the model (set "graft.run" and the like; the keys graft needs itself cannot be
 * overwritten). */
GRAFT_API const char *graft_model_note(const graft_model *model, const char *key);
GRAFT_API graft_status graft_model_set_note(graft_model *model, const char *key, const char *value);

typedef struct graft_node_info {
    const char *name;   /* "_blocks.0._depthwise_conv" */
    const char *op;     /* "conv2d" */
    graft_shape shape;  /* its output for one picture: (1, C, H, W) */
    int64_t parameters; /* learnable elements: weights and biases, not running statistics */
    int64_t macs;       /* multiply-adds for one picture */
    bool trains;        /* the mark of freeze and unfreeze */
    bool backbone;      /* frozen, and so is all below it: run once a picture */
    bool cut;           /* its output leaves the backbone: what is kept of a picture */
} graft_node_info;

/* Nodes in the order in which they run. */
GRAFT_API size_t graft_model_node_count(const graft_model *model);
GRAFT_API void graft_model_node(const graft_model *model, size_t index, graft_node_info *info);
/* The number of a node, by its name or the path of a module, whose last node it is then. GRAFT_ENOTFOUND,
 * with the nearest name. */
GRAFT_API graft_status graft_model_find_node(const graft_model *model, const char *name, size_t *index);
/* The node whose output the head reads: what the features of a picture are where nobody says otherwise. */
GRAFT_API size_t graft_model_feature_node(const graft_model *model);
/* The state dict, in PyTorch's order (nothing in an outline); views are borrowed until the model is edited or
 * freed. A view without data is of a node whose weights do not fit any more since a module below it gave way:
 * it must be replaced too before the model is run or saved. */
GRAFT_API size_t graft_model_tensor_count(const graft_model *model);
GRAFT_API graft_tensor_view graft_model_tensor(const graft_model *model, size_t index);

#ifdef __cplusplus
}
#endif
#endif
