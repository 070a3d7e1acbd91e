/* Pictures in folders, and the batches that a training loop asks for. */
#ifndef GRAFT_DATA_H
#define GRAFT_DATA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <graft/augment.h>
#include <graft/cache.h>
#include <graft/picture.h>
#include <graft/status.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Called as work goes on; anything but 0 stops it with GRAFT_ECANCELLED. `what` is the work's name. */
typedef struct graft_progress {
    int (*call)(void *context, const char *what, size_t done, size_t total);
    void *context;
} graft_progress;

/* ---- Datasets ---- */

typedef struct graft_dataset graft_dataset;

typedef enum graft_set {
    GRAFT_SET_TRAIN = 0,
    GRAFT_SET_HELD_OUT,
    GRAFT_SET_SKIPPED, /* cannot be read; `cause` says why */
    GRAFT_SET_ALL,     /* a request, never a sample's: everything that can be read */
    GRAFT_SET_ASIDE    /* takes no part in a fold: the dataset's own held-out pictures, meanwhile */
} graft_set;

typedef struct graft_sample {
    const char *path; /* as it can be opened */
    const char *name; /* relative to the dataset's folder */
    int label;        /* index of its class; -1 where there are no classes */
    graft_set set;
    const char *cause; /* of a skipped one, else NULL */
    uint64_t content; /* the first 8 bytes of the file's SHA-256: the same picture under another name; 0 where
                         it was not read yet */
} graft_sample;

#define GRAFT_AUTO (-1) /* for numbers that graft chooses when they are not set */

typedef struct graft_dataset_options {
    double held_out; /* fraction of each class that is held out; GRAFT_AUTO: DATA's own val folder, else .2 */
    const char *held_out_folder; /* class folders that are held out instead; NULL: none */
    uint64_t seed;               /* of the fixed split */
    graft_sight sight;
    int workers; /* decoding threads */
    graft_progress progress;
    graft_cache cache;
} graft_dataset_options;
#define GRAFT_DATASET_OPTIONS_INIT                                            \
    {                                                                         \
        GRAFT_AUTO, NULL, 0, GRAFT_AS_SEEN, 2, {NULL, NULL}, GRAFT_CACHE_INIT \
    }

/* Finds the pictures of a folder: class folders, or train/ and val/ (valid/, validation/) with class folders;
 * test/ beside train/ is left alone. Classes are sorted bytewise; folders below a class belong to it; loops
 * of links end. Then every file is opened and decoded once, what cannot be read is marked skipped with its
 * cause, and the held-out set is drawn: of each class the round(fraction x n) pictures (at least one, never
 * all; a class of one picture is trained on) whose hash of (seed, name) is smallest. Where `held_out` is 0
 * DATA's own val folder is not looked at.
 *
 * A name is one picture's only. Those in a held-out folder outside DATA are paths that begin with '/' or '.',
 * as names in DATA never do.
 *
 * GRAFT_EIO, GRAFT_ENOTFOUND, GRAFT_EFORMAT (fewer than two classes, a class with nothing left, a held-out
 * class that is not trained, a class name that is not UTF-8), GRAFT_EARGUMENT (a fraction above 0 or another
 * folder beside DATA's own val folder), GRAFT_ECANCELLED. */
GRAFT_API graft_status graft_dataset_open(graft_dataset **dataset, const char *path,
                                          const graft_dataset_options *options);
/* Pictures for evaluation: the same, with nothing held out, any number of classes (DATA may have only some of
 * the model's), and labels by the given names, in the model's order; a folder with another name is
 * GRAFT_ENOTFOUND. Of train/ and val/ both are taken, all as GRAFT_SET_TRAIN; test/ is evaluated by naming it
 * as the path. `classes` NULL: folders are named by class index, "7" or "007", and so are the classes. A
 * class may be left with nothing; DATA as a whole may not (GRAFT_EFORMAT). */
GRAFT_API graft_status graft_dataset_open_for(graft_dataset **dataset, const char *path,
                                              const char *const *classes, size_t count,
                                              const graft_dataset_options *options);
/* Files without labels, in GRAFT_SET_TRAIN; nothing is opened yet, so what cannot be read shows when it is
 * loaded. */
GRAFT_API graft_status graft_dataset_list(graft_dataset **dataset, const char *const *paths, size_t count,
                                          graft_sight sight);
GRAFT_API void graft_dataset_free(graft_dataset *dataset); /* NULL is legal */

GRAFT_API size_t graft_dataset_class_count(const graft_dataset *dataset);
GRAFT_API const char *graft_dataset_class(const graft_dataset *dataset, size_t index);
GRAFT_API const char *const *graft_dataset_classes(const graft_dataset *dataset);
/* Samples, skipped ones too, by class and name; those of a held-out folder come last. */
GRAFT_API size_t graft_dataset_count(const graft_dataset *dataset);
GRAFT_API graft_sample graft_dataset_sample(const graft_dataset *dataset, size_t index);
/* Samples of a set, of all classes (label -1) or of one. */
GRAFT_API size_t graft_dataset_set_count(const graft_dataset *dataset, graft_set set, int label);
/* Files that are not pictures by their name and were passed over (ImageFolder does the same); relative names.
 */
GRAFT_API size_t graft_dataset_ignored_count(const graft_dataset *dataset);
GRAFT_API const char *graft_dataset_ignored(const graft_dataset *dataset, size_t index);
/* True where the held-out pictures are a folder of their own and not a drawn fraction. */
GRAFT_API bool graft_dataset_has_own_held_out(const graft_dataset *dataset);
/* Draws sets anew for K-fold figures: stratified, from `seed`; fold k is held out. GRAFT_SET_TRAIN samples
 * only are dealt, each to one fold; held-out ones are GRAFT_SET_ASIDE until fold -1, which restores the
 * original sets. Loaders that exist already keep the samples that they were created with. GRAFT_EARGUMENT
 * (fewer than two folds, fewer pictures than folds). */
GRAFT_API graft_status graft_dataset_fold(graft_dataset *dataset, int folds, int fold, uint64_t seed);

/* ---- Loaders ---- */

/* GRAFT_VIEW_KEPT and up: the random views of a picture that are drawn once. */
enum { GRAFT_VIEW_PLAIN = 0, GRAFT_VIEW_MIRROR = 1, GRAFT_VIEW_KEPT = 2, GRAFT_VIEW_RANDOM = -1 };

/* Some samples, borrowed from the loader until its next call. What the pixels are is read by
 * graft_executor_forward; a program may read them too. */
typedef struct graft_batch {
    int count;
    const int *samples;           /* (N) index in the dataset */
    const int *views;             /* (N) GRAFT_VIEW_... */
    const int *labels;            /* (N) */
    const uint8_t *const *pixels; /* (N) of (crop, crop, 3) bytes each; NULL where it was not decoded */
    const char *const *causes;    /* (N) NULL, or why a picture could not be read */
    const graft_dataset *dataset; /* whose samples these are; NULL: nobody's, and nothing is kept of them */
} graft_batch;

typedef struct graft_loader_options {
    graft_set set;
    int batch;
    bool shuffle; /* by (seed, epoch), else the dataset's order */
    bool drop_last;
    graft_augmentation augment;
    bool both_views; /* without augment: each picture and, right behind it, its mirror image */
    uint64_t seed;
    int workers; /* decoding threads; 0: the caller's own */
    int views;   /* of a random augmentation: so many views of each picture are drawn by (seed, its content),
                    and epochs choose among them; 0: every view is a new one */
    int only;    /* this view of each picture and no other; GRAFT_AUTO: as the other options say */
} graft_loader_options;
#define GRAFT_LOADER_OPTIONS_INIT                                                             \
    {                                                                                         \
        GRAFT_SET_TRAIN, 32, true, false, GRAFT_AUGMENTATION_INIT, false, 0, 2, 0, GRAFT_AUTO \
    }

typedef struct graft_loader graft_loader;

/* The dataset is borrowed and must outlive the loader; the transform is copied. The samples are those that
 * the set has now. In which order and in which views an epoch has them depends on (seed, epoch) alone, not on
 * workers. Three batches of pixels are held at most. */
GRAFT_API graft_status graft_loader_create(graft_loader **loader, const graft_dataset *dataset,
                                           const graft_transform *transform,
                                           const graft_loader_options *options);
GRAFT_API void graft_loader_free(graft_loader *loader);            /* NULL is legal */
GRAFT_API size_t graft_loader_batches(const graft_loader *loader); /* of an epoch */
GRAFT_API size_t graft_loader_samples(const graft_loader *loader); /* of an epoch; both views count */
GRAFT_API size_t graft_loader_missing(const graft_loader *loader); /* of those the ones that are not kept */
GRAFT_API const graft_dataset *graft_loader_dataset(const graft_loader *loader);
GRAFT_API const graft_loader_options *graft_loader_settings(const graft_loader *loader);
/* Begins an epoch. Before the first `next` of a loader it is called with epoch 0 by itself. */
GRAFT_API graft_status graft_loader_rewind(graft_loader *loader, int epoch);
/* The next batch, GRAFT_DONE at the epoch's end. A picture that cannot be read (it was deleted since the
 * scan) has a cause in the batch ("PATH: No such file or directory") and no pixels. After a failure
 * (GRAFT_EMEMORY) the same batch may be asked for again. */
GRAFT_API graft_status graft_loader_next(graft_loader *loader, graft_batch *batch);
/* Kept features: what crosses a model's frozen boundary, for pictures of one dataset; graft_fit gives them.
 * Counted among their users. */
typedef struct graft_features graft_features;
GRAFT_API void graft_features_release(graft_features *features); /* NULL is legal */

/* Whether a picture need not be decoded because its features are kept: asked from worker threads, and by none
 * of them any more when this returns. In mid-epoch the batches ahead are made anew. graft_executor_attach
 * sets it. */
GRAFT_API void graft_loader_set_kept(graft_loader *loader, bool (*kept)(void *context, int sample, int view),
                                     void *context);

#ifdef __cplusplus
}
#endif
#endif
