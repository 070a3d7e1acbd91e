/* The numbers of the Gram form: products of features with each other and with the first weight, and the
 * weight that comes out in the end. Sums over the features run tile by tile (kernels/host/columns.h), so that
 * neither the features nor the weight need lie in one piece, and a sum of many thousands is one of partial
 * sums. */
#include "train/gram.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/status.h"
#include "kernels/host/columns.h"
#include "kernels/kernel.h"

static size_t width_of(const graft_gram *g)
{
    return (size_t)(g->rows + g->out);
}

size_t graft_gram_bytes(const graft_gram *g)
{
    return sizeof(float) * width_of(g);
}

/* ---- A product, outside of plans ---- */

typedef struct product {
    graft_kernel *kernel;
    void *scratch;
} product;

static void product_free(product *p)
{
    graft_kernel_free(p->kernel);
    free(p->scratch);
}

static graft_status product_create(product *p, graft_device *device, const graft_matmul_shape *shape,
                                   const float *a, const float *b, float *c)
{
    graft_status status;
    void *buffers[GRAFT_KERNEL_SLOTS] = {(void *)a, (void *)b, c};
    graft_device_enter(device);
    GRAFT_TRY(graft_matmul(&p->kernel, device, shape));
    if (p->kernel->scratch > 0)
        GRAFT_TRY(graft_allocate_aligned(&p->scratch, p->kernel->scratch));
    GRAFT_TRY(graft_kernel_bind(p->kernel, buffers, p->scratch));
out:
    return status;
}

/* ---- Products of features ---- */

/* (count, rows + out): with F and with W0. */
static graft_status multiply(const graft_gram *g, graft_device *device, const float *const *features,
                             size_t count, float *products)
{
    graft_status status;
    int64_t width = (int64_t)width_of(g);
    const graft_matmul_shape shape = {
        .rows = (int64_t)count, .inner = GRAFT_COLUMNS, .columns = width, .transposed_b = true, .adds = true};
    float *left = NULL, *right = NULL;
    product p = {NULL, NULL};
    GRAFT_TRY(graft_allocate_aligned(&left, sizeof(float) * count * GRAFT_COLUMNS));
    GRAFT_TRY(graft_allocate_aligned(&right, sizeof(float) * (size_t)width * GRAFT_COLUMNS));
    GRAFT_TRY(product_create(&p, device, &shape, left, right, products));
    memset(products, 0, sizeof(float) * count * (size_t)width);
    for (int64_t from = 0; from < g->in; from += GRAFT_COLUMNS) {
        graft_columns_take(left, features, (int64_t)count, g->in, from);
        graft_columns_take(right, g->fixed, width, g->in, from);
        GRAFT_TRY(graft_kernel_run(p.kernel));
    }
out:
    product_free(&p);
    free(left);
    free(right);
    return status;
}

/* ---- Views ---- */

static int by_view(const void *a, const void *b)
{
    const graft_gram_view *x = a, *y = b;
    return x->sample != y->sample ? (x->sample < y->sample ? -1 : 1) : x->view - y->view;
}

const graft_gram_view *graft_gram_find(const graft_gram *g, int sample, int view)
{
    const graft_gram_view key = {.sample = sample, .view = view};
    return g->view_count ? bsearch(&key, g->views, g->view_count, sizeof key, by_view) : NULL;
}

bool graft_gram_trains(const graft_gram *g, const graft_gram_view *view)
{
    return view->row < (size_t)g->rows;
}

static void list_views(graft_gram *g, const graft_gram_view *views, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        graft_gram_view *v = &g->views[g->view_count + i];
        *v = views[i];
        v->row = g->view_count + i;
    }
    g->view_count += count;
    qsort(g->views, g->view_count, sizeof *g->views, by_view);
}

static graft_status tell(graft_gram *g, graft_device *device, const float *const *features, size_t count)
{
    if (count > (size_t)g->rows - g->told)
        return graft_fail(GRAFT_EARGUMENT,
                          "the Gram form was planned for %lld views to train on: %zu are more",
                          (long long)g->rows, g->told + count);
    memcpy(g->fixed + g->told, features, sizeof *features * count);
    if (g->told + count < (size_t)g->rows)
        return GRAFT_OK;
    graft_status status = multiply(g, device, g->fixed, (size_t)g->rows, g->products);
    g->filled = status == GRAFT_OK;
    return status;
}

graft_status graft_gram_add(graft_gram *g, graft_device *device, const graft_gram_view *views,
                            const float *const *features, size_t count, bool training)
{
    graft_status status;
    size_t all = g->view_count + count;
    if (training && all < (size_t)g->rows)
        all = (size_t)g->rows;
    GRAFT_TRY(graft_reallocate(&g->views, all, sizeof *g->views));
    GRAFT_TRY(graft_reallocate(&g->products, all * width_of(g), sizeof(float)));
    if (training)
        GRAFT_TRY(tell(g, device, features, count));
    else
        GRAFT_TRY(multiply(g, device, features, count, g->products + g->view_count * width_of(g)));
    g->told += training ? count : 0;
    list_views(g, views, count);
out:
    return status;
}

/* ---- Rows for the upper plan ---- */

static void put_products(graft_gram *g, int row, const float *products, int32_t place)
{
    for (int i = 0; i < 2; i++) {
        memcpy(g->inputs[i] + (size_t)row * g->sizes[i], products, sizeof(float) * g->sizes[i]);
        products += g->sizes[i];
    }
    memcpy(g->inputs[2] + row, &place, sizeof place);
}

void graft_gram_put(graft_gram *g, int row, const graft_gram_view *view)
{
    put_products(g, row, g->products + view->row * width_of(g),
                 graft_gram_trains(g, view) ? (int32_t)view->row : -1);
}

graft_status graft_gram_put_features(graft_gram *g, graft_device *device, const float *features, int count)
{
    graft_status status;
    float *products = NULL;
    const float **rows = NULL;
    GRAFT_TRY(GRAFT_NEW_ARRAY(&rows, (size_t)count));
    GRAFT_TRY(graft_allocate(&products, (size_t)count * width_of(g), sizeof(float)));
    for (int i = 0; i < count; i++)
        rows[i] = features + (size_t)i * (size_t)g->in;
    GRAFT_TRY(multiply(g, device, rows, (size_t)count, products));
    for (int i = 0; i < count; i++)
        put_products(g, i, products + (size_t)i * width_of(g), -1);
out:
    free(rows);
    free(products);
    return status;
}

/* ---- What comes out ---- */

graft_status graft_gram_weight(const graft_gram *g, graft_device *device, const float *a, float c,
                               float *weight)
{
    graft_status status;
    const graft_matmul_shape shape = {
        .rows = g->out, .inner = g->rows, .columns = GRAFT_COLUMNS, .transposed_a = true};
    float *features = NULL, *tile = NULL;
    product p = {NULL, NULL};
    GRAFT_TRY(graft_allocate_aligned(&features, sizeof(float) * (size_t)g->rows * GRAFT_COLUMNS));
    GRAFT_TRY(graft_allocate_aligned(&tile, sizeof(float) * (size_t)g->out * GRAFT_COLUMNS));
    GRAFT_TRY(product_create(&p, device, &shape, a, features, tile));
    for (int64_t from = 0; from < g->in; from += GRAFT_COLUMNS) {
        graft_columns_take(features, g->fixed, g->rows, g->in, from);
        GRAFT_TRY(graft_kernel_run(p.kernel));
        graft_columns_put(weight, tile, g->out, g->in, from, c != 0.0F ? g->start : NULL, c);
    }
out:
    product_free(&p);
    free(features);
    free(tile);
    return status;
}

static double dot(const float *a, const float *b, int64_t count)
{
    double sum = 0.0;
    for (int64_t i = 0; i < count; i++)
        sum += (double)a[i] * b[i];
    return sum;
}

static bool is_zero(const float *row, int64_t count)
{
    for (int64_t i = 0; i < count; i++)
        if (row[i] != 0.0F)
            return false;
    return true;
}

/* tr(G^T K G), of which only the rows of the last batches are not zero. Rounding may leave it below 0. */
double graft_gram_squares(const graft_gram *g, const float *gradient)
{
    double squares = 0.0;
    size_t touched = 0;
    for (size_t i = 0; i < g->view_count; i++)
        if (graft_gram_trains(g, &g->views[i]) &&
            !is_zero(gradient + (int64_t)g->views[i].row * g->out, g->out))
            g->touched[touched++] = &g->views[i];
    for (size_t i = 0; i < touched; i++)
        for (size_t j = 0; j < touched; j++) {
            size_t x = g->touched[i]->row, y = g->touched[j]->row, out = (size_t)g->out;
            squares += (double)g->products[x * width_of(g) + y] *
                       dot(gradient + x * out, gradient + y * out, g->out);
        }
    return squares > 0.0 ? squares : 0.0;
}
