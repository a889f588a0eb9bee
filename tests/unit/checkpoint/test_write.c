/* Writing a checkpoint: what is written is read again as the same model, and the same model gives the same bytes. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "../model/layers.h"

#include <fenv.h>
#include <locale.h>
#include <stdio.h>
#include <unistd.h>

#include "base/file.h"
#include "base/number.h"
#include "checkpoint/checkpoint.h"
#include "model/model.h"

static pst_model *made(chain *c, const char *readout) {
    pst_model_options o;
    PST_INIT(o);
    o.readout = readout;
    pst_model *m = NULL;
    assert_int_equal(pst_model_create(c->layers, c->count, &o, &m), PST_OK);
    chain_free(c);
    return m;
}

/* Every kind of layer, with and without what is optional, and attributes that are hard to write in decimal. */
static pst_model *every_kind(const char *readout) {
    chain c = {0};
    chain_lstm(&c, 3, 5);
    float *h0 = chain_tensor(&c, "h0", 5, 0), *c0 = chain_tensor(&c, "c0", 5, 0);
    h0[0] = -0.0f;
    h0[1] = 0x1p-149f;
    c0[2] = 0x1p40f;
    c0[3] = 0.1f;
    chain_layer(&c, "activation", "hard_sigmoid"); /* alpha 1/6 */
    chain_layer(&c, "activation", "clip");
    chain_attribute(&c, "alpha", -0x1.fffffep-80);
    chain_attribute(&c, "beta", 0);
    chain_layer(&c, "activation", "elu");
    chain_attribute(&c, "alpha", 0); /* not the default */
    chain_lstm(&c, 5, 2);
    c.layer[4].tensor_count = 3; /* bias_hh left out */
    chain_layer(&c, "linear", NULL);
    chain_tensor(&c, "weight", 4, 2);
    chain_layer(&c, "activation", "leaky_relu");
    chain_attribute(&c, "alpha", 0x1.fffffep39);
    chain_layer(&c, "softmax", NULL);
    return made(&c, readout);
}

static void assert_same(const pst_model *a, const pst_model *b) {
    assert_int_equal(a->count, b->count);
    assert_int_equal(a->inputs, b->inputs);
    assert_int_equal(a->outputs, b->outputs);
    assert_int_equal(a->parameters, b->parameters);
    assert_int_equal(a->readout, b->readout);
    for (uint32_t i = 0; i < a->count; i++) {
        const psti_layer *x = &a->layers[i], *y = &b->layers[i];
        assert_int_equal(x->kind, y->kind);
        assert_int_equal(x->function, y->function);
        assert_int_equal(x->inputs, y->inputs);
        assert_int_equal(x->outputs, y->outputs);
        assert_int_equal(x->parameters, y->parameters);
        assert_int_equal(psti_bits(x->alpha), psti_bits(y->alpha));
        assert_int_equal(psti_bits(x->beta), psti_bits(y->beta));
        for (size_t t = 0; t < PSTI_MAX_TENSORS; t++) {
            assert_int_equal(x->tensor[t] != NULL, y->tensor[t] != NULL);
            if (x->tensor[t]) {
                assert_memory_equal(x->shape[t], y->shape[t], sizeof x->shape[t]);
                assert_memory_equal(x->tensor[t], y->tensor[t], x->shape[t][0] * x->shape[t][1] * sizeof(float));
            }
        }
    }
}

static void comes_back_bit_for_bit(void **unused) {
    (void)unused;
    static const char *const readouts[] = {"all", "last"};
    for (int r = 0; r < 2; r++) {
        pst_model *m = every_kind(readouts[r]), *again = NULL;
        unsigned char *bytes, *same;
        size_t n, same_n;
        assert_int_equal(psti_checkpoint_write(m, &bytes, &n), PST_OK);
        assert_int_equal(pst_model_read_memory(bytes, n, NULL, &again), PST_OK);
        assert_same(m, again);
        assert_int_equal(m->readout, r ? PSTI_READOUT_LAST : PSTI_READOUT_ALL);
        assert_int_equal(psti_checkpoint_write(again, &same, &same_n), PST_OK);
        assert_int_equal(same_n, n);
        assert_memory_equal(same, bytes, n);
        uint64_t header = 0;
        memcpy(&header, bytes, sizeof header);
        assert_int_equal(header % 8, 0);
        free(bytes);
        free(same);
        pst_model_free(m);
        pst_model_free(again);
    }
}

/* The bytes, spelled out: they are what other programs read. */
static void the_bytes(void **unused) {
    (void)unused;
    static const char expect[] =
        "{\"__metadata__\":{\"penstock.graph\":\"{\\\"version\\\":1,\\\"readout\\\":\\\"last\\\",\\\"layers\\\":["
        "{\\\"kind\\\":\\\"lstm\\\",\\\"tensors\\\":{\\\"weight_ih\\\":\\\"0.lstm.weight_ih\\\","
        "\\\"weight_hh\\\":\\\"0.lstm.weight_hh\\\"}},"
        "{\\\"kind\\\":\\\"activation\\\",\\\"function\\\":\\\"leaky_relu\\\",\\\"alpha\\\":0.100000001},"
        "{\\\"kind\\\":\\\"linear\\\",\\\"tensors\\\":{\\\"weight\\\":\\\"2.linear.weight\\\","
        "\\\"bias\\\":\\\"2.linear.bias\\\"}},{\\\"kind\\\":\\\"softmax\\\"}]}\"},"
        "\"0.lstm.weight_ih\":{\"dtype\":\"F32\",\"shape\":[4,2],\"data_offsets\":[0,32]},"
        "\"0.lstm.weight_hh\":{\"dtype\":\"F32\",\"shape\":[4,1],\"data_offsets\":[32,48]},"
        "\"2.linear.weight\":{\"dtype\":\"F32\",\"shape\":[2,1],\"data_offsets\":[48,56]},"
        "\"2.linear.bias\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[56,64]}}";
    const size_t length = sizeof expect - 1, padded = (length + 7) / 8 * 8;
    chain c = {0};
    chain_lstm(&c, 2, 1);
    c.layer[0].tensor_count = 2;
    chain_layer(&c, "activation", "leaky_relu");
    chain_attribute(&c, "alpha", 0.1);
    chain_linear(&c, 1, 2);
    chain_layer(&c, "softmax", NULL);
    pst_model *m = made(&c, "last");
    /* The caller's rounding changes no byte, and stays; so does a locale with a decimal comma, if there is one. */
    static const int modes[] = {FE_UPWARD, FE_DOWNWARD, FE_TONEAREST};
    (void)setlocale(LC_NUMERIC, "de_DE.UTF-8");
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        char path[] = "/tmp/penstock-test-XXXXXX";
        int file = mkstemp(path);
        assert_true(file >= 0);
        close(file);
        fesetround(modes[i]);
        pst_status status = pst_model_save(m, path);
        int mode = fegetround();
        fesetround(FE_TONEAREST);
        assert_int_equal(mode, modes[i]);
        assert_int_equal(status, PST_OK);
        unsigned char *bytes;
        size_t n;
        assert_int_equal(psti_file_read(path, &bytes, &n), PST_OK);
        assert_int_equal(n, 8 + padded + 64);
        uint64_t header;
        memcpy(&header, bytes, sizeof header);
        assert_int_equal(header, padded);
        assert_memory_equal(bytes + 8, expect, length);
        for (size_t k = length; k < padded; k++) {
            assert_int_equal(bytes[8 + k], ' ');
        }
        const float *data = (const float *)(const void *)(bytes + 8 + padded);
        for (int k = 0; k < 8; k++) {
            assert_true(data[k] == (float)k);
        }
        assert_true(data[11] == 3 && data[13] == 1 && data[15] == 1);
        free(bytes);
        pst_model *again = NULL;
        assert_int_equal(pst_model_read(path, NULL, &again), PST_OK);
        assert_same(m, again);
        pst_model_free(again);
        unlink(path);
    }
    (void)setlocale(LC_NUMERIC, "C");
    pst_model_free(m);
}

/* A file that says nothing of a readout is what readers of any version of the graph know. */
static void all_is_not_written(void **unused) {
    (void)unused;
    pst_model *m = every_kind(NULL);
    unsigned char *bytes;
    size_t n;
    assert_int_equal(psti_checkpoint_write(m, &bytes, &n), PST_OK);
    assert_null(memmem(bytes, n, "readout", 7));
    free(bytes);
    pst_model_free(m);
}

static void failures(void **unused) {
    (void)unused;
    pst_model *m = every_kind("all");
    char folder[] = "/tmp/penstock-test-XXXXXX", path[64];
    assert_non_null(mkdtemp(folder));
    assert_int_equal(pst_model_save(m, "/nowhere/at/all.safetensors"), PST_E_FILE);
    assert_string_equal(last_error().file, "/nowhere/at/all.safetensors");
    assert_true(last_error().os_error != 0);
    assert_int_equal(pst_model_save(m, folder), PST_E_FILE);
    assert_int_equal(pst_model_save(NULL, folder), PST_E_ARGUMENT);
    assert_int_equal(pst_model_save(m, NULL), PST_E_ARGUMENT);
    (void)snprintf(path, sizeof path, "%s/m.safetensors", folder);
    assert_int_equal(pst_model_save(m, path), PST_OK);
    assert_int_equal(pst_model_save(m, path), PST_OK); /* replaced */
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(folder), 0); /* nothing else was left in it */
    pst_model_free(m);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(comes_back_bit_for_bit),
        cmocka_unit_test(the_bytes),
        cmocka_unit_test(all_is_not_written),
        cmocka_unit_test(failures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
