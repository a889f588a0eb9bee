/* Bare state_dicts: what is inferred, and what is too ambiguous to be. */
#include "make.h"

#include "model/model.h"

static making m;

static void check(const char *expect) {
    pst_model *model = accept(&m, NULL);
    assert_string_equal(summary(model), expect);
    pst_model_free(model);
}

static void the_usual_model(void **unused) {
    (void)unused;
    static const char *const paths[][2] = {
        {"lstm.", "fc."},
        {"lstm.lstm.", "fc."},
        {"module.lstm.", "module.fc."},
        {"a.b.rnn.", "z.0."},
        {"z.rnn.", "a.0."},
        {"", "fc."},
        {"_orig_mod.model.lstm.", "_orig_mod.model.head."},
    };
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        for (int biases = 0; biases < 4; biases++) {
            make_linear(&m, paths[i][1], 5, 2, biases & 2);
            make_lstm(&m, paths[i][0], 3, 5, 2, biases & 1);
            pst_model *model = accept(&m, NULL);
            assert_string_equal(summary(model), "lstm 3 5, lstm 5 5, linear 5 2");
            uint64_t lstm = 20 * 3 + 20 * 5 + 20 * 5 + 20 * 5 + (biases & 1 ? 80 : 0);
            assert_int_equal(model->parameters, lstm + 10 + (biases & 2 ? 2 : 0));
            for (int k = 0; k < 2; k++) {
                for (int t = 0; t < 4; t++) {
                    const float *values = model->layers[k].tensor[t];
                    assert_true(t >= 2 && !(biases & 1) ? values == NULL
                                                        : values[1] == (float)(1000 * k + 100 * t + 1));
                }
                assert_null(model->layers[k].tensor[PSTI_LSTM_H0]);
            }
            assert_true(model->layers[2].tensor[PSTI_LINEAR_WEIGHT][9] == 5009);
            pst_model_free(model);
        }
    }
}

static void parts_of_it(void **unused) {
    (void)unused;
    make_lstm(&m, "lstm.", 3, 5, 12, 1); /* more than 10 layers: l10 comes after l9 */
    pst_model *model = accept(&m, NULL);
    assert_int_equal(model->count, 12);
    assert_true(model->layers[10].tensor[0][0] == 10000 && model->layers[2].tensor[0][0] == 2000);
    pst_model_free(model);
    make_linear(&m, "fc.", 5, 2, 1);
    check("linear 5 2");
    make_linear(&m, "", 5, 2, 1);
    check("linear 5 2");
    make_linear(&m, "in.", 3, 5, 1); /* only this order fits */
    make_lstm(&m, "lstm.", 5, 7, 1, 1);
    check("linear 3 5, lstm 5 7");
    make_linear(&m, "fc.", 7, 2, 0);
    make_linear(&m, "in.", 3, 5, 1);
    make_lstm(&m, "lstm.", 5, 7, 1, 1);
    check("linear 3 5, lstm 5 7, linear 7 2");
}

/* As many outputs as inputs: the Linear still comes last, as in the class that this form is for. */
static void the_linear_comes_last(void **unused) {
    (void)unused;
    make_linear(&m, "fc.", 5, 3, 1);
    make_lstm(&m, "lstm.", 3, 5, 2, 1);
    check("lstm 3 5, lstm 5 5, linear 5 3");
    make_lstm(&m, "lstm.", 4, 4, 1, 1);
    make_linear(&m, "fc.", 4, 4, 1);
    check("lstm 4 4, linear 4 4");
    make_lstm(&m, "lstm.", 1, 6, 1, 1);
    make_linear(&m, "fc.", 6, 1, 1);
    check("lstm 1 6, linear 6 1");
}

static void several_lstms_in_the_one_order(void **unused) {
    (void)unused;
    make_lstm(&m, "a.", 5, 7, 1, 1);
    make_lstm(&m, "b.", 3, 5, 2, 0);
    make_linear(&m, "c.", 7, 2, 1);
    check("lstm 3 5, lstm 5 5, lstm 5 7, linear 7 2");
    make_lstm(&m, "cells.0.", 3, 5, 1, 1);
    make_lstm(&m, "cells.1.", 5, 4, 1, 1);
    check("lstm 3 5, lstm 5 4");
    /* Two places to go from width 5, one of which ends too early. */
    make_lstm(&m, "a.", 5, 2, 1, 0);
    make_lstm(&m, "b.", 5, 7, 1, 0);
    make_lstm(&m, "c.", 7, 5, 1, 0);
    make_lstm(&m, "d.", 3, 5, 1, 0);
    check("lstm 3 5, lstm 5 7, lstm 7 5, lstm 5 2");
}

static void cells(void **unused) {
    (void)unused;
    make_tensor(&m, "cell.weight_ih", 20, 3, 0);
    make_tensor(&m, "cell.weight_hh", 20, 5, 0);
    make_tensor(&m, "cell.bias_ih", 20, 0, 0);
    make_tensor(&m, "cell.bias_hh", 20, 0, 0);
    make_linear(&m, "fc.", 5, 2, 1);
    check("lstm 3 5, linear 5 2");
    /* Two claims on the same place: the second is left over. */
    make_lstm(&m, "lstm.", 3, 5, 1, 1);
    make_tensor(&m, "lstm.weight_ih", 20, 3, 0);
    refuse(&m, PST_E_UNSUPPORTED, WORDS("1 tensor is left over", "lstm.weight_ih"));
}

static void ambiguous(void **unused) {
    (void)unused;
    make_lstm(&m, "a.", 4, 4, 1, 1);
    make_lstm(&m, "b.", 4, 4, 1, 1);
    refuse(&m, PST_E_UNSUPPORTED,
           WORDS("ambiguous", "penstock.graph", "a.weight_ih_l0 F32 [16, 4]", "a.bias_hh_l0",
                 "b.weight_hh_l0 F32 [16, 4]"));
    make_lstm(&m, "a.", 1, 4, 1, 1); /* a ring: any of them could be first */
    make_lstm(&m, "b.", 4, 5, 1, 1);
    make_linear(&m, "c.", 5, 1, 1);
    refuse(&m, PST_E_UNSUPPORTED, WORDS("ambiguous", "c.weight F32 [1, 5]", "c.bias F32 [1]"));
    make_linear(&m, "a.", 4, 4, 1);
    make_linear(&m, "b.", 4, 4, 1);
    refuse(&m, PST_E_UNSUPPORTED, WORDS("ambiguous", "a.weight", "b.weight"));
    make_lstm(&m, "lstm.", 3, 4, 1, 1); /* one order, but an activation may be hidden in it */
    make_linear(&m, "fc1.", 4, 5, 1);
    make_linear(&m, "fc2.", 5, 2, 1);
    refuse(&m, PST_E_UNSUPPORTED, WORDS("ambiguous", "activation", "fc1.weight", "fc2.weight", "penstock.graph"));
}

static void nothing_fits(void **unused) {
    (void)unused;
    make_lstm(&m, "lstm.", 3, 5, 1, 1);
    make_linear(&m, "fc.", 6, 2, 1);
    refuse(&m, PST_E_SHAPE, WORDS("tensor \"fc.weight\": shape [2, 6], expected 5 columns", "lstm.weight_hh_l0"));
    assert_true(last_error().expected == 5 && last_error().found == 6);
    make_lstm(&m, "a.", 3, 5, 1, 1);
    make_lstm(&m, "b.", 6, 7, 1, 1);
    refuse(&m, PST_E_SHAPE, WORDS("no order of the modules fits", "a.weight_ih_l0", "b.weight_ih_l0"));
    make_lstm(&m, "lstm.", 3, 5, 1, 1); /* within one module */
    make_tensor(&m, "lstm.weight_ih_l1", 20, 6, 0);
    make_tensor(&m, "lstm.weight_hh_l1", 20, 5, 0);
    make_tensor(&m, "lstm.bias_ih_l1", 20, 0, 0);
    make_tensor(&m, "lstm.bias_hh_l1", 20, 0, 0);
    refuse(&m, PST_E_SHAPE, WORDS("tensor \"lstm.weight_ih_l1\" (layer 1 (lstm), weight_ih)", "6 inputs", "5 outputs"));
}

static void what_an_lstm_lacks(void **unused) {
    (void)unused;
    make_tensor(&m, "lstm.weight_ih_l0", 20, 3, 0);
    refuse(&m, PST_E_UNSUPPORTED, WORDS("tensor \"lstm.weight_hh_l0\" is missing"));
    make_lstm(&m, "lstm.", 3, 5, 1, 1);
    make_tensor(&m, "lstm.weight_ih_l2", 20, 5, 0);
    make_tensor(&m, "lstm.weight_hh_l2", 20, 5, 0);
    refuse(&m, PST_E_UNSUPPORTED, WORDS("tensor \"lstm.weight_ih_l1\" is missing"));
    make_tensor(&m, "weight_ih_l1023", 20, 5, 0);
    refuse(&m, PST_E_UNSUPPORTED, WORDS("tensor \"weight_ih_l0\" is missing"));
    make_lstm(&m, "lstm.", 3, 5, 1, 0);
    make_tensor(&m, "lstm.bias_ih_l0", 20, 0, 0);
    refuse(&m, PST_E_UNSUPPORTED, WORDS("tensor \"lstm.bias_hh_l0\" is missing"));
    make_lstm(&m, "lstm.", 3, 5, 2, 0);
    make_tensor(&m, "lstm.bias_ih_l1", 20, 0, 0);
    make_tensor(&m, "lstm.bias_hh_l1", 20, 0, 0);
    refuse(&m, PST_E_UNSUPPORTED, WORDS("tensor \"lstm.bias_ih_l0\" is missing"));
    make_tensor(&m, "weight_ih_l00", 20, 3, 0);
    make_tensor(&m, "weight_hh_l00", 20, 5, 0);
    refuse(&m, PST_E_UNSUPPORTED, WORDS("2 tensors are left over"));
    /* Names that only look like it. */
    static const char *const odd[] = {"weight_ih_l00", "weight_ih_l",      "weight_ih_l1024", "weight_ih_l1x",
                                      "weight_ih_lx",  "weight_ihh_l0",    "weight_ih_l-1",   "weight_ih_l99999999999",
                                      "weights",       "rnn.weight_ih_l0."};
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
        make_lstm(&m, "", 3, 5, 1, 0);
        make_tensor(&m, odd[i], 20, 3, 0);
        refuse(&m, PST_E_UNSUPPORTED, WORDS("1 tensor is left over", odd[i]));
    }
}

static void other_kinds(void **unused) {
    (void)unused;
    make_tensor(&m, "gru.weight_ih_l0", 15, 3, 0);
    make_tensor(&m, "gru.weight_hh_l0", 15, 5, 0);
    refuse(&m, PST_E_UNSUPPORTED, WORDS("tensor \"gru.weight_hh_l0\": shape [15, 5]", "GRU"));
    make_tensor(&m, "rnn.weight_ih_l0", 5, 3, 0);
    make_tensor(&m, "rnn.weight_hh_l0", 5, 5, 0);
    refuse(&m, PST_E_UNSUPPORTED, WORDS("tensor \"rnn.weight_hh_l0\": shape [5, 5]", "plain RNN"));
    make_lstm(&m, "lstm.", 3, 5, 1, 1);
    make_tensor(&m, "lstm.weight_hr_l0", 2, 5, 0);
    refuse(&m, PST_E_UNSUPPORTED, WORDS("tensor \"lstm.weight_hr_l0\"", "projection"));
    make_lstm(&m, "lstm.", 3, 5, 1, 1);
    make_tensor(&m, "lstm.weight_ih_l0_reverse", 20, 3, 0);
    refuse(&m, PST_E_UNSUPPORTED, WORDS("tensor \"lstm.weight_ih_l0_reverse\"", "bidirectional"));
    make_tensor(&m, "lstm.weight_ih_l0", 20, 3, 0);
    make_tensor(&m, "lstm.weight_hh_l0", 100, 0, 0);
    refuse(&m, PST_E_SHAPE, WORDS("tensor \"lstm.weight_hh_l0\": shape [100], 2 dimensions expected"));
    make_tensor(&m, "lstm.weight_ih_l0", 20, 3, 0);
    make_tensor(&m, "lstm.weight_hh_l0", 21, 5, 0);
    refuse(&m, PST_E_SHAPE, WORDS("tensor \"lstm.weight_hh_l0\"", "shape [21, 5], expected [20, 5]"));
    make_tensor(&m, "lstm.weight_ih_l0", 18, 3, 0);
    make_tensor(&m, "lstm.weight_hh_l0", 20, 5, 0);
    refuse(&m, PST_E_SHAPE, WORDS("tensor \"lstm.weight_ih_l0\"", "shape [18, 3], expected [20, 3]"));
}

static void leftovers(void **unused) {
    (void)unused;
    make_lstm(&m, "lstm.", 3, 5, 1, 1);
    make_linear(&m, "fc.", 5, 2, 1);
    make_tensor(&m, "norm.weight", 5, 0, 0);
    make_tensor(&m, "norm.bias", 5, 0, 0);
    make_entry(&m, "norm.num_batches_tracked", "I64", "[]", "\0\0\0\0\0\0\0", 8);
    refuse(&m, PST_E_UNSUPPORTED,
           WORDS("3 tensors are left over", "norm.bias F32 [5], norm.num_batches_tracked I64 [], norm.weight F32 [5]"));
    make_linear(&m, "fc.", 5, 2, 1);
    make_entry(&m, "conv.weight", "F32", "[1,1,1]", "\0\0\0", 4);
    refuse(&m, PST_E_UNSUPPORTED, WORDS("1 tensor is left over", "conv.weight F32 [1, 1, 1]"));
    make_tensor(&m, "fc.bias", 5, 0, 0);
    refuse(&m, PST_E_UNSUPPORTED, WORDS("1 tensor is left over", "fc.bias"));
    make_linear(&m, "fc.", 5, 2, 0);
    make_tensor(&m, "fc.bias", 2, 2, 0); /* no bias of a Linear */
    refuse(&m, PST_E_UNSUPPORTED, WORDS("1 tensor is left over", "fc.bias F32 [2, 2]"));
    make_linear(&m, "fc.", 5, 2, 0);
    make_tensor(&m, "fc.bias", 3, 0, 0);
    refuse(&m, PST_E_SHAPE, WORDS("tensor \"fc.bias\" (layer 0 (linear), bias): shape [3], expected [2]"));
    /* A weight that is one already, and a name at the same path without it. */
    make_linear(&m, "", 5, 2, 0);
    make_linear(&m, ".", 5, 2, 0);
    refuse(&m, PST_E_UNSUPPORTED, WORDS("left over"));
}

static void prefix(void **unused) {
    (void)unused;
    make_lstm(&m, "ema.lstm.", 3, 5, 1, 1);
    make_linear(&m, "ema.fc.", 5, 2, 1);
    make_lstm(&m, "model.lstm.", 3, 5, 1, 1);
    make_linear(&m, "model.fc.", 5, 2, 1);
    make_tensor(&m, "norm.weight", 5, 0, 0);
    making copy = m;
    pst_model *model = accept(&m, "model.");
    assert_string_equal(summary(model), "lstm 3 5, linear 5 2");
    pst_model_free(model);
    size_t n;
    unsigned char *bytes = make_file(&copy, &n);
    refuse_bytes(bytes, n, "modell.", PST_E_ARGUMENT, WORDS("\"modell.\"", "ema.fc.bias F32 [2]", "norm.weight"));
    make_linear(&m, "model.fc.", 5, 2, 1);
    pst_model_free(accept(&m, ""));
    make_lstm(&m, "model.lstm.", 3, 5, 1, 0);
    make_tensor(&m, "model.lstm.bias_ih_l0", 20, 0, 0);
    bytes = make_file(&m, &n);
    memset(&m, 0, sizeof m);
    refuse_bytes(bytes, n, "model.", PST_E_UNSUPPORTED, WORDS("\"model.lstm.bias_hh_l0\" is missing"));
}

/* A file of very many modules ends in an answer, not in a search without end. */
static void many_modules(void **unused) {
    (void)unused;
    for (int i = 0; i < 400; i++) {
        char path[32];
        (void)snprintf(path, sizeof path, "m%d.", i);
        make_linear(&m, path, 2, 2, 0);
    }
    refuse(&m, PST_E_UNSUPPORTED, WORDS("ambiguous", " more"));
    for (int i = 0; i < 60; i++) { /* all but complete: everything leads to width 2, nothing leaves width 3 */
        char path[32];
        (void)snprintf(path, sizeof path, "m%d.", i);
        make_linear(&m, path, 2, i < 2 ? 3 : 2, 0);
    }
    refuse(&m, PST_E_UNSUPPORTED, WORDS("ambiguous"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_usual_model),
        cmocka_unit_test(parts_of_it),
        cmocka_unit_test(the_linear_comes_last),
        cmocka_unit_test(several_lstms_in_the_one_order),
        cmocka_unit_test(cells),
        cmocka_unit_test(ambiguous),
        cmocka_unit_test(nothing_fits),
        cmocka_unit_test(what_an_lstm_lacks),
        cmocka_unit_test(other_kinds),
        cmocka_unit_test(leftovers),
        cmocka_unit_test(prefix),
        cmocka_unit_test(many_modules),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
