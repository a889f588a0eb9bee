/* The certificate: over what it is made, that it is what a user would measure, tolerances, progress, cancelling. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/number.h"
#include "support/expect.h"
#include "support/model.h"
#include "support/sample.h"

enum { INPUTS = 10, OUTPUTS = 4 };

static const model_part parts[] = {MODEL_LSTM_STATE(37), MODEL_LSTM(20), MODEL_LINEAR(OUTPUTS)};

static pst_model *model(void) {
    return model_make(INPUTS, parts, 3, 11, 2);
}

static pst_certificate certificate_of(const pst_program *p) {
    pst_certificate c;
    PST_INIT(c);
    OK(pst_program_certificate(p, &c));
    return c;
}

static pst_program *compile(const pst_model *m, const pst_compile_options *o) {
    pst_program *p = NULL;
    OK(pst_compile(m, o, &p));
    return p;
}

/* ---- what it says -------------------------------------------------------------------------------------------------
 */

/* The same figures as running the program and comparing. */
static void measured_again(const pst_model *m, const pst_program *p, const float *x, uint64_t sequences, uint64_t steps,
                           uint64_t stride, const pst_certificate *c) {
    float *y = malloc(sequences * steps * OUTPUTS * sizeof *y);
    double *expect = malloc(sequences * steps * OUTPUTS * sizeof *expect);
    pst_certificate own;
    pst_engine *e = model_engine(p, NULL);
    pst_stream *s = model_stream(e);
    PST_INIT(own);
    for (uint64_t i = 0; i < sequences; i++) {
        OK(pst_stream_reset(s));
        OK(pst_run(s, x + i * stride * INPUTS, steps, y + i * steps * OUTPUTS));
        OK(pst_model_reference(m, x + i * stride * INPUTS, 1, steps, expect + i * steps * OUTPUTS));
    }
    OK(pst_compare(y, expect, sequences, steps, OUTPUTS, &own));
    assert_int_equal(c->steps, steps);
    assert_int_equal(c->sequences, sequences);
    assert_true(own.rms == c->rms);
    assert_true(own.max_abs == c->max_abs);
    assert_true(own.relative_rms == c->relative_rms);
    assert_true(own.rms > 0 && own.rms < 0.1);
    assert_int_equal(own.worst_output, c->worst_output);
    assert_int_equal(own.worst_step, c->worst_step);
    assert_int_equal(own.worst_sequence, c->worst_sequence);
    pst_stream_close(s);
    pst_engine_close(e);
    free(expect);
    free(y);
}

static void test_over_noise(void **unused) {
    (void)unused;
    enum { STEPS = 80 };
    pst_model *m = model();
    for (int f = 0; f < MODEL_FORMATS; f++) {
        float x[STEPS * INPUTS];
        psti_random random;
        pst_compile_options o;
        PST_INIT(o);
        o.format = model_formats[f];
        o.certificate_steps = STEPS;
        o.seed = 4711;
        pst_program *p = compile(m, &o), *again = compile(m, &o);
        pst_certificate c = certificate_of(p), second = certificate_of(again);
        assert_int_equal(c.seed, 4711);
        assert_int_equal(c.from_caller, 0);
        assert_memory_equal(&c, &second, sizeof c);
        psti_random_seed(&random, 4711);
        for (size_t i = 0; i < STEPS * INPUTS; i++)
            x[i] = (float)psti_random_normal(&random);
        measured_again(m, p, x, 1, STEPS, STEPS, &c);
        pst_program_free(again);
        pst_program_free(p);
    }
    pst_model_free(m);
}

/* Without a seed there is a fixed one, and it is said; another seed gives another figure of the same program. */
static void test_seed(void **unused) {
    (void)unused;
    pst_model *m = model();
    pst_compile_options o;
    pst_info info[3];
    pst_certificate c[3];
    for (uint64_t i = 0; i < 3; i++) {
        PST_INIT(o);
        PST_INIT(info[i]);
        o.certificate_steps = 30;
        o.seed = i == 2 ? 5 : 0;
        pst_program *p = compile(m, i ? &o : NULL);
        if (!i) {
            pst_program_free(p);
            p = compile(m, &o);
        }
        c[i] = certificate_of(p);
        OK(pst_program_get_info(p, &info[i]));
        assert_string_equal(info[i].format, "bf16"); /* the default */
        pst_program_free(p);
    }
    assert_true(c[0].seed != 0);
    assert_memory_equal(&c[0], &c[1], sizeof c[0]);
    assert_int_equal(c[2].seed, 5);
    assert_true(c[2].rms != c[0].rms);
    assert_true(info[2].hash == info[0].hash); /* the certificate is no part of what the program is */
    pst_model_free(m);
}

static void test_over_calibration(void **unused) {
    (void)unused;
    enum { SEQUENCES = 3, STEPS = 40 };
    pst_model *m = model();
    float *x = model_normals(8, (size_t)SEQUENCES * STEPS * INPUTS);
    for (int f = 0; f < MODEL_FORMATS; f++)
        for (uint64_t most = 25; most <= 100; most += 75) {
            pst_compile_options o;
            PST_INIT(o);
            o.format = model_formats[f];
            o.calibration = x;
            o.sequences = SEQUENCES;
            o.steps = STEPS;
            o.certificate_steps = most; /* of each sequence */
            o.seed = 99;
            pst_program *p = compile(m, &o);
            pst_certificate c = certificate_of(p);
            assert_int_equal(c.from_caller, 1);
            assert_int_equal(c.seed, 0);
            measured_again(m, p, x, SEQUENCES, most < STEPS ? most : STEPS, STEPS, &c);
            pst_program_free(p);
        }
    pst_compile_options o;
    PST_INIT(o);
    o.calibration = x;
    o.steps = STEPS; /* sequences 0: one */
    pst_program *p = compile(m, &o);
    pst_certificate c = certificate_of(p);
    measured_again(m, p, x, 1, STEPS, STEPS, &c);
    pst_program_free(p);
    free(x);
    pst_model_free(m);
}

/* By default as many steps as 2e9 multiply-adds of the reference allow, from 64 to 1,000. */
static void test_default_steps(void **unused) {
    (void)unused;
    static const model_part small[] = {MODEL_LSTM(2)}, large[] = {MODEL_LSTM(1000)};
    pst_info info;
    pst_model *m = model_make(2, small, 1, 1, 1);
    pst_program *p = compile(m, NULL);
    assert_int_equal(certificate_of(p).steps, 1000);
    pst_program_free(p);
    pst_model_free(m);
    if (sample_of(2) > 1) /* 2e9 multiply-adds take up to a minute there */
        return;
    m = model_make(40, large, 1, 1, 1);
    PST_INIT(info);
    OK(pst_model_get_info(m, &info));
    p = compile(m, NULL);
    pst_certificate c = certificate_of(p);
    assert_true((double)c.steps * (double)info.parameters <= 2e9);
    assert_true((double)(c.steps + 1) * (double)info.parameters >= 2e9 * 0.99);
    pst_program_free(p);
    pst_model_free(m);
}

static void test_uncertified(void **unused) {
    (void)unused;
    pst_model *m = model();
    pst_compile_options o;
    pst_certificate c;
    PST_INIT(o);
    PST_INIT(c);
    o.flags = PST_COMPILE_UNCERTIFIED;
    pst_program *p = compile(m, &o);
    FAILS(PST_E_EMPTY, pst_program_certificate(p, &c));
    pst_program_free(p);
    p = NULL;
    o.tolerance = 0.1; /* cannot be held */
    FAILS(PST_E_ARGUMENT, pst_compile(m, &o, &p));
    assert_null(p);
    pst_model_free(m);
}

/* ---- tolerance ----------------------------------------------------------------------------------------------------
 */

static void test_tolerance(void **unused) {
    (void)unused;
    pst_model *m = model();
    for (int f = 0; f < MODEL_FORMATS; f++) {
        pst_compile_options o;
        pst_program *p = NULL;
        char figure[32];
        PST_INIT(o);
        o.format = model_formats[f];
        o.certificate_steps = 40;
        pst_program *first = compile(m, &o);
        pst_certificate c = certificate_of(first);
        pst_program_free(first);

        o.tolerance = c.relative_rms; /* just reached */
        o.tolerance_abs = c.max_abs;
        pst_program_free(compile(m, &o));

        o.tolerance = c.relative_rms * (1 - 1e-12);
        FAILS(PST_E_TOLERANCE, pst_compile(m, &o, &p));
        snprintf(figure, sizeof figure, "%g", c.relative_rms);
        SAYS(figure);
        SAYS("relative rms");
        assert_string_equal(expect_error().field, "relative_rms");

        o.tolerance = 0;
        o.tolerance_abs = c.max_abs * (1 - 1e-12);
        FAILS(PST_E_TOLERANCE, pst_compile(m, &o, &p));
        snprintf(figure, sizeof figure, "%g", c.max_abs);
        SAYS(figure);
        SAYS("absolute");
        assert_string_equal(expect_error().field, "max_abs");
        assert_null(p);

        o.tolerance_abs = -1;
        FAILS(PST_E_ARGUMENT, pst_compile(m, &o, &p));
        o.tolerance_abs = 0;
        o.tolerance = (double)NAN;
        FAILS(PST_E_ARGUMENT, pst_compile(m, &o, &p));
        assert_null(p);
    }
    pst_model_free(m);
}

/* An answer that never moves has no relative error: a relative tolerance fails and says why, an absolute one holds. */
static void test_tolerance_of_constant(void **unused) {
    (void)unused;
    static const model_part constant[] = {MODEL_LSTM(8), MODEL_LINEAR(1), MODEL_SOFTMAX}; /* of one feature: 1 */
    pst_model *m = model_make(3, constant, 3, 1, 1);
    pst_compile_options o;
    pst_program *p = NULL;
    PST_INIT(o);
    o.certificate_steps = 10;
    o.tolerance = 0.5;
    FAILS(PST_E_TOLERANCE, pst_compile(m, &o, &p));
    SAYS("constant");
    assert_null(p);
    o.tolerance = 0;
    o.tolerance_abs = 1e-6;
    p = compile(m, &o);
    pst_certificate c = certificate_of(p);
    assert_true(isnan(c.relative_rms));
    assert_true(c.max_abs == 0);
    pst_program_free(p);
    pst_model_free(m);
}

/* ---- progress -----------------------------------------------------------------------------------------------------
 */

typedef struct {
    int calls, stop_at, wrong;
    double last;
    char stage[64];
} watcher;

static int watch(void *user, double done, const char *stage) {
    watcher *w = user;
    w->wrong |= !(done >= w->last && done <= 1) || !stage || !*stage;
    w->last = done;
    snprintf(w->stage, sizeof w->stage, "%s", stage ? stage : "");
    return ++w->calls == w->stop_at;
}

static void test_progress(void **unused) {
    (void)unused;
    pst_model *m = model();
    float *x = model_normals(8, 3 * 50 * INPUTS);
    for (int f = 0; f < MODEL_FORMATS; f++)
        for (int how = 0; how < 4; how++) {
            if ((unsigned)(f + how) % sample_of(3))
                continue;
            watcher all = {0};
            pst_compile_options o;
            PST_INIT(o);
            o.format = model_formats[f];
            o.certificate_steps = 50;
            o.flags = how & 1 ? PST_COMPILE_UNCERTIFIED : 0;
            o.calibration = how & 2 ? x : NULL;
            o.steps = 50;
            o.sequences = 3;
            o.progress = watch;
            o.user = &all;
            pst_program_free(compile(m, &o));
            assert_true(all.calls > 2);
            assert_true(all.last == 1);
            if (all.wrong)
                fail_msg("%s, %d: progress goes back or leaves [0, 1]", model_formats[f], how);
            for (int stop = 1; stop <= all.calls; stop++) { /* cancelled at each call */
                watcher w = {.stop_at = stop};
                pst_program *p = NULL;
                o.user = &w;
                FAILS(PST_E_CANCELLED, pst_compile(m, &o, &p));
                SAYS(w.stage);
                assert_null(p);
                assert_int_equal(w.calls, stop);
            }
        }
    free(x);
    pst_model_free(m);
}

/* ---- refused ------------------------------------------------------------------------------------------------------
 */

static void test_refused(void **unused) {
    (void)unused;
    pst_model *m = model();
    float *x = model_normals(8, 20 * INPUTS);
    pst_program *p = NULL;
    pst_compile_options o;
    PST_INIT(o);
    FAILS(PST_E_ARGUMENT, pst_compile(NULL, &o, &p));
    FAILS(PST_E_ARGUMENT, pst_compile(m, &o, NULL));
    o.format = "w5a8";
    FAILS(PST_E_ARGUMENT, pst_compile(m, &o, &p));
    SAYS("w5a8");
    SAYS("f32, bf16, w8a16, w8a8");
    PST_INIT(o);
    o.flags = 8;
    FAILS(PST_E_ARGUMENT, pst_compile(m, &o, &p));
    PST_INIT(o);
    o.calibration = x;
    FAILS(PST_E_SHAPE, pst_compile(m, &o, &p));
    PST_INIT(o);
    o.level = "fastest";
    FAILS(PST_E_ARGUMENT, pst_compile(m, &o, &p));
    for (int bad = 0; bad < 3; bad++) {
        PST_INIT(o);
        o.calibration = x;
        o.steps = 10;
        o.sequences = 2;
        x[(10 + 7) * INPUTS + 3] = bad == 0 ? NAN : bad == 1 ? -INFINITY : 1e30f;
        FAILS(PST_E_NONFINITE, pst_compile(m, &o, &p));
        SAYS("sequence 1, step 7, feature 3");
    }
    assert_null(p);
    free(x);
    pst_model_free(m);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_over_noise),
        cmocka_unit_test(test_seed),
        cmocka_unit_test(test_over_calibration),
        cmocka_unit_test(test_default_steps),
        cmocka_unit_test(test_uncertified),
        cmocka_unit_test(test_tolerance),
        cmocka_unit_test(test_tolerance_of_constant),
        cmocka_unit_test(test_progress),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
