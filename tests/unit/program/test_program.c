/* program: what the builders make of a model, and what is told about a program. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>

#include "make.h"

static void layers_are_packed_as_the_format_says(void **state) {
    (void)state;
    for (size_t f = 0; f < psti_format_count; f++) {
        const psti_format *format = &psti_formats[f];
        pst_model *m = make_model(make_all, MAKE_ALL, MAKE_INPUTS, 7);
        pst_program *p;
        assert_int_equal(make_try(m, format->name, 1.0f, &p), PST_OK);
        assert_int_equal(p->count, m->count);
        assert_int_equal(p->inputs, m->inputs);
        assert_int_equal(p->outputs, m->outputs);
        assert_int_equal(p->parameters, m->parameters);
        for (uint32_t i = 0; i < p->count; i++) {
            const psti_program_layer *l = &p->layers[i];
            const psti_layer *from = &m->layers[i];
            int lstm = l->kind == PSTI_KIND_lstm;
            assert_int_equal(l->kind, from->kind);
            assert_int_equal(l->matrices, lstm ? 2 : l->kind == PSTI_KIND_linear ? 1 : 0);
            for (uint32_t k = 0; k < l->matrices; k++) {
                const psti_matrix *x = &l->matrix[k];
                assert_int_equal(x->encoding, lstm ? (k ? format->recurrent : format->input) : format->linear);
                assert_int_equal((uintptr_t)x->tiles % 64, 0);
                assert_null(psti_tiles_check(&x->shape, x->encoding, x->tiles, x->scale));
                if (x->encoding != PSTI_F32)
                    continue;
                for (uint32_t row = 0; row < x->shape.gates * x->shape.units; row++) {
                    for (uint32_t c = 0; c < x->shape.inputs; c++)
                        assert_true(psti_unpack_weight(&x->shape, x->encoding, x->tiles, row, c) ==
                                    from->tensor[k][row * x->shape.inputs + c]);
                }
            }
        }
        pst_program_free(p);
        pst_model_free(m);
    }
}

/* (float)((double)a + b), in the order of lanes, tiny sums flushed, padding 0. */
static void biases_are_added_once(void **state) {
    (void)state;
    psti_arena arena = {0};
    enum { H = 23 };
    float a[4 * H], b[4 * H];
    for (int i = 0; i < 4 * H; i++) {
        a[i] = (float)(i + 1) / 3;
        b[i] = (float)(2 * i + 1) * 0x1p-26f;
    }
    a[5] = 0x1p-81f;
    b[5] = 0;
    a[6] = 1;
    b[6] = -1;
    a[7] = -0x1p-82f;
    b[7] = 0x1p-83f;
    psti_program_layer l = {.kind = PSTI_KIND_lstm, .inputs = 5, .outputs = H};
    assert_int_equal(psti_program_bias(&arena, a, b, &l), PST_OK);
    psti_shape s = psti_shape_of(H, 5, 4);
    int seen = 0;
    for (uint32_t lane = 0; lane < 16 * psti_shape_vectors(&s); lane++) {
        int64_t row = psti_shape_row(&s, lane);
        float expect = row < 0 || (row >= 5 && row <= 7) ? 0 : (float)((double)a[row] + (double)b[row]);
        assert_int_equal(psti_bits(l.bias[lane]), psti_bits(expect));
        seen += row >= 0;
    }
    assert_int_equal(seen, 4 * H);
    assert_int_equal(psti_program_bias(&arena, NULL, b, &l), PST_OK);
    assert_true(l.bias[0] == b[0]);
    assert_int_equal(psti_program_bias(&arena, NULL, NULL, &l), PST_OK);
    assert_true(l.bias[0] == 0);
    psti_arena_free(&arena);
}

static void h0_beyond_its_scale_is_named(void **state) {
    (void)state;
    const make_layer two[] = {{"linear", NULL, 3, 0, 0}, {"lstm", NULL, 8, 1, 0}};
    pst_model *m = make_model(two, 2, 4, 3);
    float *h0 = (float *)(uintptr_t)m->layers[1].tensor[PSTI_LSTM_H0];
    for (int i = 0; i < 8; i++)
        h0[i] = i % 2 ? 0.25f : -0.25f; /* the largest that the scale holds */
    pst_program *p = NULL;
    assert_int_equal(make_try(m, "w8a8", 0.25f, &p), PST_OK);
    pst_program_free(p);
    p = NULL;
    h0[6] = nextafterf(-0.25f, -1);
    assert_int_equal(make_try(m, "w8a16", 0.25f, &p), PST_E_NONFINITE);
    assert_null(p);
    assert_non_null(strstr(make_message(), "layer 1 (lstm), unit 6: h0 is -0.25"));
    assert_int_equal(make_try(m, "bf16", 0.25f, &p), PST_OK);
    pst_program_free(p);
    pst_model_free(m);
}

static void information_counts_every_byte(void **state) {
    (void)state;
    const make_layer two[] = {{"lstm", NULL, 20, 0, 0}, {"linear", NULL, 3, 0, 0}};
    pst_model *m = make_model(two, 2, 6, 3);
    pst_program *p;
    assert_int_equal(make_try(m, "w8a8", 0.5f, &p), PST_OK);
    pst_info info;
    PST_INIT(info);
    assert_int_equal(pst_program_get_info(p, &info), PST_OK);
    /* lstm: 4 wide vectors and 1 narrow; 6 inputs padded to 8, 20 are 20. linear: 1 vector, 20 inputs. */
    uint64_t w_ih = 80 * 8 + 80 * 4, w_hh = 80 * 20 + 80 * 4 + 80 * 4, linear = 16 * 20 + 16 * 4 + 16 * 4;
    assert_int_equal(info.critical_bytes, w_ih + linear);
    assert_int_equal(info.settle_bytes, w_hh);
    assert_int_equal(info.padding_bytes, 80 * 2 + 13 * 20);
    assert_int_equal(info.layers, 2);
    assert_int_equal(info.inputs, 6);
    assert_int_equal(info.outputs, 3);
    assert_int_equal(info.parameters, 80 * 6 + 80 * 20 + 160 + 60 + 3);
    assert_int_equal(info.state_bytes, 32 + (20 * 5 + 7) / 8 * 8 + 8);
    assert_int_equal(psti_program_units(p), 20);
    assert_true(info.hash == p->hash && info.hash != 0);
    assert_string_equal(info.format, "w8a8");
    pst_layer_info layer;
    PST_INIT(layer);
    assert_int_equal(pst_program_get_layer(p, 0, &layer), PST_OK);
    assert_string_equal(layer.kind, "lstm");
    assert_null(layer.function);
    assert_string_equal(layer.input_encoding, "w8a8");
    assert_string_equal(layer.recurrent_encoding, "w8a8");
    assert_int_equal(layer.critical_bytes, w_ih);
    assert_int_equal(layer.settle_bytes, w_hh);
    assert_true(layer.h_scale == 0.5);
    PST_INIT(layer);
    assert_int_equal(pst_program_get_layer(p, 1, &layer), PST_OK);
    assert_string_equal(layer.input_encoding, "w8a16");
    assert_null(layer.recurrent_encoding);
    assert_true(layer.h_scale == 0);
    assert_int_equal(layer.padding_bytes, 13 * 20);
    assert_int_equal(pst_program_get_layer(p, 2, &layer), PST_E_ARGUMENT);
    assert_int_equal(pst_program_get_layer(NULL, 0, &layer), PST_E_ARGUMENT);
    assert_int_equal(pst_program_get_info(p, NULL), PST_E_ARGUMENT);
    pst_certificate certificate;
    PST_INIT(certificate);
    assert_int_equal(pst_program_certificate(p, &certificate), PST_E_EMPTY);
    pst_program_free(p);
    pst_program_free(NULL);
    pst_model_free(m);
}

/* The padding of stac_a's width, which the issue bounds by 4 %. */
static void padding_of_100_units(void **state) {
    (void)state;
    const make_layer two[] = {{"lstm", NULL, 100, 0, 0}, {"lstm", NULL, 100, 0, 0}};
    pst_model *m = make_model(two, 2, 100, 3);
    for (size_t f = 0; f < psti_format_count; f++) {
        pst_program *p;
        assert_int_equal(make_try(m, psti_formats[f].name, 1, &p), PST_OK);
        pst_info info;
        PST_INIT(info);
        assert_int_equal(pst_program_get_info(p, &info), PST_OK);
        assert_true(25 * info.padding_bytes <= info.critical_bytes + info.settle_bytes);
        pst_program_free(p);
    }
    pst_model_free(m);
}

static void state_sizes_of_each_encoding(void **state) {
    (void)state;
    const uint64_t h[] = {4, 2, 2, 1};
    for (size_t f = 0; f < psti_format_count; f++) {
        pst_program *p = make_program(psti_formats[f].name);
        uint64_t of_h = h[psti_formats[f].recurrent];
        assert_int_equal(psti_program_state_bytes(p),
                         32 + (23 * (4 + of_h) + 7) / 8 * 8 + (4 * (4 + of_h) + 7) / 8 * 8 + 8);
        assert_int_equal(psti_program_units(p), 27);
        pst_program_free(p);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(layers_are_packed_as_the_format_says),
        cmocka_unit_test(biases_are_added_once),
        cmocka_unit_test(h0_beyond_its_scale_is_named),
        cmocka_unit_test(information_counts_every_byte),
        cmocka_unit_test(padding_of_100_units),
        cmocka_unit_test(state_sizes_of_each_encoding),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
