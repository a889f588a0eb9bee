/* pst_compare on numbers whose errors are known exactly. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <float.h>
#include <math.h>
#include <string.h>

#include "penstock.h"

static int near(double a, double b) {
    return fabs(a - b) <= 1e-14 * fabs(b);
}

/* 2 sequences, 2 steps, 2 outputs. Errors 0 0, 0 3; -4 0, 0 0: rms sqrt(25 / 8). Output 0 is 0 0 4 4, output 1 is
 * 10 20 10 20: deviations from their own means 2 and 5, pooled rms sqrt((4 + 25) / 2). */
static void the_three_figures(void **unused) {
    (void)unused;
    const double expect[] = {0, 10, 0, 20, 4, 10, 4, 20};
    const float y[] = {0, 10, 0, 23, 0, 10, 4, 20};
    pst_certificate c;
    PST_INIT(c);
    c.seed = 77;
    c.from_caller = 1;
    assert_int_equal(pst_compare(y, expect, 2, 2, 2, &c), PST_OK);
    assert_int_equal(c.size, sizeof c);
    assert_true(c.steps == 2 && c.sequences == 2 && c.seed == 77 && c.from_caller == 1);
    assert_true(c.max_abs == 4 && c.worst_sequence == 1 && c.worst_step == 0 && c.worst_output == 0);
    assert_true(near(c.rms, sqrt(25.0 / 8)));
    assert_true(near(c.relative_rms, sqrt(25.0 / 8) / sqrt(29.0 / 2)));
}

static void the_worst_is_the_first_of_equals(void **unused) {
    (void)unused;
    const double expect[] = {0, 0, 0, 0, 0, 1};
    const float y[] = {0, 0, 0, 2, -2, 1};
    pst_certificate c;
    PST_INIT(c);
    assert_int_equal(pst_compare(y, expect, 1, 3, 2, &c), PST_OK);
    assert_true(c.max_abs == 2 && c.worst_sequence == 0 && c.worst_step == 1 && c.worst_output == 1);
}

static void no_error(void **unused) {
    (void)unused;
    const double expect[] = {1, 2, 3};
    const float y[] = {1, 2, 3};
    pst_certificate c;
    PST_INIT(c);
    assert_int_equal(pst_compare(y, expect, 1, 3, 1, &c), PST_OK);
    assert_true(c.max_abs == 0 && c.rms == 0 && c.relative_rms == 0 && c.worst_step == 0);
}

/* 0.1 is not a double: its mean over 7 would not be itself, and a constant would seem to move by an ulp. Two constants
 * that differ from each other are constant still, because each output has its own mean. */
static void constant_is_not_a_number(void **unused) {
    (void)unused;
    double expect[14];
    float y[14];
    for (int k = 0; k < 14; k++) {
        expect[k] = k % 2 ? 0.1 : -7.3;
        y[k] = 1;
    }
    pst_certificate c;
    PST_INIT(c);
    assert_int_equal(pst_compare(y, expect, 1, 7, 2, &c), PST_OK);
    assert_true(isnan(c.relative_rms) && c.rms > 0);
    assert_int_equal(pst_compare(y, expect, 1, 1, 14, &c), PST_OK);
    assert_true(isnan(c.relative_rms));
}

/* A movement of 1 about 1e9, and one of 2^-20: sum of squares less square of sums would leave noise. */
static void small_movement_of_a_large_value(void **unused) {
    (void)unused;
    enum { STEPS = 1000 };
    static double expect[STEPS];
    static float y[STEPS];
    for (double amplitude = 1; amplitude > 1e-7; amplitude *= 0x1p-20) {
        for (int t = 0; t < STEPS; t++) {
            expect[t] = 1e9 + (t % 2 ? amplitude : -amplitude);
            y[t] = 1e9f;
        }
        pst_certificate c;
        PST_INIT(c);
        assert_int_equal(pst_compare(y, expect, 1, STEPS, 1, &c), PST_OK);
        assert_true(near(c.max_abs, amplitude) && near(c.rms, amplitude));
        assert_true(fabs(c.relative_rms - 1) < 1e-12);
    }
}

static void any_finite_number(void **unused) {
    (void)unused;
    const double scales[] = {DBL_MAX, 1e300, 1e-300, DBL_MIN};
    for (size_t k = 0; k < sizeof scales / sizeof *scales; k++) {
        double expect[] = {scales[k], -scales[k], scales[k], -scales[k]};
        const float y[] = {0, 0, 0, 0};
        pst_certificate c;
        PST_INIT(c);
        assert_int_equal(pst_compare(y, expect, 1, 4, 1, &c), PST_OK);
        assert_true(c.max_abs == scales[k] && near(c.rms, scales[k]) && near(c.relative_rms, 1));
    }
}

static void bad_arguments(void **unused) {
    (void)unused;
    double expect[] = {1, 2, 3, 4};
    float y[] = {1, 2, 3, 4};
    pst_certificate c, before;
    PST_INIT(c);
    c.max_abs = 42;
    before = c;
    pst_error e;
    PST_INIT(e);
    assert_int_equal(pst_compare(NULL, expect, 1, 2, 2, &c), PST_E_ARGUMENT);
    assert_int_equal(pst_compare(y, NULL, 1, 2, 2, &c), PST_E_ARGUMENT);
    assert_int_equal(pst_compare(y, expect, 1, 2, 2, NULL), PST_E_ARGUMENT);
    assert_int_equal(pst_compare(y, expect, 0, 2, 2, &c), PST_E_ARGUMENT);
    assert_int_equal(pst_compare(y, expect, 1, 0, 2, &c), PST_E_ARGUMENT);
    assert_int_equal(pst_compare(y, expect, 1, 2, 0, &c), PST_E_ARGUMENT);
    assert_int_equal(pst_compare(y, expect, UINT64_MAX, 2, 2, &c), PST_E_ARGUMENT);
    const float bad[] = {NAN, INFINITY, -INFINITY};
    for (size_t k = 0; k < 3; k++) {
        y[3] = bad[k];
        assert_int_equal(pst_compare(y, expect, 1, 2, 2, &c), PST_E_NONFINITE);
        pst_last_error(&e);
        assert_non_null(strstr(e.message, "y: output 1 at step 1 of sequence 0"));
        y[3] = 4;
        expect[2] = (double)bad[k];
        assert_int_equal(pst_compare(y, expect, 2, 1, 2, &c), PST_E_NONFINITE);
        pst_last_error(&e);
        assert_non_null(strstr(e.message, "expect: output 0 at step 0 of sequence 1"));
        expect[2] = 3;
    }
    assert_memory_equal(&c, &before, sizeof c);
    c.size = 8;
    assert_int_equal(pst_compare(y, expect, 1, 2, 2, &c), PST_E_ARGUMENT);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_three_figures),
        cmocka_unit_test(the_worst_is_the_first_of_equals),
        cmocka_unit_test(no_error),
        cmocka_unit_test(constant_is_not_a_number),
        cmocka_unit_test(small_movement_of_a_large_value),
        cmocka_unit_test(any_finite_number),
        cmocka_unit_test(bad_arguments),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
