/* Training and running a model. An executor plans a model for a batch size, owns one workspace and its own
 * copy of what it trains. It belongs to one thread. */
#ifndef GRAFT_TRAIN_H
#define GRAFT_TRAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <graft/augment.h>
#include <graft/cache.h>
#include <graft/data.h>
#include <graft/model.h>
#include <graft/picture.h>
#include <graft/status.h>
#include <graft/tensor.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum graft_loss {
    GRAFT_CROSS_ENTROPY = 0, /* of logits: nn.CrossEntropyLoss() */
    GRAFT_NLL                /* of log-probabilities, where the network ends in logsoftmax: nn.NLLLoss() */
} graft_loss;

typedef enum graft_batch_norm {
    GRAFT_BATCH_NORM_STILL = 0, /* running statistics used and left alone; gamma and beta train: bn.eval() */
    GRAFT_BATCH_NORM_TRAIN      /* the batch's statistics, which move the running ones */
} graft_batch_norm;

/* SGD as torch.optim.SGD: v = momentum v + (g + decay w); w -= rate v; with Nesterov's momentum w -= rate
 * (g + decay w + momentum v). Decay is on weights only if
 * `decay_all` is false: one-dimensional parameters (biases, batch norm) are left alone. */
typedef struct graft_sgd_options {
    float rate;      /* of the head */
    float body_rate; /* of other trained nodes */
    float momentum;
    float decay;
    bool decay_all;
    bool nesterov;
} graft_sgd_options;

static inline graft_sgd_options graft_sgd(float rate, float momentum)
{
    graft_sgd_options options;
    options.rate = rate;
    options.body_rate = rate;
    options.momentum = momentum;
    options.decay = 0.0F;
    options.decay_all = true;
    options.nesterov = false;
    return options;
}

/* How the convolutions of a plan are computed, and how what lies between them is laid out: each way has its
 * price at its borders with others, so one is taken for a whole plan, the backbone's or that of training.
 *
 * The rule estimates, and asks this machine only which kernels it has: the same plan every time.
 * One picture alone goes direct. A measurement times all ways in turns, and takes another than the rule's
 * where that is faster by more than a tenth. Direct ones have the layouts that oneDNN likes best, one by one.
 * Winograd's method is for 3x3 windows with stride 1, 32 input channels or more and enough pixels (2e-6 from
 * direct), all of the plan in blocks of channels; with neither AVX2 nor AVX-512 it is direct. The last two
 * are direct in one layout for all. */
typedef enum graft_kernels {
    GRAFT_KERNELS_RULE = 0,
    GRAFT_KERNELS_MEASURE,
    GRAFT_KERNELS_DIRECT,
    GRAFT_KERNELS_WINOGRAD,
    GRAFT_KERNELS_BLOCKED,
    GRAFT_KERNELS_CHANNELS_LAST
} graft_kernels;
/* "rule", "measure", "direct", ... */
GRAFT_API const char *graft_kernels_name(graft_kernels kernels);

/* What a plan is computed by, in the end; GRAFT_KERNELS_RULE: there is no such plan. */
typedef struct graft_kernels_choice {
    graft_kernels taken, by_rule;
    double seconds, seconds_by_rule; /* medians of a measurement; 0: nothing was measured */
} graft_kernels_choice;

typedef struct graft_executor_options {
    int batch;   /* the largest training batch; 0: the model is only run, all of it frozen */
    int threads; /* of the arithmetic; GRAFT_AUTO: the cores this process may use */
    graft_sgd_options optimizer;
    graft_batch_norm batch_norm;
    float clip;      /* norm to which all gradients together are clipped; 0: off */
    bool keep;       /* keep what crosses the frozen boundary, by (sample, view) */
    bool stochastic; /* dropout and stochastic depth in trained parts; false: identity */
    uint64_t seed;   /* of dropout and stochastic depth */
    graft_loss loss;
    float label_smoothing; /* of cross-entropy: this part of each label is spread over all classes */
    const char *node; /* of an executor that only runs (batch 0): the node or module whose output `forward`
                         gives in place of logits, plain NCHW; NULL: the logits */
    graft_kernels kernels, training_kernels; /* of the frozen part, of the rest */
    bool fuse_step; /* every backward is followed by its step before the next zero_grad: gradients are added
                       to the velocities at once, which is faster and takes a third less memory. They cannot
                       be read. Without effect where clipping or Nesterov's momentum needs them. */
    size_t gram; /* how many views (of all pictures) training goes over: in the Gram form, below; 0: plain */
    graft_dtype precision; /* of the frozen part: GRAFT_F32; GRAFT_BF16: where that is faster */
} graft_executor_options;
#define GRAFT_EXECUTOR_OPTIONS_INIT                                                                          \
    {                                                                                                        \
        32, GRAFT_AUTO, {0.001f, 0.001f, 0.9f, 0.0f, true, false}, GRAFT_BATCH_NORM_STILL, 0.0f, true, true, \
            0, GRAFT_CROSS_ENTROPY, 0.0f, NULL, GRAFT_KERNELS_RULE, GRAFT_KERNELS_RULE, false, 0, GRAFT_F32  \
    }

/* The Gram form. Where features are kept and go straight into one linear layer that trains, W (O, I), and
 * into nothing else, W stays its first value W0 times a number, plus a sum of those features: W = c W0 + A^T
 * F, with a row of A (R, O) for each of the R views that training goes over. Then c and A are trained, from
 * products of features that are computed once, and no step touches W, its gradient or its velocity: much
 * faster where I and O are large and R is not. It is plain SGD, to rounding (seen: 1e-6 in loss and weights).
 * Of the views graft_executor_keep must be told first, with one loader of GRAFT_SET_TRAIN. */

/* Whether a model, as it is marked, can train so; and whether that pays: it saves .1 s or more of arithmetic
 * and takes no more memory, by a fixed rule that asks nothing of the machine. `others`: views that are looked
 * at in between. */
GRAFT_API bool graft_gram_possible(const graft_model *model);
GRAFT_API bool graft_gram_worthwhile(const graft_model *model, size_t views, size_t others, int batch,
                                     size_t steps);

typedef struct graft_executor graft_executor;

/* Plans everything: from here memory is known. Shares the model, which is immutable from now on. */
GRAFT_API graft_status graft_executor_create(graft_executor **executor, graft_model *model,
                                             const graft_executor_options *options);
GRAFT_API void graft_executor_free(graft_executor *executor); /* drops what was trained; NULL is legal */

/* What convolutions and linear layers of the frozen part are computed in: GRAFT_BF16 where that was asked for
 * and makes the frozen part of this model clearly faster on this machine (on processors with AMX, and by AMD
 * with AVX-512, unless Winograd's method computes most of it), GRAFT_F32 otherwise. What leaves the frozen
 * part is f32. */
GRAFT_API graft_dtype graft_executor_precision(const graft_executor *executor);

/* Bytes, as planned. Kept features grow with the pictures: `features_each` for one view, and in the Gram form
 * `products_each`, which are in memory wherever the features are. */
typedef struct graft_memory {
    size_t weights; /* packed for the frozen part; parameters, gradients and momentum of the trained part */
    size_t workspace;
    size_t features_each, products_each;
} graft_memory;
GRAFT_API void graft_executor_memory(const graft_executor *executor, graft_memory *memory);

/* What computes the convolutions of the frozen part, and of training. */
GRAFT_API void graft_executor_kernels(const graft_executor *executor, graft_kernels_choice *backbone,
                                      graft_kernels_choice *training);

/* ---- The loop's calls ---- */

/* As module.train() and module.eval(): what `forward` does with dropout and batch norm in the trained part.
 * An executor with a batch starts in training. */
GRAFT_API void graft_executor_train(graft_executor *executor);
GRAFT_API void graft_executor_eval(graft_executor *executor);

GRAFT_API graft_status graft_executor_zero_grad(graft_executor *executor);
/* (N, 3, H, W) -> (N, classes). Takes kept features where it has them, and keeps those of the dataset whose
 * loader was attached first. In training the batch is at most options.batch; in evaluation any. A
 * batch with an unread picture is GRAFT_EIO with its cause. `samples`, `views` and `causes` may be NULL. */
GRAFT_API graft_status graft_executor_forward(graft_executor *executor, const graft_batch *batch);
/* The last forward's logits, (N, classes); borrowed until the next call. */
GRAFT_API const float *graft_executor_logits(const graft_executor *executor);
/* Mean loss of the last forward (in training), also behind its backward. Auxiliary classifiers that train add
 * theirs, times their weight. */
GRAFT_API graft_status graft_executor_loss(graft_executor *executor, const graft_batch *batch, float *loss);
/* Gradients of the mean loss, added to those that are there; once a forward. Evaluation, prediction and
 * `keep` in between take the forward's values away: GRAFT_EARGUMENT. */
GRAFT_API graft_status graft_executor_backward(graft_executor *executor);
GRAFT_API graft_status graft_executor_step(graft_executor *executor);

GRAFT_API void graft_executor_set_rates(graft_executor *executor, float rate, float body_rate);
GRAFT_API void graft_executor_set_decay(graft_executor *executor, float decay);

/* ---- Features ---- */

/* The loader no longer decodes pictures whose features this executor keeps. An executor keeps features of one
 * dataset, that of its first loader: a loader of another goes on decoding, and its pictures are run as they
 * are. `executor` NULL detaches the loader, which must be done (or the loader freed) before the executor is
 * freed. */
GRAFT_API void graft_executor_attach(graft_executor *executor, graft_loader *loader);
/* Runs the backbone over samples and views that are not kept yet; progress counts those, from 0 on.
 * GRAFT_EARGUMENT where those of another dataset are kept. */
GRAFT_API graft_status graft_executor_keep(graft_executor *executor, graft_loader *loader,
                                           const graft_progress *progress);
/* Kept features of a sample, all cut tensors one behind another, plain NCHW; NULL where they are not kept. */
GRAFT_API const float *graft_executor_features(const graft_executor *executor, int sample, int view,
                                               size_t *count);

/* ---- Results ---- */

/* A new model with the weights as they are trained now; shares every unchanged tensor. */
GRAFT_API graft_status graft_executor_model(const graft_executor *executor, graft_model **model);
/* The gradient (graft_executor_gradient) or the value (graft_executor_parameter) of a trained parameter
 * "NODE.weight" in its plain shape; `count` must be its size. GRAFT_ENOTFOUND, GRAFT_ESHAPE. */
GRAFT_API graft_status graft_executor_gradient(const graft_executor *executor, const char *name, float *out,
                                               size_t count);
GRAFT_API graft_status graft_executor_parameter(const graft_executor *executor, const char *name, float *out,
                                                size_t count);
/* Probabilities, (count, classes), of pictures handed over in memory: the whole of prediction. Decoding is on
 * the calling thread. The message about a bad picture says why and, where there are several, which (index).
 * A single picture has a plan of its own, so that it does not pay for a slice of eight: its last bits may
 * differ from those that it has among others. */
GRAFT_API graft_status graft_executor_predict(graft_executor *executor, const graft_picture *pictures,
                                              size_t count, float *probabilities);
/* The same before the softmax: logits. */
GRAFT_API graft_status graft_executor_score(graft_executor *executor, const graft_picture *pictures,
                                            size_t count, float *logits);
GRAFT_API void graft_softmax(float *rows, size_t count, size_t classes); /* in place */

/* ---- The whole job ---- */

typedef enum graft_schedule { GRAFT_SCHEDULE_COSINE = 0, GRAFT_SCHEDULE_CONSTANT } graft_schedule;
typedef enum graft_fit_start {
    GRAFT_FIT_AUTO = -1,
    GRAFT_FIT_PROBE = 0,
    GRAFT_FIT_ZERO,
    GRAFT_FIT_PYTORCH,
    GRAFT_FIT_KEEP /* the head as it is in the model */
} graft_fit_start;

/* Whether a head trains in the Gram form: where that is possible and worthwhile (GRAFT_AUTO), never, or
 * always (GRAFT_EARGUMENT where it is not possible). */
typedef enum graft_fit_gram { GRAFT_GRAM_OFF = 0, GRAFT_GRAM_ON } graft_fit_gram;

/* What graft_fit is asked for. GRAFT_AUTO (-1) in a number: graft's default for this kind of training. */
typedef struct graft_fit_event graft_fit_event;

typedef struct graft_fit_options {
    const char *const *trainable; /* patterns beside the head; NULL: the head alone */
    size_t trainable_count;
    const char *const *freeze; /* the complement: all but these trains */
    size_t freeze_count;
    int epochs, batch;
    double rate, body_rate, momentum, decay;
    double warmup; /* fraction of the steps */
    double clip;
    int schedule;                      /* graft_schedule, GRAFT_AUTO */
    int start;                         /* graft_fit_start */
    const graft_augmentation *augment; /* NULL: graft's default */
    int batch_norm;
    int loss; /* graft_loss */
    double label_smoothing;
    int folds; /* 0: none */
    uint64_t seed;
    int threads, workers; /* GRAFT_AUTO */
    bool stochastic;
    bool nesterov;
    int gram;              /* graft_fit_gram, GRAFT_AUTO */
    graft_kernels kernels; /* of the frozen part, and of training; a frozen part is measured once */
    /* Called after every phase begins, every epoch ends; anything but 0 stops cleanly: the model is then
     * what was best so far, and graft_fit returns GRAFT_OK with report.stopped set. NULL is legal. */
    int (*event)(void *context, const graft_fit_event *event);
    void *context;
    graft_progress progress; /* within long work: features, an epoch's steps */
    graft_cache cache;       /* where features are kept */
    int views; /* with a random augmentation: so many views of each training picture are drawn once and kept,
                  and epochs choose among them, 1 to 1000; GRAFT_AUTO: every epoch draws anew */
    graft_dtype precision; /* of the frozen part, as in graft_executor_options */
} graft_fit_options;
#define GRAFT_FIT_OPTIONS_INIT                                                                    \
    {                                                                                             \
        NULL, 0, NULL, 0, GRAFT_AUTO, GRAFT_AUTO, GRAFT_AUTO, GRAFT_AUTO, GRAFT_AUTO, GRAFT_AUTO, \
            GRAFT_AUTO, GRAFT_AUTO, GRAFT_AUTO, GRAFT_FIT_AUTO, NULL, GRAFT_BATCH_NORM_STILL,     \
            GRAFT_CROSS_ENTROPY, 0.0, 0, 0, GRAFT_AUTO, GRAFT_AUTO, true, false, GRAFT_AUTO,      \
            GRAFT_KERNELS_RULE, NULL, NULL, {NULL, NULL}, GRAFT_CACHE_INIT, GRAFT_AUTO, GRAFT_F32 \
    }

typedef enum graft_fit_event_kind {
    GRAFT_FIT_PLANNED, /* memory is known; nothing has run */
    GRAFT_FIT_FOLD,    /* a fold's figures */
    GRAFT_FIT_EPOCH,   /* an epoch has ended */
    GRAFT_FIT_WORD,    /* something has changed with the kept features: `word` */
    GRAFT_FIT_SHORT    /* a probe has ended early, `word` says why: training starts without it */
} graft_fit_event_kind;

struct graft_fit_event {
    graft_fit_event_kind kind;
    const char *phase;        /* "probe" before the last phase, "train" in it, "fold" */
    int epoch, epochs;        /* from 1; in a fold its number and how many */
    double loss;              /* training loss, the mean over the epoch's samples */
    double held_out_loss;     /* NaN where nothing is held out */
    double held_out_accuracy; /* 0 to 1 */
    double rate;              /* of the head: in the epoch's last step; of a fold, before the schedule */
    double seconds;
    size_t planned; /* bytes of memory, GRAFT_FIT_PLANNED */
    graft_memory memory;
    size_t views;               /* kept features: how many views there will be */
    size_t found;               /* of them those that were on disk already */
    int cache;                  /* graft_cache_kind: where they are kept */
    int drawn;                  /* random views of each training picture that were drawn once; 0: none */
    const char *word;           /* what a person should know of that, NULL: nothing; borrowed. Of a fold: why
                                   it ended early, and then its figures are NaN */
    size_t parameters, trained; /* learnable elements in all, and those that train */
    bool gram;                  /* training is in the Gram form */
    graft_dtype precision;      /* as graft_executor_precision says */
    graft_kernels_choice backbone, training; /* what computes convolutions */
    bool every_epoch;                        /* the backbone runs every epoch, because views are random */
};

typedef struct graft_fit_report {
    int epochs;           /* done in the last phase */
    int best_epoch;       /* whose weights are kept; from 1 */
    bool chosen;          /* the epoch was chosen on the held-out pictures */
    bool stopped;         /* by the callback */
    graft_status failure; /* why the last phase ended early, else GRAFT_OK: GRAFT_EDIVERGED, a loss or a
                             weight was not finite; GRAFT_EIO, a picture could not be read any more. The last
                             good weights are kept, and graft_error_message says more. */
    /* what AUTO became */
    graft_augmentation augment;
    int batch, schedule, start, threads, workers;
    double rate, body_rate, momentum, decay, warmup, clip;
    int cache;                               /* graft_cache_kind of the last phase that kept anything */
    int views;                               /* that were drawn once; 0: none */
    bool gram;                               /* the last phase trained in the Gram form */
    graft_kernels_choice backbone, training; /* what computed convolutions in the last phase */
    graft_dtype precision;                   /* GRAFT_BF16 where the frozen part of a phase was computed so */
    graft_features *features; /* the caller's (graft_features_release): what was kept for a head, with which
                                 graft_evaluate need not run the backbone again; NULL otherwise */
} graft_fit_report;

/* Trains `model` (its head must fit the dataset's classes: graft_model_replace_head) and returns a new model.
 */
GRAFT_API graft_status graft_fit(graft_model **trained, graft_model *model, graft_dataset *dataset,
                                 const graft_fit_options *options, graft_fit_report *report);

#ifdef __cplusplus
}
#endif
#endif
