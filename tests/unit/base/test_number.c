/* Number formats against their definitions, the noise against known values, the hash against known values. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>

#include "base/hash.h"
#include "base/number.h"

static void every_f16(void **unused) {
    (void)unused;
    for (uint32_t v = 0; v < 65536; v++) {
        float f = psti_from_f16((uint16_t)v);
        int exponent = (int)(v >> 10 & 31);
        double fraction = v & 0x3ff;
        if (exponent == 31) {
            assert_true(fraction ? isnan(f) : isinf(f));
        } else {
            double magnitude = exponent ? ldexp(1024 + fraction, exponent - 25) : ldexp(fraction, -24);
            assert_true((double)fabsf(f) == magnitude);
        }
        assert_int_equal(signbit(f) != 0, v >> 15);
    }
}

static void bf16(void **unused) {
    (void)unused;
    for (uint32_t v = 0; v < 65536; v++) {
        float f = psti_from_bf16((uint16_t)v);
        assert_int_equal(psti_bits(f), v << 16);
        if (isfinite(f)) {
            assert_int_equal(psti_to_bf16(f), v);
        }
    }
    assert_int_equal(psti_to_bf16(1 + 0x1p-8f), 0x3f80);            /* a tie, to even: down */
    assert_int_equal(psti_to_bf16(1 + 0x3p-8f), 0x3f82);            /* a tie, to even: up */
    assert_int_equal(psti_to_bf16(1 + 0x1p-8f + 0x1p-23f), 0x3f81); /* just above a tie */
    assert_int_equal(psti_to_bf16(-(1 + 0x3p-8f)), 0xbf82);
}

static void flush(void **unused) {
    (void)unused;
    assert_true(psti_flush(0x1p-40f, -40) == 0x1p-40f);
    assert_true(psti_flush(-0x1p-40f, -40) == -0x1p-40f);
    assert_int_equal(psti_bits(psti_flush(nextafterf(0x1p-40f, 0), -40)), 0);
    assert_int_equal(psti_bits(psti_flush(-0x1p-41f, -40)), 0); /* +0 */
    assert_int_equal(psti_bits(psti_flush(-0.0f, -80)), 0);
    assert_true(isnan(psti_flush(NAN, -80)));
}

static void noise_is_the_published_generator(void **unused) {
    (void)unused;
    psti_random r;
    psti_random_seed(&r, 0);
    /* The first two outputs of splitmix64 from 0, and of xoshiro256** so seeded. */
    assert_true(r.s[0] == 0xe220a8397b1dcdaf && r.s[1] == 0x6e789e6aa1b965f4);
    assert_true(psti_random_next(&r) == 0x99ec5f36cb75f2b4);
    assert_true(psti_random_next(&r) == 0xbf6e1f784956452a);
}

static void noise_has_its_distribution(void **unused) {
    (void)unused;
    psti_random r, copy;
    psti_random_seed(&r, 42);
    double sum = 0, squares = 0, fourth = 0, largest = 0;
    const int n = 200000;
    for (int i = 0; i < n; i++) {
        copy = r;
        double v = psti_random_normal(&r);
        double radius = sqrt(-2 * log(1 - psti_random_uniform(&copy)));
        double expect = radius * cos(6.283185307179586 * psti_random_uniform(&copy));
        assert_true(fabs(v - expect) < 1e-13);
        sum += v;
        squares += v * v;
        fourth += v * v * v * v;
        largest = fmax(largest, fabs(v));
    }
    assert_true(fabs(sum / n) < 0.01);
    assert_true(fabs(squares / n - 1) < 0.02);
    assert_true(fabs(fourth / n - 3) < 0.2);
    assert_true(largest > 4 && largest < 9);
    double low = 1, high = 0;
    for (int i = 0; i < n; i++) {
        double u = psti_random_uniform(&r);
        low = fmin(low, u);
        high = fmax(high, u);
    }
    assert_true(low >= 0 && low < 1e-3 && high < 1 && high > 0.999);
}

static void hash(void **unused) {
    (void)unused;
    assert_true(psti_hash("", 0) == 0x2d06800538d394c2); /* XXH3_64bits of nothing */
    assert_true(psti_hash("a", 1) != psti_hash("b", 1));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_f16),
        cmocka_unit_test(bf16),
        cmocka_unit_test(flush),
        cmocka_unit_test(noise_is_the_published_generator),
        cmocka_unit_test(noise_has_its_distribution),
        cmocka_unit_test(hash),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
