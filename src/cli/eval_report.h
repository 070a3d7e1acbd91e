/* What `graft eval` says: figures, a table of the classes and a confusion matrix for people, everything for
 * programs. */
#ifndef GRAFT_CLI_EVAL_REPORT_H
#define GRAFT_CLI_EVAL_REPORT_H

#include <stdio.h>

#include <graft/report.h>

#include "cli/eval_data.h"

typedef struct eval_report {
    const subject *subject;
    const eval_data *data;
    const graft_evaluation *evaluation;
} eval_report;

/* 80 columns. */
void eval_report_print(FILE *stream, const eval_report *report);
/* One JSON object on one line of stdout. */
void eval_report_json(const eval_report *report);

/* Rows are the classes, columns what was said of them; where not all classes fit into 80 columns, those that
 * were confused most. */
void eval_report_confusion(FILE *stream, const eval_report *report);

/* Calls for each picture that could not be read, when the folder was read or since. */
void eval_report_unread(const eval_report *report,
                        void (*call)(void *context, const graft_sample *sample, const char *cause),
                        void *context);

/* A class's name in `width` columns, filled up with blanks, and how many columns the longest name takes,
 * `most` at most. */
void eval_report_class(FILE *stream, const graft_model *model, int index, int width);
int eval_report_class_width(const graft_model *model, const int *classes, size_t count, int most);

#endif
