/* The histogram against sorted samples, and its classes against their promise. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lab/histogram.h"

static lab_histogram h;

static int empty(void **unused) {
    (void)unused;
    memset(&h, 0, sizeof h);
    return 0;
}

static void classes_have_no_holes(void **unused) {
    (void)unused;
    assert_int_equal(lab_class_first(0), 0);
    for (uint32_t i = 0; i + 1 < LAB_HISTOGRAM_CLASSES; i++) {
        uint64_t first = lab_class_first(i), last = lab_class_last(i);
        assert_true(first <= last && lab_class_first(i + 1) == last + 1);
        assert_int_equal(lab_class_of(first), i);
        assert_int_equal(lab_class_of(last), i);
        assert_true((double)(last - first + 1) <= fmax(1, 0.005 * (double)first));
    }
    assert_int_equal(lab_class_of(UINT64_MAX), LAB_HISTOGRAM_CLASSES - 1);
    assert_true(lab_class_last(LAB_HISTOGRAM_CLASSES - 1) == UINT64_MAX);
}

static int ascending(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static void percentiles_are_those_of_the_sorted_samples(void **unused) {
    (void)unused;
    enum { N = 20000 };
    static uint64_t values[N];
    uint64_t state = 88172645463325252u;
    double sum = 0;
    for (int i = 0; i < N; i++) {
        state ^= state << 13, state ^= state >> 7, state ^= state << 17;
        /* mostly about 5,000, some up to thousands of times that, as latencies are */
        values[i] = 4000 + state % 2000 + (i % 100 ? 0 : state % 20000000);
        lab_histogram_add(&h, values[i]);
        sum += (double)values[i];
    }
    qsort(values, N, sizeof *values, ascending);
    const double q[] = {0.001, 0.01, 0.25, 0.5, 0.9, 0.99, 0.999};
    for (size_t k = 0; k < sizeof q / sizeof *q; k++) {
        double exact = (double)values[(int)ceil(q[k] * N) - 1], found = (double)lab_histogram_at(&h, q[k]);
        assert_true(fabs(found - exact) <= 0.004 * exact);
    }
    assert_true(lab_histogram_at(&h, 1) == values[N - 1]);
    assert_true(lab_histogram_at(&h, 0) >= values[0]);
    assert_true(fabs(lab_histogram_mean(&h) - sum / N) < 1e-6 * sum / N);
}

static void the_share_above(void **unused) {
    (void)unused;
    for (int i = 0; i < 90; i++)
        lab_histogram_add(&h, 100);
    for (int i = 0; i < 10; i++)
        lab_histogram_add(&h, 1000000);
    assert_true(lab_histogram_above(&h, 101) == 0.1);
    assert_true(lab_histogram_above(&h, 100) == 1); /* a class of its own: [100, 101) lies at or above 100 */
    assert_true(lab_histogram_above(&h, 0) == 1);
    assert_true(lab_histogram_above(&h, 5e6) == 0);
    double within = lab_histogram_above(&h, 1000000);
    assert_true(within > 0 && within < 0.1); /* part of the class of 1,000,000 */
}

static void one_slow_sample_is_the_largest(void **unused) {
    (void)unused;
    for (int i = 0; i < 49999; i++)
        lab_histogram_add(&h, 3000);
    lab_histogram_add(&h, 123456789);
    assert_true(lab_histogram_at(&h, 0.5) >= 3000 && lab_histogram_at(&h, 0.5) < 3012);
    assert_true(lab_histogram_at(&h, 0.999) < 3020);
    assert_true(lab_histogram_at(&h, 1) == 123456789);
}

static void nothing(void **unused) {
    (void)unused;
    assert_true(lab_histogram_at(&h, 0.5) == 0 && lab_histogram_mean(&h) == 0 && lab_histogram_above(&h, 1) == 0);
    lab_histogram_add(&h, 0);
    lab_histogram_add(&h, UINT64_MAX);
    assert_true(h.least == 0 && h.largest == UINT64_MAX && lab_histogram_at(&h, 1) == UINT64_MAX);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(classes_have_no_holes),
        cmocka_unit_test_setup(percentiles_are_those_of_the_sorted_samples, empty),
        cmocka_unit_test_setup(the_share_above, empty),
        cmocka_unit_test_setup(one_slow_sample_is_the_largest, empty),
        cmocka_unit_test_setup(nothing, empty),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
