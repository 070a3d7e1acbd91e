/* graft: transfer learning for images. */
#ifndef GRAFT_GRAFT_H
#define GRAFT_GRAFT_H

#include <graft/picture.h>
#include <graft/status.h>
#include <graft/tensor.h>
#include <graft/weights.h>

#endif
