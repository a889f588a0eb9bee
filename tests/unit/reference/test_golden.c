/* The float64 reference against PyTorch's float64 answers, from the same fp32 weights. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>

#include "support/golden.h"

/* Both sides round float64 sums of at most a few hundred terms over at most 1,000 steps: some 1e-15 is seen. A model
 * read or understood wrongly is off by 1e-3 and more. */
#define TOLERANCE 1e-12

static int compare(const golden *g, void *user) {
    double *worst = user, *y = malloc(g->y.count * sizeof *y), error = 0;
    if (!y || pst_model_reference(g->model, g->x.f32, g->sequences, g->steps, y)) {
        free(y);
        return golden_fail(g, "pst_model_reference failed");
    }
    for (size_t k = 0; k < g->y.count; k++) {
        double here = fabs(y[k] - g->y.f64[k]) / fmax(1, fabs(g->y.f64[k]));
        error = isnan(here) ? INFINITY : fmax(error, here);
    }
    free(y);
    *worst = fmax(*worst, error);
    if (!(error <= TOLERANCE)) {
        fprintf(stderr, "golden %s: error %g, at most %g allowed\n", g->name, error, TOLERANCE);
        return -1;
    }
    return 0;
}

static void reference_is_pytorch(void **unused) {
    (void)unused;
    double worst = 0;
    int count = golden_each(compare, &worst);
    assert_true(count > 0);
    print_message("%d cases, largest error %.2g\n", count, worst);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(reference_is_pytorch)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
