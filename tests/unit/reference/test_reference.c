/* The reference on models small enough to work out by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <string.h>

#include "reference/reference.h"

static int near(double a, double b) {
    return fabs(a - b) <= 1e-15 * (1 + fabs(b));
}

static double sigmoid(double v) {
    return 1 / (1 + exp(-v));
}

static pst_model model_of(psti_layer *layers, uint32_t count) {
    return (pst_model){
        .count = count, .layers = layers, .inputs = layers[0].inputs, .outputs = layers[count - 1].outputs};
}

static void linear(void **unused) {
    (void)unused;
    const float w[] = {1, 2, 3, -4, 0.5f, 0}, b[] = {10, -1}, x[] = {1, 10, 100};
    psti_layer layer = {.kind = PSTI_KIND_linear, .inputs = 3, .outputs = 2, .tensor = {w, b}};
    pst_model m = model_of(&layer, 1);
    double y[2];
    assert_int_equal(pst_model_reference(&m, x, 1, 1, y), PST_OK);
    assert_true(y[0] == 331 && y[1] == 0);
    layer.tensor[PSTI_LINEAR_BIAS] = NULL;
    assert_int_equal(pst_model_reference(&m, x, 1, 1, y), PST_OK);
    assert_true(y[0] == 321 && y[1] == 1);
}

/* One unit whose four gates are told apart by their biases: any other order of i, f, g, o gives other numbers. */
static void lstm_gates_are_i_f_g_o(void **unused) {
    (void)unused;
    const float w_ih[4] = {0}, w_hh[4] = {0}, b_ih[] = {0.5f, -1.0f, 0.75f, 2.0f}, c0[] = {3};
    psti_layer layer = {.kind = PSTI_KIND_lstm, .inputs = 1, .outputs = 1};
    layer.tensor[PSTI_LSTM_W_IH] = w_ih;
    layer.tensor[PSTI_LSTM_W_HH] = w_hh;
    layer.tensor[PSTI_LSTM_B_IH] = b_ih;
    layer.tensor[PSTI_LSTM_C0] = c0;
    pst_model m = model_of(&layer, 1);
    const float x[] = {5, 5};
    double y[2];
    assert_int_equal(pst_model_reference(&m, x, 1, 2, y), PST_OK);
    double c = sigmoid(-1) * 3 + sigmoid(0.5) * tanh(0.75);
    assert_true(near(y[0], sigmoid(2) * tanh(c)));
    c = sigmoid(-1) * c + sigmoid(0.5) * tanh(0.75);
    assert_true(near(y[1], sigmoid(2) * tanh(c)));
}

/* Two units, two inputs: rows are gate-major (i0 i1 f0 f1 ...), both biases count, h0 goes through W_hh. */
static void lstm_of_two_units(void **unused) {
    (void)unused;
    float w_ih[16], w_hh[16], b_ih[8], b_hh[8];
    for (int k = 0; k < 16; k++) {
        w_ih[k] = (float)(k % 5 - 2) / 4;
        w_hh[k] = (float)(k % 7 - 3) / 8;
    }
    for (int k = 0; k < 8; k++) {
        b_ih[k] = (float)k / 16;
        b_hh[k] = (float)(3 - k) / 32;
    }
    const float h0[] = {0.5f, -0.25f}, c0[] = {-1, 0.125f}, x[] = {1, -2, 0.5f, 4};
    psti_layer layer = {.kind = PSTI_KIND_lstm, .inputs = 2, .outputs = 2, .tensor = {w_ih, w_hh, b_ih, b_hh, h0, c0}};
    pst_model m = model_of(&layer, 1);
    double y[8];
    assert_int_equal(pst_model_reference(&m, x, 1, 2, y), PST_OK);

    double h[2] = {0.5, -0.25}, c[2] = {-1, 0.125};
    for (int t = 0; t < 2; t++) {
        double gate[8];
        for (int k = 0; k < 8; k++)
            gate[k] = w_ih[2 * k] * x[2 * t] + w_ih[2 * k + 1] * x[2 * t + 1] + w_hh[2 * k] * h[0] +
                      w_hh[2 * k + 1] * h[1] + b_ih[k] + b_hh[k];
        for (int k = 0; k < 2; k++) {
            c[k] = sigmoid(gate[2 + k]) * c[k] + sigmoid(gate[k]) * tanh(gate[4 + k]);
            h[k] = sigmoid(gate[6 + k]) * tanh(c[k]);
        }
        assert_true(near(y[2 * t], h[0]) && near(y[2 * t + 1], h[1]));
    }

    /* Two sequences of one step: the second starts from h0, c0 again. */
    double again[4];
    const float twice[] = {1, -2, 1, -2};
    assert_int_equal(pst_model_reference(&m, twice, 2, 1, again), PST_OK);
    assert_memory_equal(again, y, 2 * sizeof *y);
    assert_memory_equal(again + 2, y, 2 * sizeof *y);
}

static double activate(int function, double v, double alpha, double beta) {
    psti_layer layer = {.kind = PSTI_KIND_activation,
                        .function = function,
                        .inputs = 1,
                        .outputs = 1,
                        .alpha = (float)alpha,
                        .beta = (float)beta};
    double y;
    psti_reference_kind_activation.step(&layer, &v, NULL, NULL, &y);
    return y;
}

/* Values from tables, or that follow from the definition; far tails against the leading term of their expansion. */
static void activations(void **unused) {
    (void)unused;
    assert_true(activate(PSTI_ACTIVATION_relu, 2, 0, 0) == 2 && activate(PSTI_ACTIVATION_relu, -2, 0, 0) == 0);
    assert_true(activate(PSTI_ACTIVATION_leaky_relu, -2, 0.25, 0) == -0.5);
    assert_true(activate(PSTI_ACTIVATION_leaky_relu, 2, 0.25, 0) == 2);
    assert_true(activate(PSTI_ACTIVATION_elu, 3, 2, 0) == 3);
    assert_true(near(activate(PSTI_ACTIVATION_elu, -1, 2, 0), -2 * 0.63212055882855767840));
    assert_true(near(activate(PSTI_ACTIVATION_elu, -1e-20, 2, 0) / 1e-20, -2));
    assert_true(near(activate(PSTI_ACTIVATION_tanh, 1, 0, 0), 0.76159415595576488812));
    assert_true(near(activate(PSTI_ACTIVATION_sigmoid, 1, 0, 0), 0.73105857863000487926));
    assert_true(activate(PSTI_ACTIVATION_sigmoid, -1e4, 0, 0) == 0);
    assert_true(activate(PSTI_ACTIVATION_hard_sigmoid, 0.5, 0.25, 0.5) == 0.625);
    assert_true(activate(PSTI_ACTIVATION_hard_sigmoid, 2.5, 0.25, 0.5) == 1);
    assert_true(activate(PSTI_ACTIVATION_hard_sigmoid, -2.5, 0.25, 0.5) == 0);
    assert_true(activate(PSTI_ACTIVATION_clip, -9, -1.5, 2) == -1.5);
    assert_true(activate(PSTI_ACTIVATION_clip, 9, -1.5, 2) == 2);
    assert_true(activate(PSTI_ACTIVATION_clip, 0.75, -1.5, 2) == 0.75);
    assert_true(near(activate(PSTI_ACTIVATION_silu, -1, 0, 0), -0.26894142136999512074));
    assert_true(activate(PSTI_ACTIVATION_silu, -1e4, 0, 0) == 0);
    assert_true(near(activate(PSTI_ACTIVATION_gelu, 1, 0, 0), 0.84134474606854294859));
    /* erfc turns the rounding of its argument 10 / sqrt 2 into 100 roundings of its value. */
    assert_true(fabs(activate(PSTI_ACTIVATION_gelu, -10, 0, 0) / -7.61985302416052606597e-23 - 1) < 1e-13);
    assert_true(near(activate(PSTI_ACTIVATION_gelu_tanh, 1, 0, 0),
                     0.5 * (1 + tanh(sqrt(2 / 3.14159265358979323846) * 1.044715))));
    assert_true(activate(PSTI_ACTIVATION_gelu_tanh, 1e200, 0, 0) == 1e200);
    assert_true(activate(PSTI_ACTIVATION_gelu_tanh, -1e200, 0, 0) == 0);
    assert_true(near(activate(PSTI_ACTIVATION_softplus, 0, 0, 0), 0.69314718055994530942));
    assert_true(activate(PSTI_ACTIVATION_softplus, 800, 0, 0) == 800);
    assert_true(near(activate(PSTI_ACTIVATION_softplus, -40, 0, 0) / exp(-40), 1));
}

static void softmax(void **unused) {
    (void)unused;
    psti_layer layer = {.kind = PSTI_KIND_softmax, .inputs = 3, .outputs = 3};
    pst_model m = model_of(&layer, 1);
    const float x[] = {0, 0, 0, 1e9f, 1e9f, -1e9f, 2, 1, 0};
    double y[9];
    assert_int_equal(pst_model_reference(&m, x, 1, 3, y), PST_OK);
    assert_true(near(y[0], 1.0 / 3) && near(y[1], 1.0 / 3) && near(y[2], 1.0 / 3));
    assert_true(y[3] == 0.5 && y[4] == 0.5 && y[5] == 0);
    assert_true(near(y[6] / y[7], exp(1)) && near(y[7] / y[8], exp(1)) && near(y[6] + y[7] + y[8], 1));
}

/* linear (2 -> 3), relu, linear (3 -> 1): each layer reads the one below, whichever buffer it is in. */
static void a_chain(void **unused) {
    (void)unused;
    const float w1[] = {1, 0, 0, 1, -1, -1}, w2[] = {1, 10, 100};
    psti_layer layers[] = {
        {.kind = PSTI_KIND_linear, .inputs = 2, .outputs = 3, .tensor = {w1}},
        {.kind = PSTI_KIND_activation, .function = PSTI_ACTIVATION_relu, .inputs = 3, .outputs = 3},
        {.kind = PSTI_KIND_linear, .inputs = 3, .outputs = 1, .tensor = {w2}},
    };
    pst_model m = model_of(layers, 3);
    const float x[] = {2, 3, -2, -3, 2, -3};
    double y[3];
    assert_int_equal(pst_model_reference(&m, x, 1, 3, y), PST_OK);
    assert_true(y[0] == 32 && y[1] == 500 && y[2] == 102);
}

static void bad_arguments(void **unused) {
    (void)unused;
    const float w[] = {1, 1};
    psti_layer layer = {.kind = PSTI_KIND_linear, .inputs = 2, .outputs = 1, .tensor = {w}};
    pst_model m = model_of(&layer, 1);
    float x[] = {1, 2, 3, 4, 5, 6, 7, 8};
    double y[] = {-1, -1, -1, -1};
    pst_error e;
    PST_INIT(e);

    assert_int_equal(pst_model_reference(NULL, x, 1, 1, y), PST_E_ARGUMENT);
    assert_int_equal(pst_model_reference(&m, NULL, 1, 1, y), PST_E_ARGUMENT);
    assert_int_equal(pst_model_reference(&m, x, 1, 1, NULL), PST_E_ARGUMENT);
    assert_int_equal(pst_model_reference(&m, x, UINT64_MAX, UINT64_MAX, y), PST_E_ARGUMENT);
    const float bad[] = {NAN, INFINITY, -INFINITY, nextafterf(0x1p60f, INFINITY), -0x1p61f};
    for (size_t k = 0; k < sizeof bad / sizeof *bad; k++) {
        x[5] = bad[k];
        assert_int_equal(pst_model_reference(&m, x, 2, 2, y), PST_E_NONFINITE);
        pst_last_error(&e);
        assert_int_equal(e.found, 1);
        assert_non_null(strstr(e.message, "input 1 at step 0 of sequence 1"));
        assert_true(y[0] == -1 && y[3] == -1);
    }
    x[5] = -0x1p60f;
    assert_int_equal(pst_model_reference(&m, x, 2, 2, y), PST_OK);
    assert_true(y[0] == 3 && y[2] == 5 - 0x1p60 && y[3] == 15);
    assert_int_equal(pst_model_reference(&m, x, 0, 4, y), PST_OK);
}

/* A reset is as good as a new one: h0 and c0 again, nothing of the steps before. */
static void a_reset(void **unused) {
    (void)unused;
    const float w_ih[] = {0, 0, 1, 0}, w_hh[] = {0, 0, 1, 0}, h0[] = {50};
    psti_layer layer = {.kind = PSTI_KIND_lstm, .inputs = 1, .outputs = 1};
    layer.tensor[PSTI_LSTM_W_IH] = w_ih;
    layer.tensor[PSTI_LSTM_W_HH] = w_hh;
    layer.tensor[PSTI_LSTM_H0] = h0;
    pst_model m = model_of(&layer, 1);
    psti_reference *r;
    assert_int_equal(psti_reference_open(&m, &r), PST_OK);
    double first, second, again;
    psti_reference_step(r, &(double){-3}, &first);
    psti_reference_step(r, &(double){-3}, &second);
    assert_true(second != first);
    psti_reference_reset(r);
    psti_reference_step(r, &(double){-3}, &again);
    assert_true(again == first);
    psti_reference_close(r);
    psti_reference_close(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(linear),      cmocka_unit_test(lstm_gates_are_i_f_g_o),
        cmocka_unit_test(activations), cmocka_unit_test(lstm_of_two_units),
        cmocka_unit_test(softmax),     cmocka_unit_test(a_chain),
        cmocka_unit_test(a_reset),     cmocka_unit_test(bad_arguments),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
