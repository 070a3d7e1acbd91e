/* Cutting a convolution into tiles, blocks and chunks. */
#include "kernels/host/winograd_frame.h"

#include "base/status.h"
#include "kernels/lanes.h"
#include "kernels/primitive.h"

const graft_winograd_code *graft_winograd_here(void)
{
    switch (graft_device_lanes()) {
    case 16:
        return graft_winograd_avx512();
    case 8:
        return graft_winograd_avx2();
    default:
        return NULL;
    }
}

bool graft_convolution_suits_winograd(const graft_convolution *c)
{
    const graft_winograd_code *code = graft_winograd_here();
    return code && c->kernel_height == 3 && c->kernel_width == 3 && c->stride == 1 && c->groups == 1 &&
           c->pad_top <= 2 && c->pad_left <= 2 && c->channels_in % code->lanes == 0 &&
           c->channels_out % code->lanes == 0 && !c->bf16;
}

static graft_winograd_shape shape_of(const graft_convolution *c)
{
    enum { TILE = GRAFT_WINOGRAD_TILE };
    graft_winograd_shape shape = {
        .batch = c->batch,
        .channels_in = c->channels_in,
        .channels_out = c->channels_out,
        .height_in = c->height_in,
        .width_in = c->width_in,
        .height_out = c->height_out,
        .width_out = c->width_out,
        .pad_top = c->pad_top,
        .pad_left = c->pad_left,
        .down = (c->height_out + TILE - 1) / TILE,
        .across = (c->width_out + TILE - 1) / TILE,
    };
    shape.tiles = shape.batch * shape.down * shape.across;
    return shape;
}

static graft_winograd_tensor tensor_of(const graft_layout *layout, int64_t lanes)
{
    graft_lanes of = graft_lanes_of(layout, lanes);
    return (graft_winograd_tensor){NULL, of.sample, of.group, of.pixel};
}

graft_status graft_winograd_frame_init(graft_winograd_frame *frame, graft_device *device,
                                       const graft_convolution *c, const graft_layout **x,
                                       const graft_layout **y)
{
    graft_status status;
    const graft_winograd_code *code = graft_winograd_here();
    graft_shape x_shape = GRAFT_SHAPE(c->batch, c->channels_in, c->height_in, c->width_in);
    int64_t side = c->squares ? 2 : 1;
    graft_shape y_shape = GRAFT_SHAPE(c->batch, c->channels_out, c->height_out / side, c->width_out / side);
    GRAFT_TRY(graft_layout_blocked(device, &x_shape, code->lanes, x));
    GRAFT_TRY(graft_layout_blocked(device, &y_shape, code->lanes, y));
    *frame = (graft_winograd_frame){
        .code = code,
        .shape = shape_of(c),
        .x = tensor_of(*x, code->lanes),
        .y = tensor_of(*y, code->lanes),
        .groups_in = c->channels_in / code->lanes,
        .groups_out = c->channels_out / code->lanes,
        .block = code->rows * code->lanes,
    };
    frame->pairs_out = (frame->groups_out + 1) / 2;
    frame->blocks = (frame->shape.tiles + code->rows - 1) / code->rows;
out:
    return status;
}

static int64_t chunk_numbers(const graft_winograd_frame *frame)
{
    return GRAFT_WINOGRAD_POINTS * (frame->input_step + frame->product_step);
}

/* A step has a line more than it needs, so that the 36 do not all fall into one place of the first cache. */
size_t graft_winograd_frame_cut(graft_winograd_frame *frame, int64_t bytes, int64_t pairs)
{
    int64_t inputs = frame->groups_in * frame->block, products = pairs * 2 * frame->block;
    int64_t each = GRAFT_WINOGRAD_POINTS * (int64_t)sizeof(float) * (inputs + products);
    int64_t most = bytes > each ? bytes / each : 1;
    int64_t chunks = (frame->blocks + most - 1) / most;
    frame->chunk = (frame->blocks + chunks - 1) / chunks;
    frame->input_step = frame->chunk * inputs + frame->code->lanes;
    frame->product_step = frame->chunk * products + frame->code->lanes;
    return sizeof(float) * (size_t)chunk_numbers(frame);
}

graft_winograd_chunk graft_winograd_chunk_at(const graft_winograd_frame *frame, int64_t first, void *scratch,
                                             int place)
{
    int64_t left = frame->blocks - first;
    float *inputs = (float *)scratch + place * chunk_numbers(frame);
    return (graft_winograd_chunk){frame, first, left < frame->chunk ? left : frame->chunk, inputs,
                                  inputs + GRAFT_WINOGRAD_POINTS * frame->input_step};
}

void graft_winograd_chunk_input(const graft_winograd_chunk *chunk, int64_t block, int64_t group)
{
    const graft_winograd_frame *frame = chunk->frame;
    frame->code->transform_input(&frame->shape, &frame->x, chunk->first + block, group,
                                 chunk->inputs + (block * frame->groups_in + group) * frame->block,
                                 frame->input_step);
}

void graft_winograd_chunk_inputs(const graft_winograd_chunk *chunk)
{
#pragma omp for collapse(2) schedule(static)
    for (int64_t block = 0; block < chunk->blocks; block++)
        for (int64_t group = 0; group < chunk->frame->groups_in; group++)
            graft_winograd_chunk_input(chunk, block, group);
}
