/* Activation functions: names, defaults, attributes. */
#include "layers.h"

#include <math.h>
#include <stdio.h>

#include "model/model.h"

static pst_layer_info made(chain *c) {
    pst_model *m = chain_made(c);
    static char function[64];
    pst_layer_info layer;
    PST_INIT(layer);
    assert_int_equal(pst_model_get_layer(m, 1, &layer), PST_OK);
    (void)snprintf(function, sizeof function, "%s", layer.function);
    layer.function = function;
    pst_model_free(m);
    return layer;
}

static void start(chain *c, const char *function) {
    chain_linear(c, 2, 2);
    chain_layer(c, "activation", function);
}

static void defaults(void **unused) {
    (void)unused;
    static const struct {
        const char *name;
        float alpha, beta;
    } expect[] = {{"relu", 0, 0},    {"leaky_relu", 0.01f, 0}, {"elu", 1, 0},
                  {"tanh", 0, 0},    {"sigmoid", 0, 0},        {"hard_sigmoid", (float)(1.0 / 6.0), 0.5f},
                  {"silu", 0, 0},    {"gelu", 0, 0},           {"gelu_tanh", 0, 0},
                  {"softplus", 0, 0}};
    assert_int_equal(sizeof expect / sizeof *expect, PSTI_ACTIVATIONS - 1); /* clip has no defaults */
    for (size_t i = 0; i < sizeof expect / sizeof *expect; i++) {
        chain c = {0};
        start(&c, expect[i].name);
        pst_layer_info layer = made(&c);
        assert_string_equal(layer.function, expect[i].name);
        assert_true(layer.alpha == (double)expect[i].alpha && layer.beta == (double)expect[i].beta);
        assert_int_equal(psti_activation_find(expect[i].name) >= 0, 1);
    }
    assert_int_equal(psti_activation_find("RELU"), -1);
    assert_int_equal(psti_kind_find("Lstm"), -1);
}

static void given(void **unused) {
    (void)unused;
    chain c = {0};
    start(&c, "leaky_relu");
    chain_attribute(&c, "alpha", 0.2);
    assert_true(made(&c).alpha == (double)0.2f);
    start(&c, "hard_sigmoid");
    chain_attribute(&c, "beta", 0.25);
    pst_layer_info layer = made(&c);
    assert_true(layer.alpha == (double)(float)(1.0 / 6.0) && layer.beta == 0.25);
    start(&c, "clip");
    chain_attribute(&c, "alpha", -3);
    chain_attribute(&c, "beta", -3);
    layer = made(&c);
    assert_true(layer.alpha == -3 && layer.beta == -3);
    start(&c, "elu");
    chain_attribute(&c, "alpha", -0x1p40);
    assert_true(made(&c).alpha == -0x1p40);
}

static void refused(void **unused) {
    (void)unused;
    chain c = {0};
    start(&c, NULL);
    chain_refused(&c, PST_E_ARGUMENT, WORDS("layer 1 (activation)", "function is missing", "relu"));
    start(&c, "swish");
    chain_refused(&c, PST_E_UNSUPPORTED, WORDS("layer 1 (activation)", "\"swish\"", "gelu_tanh"));
    start(&c, "relu");
    chain_attribute(&c, "alpha", 1);
    chain_refused(&c, PST_E_UNSUPPORTED, WORDS("layer 1 (activation)", "alpha", "relu takes none"));
    start(&c, "elu");
    chain_attribute(&c, "gamma", 1);
    chain_attribute(&c, "alpha", 1);
    chain_attribute(&c, "beta", 1);
    chain_refused(&c, PST_E_UNSUPPORTED, WORDS("gamma, beta", "elu takes alpha"));
    assert_string_equal(last_error().field, "gamma");
    start(&c, "elu");
    chain_attribute(&c, "alpha", 1);
    chain_attribute(&c, "alpha", 1);
    chain_refused(&c, PST_E_ARGUMENT, WORDS("alpha is given twice"));
    start(&c, "clip");
    chain_attribute(&c, "alpha", 1);
    chain_refused(&c, PST_E_ARGUMENT, WORDS("clip needs beta"));
    start(&c, "clip");
    chain_refused(&c, PST_E_ARGUMENT, WORDS("clip needs alpha"));
    start(&c, "clip");
    chain_attribute(&c, "alpha", 1);
    chain_attribute(&c, "beta", 0.5);
    chain_refused(&c, PST_E_ARGUMENT, WORDS("alpha is 1", "beta 0.5"));
    const double bad[] = {NAN, INFINITY, -INFINITY, 0x1.0000000000001p40, -1e300};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        start(&c, "hard_sigmoid");
        chain_attribute(&c, "alpha", bad[i]);
        chain_refused(&c, PST_E_NONFINITE, WORDS("alpha of hard_sigmoid", "2^40"));
        start(&c, "clip");
        chain_attribute(&c, "alpha", 0);
        chain_attribute(&c, "beta", bad[i]);
        chain_refused(&c, PST_E_NONFINITE, WORDS("beta of clip"));
    }
    start(&c, "elu");
    chain_attribute(&c, NULL, 1);
    chain_refused(&c, PST_E_ARGUMENT, WORDS("attribute 0 has no name"));
    start(&c, "elu");
    c.layer[1].attribute_count = 1;
    chain_refused(&c, PST_E_ARGUMENT, WORDS("attribute 0 is NULL"));
    start(&c, "elu");
    c.layer[1].attribute_count = 1;
    c.layer[1].attributes = NULL;
    chain_refused(&c, PST_E_ARGUMENT, WORDS("attribute 0 is NULL"));
    start(&c, "elu");
    chain_attribute(&c, "alpha", 1);
    c.attribute[1][0].size = 0;
    chain_refused(&c, PST_E_ARGUMENT, WORDS("pst_attribute"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults),
        cmocka_unit_test(given),
        cmocka_unit_test(refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
