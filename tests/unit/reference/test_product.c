/* The reference's product against integer sums, which doubles hold exactly. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/number.h"
#include "reference/reference.h"

enum { MOST_ROWS = 5, MOST_COLUMNS = 130 };

static void every_width_is_summed_whole(void **unused) {
    (void)unused;
    psti_random random;
    psti_random_seed(&random, 11);
    for (size_t columns = 1; columns <= MOST_COLUMNS; columns++) {
        float w[MOST_ROWS * MOST_COLUMNS], b[MOST_ROWS];
        double v[MOST_COLUMNS + 1], out[MOST_ROWS + 1];
        for (size_t k = 0; k < MOST_ROWS * columns; k++)
            w[k] = (float)((int)(psti_random_next(&random) % 2001) - 1000);
        for (size_t k = 0; k < columns; k++)
            v[k] = (double)((int)(psti_random_next(&random) % 2001) - 1000);
        v[columns] = 1e300; /* one past the end must not be read */
        for (size_t k = 0; k < MOST_ROWS; k++)
            b[k] = (float)k - 2;
        for (int with_bias = 0; with_bias < 2; with_bias++) {
            out[MOST_ROWS] = -7;
            psti_reference_product(w, MOST_ROWS, columns, v, with_bias ? b : NULL, out);
            for (size_t row = 0; row < MOST_ROWS; row++) {
                int64_t sum = with_bias ? (int64_t)b[row] : 0;
                for (size_t k = 0; k < columns; k++)
                    sum += (int64_t)w[row * columns + k] * (int64_t)v[k];
                assert_true(out[row] == (double)sum);
            }
            assert_true(out[MOST_ROWS] == -7);
        }
    }
}

/* 1 + 2^-40 needs 41 bits: lost if any part of the sum were in single precision. */
static void nothing_is_single_precision(void **unused) {
    (void)unused;
    const float w[] = {1, 0x1p-40f}, b[] = {0x1p-45f};
    const double v[] = {1, 1};
    double out;
    psti_reference_product(w, 1, 2, v, b, &out);
    assert_true(out == 1 + 0x1p-40 + 0x1p-45);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_width_is_summed_whole),
        cmocka_unit_test(nothing_is_single_precision),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
