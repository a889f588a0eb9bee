/* Certificates over inputs made to hurt, and errors of matrices. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "small.h"
#include "support/sample.h"

static pst_compile_options options(const char *format, const float *x) {
    pst_compile_options o;
    PST_INIT(o);
    o.format = format;
    o.calibration = x;
    o.steps = x ? STEPS : 0;
    return o;
}

static const char *const all[] = {"held-back", "step change", "after reset", "long run", "saturated",
                                  "spikes",    "zero",        "alternating", "tiny"};
enum { ALL = sizeof all / sizeof *all };

/* Every answer is finite, whatever comes in, and no further from the right one than the outputs can be from each other;
 * what is proved is no part of the program; it goes through a file. */
static void test_certificates(void **unused) {
    (void)unused;
    static const char *const formats[] = {"f32",  "bf16", "w8a16", "w8a8", "w6a16", "w4a16", "w4a8",
                                          "w3a8", "w2a8", "w8r",   "w6r",  "w4r",   "w3r",   "w2r"};
    pst_model *m = model();
    float *x = input(STEPS);
    for (size_t f = 0; f < sizeof formats / sizeof *formats; f += sample_of(3)) {
        pst_compile_options o = options(formats[f], x);
        pst_program *bare = NULL, *p = NULL;
        OK(pst_compile(m, &o, &bare));
        o.flags = PST_COMPILE_PROVE;
        OK(pst_compile(m, &o, &p));
        assert_true(hash_of(p) == hash_of(bare));
        for (uint32_t i = 0; i < ALL; i++) {
            pst_certificate c;
            PST_INIT(c);
            OK(pst_program_get_certificate(p, i + 1, &c));
            assert_string_equal(c.over, all[i]);
            if (!(c.max_abs <= 4) || !(c.rms <= c.max_abs)) /* a Linear of 20 units of h */
                fail_msg("%s, %s: max %g, rms %g", formats[f], all[i], c.max_abs, c.rms);
            if (strcmp(all[i], "long run") == 0) {
                assert_int_equal(c.steps * c.sequences, 10000);
                assert_true(c.drift > 0.3 && c.drift < 3); /* nothing drifts */
                assert_true(c.constant_rms > 0 && c.constant_max_abs >= c.constant_rms);
                assert_true(fabs(c.relative_rms - c.rms / c.constant_rms) < 1e-6 * c.relative_rms);
            }
        }
        pst_certificate c;
        PST_INIT(c);
        FAILS(PST_E_EMPTY, pst_program_get_certificate(p, ALL + 1, &c));
        pst_program_free(bare);
        pst_program_free(p);
    }
    free(x);
    pst_model_free(m);
}

/* A format with rests tells of steps and first steps unasked. */
static void test_of_rests(void **unused) {
    (void)unused;
    pst_model *m = model();
    float *x = input(STEPS);
    for (int rest = 0; rest < 2; rest++) {
        pst_compile_options o = options(rest ? "w4r" : "w4a8", x);
        pst_program *p = NULL;
        pst_certificate c;
        OK(pst_compile(m, &o, &p));
        PST_INIT(c);
        assert_int_equal(pst_program_get_certificate(p, 3, &c), rest ? PST_OK : PST_E_EMPTY);
        pst_program_free(p);
    }
    free(x);
    pst_model_free(m);
}

/* The error of a matrix is that of a program in which it alone is rounded. */
static void test_matrices(void **unused) {
    (void)unused;
    pst_model *m = model();
    float *x = input(STEPS);
    pst_compile_options o = options("w4a8", x);
    pst_program *p = NULL, *one = NULL;
    pst_matrix_info info;
    o.flags = PST_COMPILE_PROVE;
    OK(pst_compile(m, &o, &p));
    double shares = 0, squares = 0, first = 0;
    for (uint32_t layer = 0; layer < 3; layer++)
        for (uint32_t i = 0; i < (layer < 2 ? 2u : 1u); i++) {
            PST_INIT(info);
            OK(pst_program_get_matrix(p, layer, i, &info));
            assert_true(info.error > 0 && info.error_share > 0);
            shares += info.error_share;
            squares += info.error * info.error;
            first = layer || i ? first : info.error;
        }
    assert_true(fabs(shares - 1) < 1e-9);
    FAILS(PST_E_ARGUMENT, pst_program_get_matrix(p, 0, 2, &info));
    FAILS(PST_E_ARGUMENT, pst_program_get_matrix(p, 3, 0, &info));

    /* over held-back input, which that is */
    o = options("f32", x);
    o.layer_formats = "0=ih=w4a8,hh=f32";
    OK(pst_compile(m, &o, &one));
    pst_certificate c;
    PST_INIT(c);
    OK(pst_program_get_certificate(one, 1, &c));
    assert_string_equal(c.over, "held-back");
    assert_true(c.rms == first);
    /* nearly independent of each other: together they are about the whole */
    PST_INIT(c);
    OK(pst_program_get_certificate(p, 1, &c));
    assert_true(squares > 0.4 * c.rms * c.rms && squares < 2.5 * c.rms * c.rms);
    pst_program_free(one);
    pst_program_free(p);
    free(x);
    pst_model_free(m);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_certificates),
        cmocka_unit_test(test_of_rests),
        cmocka_unit_test(test_matrices),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
