/* graft: transfer learning for images.
 *
 * In the order in which a program meets them:
 *   status.h   what a call returns, and its sentence
 *   tensor.h   element types and shapes
 *   weights.h  files of named tensors: PyTorch checkpoints, safetensors
 *   picture.h  pictures, and how they become a network's input
 *   augment.h  how pictures vary from epoch to epoch
 *   model.h    a network with its weights: open, freeze, replace the head, save
 *   cache.h    what is kept of pictures from one run to the next
 *   data.h     pictures in folders, and loaders of batches
 *   train.h    the executor (forward, loss, backward, step), and graft_fit, the whole job
 *   plan.h     what the executor's plans are made of, and where their time goes
 *   report.h   figures of what a classifier did
 *   table.h    tables of numbers that numpy opens
 *   tools.h    small things that programs around it need: whole files, near words, cores, memory
 */
#ifndef GRAFT_GRAFT_H
#define GRAFT_GRAFT_H

#include <graft/augment.h>
#include <graft/cache.h>
#include <graft/data.h>
#include <graft/model.h>
#include <graft/picture.h>
#include <graft/plan.h>
#include <graft/report.h>
#include <graft/status.h>
#include <graft/table.h>
#include <graft/tensor.h>
#include <graft/tools.h>
#include <graft/train.h>
#include <graft/weights.h>

#endif
