/* The quadratic form of rounding and its factor. Rounding one input after the other, with the error of those done made
 * up for by those to come, is GPTQ (Frantar et al. 2022, arXiv 2210.17323), which takes its coefficients from a
 * Cholesky factor of the inverse covariance. With covariance = M M^T, M upper triangular, the same coefficients are
 * M[k][j] / M[j][j] without any inverse: e^T covariance e = |M^T e|^2, where component j has M[j][j] e[j] and the
 * errors before j, so the best e[j] is the one that takes it to 0. */
#include "compile/form.h"

#include <math.h>
#include <stdlib.h>

#include "base/cloned.h"

#define PANEL 32               /* columns that are factored before the rest is updated with all of them */
#define WIDTH 16               /* rows of a matrix are padded to this */
#define LEAST_VARIANCE 0x1p-60 /* in mean variances: below, an input counts as one that never moves */

typedef struct {
    double variance;
    uint32_t input;
} ranked;

static int by_falling_variance(const void *a, const void *b) {
    const ranked *x = a, *y = b;
    if (x->variance != y->variance)
        return x->variance > y->variance ? -1 : 1;
    return x->input < y->input ? -1 : 1;
}

static pst_status sort(psti_form *f, const double *variance, size_t stride) {
    ranked *all = psti_allocate(f->inputs, sizeof *all);
    if (!all)
        return PST_E_MEMORY;
    double sum = 0;
    for (uint32_t i = 0; i < f->inputs; i++) {
        all[i] = (ranked){variance[(size_t)i * stride], i};
        sum += all[i].variance;
    }
    qsort(all, f->inputs, sizeof *all, by_falling_variance);
    f->unit = sum / (double)f->inputs;
    for (uint32_t p = 0; p < f->inputs; p++) {
        f->order[p] = all[p].input;
        f->place[all[p].input] = p;
        double v = f->unit > 0 ? all[p].variance / f->unit : 1;
        f->variance[p] = (float)v;
        f->inverse[p] = v >= LEAST_VARIANCE ? (float)(1 / v) : 0;
    }
    free(all);
    return PST_OK;
}

/* row[c] -= sum over the panel, for whole vectors of columns: what lies right of the diagonal is never read. */
PSTI_CLONED static void update_row(double *row, const double *factor, const double *panel, size_t stride, size_t first,
                                   size_t end) {
    for (size_t c = first; c < end; c += WIDTH) {
        double sum[WIDTH];
        for (size_t i = 0; i < WIDTH; i++)
            sum[i] = row[c + i];
        for (size_t k = 0; k < PANEL; k++)
            for (size_t i = 0; i < WIDTH; i++)
                sum[i] -= factor[k] * panel[k * stride + c + i];
        for (size_t i = 0; i < WIDTH; i++)
            row[c + i] = sum[i];
    }
}

static void factor_panel(double *a, size_t n, size_t stride, size_t first, size_t end) {
    for (size_t j = first; j < end; j++)
        for (size_t i = j; i < n; i++) {
            double sum = a[i * stride + j];
            for (size_t k = first; k < j; k++)
                sum -= a[i * stride + k] * a[j * stride + k];
            /* Damped, a pivot is PSTI_DAMPING at least; rounding, or a matrix that is no covariance, may take from it.
             */
            a[i * stride + j] = i == j ? sqrt(fmax(sum, 0.5 * (double)PSTI_DAMPING)) : sum / a[j * stride + j];
        }
}

/* The lower Cholesky factor in place. panel: [PANEL][stride]. */
static void factor(double *a, size_t n, size_t stride, double *panel) {
    for (size_t first = 0; first < n; first += PANEL) {
        size_t end = first + PANEL < n ? first + PANEL : n;
        factor_panel(a, n, stride, first, end);
        for (size_t k = 0; k < PANEL && end < n; k++)
            for (size_t i = end; i < n; i++)
                panel[k * stride + i] = a[i * stride + first + k];
        for (size_t i = end; i < n; i++)
            update_row(a + i * stride, a + i * stride + first, panel, stride, end, i + 1);
    }
}

/* From the factor of the form with its places in reverse, which turns a lower factor into the upper one wanted. */
static pst_status make_feedback(psti_form *f) {
    size_t n = f->inputs, stride = f->stride;
    double *a = psti_allocate(n * stride, sizeof *a), *panel = psti_allocate(PANEL * stride, sizeof *panel);
    if (a && panel) {
        for (size_t i = 0; i < n; i++)
            for (size_t j = 0; j <= i; j++)
                a[i * stride + j] =
                    (double)f->covariance[(n - 1 - i) * stride + n - 1 - j] + (i == j ? (double)PSTI_DAMPING : 0);
        factor(a, n, stride, panel);
        for (size_t j = 0; j < n; j++)
            for (size_t k = 0; k < j; k++)
                f->feedback[j * stride + k] =
                    (float)(-a[(n - 1 - k) * stride + n - 1 - j] / a[(n - 1 - j) * stride + n - 1 - j]);
    }
    pst_status status = a && panel ? PST_OK : PST_E_MEMORY;
    free(a);
    free(panel);
    return status;
}

static int take(psti_form *f, int whole) {
    size_t n = f->inputs;
    f->order = psti_arena_take(&f->arena, n, sizeof *f->order);
    f->place = psti_arena_take(&f->arena, n, sizeof *f->place);
    f->variance = psti_arena_take(&f->arena, n, sizeof *f->variance);
    f->inverse = psti_arena_take(&f->arena, n, sizeof *f->inverse);
    if (!f->order || !f->place || !f->variance || !f->inverse)
        return 0;
    if (!whole)
        return 1;
    f->covariance = psti_arena_take(&f->arena, n * f->stride, sizeof *f->covariance);
    f->feedback = psti_arena_take(&f->arena, n * f->stride, sizeof *f->feedback);
    return f->covariance && f->feedback;
}

pst_status psti_form_open(psti_form *f, uint32_t inputs, const double *covariance, const double *variance) {
    size_t n = inputs;
    *f = (psti_form){.inputs = inputs, .stride = (n + WIDTH - 1) / WIDTH * WIDTH};
    if (!take(f, covariance != NULL))
        return PST_E_MEMORY;
    pst_status status = sort(f, covariance ? covariance : variance, covariance ? n + 1 : 1);
    if (status || !covariance)
        return status;
    if (!(f->unit > 0)) { /* nothing moves: there is nothing to make up for */
        f->covariance = f->feedback = NULL;
        return PST_OK;
    }
    for (size_t p = 0; p < n; p++)
        for (size_t q = 0; q < n; q++)
            f->covariance[p * f->stride + q] = (float)(covariance[f->order[p] * n + f->order[q]] / f->unit);
    return make_feedback(f);
}

void psti_form_free(psti_form *f) {
    psti_arena_free(&f->arena);
    *f = (psti_form){0};
}
