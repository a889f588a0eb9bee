/* What calibration changes in a program: rounding, scales, rests, features; and what is held back from it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "program/program.h"
#include "support/expect.h"
#include "support/model.h"
#include "support/sample.h"

enum { INPUTS = 24, STEPS = 600 };

static pst_model *model(void) {
    static const model_part parts[] = {MODEL_LSTM(40), MODEL_LSTM(40), MODEL_LINEAR(6)};
    return model_make(INPUTS, parts, 3, 3, 1);
}

/* Steps of a slow input whose features go together: 4 sources, each feature a mix of them and a little of its own. */
static float *slow_input(uint64_t seed, double rho, uint64_t steps) {
    model_noise noise = {seed}, mix = {7};
    float weight[INPUTS][4], source[4] = {0}, own[INPUTS] = {0};
    float *x = malloc(steps * INPUTS * sizeof *x);
    for (int i = 0; i < INPUTS; i++)
        for (int k = 0; k < 4; k++)
            weight[i][k] = model_normal(&mix);
    for (uint64_t t = 0; t < steps; t++) {
        for (int k = 0; k < 4; k++)
            source[k] = (float)(rho * source[k] + sqrt(1 - rho * rho) * model_normal(&noise));
        for (int i = 0; i < INPUTS; i++) {
            own[i] = (float)(rho * own[i] + sqrt(1 - rho * rho) * model_normal(&noise));
            x[t * INPUTS + i] = 0.2f * own[i];
            for (int k = 0; k < 4; k++)
                x[t * INPUTS + i] += weight[i][k] * source[k];
        }
    }
    return x;
}

static pst_program *compile(const pst_model *m, const char *format, const float *x, uint64_t steps, uint32_t flags) {
    pst_compile_options o;
    pst_program *p = NULL;
    PST_INIT(o);
    o.format = format;
    o.calibration = x;
    o.steps = steps;
    o.flags = flags;
    OK(pst_compile(m, &o, &p));
    return p;
}

/* The certificate over what `over` says; steps 0 if there is none. */
static pst_certificate certificate_over(const pst_program *p, const char *over) {
    pst_certificate c, none = {0};
    for (uint32_t i = 0;; i++) {
        PST_INIT(c);
        if (pst_program_get_certificate(p, i, &c) != PST_OK)
            return none;
        if (strcmp(c.over, over) == 0)
            return c;
    }
}

static uint64_t hash_of(const pst_program *p) {
    pst_info info;
    PST_INIT(info);
    OK(pst_program_get_info(p, &info));
    return info.hash;
}

/* ---- rounding -----------------------------------------------------------------------------------------------------
 */

static void test_less_error(void **unused) {
    (void)unused;
    static const struct {
        const char *format;
        double most; /* of the nearest's error, over held-back input; what was seen is well below */
    } cases[] = {{"w8a16", 0.9},  {"w8a8", 0.95}, {"w6a16", 0.7}, {"w4a8", 0.67},
                 {"w4a16", 0.67}, {"w3a8", 0.67}, {"w2a8", 0.8}};
    pst_model *m = model();
    float *x = slow_input(1, 0.8, STEPS);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i += sample_of(3)) {
        pst_program *nearest = compile(m, cases[i].format, x, STEPS, PST_COMPILE_NEAREST);
        pst_program *calibrated = compile(m, cases[i].format, x, STEPS, 0);
        double before = certificate_over(nearest, "held-back").rms,
               after = certificate_over(calibrated, "held-back").rms;
        if (!(after <= cases[i].most * before))
            fail_msg("%s: rms %g to nearest, %g calibrated", cases[i].format, before, after);
        pst_program_free(nearest);
        pst_program_free(calibrated);
    }
    free(x);
    pst_model_free(m);
}

static void test_same_again(void **unused) {
    (void)unused;
    pst_model *m = model();
    float *x = slow_input(1, 0.8, 200);
    pst_program *p = compile(m, "w4r", x, 200, 0), *again = compile(m, "w4r", x, 200, 0);
    pst_program *nearest = compile(m, "w4r", x, 200, PST_COMPILE_NEAREST);
    assert_true(hash_of(p) == hash_of(again));
    assert_true(hash_of(p) != hash_of(nearest));
    pst_program_free(p);
    pst_program_free(again);
    pst_program_free(nearest);
    free(x);
    pst_model_free(m);
}

/* ---- held-back input ----------------------------------------------------------------------------------------------
 */

/* Unasked: the last fifth of the sequences, or of the steps of each, or nothing. */
static void test_split(void **unused) {
    (void)unused;
    static const struct {
        uint64_t sequences, steps, held_sequences, held_steps, seen_sequences, seen_steps;
    } cases[] = {{1, 200, 1, 40, 1, 160}, {4, 100, 4, 20, 4, 80}, {5, 30, 1, 30, 4, 30},
                 {12, 10, 2, 10, 10, 10}, {1, 99, 0, 0, 1, 99},   {4, 40, 0, 0, 4, 40}};
    pst_model *m = model();
    float *x = slow_input(1, 0.8, STEPS);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        pst_compile_options o;
        pst_program *p = NULL;
        PST_INIT(o);
        o.format = "w4a8";
        o.calibration = x;
        o.sequences = cases[i].sequences;
        o.steps = cases[i].steps;
        OK(pst_compile(m, &o, &p));
        pst_certificate held = certificate_over(p, "held-back"), seen = certificate_over(p, "calibration");
        assert_int_equal(held.sequences, cases[i].held_sequences);
        assert_int_equal(held.steps, cases[i].held_steps);
        assert_int_equal(seen.sequences, cases[i].seen_sequences);
        assert_int_equal(seen.steps, cases[i].seen_steps);
        pst_program_free(p);
    }
    free(x);
    pst_model_free(m);
}

/* Nothing is chosen by it: whatever it is, the program is the same, and only its certificate another. */
static void test_held_back_is_not_used(void **unused) {
    (void)unused;
    pst_model *m = model();
    float *x = slow_input(1, 0.8, 200);
    static const char *const formats[] = {"w8a16", "w8a8", "w4a8", "w4r", "w8r"};
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i += sample_of(3)) {
        pst_program *p = compile(m, formats[i], x, 200, 0);
        float was = x[180 * INPUTS + 3];
        x[180 * INPUTS + 3] = 1e5f;
        pst_program *other = compile(m, formats[i], x, 200, 0);
        x[180 * INPUTS + 3] = was;
        assert_true(hash_of(p) == hash_of(other));
        assert_true(certificate_over(p, "calibration").rms == certificate_over(other, "calibration").rms);
        assert_true(certificate_over(p, "held-back").rms != certificate_over(other, "held-back").rms);
        pst_program_free(p);
        pst_program_free(other);
    }
    free(x);
    pst_model_free(m);
}

static void test_given_held_back(void **unused) {
    (void)unused;
    pst_model *m = model();
    float *x = slow_input(1, 0.8, 200), *held = slow_input(2, 0.8, 60);
    pst_compile_options o;
    pst_program *p = NULL;
    PST_INIT(o);
    o.format = "w4a8";
    o.calibration = x;
    o.steps = 200;
    o.held_back = held;
    o.held_back_steps = 30;
    o.held_back_sequences = 2;
    OK(pst_compile(m, &o, &p));
    assert_int_equal(certificate_over(p, "calibration").steps, 200); /* all of it */
    assert_int_equal(certificate_over(p, "held-back").steps, 30);
    assert_int_equal(certificate_over(p, "held-back").sequences, 2);
    double reached = certificate_over(p, "held-back").relative_rms,
           seen = certificate_over(p, "calibration").relative_rms;
    pst_program_free(p);
    p = NULL;

    /* a tolerance is held over both */
    o.tolerance = (reached > seen ? reached : seen) * (1 + 1e-9);
    OK(pst_compile(m, &o, &p));
    pst_program_free(p);
    p = NULL;
    o.tolerance = (reached + seen) / 2;
    FAILS(PST_E_TOLERANCE, pst_compile(m, &o, &p));
    SAYS(reached > seen ? "over held-back" : "over calibration");
    o.tolerance = 0;
    held[5 * INPUTS + 2] = NAN;
    FAILS(PST_E_NONFINITE, pst_compile(m, &o, &p));
    SAYS("held_back: sequence 0, step 5, feature 2");
    o.held_back_steps = 0;
    FAILS(PST_E_SHAPE, pst_compile(m, &o, &p));
    SAYS("held_back");
    o.held_back_steps = 30;
    o.calibration = NULL;
    FAILS(PST_E_ARGUMENT, pst_compile(m, &o, &p));
    SAYS("no calibration");
    assert_null(p);
    free(x);
    free(held);
    pst_model_free(m);
}

/* ---- rests --------------------------------------------------------------------------------------------------------
 */

static void test_rho(void **unused) {
    (void)unused;
    pst_model *m = model();
    pst_layer_info info;
    for (int slow = 0; slow < 2; slow++) {
        double rho = slow ? 0.9 : 0;
        float *x = slow_input(1, rho, STEPS);
        pst_program *p = compile(m, "w4r", x, STEPS, 0);
        PST_INIT(info);
        OK(pst_program_get_layer(p, 0, &info));
        if (!(fabs(info.rho - rho) < 0.08))
            fail_msg("lag-1 coefficient %g, found rho %g", rho, info.rho);
        assert_true(p->layers[0].mends && p->layers[1].mends);
        pst_program_free(p);
        free(x);
    }
    pst_program *p = compile(m, "w4r", NULL, 0, 0); /* without calibration nothing is foreseen, but c is mended */
    PST_INIT(info);
    OK(pst_program_get_layer(p, 0, &info));
    assert_true(info.rho == 0 && p->layers[0].mends);
    pst_program_free(p);
    pst_model_free(m);
}

/* Features of very different kinds: half of them hardly move, the others are new in every step and turn their sign. */
static void test_coefficients_of_their_own(void **unused) {
    (void)unused;
    pst_model *m = model();
    model_noise noise = {3};
    float *x = malloc(STEPS * INPUTS * sizeof *x), state[INPUTS] = {0};
    for (int t = 0; t < STEPS; t++)
        for (int i = 0; i < INPUTS; i++) {
            double rho = i % 2 ? 0.98 : -0.98;
            state[i] = (float)(rho * state[i] + sqrt(1 - rho * rho) * model_normal(&noise));
            x[t * INPUTS + i] = state[i];
        }
    pst_program *p = compile(m, "w4r", x, STEPS, 0);
    assert_false(p->layers[0].mends);
    assert_true(p->layers[0].rho == 1);
    assert_true(p->layers[1].mends);
    /* and it was worth it: the same with one coefficient for all would be about 0, and the error no less than that of
     * independent input */
    pst_program *coarse = compile(m, "w4a8", x, STEPS, 0);
    double with = certificate_over(p, "held-back").rms, without = certificate_over(coarse, "held-back").rms;
    if (!(with < 0.5 * without))
        fail_msg("rms %g with the rest, %g without", with, without);
    pst_program_free(coarse);
    pst_program_free(p);
    free(x);
    pst_model_free(m);
}

/* Input about a mean far from 0, of which what is foreseen of a rest must take nothing away. */
static void test_mean(void **unused) {
    (void)unused;
    pst_model *m = model();
    for (int slow = 0; slow < 2; slow++) {
        float *x = slow_input(1, slow ? 0.9 : 0, STEPS);
        for (int i = 0; i < STEPS * INPUTS; i++)
            x[i] = 0.2f * x[i] + (i % 3 ? 3.0f : -2.0f);
        static const char *const pairs[][2] = {{"w8a16", "w8r"}, {"w4a8", "w4r"}, {"w2a8", "w2r"}};
        for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
            if ((i + (size_t)slow) % sample_of(3))
                continue;
            pst_program *without = compile(m, pairs[i][0], x, STEPS, 0), *with = compile(m, pairs[i][1], x, STEPS, 0);
            double before = certificate_over(without, "held-back").rms, after = certificate_over(with, "held-back").rms;
            if (!(after <= 1.1 * before))
                fail_msg("%s: rms %g, %s: %g", pairs[i][0], before, pairs[i][1], after);
            assert_non_null(with->layers[0].rest_bias);
            pst_program_free(without);
            pst_program_free(with);
        }
        free(x);
    }
    pst_model_free(m);
}

/* ---- features of x ------------------------------------------------------------------------------------------------
 */

/* A feature 1,000 times smaller than the others, which the model listens to all the same. */
static void test_features(void **unused) {
    (void)unused;
    enum { N = 4, UNITS = 16 };
    float w_ih[4 * UNITS * N], w_hh[4 * UNITS * UNITS], *x = malloc(STEPS * N * sizeof *x);
    model_noise noise = {5};
    for (int i = 0; i < 4 * UNITS * N; i++)
        w_ih[i] = model_uniform(&noise, i % N == 2 ? 300 : 0.3);
    for (int i = 0; i < 4 * UNITS * UNITS; i++)
        w_hh[i] = model_uniform(&noise, 0.2);
    for (int i = 0; i < STEPS * N; i++)
        x[i] = model_normal(&noise) * (i % N == 2 ? 1e-3f : i % N == 3 ? 4 : 1);
    uint64_t ih[] = {4 * UNITS, N}, hh[] = {4 * UNITS, UNITS};
    pst_tensor tensor[] = {{sizeof *tensor, "weight_ih", PST_F32, 2, ih, w_ih},
                           {sizeof *tensor, "weight_hh", PST_F32, 2, hh, w_hh}};
    const pst_tensor *tensors[] = {&tensor[0], &tensor[1]};
    pst_layer layer;
    PST_INIT(layer);
    layer.kind = "lstm";
    layer.tensors = tensors;
    layer.tensor_count = 2;
    const pst_layer *layers[] = {&layer};
    pst_model *m = NULL;
    OK(pst_model_create(layers, 1, NULL, &m));
    static const struct {
        const char *format;
        double most;
    } cases[] = {{"w8a8", 0.02}, {"w8a16", 0.01}, {"w4r", 0.1}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        pst_program *p = compile(m, cases[i].format, x, STEPS, 0);
        const float *feature = p->layers[0].feature;
        assert_non_null(feature);
        assert_true(feature[2] == 1 && feature[0] <= 0x1p-8f && feature[3] < feature[0]);
        double reached = certificate_over(p, "held-back").relative_rms;
        if (!(reached < cases[i].most))
            fail_msg("%s: relative rms %g", cases[i].format, reached);
        pst_program_free(p);
    }
    pst_program *p = compile(m, "bf16", x, STEPS, 0); /* floats need none */
    assert_null(p->layers[0].feature);
    pst_program_free(p);
    p = compile(m, "w8a8", NULL, 0, 0); /* nor is anything known without calibration: the feature drowns */
    assert_null(p->layers[0].feature);
    pst_program_free(p);
    free(x);
    pst_model_free(m);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_less_error),
        cmocka_unit_test(test_same_again),
        cmocka_unit_test(test_split),
        cmocka_unit_test(test_held_back_is_not_used),
        cmocka_unit_test(test_given_held_back),
        cmocka_unit_test(test_rho),
        cmocka_unit_test(test_coefficients_of_their_own),
        cmocka_unit_test(test_features),
        cmocka_unit_test(test_mean),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
