/* The refit of W_hh: what it gains where x follows from h, and that it does no harm where it does not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/number.h"
#include "compile/refit.h"
#include "support/expect.h"

/* Pairs of x = share A h + noise about means that are not 0, and rows that W_ih has lost. */
typedef struct {
    uint32_t inputs, units, rows, pairs;
    float *x, *h; /* [pairs][..] */
    float *left, *w;
    double *correction;
    double *rho;
    int chained; /* x(t-1) is told, too */
} example;

static float *normals(psti_random *random, size_t n, double scale) {
    float *v = malloc(n * sizeof *v);
    for (size_t i = 0; i < n; i++)
        v[i] = (float)(scale * psti_random_normal(random));
    return v;
}

static example make(uint32_t inputs, uint32_t units, uint32_t rows, uint32_t pairs, double share, uint64_t seed) {
    psti_random random;
    psti_random_seed(&random, seed);
    example e = {.inputs = inputs, .units = units, .rows = rows, .pairs = pairs};
    float *a = normals(&random, (size_t)inputs * units, share / sqrt(units));
    e.x = normals(&random, (size_t)pairs * inputs, sqrt(1 - share * share));
    e.h = normals(&random, (size_t)pairs * units, 1);
    e.left = normals(&random, (size_t)rows * inputs, 0.1);
    e.w = normals(&random, (size_t)rows * units, 1);
    e.correction = calloc(rows, sizeof *e.correction);
    e.rho = calloc(inputs, sizeof *e.rho);
    for (size_t t = 0; t < pairs; t++)
        for (uint32_t i = 0; i < inputs; i++) {
            double sum = (double)e.x[t * inputs + i] + 3;
            for (uint32_t j = 0; j < units; j++)
                sum += (double)a[(size_t)i * units + j] * (double)e.h[t * units + j];
            e.x[t * inputs + i] = (float)sum;
        }
    for (size_t i = 0; i < (size_t)pairs * units; i++)
        e.h[i] = 0.1f * e.h[i] + 0.5f;
    free(a);
    return e;
}

static void drop(example *e) {
    free(e->x);
    free(e->h);
    free(e->left);
    free(e->w);
    free(e->correction);
    free(e->rho);
}

/* Over the first `pairs`; w and correction become the refitted ones. */
static double run(const example *e, uint32_t pairs, float *w, double *correction) {
    psti_pairs p;
    double ridge = 0;
    OK(psti_pairs_open(e->inputs, e->units, pairs, &p));
    for (size_t t = 0; t < pairs; t++)
        psti_pairs_add(&p, e->x + t * e->inputs, e->h + t * e->units,
                       e->chained && t ? e->x + (t - 1) * e->inputs : NULL);
    psti_pairs_finish(&p);
    OK(psti_refit(&p, e->rho, e->left, e->rows, w, correction, &ridge));
    psti_pairs_free(&p);
    return ridge;
}

/* The mean square of E (x - mean x) - D h + D mean h over pairs that the fit has not seen, all rows together. The
 * correction has no E mean x in it, which is the rounding's. */
static double missing(const example *e, uint32_t seen, const float *w, const double *correction) {
    double all = 0;
    for (size_t t = seen; t < e->pairs; t++)
        for (uint32_t row = 0; row < e->rows; row++) {
            double sum = -correction[row];
            for (uint32_t i = 0; i < e->inputs; i++)
                sum += (double)e->left[(size_t)row * e->inputs + i] * ((double)e->x[t * e->inputs + i] - 3);
            for (uint32_t i = 0; i < e->units; i++) {
                size_t at = (size_t)row * e->units + i;
                sum -= ((double)w[at] - (double)e->w[at]) * (double)e->h[t * e->units + i];
            }
            all += sum * sum;
        }
    return all / (e->pairs - seen);
}

static float *copy(const example *e) {
    size_t bytes = (size_t)e->rows * e->units * sizeof(float);
    float *w = malloc(bytes);
    memcpy(w, e->w, bytes);
    return w;
}

/* What is missing after the fit, over what was before. */
static double gain(example *e, uint32_t seen, double *ridge) {
    float *w = copy(e);
    memset(e->correction, 0, e->rows * sizeof *e->correction);
    double before = missing(e, seen, w, e->correction);
    *ridge = run(e, seen, w, e->correction);
    double after = missing(e, seen, w, e->correction);
    free(w);
    return after / before;
}

static void test_follows(void **state) {
    (void)state;
    double ridge;
    example e = make(40, 50, 200, 3000, 0.95, 1);
    double found = gain(&e, 2000, &ridge);
    assert_true(ridge < 0.1);
    assert_true(found < 0.12); /* 1 - 0.95^2 is 0.0975 */
    drop(&e);
}

/* A part that follows, and hardly more pairs than units: the more of a fit, the worse; but some gains. */
static void test_few_pairs(void **state) {
    (void)state;
    double ridge;
    example e = make(60, 90, 130, 3000, 0.8, 2);
    double found = gain(&e, 160, &ridge);
    assert_true(ridge >= 0.25);
    assert_true(found < 0.9);
    drop(&e);
}

static void test_independent(void **state) {
    (void)state;
    double ridge;
    for (uint64_t seed = 0; seed < 5; seed++) {
        example e = make(33, 70, 90, 1200, 0, 10 + seed);
        double found = gain(&e, 200, &ridge);
        assert_true(ridge >= 4);
        assert_true(found < 1.01);
        drop(&e);
    }
}

/* Against the formula, solved by elimination, with the ridge that was chosen. */
static void test_formula(void **state) {
    (void)state;
    enum { N = 35, H = 37, PAIRS = 300 };
    example e = make(N, H, 3, PAIRS, 0.9, 3);
    float *w = copy(&e);
    double ridge = run(&e, PAIRS, w, e.correction) / 2, mx[N] = {0}, mh[H] = {0}, variance = 0;
    static double c[H][H + 3];
    memset(c, 0, sizeof c);
    for (size_t t = 0; t < PAIRS; t++) {
        for (size_t i = 0; i < N; i++)
            mx[i] += (double)e.x[t * N + i] / PAIRS;
        for (size_t i = 0; i < H; i++)
            mh[i] += (double)e.h[t * H + i] / PAIRS;
    }
    for (size_t t = 0; t < PAIRS; t++)
        for (size_t i = 0; i < H; i++) {
            double h = ((double)e.h[t * H + i] - mh[i]) / PAIRS;
            for (size_t j = 0; j < H; j++)
                c[i][j] += h * ((double)e.h[t * H + j] - mh[j]);
            for (size_t row = 0; row < 3; row++)
                for (size_t k = 0; k < N; k++)
                    c[i][H + row] += h * (double)e.left[row * N + k] * ((double)e.x[t * N + k] - mx[k]);
        }
    for (size_t i = 0; i < H; i++)
        variance += c[i][i] / H;
    for (size_t i = 0; i < H; i++)
        c[i][i] += ridge * variance;
    for (size_t k = 0; k < H; k++)
        for (size_t i = 0; i < H; i++)
            for (size_t j = H + 3; i != k && j-- > k;)
                c[i][j] -= c[i][k] / c[k][k] * c[k][j];
    for (size_t row = 0; row < 3; row++) {
        double shift = 0;
        for (size_t i = 0; i < H; i++) {
            double d = c[i][H + row] / c[i][i];
            shift -= d * mh[i];
            assert_float_equal((double)w[row * H + i], (double)e.w[row * H + i] + d, 1e-6);
        }
        assert_float_equal(e.correction[row], shift, 1e-6);
    }
    free(w);
    drop(&e);
}

static void test_same_again(void **state) {
    (void)state;
    example e = make(20, 100, 300, 500, 0.7, 4);
    float *first = copy(&e), *second = copy(&e);
    double *other = calloc(e.rows, sizeof *other);
    double one = run(&e, 500, first, e.correction), two = run(&e, 500, second, other);
    assert_true(one == two && one < INFINITY);
    assert_memory_equal(first, second, (size_t)e.rows * e.units * sizeof(float));
    assert_memory_equal(e.correction, other, e.rows * sizeof *other);
    free(first);
    free(second);
    free(other);
    drop(&e);
}

/* Where x(t) comes of x(t-1), which h(t-1) tells, what is new in x(t) is noise to the moments of x(t) and h(t-1): less
 * is missing by way of x(t-1). Without rho, and where what rho says is wrong, it is as if x(t-1) was not told. */
static void test_chained(void **state) {
    (void)state;
    enum { N = 40 };
    const double rho = 0.5;
    example e = make(N, N, 80, 3000, 0, 9);
    for (size_t t = 1; t < e.pairs; t++)
        for (size_t i = 0; i < N; i++) {
            double before = (double)e.x[(t - 1) * N + i] - 3, new = (double)e.x[t * N + i] - 3;
            e.x[t * N + i] = (float)(3 + rho * before + sqrt(1 - rho * rho) * new);
            e.h[t * N + i] = (float)(0.5 + 0.1 * before + 0.3 * ((double)e.h[t * N + i] - 0.5));
        }
    double ridge[4], direct = gain(&e, 300, &ridge[0]), found[3];
    for (int k = 0; k < 3; k++) {
        for (size_t i = 0; i < N; i++)
            e.rho[i] = k == 0 ? rho : k == 1 ? 0 : -rho;
        e.chained = 1;
        found[k] = gain(&e, 300, &ridge[1 + k]);
    }
    assert_true(direct < 0.97);
    assert_true(found[0] < direct - 0.02);
    assert_true(found[0] < 1 - 0.8 * rho * rho);
    assert_true(fabs(found[1] - direct) <= 0 && fabs(found[2] - direct) <= 0);
    drop(&e);
}

static void assert_untouched(example *e, uint32_t pairs) {
    float *w = copy(e);
    assert_true(run(e, pairs, w, e->correction) >= INFINITY);
    assert_memory_equal(w, e->w, (size_t)e->rows * e->units * sizeof(float));
    for (uint32_t row = 0; row < e->rows; row++)
        assert_true(!(fabs(e->correction[row]) > 0));
    free(w);
}

/* Sequences of a single step have one h, h0; and some have hardly a pair. */
static void test_nothing_to_fit(void **state) {
    (void)state;
    example e = make(9, 11, 20, 300, 0.9, 5);
    for (uint32_t pairs = 0; pairs < 4; pairs++)
        assert_untouched(&e, pairs);
    for (size_t i = 0; i < (size_t)e.pairs * e.units; i++)
        e.h[i] = e.h[i % e.units];
    assert_untouched(&e, 300);
    drop(&e);
    example large = make(1, PSTI_MOST_REFIT + 1, 1, 8, 0.9, 6);
    assert_untouched(&large, 8);
    drop(&large);
}

static void test_small(void **state) {
    (void)state;
    double ridge;
    for (uint32_t inputs = 1; inputs <= 2; inputs++)
        for (uint32_t units = 1; units <= 2; units++) {
            example e = make(inputs, units, 4, 2000, 0.9, 7);
            float *a = e.x;
            for (size_t t = 0; t < e.pairs; t++) /* x follows from the first unit */
                for (uint32_t i = 0; i < inputs; i++)
                    a[t * inputs + i] = 3 + 10 * (e.h[t * units] - 0.5f) + 0.01f * (a[t * inputs + i] - 3);
            assert_true(gain(&e, 1000, &ridge) < 0.01);
            drop(&e);
        }
}

/* A unit that never moves gets nothing; weights stay within what a program may hold. */
static void test_extremes(void **state) {
    (void)state;
    example e = make(5, 6, 8, 400, 0.9, 8);
    for (size_t t = 0; t < e.pairs; t++)
        e.h[t * 6 + 2] = 0.25f;
    float *w = copy(&e);
    assert_true(run(&e, 400, w, e.correction) < INFINITY);
    for (size_t row = 0; row < e.rows; row++)
        assert_true(fabsf(w[row * 6 + 2] - e.w[row * 6 + 2]) < 1e-12f);
    memcpy(w, e.w, 48 * sizeof *w);
    for (size_t i = 0; i < (size_t)e.pairs * 5; i++)
        e.x[i] *= 0x1p55f;
    run(&e, 400, w, e.correction);
    assert_memory_equal(w, e.w, 48 * sizeof *w);
    free(w);
    drop(&e);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_follows), cmocka_unit_test(test_few_pairs),  cmocka_unit_test(test_independent),
        cmocka_unit_test(test_formula), cmocka_unit_test(test_same_again), cmocka_unit_test(test_nothing_to_fit),
        cmocka_unit_test(test_small),   cmocka_unit_test(test_extremes),   cmocka_unit_test(test_chained),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
