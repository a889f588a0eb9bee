/* The tensors of a model, by name: values, shapes, what is absent and what is unknown. */
#include "layers.h"

#include "model/model.h"

static pst_model *model(void) {
    chain c = {0};
    chain_lstm(&c, 2, 3);
    chain_tensor(&c, "h0", 3, 0)[1] = -0.5f;
    chain_layer(&c, "activation", "relu");
    chain_layer(&c, "linear", NULL);
    double *wide = (double *)(void *)chain_tensor(&c, "weight", 2 * 2, 3);
    c.tensor[2][0].dtype = PST_F64; /* in the room of twice as many floats */
    c.shape[2][0][0] = 2;
    for (int i = 0; i < 6; i++) {
        wide[i] = 0.1 * i;
    }
    return chain_made(&c);
}

static void assert_tensor(const pst_model *m, uint32_t layer, const char *name, int rank, uint64_t rows,
                          uint64_t columns, const float *data) {
    pst_tensor t;
    PST_INIT(t);
    assert_int_equal(pst_model_get_tensor(m, layer, name, &t), PST_OK);
    assert_int_equal(t.size, sizeof t);
    assert_string_equal(t.name, name);
    assert_int_equal(t.dtype, PST_F32);
    assert_int_equal(t.rank, rank);
    assert_int_equal(t.shape[0], rows);
    if (rank == 2) {
        assert_int_equal(t.shape[1], columns);
    }
    assert_ptr_equal(t.data, data);
}

static void by_name(void **unused) {
    (void)unused;
    pst_model *m = model();
    const psti_layer *lstm = &m->layers[0], *linear = &m->layers[2];
    assert_tensor(m, 0, "weight_ih", 2, 12, 2, lstm->tensor[PSTI_LSTM_W_IH]);
    assert_tensor(m, 0, "weight_hh", 2, 12, 3, lstm->tensor[PSTI_LSTM_W_HH]);
    assert_tensor(m, 0, "bias_ih", 1, 12, 0, lstm->tensor[PSTI_LSTM_B_IH]);
    assert_tensor(m, 0, "bias_hh", 1, 12, 0, lstm->tensor[PSTI_LSTM_B_HH]);
    assert_tensor(m, 0, "h0", 1, 3, 0, lstm->tensor[PSTI_LSTM_H0]);
    assert_tensor(m, 2, "weight", 2, 2, 3, linear->tensor[PSTI_LINEAR_WEIGHT]);
    pst_tensor t;
    PST_INIT(t);
    assert_int_equal(pst_model_get_tensor(m, 0, "weight_hh", &t), PST_OK);
    for (int i = 0; i < 36; i++) {
        assert_true(((const float *)t.data)[i] == (float)i);
    }
    assert_int_equal(pst_model_get_tensor(m, 0, "h0", &t), PST_OK);
    assert_true(((const float *)t.data)[1] == -0.5f);
    assert_int_equal(pst_model_get_tensor(m, 2, "weight", &t), PST_OK);
    for (int i = 0; i < 6; i++) {
        assert_true(((const float *)t.data)[i] == (float)(0.1 * i));
    }
    pst_model_free(m);
}

/* Each fails with this status and these words, and leaves *out as it was. */
static void refused(const pst_model *m, uint32_t layer, const char *name, pst_status status, const char *words) {
    pst_tensor t, before;
    memset(&t, 0x5a, sizeof t);
    t.size = sizeof t;
    before = t;
    assert_int_equal(pst_model_get_tensor(m, layer, name, &t), status);
    assert_memory_equal(&t, &before, sizeof t);
    if (!strstr(last_error().message, words)) {
        fail_msg("\"%s\" is not in: %s", words, last_error().message);
    }
}

static void absent_and_unknown(void **unused) {
    (void)unused;
    pst_model *m = model();
    refused(m, 0, "c0", PST_E_EMPTY, "layer 0 (lstm), c0: absent, which means zeros");
    assert_string_equal(last_error().item, "layer 0 (lstm)");
    assert_string_equal(last_error().field, "c0");
    refused(m, 2, "bias", PST_E_EMPTY, "layer 2 (linear), bias: absent");
    refused(m, 0, "weight", PST_E_ARGUMENT,
            "layer 0 (lstm): unknown tensor weight; this kind has weight_ih, weight_hh, bias_ih, bias_hh, h0, c0");
    refused(m, 0, "weight_ih_l0", PST_E_ARGUMENT, "unknown tensor weight_ih_l0");
    refused(m, 0, "", PST_E_ARGUMENT, "unknown tensor");
    refused(m, 1, "weight", PST_E_ARGUMENT, "layer 1 (activation): unknown tensor weight; this kind has none");
    refused(m, 3, "weight", PST_E_ARGUMENT, "layer is 3, but the model has layers 0 to 2");
    assert_true(last_error().found == 3 && last_error().expected == 2);
    refused(m, UINT32_MAX, "weight", PST_E_ARGUMENT, "layers 0 to 2");
    refused(NULL, 0, "weight", PST_E_ARGUMENT, "m must not be NULL");
    refused(m, 0, NULL, PST_E_ARGUMENT, "name must not be NULL");
    assert_int_equal(pst_model_get_tensor(m, 0, "h0", NULL), PST_E_ARGUMENT);
    pst_tensor t = {.size = 4};
    assert_int_equal(pst_model_get_tensor(m, 0, "h0", &t), PST_E_ARGUMENT);
    pst_model_free(m);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(by_name),
        cmocka_unit_test(absent_and_unknown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
