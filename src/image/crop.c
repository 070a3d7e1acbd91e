/* Random crops as torchvision's RandomResizedCrop draws them (Szegedy et al., "Going deeper with
 * convolutions", 2015): an area uniform in [lo, hi] of the picture's and an aspect ratio whose logarithm is
 * uniform in [log 3/4, log 4/3]; ten tries to fit it in; otherwise the largest centred box whose ratio is
 * allowed. */
#include "image/augment.h"

#include <math.h>

enum { TRIES = 10 };

static const double narrowest = 3.0 / 4.0, widest = 4.0 / 3.0;

static graft_box centred(int width, int height)
{
    double ratio = (double)width / (double)height;
    int w = width, h = height;
    if (ratio < narrowest)
        h = (int)rint(w / narrowest);
    else if (ratio > widest)
        w = (int)rint(h * widest);
    return (graft_box){(width - w) / 2, (height - h) / 2, w, h};
}

graft_box graft_random_crop(graft_random *random, int width, int height, float lo, float hi)
{
    double area = (double)width * (double)height;
    for (int i = 0; i < TRIES; i++) {
        double target = area * (double)graft_random_between(random, lo, hi);
        double ratio =
            (double)expf(graft_random_between(random, logf((float)narrowest), logf((float)widest)));
        int w = (int)rint(sqrt(target * ratio)), h = (int)rint(sqrt(target / ratio));
        if (w <= 0 || w > width || h <= 0 || h > height)
            continue;
        int y = (int)graft_random_below(random, (uint32_t)(height - h) + 1);
        int x = (int)graft_random_below(random, (uint32_t)(width - w) + 1);
        return (graft_box){x, y, w, h};
    }
    return centred(width, height);
}

static graft_box draw_box(const double *numbers, graft_random *random, int width, int height)
{
    return graft_random_crop(random, width, height, (float)numbers[0], (float)numbers[1]);
}

const graft_augment_kind graft_augment_crop = {
    .name = "crop",
    .python = "RandomResizedCrop",
    .form = "crop(lo,hi)",
    .least = 2,
    .most = 2,
    .ascending = true,
    .numbers = {{"lo", 0.001, 1.0}, {"hi", 0.001, 1.0}},
    .box = draw_box,
};
