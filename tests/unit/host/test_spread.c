/* host/spread: exact where it promises to be, and within a class everywhere else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "host/spread.h"

static void nothing(void **unused) {
    (void)unused;
    psti_spread s = {0};
    assert_true(psti_spread_at(&s, 0.5) == 0 && psti_spread_at(&s, 1) == 0 && psti_spread_mean(&s) == 0);
}

/* Below 128 every value has its own class. */
static void small_values_are_exact(void **unused) {
    (void)unused;
    psti_spread s = {0};
    for (uint64_t v = 0; v < 100; v++)
        psti_spread_add(&s, v);
    assert_int_equal(s.count, 100);
    assert_int_equal(s.largest, 99);
    assert_true(psti_spread_at(&s, 0.01) == 0 && psti_spread_at(&s, 0.5) == 49);
    assert_true(psti_spread_at(&s, 0.99) == 98 && psti_spread_at(&s, 1) == 99);
    assert_true(psti_spread_mean(&s) == 49.5);
}

static void every_value_is_near_its_class(void **unused) {
    (void)unused;
    for (uint64_t v = 1; v < (uint64_t)1 << 36; v += v / 37 + 1) {
        for (int also_larger = 0; also_larger < 2; also_larger++) {
            psti_spread s = {0};
            psti_spread_add(&s, v);
            if (also_larger) /* so that the largest does not help */
                psti_spread_add(&s, 4 * v);
            assert_true(fabs(psti_spread_at(&s, 0.5) - (double)v) <= (double)v / 128);
        }
    }
}

static void the_largest_is_exact(void **unused) {
    (void)unused;
    const uint64_t values[] = {1000003, ((uint64_t)1 << 36) - 1, (uint64_t)1 << 36, (uint64_t)1 << 62};
    for (size_t i = 0; i < 4; i++) {
        psti_spread s = {0};
        psti_spread_add(&s, 5);
        psti_spread_add(&s, values[i]);
        assert_int_equal(s.largest, values[i]);
        double at = psti_spread_at(&s, 1);
        assert_true(at <= (double)values[i] && at >= (double)values[i] * (1 - 1.0 / 64));
        assert_true(psti_spread_at(&s, 0.5) == 5);
    }
}

static void quantiles_ascend(void **unused) {
    (void)unused;
    psti_spread s = {0};
    uint64_t v = 1;
    for (int i = 0; i < 5000; i++) {
        v = v * 6364136223846793005u + 1442695040888963407u;
        psti_spread_add(&s, v >> (20 + i % 40));
    }
    double before = 0;
    for (int i = 0; i <= 1000; i++) {
        double now = psti_spread_at(&s, i / 1000.0);
        assert_true(now >= before);
        before = now;
    }
    assert_true(before <= (double)s.largest);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing),
        cmocka_unit_test(small_values_are_exact),
        cmocka_unit_test(every_value_is_near_its_class),
        cmocka_unit_test(the_largest_is_exact),
        cmocka_unit_test(quantiles_ascend),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
