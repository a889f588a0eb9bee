/* Statistics of a vector over a calibration, from sums that a single pass keeps. All sums are in float64, of the
 * vector less its very first value: what never moves then has a variance of exactly 0, and a large mean costs no
 * digits. Their order is fixed, so the bits depend on no machine. */
#include "compile/statistics.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/cloned.h"

#define TILE 32  /* rows and columns of a piece of a symmetric matrix: 8 KiB, so that it stays in the first cache */
#define BATCH 64 /* vectors that are added to it at a time */

/* Sum of v v^T over some vectors: the lower triangle in tiles, row by row of tiles. */
typedef struct {
    double *tiles; /* NULL: not kept */
    double *batch; /* [BATCH][padded] not yet in tiles */
    uint32_t held;
} moment;

/* Of which vectors moments are kept. The innovation's needs those of all steps but each sequence's first, and of all
 * but its last; from differences it comes without cancellation where rho is near 1. */
enum { ALL, FIRST, LAST, CHANGE, MOMENTS };
/* Sums over three steps in a row, of one input: of v(t), v(t-1), v(t-2) and of their products. */
enum { T0, T1, T2, T01, T02, T12, T11, T22, TRIPLES };

struct psti_sums {
    psti_arena arena;
    uint32_t inputs, padded;
    uint64_t steps, pairs, triples, position; /* position: of the next step in its sequence */
    float *pivot;                             /* [inputs] the first vector of all */
    double *now, *before, *earlier;           /* [padded] v(t), v(t-1), v(t-2), less the pivot */
    double *difference;                       /* [padded] */
    double *sum[MOMENTS], *square[MOMENTS];   /* [padded] */
    double *triple[TRIPLES];                  /* [padded] */
    moment moments[MOMENTS];
};

static double clamp(double v, double least, double most) {
    return v < least ? least : v > most ? most : v;
}

static size_t tile_at(uint32_t row, uint32_t column) {
    return ((size_t)row * (row + 1) / 2 + column) * TILE * TILE;
}

static double in_tiles(const moment *m, uint32_t i, uint32_t j) { /* j <= i */
    return m->tiles[tile_at(i / TILE, j / TILE) + (size_t)(i % TILE) * TILE + j % TILE];
}

PSTI_CLONED static void add_batch(double *tile, const double *a, const double *b, uint32_t vectors, size_t padded) {
    for (uint32_t i = 0; i < TILE; i++, tile += TILE) {
        double sum[TILE];
        for (uint32_t j = 0; j < TILE; j++)
            sum[j] = tile[j];
        for (uint32_t t = 0; t < vectors; t++) {
            double factor = a[t * padded + i];
            for (uint32_t j = 0; j < TILE; j++)
                sum[j] += factor * b[t * padded + j];
        }
        for (uint32_t j = 0; j < TILE; j++)
            tile[j] = sum[j];
    }
}

static void flush(moment *m, uint32_t padded) {
    for (uint32_t row = 0; row < padded / TILE; row++)
        for (uint32_t column = 0; column <= row; column++)
            add_batch(m->tiles + tile_at(row, column), m->batch + (size_t)row * TILE, m->batch + (size_t)column * TILE,
                      m->held, padded);
    m->held = 0;
}

PSTI_CLONED static void add_squares(double *sum, double *square, const double *v, uint32_t n) {
    for (uint32_t i = 0; i < n; i++) {
        sum[i] += v[i];
        square[i] += v[i] * v[i];
    }
}

static void add_vector(struct psti_sums *s, int which, const double *v) {
    add_squares(s->sum[which], s->square[which], v, s->inputs);
    moment *m = &s->moments[which];
    if (!m->tiles)
        return;
    memcpy(m->batch + (size_t)m->held * s->padded, v, s->padded * sizeof *v);
    if (++m->held == BATCH)
        flush(m, s->padded);
}

PSTI_CLONED static void add_triple(double *const *sum, const double *v0, const double *v1, const double *v2,
                                   uint32_t n) {
    for (uint32_t i = 0; i < n; i++) {
        sum[T0][i] += v0[i];
        sum[T1][i] += v1[i];
        sum[T2][i] += v2[i];
        sum[T01][i] += v0[i] * v1[i];
        sum[T02][i] += v0[i] * v2[i];
        sum[T12][i] += v1[i] * v2[i];
        sum[T11][i] += v1[i] * v1[i];
        sum[T22][i] += v2[i] * v2[i];
    }
}

static int take_moments(struct psti_sums *s) {
    uint32_t side = s->padded / TILE;
    int taken = 1;
    for (int k = 0; k < MOMENTS; k++) {
        moment *m = &s->moments[k];
        m->tiles = psti_arena_take(&s->arena, tile_at(side, 0), sizeof *m->tiles);
        m->batch = psti_arena_take(&s->arena, (size_t)BATCH * s->padded, sizeof *m->batch);
        taken = taken && m->tiles && m->batch;
    }
    return taken;
}

static int take_vectors(struct psti_sums *s) {
    double **vectors[] = {&s->now, &s->before, &s->earlier, &s->difference};
    int taken = 1;
    for (size_t k = 0; k < sizeof vectors / sizeof *vectors; k++)
        taken = taken && (*vectors[k] = psti_arena_take(&s->arena, s->padded, sizeof(double)));
    for (int k = 0; k < MOMENTS; k++) {
        taken = taken && (s->sum[k] = psti_arena_take(&s->arena, s->padded, sizeof(double)));
        taken = taken && (s->square[k] = psti_arena_take(&s->arena, s->padded, sizeof(double)));
    }
    for (int k = 0; k < TRIPLES; k++)
        taken = taken && (s->triple[k] = psti_arena_take(&s->arena, s->padded, sizeof(double)));
    return taken && (s->pivot = psti_arena_take(&s->arena, s->inputs, sizeof(float)));
}

pst_status psti_statistics_open(uint32_t inputs, psti_statistics *out) {
    *out = (psti_statistics){.inputs = inputs};
    struct psti_sums *s = out->sums = psti_allocate(1, sizeof *s);
    if (!s)
        return PST_E_MEMORY;
    s->inputs = inputs;
    s->padded = (inputs + TILE - 1) / TILE * TILE;
    if (!take_vectors(s) || (inputs <= PSTI_MOST_COVARIANCE && !take_moments(s)))
        return PST_E_MEMORY;
    return PST_OK;
}

void psti_statistics_start(psti_statistics *statistics) {
    struct psti_sums *s = statistics->sums;
    if (s->position)
        add_vector(s, LAST, s->before);
    s->position = 0;
}

/* Only where `before` is of the same sequence. */
static void add_lags(struct psti_sums *s) {
    for (uint32_t i = 0; i < s->inputs; i++)
        s->difference[i] = s->now[i] - s->before[i];
    add_vector(s, CHANGE, s->difference);
    s->pairs++;
    if (s->position > 1) {
        add_triple(s->triple, s->now, s->before, s->earlier, s->inputs);
        s->triples++;
    }
}

void psti_statistics_add(psti_statistics *statistics, const float *v) {
    struct psti_sums *s = statistics->sums;
    if (!s->steps)
        memcpy(s->pivot, v, s->inputs * sizeof *v);
    for (uint32_t i = 0; i < s->inputs; i++) {
        s->now[i] = (double)v[i] - (double)s->pivot[i];
        statistics->largest = fmaxf(statistics->largest, fabsf(v[i]));
    }
    add_vector(s, ALL, s->now);
    if (s->position)
        add_lags(s);
    else
        add_vector(s, FIRST, s->now);
    s->steps++;
    s->position++;
    double *oldest = s->earlier;
    s->earlier = s->before;
    s->before = s->now;
    s->now = oldest;
}

/* ---- results ---------------------------------------------------------------------------------------------------- */

/* The sum of a product of two series about given means, from the sum about 0. */
static double centred(double product, double sum_a, double sum_b, double mean_a, double mean_b, double count) {
    return product - mean_a * sum_b - mean_b * sum_a + count * mean_a * mean_b;
}

/* Mean and variance of every input; then rho, each of its own and of the whole vector. */
static void finish_inputs(psti_statistics *out, const struct psti_sums *s) {
    double steps = (double)s->steps, pairs = (double)s->pairs, products = 0, squares = 0;
    for (uint32_t i = 0; i < s->inputs; i++) {
        double mean = s->sum[ALL][i] / steps, all = s->square[ALL][i];
        double later = s->sum[ALL][i] - s->sum[FIRST][i], sooner = s->sum[ALL][i] - s->sum[LAST][i];
        double later_square = all - s->square[FIRST][i], sooner_square = all - s->square[LAST][i];
        double product = 0.5 * (later_square + sooner_square - s->square[CHANGE][i]);
        product = centred(product, later, sooner, mean, mean, pairs);
        double square = centred(sooner_square, sooner, sooner, mean, mean, pairs);
        out->mean[i] = mean + (double)s->pivot[i];
        out->variance[i] = fmax(all / steps - mean * mean, 0);
        out->rho[i] = square > 0 ? clamp(product / square, -1, 1) : 0;
        products += square > 0 ? product : 0;
        squares += square > 0 ? square : 0;
    }
    out->pooled_rho = squares > 0 ? clamp(products / squares, -1, 1) : 0;
}

static double innovation_mean(const struct psti_sums *s, double rho, uint32_t i) {
    return ((s->sum[ALL][i] - s->sum[FIRST][i]) - rho * (s->sum[ALL][i] - s->sum[LAST][i])) / (double)s->pairs;
}

/* The sum of (v(t) - rho v(t-1)) (v(t) - rho v(t-1))^T over all pairs, from that of the later v v^T, the sooner and the
 * differences: the lagged product is half of later + sooner - change. */
static double innovation_moment(double all, double first, double last, double change, double rho) {
    return (1 - rho) * (all - first) - rho * (1 - rho) * (all - last) + rho * change;
}

/* Without a pair of steps there is no innovation but the vector itself. */
static void finish_innovation(psti_statistics *out, const struct psti_sums *s) {
    for (uint32_t i = 0; i < s->inputs; i++) {
        double mean = s->pairs ? innovation_mean(s, out->pooled_rho, i) : 0;
        double moment_of = innovation_moment(s->square[ALL][i], s->square[FIRST][i], s->square[LAST][i],
                                             s->square[CHANGE][i], out->pooled_rho);
        out->innovation_variance[i] = s->pairs ? fmax(moment_of / (double)s->pairs - mean * mean, 0) : out->variance[i];
    }
}

/* The innovation's own lag-1 coefficient about its mean. */
static double innovation_rho(const struct psti_sums *s, double rho, uint32_t i) {
    double *const *t = s->triple;
    double n = (double)s->triples, mean = innovation_mean(s, rho, i);
    double sum = t[T0][i] - rho * t[T1][i], sum_before = t[T1][i] - rho * t[T2][i];
    double product = t[T01][i] - rho * t[T11][i] - rho * t[T02][i] + rho * rho * t[T12][i];
    double square = t[T11][i] - 2 * rho * t[T12][i] + rho * rho * t[T22][i];
    square = centred(square, sum_before, sum_before, mean, mean, n);
    return square > 0 ? centred(product, sum, sum_before, mean, mean, n) / square : 0;
}

/* How many independent samples say as much about a covariance as these correlated ones, over the inputs that move. */
static double independent_samples(const psti_statistics *out, const struct psti_sums *s, int innovation) {
    double fraction = 0, moving = 0;
    for (uint32_t i = 0; i < s->inputs; i++) {
        double rho = !innovation ? out->rho[i] : s->triples ? innovation_rho(s, out->pooled_rho, i) : 0;
        rho = clamp(rho, 0, 0.999);
        int moves = (innovation ? out->innovation_variance : out->variance)[i] > 0;
        fraction += moves ? (1 - rho * rho) / (1 + rho * rho) : 0;
        moving += moves;
    }
    double samples = (double)(innovation && s->pairs ? s->pairs : s->steps);
    return moving > 0 ? samples * fraction / moving : samples;
}

/* What the innovation's covariance, of the variances of the vector, would make of an element off the diagonal; 0 where
 * there is none. Values of a slow vector tell little of its covariance, but its innovations are many. */
static double target_of(const double *innovation, const double *covariance, uint32_t n, uint32_t i, uint32_t j) {
    if (!innovation)
        return 0;
    double own = innovation[(size_t)i * n + i] * innovation[(size_t)j * n + j];
    double of_vector = covariance[(size_t)i * n + i] * covariance[(size_t)j * n + j];
    return own > 0 ? innovation[(size_t)i * n + j] * sqrt(of_vector / own) : 0;
}

/* Ledoit and Wolf 2004: the variance of the elements beside the diagonal, as if the inputs were independent, over their
 * squared distances from the target. */
static double shrink(double *covariance, const double *innovation, uint32_t n, double samples) {
    double noise = 0, signal = 0, sum = 0;
    for (uint32_t i = 0; i < n; i++) {
        noise += 2 * sum * covariance[(size_t)i * n + i];
        sum += covariance[(size_t)i * n + i];
        for (uint32_t j = 0; j < i; j++) {
            double apart = covariance[(size_t)i * n + j] - target_of(innovation, covariance, n, i, j);
            signal += 2 * apart * apart;
        }
    }
    double shrinkage = noise < signal * samples ? noise / samples / signal : 1;
    for (uint32_t i = 0; i < n; i++)
        for (uint32_t j = 0; j < n; j++)
            if (i != j)
                covariance[(size_t)i * n + j] = (1 - shrinkage) * covariance[(size_t)i * n + j] +
                                                shrinkage * target_of(innovation, covariance, n, i, j);
    return shrinkage;
}

static void finish_covariance(psti_statistics *out, const struct psti_sums *s) {
    const moment *m = s->moments;
    size_t n = s->inputs;
    for (uint32_t i = 0; i < n; i++) {
        double mean = s->sum[ALL][i] / (double)s->steps;
        for (uint32_t j = 0; j < i; j++) {
            double v = in_tiles(&m[ALL], i, j) / (double)s->steps - mean * (s->sum[ALL][j] / (double)s->steps);
            out->covariance[i * n + j] = out->covariance[j * n + i] = v;
        }
        out->covariance[i * n + i] = out->variance[i];
    }
}

static void finish_innovation_covariance(psti_statistics *out, const struct psti_sums *s) {
    const moment *m = s->moments;
    size_t n = s->inputs;
    double rho = out->pooled_rho;
    for (uint32_t i = 0; i < n; i++) {
        double mean = innovation_mean(s, rho, i);
        for (uint32_t j = 0; j < i; j++) {
            double v = innovation_moment(in_tiles(&m[ALL], i, j), in_tiles(&m[FIRST], i, j), in_tiles(&m[LAST], i, j),
                                         in_tiles(&m[CHANGE], i, j), rho);
            v = v / (double)s->pairs - mean * innovation_mean(s, rho, j);
            out->innovation[i * n + j] = out->innovation[j * n + i] = v;
        }
        out->innovation[i * n + i] = out->innovation_variance[i];
    }
}

static int take_results(psti_statistics *out) {
    size_t n = out->inputs;
    double **vectors[] = {&out->mean, &out->rho, &out->variance, &out->innovation_variance};
    int taken = 1;
    for (size_t k = 0; k < sizeof vectors / sizeof *vectors; k++)
        taken = taken && (*vectors[k] = psti_arena_take(&out->arena, n, sizeof(double)));
    if (n > PSTI_MOST_COVARIANCE)
        return taken;
    taken = taken && (out->covariance = psti_arena_take(&out->arena, n * n, sizeof(double)));
    return taken && (out->innovation = psti_arena_take(&out->arena, n * n, sizeof(double)));
}

static void free_sums(psti_statistics *s) {
    if (s->sums)
        psti_arena_free(&s->sums->arena);
    free(s->sums);
    s->sums = NULL;
}

pst_status psti_statistics_finish(psti_statistics *out) {
    struct psti_sums *s = out->sums;
    psti_statistics_start(out);
    if (!take_results(out))
        return PST_E_MEMORY;
    out->steps = s->steps;
    finish_inputs(out, s);
    finish_innovation(out, s);
    if (out->covariance) {
        for (int k = 0; k < MOMENTS; k++)
            flush(&s->moments[k], s->padded);
        finish_covariance(out, s);
        if (s->pairs)
            finish_innovation_covariance(out, s);
        else
            memcpy(out->innovation, out->covariance, (size_t)s->inputs * s->inputs * sizeof(double));
        out->innovation_shrinkage = shrink(out->innovation, NULL, s->inputs, independent_samples(out, s, 1));
        out->shrinkage =
            shrink(out->covariance, s->pairs ? out->innovation : NULL, s->inputs, independent_samples(out, s, 0));
    }
    free_sums(out);
    return PST_OK;
}

void psti_statistics_free(psti_statistics *s) {
    free_sums(s);
    psti_arena_free(&s->arena);
    *s = (psti_statistics){0};
}
