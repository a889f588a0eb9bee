/* The parts of calibrated rounding, each by the property that defines it: the factor, the scales, the codes one after
 * the other, the descent. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/number.h"
#include "compile/form.h"
#include "compile/strip.h"
#include "support/expect.h"

enum { INPUTS = 107, ROWS = 29 }; /* panels, batches and groups that are full and not; a strip that is not */

static const psti_grid grids[] = {{127, 0, 0, 1}, {31, 0, 32, 127}, {15, 1, 32, 127}, {3, 1, 64, 127}};
enum { GRIDS = sizeof grids / sizeof *grids };

typedef struct {
    double *covariance;
    float *w;
    psti_form form;
    psti_strip strip;
} fixture;

/* A few shared factors and some noise, variances from 0.01 to 10. */
static double *covariance_of(psti_random *random) {
    enum { FACTORS = 5 };
    double *covariance = malloc(sizeof(double) * INPUTS * INPUTS), mix[INPUTS][FACTORS], size[INPUTS];
    for (int i = 0; i < INPUTS; i++) {
        size[i] = pow(10, 1.5 * psti_random_uniform(random) - 1);
        for (int k = 0; k < FACTORS; k++)
            mix[i][k] = psti_random_normal(random);
    }
    for (int i = 0; i < INPUTS; i++)
        for (int j = 0; j < INPUTS; j++) {
            double sum = i == j ? 0.5 : 0;
            for (int k = 0; k < FACTORS; k++)
                sum += mix[i][k] * mix[j][k];
            covariance[i * INPUTS + j] = sum * size[i] * size[j];
        }
    return covariance;
}

static void make(fixture *f, const psti_grid *grid) {
    psti_random random;
    psti_random_seed(&random, 12);
    f->covariance = covariance_of(&random);
    f->w = malloc(sizeof(float) * ROWS * INPUTS);
    for (int i = 0; i < ROWS * INPUTS; i++)
        f->w[i] = (float)psti_random_normal(&random);
    uint32_t group = grid->group ? grid->group : INPUTS;
    OK(psti_form_open(&f->form, INPUTS, f->covariance, NULL));
    OK(psti_strip_open(&f->strip, &f->form, grid, (INPUTS + group - 1) / group, group));
    psti_strip_load(&f->strip, grid, f->w, ROWS);
}

static void drop(fixture *f) {
    psti_strip_free(&f->strip);
    psti_form_free(&f->form);
    free(f->w);
    free(f->covariance);
}

static double in_form(const psti_form *f, uint32_t p, uint32_t q) {
    return (double)f->covariance[p * f->stride + q];
}

static double of(const float *v, uint32_t place, uint32_t lane) {
    return (double)v[(size_t)place * PSTI_STRIP + lane];
}

static double step_at(const psti_strip *s, uint32_t place, uint32_t lane) {
    return of(s->step, s->form->order[place] / s->group, lane);
}

/* The distance from v to the nearest code, in steps. */
static double to_nearest(const psti_grid *g, double v) {
    double least = INFINITY;
    for (int code = -g->largest; code <= g->largest; code += g->odd ? 2 : 1)
        least = fmin(least, fabs(v - code));
    return least;
}

static void test_form(void **unused) {
    (void)unused;
    fixture f;
    make(&f, &grids[0]);
    double sum = 0;
    for (uint32_t p = 0; p < INPUTS; p++) {
        uint32_t i = f.form.order[p];
        double v = f.covariance[(size_t)i * INPUTS + i] / f.form.unit;
        sum += v / INPUTS;
        assert_int_equal(f.form.place[i], p);
        assert_true(!p || f.form.variance[p] <= f.form.variance[p - 1]);
        assert_true(fabs((double)f.form.variance[p] - v) <= 1e-6 * v);
        assert_true(fabs((double)f.form.inverse[p] * v - 1) <= 1e-6);
        for (uint32_t q = 0; q < INPUTS; q++) {
            double expected = f.covariance[(size_t)i * INPUTS + f.form.order[q]] / f.form.unit;
            assert_true(fabs(in_form(&f.form, p, q) - expected) <= 1e-6 * fabs(expected));
        }
    }
    assert_true(fabs(sum - 1) <= 1e-9); /* the unit */
    drop(&f);
}

/* With any errors at the places before `fixed`, those that the feedback asks for after it are the best there are: there
 * the gradient of the damped form is 0. */
static void test_feedback(void **unused) {
    (void)unused;
    fixture f;
    psti_random random;
    psti_random_seed(&random, 13);
    make(&f, &grids[0]);
    for (uint32_t fixed = 1; fixed < INPUTS; fixed += 15) {
        double e[INPUTS] = {0};
        for (uint32_t p = 0; p < INPUTS; p++) {
            for (uint32_t k = 0; k < p; k++)
                e[p] += (double)f.form.feedback[p * f.form.stride + k] * e[k];
            if (p < fixed)
                e[p] = psti_random_normal(&random);
        }
        for (uint32_t p = fixed; p < INPUTS; p++) {
            double gradient = (double)PSTI_DAMPING * e[p], size = fabs(gradient);
            for (uint32_t q = 0; q < INPUTS; q++) {
                gradient += in_form(&f.form, p, q) * e[q];
                size += fabs(in_form(&f.form, p, q) * e[q]);
            }
            assert_true(fabs(gradient) <= 1e-5 * size);
        }
    }
    drop(&f);
}

/* The error of a group at a step, weighted as the search does. */
static double group_error(const psti_strip *s, const psti_grid *grid, uint32_t group, uint32_t lane, double step) {
    double sum = 0;
    for (uint32_t p = 0; p < INPUTS; p++)
        if (s->form->order[p] / s->group == group) {
            double e = step * to_nearest(grid, of(s->w, p, lane) / step);
            sum += e * e * (double)(s->form->variance[p] + PSTI_DAMPING);
        }
    return sum;
}

static void test_search(void **unused) {
    (void)unused;
    int clipped = 0;
    for (int k = 0; k < GRIDS; k++) {
        fixture f;
        make(&f, &grids[k]);
        psti_strip *s = &f.strip;
        psti_strip_search(s);
        for (uint32_t lane = 0; lane < ROWS; lane++)
            for (uint32_t g = 0; g < s->groups; g++) {
                double nearest = of(s->largest_step, g, lane), found = of(s->step, g, lane);
                double error = group_error(s, &grids[k], g, lane, found);
                assert_true(found >= 0.499 * nearest && found <= 1.051 * nearest);
                for (double factor = 0.5; factor < 1.06; factor += 0.025)
                    assert_true(error <= group_error(s, &grids[k], g, lane, factor * nearest) * (1 + 1e-4));
                clipped += found < 0.95 * nearest;
            }
        drop(&f);
    }
    assert_true(clipped > 100);
}

/* Each code is the nearest to its weight with what the errors before ask for. */
static void test_round(void **unused) {
    (void)unused;
    for (int k = 0; k < GRIDS; k++) {
        fixture f;
        make(&f, &grids[k]);
        psti_strip *s = &f.strip;
        psti_strip_search(s);
        psti_strip_settle(s);
        psti_strip_round(s);
        for (uint32_t lane = 0; lane < ROWS; lane++)
            for (uint32_t p = 0; p < INPUTS; p++) {
                double step = step_at(s, p, lane), code = of(s->code, p, lane), target = of(s->w, p, lane);
                assert_true(fabs(code * step - target - of(s->error, p, lane)) <= 1e-5);
                for (uint32_t q = 0; q < p; q++)
                    target += (double)f.form.feedback[p * f.form.stride + q] * of(s->error, q, lane);
                double off = fabs(code - target / step);
                assert_true(off <= to_nearest(&grids[k], target / step) + 1e-5 * (fabs(target / step) + 10));
            }
        drop(&f);
    }
}

/* What the descent ends at: no code alone can be changed for the better. On the way the error never grows. */
static void test_descend(void **unused) {
    (void)unused;
    for (int k = 0; k < GRIDS; k++) {
        fixture f;
        double before[PSTI_STRIP], after[PSTI_STRIP];
        int passes = 0, better = 0;
        make(&f, &grids[k]);
        psti_strip *s = &f.strip;
        psti_strip_search(s);
        psti_strip_settle(s);
        psti_strip_round(s);
        psti_strip_measure(s, before);
        while (psti_strip_descend(s)) {
            psti_strip_measure(s, after);
            for (uint32_t lane = 0; lane < ROWS; lane++) {
                assert_true(after[lane] <= before[lane] * (1 + 1e-4));
                better += after[lane] < before[lane];
            }
            memcpy(before, after, sizeof after);
            assert_true(++passes < 100);
        }
        assert_true(passes > 1 && better > ROWS / 2);
        for (uint32_t lane = 0; lane < ROWS; lane++) {
            double total = 0;
            for (uint32_t p = 0; p < INPUTS; p++) {
                double gradient = 0, step = step_at(s, p, lane), code = of(s->code, p, lane);
                assert_true(fabs(code * step - of(s->w, p, lane) - of(s->error, p, lane)) <= 1e-5);
                for (uint32_t q = 0; q < INPUTS; q++)
                    gradient += in_form(&f.form, p, q) * of(s->error, q, lane);
                total += gradient * of(s->error, p, lane);
                double best = code - gradient / in_form(&f.form, p, p) / step;
                assert_true(fabs(code - best) <= to_nearest(&grids[k], best) + 1e-3);
            }
            assert_true(fabs(total - before[lane]) <= 1e-3 * total);
        }
        drop(&f);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_form),  cmocka_unit_test(test_feedback), cmocka_unit_test(test_search),
        cmocka_unit_test(test_round), cmocka_unit_test(test_descend),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
