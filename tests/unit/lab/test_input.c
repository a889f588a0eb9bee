/* What the models are given: its statistics, its halves, and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lab/error.h"
#include "lab/input.h"
#include "lab/noise.h"

enum { SEED = 7, STEPS = 20000, INPUTS = 3 };

static float *make(const char *text, lab_input_use use, uint64_t steps) {
    lab_input in;
    float *x = NULL;
    uint64_t n = steps;
    assert_int_equal(lab_input_parse(text, &in), 0);
    assert_string_equal(in.name, text);
    assert_int_equal(lab_input_make(&in, SEED, use, INPUTS, &n, &x), 0);
    assert_true(n == steps);
    return x;
}

/* Mean of x(t) y(t + lag) of two of the inputs. */
static double product(const float *x, int a, int b, int lag) {
    double sum = 0;
    for (int t = 0; t + lag < STEPS; t++)
        sum += (double)x[t * INPUTS + a] * (double)x[(t + lag) * INPUTS + b];
    return sum / (STEPS - lag);
}

/* A mean of n products of a process with memory R scatters by some sqrt((1 + R^2) / (1 - R^2) / n) times sqrt(2):
 * 0.031 at 0.9 and 20,000 steps. The seed is fixed, so what passes once always does. */
static void variance_and_memory(void **unused) {
    (void)unused;
    static const struct {
        const char *text;
        double r, near;
    } of[] = {{"iid", 0, 0.03}, {"ar:0.9", 0.9, 0.1}, {"ar:-0.5", -0.5, 0.04}};
    for (size_t i = 0; i < sizeof of / sizeof *of; i++) {
        float *x = make(of[i].text, LAB_INPUT_STEPS, STEPS);
        for (int a = 0; a < INPUTS; a++) {
            const double variance = product(x, a, a, 0);
            assert_true(fabs(variance - 1) < of[i].near);
            assert_true(fabs(product(x, a, a, 1) / variance - of[i].r) < 0.02);
            assert_true(fabs(product(x, a, a, 2) / variance - of[i].r * of[i].r) < 0.03);
            /* each input is a process of its own */
            assert_true(fabs(product(x, a, (a + 1) % INPUTS, 0)) < of[i].near);
        }
        free(x);
    }
}

/* Variance 1 from the first step on: not only once the process has forgotten its start. */
static void the_first_step_is_as_wide_as_the_others(void **unused) {
    (void)unused;
    lab_input in;
    float *x = NULL;
    uint64_t one = 1;
    double squares = 0;
    assert_int_equal(lab_input_parse("ar:0.99", &in), 0);
    assert_int_equal(lab_input_make(&in, SEED, LAB_INPUT_STEPS, STEPS, &one, &x), 0);
    for (int i = 0; i < STEPS; i++)
        squares += (double)x[i] * (double)x[i];
    assert_true(fabs(squares / STEPS - 1) < 0.03);
    free(x);
}

/* More steps begin with the fewer, calibrating is something else than stepping, and iid is the plain noise. */
static void series(void **unused) {
    (void)unused;
    static const char *const of[] = {"iid", "ar:0.9"};
    for (size_t i = 0; i < sizeof of / sizeof *of; i++) {
        float *few = make(of[i], LAB_INPUT_STEPS, 10), *many = make(of[i], LAB_INPUT_STEPS, 1000),
              *other = make(of[i], LAB_INPUT_CALIBRATION, 1000);
        assert_memory_equal(few, many, 10 * INPUTS * sizeof *few);
        assert_memory_not_equal(other, many, INPUTS * sizeof *few);
        free(few);
        free(many);
        free(other);
    }
    float *x = make("iid", LAB_INPUT_STEPS, 100), plain[100 * INPUTS];
    lab_noise noise;
    lab_noise_seed(&noise, SEED, LAB_NOISE_INPUTS);
    lab_noise_normal(&noise, plain, 100 * INPUTS);
    assert_memory_equal(x, plain, sizeof plain);
    free(x);
}

static void same(void **unused) {
    (void)unused;
    lab_input a, b;
    const float rows[2] = {0};
    assert_true(lab_input_parse("ar:0.90", &a) == 0 && lab_input_same(&a, &lab_input_ar));
    assert_true(lab_input_parse("ar:0", &a) == 0 && lab_input_same(&a, &lab_input_iid));
    assert_false(lab_input_same(&lab_input_iid, &lab_input_ar));
    assert_int_equal(lab_input_parse("x.npy", &b), 1);
    assert_string_equal(b.name, "x.npy");
    b.rows = rows;
    assert_false(lab_input_same(&b, &lab_input_iid));
    assert_true(lab_input_same(&b, &b));
    assert_int_equal(lab_input_kind(&a), LAB_KIND_IID);
    assert_int_equal(lab_input_kind(&lab_input_ar), LAB_KIND_AR);
    assert_int_equal(lab_input_kind(&b), LAB_KIND_OTHER);
    assert_ptr_equal(lab_input_of_kind(&b, LAB_KIND_OTHER), &b);
    assert_ptr_equal(lab_input_of_kind(&b, LAB_KIND_AR), &lab_input_ar);
    assert_null(lab_input_of_kind(&a, LAB_KIND_OTHER));
}

static void nonsense(void **unused) {
    (void)unused;
    static const char *const wrong[] = {"ar:1",    "ar:-1",    "ar:1.5",  "ar:x",   "ar:",   "ar:-",
                                        "ar:.",    "ar:nan",   "ar:inf",  "ar:0x0", "ar: 0", "ar:+0",
                                        "ar:0.9 ", "ar:--0.5", "ar:1e-1", ""};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        lab_input in = lab_input_ar;
        assert_int_equal(lab_input_parse(wrong[i], &in), -1);
        assert_non_null(strstr(lab_error(), "--input: "));
        assert_non_null(strstr(lab_error(), wrong[i]));
        assert_string_equal(in.name, "ar:0.9"); /* as it was */
    }
}

/* Five rows of two: two calibrate, three are stepped through. */
static void rows(void **unused) {
    (void)unused;
    static const float values[5][2] = {{1, 2}, {3, 4}, {5, 6}, {7, 8}, {9, 10}};
    const lab_input in = {.name = "d/x.npy", .rows = values[0], .steps = 5, .columns = 2};
    static const struct {
        lab_input_use use;
        uint64_t wanted, steps, first;
    } of[] = {{LAB_INPUT_CALIBRATION, 100, 2, 0}, {LAB_INPUT_STEPS, 100, 3, 2}, {LAB_INPUT_STEPS, 1, 1, 2}};
    assert_int_equal(lab_input_fits(&in, "m", 2), 0);
    for (size_t i = 0; i < sizeof of / sizeof *of; i++) {
        uint64_t steps = of[i].wanted;
        float *x = NULL;
        assert_int_equal(lab_input_make(&in, SEED, of[i].use, 2, &steps, &x), 0);
        assert_true(steps == of[i].steps);
        assert_memory_equal(x, values[of[i].first], steps * sizeof *values);
        free(x);
    }
}

static void rows_that_do_not_fit(void **unused) {
    (void)unused;
    static const float values[4] = {0};
    const lab_input wide = {.name = "d/x.npy", .rows = values, .steps = 2, .columns = 2};
    const lab_input one = {.name = "d/x.npy", .rows = values, .steps = 1, .columns = 4};
    assert_int_equal(lab_input_fits(&lab_input_ar, "m", 128), 0);
    assert_int_equal(lab_input_fits(&wide, "tiny", 128), -1);
    assert_string_equal(lab_error(), "--input: d/x.npy: expected rows of 128 values, the inputs of tiny, found 2");
    assert_int_equal(lab_input_fits(&one, "m", 4), -1);
    assert_non_null(strstr(lab_error(), "d/x.npy: expected at least 2 rows"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(variance_and_memory),
        cmocka_unit_test(the_first_step_is_as_wide_as_the_others),
        cmocka_unit_test(series),
        cmocka_unit_test(same),
        cmocka_unit_test(nonsense),
        cmocka_unit_test(rows),
        cmocka_unit_test(rows_that_do_not_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
