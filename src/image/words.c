/* The words by which files, keys of kept features and people name how pictures are seen and read. */
#include <graft/picture.h>

const char *graft_sight_name(graft_sight sight)
{
    static const char *const names[] = {[GRAFT_AS_SEEN] = "as-seen", [GRAFT_AS_PILLOW] = "as-pillow"};
    return (size_t)sight < sizeof names / sizeof *names ? names[sight] : "unknown";
}

const char *graft_filter_name(graft_filter filter)
{
    static const char *const names[] = {[GRAFT_BILINEAR] = "bilinear", [GRAFT_BICUBIC] = "bicubic"};
    return (size_t)filter < sizeof names / sizeof *names ? names[filter] : "unknown";
}

const char *graft_decode_name(graft_decode decode)
{
    static const char *const names[] = {[GRAFT_DECODE_EXACT] = "exact", [GRAFT_DECODE_SCALED] = "scaled"};
    return (size_t)decode < sizeof names / sizeof *names ? names[decode] : "unknown";
}
