/* Did you mean: the command's own names, what other commands have, and the words of other systems
 * (torchvision's references, timm, Keras, fastai, Ultralytics, Hugging Face), each with graft's word or the
 * reason why there is none. */
#include "cli/suggest.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <graft/tools.h>

enum { LONGEST = 64, MOST_NAMES = 256 };

typedef struct foreign_word {
    const char *word;
    const char *name;   /* graft's option; NULL: graft has none */
    const char *reason; /* then: why, or what to do instead */
} foreign_word;

#define CPU_ONLY "graft computes on the CPU; --threads says on how many cores"
#define SGD_ONLY "graft trains by SGD with --lr, --momentum and --weight-decay"
#define ALL_EPOCHS \
    "all --epochs are run; where more than the head trains, the best on the held-out pictures is kept"
#define NO_RESUME     "a run cannot be resumed; its model.safetensors is whole and can be used"
#define POSITIONAL    "folders and pictures are given without an option"
#define CLASS_FOLDERS "the classes are the names of DATA's folders"
#define FLOAT_ONLY    "graft computes in 32-bit floating point, what is frozen in bf16 too: --precision"
#define PLAIN_AUGMENT "graft has crops, mirror images, rotation and colour jitter: --augment"
#define ALWAYS_SAYS   "graft says what it does as long as --quiet is not given, and more with --json"
#define ONE_PROCESS   "graft is one process; --threads says how many cores compute, --workers how many decode"
#define NOT_LOGGED    "RUN's history.csv has every epoch, and --json says them as they come"

static const foreign_word foreign[] = {
    {"batch-size", "batch", NULL},
    {"batchsize", "batch", NULL},
    {"bs", "batch", NULL},
    {"b", "batch", NULL},
    {"train-batch-size", "batch", NULL},
    {"per-device-train-batch-size", "batch", NULL},
    {"wd", "weight-decay", NULL},
    {"decay", "weight-decay", NULL},
    {"l2", "weight-decay", NULL},
    {"learning-rate", "lr", NULL},
    {"rate", "lr", NULL},
    {"lr0", "lr", NULL},
    {"base-lr", "lr", NULL},
    {"init-lr", "lr", NULL},
    {"backbone-lr", "body-lr", NULL},
    {"num-epochs", "epochs", NULL},
    {"n-epochs", "epochs", NULL},
    {"nepochs", "epochs", NULL},
    {"epoch", "epochs", NULL},
    {"max-epochs", "epochs", NULL},
    {"num-train-epochs", "epochs", NULL},
    {"e", "epochs", NULL},
    {"output-dir", "out", NULL},
    {"output", "out", NULL},
    {"outdir", "out", NULL},
    {"save-dir", "out", NULL},
    {"logdir", "out", NULL},
    {"project", "out", NULL},
    {"name", "out", NULL},
    {"experiment", "out", NULL},
    {"o", "out", NULL},
    {"overwrite", "force", NULL},
    {"exist-ok", "force", NULL},
    {"f", "force", NULL},
    {"pretrained", "weights", NULL},
    {"checkpoint", "weights", NULL},
    {"checkpoint-path", "weights", NULL},
    {"ckpt", "weights", NULL},
    {"init", "weights", NULL},
    {"load", "weights", NULL},
    {"arch", "model", NULL},
    {"architecture", "model", NULL},
    {"network", "model", NULL},
    {"net", "model", NULL},
    {"backbone", "model", NULL},
    {"model-name", "model", NULL},
    {"num-workers", "workers", NULL},
    {"loaders", "workers", NULL},
    {"dataloader-num-workers", "workers", NULL},
    {"nw", "workers", NULL},
    {"jobs", "threads", NULL},
    {"j", "threads", NULL},
    {"num-threads", "threads", NULL},
    {"nthreads", "threads", NULL},
    {"cores", "threads", NULL},
    {"cpus", "threads", NULL},
    {"random-seed", "seed", NULL},
    {"random-state", "seed", NULL},
    {"manual-seed", "seed", NULL},
    {"split", "val", NULL},
    {"val-split", "val", NULL},
    {"validation-split", "val", NULL},
    {"validation", "val", NULL},
    {"valid", "val", NULL},
    {"valid-pct", "val", NULL},
    {"val-fraction", "val", NULL},
    {"val-dir", "val", NULL},
    {"held-out", "val", NULL},
    {"holdout", "val", NULL},
    {"test-size", "val", NULL},
    {"kfold", "folds", NULL},
    {"k-fold", "folds", NULL},
    {"k-folds", "folds", NULL},
    {"cv", "folds", NULL},
    {"cross-validation", "folds", NULL},
    {"augmentation", "augment", NULL},
    {"augmentations", "augment", NULL},
    {"aug", "augment", NULL},
    {"auto-augment", "augment", NULL},
    {"flip", "augment", NULL},
    {"hflip", "augment", NULL},
    {"rotate", "augment", NULL},
    {"degrees", "augment", NULL},
    {"jitter", "augment", NULL},
    {"color-jitter", "augment", NULL},
    {"unfreeze", "trainable", NULL},
    {"unfrozen", "trainable", NULL},
    {"trainable-layers", "trainable", NULL},
    {"finetune", "trainable", NULL},
    {"fine-tune", "trainable", NULL},
    {"layers", "trainable", NULL},
    {"frozen", "freeze", NULL},
    {"freeze-layers", "freeze", NULL},
    {"freeze-backbone", "freeze", NULL},
    {"scheduler", "schedule", NULL},
    {"lr-scheduler", "schedule", NULL},
    {"lr-scheduler-type", "schedule", NULL},
    {"sched", "schedule", NULL},
    {"cos-lr", "schedule", NULL},
    {"warmup-epochs", "warmup", NULL},
    {"warmup-steps", "warmup", NULL},
    {"warmup-ratio", "warmup", NULL},
    {"lr-warmup-epochs", "warmup", NULL},
    {"clip-grad", "clip", NULL},
    {"clip-grad-norm", "clip", NULL},
    {"grad-clip", "clip", NULL},
    {"max-grad-norm", "clip", NULL},
    {"gradient-clip-val", "clip", NULL},
    {"bn", "batch-norm", NULL},
    {"freeze-bn", "batch-norm", NULL},
    {"silent", "quiet", NULL},
    {"q", "quiet", NULL},
    {"format", "json", NULL},
    {"topk", "top", NULL},
    {"top-k", "top", NULL},
    {"k", "top", NULL},
    {"layer", "node", NULL},
    {"return-nodes", "node", NULL},
    {"logits", "emit", NULL},
    {"probs", "emit", NULL},
    {"probabilities", "emit", NULL},
    {"imgsz", "size", NULL},
    {"img-size", "size", NULL},
    {"image-size", "size", NULL},
    {"input-size", "size", NULL},
    {"resize", "size", NULL},
    {"crop-size", "size", NULL},
    {"train-crop-size", "size", NULL},
    {"device", NULL, CPU_ONLY},
    {"gpu", NULL, CPU_ONLY},
    {"gpus", NULL, CPU_ONLY},
    {"cuda", NULL, CPU_ONLY},
    {"accelerator", NULL, CPU_ONLY},
    {"optimizer", NULL, SGD_ONLY},
    {"optim", NULL, SGD_ONLY},
    {"opt", NULL, SGD_ONLY},
    {"adam", NULL, SGD_ONLY},
    {"nesterov", NULL, SGD_ONLY},
    {"patience", NULL, ALL_EPOCHS},
    {"early-stopping", NULL, ALL_EPOCHS},
    {"early-stop", NULL, ALL_EPOCHS},
    {"resume", NULL, NO_RESUME},
    {"resume-from-checkpoint", NULL, NO_RESUME},
    {"data", NULL, POSITIONAL},
    {"dataset", NULL, POSITIONAL},
    {"data-dir", NULL, POSITIONAL},
    {"data-path", NULL, POSITIONAL},
    {"train-dir", NULL, POSITIONAL},
    {"input", NULL, POSITIONAL},
    {"source", NULL, POSITIONAL},
    {"image", NULL, POSITIONAL},
    {"images", NULL, POSITIONAL},
    {"run", NULL, POSITIONAL},
    {"i", NULL, POSITIONAL},
    {"num-classes", NULL, CLASS_FOLDERS},
    {"nc", NULL, CLASS_FOLDERS},
    {"classes", NULL, CLASS_FOLDERS},
    {"labels", NULL, CLASS_FOLDERS},
    {"amp", "precision", NULL},
    {"half", NULL, FLOAT_ONLY},
    {"fp16", NULL, FLOAT_ONLY},
    {"bf16", "precision", NULL},
    {"mixup", NULL, PLAIN_AUGMENT},
    {"cutmix", NULL, PLAIN_AUGMENT},
    {"random-erase", NULL, PLAIN_AUGMENT},
    {"criterion", "loss", NULL},
    {"smoothing", "label-smoothing", NULL},
    {"class-weights", NULL, "all pictures weigh the same"},
    {"dropout", "head", NULL},
    {"hidden", "head", NULL},
    {"verbose", NULL, ALWAYS_SAYS},
    {"v", NULL, ALWAYS_SAYS},
    {"distributed", NULL, ONE_PROCESS},
    {"world-size", NULL, ONE_PROCESS},
    {"log-interval", NULL, NOT_LOGGED},
    {"print-freq", NULL, NOT_LOGGED},
    {"wandb", NULL, NOT_LOGGED},
    {"tensorboard", NULL, NOT_LOGGED},
};

enum { FOREIGN = sizeof foreign / sizeof foreign[0] };

/* Other systems' verbs. */
static const char *const verbs[][2] = {
    {"fit", "train"},        {"finetune", "train"},   {"fine-tune", "train"}, {"tune", "train"},
    {"learn", "train"},      {"test", "eval"},        {"evaluate", "eval"},   {"validate", "eval"},
    {"val", "eval"},         {"score", "eval"},       {"infer", "predict"},   {"inference", "predict"},
    {"classify", "predict"}, {"run", "predict"},      {"label", "predict"},   {"show", "inspect"},
    {"info", "inspect"},     {"extract", "features"}, {"embed", "features"},  {"embeddings", "features"},
    {"summary", "inspect"},  {"models", "inspect"},   {"list", "inspect"},
};

enum { VERBS = sizeof verbs / sizeof verbs[0] };

/* ---- Options ---- */

/* "--Weight_Decay=1" becomes "weight-decay". */
static void normalize(char *word, const char *given)
{
    size_t length = 0;
    while (*given == '-')
        given++;
    for (; *given && *given != '=' && length < LONGEST - 1; given++)
        word[length++] = *given == '_' ? '-' : (char)tolower((unsigned char)*given);
    word[length] = 0;
}

static bool has_option(const command *which, const char *name)
{
    for (const option *o = which->options; o->name; o++)
        if (strcmp(o->name, name) == 0)
            return true;
    return false;
}

/* Another command that has this option, or NULL. */
static const command *owner_of(const char *name)
{
    for (const command *const *c = commands; *c; c++)
        if (has_option(*c, name))
            return *c;
    return NULL;
}

/* graft's name of it, in this command or in another. */
static bool say_name(const command *which, const char *name, char *clause, size_t size)
{
    const command *owner = has_option(which, name) ? which : owner_of(name);
    if (owner == which)
        snprintf(clause, size, "did you mean --%s?", name);
    else if (owner)
        snprintf(clause, size, "--%s is an option of graft %s", name, owner->name);
    return owner != NULL;
}

static bool say_foreign(const command *which, const char *word, char *clause, size_t size)
{
    for (size_t i = 0; i < FOREIGN; i++) {
        if (strcmp(foreign[i].word, word) != 0)
            continue;
        if (foreign[i].name)
            return say_name(which, foreign[i].name, clause, size);
        snprintf(clause, size, "%s", foreign[i].reason);
        return true;
    }
    return false;
}

/* The only name that begins with the word, or else the nearest one. */
static const char *nearest_own(const command *which, const char *word)
{
    const char *names[MOST_NAMES], *longer = NULL;
    size_t count = 0, longer_count = 0;
    for (const option *o = which->options; o->name && count < MOST_NAMES; o++) {
        names[count++] = o->name;
        if (word[0] && strncmp(o->name, word, strlen(word)) == 0) {
            longer = o->name;
            longer_count++;
        }
    }
    return longer_count == 1 ? longer : graft_text_nearest(word, names, count);
}

static const char *nearest_foreign(const char *word)
{
    const char *words[FOREIGN];
    for (size_t i = 0; i < FOREIGN; i++)
        words[i] = foreign[i].word;
    return graft_text_nearest(word, words, FOREIGN);
}

void suggest_option(const command *which, const char *given, char *clause, size_t size)
{
    char word[LONGEST];
    normalize(word, given);
    if (say_name(which, word, clause, size) || say_foreign(which, word, clause, size))
        return;
    const char *own = strlen(word) > 1 ? nearest_own(which, word) : NULL;
    const char *other = strlen(word) > 3 && !own ? nearest_foreign(word) : NULL;
    if (own && say_name(which, own, clause, size))
        return;
    if (other && say_foreign(which, other, clause, size))
        return;
    snprintf(clause, size, "`graft %s -h` lists them", which->name);
}

/* ---- Commands ---- */

const char *suggest_command(const char *given)
{
    const char *names[MOST_NAMES];
    size_t count = 0;
    for (size_t i = 0; i < VERBS; i++)
        if (strcmp(verbs[i][0], given) == 0)
            return verbs[i][1];
    for (const command *const *c = commands; *c && count < MOST_NAMES; c++)
        names[count++] = (*c)->name;
    return graft_text_nearest(given, names, count);
}
