/* Statistics of a vector over a calibration, against the formulas that define them, done slowly in two passes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/number.h"
#include "compile/statistics.h"
#include "support/expect.h"

/* Sequences of unequal lengths, one of a single step among them. */
typedef struct {
    uint32_t n;
    uint32_t sequences;
    const uint32_t *length;
    float *v; /* [steps][n] */
    uint32_t steps;
} series;

/* Mixed AR(1) inputs of unequal speed and size about unequal means. */
static series make(uint32_t n, uint32_t sequences, const uint32_t *length, uint64_t seed) {
    series s = {.n = n, .sequences = sequences, .length = length};
    for (uint32_t i = 0; i < sequences; i++)
        s.steps += length[i];
    s.v = malloc((size_t)s.steps * n * sizeof *s.v);
    double *state = calloc(n, sizeof *state);
    psti_random random;
    psti_random_seed(&random, seed);
    for (uint32_t t = 0; t < s.steps; t++) {
        double common = psti_random_normal(&random);
        for (uint32_t i = 0; i < n; i++) {
            double rho = (i % 5) * 0.245;
            state[i] = rho * state[i] + sqrt(1 - rho * rho) * (0.6 * common + 0.8 * psti_random_normal(&random));
            s.v[(size_t)t * n + i] = (float)(state[i] * (1 + i % 3) + (i % 4));
        }
    }
    free(state);
    return s;
}

static psti_statistics run(const series *s) {
    psti_statistics out;
    OK(psti_statistics_open(s->n, &out));
    const float *v = s->v;
    for (uint32_t i = 0; i < s->sequences; i++) {
        psti_statistics_start(&out);
        for (uint32_t t = 0; t < s->length[i]; t++, v += s->n)
            psti_statistics_add(&out, v);
    }
    OK(psti_statistics_finish(&out));
    return out;
}

/* ---- the formulas ----------------------------------------------------------------------------------------------- */

/* Rows of v(t) - rho v(t-1), in the order of time; `first` marks those whose predecessor is of another sequence. */
typedef struct {
    double *v; /* [steps][n] */
    int *first;
    uint32_t steps, n;
} rows;

static rows all_of(const series *s) {
    rows r = {.v = malloc((size_t)s->steps * s->n * sizeof(double)), .first = calloc(s->steps, sizeof(int)), .n = s->n};
    for (size_t i = 0; i < (size_t)s->steps * s->n; i++)
        r.v[i] = (double)s->v[i];
    for (uint32_t i = 0; i < s->sequences; r.steps += s->length[i++])
        r.first[r.steps] = 1;
    return r;
}

static rows innovation_of(const rows *r, double rho) {
    rows d = {.v = malloc((size_t)r->steps * r->n * sizeof(double)), .first = calloc(r->steps, sizeof(int)), .n = r->n};
    for (uint32_t t = 1; t < r->steps; t++) {
        if (r->first[t])
            continue;
        d.first[d.steps] = r->first[t - 1];
        for (uint32_t i = 0; i < r->n; i++)
            d.v[(size_t)d.steps * r->n + i] = r->v[(size_t)t * r->n + i] - rho * r->v[(size_t)(t - 1) * r->n + i];
        d.steps++;
    }
    return d;
}

static void drop(rows *r) {
    free(r->v);
    free(r->first);
}

static double mean_of(const rows *r, uint32_t i) {
    double sum = 0;
    for (uint32_t t = 0; t < r->steps; t++)
        sum += r->v[(size_t)t * r->n + i];
    return sum / r->steps;
}

static double covariance_of(const rows *r, uint32_t i, uint32_t j) {
    double mean_i = mean_of(r, i), mean_j = mean_of(r, j), sum = 0;
    for (uint32_t t = 0; t < r->steps; t++)
        sum += (r->v[(size_t)t * r->n + i] - mean_i) * (r->v[(size_t)t * r->n + j] - mean_j);
    return sum / r->steps;
}

static void lags_of(const rows *r, uint32_t i, double *product, double *square) {
    double mean = mean_of(r, i);
    *product = *square = 0;
    for (uint32_t t = 1; t < r->steps; t++) {
        if (r->first[t])
            continue;
        double now = r->v[(size_t)t * r->n + i] - mean, before = r->v[(size_t)(t - 1) * r->n + i] - mean;
        *product += now * before;
        *square += before * before;
    }
}

static double clamp(double v, double least, double most) {
    return fmin(fmax(v, least), most);
}

static void expect_near(double found, double expected, double scale, const char *what, uint32_t i, uint32_t j) {
    if (!(fabs(found - expected) <= 1e-9 * scale))
        fail_msg("%s [%u][%u]: %.17g, expected %.17g", what, i, j, found, expected);
}

static double shrinkage_of(const rows *r) {
    double samples = 0, noise = 0, signal = 0;
    for (uint32_t i = 0; i < r->n; i++) {
        double product, square;
        lags_of(r, i, &product, &square);
        double rho = clamp(product / square, 0, 0.999);
        samples += r->steps * (1 - rho * rho) / (1 + rho * rho) / r->n;
    }
    for (uint32_t i = 0; i < r->n; i++)
        for (uint32_t j = 0; j < r->n; j++)
            if (i != j) {
                noise += covariance_of(r, i, i) * covariance_of(r, j, j) / samples;
                signal += covariance_of(r, i, j) * covariance_of(r, i, j);
            }
    return fmin(1, noise / signal);
}

static void expect_covariance(const rows *r, const double *found, const double *variance, double shrinkage,
                              const char *what) {
    expect_near(shrinkage, shrinkage_of(r), 1, what, 0, 0);
    for (uint32_t i = 0; i < r->n; i++)
        for (uint32_t j = 0; j < r->n; j++) {
            double expected = covariance_of(r, i, j) * (i == j ? 1 : 1 - shrinkage);
            expect_near(found[(size_t)i * r->n + j], expected, 10, what, i, j);
            if (i == j)
                expect_near(variance[i], expected, 10, what, i, i);
        }
}

/* The covariance is drawn to the correlations of the innovation. */
static void expect_drawn(const rows *r, const psti_statistics *found) {
    for (uint32_t i = 0; i < r->n; i++)
        for (uint32_t j = 0; j < r->n; j++) {
            double own = found->innovation_variance[i] * found->innovation_variance[j];
            double target =
                own > 0 ? found->innovation[(size_t)i * r->n + j] * sqrt(found->variance[i] * found->variance[j] / own)
                        : 0;
            double expected = i == j ? covariance_of(r, i, i)
                                     : (1 - found->shrinkage) * covariance_of(r, i, j) + found->shrinkage * target;
            expect_near(found->covariance[(size_t)i * r->n + j], expected, 10, "covariance", i, j);
        }
}

static void test_formulas(void **unused) {
    (void)unused;
    static const uint32_t length[] = {90, 1, 2, 3, 150, 17};
    for (uint32_t n = 1; n <= 45; n += 11) { /* 1 to 45: tiles that are full and not */
        series s = make(n, sizeof length / sizeof *length, length, n);
        psti_statistics found = run(&s);
        rows r = all_of(&s);
        double products = 0, squares = 0;
        float largest = 0;
        assert_int_equal(found.steps, s.steps);
        for (size_t i = 0; i < (size_t)s.steps * n; i++)
            largest = fmaxf(largest, fabsf(s.v[i]));
        assert_true(found.largest == largest);
        for (uint32_t i = 0; i < n; i++) {
            double product, square;
            lags_of(&r, i, &product, &square);
            expect_near(found.mean[i], mean_of(&r, i), 10, "mean", i, 0);
            expect_near(found.rho[i], clamp(product / square, -1, 1), 1, "rho", i, 0);
            products += product;
            squares += square;
        }
        expect_near(found.pooled_rho, clamp(products / squares, -1, 1), 1, "pooled rho", 0, 0);
        rows d = innovation_of(&r, found.pooled_rho);
        if (n > 1) {
            assert_true(found.innovation_shrinkage > 0.01 && found.innovation_shrinkage < 0.9);
            assert_true(found.shrinkage > 0.01 && found.shrinkage <= 1);
            expect_drawn(&r, &found);
            expect_covariance(&d, found.innovation, found.innovation_variance, found.innovation_shrinkage,
                              "innovation");
        }
        drop(&d);
        drop(&r);
        psti_statistics_free(&found);
        free(s.v);
    }
}

/* A short calibration of what moves slowly says little about covariances. Its innovation's are as good as those of
 * independent values, and what is slow is drawn to them. */
static void test_slow_inputs_shrink_more(void **unused) {
    (void)unused;
    enum { N = 40, STEPS = 200 };
    double shrinkage[2];
    for (int slow = 0; slow < 2; slow++) {
        uint32_t length = STEPS;
        series s = make(N, 1, &length, 5);
        psti_random random;
        psti_random_seed(&random, 6);
        double state[N] = {0};
        for (uint32_t t = 0; t < STEPS; t++)
            for (uint32_t i = 0; i < N; i++) {
                state[i] = (slow ? 0.95 : 0) * state[i] + psti_random_normal(&random);
                s.v[t * N + i] = (float)(state[i] + 0.5 * state[0]);
            }
        psti_statistics found = run(&s);
        shrinkage[slow] = found.shrinkage;
        if (slow)
            assert_true(found.pooled_rho > 0.8 && found.innovation_shrinkage < 0.5);
        psti_statistics_free(&found);
        free(s.v);
    }
    assert_true(shrinkage[0] > 0.9 && shrinkage[1] < shrinkage[0]); /* independent ones are their own innovation */
}

/* What never moves has a variance of exactly 0, whatever it is; a large offset costs no digits. */
static void test_constants_and_offsets(void **unused) {
    (void)unused;
    enum { N = 3, STEPS = 100 };
    float v[N] = {0};
    psti_random random;
    psti_random_seed(&random, 9);
    psti_statistics s;
    OK(psti_statistics_open(N, &s));
    psti_statistics_start(&s);
    double sum = 0, squares = 0;
    for (int t = 0; t < STEPS; t++) {
        double moved = ldexp(floor(8 * psti_random_uniform(&random)), -3);
        sum += moved;
        squares += moved * moved;
        v[0] = 0.1f;
        v[1] = 65536.0f + (float)moved; /* exact */
        v[2] = 0;
        psti_statistics_add(&s, v);
    }
    OK(psti_statistics_finish(&s));
    assert_true(s.mean[0] == (double)0.1f && s.mean[2] == 0);
    assert_true(s.rho[0] == 0 && s.rho[2] == 0);
    assert_true(s.variance[0] == 0 && s.variance[2] == 0 && s.innovation_variance[0] == 0);
    for (uint32_t i = 0; i < N; i++)
        for (uint32_t j = 0; j < N; j++)
            if (i != 1 || j != 1)
                assert_true(s.covariance[i * N + j] == 0 && s.innovation[i * N + j] == 0);
    expect_near(s.variance[1], squares / STEPS - sum / STEPS * (sum / STEPS), 1e-3, "variance", 1, 1);
    psti_statistics_free(&s);
}

/* One step, sequences of one step: no lags, no innovation, and nothing divides by 0. */
static void test_without_lags(void **unused) {
    (void)unused;
    static const uint32_t length[] = {1, 1, 1, 1};
    for (uint32_t sequences = 1; sequences <= 4; sequences += 3) {
        series s = make(35, sequences, length, 3);
        psti_statistics found = run(&s);
        assert_true(found.pooled_rho == 0);
        for (uint32_t i = 0; i < 35; i++) {
            assert_true(found.rho[i] == 0);
            assert_true((found.variance[i] > 0) == (sequences > 1));
            for (uint32_t j = 0; j < 35; j++) {
                assert_true(isfinite(found.covariance[i * 35 + j]));
                assert_true(found.innovation[i * 35 + j] == found.covariance[i * 35 + j]);
            }
        }
        psti_statistics_free(&found);
        free(s.v);
    }
}

/* The largest numbers that an engine hands on. */
static void test_large(void **unused) {
    (void)unused;
    uint32_t length = 50;
    series s = make(33, 1, &length, 8), large = make(33, 1, &length, 8);
    for (size_t i = 0; i < (size_t)length * 33; i++)
        large.v[i] *= 0x1p56f;
    psti_statistics a = run(&s), b = run(&large);
    for (size_t i = 0; i < (size_t)33 * 33; i++) {
        assert_true(b.covariance[i] == ldexp(a.covariance[i], 112));
        assert_true(b.innovation[i] == ldexp(a.innovation[i], 112));
    }
    assert_true(b.pooled_rho == a.pooled_rho && b.shrinkage == a.shrinkage);
    psti_statistics_free(&a);
    psti_statistics_free(&b);
    free(s.v);
    free(large.v);
}

/* Too many inputs for a matrix: the same vectors, no covariance. */
static void test_variances_only(void **unused) {
    (void)unused;
    static const uint32_t length[] = {20, 9};
    series s = make(PSTI_MOST_COVARIANCE + 1, 2, length, 4);
    series first = make(1, 2, length, 4);
    for (uint32_t t = 0; t < s.steps; t++)
        first.v[t] = s.v[(size_t)t * s.n + 2];
    psti_statistics found = run(&s), alone = run(&first);
    assert_null(found.covariance);
    assert_null(found.innovation);
    assert_true(found.mean[2] == alone.mean[0] && found.rho[2] == alone.rho[0]);
    assert_true(found.variance[2] == alone.variance[0] && found.innovation_variance[2] > 0);
    psti_statistics_free(&found);
    psti_statistics_free(&alone);
    free(s.v);
    free(first.v);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_formulas),
        cmocka_unit_test(test_slow_inputs_shrink_more),
        cmocka_unit_test(test_constants_and_offsets),
        cmocka_unit_test(test_without_lags),
        cmocka_unit_test(test_large),
        cmocka_unit_test(test_variances_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
