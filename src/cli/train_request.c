/* The options of `graft train`, what they become, and which of them contradict each other. */
#include "cli/train.h"

#include <stdlib.h>
#include <string.h>

#include "cli/precision.h"

#define FLAG   .kind = OPTION_FLAG
#define TEXT   .kind = OPTION_TEXT
#define WORDS  .kind = OPTION_WORD, .words
#define WHOLE  .kind = OPTION_INTEGER
#define NUMBER .kind = OPTION_NUMBER

const option train_options[] = {
    {"model", "NAME", "efficientnet_lite0", "the network", TEXT},
    {"weights", "FILE", "the network's published file in graft's cache",
     "weights to start from: a checkpoint of PyTorch or a safetensors file; \"none\": random ones", TEXT},
    {"head", "linear|mlp|LAYERS", "linear",
     "the new head: the class layer alone; or layers in place of the network's whole head, as in "
     "\"linear(4096) relu dropout(0.5) linear\" (also gelu, batchnorm, layernorm, logsoftmax, avgpool, "
     "flatten); mlp: linear(512) relu dropout(0.5) linear",
     TEXT},
    {"size", "N", "the network's", "pictures of N x N; what is resized before the crop grows with it", WHOLE,
     1, 4096},
    {"loss", "cross-entropy|nll", "cross-entropy", "nll is for a head that ends in logsoftmax",
     WORDS = "cross-entropy|nll"},
    {"label-smoothing", "PART", "0", "part of each label that is spread over all classes", NUMBER, 0, 0.999},
    {"trainable", "head|all|PATTERN,...", "head",
     "what trains beside the new head: node or module paths, or globs whose * crosses dots", TEXT},
    {"freeze", "PATTERN,...", NULL, "all trains but this, the complement of --trainable", TEXT},
    {"epochs", "N", "50 for a head, 8 otherwise", "epochs of the last phase", WHOLE, 1, 100000},
    {"batch", "N", "32", "pictures in a step", WHOLE, 1, 65536},
    {"lr", "RATE", "20 / mean of |features|^2 for a head, .003 otherwise", "learning rate", NUMBER, 0, 1000},
    {"body-lr", "RATE", "as --lr", "learning rate of trained nodes outside the head", NUMBER, 0, 1000},
    {"momentum", "M", ".9", "momentum of SGD", NUMBER, 0, 1},
    {"weight-decay", "D", "min(.01, 2.5 / pictures) for a head, 1e-4 otherwise",
     "weight decay, of weights only (not of biases and batch norm)", NUMBER, 0, 1},
    {"nesterov", NULL, NULL, "Nesterov's momentum", FLAG},
    {"schedule", "cosine|constant", "cosine", "the learning rate over the steps", WORDS = "cosine|constant"},
    {"warmup", "FRACTION", "0 for a head, .1 otherwise", "part of the steps in which the rate rises", NUMBER,
     0, 1},
    {"clip", "NORM", "0 for a head, 1 otherwise", "norm that all gradients together are clipped to; 0: off",
     NUMBER, 0, 1e9},
    {"start", "probe|zero|pytorch", "zero for a head, probe otherwise",
     "what the new head starts from: a head trained alone, zeros, or nn.Linear's own initialisation",
     WORDS = "probe|zero|pytorch"},
    {"augment", "none|flip|crop|STEPS", "flip for a head, crop otherwise",
     "none: as they are; flip: mirror images; crop: random crops of .5 to 1 of the area, and mirror images; "
     "or steps, as in \"crop(0.35,1) flip rotate(15) jitter(0.4,0.4,0.4,0.1)\"",
     TEXT},
    {"views", "K", NULL,
     "of a random --augment: K views of each picture are drawn once and kept, and epochs choose among them; "
     "otherwise every epoch draws anew, and the frozen part runs in every epoch",
     WHOLE, 1, 1000},
    {"gram", "auto|on|off", "auto",
     "a first layer of the head that is wide trains from products of kept features: the same numbers to "
     "rounding, far less work where pictures are few; auto: where that saves time and takes no more memory",
     WORDS = "auto|on|off"},
    {"kernels", KERNELS_WORDS, "rule",
     "what computes convolutions; rule: by Winograd's method or directly, by an estimate, the same on every "
     "run; measure: all are timed first, for seconds, and one that beats the rule's by a tenth is taken",
     WORDS = KERNELS_WORDS},
    {"precision", PRECISION_WORDS, "f32",
     "of the frozen part; bf16 has 8 binary digits, and is used where it is faster here (AMX, AMD's AVX-512)",
     WORDS = PRECISION_WORDS},
    {"batch-norm", "still|train", "still",
     "batch norm in trained parts; still: running statistics are used and left alone", WORDS = "still|train"},
    {"val", "FRACTION|DIR", ".2, or DATA's own val folder",
     "what is held out: a part of each class, or a folder of class folders; 0: nothing", TEXT},
    {"pictures", "as-seen|as-pillow", "as-seen",
     "as-seen: turned by EXIF, alpha on white; as-pillow: as Image.open(f).convert(\"RGB\") has them",
     WORDS = "as-seen|as-pillow"},
    {"decode", "exact|scaled", "exact",
     "scaled: JPEGs with a short side of four times what it is resized to, or more, are decoded at a half, a "
     "quarter or an eighth of their size: faster, and not quite the same pixels",
     WORDS = "exact|scaled"},
    {"cache", "auto|memory|disk|none", "auto",
     "where what the frozen part says of pictures is kept: in the process, in files for the next run, or "
     "nowhere; "
     "auto: on disk where there is room, else in memory where there is room",
     WORDS = "auto|memory|disk|none"},
    {"cache-size", "BYTES", "16G",
     "what the files may have together (K, M, G, T); the longest unused go first", TEXT},
    {"folds", "K", NULL, "first K-fold figures of a head on the training pictures", WHOLE, 2, 1000},
    {"seed", "N", "0", "of the split, the order, the views and random weights", WHOLE, 0, 9007199254740992.0},
    {"threads", "N", "the cores this process may use", "threads of the arithmetic", WHOLE, 1, 1024},
    {"workers", "N", "min(4, threads)", "threads that decode pictures", WHOLE, 0, 1024},
    {"out", "RUN", "runs/DATA-1, -2, ...", "the folder of the result", TEXT},
    {"force", NULL, NULL, "overwrite a run that is there already", FLAG},
    {"json", NULL, NULL, "JSON Lines on stdout", FLAG},
    {"quiet", NULL, NULL, "say on stderr only what goes wrong", FLAG},
    {.name = NULL},
};

bool train_val_fraction(double *fraction, const char *text)
{
    char *end;
    double value = strtod(text, &end);
    if (end == text || *end)
        return false;
    *fraction = value;
    return true;
}

/* "16G", "1.5M", "4096" */
static bool read_size(uint64_t *size, const char *text)
{
    static const char units[] = "KMGT";
    char *end;
    double value = strtod(text, &end);
    const char *unit = *end ? strchr(units, *end) : NULL;
    for (long i = unit ? unit - units : -1; i >= 0; i--)
        value *= 1024.0;
    if (end == text || (*end && (!unit || end[1])) || !(value >= 0.0 && value < 0x1p62))
        return false;
    *size = (uint64_t)value;
    return true;
}

static bool read_cache(train_request *r, const arguments *given)
{
    static const int kinds[] = {GRAFT_CACHE_AUTO, GRAFT_CACHE_MEMORY, GRAFT_CACHE_DISK, GRAFT_CACHE_NONE};
    const char *size = argument_text(given, "cache-size");
    r->fit.cache.kind = kinds[argument_word(given, "cache", 0)];
    if (size && !read_size(&r->fit.cache.size, size)) {
        screen_fail("--cache-size %s is not possible: it is a number of bytes, as in 512M or 16G", size);
        return false;
    }
    r->dataset.cache = r->fit.cache;
    return true;
}

/* ---- Contradictions ---- */

static bool is_head_only(const train_request *r)
{
    for (size_t i = 0; i < r->fit.trainable_count; i++)
        if (strcmp(r->trainable[i], "head") != 0)
            return false;
    return r->fit.freeze_count == 0;
}

/* An empty list: "--trainable ,". */
static bool is_nothing(const arguments *given, const char *name, size_t count)
{
    return argument_given(given, name) && count == 0;
}

static bool check_fraction(const train_request *r)
{
    double fraction = r->dataset.held_out;
    return fraction == GRAFT_AUTO || (fraction >= 0.0 && fraction < 1.0);
}

static bool ends_in_logsoftmax(const char *head)
{
    static const char last[] = "logsoftmax";
    size_t length = head ? strlen(head) : 0;
    while (length > 0 && strchr(" \t\n", head[length - 1]))
        length--;
    return length >= sizeof last - 1 &&
           strncmp(head + length - (sizeof last - 1), last, sizeof last - 1) == 0;
}

/* The sentence about what makes no sense together; NULL: all does. */
static const char *contradiction(const train_request *r, const arguments *given)
{
    if (is_nothing(given, "trainable", r->fit.trainable_count))
        return "--trainable names nothing";
    if (is_nothing(given, "freeze", r->fit.freeze_count))
        return "--freeze names nothing";
    if (r->trainable && r->freeze)
        return "--trainable and --freeze are complements of each other: give one of them";
    if (!check_fraction(r))
        return "--val is not possible: a part of each class from 0 to below 1, or a folder";
    if (is_head_only(r) && argument_given(given, "body-lr"))
        return "--body-lr is the rate of what trains outside the head, and here the head alone does "
               "(--trainable)";
    if (is_head_only(r) && r->fit.batch_norm == GRAFT_BATCH_NORM_TRAIN)
        return "--batch-norm train is for trained parts outside the head, and here the head alone trains "
               "(--trainable)";
    if (r->fit.loss == GRAFT_NLL && !ends_in_logsoftmax(r->head))
        return "--loss nll is for a --head that ends in logsoftmax";
    if (argument_given(given, "views") &&
        (r->fit.augment ? graft_augmentation_views(r->fit.augment) > 0 : is_head_only(r)))
        return "--views is for a random --augment: with mirror images alone all views are kept anyway";
    if (argument_given(given, "cache-size") && r->fit.cache.kind != GRAFT_CACHE_AUTO &&
        r->fit.cache.kind != GRAFT_CACHE_DISK)
        return "--cache-size is the bound of what is kept on disk, and --cache keeps nothing there";
    return NULL;
}

/* ---- Reading ---- */

static void read_data(train_request *r, const arguments *given)
{
    const char *val = argument_text(given, "val");
    r->dataset = (graft_dataset_options)GRAFT_DATASET_OPTIONS_INIT;
    r->dataset.seed = r->fit.seed;
    r->dataset.sight = (graft_sight)argument_word(given, "pictures", GRAFT_AS_SEEN);
    r->decode = (graft_decode)argument_word(given, "decode", GRAFT_DECODE_EXACT);
    if (val && !train_val_fraction(&r->dataset.held_out, val))
        r->dataset.held_out_folder = val;
    int threads = r->fit.threads == GRAFT_AUTO ? graft_cores() : r->fit.threads;
    r->dataset.workers = r->fit.workers != GRAFT_AUTO ? r->fit.workers : graft_workers(threads);
}

static void read_fit(train_request *r, const arguments *given)
{
    static const int gram[] = {GRAFT_AUTO, GRAFT_GRAM_ON, GRAFT_GRAM_OFF}; /* by the words' order */
    graft_fit_options *fit = &r->fit;
    *fit = (graft_fit_options)GRAFT_FIT_OPTIONS_INIT;
    r->trainable = argument_list(given, "trainable", &fit->trainable_count);
    r->freeze = argument_list(given, "freeze", &fit->freeze_count);
    fit->trainable = r->trainable;
    fit->freeze = r->freeze;
    fit->epochs = (int)argument_integer(given, "epochs", GRAFT_AUTO);
    fit->batch = (int)argument_integer(given, "batch", GRAFT_AUTO);
    fit->rate = argument_number(given, "lr", GRAFT_AUTO);
    fit->body_rate = argument_number(given, "body-lr", GRAFT_AUTO);
    fit->nesterov = argument_given(given, "nesterov");
    fit->gram = gram[argument_word(given, "gram", 0)];
    fit->kernels = (graft_kernels)argument_word(given, "kernels", GRAFT_KERNELS_RULE);
    fit->momentum = argument_number(given, "momentum", GRAFT_AUTO);
    fit->decay = argument_number(given, "weight-decay", GRAFT_AUTO);
    fit->warmup = argument_number(given, "warmup", GRAFT_AUTO);
    fit->clip = argument_number(given, "clip", GRAFT_AUTO);
    fit->schedule = argument_word(given, "schedule", GRAFT_AUTO);
    fit->start = argument_word(given, "start", GRAFT_FIT_AUTO);
    fit->batch_norm = argument_word(given, "batch-norm", GRAFT_BATCH_NORM_STILL);
    fit->loss = argument_word(given, "loss", GRAFT_CROSS_ENTROPY);
    fit->label_smoothing = argument_number(given, "label-smoothing", 0.0);
    fit->folds = (int)argument_integer(given, "folds", 0);
    fit->views = (int)argument_integer(given, "views", GRAFT_AUTO);
    fit->precision = precision_asked(given);
    fit->seed = (uint64_t)argument_integer(given, "seed", 0);
    fit->threads = (int)argument_integer(given, "threads", GRAFT_AUTO);
    fit->workers = (int)argument_integer(given, "workers", GRAFT_AUTO);
}

static bool read_augment(train_request *r, const arguments *given)
{
    size_t place;
    const char *text = argument_text(given, "augment");
    if (!text)
        return true;
    r->fit.augment = &r->augment;
    if (graft_augmentation_parse(&r->augment, text, &place) == GRAFT_OK)
        return true;
    screen_fail("--augment %s", graft_error_message());
    screen_point(text, place);
    return false;
}

static bool read_head(train_request *r, const arguments *given)
{
    size_t place;
    r->head = argument_text(given, "head");
    if (!r->head || graft_layers_check(r->head, &place) == GRAFT_OK) {
        if (r->head && strcmp(r->head, "linear") == 0)
            r->head = NULL;
        return true;
    }
    screen_fail("--head %s", graft_error_message());
    screen_point(r->head, place);
    return false;
}

bool train_request_read(train_request *r, const arguments *given)
{
    r->given = given;
    r->data = argument_at(given, 0);
    r->network = argument_text(given, "model") ? argument_text(given, "model") : "efficientnet_lite0";
    r->weights = argument_text(given, "weights");
    r->random_weights = r->weights && strcmp(r->weights, "none") == 0;
    r->out = argument_text(given, "out");
    r->force = argument_given(given, "force");
    r->json = argument_given(given, "json");
    r->quiet = argument_given(given, "quiet");
    read_fit(r, given);
    read_data(r, given);
    r->size = (int)argument_integer(given, "size", 0);
    if (!read_cache(r, given) || !read_augment(r, given) || !read_head(r, given))
        return false;
    const char *sentence = contradiction(r, given);
    if (!sentence)
        return true;
    screen_fail("%s", sentence);
    return false;
}

const char *train_kernels_name(const graft_kernels_choice *choice)
{
    return choice->taken ? graft_kernels_name(choice->taken) : NULL;
}

const char *train_cache_name(int kind)
{
    static const char *const names[] = {"none", "memory", "disk"};
    return names[kind];
}

void train_request_dispose(train_request *r)
{
    free(r->trainable);
    free(r->freeze);
}
