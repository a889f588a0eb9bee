/* The refit of W_hh: D = E C_xh (C_hh + ridge)^-1, E what W_ih has lost, from the moments of pairs x(t), h(t-1). All
 * sums are in float64 and their order is fixed, so that the bits depend on no machine. */
#include "compile/refit.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/cloned.h"
#include "base/number.h"

#define STRIP 32         /* columns that are worked on at a time, and what rows are padded to */
#define BATCH 64         /* vectors that are added to a moment at a time */
#define SKETCH 2         /* strips of signed sums of rows by which ridges are judged */
#define LEAST_PIVOT 1e-6 /* in mean variances; the least ridge is far above */
#define LEAST_PAIRS 2    /* of each half */
#define LARGEST_WEIGHT 0x1p40f

/* In mean variances of h, of a fit of half the pairs. */
static const double ridges[] = {4, 1, 0.25, 0.06, 0.015};
/* Where C_xh comes from: x(t) and h(t-1) themselves, or by way of x(t-1). */
enum { DIRECT, CHAINED, WAYS };
enum { RIDGES = sizeof ridges / sizeof *ridges, HALVES = 2 };

static size_t padded(uint32_t n) {
    return ((size_t)n + STRIP - 1) / STRIP * STRIP;
}

/* y[i][.] += sign sum over t of a(i, t) x[t][.], i below rows, t below count, a strip of columns; a(i, t) stands at
 * a[i along + t across]. */
PSTI_CLONED static void add_product(double *y, size_t y_stride, double sign, const double *a, size_t along,
                                    size_t across, const double *x, size_t x_stride, size_t rows, size_t count) {
    for (size_t first = 0; first < count; first += BATCH) {
        size_t end = first + BATCH < count ? first + BATCH : count;
        for (size_t i = 0; i < rows; i++) {
            double sum[STRIP];
            for (size_t j = 0; j < STRIP; j++)
                sum[j] = y[i * y_stride + j];
            for (size_t t = first; t < end; t++) {
                double factor = sign * a[i * along + t * across];
                for (size_t j = 0; j < STRIP; j++)
                    sum[j] += factor * x[t * x_stride + j];
            }
            for (size_t j = 0; j < STRIP; j++)
                y[i * y_stride + j] = sum[j];
        }
    }
}

/* row[c] = row[c] - factor other[c] */
PSTI_CLONED static void subtract_row(double *row, double factor, const double *other, size_t n) {
    for (size_t c = 0; c < n; c++)
        row[c] -= factor * other[c];
}

/* ---- sums ---------------------------------------------------------------------------------------------------------
 */

/* Sums over pairs, of both less the very first ones, so that a large mean costs no digits. */
typedef struct {
    uint64_t pairs;
    double *x, *h;   /* [padded] */
    double *xh, *hh; /* [padded inputs][padded units], [padded units][padded units] */
    /* Of the pairs with an x(t-1): how many; their x(t-1), their h; x(t-1) with h, as xh. */
    uint64_t chains;
    double *earlier, *chained_h, *chained;
} half;

struct psti_pair_sums {
    psti_arena arena;
    uint64_t pairs, border;                    /* added so far; where the second half begins */
    float *pivot_x, *pivot_h;                  /* [inputs], [units] */
    double *batch_x, *batch_earlier, *batch_h; /* [BATCH][padded], not yet in moments */
    uint32_t held;
    half halves[HALVES];
};

static int take_half(psti_arena *arena, size_t inputs, size_t units, half *out) {
    out->x = psti_arena_take(arena, inputs, sizeof(double));
    out->h = psti_arena_take(arena, units, sizeof(double));
    out->xh = psti_arena_take(arena, inputs * units, sizeof(double));
    out->hh = psti_arena_take(arena, units * units, sizeof(double));
    out->earlier = psti_arena_take(arena, inputs, sizeof(double));
    out->chained_h = psti_arena_take(arena, units, sizeof(double));
    out->chained = psti_arena_take(arena, inputs * units, sizeof(double));
    return out->x && out->h && out->xh && out->hh && out->earlier && out->chained_h && out->chained;
}

pst_status psti_pairs_open(uint32_t inputs, uint32_t units, uint64_t expected, psti_pairs *out) {
    *out = (psti_pairs){.inputs = inputs, .units = units};
    if (inputs > PSTI_MOST_REFIT || units > PSTI_MOST_REFIT)
        return PST_OK;
    struct psti_pair_sums *s = out->sums = psti_allocate(1, sizeof *s);
    if (!s)
        return PST_E_MEMORY;
    s->border = expected / 2;
    s->pivot_x = psti_arena_take(&s->arena, inputs, sizeof *s->pivot_x);
    s->pivot_h = psti_arena_take(&s->arena, units, sizeof *s->pivot_h);
    s->batch_x = psti_arena_take(&s->arena, BATCH * padded(inputs), sizeof *s->batch_x);
    s->batch_earlier = psti_arena_take(&s->arena, BATCH * padded(inputs), sizeof *s->batch_earlier);
    s->batch_h = psti_arena_take(&s->arena, BATCH * padded(units), sizeof *s->batch_h);
    int taken = s->pivot_x && s->pivot_h && s->batch_x && s->batch_earlier && s->batch_h;
    for (int k = 0; k < HALVES; k++)
        taken = taken && take_half(&s->arena, padded(inputs), padded(units), &s->halves[k]);
    return taken ? PST_OK : PST_E_MEMORY;
}

/* Columns of hh left of a strip's rows are not kept. */
static void flush(psti_pairs *p, half *to) {
    struct psti_pair_sums *s = p->sums;
    size_t inputs = padded(p->inputs), units = padded(p->units);
    for (size_t c = 0; c < units; c += STRIP) {
        add_product(to->xh + c, units, 1, s->batch_x, 1, inputs, s->batch_h + c, units, p->inputs, s->held);
        add_product(to->chained + c, units, 1, s->batch_earlier, 1, inputs, s->batch_h + c, units, p->inputs, s->held);
        add_product(to->hh + c, units, 1, s->batch_h, 1, units, s->batch_h + c, units, c + STRIP, s->held);
    }
    s->held = 0;
}

void psti_pairs_add(psti_pairs *p, const float *x, const float *h, const float *earlier) {
    struct psti_pair_sums *s = p->sums;
    if (!s)
        return;
    if (!s->pairs) {
        memcpy(s->pivot_x, x, p->inputs * sizeof *x);
        memcpy(s->pivot_h, h, p->units * sizeof *h);
    }
    if (s->held == BATCH || s->pairs == s->border)
        flush(p, &s->halves[s->pairs > s->border]);
    half *to = &s->halves[s->pairs >= s->border];
    double *of_x = s->batch_x + s->held * padded(p->inputs), *of_h = s->batch_h + s->held * padded(p->units);
    double *of_earlier = s->batch_earlier + s->held * padded(p->inputs);
    for (uint32_t i = 0; i < p->inputs; i++)
        to->x[i] += of_x[i] = (double)x[i] - (double)s->pivot_x[i];
    for (uint32_t i = 0; i < p->units; i++)
        to->h[i] += of_h[i] = (double)h[i] - (double)s->pivot_h[i];
    for (uint32_t i = 0; i < p->inputs; i++)
        to->earlier[i] += of_earlier[i] = earlier ? (double)earlier[i] - (double)s->pivot_x[i] : 0;
    for (uint32_t i = 0; i < p->units && earlier; i++)
        to->chained_h[i] += of_h[i];
    to->chains += earlier != NULL;
    s->held++;
    s->pairs++;
    to->pairs++;
}

void psti_pairs_finish(psti_pairs *p) {
    if (!p->sums)
        return;
    flush(p, &p->sums->halves[p->sums->pairs > p->sums->border]);
    size_t units = padded(p->units);
    for (int k = 0; k < HALVES; k++)
        for (size_t i = 0; i < units; i++)
            for (size_t j = 0; j < i; j++)
                p->sums->halves[k].hh[i * units + j] = p->sums->halves[k].hh[j * units + i];
}

void psti_pairs_free(psti_pairs *p) {
    if (p->sums)
        psti_arena_free(&p->sums->arena);
    free(p->sums);
    *p = (psti_pairs){0};
}

/* ---- moments ------------------------------------------------------------------------------------------------------
 */

/* Means, and moments about them or about those of other pairs. */
typedef struct {
    size_t inputs, units;    /* padded */
    double *mean_x, *mean_h; /* less the pivots */
    double *xh, *hh;
    double *mean_earlier, *mean_chained_h, *chained; /* chained: about its own means, times rho */
    double variance;                                 /* of h, the mean of its units' */
} moments;

static int take_moments(psti_arena *arena, const psti_pairs *p, moments *out) {
    half h;
    *out = (moments){.inputs = padded(p->inputs), .units = padded(p->units)};
    int taken = take_half(arena, out->inputs, out->units, &h);
    out->mean_x = h.x;
    out->mean_h = h.h;
    out->xh = h.xh;
    out->hh = h.hh;
    out->mean_earlier = h.earlier;
    out->mean_chained_h = h.chained_h;
    out->chained = h.chained;
    return taken;
}

/* E (a - mean_a) (b - mean_b) of all a, from sums about 0. */
static void centre(double *out, const double *sum, size_t rows, size_t columns, double pairs, const double *sum_a,
                   const double *mean_a, const double *sum_b, const double *mean_b) {
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < columns; j++)
            out[i * columns + j] =
                (sum[i * columns + j] - mean_a[i] * sum_b[j] - sum_a[i] * mean_b[j]) / pairs + mean_a[i] * mean_b[j];
}

static void centre_half(const half *of, moments *out) {
    double pairs = (double)of->pairs;
    centre(out->xh, of->xh, out->inputs, out->units, pairs, of->x, out->mean_x, of->h, out->mean_h);
    centre(out->hh, of->hh, out->units, out->units, pairs, of->h, out->mean_h, of->h, out->mean_h);
}

static void mean_of(const half *of, moments *out) {
    for (size_t i = 0; i < out->inputs; i++)
        out->mean_x[i] = of->x[i] / (double)of->pairs;
    for (size_t i = 0; i < out->units; i++)
        out->mean_h[i] = of->h[i] / (double)of->pairs;
}

/* If x(t) is rho x(t-1) and something new, C_xh is rho times the moment of x(t-1) and h(t-1), where what is new in x(t)
 * makes no noise. */
static void chain(const half *of, const double *rho, uint32_t inputs, moments *out) {
    double chains = fmax((double)of->chains, 1);
    for (size_t i = 0; i < out->inputs; i++)
        out->mean_earlier[i] = of->earlier[i] / chains;
    for (size_t i = 0; i < out->units; i++)
        out->mean_chained_h[i] = of->chained_h[i] / chains;
    centre(out->chained, of->chained, out->inputs, out->units, chains, of->earlier, out->mean_earlier, of->chained_h,
           out->mean_chained_h);
    for (size_t i = 0; i < inputs; i++)
        for (size_t j = 0; j < out->units; j++)
            out->chained[i * out->units + j] *= rho[i];
}

/* Of one half about its own means. */
static void moments_of(const half *of, const double *rho, uint32_t inputs, uint32_t units, moments *out) {
    mean_of(of, out);
    centre_half(of, out);
    chain(of, rho, inputs, out);
    out->variance = 0;
    for (uint32_t i = 0; i < units; i++)
        out->variance += fmax(out->hh[i * out->units + i], 0) / units;
}

/* Of both halves, from a sum that takes their place. */
static void moments_of_all(const half *halves, const double *rho, uint32_t inputs, uint32_t units, half *sum,
                           moments *out) {
    sum->pairs = halves[0].pairs + halves[1].pairs;
    sum->chains = halves[0].chains + halves[1].chains;
    for (size_t i = 0; i < out->inputs; i++)
        sum->earlier[i] = halves[0].earlier[i] + halves[1].earlier[i];
    for (size_t i = 0; i < out->units; i++)
        sum->chained_h[i] = halves[0].chained_h[i] + halves[1].chained_h[i];
    for (size_t i = 0; i < out->inputs * out->units; i++)
        sum->chained[i] = halves[0].chained[i] + halves[1].chained[i];
    for (size_t i = 0; i < out->inputs; i++)
        sum->x[i] = halves[0].x[i] + halves[1].x[i];
    for (size_t i = 0; i < out->units; i++)
        sum->h[i] = halves[0].h[i] + halves[1].h[i];
    for (size_t i = 0; i < out->inputs * out->units; i++)
        sum->xh[i] = halves[0].xh[i] + halves[1].xh[i];
    for (size_t i = 0; i < out->units * out->units; i++)
        sum->hh[i] = halves[0].hh[i] + halves[1].hh[i];
    moments_of(sum, rho, inputs, units, out);
}

/* ---- regression ---------------------------------------------------------------------------------------------------
 */

/* The upper Cholesky factor U, U^T U = C_hh + ridge, of which only what is not left of the diagonal counts. */
static void factor(const moments *m, uint32_t units, double ridge, double *u) {
    size_t n = m->units;
    memcpy(u, m->hh, n * n * sizeof *u);
    for (size_t i = 0; i < n; i++)
        u[i * n + i] += i < units ? ridge * m->variance : m->variance;
    for (size_t first = 0; first < n; first += STRIP) {
        for (size_t c = first; c < n; c += STRIP)
            add_product(u + first * n + c, n, -1, u + first, 1, n, u + c, n, STRIP, first);
        for (size_t k = first; k < first + STRIP; k++) {
            double pivot = sqrt(fmax(u[k * n + k], LEAST_PIVOT * m->variance));
            for (size_t c = k; c < n; c++)
                u[k * n + c] = c == k ? pivot : u[k * n + c] / pivot;
            for (size_t i = k + 1; i < first + STRIP; i++)
                subtract_row(u + i * n + i, u[k * n + i], u + k * n + i, n - i);
        }
    }
}

/* y = U^-1 U^-T y; y [n][STRIP]. */
static void solve(const double *u, size_t n, double *y) {
    for (size_t first = 0; first < n; first += STRIP) {
        add_product(y + first * STRIP, STRIP, -1, u + first, 1, n, y, STRIP, STRIP, first);
        for (size_t i = first; i < first + STRIP; i++) {
            for (size_t k = first; k < i; k++)
                subtract_row(y + i * STRIP, u[k * n + i], y + k * STRIP, STRIP);
            for (size_t c = 0; c < STRIP; c++)
                y[i * STRIP + c] /= u[i * n + i];
        }
    }
    for (size_t end = n; end; end -= STRIP) {
        size_t first = end - STRIP;
        add_product(y + first * STRIP, STRIP, -1, u + first * n + end, n, 1, y + end * STRIP, STRIP, STRIP, n - end);
        for (size_t i = end; i-- > first;) {
            for (size_t k = i + 1; k < end; k++)
                subtract_row(y + i * STRIP, u[i * n + k], y + k * STRIP, STRIP);
            for (size_t c = 0; c < STRIP; c++)
                y[i * STRIP + c] /= u[i * n + i];
        }
    }
}

/* C_hx e, e [inputs][STRIP]: rows of E as columns. */
static void cross(const moments *m, const double *xh, const double *e, double *out) {
    memset(out, 0, m->units * STRIP * sizeof *out);
    add_product(out, STRIP, 1, xh, 1, m->units, e, STRIP, m->units, m->inputs);
}

/* ---- the ridge ----------------------------------------------------------------------------------------------------
 */

/* What a fit works in. */
typedef struct {
    const psti_pairs *p;
    const double *rho;
    moments fit, judge;
    half sum;
    double *u;                                     /* [units][units] */
    double *sketch[SKETCH];                        /* [inputs][STRIP] */
    double *fitted[WAYS][SKETCH], *judged[SKETCH]; /* [units][STRIP] C_hx times the sketch */
    double *y, *v;                                 /* [units][STRIP] */
    psti_arena arena;
} refit;

/* Signed sums of rows in place of all: over random signs the mean of their squares is the sum over all rows. With few
 * rows these are the rows themselves. */
static void make_sketch(const refit *r, const float *left, uint32_t rows) {
    uint32_t n = r->p->inputs;
    psti_random random;
    psti_random_seed(&random, 1);
    for (uint32_t row = 0; row < rows; row++) {
        double sign = rows > SKETCH * STRIP && psti_random_next(&random) >> 63 ? -1 : 1;
        uint32_t column = row % (SKETCH * STRIP);
        double *to = r->sketch[column / STRIP] + column % STRIP;
        for (uint32_t i = 0; i < n; i++)
            to[(size_t)i * STRIP] += sign * (double)left[(size_t)row * n + i];
    }
}

/* How much the square of E x - D h changes with D, over the pairs that judge: less than 0 where D helps. */
static double judge(const refit *r, const double *judged) {
    size_t n = r->fit.units;
    double score = 0;
    memset(r->v, 0, n * STRIP * sizeof *r->v);
    add_product(r->v, STRIP, 1, r->judge.hh, 1, n, r->y, STRIP, n, n);
    for (size_t i = 0; i < n * STRIP; i++)
        score += r->y[i] * (r->v[i] - 2 * judged[i]);
    return score;
}

/* Moments of a half and, about its means, of the other, and what they make of the sketch. */
static void prepare(refit *r, const half *fit, const half *other) {
    moments_of(fit, r->rho, r->p->inputs, r->p->units, &r->fit);
    memcpy(r->judge.mean_x, r->fit.mean_x, r->fit.inputs * sizeof(double));
    memcpy(r->judge.mean_h, r->fit.mean_h, r->fit.units * sizeof(double));
    centre_half(other, &r->judge);
    for (int s = 0; s < SKETCH; s++) {
        cross(&r->fit, r->fit.xh, r->sketch[s], r->fitted[DIRECT][s]);
        cross(&r->fit, r->fit.chained, r->sketch[s], r->fitted[CHAINED][s]);
        cross(&r->judge, r->judge.xh, r->sketch[s], r->judged[s]);
    }
}

static double score_of(const refit *r, int way) {
    double score = 0;
    for (int s = 0; s < SKETCH; s++) {
        memcpy(r->y, r->fitted[way][s], r->fit.units * STRIP * sizeof(double));
        solve(r->u, r->fit.units, r->y);
        score += judge(r, r->judged[s]);
    }
    return score;
}

/* The ridge and the way that do best, with fits of each half judged by the other. */
static double find_ridge(refit *r, int *way) {
    const half *halves = r->p->sums->halves;
    double score[RIDGES][WAYS] = {{0}}, best = INFINITY, least = 0;
    for (int k = 0; k < HALVES; k++) {
        prepare(r, &halves[k], &halves[1 - k]);
        if (!(r->fit.variance > 0))
            return INFINITY;
        for (int i = 0; i < RIDGES; i++) {
            factor(&r->fit, r->p->units, ridges[i], r->u);
            for (int j = 0; j < WAYS; j++)
                score[i][j] += score_of(r, j);
        }
    }
    for (int i = 0; i < RIDGES; i++)
        for (int j = 0; j < WAYS; j++)
            if (score[i][j] < least) {
                least = score[i][j];
                best = ridges[i];
                *way = j;
            }
    return best;
}

/* ---- the whole ----------------------------------------------------------------------------------------------------
 */

static int take(refit *r) {
    size_t inputs = padded(r->p->inputs), units = padded(r->p->units);
    int taken = take_moments(&r->arena, r->p, &r->fit) && take_moments(&r->arena, r->p, &r->judge);
    r->sum = (half){.x = r->judge.mean_x,
                    .h = r->judge.mean_h,
                    .xh = r->judge.xh,
                    .hh = r->judge.hh,
                    .earlier = r->judge.mean_earlier,
                    .chained_h = r->judge.mean_chained_h,
                    .chained = r->judge.chained};
    r->u = psti_arena_take(&r->arena, units * units, sizeof *r->u);
    for (int s = 0; s < SKETCH; s++)
        taken = taken && (r->sketch[s] = psti_arena_take(&r->arena, inputs, STRIP * sizeof(double)));
    for (int s = 0; s < SKETCH; s++) {
        r->judged[s] = psti_arena_take(&r->arena, units, STRIP * sizeof(double));
        taken = taken && r->judged[s];
        for (int way = 0; way < WAYS; way++)
            taken = taken && (r->fitted[way][s] = psti_arena_take(&r->arena, units, STRIP * sizeof(double)));
    }
    double **strips[] = {&r->y, &r->v};
    for (size_t k = 0; k < sizeof strips / sizeof *strips; k++)
        taken = taken && (*strips[k] = psti_arena_take(&r->arena, units, STRIP * sizeof(double)));
    return taken && r->u;
}

/* One row of D, from column `c` of y: all of it or, where a weight would be too large, nothing. */
static void add_row(const refit *r, size_t c, float *w, double *correction) {
    uint32_t units = r->p->units;
    double shift = 0;
    for (uint32_t i = 0; i < units; i++)
        if (!(fabs((double)w[i] + r->y[i * STRIP + c]) < (double)LARGEST_WEIGHT))
            return;
    for (uint32_t i = 0; i < units; i++) {
        double d = r->y[i * STRIP + c];
        w[i] = (float)((double)w[i] + d);
        shift += d * (r->fit.mean_h[i] + (double)r->p->sums->pivot_h[i]);
    }
    *correction -= shift;
}

static void add_rows(const refit *r, const float *left, uint32_t rows, float *w_hh, double *correction) {
    uint32_t inputs = r->p->inputs;
    double *e = r->sketch[0];
    for (uint32_t first = 0; first < rows; first += STRIP) {
        uint32_t count = rows - first < STRIP ? rows - first : STRIP;
        for (uint32_t i = 0; i < inputs; i++)
            for (uint32_t c = 0; c < STRIP; c++)
                e[i * STRIP + c] = c < count ? (double)left[(size_t)(first + c) * inputs + i] : 0;
        cross(&r->fit, r->fit.xh, e, r->y);
        solve(r->u, r->fit.units, r->y);
        for (uint32_t c = 0; c < count; c++)
            add_row(r, c, w_hh + (size_t)(first + c) * r->p->units, &correction[first + c]);
    }
}

/* The fit of all pairs, which are twice as many as those that the ridge was found by. */
static void fit_all(refit *r, double ridge, int way) {
    moments_of_all(r->p->sums->halves, r->rho, r->p->inputs, r->p->units, &r->sum, &r->fit);
    if (way == CHAINED)
        memcpy(r->fit.xh, r->fit.chained, r->fit.inputs * r->fit.units * sizeof(double));
    factor(&r->fit, r->p->units, ridge / 2, r->u);
}

pst_status psti_refit(const psti_pairs *p, const double *rho, const float *left, uint32_t rows, float *w_hh,
                      double *correction, double *ridge) {
    double chosen = INFINITY;
    int way = DIRECT;
    refit r = {.p = p, .rho = rho};
    pst_status status = PST_OK;
    const half *halves = p->sums ? p->sums->halves : NULL;
    if (halves && halves[0].pairs >= LEAST_PAIRS && halves[1].pairs >= LEAST_PAIRS) {
        status = take(&r) ? PST_OK : PST_E_MEMORY;
        if (!status) {
            make_sketch(&r, left, rows);
            chosen = find_ridge(&r, &way);
        }
    }
    if (!status && chosen < INFINITY) {
        fit_all(&r, chosen, way);
        add_rows(&r, left, rows, w_hh, correction);
    }
    if (ridge)
        *ridge = chosen;
    psti_arena_free(&r.arena);
    return status;
}
