/* sigmoid, tanh and the other activation functions against libm in float64, over a comb of all floats. With --all,
 * sigmoid and tanh over every float (minutes): the figures in src/kernels/template/math.h come from that. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/number.h"
#include "cpu/levels.h"
#include "kernels/kernels.h"

static uint32_t stride = 4099; /* of bit patterns; a prime */
static psti_kernels k;

typedef struct {
    double absolute, relative; /* largest found; relative where |expected| >= 2^-80 */
    float at_absolute, at_relative;
} errors;

static double exact(int function, double v) {
    switch (function) {
    case PSTI_FUNCTION_tanh:
        return tanh(v);
    case PSTI_FUNCTION_sigmoid:
        return 1 / (1 + exp(-v));
    case PSTI_FUNCTION_silu:
        return v / (1 + exp(-v));
    case PSTI_FUNCTION_gelu:
        return 0.5 * v * erfc(-v / sqrt(2));
    case PSTI_FUNCTION_gelu_tanh:
        return v / (1 + exp(-2 * sqrt(2 / M_PI) * (v + 0.044715 * v * v * v)));
    case PSTI_FUNCTION_softplus:
        return fmax(v, 0) + log1p(exp(-fabs(v)));
    default: /* elu, alpha 1 */
        return v < 0 ? expm1(v) : v;
    }
}

static void one_batch(int function, const float *x, uint32_t n, errors *e) {
    float y[256];
    memcpy(y, x, sizeof y);
    k.activation_f32(y, n, function, 1.0f, 0.0f);
    for (uint32_t i = 0; i < n; i++) {
        double want = exact(function, (double)x[i]), error = fabs((double)y[i] - want);
        assert_true(error == error);
        if (error > e->absolute) {
            e->absolute = error;
            e->at_absolute = x[i];
        }
        if (fabs(want) >= 0x1p-79 && error / fabs(want) > e->relative) {
            e->relative = error / fabs(want);
            e->at_relative = x[i];
        }
    }
}

/* Every stride-th float with lowest <= |v| <= highest, both signs. */
static errors sweep(int function, float lowest, float highest) {
    errors e = {0};
    float x[256];
    uint32_t n = 0;
    for (uint64_t bits = psti_bits(lowest); bits <= psti_bits(highest); bits += stride)
        for (int sign = 0; sign < 2; sign++) {
            x[n++] = psti_float((uint32_t)bits | (uint32_t)sign << 31);
            if (n == 256) {
                one_batch(function, x, n, &e);
                n = 0;
            }
        }
    for (uint32_t i = n; i < 256; i++)
        x[i] = 0;
    one_batch(function, x, n, &e);
    return e;
}

static void print(const char *name, errors e) {
    printf("%-10s largest absolute error %.3g (at %.9g), relative %.3g (at %.9g)\n", name, e.absolute,
           (double)e.at_absolute, e.relative, (double)e.at_relative);
}

static void test_sigmoid(void **state) {
    (void)state;
    errors e = sweep(PSTI_FUNCTION_sigmoid, 0x1p-80f, 0x1p60f);
    print("sigmoid", e);
    assert_true(e.absolute <= 1e-7);
}

static void test_tanh(void **state) {
    (void)state;
    errors all = sweep(PSTI_FUNCTION_tanh, 0x1p-80f, 0x1p60f), near = sweep(PSTI_FUNCTION_tanh, 0x1p-78f, 0.5f);
    print("tanh", all);
    print("  near 0", near);
    assert_true(all.absolute <= 1e-7);
    /* 4 units in the last place: an ulp is at most 2^-23 relative */
    assert_true(near.relative <= 4 * 0x1p-23);
}

/* Absolute error beside 1 and relative to the value, whichever is the milder: each function's own bound. */
static void check_function(const char *name, int function, float highest, double bound) {
    errors e = sweep(function, 0x1p-60f, 1.0f), large = sweep(function, 1.0f, highest);
    print(name, e);
    print("  beyond 1", large);
    assert_true(e.absolute <= bound);
    for (int sign = -1; sign <= 1; sign += 2)
        for (float v = 1; v < 0x1p60f; v *= 1.37f) {
            float x[256] = {0};
            x[0] = (float)sign * v;
            k.activation_f32(x, 1, function, 1.0f, 0.0f);
            double want = exact(function, sign * (double)v);
            assert_true(fabs((double)x[0] - want) <= bound * fmax(1, fabs(want)));
        }
}

static void test_others(void **state) {
    (void)state;
    check_function("silu", PSTI_FUNCTION_silu, 50, 2e-7);
    check_function("gelu", PSTI_FUNCTION_gelu, 50, 2e-7);
    check_function("gelu_tanh", PSTI_FUNCTION_gelu_tanh, 20, 4e-7);
    check_function("softplus", PSTI_FUNCTION_softplus, 50, 2e-7);
    check_function("elu", PSTI_FUNCTION_elu, 50, 2e-7);
}

int main(int argc, char **argv) {
    if (argc > 1 && strcmp(argv[1], "--all") == 0)
        stride = 1;
    int level;
    if (psti_level_choose(NULL, &level) != PST_OK)
        return 1;
    k = psti_kernels_get(level);
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_sigmoid), cmocka_unit_test(test_tanh),
                                       cmocka_unit_test(test_others)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
