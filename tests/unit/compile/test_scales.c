/* The static scale of h: 1 without calibration; with it the least 2^k, k <= 0, that is at least 4 times the largest |h|
 * seen, h0 included. And what a program says of its layers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support/expect.h"
#include "support/model.h"

enum { INPUTS = 6 };

/* Two lstm layers of one unit whose h is as large as wanted: bias g decides, the other gates are open, c0 is 0. */
static pst_model *model_of_size(double h, const float *h0) {
    double c = atanh(h); /* h = tanh(c), c = tanh(g) with open gates: in the first step */
    float bias[] = {100, -100, (float)atanh(c), 100}, zeros[4 * INPUTS] = {0}, one[] = {1};
    uint64_t ih[] = {4, INPUTS}, hh[] = {4, 1}, b[] = {4}, state[] = {1};
    pst_tensor tensor[] = {{sizeof *tensor, "weight_ih", PST_F32, 2, ih, zeros},
                           {sizeof *tensor, "weight_hh", PST_F32, 2, hh, zeros},
                           {sizeof *tensor, "bias_ih", PST_F32, 1, b, bias},
                           {sizeof *tensor, "h0", PST_F32, 1, state, h0 ? h0 : one}};
    const pst_tensor *tensors[] = {&tensor[0], &tensor[1], &tensor[2], &tensor[3]};
    uint64_t next[] = {4, 1};
    pst_tensor above = {sizeof above, "weight_ih", PST_F32, 2, next, one};
    above.data = zeros;
    const pst_tensor *second[] = {&above, &tensor[1], &tensor[2]};
    pst_layer layer[2];
    PST_INIT(layer[0]);
    PST_INIT(layer[1]);
    layer[0].kind = layer[1].kind = "lstm";
    layer[0].tensors = tensors;
    layer[0].tensor_count = h0 ? 4 : 3;
    layer[1].tensors = second;
    layer[1].tensor_count = 3;
    const pst_layer *layers[] = {&layer[0], &layer[1]};
    pst_model *m = NULL;
    OK(pst_model_create(layers, 2, NULL, &m));
    return m;
}

static double scale_of(const pst_model *m, const char *format, const float *x, uint64_t steps, uint32_t layer) {
    pst_compile_options o;
    pst_layer_info info;
    pst_program *p = NULL;
    PST_INIT(o);
    PST_INIT(info);
    o.format = format;
    o.calibration = x;
    o.steps = steps;
    OK(pst_compile(m, &o, &p));
    OK(pst_program_get_layer(p, layer, &info));
    pst_program_free(p);
    return info.h_scale;
}

static void test_least_power(void **unused) {
    (void)unused;
    static const struct {
        double h, scale;
    } cases[] = {{0.74, 1},       {0.26, 1},       {0.2501, 1},    {0.2499, 1},     {0.126, 1},
                 {0.1249, 0.5},   {0.06251, 0.5},  {0.0624, 0.25}, {0.0157, 0.125}, {0.0155, 0.0625},
                 {1e-5, 0x1p-14}, {1e-9, 0x1p-27}, {0, 1}}; /* silence says nothing of h */
    float x[3 * INPUTS] = {0};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        pst_model *m = model_of_size(cases[i].h, NULL);
        for (int f = 0; f < MODEL_FORMATS; f++)
            for (uint32_t layer = 0; layer < 2; layer++) {
                int integer = model_formats[f][0] == 'w';
                double found = scale_of(m, model_formats[f], x, 3, layer);
                if (found != (integer ? cases[i].scale : 0))
                    fail_msg("largest h %g, %s: scale %g, expected %g", cases[i].h, model_formats[f], found,
                             integer ? cases[i].scale : 0);
                assert_true(scale_of(m, model_formats[f], NULL, 0, layer) == (integer ? 1 : 0));
            }
        pst_model_free(m);
    }
}

/* h0 counts, though no step puts it out. */
static void test_initial_counts(void **unused) {
    (void)unused;
    float x[3 * INPUTS] = {0}, h0 = -0.3f;
    pst_model *m = model_of_size(0.001, &h0);
    assert_true(scale_of(m, "w8a8", x, 3, 0) == 1);
    assert_true(scale_of(m, "w8a8", x, 3, 1) == 0x1p-7);
    pst_model_free(m);
    h0 = 0.125f; /* exactly held by 0.5 */
    m = model_of_size(0.001, &h0);
    assert_true(scale_of(m, "w8a16", x, 3, 0) == 0.5);
    pst_model_free(m);
    h0 = 0.1f;
    m = model_of_size(0.001, &h0);
    assert_true(scale_of(m, "w8a8", x, 3, 0) == 0.5);
    pst_model_free(m);
    h0 = 1.5f; /* more than any scale of h holds: only the integer formats refuse it */
    m = model_of_size(0.001, &h0);
    for (int f = 0; f < MODEL_FORMATS; f++) {
        pst_compile_options o;
        pst_program *p = NULL;
        PST_INIT(o);
        o.format = model_formats[f];
        if (model_formats[f][0] == 'w') {
            FAILS(PST_E_NONFINITE, pst_compile(m, &o, &p));
            SAYS("layer 0");
            SAYS("unit 0");
        } else {
            OK(pst_compile(m, &o, &p));
        }
        pst_program_free(p);
    }
    pst_model_free(m);
}

/* The scales are taken with and without a certificate, and are the same. */
static void test_uncertified_scales(void **unused) {
    (void)unused;
    static const model_part parts[] = {MODEL_LSTM(20), MODEL_LSTM_STATE(12), MODEL_LINEAR(3)};
    pst_model *m = model_make(INPUTS, parts, 3, 5, 0.2);
    float *x = model_normals(3, 40 * INPUTS);
    pst_info info[2];
    for (int certified = 0; certified < 2; certified++) {
        pst_compile_options o;
        pst_program *p = NULL;
        PST_INIT(o);
        PST_INIT(info[certified]);
        o.format = "w8a8";
        o.calibration = x;
        o.steps = 40;
        o.flags = certified ? 0 : PST_COMPILE_UNCERTIFIED;
        OK(pst_compile(m, &o, &p));
        OK(pst_program_get_info(p, &info[certified]));
        pst_program_free(p);
    }
    assert_true(info[0].hash == info[1].hash);
    free(x);
    pst_model_free(m);
}

/* Encodings by role, and the bytes of each half. stac_a: at most 4 % of them padding. */
static void test_layer_info(void **unused) {
    (void)unused;
    static const model_part stac_a[] = {MODEL_LSTM(100), MODEL_LSTM(100), MODEL_LINEAR(1)};
    pst_model *m = model_make(100, stac_a, 3, 1, 1);
    for (int f = 0; f < MODEL_FORMATS; f++) {
        pst_program *p = model_program(m, model_formats[f]);
        pst_info info;
        uint64_t critical = 0, settle = 0, padding = 0, weight = f == 0 ? 4 : f == 1 ? 2 : 1, scales = f > 1 ? 4 : 0;
        PST_INIT(info);
        OK(pst_program_get_info(p, &info));
        for (uint32_t i = 0; i < 3; i++) {
            pst_layer_info layer;
            PST_INIT(layer);
            OK(pst_program_get_layer(p, i, &layer));
            assert_string_equal(layer.kind, i < 2 ? "lstm" : "linear");
            assert_string_equal(layer.input_encoding, i == 2 && f == 3 ? "w8a16" : model_formats[f]);
            if (i < 2) {
                assert_string_equal(layer.recurrent_encoding, model_formats[f]);
                assert_int_equal(layer.critical_bytes, 400 * (100 * weight + scales));
                assert_int_equal(layer.settle_bytes, 400 * (100 * weight + scales + 4)); /* and the bias */
                assert_int_equal(layer.padding_bytes, 0);
            } else {
                assert_null(layer.recurrent_encoding);
                assert_int_equal(layer.settle_bytes, 0);
                assert_int_equal(layer.critical_bytes, 16 * (100 * weight + scales + 4));
                assert_int_equal(layer.padding_bytes, 15 * 100 * weight);
            }
            critical += layer.critical_bytes;
            settle += layer.settle_bytes;
            padding += layer.padding_bytes;
        }
        assert_int_equal(info.critical_bytes, critical);
        assert_int_equal(info.settle_bytes, settle);
        assert_int_equal(info.padding_bytes, padding);
        assert_true(100 * padding <= 4 * (critical + settle));
        pst_program_free(p);
    }
    pst_model_free(m);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_least_power),
        cmocka_unit_test(test_initial_counts),
        cmocka_unit_test(test_uncertified_scales),
        cmocka_unit_test(test_layer_info),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
