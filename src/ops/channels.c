/* One copy by runs of channels. */
#include "ops/channels.h"

graft_status graft_lowering_copy_channels(graft_lowering *l, graft_value x, const graft_shape *shape,
                                          const graft_channel_run *runs, int run_count, graft_value *y)
{
    graft_status status;
    graft_device *device = graft_lowering_device(l);
    const graft_layout *from = graft_lowering_layout(l, x), *to;
    graft_value values[GRAFT_COPY_SOURCES + 1] = {x};
    graft_kernel *kernel;
    values[GRAFT_COPY_SOURCES] = GRAFT_NEW_VALUE;
    GRAFT_TRY(graft_layout_typed_like(device, from, shape, graft_layout_type(from), &to));
    GRAFT_TRY(graft_copy_channels(&kernel, device, &from, 1, to, runs, run_count, true));
    GRAFT_TRY(graft_lowering_emit(l, kernel, values));
    *y = values[GRAFT_COPY_SOURCES];
out:
    return status;
}
