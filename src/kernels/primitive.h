/* The inside of kernels/: oneDNN's objects behind the device, the layouts and the kernels. */
#ifndef GRAFT_KERNELS_PRIMITIVE_H
#define GRAFT_KERNELS_PRIMITIVE_H

#include <dnnl.h>
#include <pthread.h>
#include <signal.h>

#include "kernels/kernel.h"

/* What a layout's numbers are beside a tensor's own: weights (channels of y, channels of x, 3, 3) as
 * Winograd's method multiplies by them, (36, channels of y, channels of x) in an order of its own; `turned`:
 * of the convolution that goes back from y's gradient to x's. */
typedef enum graft_transformed {
    GRAFT_NOT_TRANSFORMED = 0,
    GRAFT_WINOGRAD,
    GRAFT_WINOGRAD_TURNED
} graft_transformed;

struct graft_layout {
    dnnl_memory_desc_t descriptor;
    graft_transformed transformed;
    graft_shape shape;
    size_t bytes;
    bool plain;
    dnnl_format_tag_t form; /* of four dimensions: nchw, nChw4c, nChw8c, nChw16c, nhwc; undefined: another */
    graft_layout *next;
};

struct graft_device {
    dnnl_engine_t engine;
    dnnl_stream_t stream;
    graft_layout *layouts;
    int threads;
    bool led; /* a team is ready, and this thread leads it */
    pthread_t leader;
};

/* Around a kernel's run: no signal reaches this thread in between (signals.c says why). Holds may nest. */
void graft_signals_hold(sigset_t *before);
void graft_signals_release(const sigset_t *before);
/* Keeps signals from the team of the thread that calls, for good. */
void graft_signals_hold_team(graft_device *device);

/* GRAFT_EMEMORY, GRAFT_EUNSUPPORTED or GRAFT_EINTERNAL: "PRIMITIVE: what oneDNN says". */
graft_status graft_primitive_fail(dnnl_status_t result, const char *what);

#define GRAFT_TRY_DNNL(call, what)                        \
    do {                                                  \
        dnnl_status_t result_ = (call);                   \
        if (result_ != dnnl_success) {                    \
            status = graft_primitive_fail(result_, what); \
            goto out;                                     \
        }                                                 \
    } while (0)

/* The layout with this descriptor; one object for equal descriptors. */
graft_status graft_layout_intern(graft_device *device, const dnnl_memory_desc_t *descriptor,
                                 const graft_layout **layout);

dnnl_data_type_t graft_descriptor_type(graft_dtype type); /* of f32 and bf16 */
/* The layout of transformed weights. */
graft_status graft_layout_winograd(graft_device *device, int64_t channels_in, int64_t channels_out,
                                   bool turned, const graft_layout **layout);
/* Of weights (channels of y, channels of x, 3, 3) before they are transformed and of their gradient, so that
 * both are quick: in blocks of as many channels as a vector has numbers, those of y innermost. */
graft_status graft_layout_weights(graft_device *device, int64_t channels_in, int64_t channels_out,
                                  const graft_layout **layout);
/* Numbers of f32 in a vector of this machine, as far as there is code in C for it: 16, 8, or 0 for none. */
int graft_device_lanes(void);
int graft_device_threads(const graft_device *device);

/* A descriptor whose layout oneDNN chooses, row-major, or of a form. */
graft_status graft_descriptor_any(dnnl_memory_desc_t *descriptor, int rank, const int64_t *dims,
                                  dnnl_data_type_t type);
graft_status graft_descriptor_plain(dnnl_memory_desc_t *descriptor, int rank, const int64_t *dims); /* f32 */
graft_status graft_descriptor_of(dnnl_memory_desc_t *descriptor, const graft_shape *shape,
                                 dnnl_data_type_t type, dnnl_format_tag_t form);

/* A slot of a primitive: oneDNN's argument, and the query by which its descriptor is found. */
typedef struct graft_argument {
    int argument; /* DNNL_ARG_SRC, ... */
    dnnl_query_t query;
    int query_index;
    graft_access access;
} graft_argument;

/* Compiles an operation descriptor into a kernel whose slots are `arguments`. `hint`: the forward kernel of a
 * backward, or NULL. `attributes` may be NULL; they are borrowed. */
graft_status graft_primitive_create(graft_kernel **kernel, graft_device *device, const char *what,
                                    const void *operation, dnnl_primitive_attr_t attributes,
                                    const graft_kernel *hint, const graft_argument *arguments, int count);

/* Takes a kernel of oneDNN's reference code away, and says so: plain C or another type is faster. */
bool graft_primitive_refuse(graft_kernel **kernel);

/* Makes a kernel for a tensor that lies as `x`; `how` is what else it has to know. */
typedef graft_status (*graft_primitive_maker)(graft_kernel **kernel, graft_device *device,
                                              const graft_layout *x, const void *how);
/* Made for the type that x has; if that is bf16 and would be reference code, for the same form in f32. */
graft_status graft_primitive_make(graft_kernel **kernel, graft_device *device, const graft_layout *x,
                                  graft_primitive_maker maker, const void *how);

/* A kernel from a primitive descriptor that exists already; it is taken over. */
graft_status graft_primitive_wrap(graft_kernel **kernel, graft_device *device, const char *what,
                                  dnnl_primitive_desc_t descriptor, const graft_argument *arguments,
                                  int count);

/* Winograd's method in C (host/winograd.c), of convolutions that suit it (graft_convolution_suits_winograd);
 * slots as graft_convolution_forward's and so on, the weight in graft_layout_winograd. */
graft_status graft_winograd_forward(graft_kernel **kernel, graft_device *device,
                                    const graft_convolution *shape, bool bias, bool residual,
                                    const graft_post_op *post_ops, int post_count);
graft_status graft_winograd_backward_data(graft_kernel **kernel, graft_device *device,
                                          const graft_convolution *shape);
/* The weight's gradient is in graft_layout_weights. */
graft_status graft_winograd_backward_weights(graft_kernel **kernel, graft_device *device,
                                             const graft_convolution *shape, bool bias);
/* 0 weights, plain or in graft_layout_weights, 1 the same transformed. */
graft_status graft_winograd_weights(graft_kernel **kernel, const graft_layout *from, const graft_layout *to);

/* Attributes with the caller's scratch memory and, where wanted, what a convolution applies as it writes. */
graft_status graft_attributes_create(dnnl_primitive_attr_t *attributes, bool residual,
                                     const graft_post_op *post_ops, int count);

#endif
