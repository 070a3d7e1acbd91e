/* What an executor's plans are made of: step by step the node, the kernel, the layout, the memory, and the
 * time it takes. For whoever looks for lost time; nothing else needs it. */
#ifndef GRAFT_PLAN_H
#define GRAFT_PLAN_H

#include <stdbool.h>
#include <stddef.h>

#include <graft/status.h>
#include <graft/tensor.h>
#include <graft/train.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The instructions that the arithmetic uses here: "avx2", "avx512_core_bf16", ... Static storage. */
GRAFT_API const char *graft_instructions(void);

/* One kernel of one plan. Texts are borrowed while the executor lives. */
typedef struct graft_step_info {
    size_t plan;           /* steps of one plan follow one another and share this number */
    graft_kernels kernels; /* what the plan's convolutions are computed by */
    const char *part;   /* "backbone": frozen, up to the boundary; "evaluation", "training": what is above */
    int batch;          /* pictures at once */
    size_t workspace;   /* bytes of the whole plan; plans of an executor share one workspace */
    const char *phase;  /* "forward", "loss", "backward" */
    const char *node;   /* for whom it works; "loss" */
    const char *kernel; /* "jit:avx512_core", "host:drop"; what oneDNN or graft calls it */
    const char *layout; /* of what it writes: "nchw", "nChw16c", "nhwc", ... */
    const char *from;   /* it only brings a tensor from this layout into another; NULL: it computes */
    graft_shape shape;  /* of what it writes */
    size_t scratch;     /* bytes it needs beside its tensors, within the workspace */
    size_t live;        /* bytes of the workspace in use while it runs, scratch included */
    double seconds;     /* median of the rounds of graft_executor_time_steps; 0 before */
} graft_step_info;

/* An executor that trains has its plans from the start; these are those that prediction needs: of one picture
 * alone, and of a slice of several. */
GRAFT_API graft_status graft_executor_plan_prediction(graft_executor *executor);
/* Steps of all plans that there are so far. */
GRAFT_API size_t graft_executor_step_count(const graft_executor *executor);
GRAFT_API void graft_executor_step_info(const graft_executor *executor, size_t index, graft_step_info *info);
/* Runs every plan on made-up pictures, `rounds` times and once before that does not count. The last forward
 * and its gradients are gone then, and where batch norm trains with the batch's statistics the running ones
 * have moved. */
GRAFT_API graft_status graft_executor_time_steps(graft_executor *executor, int rounds);

#ifdef __cplusplus
}
#endif
#endif
