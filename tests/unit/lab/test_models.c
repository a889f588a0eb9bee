/* Models by name: their sizes, the distribution of their weights, and that a seed means the same model again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lab/models.h"
#include "lab/noise.h"

/* Of the seed's page and of the shapes' definitions, added up by hand from 4 H (n + H + 2) and out (n + 1). */
static void sizes(void **unused) {
    (void)unused;
    static const struct {
        const char *name;
        uint32_t inputs, outputs, layers;
        uint64_t parameters;
    } expect[] = {
        {"tiny", 128, 32, 3, 268320},      {"small", 256, 32, 4, 1587232}, {"med", 480, 32, 4, 5556512},
        {"med_deep", 320, 32, 7, 4940832}, {"stac_a", 100, 1, 3, 161701},  {"stac_b", 250, 1, 4, 1005001},
    };
    for (size_t i = 0; i < sizeof expect / sizeof *expect; i++) {
        pst_model *model = NULL;
        pst_info info;
        PST_INIT(info);
        assert_int_equal(lab_model_create(lab_shape_find(expect[i].name), 1, &model), 0);
        assert_int_equal(pst_model_get_info(model, &info), PST_OK);
        assert_int_equal(info.inputs, expect[i].inputs);
        assert_int_equal(info.outputs, expect[i].outputs);
        assert_int_equal(info.layers, expect[i].layers);
        assert_int_equal(info.parameters, expect[i].parameters);
        pst_model_free(model);
    }
    assert_null(lab_shape_find("tony"));
}

static void answers(uint64_t seed, double y[32]) {
    const lab_shape least = {"least", 2, 8, 8, 4};
    pst_model *model = NULL;
    float x[8 * 8];
    for (int i = 0; i < 64; i++)
        x[i] = (float)(i % 7) - 3;
    assert_int_equal(lab_model_create(&least, seed, &model), 0);
    assert_int_equal(pst_model_reference(model, x, 1, 8, y), PST_OK);
    pst_model_free(model);
}

static void a_seed_is_a_model(void **unused) {
    (void)unused;
    double one[32], again[32], other[32];
    answers(1, one);
    answers(1, again);
    answers(2, other);
    assert_memory_equal(one, again, sizeof one);
    assert_memory_not_equal(one, other, sizeof one);
}

static void noise(void **unused) {
    (void)unused;
    enum { N = 100001 };
    float *v = malloc(N * sizeof *v);
    double sum = 0, squares = 0, fourths = 0, least = 1, most = -1;
    lab_noise n;
    assert_non_null(v);
    lab_noise_seed(&n, 7, LAB_NOISE_WEIGHTS);
    lab_noise_uniform(&n, 0.25, v, N);
    for (int i = 0; i < N; i++) {
        sum += v[i];
        squares += (double)v[i] * v[i];
        least = fmin(least, v[i]);
        most = fmax(most, v[i]);
    }
    assert_true(least >= -0.25 && least < -0.2499 && most <= 0.25 && most > 0.2499);
    assert_true(fabs(sum / N) < 0.002);
    assert_true(fabs(squares / N - 0.25 * 0.25 / 3) < 2e-4);
    sum = squares = 0;
    lab_noise_seed(&n, 7, LAB_NOISE_INPUTS);
    lab_noise_normal(&n, v, N);
    for (int i = 0; i < N; i++) {
        sum += v[i];
        squares += (double)v[i] * v[i];
        fourths += pow(v[i], 4);
    }
    /* five standard deviations of each mean */
    assert_true(fabs(sum / N) < 5 / sqrt(N));
    assert_true(fabs(squares / N - 1) < 5 * sqrt(2.0 / N));
    assert_true(fabs(fourths / N - 3) < 5 * sqrt(96.0 / N));
    free(v);
}

static void purposes_differ(void **unused) {
    (void)unused;
    float a[64], b[64];
    lab_noise n;
    lab_noise_seed(&n, 1, LAB_NOISE_INPUTS);
    lab_noise_normal(&n, a, 64);
    lab_noise_seed(&n, 1, LAB_NOISE_CALIBRATION);
    lab_noise_normal(&n, b, 64);
    for (int i = 0; i < 64; i++)
        assert_true(a[i] != b[i]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes),
        cmocka_unit_test(a_seed_is_a_model),
        cmocka_unit_test(noise),
        cmocka_unit_test(purposes_differ),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
