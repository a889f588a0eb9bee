/* Rounding: nearest codes as psti_pack has them; calibrated ones against every combination of codes where there are
 * few, and never worse than the nearest; rows that do not depend on their neighbours; inputs that never move. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/number.h"
#include "compile/round.h"
#include "compile/statistics.h"
#include "format/format.h"
#include "support/expect.h"

static const psti_grid grids[] = {{127, 0, 0, 1},   {127, 0, 32, 127}, {31, 0, 32, 127}, {31, 0, 0, 1},
                                  {15, 1, 32, 127}, {15, 1, 0, 1},     {7, 1, 64, 127},  {7, 1, 32, 15},
                                  {3, 1, 32, 127},  {15, 1, 32, 2}};
enum { GRIDS = sizeof grids / sizeof *grids };

/* ---- matrices and inputs ---------------------------------------------------------------------------------------- */

/* Rows of unequal size, groups too; every seventh row is zeros, and the second group of every fifth. */
static float *weights(uint32_t rows, uint32_t inputs, uint64_t seed) {
    float *w = malloc((size_t)rows * inputs * sizeof *w);
    psti_random random;
    psti_random_seed(&random, seed);
    for (uint32_t row = 0; row < rows; row++)
        for (uint32_t i = 0; i < inputs; i++) {
            double v = ldexp(2 * psti_random_uniform(&random) - 1, (int)(row % 5) - 2 - (int)(i / 32 % 3));
            int zero = row % 7 == 6 || (row % 5 == 4 && i / 32 == 1);
            w[(size_t)row * inputs + i] = zero ? 0 : (float)v;
        }
    return w;
}

/* n inputs that share a few factors, and each has noise of its own; `slow`: AR(1) with 0.9. */
static psti_statistics calibration(uint32_t n, int slow, double noise, uint64_t seed) {
    enum { FACTORS = 4, STEPS = 400 };
    psti_statistics s;
    psti_random random;
    psti_random_seed(&random, seed);
    float *v = malloc(n * sizeof *v);
    double *mix = malloc((size_t)n * FACTORS * sizeof *mix), *state = calloc(n + FACTORS, sizeof *state);
    for (size_t i = 0; i < (size_t)n * FACTORS; i++)
        mix[i] = psti_random_normal(&random);
    OK(psti_statistics_open(n, &s));
    psti_statistics_start(&s);
    for (int t = 0; t < STEPS; t++) {
        for (uint32_t i = 0; i < n + FACTORS; i++)
            state[i] = (slow ? 0.9 : 0) * state[i] + psti_random_normal(&random);
        for (uint32_t i = 0; i < n; i++) {
            double sum = noise * state[FACTORS + i] + 0.3 * (i % 3);
            for (int k = 0; k < FACTORS; k++)
                sum += mix[i * FACTORS + k] * state[k];
            v[i] = (float)(sum * (1 + i % 4));
        }
        psti_statistics_add(&s, v);
    }
    OK(psti_statistics_finish(&s));
    free(state);
    free(mix);
    free(v);
    return s;
}

static uint32_t group_of(const psti_grid *g, uint32_t inputs) {
    return g->group ? g->group : inputs;
}

static double step_at(const psti_grid *g, const psti_rounded *r, uint32_t row, uint32_t i) {
    return (double)r->scale[row] * r->multiplier[(size_t)row * r->groups + i / group_of(g, r->inputs)];
}

static double rounded_at(const psti_grid *g, const psti_rounded *r, uint32_t row, uint32_t i) {
    return step_at(g, r, row, i) * r->code[(size_t)row * r->inputs + i];
}

/* e^T covariance e of a row, without normalising anything. */
static double error_of(const psti_grid *g, const psti_rounded *r, const float *w, uint32_t row,
                       const double *covariance) {
    uint32_t n = r->inputs;
    double *e = malloc(n * sizeof *e), sum = 0;
    for (uint32_t i = 0; i < n; i++)
        e[i] = rounded_at(g, r, row, i) - (double)w[(size_t)row * n + i];
    for (uint32_t i = 0; i < n; i++)
        for (uint32_t j = 0; j < n; j++)
            sum += e[i] * e[j] * covariance[(size_t)i * n + j];
    free(e);
    return sum;
}

static double mean_error_of(const psti_grid *g, const psti_rounded *r, const float *w, uint32_t row,
                            const double *mean) {
    double sum = 0;
    for (uint32_t i = 0; i < r->inputs; i++)
        sum += ((double)w[(size_t)row * r->inputs + i] - rounded_at(g, r, row, i)) * mean[i];
    return sum;
}

/* Everything in the range that the grid allows; a multiplier of 0 only where all weights are 0. */
static void expect_in_grid(const psti_grid *g, const psti_rounded *r, const float *w) {
    assert_int_equal(r->groups, (r->inputs + group_of(g, r->inputs) - 1) / group_of(g, r->inputs));
    for (uint32_t row = 0; row < r->rows; row++) {
        assert_true(r->scale[row] >= 0x1p-40f && r->scale[row] <= 0x1p41f);
        for (uint32_t k = 0; k < r->groups; k++) {
            int zeros = g->group != 0;
            for (uint32_t i = k * group_of(g, r->inputs); i < r->inputs && i < (k + 1) * group_of(g, r->inputs); i++)
                zeros = zeros && w[(size_t)row * r->inputs + i] == 0;
            int multiplier = r->multiplier[(size_t)row * r->groups + k];
            assert_in_range(multiplier, !zeros, zeros ? 0 : g->group ? g->most_multiplier : 1);
        }
        for (uint32_t i = 0; i < r->inputs; i++) {
            int code = r->code[(size_t)row * r->inputs + i];
            assert_true(abs(code) <= g->largest);
            assert_true(!g->odd || code % 2 != 0);
        }
    }
}

/* ---- nearest ---------------------------------------------------------------------------------------------------- */

static void test_nearest_is_packed(void **unused) {
    (void)unused;
    enum { ROWS = 50, INPUTS = 45 };
    float *w = weights(ROWS, INPUTS, 1);
    for (uint32_t i = 0; i < INPUTS; i++) {
        w[INPUTS + i] = ldexpf(w[i], -60);                                /* below the least scale */
        w[2 * INPUTS + i] = ldexpf(w[i], 42);                             /* the largest weights */
        w[3 * INPUTS + i] = ((float)i - 22) * (i % 2 ? 0.5f : 1) / 22.0f; /* ties */
    }
    psti_shape shape = psti_shape_of(ROWS, INPUTS, 1);
    unsigned char *tiles = malloc(psti_tiles_bytes(&shape, PSTI_W8A16));
    float scale[64];
    psti_pack(&shape, PSTI_W8A16, w, tiles, scale);
    psti_rounded r;
    OK(psti_round_nearest(&grids[0], w, ROWS, INPUTS, &r));
    expect_in_grid(&grids[0], &r, w);
    for (uint32_t row = 0; row < ROWS; row++) {
        assert_true(r.scale[row] == scale[psti_shape_lane(&shape, 0, row)]);
        for (uint32_t i = 0; i < INPUTS; i++)
            assert_true((float)r.code[row * INPUTS + i] == psti_unpack_weight(&shape, PSTI_W8A16, tiles, row, i));
    }
    psti_rounded_free(&r);
    free(tiles);
    free(w);
}

/* No other code is nearer, and the codes reach as far as the weights. */
static void test_nearest(void **unused) {
    (void)unused;
    enum { ROWS = 21, INPUTS = 75 };
    float *w = weights(ROWS, INPUTS, 2);
    for (int k = 0; k < GRIDS; k++) {
        const psti_grid *g = &grids[k];
        psti_rounded r;
        OK(psti_round_nearest(g, w, ROWS, INPUTS, &r));
        expect_in_grid(g, &r, w);
        for (uint32_t row = 0; row < ROWS; row++) {
            float largest = 0;
            for (uint32_t i = 0; i < INPUTS; i++)
                largest = fmaxf(largest, fabsf(w[row * INPUTS + i]));
            if (!g->group && largest > 0) /* the cells of odd codes, one more than codes are wide, cover the range */
                assert_true(r.scale[row] == largest / (float)(g->largest + g->odd));
            for (uint32_t i = 0; i < INPUTS; i++) {
                double v = (double)w[row * INPUTS + i], step = step_at(g, &r, row, i);
                double error = fabs(v - rounded_at(g, &r, row, i));
                for (int code = -g->largest; code <= g->largest; code += g->odd ? 2 : 1)
                    assert_true(error <= fabs(v - code * step) + 1e-6 * step);
                /* Rounding a multiplier down, by half of one at most, cuts as much of the range. */
                double cut = g->group ? 0.5 * (g->largest + g->odd) * (double)r.scale[row] : 0;
                assert_true(error <= (g->odd ? 1.0 : 0.5) * step * (1 + 1e-5) + cut + 0x1p-39);
            }
        }
        psti_rounded_free(&r);
    }
    free(w);
}

/* ---- calibrated ------------------------------------------------------------------------------------------------- */

/* The least error that any codes have, with the row's scale and multiplier as they are. */
static double least_error(const psti_grid *g, const psti_rounded *r, const float *w, uint32_t row,
                          const double *covariance) {
    uint32_t n = r->inputs;
    int8_t *code = r->code + (size_t)row * n, found[3];
    double least = INFINITY;
    memcpy(found, code, n);
    for (uint32_t i = 0; i < n; i++)
        code[i] = (int8_t)-g->largest;
    for (uint32_t done = 0; !done;) {
        least = fmin(least, error_of(g, r, w, row, covariance));
        for (uint32_t i = 0; i <= n; i++) {
            if (i == n) {
                done = 1;
                break;
            }
            code[i] = (int8_t)(code[i] + (g->odd ? 2 : 1));
            if (code[i] <= g->largest)
                break;
            code[i] = (int8_t)-g->largest;
        }
    }
    memcpy(code, found, n);
    return least;
}

static void test_near_the_optimum(void **unused) {
    (void)unused;
    enum { ROWS = 100 };
    for (int k = 0; k < GRIDS; k++) {
        const psti_grid *g = &grids[k];
        if (g->largest > 15)
            continue;
        for (uint32_t n = 1; n <= 3; n++) {
            float *w = weights(ROWS, n, n);
            psti_statistics s = calibration(n, 0, 1, n + 10);
            psti_rounded plain, r;
            double bias[ROWS], found = 0, least = 0;
            OK(psti_round_nearest(g, w, ROWS, n, &plain));
            OK(psti_round_calibrated(g, w, ROWS, n, s.covariance, NULL, s.mean, &r, bias));
            expect_in_grid(g, &r, w);
            for (uint32_t row = 0; row < ROWS; row++) {
                double own = error_of(g, &r, w, row, s.covariance), best = least_error(g, &r, w, row, s.covariance);
                assert_true(own >= best);
                /* with so few inputs the nearest codes of unclipped scales often are the better ones */
                assert_true(own <= error_of(g, &plain, w, row, s.covariance) * (1 + 1e-4));
                found += own;
                least += best;
            }
            if (!(found <= 1.1 * least))
                fail_msg("grid %d, %u inputs: %g, optimum %g", k, n, found, least);
            psti_rounded_free(&plain);
            psti_rounded_free(&r);
            psti_statistics_free(&s);
            free(w);
        }
    }
}

/* The figures are those of the definition; clearly better than nearest in sum, and worse in no row. */
static void test_better_than_nearest(void **unused) {
    (void)unused;
    enum { ROWS = 70, INPUTS = 101 };
    float *w = weights(ROWS, INPUTS, 3);
    for (int slow = 0; slow < 2; slow++) {
        psti_statistics s = calibration(INPUTS, slow, 0.7, 4);
        for (int k = 0; k < GRIDS; k++) {
            const psti_grid *g = &grids[k];
            psti_rounded plain, r;
            double bias[ROWS], nearest = 0, error = 0, mean = 0;
            OK(psti_round_nearest(g, w, ROWS, INPUTS, &plain));
            OK(psti_round_calibrated(g, w, ROWS, INPUTS, s.covariance, NULL, s.mean, &r, bias));
            expect_in_grid(g, &r, w);
            for (uint32_t row = 0; row < ROWS; row++) {
                double of_nearest = error_of(g, &plain, w, row, s.covariance);
                double own = error_of(g, &r, w, row, s.covariance);
                double off = mean_error_of(g, &plain, w, row, s.mean);
                assert_true(own <= of_nearest * (1 + 1e-4));
                assert_true(fabs(bias[row] - mean_error_of(g, &r, w, row, s.mean)) <= 1e-9);
                nearest += of_nearest;
                mean += off * off;
                error += own;
            }
            if (!(error < 0.4 * nearest))
                fail_msg("grid %d, slow %d: %g, nearest %g", k, slow, error, nearest);
            assert_true(mean > 0.01 * nearest);
            assert_true(fabs(r.error_nearest - nearest - mean) <= 1e-4 * nearest);
            assert_true(fabs(r.error - error) <= 1e-4 * error);
            psti_rounded_free(&plain);
            psti_rounded_free(&r);
        }
        psti_statistics_free(&s);
    }
    free(w);
}

/* Of independent inputs none can make up for another: only the scales are better than the nearest's, and a covariance
 * without anything beside its diagonal gives the same codes as variances. */
static void test_scales_alone(void **unused) {
    (void)unused;
    enum { ROWS = 64, INPUTS = 96 };
    float *w = weights(ROWS, INPUTS, 5);
    double variance[INPUTS], mean[INPUTS] = {0}, bias[ROWS],
                             *diagonal = calloc((size_t)INPUTS * INPUTS, sizeof(double));
    for (uint32_t i = 0; i < INPUTS; i++)
        variance[i] = diagonal[i * INPUTS + i] = 1 + i % 5;
    for (int k = 0; k < GRIDS; k++) {
        psti_rounded a, b;
        OK(psti_round_calibrated(&grids[k], w, ROWS, INPUTS, NULL, variance, mean, &a, bias));
        OK(psti_round_calibrated(&grids[k], w, ROWS, INPUTS, diagonal, NULL, mean, &b, bias));
        assert_memory_equal(a.code, b.code, (size_t)ROWS * INPUTS);
        assert_memory_equal(a.scale, b.scale, sizeof(float) * ROWS);
        assert_memory_equal(a.multiplier, b.multiplier, (size_t)ROWS * a.groups);
        assert_true(a.error < 0.999 * a.error_nearest && a.error > 0.3 * a.error_nearest);
        psti_rounded_free(&a);
        psti_rounded_free(&b);
    }
    free(diagonal);
    free(w);
}

/* A row's result is its own: the same again, alone, and beside other rows. */
static void test_rows_are_independent(void **unused) {
    (void)unused;
    enum { ROWS = 75, INPUTS = 77 };
    float *w = weights(ROWS, INPUTS, 6);
    psti_statistics s = calibration(INPUTS, 1, 0.5, 7);
    for (int k = 0; k < GRIDS; k++) {
        psti_rounded all, part;
        double bias[ROWS], bias_part[ROWS];
        OK(psti_round_calibrated(&grids[k], w, ROWS, INPUTS, s.covariance, NULL, s.mean, &all, bias));
        for (uint32_t first = 0; first < ROWS; first += 37) {
            uint32_t rows = first == 37 ? 1 : ROWS - first;
            OK(psti_round_calibrated(&grids[k], w + (size_t)first * INPUTS, rows, INPUTS, s.covariance, NULL, s.mean,
                                     &part, bias_part));
            assert_memory_equal(part.code, all.code + (size_t)first * INPUTS, (size_t)rows * INPUTS);
            assert_memory_equal(part.multiplier, all.multiplier + (size_t)first * all.groups,
                                (size_t)rows * all.groups);
            assert_memory_equal(part.scale, all.scale + first, rows * sizeof(float));
            assert_memory_equal(bias_part, bias + first, rows * sizeof(double));
            psti_rounded_free(&part);
        }
        psti_rounded_free(&all);
    }
    psti_statistics_free(&s);
    free(w);
}

/* Inputs that never move, some or all of them, and one alone. */
static void test_what_never_moves(void **unused) {
    (void)unused;
    enum { ROWS = 40, INPUTS = 66 };
    float *w = weights(ROWS, INPUTS, 8);
    double mean[INPUTS], bias[ROWS], *none = calloc((size_t)INPUTS * INPUTS, sizeof *none);
    psti_statistics s = calibration(INPUTS, 0, 0.5, 9);
    for (uint32_t i = 0; i < INPUTS; i++) {
        mean[i] = 1;
        for (uint32_t j = 0; j < INPUTS; j++)
            if (i % 3 == 0 || j % 3 == 0)
                s.covariance[i * INPUTS + j] = 0;
    }
    for (int k = 0; k < GRIDS; k++) {
        psti_rounded r, still, one;
        OK(psti_round_calibrated(&grids[k], w, ROWS, INPUTS, s.covariance, NULL, mean, &r, bias));
        OK(psti_round_calibrated(&grids[k], w, ROWS, INPUTS, none, NULL, mean, &still, bias));
        OK(psti_round_calibrated(&grids[k], w, ROWS, 1, s.covariance + INPUTS + 1, NULL, mean, &one, bias));
        expect_in_grid(&grids[k], &r, w);
        expect_in_grid(&grids[k], &still, w);
        expect_in_grid(&grids[k], &one, w);
        assert_true(r.error < 0.5 * r.error_nearest && r.error > 0);
        assert_true(still.error == 0 && still.error_nearest > 0 && isfinite(still.error_nearest));
        assert_true(one.error <= one.error_nearest);
        for (uint32_t row = 0; row < ROWS; row++)
            for (uint32_t i = 0; i < INPUTS; i += 3) { /* to the nearest code of the steps that were found */
                double v = (double)w[row * INPUTS + i], step = step_at(&grids[k], &r, row, i);
                double error = fabs(v - rounded_at(&grids[k], &r, row, i));
                for (int code = -grids[k].largest; code <= grids[k].largest; code += grids[k].odd ? 2 : 1)
                    assert_true(error <= fabs(v - code * step) + 1e-6 * step);
            }
        psti_rounded_free(&r);
        psti_rounded_free(&still);
        psti_rounded_free(&one);
    }
    psti_statistics_free(&s);
    free(none);
    free(w);
}

/* The largest weights and inputs, and the same matrix in another unit: the same codes, all finite. */
static void test_any_unit(void **unused) {
    (void)unused;
    enum { ROWS = 33, INPUTS = 40 };
    float *w = weights(ROWS, INPUTS, 10);
    double bias[ROWS];
    psti_statistics s = calibration(INPUTS, 0, 0.5, 11);
    for (int k = 0; k < GRIDS; k++) {
        psti_rounded r, large, small;
        float *scaled = malloc((size_t)ROWS * INPUTS * sizeof *scaled);
        double *covariance = malloc((size_t)INPUTS * INPUTS * sizeof *covariance);
        OK(psti_round_calibrated(&grids[k], w, ROWS, INPUTS, s.covariance, NULL, s.mean, &r, bias));
        for (size_t i = 0; i < (size_t)ROWS * INPUTS; i++)
            scaled[i] = ldexpf(w[i], 38);
        for (size_t i = 0; i < (size_t)INPUTS * INPUTS; i++)
            covariance[i] = ldexp(s.covariance[i], 110);
        OK(psti_round_calibrated(&grids[k], scaled, ROWS, INPUTS, covariance, NULL, s.mean, &large, bias));
        for (size_t i = 0; i < (size_t)INPUTS * INPUTS; i++)
            covariance[i] = ldexp(s.covariance[i], -150);
        OK(psti_round_calibrated(&grids[k], w, ROWS, INPUTS, covariance, NULL, s.mean, &small, bias));
        for (uint32_t row = 0; row < ROWS; row++) {
            assert_memory_equal(small.code + (size_t)row * INPUTS, r.code + (size_t)row * INPUTS, INPUTS);
            if (row % 7 != 6)
                assert_memory_equal(large.code + (size_t)row * INPUTS, r.code + (size_t)row * INPUTS, INPUTS);
            assert_true(isfinite(large.scale[row]));
        }
        assert_true(isfinite(large.error) && isfinite(large.error_nearest) && large.error > 0);
        assert_true(small.error == ldexp(r.error, -150));
        psti_rounded_free(&r);
        psti_rounded_free(&large);
        psti_rounded_free(&small);
        free(covariance);
        free(scaled);
    }
    psti_statistics_free(&s);
    free(w);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nearest_is_packed), cmocka_unit_test(test_nearest),
        cmocka_unit_test(test_near_the_optimum),  cmocka_unit_test(test_better_than_nearest),
        cmocka_unit_test(test_scales_alone),      cmocka_unit_test(test_rows_are_independent),
        cmocka_unit_test(test_what_never_moves),  cmocka_unit_test(test_any_unit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
