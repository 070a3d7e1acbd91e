/* What `graft inspect` shows: a file of tensors, a run, a network. */
#ifndef GRAFT_CLI_INSPECT_H
#define GRAFT_CLI_INSPECT_H

#include <stdbool.h>

#include <jansson.h>

#include <graft/graft.h>

/* Each writes to stdout, for people or as one JSON object; an exit status. */
int inspect_weights(const char *path, bool json);
int inspect_run(const char *path, bool json);
/* The model's marks say what trains. */
int inspect_network(const graft_model *model, bool json);

/* The plans that an executor with these options would have; the model has weights. */
int inspect_plan(graft_model *model, const graft_executor_options *options, bool timed, bool json);

/* Facts that a run's file and a run share: label and text lines, or members of an object. */
void inspect_model_print(const graft_model *model);
void inspect_model_json(json_t *object, const graft_model *model);

/* "(64, 3, 7, 7)" into `text`; [64, 3, 7, 7]. */
enum { INSPECT_SHAPE = 8 * 21 + 4 };
const char *inspect_shape(char text[INSPECT_SHAPE], const graft_shape *shape);
json_t *inspect_shape_json(const graft_shape *shape);

#endif
