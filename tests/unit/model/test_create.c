/* Models from layers in memory: what is taken, what is said about it, what is refused. */
#include "layers.h"

#include <stdio.h>

#include "model/model.h"

static void a_chain_of_every_kind(void **unused) {
    (void)unused;
    chain c = {0};
    chain_linear(&c, 3, 7);
    chain_layer(&c, "activation", "relu");
    chain_lstm(&c, 7, 5);
    chain_tensor(&c, "h0", 5, 0);
    chain_tensor(&c, "c0", 5, 0);
    chain_lstm(&c, 5, 9);
    c.layer[3].tensor_count = 2; /* without biases */
    chain_layer(&c, "activation", "clip");
    chain_attribute(&c, "beta", 2);
    chain_attribute(&c, "alpha", -1);
    chain_layer(&c, "linear", NULL);
    chain_tensor(&c, "weight", 2, 9);
    chain_layer(&c, "softmax", NULL);
    pst_model *m = chain_made(&c); /* which frees all that was given: the model has its own copies */

    pst_info info;
    PST_INIT(info);
    assert_int_equal(pst_model_get_info(m, &info), PST_OK);
    uint64_t lstm5 = 20 * 7 + 20 * 5 + 20 + 20, lstm9 = 36 * 5 + 36 * 9;
    assert_true(info.layers == 7 && info.inputs == 3 && info.outputs == 2);
    assert_int_equal(info.parameters, 7 * 3 + 7 + lstm5 + lstm9 + 18);
    assert_true(info.critical_bytes == 0 && info.state_bytes == 0 && info.hash == 0 && info.format == NULL);
    assert_string_equal(info.readout, "all");

    static const struct {
        const char *kind, *function;
        uint32_t inputs, outputs;
        uint64_t parameters;
        double alpha, beta;
    } expect[] = {
        {"linear", NULL, 3, 7, 28, 0, 0}, {"activation", "relu", 7, 7, 0, 0, 0},  {"lstm", NULL, 7, 5, 280, 0, 0},
        {"lstm", NULL, 5, 9, 504, 0, 0},  {"activation", "clip", 9, 9, 0, -1, 2}, {"linear", NULL, 9, 2, 18, 0, 0},
        {"softmax", NULL, 2, 2, 0, 0, 0},
    };
    for (uint32_t i = 0; i < 7; i++) {
        pst_layer_info layer;
        PST_INIT(layer);
        assert_int_equal(pst_model_get_layer(m, i, &layer), PST_OK);
        assert_string_equal(layer.kind, expect[i].kind);
        assert_true(!layer.function == !expect[i].function);
        if (layer.function) {
            assert_string_equal(layer.function, expect[i].function);
        }
        assert_int_equal(layer.inputs, expect[i].inputs);
        assert_int_equal(layer.outputs, expect[i].outputs);
        assert_int_equal(layer.parameters, expect[i].parameters);
        assert_true(layer.alpha == expect[i].alpha && layer.beta == expect[i].beta);
        assert_true(layer.input_encoding == NULL && layer.recurrent_encoding == NULL && layer.h_scale == 0);
    }
    const psti_layer *lstm = &m->layers[2];
    for (int t = 0; t < PSTI_LSTM_TENSORS; t++) {
        assert_true(lstm->tensor[t][0] == 0 && lstm->tensor[t][4] == 4);
    }
    assert_true(lstm->tensor[PSTI_LSTM_W_IH][139] == 139);
    assert_null(m->layers[3].tensor[PSTI_LSTM_B_IH]);
    assert_null(m->layers[3].tensor[PSTI_LSTM_H0]);
    assert_null(m->layers[5].tensor[PSTI_LINEAR_BIAS]);

    pst_layer_info layer;
    PST_INIT(layer);
    assert_int_equal(pst_model_get_layer(m, 7, &layer), PST_E_ARGUMENT);
    assert_true(last_error().found == 7 && last_error().expected == 6);
    assert_int_equal(pst_model_get_layer(NULL, 0, &layer), PST_E_ARGUMENT);
    assert_int_equal(pst_model_get_layer(m, 0, NULL), PST_E_ARGUMENT);
    layer.size = 0;
    assert_int_equal(pst_model_get_layer(m, 0, &layer), PST_E_ARGUMENT);
    assert_int_equal(pst_model_get_info(NULL, &info), PST_E_ARGUMENT);
    info.size = 4;
    assert_int_equal(pst_model_get_info(m, &info), PST_E_ARGUMENT);
    pst_model_free(m);
    pst_model_free(NULL);
}

static void one_bias_counts_once(void **unused) {
    (void)unused;
    chain c = {0};
    chain_lstm(&c, 2, 3);
    c.layer[0].tensor_count = 3; /* bias_hh left out */
    pst_model *m = chain_made(&c);
    assert_int_equal(m->parameters, 12 * 2 + 12 * 3 + 12);
    assert_null(m->layers[0].tensor[PSTI_LSTM_B_HH]);
    pst_model_free(m);
}

static void bad_calls(void **unused) {
    (void)unused;
    chain c = {0};
    pst_model *m = NULL;
    chain_linear(&c, 2, 2);
    assert_int_equal(pst_model_create(NULL, 1, NULL, &m), PST_E_ARGUMENT);
    assert_int_equal(pst_model_create(c.layers, 1, NULL, NULL), PST_E_ARGUMENT);
    assert_int_equal(pst_model_create(c.layers, 0, NULL, &m), PST_E_ARGUMENT);
    assert_int_equal(pst_model_create(c.layers, PSTI_MAX_LAYERS + 1, NULL, &m), PST_E_ARGUMENT);
    assert_int_equal(last_error().found, PSTI_MAX_LAYERS + 1);
    assert_int_equal(pst_model_create(c.layers, SIZE_MAX, NULL, &m), PST_E_ARGUMENT);
    c.layer[0].size = 0;
    chain_refused(&c, PST_E_ARGUMENT, WORDS("pst_layer", "PST_INIT"));
    chain_linear(&c, 2, 2);
    c.layers[0] = NULL;
    chain_refused(&c, PST_E_ARGUMENT, WORDS("layers[0]"));
    chain_linear(&c, 2, 2);
    c.layer[0].tensors = NULL;
    chain_refused(&c, PST_E_ARGUMENT, WORDS("layer 0 (linear)", "tensor 0 is NULL"));
    chain_linear(&c, 2, 2);
    c.tensors[0][1] = NULL;
    chain_refused(&c, PST_E_ARGUMENT, WORDS("layer 0 (linear)", "tensor 1 is NULL"));
    chain_linear(&c, 2, 2);
    c.tensor[0][1].size = 3;
    chain_refused(&c, PST_E_ARGUMENT, WORDS("pst_tensor"));
    chain_linear(&c, 2, 2);
    c.tensor[0][1].name = NULL;
    chain_refused(&c, PST_E_ARGUMENT, WORDS("tensor 1 has no name"));
    chain_linear(&c, 2, 2);
    c.tensor[0][1].data = NULL;
    chain_refused(&c, PST_E_ARGUMENT, WORDS("layer 0 (linear), bias", "data is NULL"));
    chain_linear(&c, 2, 2);
    c.tensor[0][1].shape = NULL;
    chain_refused(&c, PST_E_ARGUMENT, WORDS("layer 0 (linear), bias", "shape is NULL"));
    chain_linear(&c, 2, 2);
    c.tensor[0][0].dtype = 4;
    chain_refused(&c, PST_E_ARGUMENT, WORDS("layer 0 (linear), weight", "element type 4"));
}

static void kinds_and_places(void **unused) {
    (void)unused;
    chain c = {0};
    chain_layer(&c, "gru", NULL);
    chain_refused(&c, PST_E_UNSUPPORTED, WORDS("layer 0", "\"gru\"", "lstm, linear, activation, softmax"));
    chain_layer(&c, NULL, NULL);
    chain_refused(&c, PST_E_ARGUMENT, WORDS("layer 0", "kind is missing"));
    chain_layer(&c, "activation", "relu");
    chain_linear(&c, 2, 2);
    chain_refused(&c, PST_E_UNSUPPORTED, WORDS("layer 0 (activation)", "first layer"));
    chain_layer(&c, "softmax", NULL);
    chain_refused(&c, PST_E_UNSUPPORTED, WORDS("layer 0 (softmax)", "first layer"));
    chain_linear(&c, 2, 2);
    chain_layer(&c, "softmax", NULL);
    chain_layer(&c, "activation", "relu");
    chain_refused(&c, PST_E_UNSUPPORTED, WORDS("layer 1 (softmax)", "last"));
    chain_linear(&c, 2, 2);
    chain_layer(&c, "softmax", "relu");
    chain_refused(&c, PST_E_ARGUMENT, WORDS("layer 1 (softmax)", "function \"relu\""));
    chain_linear(&c, 2, 2);
    chain_attribute(&c, "alpha", 1);
    chain_attribute(&c, "slope", 1);
    chain_refused(&c, PST_E_UNSUPPORTED, WORDS("layer 0 (linear)", "alpha, slope", "takes none"));
    chain_linear(&c, 2, 2);
    chain_layer(&c, "activation", "relu");
    chain_tensor(&c, "weight", 2, 2);
    chain_refused(&c, PST_E_UNSUPPORTED, WORDS("layer 1 (activation)", "weight", "takes none"));
    chain_lstm(&c, 2, 2);
    chain_tensor(&c, "weight_hr", 2, 2);
    chain_tensor(&c, "weight_ci", 2, 2);
    chain_refused(&c, PST_E_UNSUPPORTED,
                  WORDS("layer 0 (lstm)", "weight_hr, weight_ci", "weight_ih, weight_hh, bias_ih, bias_hh, h0, c0"));
    chain_lstm(&c, 2, 2);
    c.tensor[0][3].name = "bias_ih";
    chain_refused(&c, PST_E_ARGUMENT, WORDS("layer 0 (lstm), bias_ih", "twice"));
    chain_lstm(&c, 2, 2);
    c.tensor[0][1].name = "h0";
    chain_refused(&c, PST_E_ARGUMENT, WORDS("layer 0 (lstm)", "weight_hh is missing"));
}

static void shapes(void **unused) {
    (void)unused;
    chain c = {0};
    static const struct {
        size_t tensor, dimension;
        uint64_t wrong, expected;
        const char *name;
    } wrong[] = {
        {0, 0, 16, 20, "weight_ih"}, {1, 0, 15, 20, "weight_hh"}, {2, 0, 21, 20, "bias_ih"},
        {3, 0, 5, 20, "bias_hh"},    {4, 0, 4, 5, "h0"},          {5, 0, 20, 5, "c0"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        chain_linear(&c, 3, 7);
        chain_lstm(&c, 7, 5);
        chain_tensor(&c, "h0", 5, 0);
        chain_tensor(&c, "c0", 5, 0);
        c.shape[1][wrong[i].tensor][wrong[i].dimension] = wrong[i].wrong;
        char where[64];
        (void)snprintf(where, sizeof where, "layer 1 (lstm), %s: shape [%d", wrong[i].name, (int)wrong[i].wrong);
        chain_refused(&c, PST_E_SHAPE, WORDS(where, "expected ["));
        pst_error e = last_error();
        assert_true(e.expected == (int64_t)wrong[i].expected && e.found == (int64_t)wrong[i].wrong);
        assert_string_equal(e.field, "shape");
        assert_memory_equal(e.item, "layer 1 (lstm), ", 16);
    }
    chain_lstm(&c, 7, 5);
    chain_linear(&c, 6, 3);
    chain_refused(&c, PST_E_SHAPE, WORDS("layer 1 (linear), weight", "6 inputs", "layer 0 (lstm)", "5 outputs"));
    assert_true(last_error().expected == 5 && last_error().found == 6);
    chain_linear(&c, 3, 7);
    c.tensor[0][0].rank = 1;
    chain_refused(&c, PST_E_SHAPE, WORDS("layer 0 (linear), weight", "1 dimensions", "[7]", "2 expected"));
    chain_linear(&c, 3, 7);
    c.tensor[0][1].rank = 0;
    chain_refused(&c, PST_E_SHAPE, WORDS("layer 0 (linear), bias", "0 dimensions", "1 expected"));
    chain_linear(&c, 3, 7);
    c.tensor[0][1].rank = -5;
    chain_refused(&c, PST_E_SHAPE, WORDS("layer 0 (linear), bias", "-5 dimensions"));
}

static void widths(void **unused) {
    (void)unused;
    chain c = {0};
    chain_linear(&c, 65536, 1);
    pst_model_free(chain_made(&c));
    chain_linear(&c, 1, 65536);
    pst_model_free(chain_made(&c));
    chain_linear(&c, 65537, 1);
    chain_refused(&c, PST_E_UNSUPPORTED, WORDS("layer 0 (linear), weight", "65537 inputs", "1 to 65536"));
    chain_linear(&c, 1, 65537);
    chain_refused(&c, PST_E_UNSUPPORTED, WORDS("65537 outputs"));
    chain_lstm(&c, 1, 1);
    c.shape[0][1][1] = UINT64_MAX;
    chain_refused(&c, PST_E_UNSUPPORTED, WORDS("weight_hh", "18446744073709551615 units"));
    chain_lstm(&c, 1, 1);
    c.shape[0][0][1] = 0;
    chain_refused(&c, PST_E_SHAPE, WORDS("weight_ih", "0 inputs"));
    chain_linear(&c, 1, 1);
    c.shape[0][0][0] = 0;
    chain_refused(&c, PST_E_SHAPE, WORDS("weight", "0 outputs"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_chain_of_every_kind),
        cmocka_unit_test(one_bias_counts_once),
        cmocka_unit_test(bad_calls),
        cmocka_unit_test(kinds_and_places),
        cmocka_unit_test(shapes),
        cmocka_unit_test(widths),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
