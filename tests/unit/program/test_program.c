/* program: what the builders make of a model, and what is told about a program. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>

#include "make.h"

/* Of a matrix, by its role in the recipe; -1: the layer has no such matrix. */
static int expected_encoding(const psti_recipe *recipe, int kind, uint32_t m) {
    const psti_held *ih = &recipe->of[PSTI_ROLE_IH], *hh = &recipe->of[PSTI_ROLE_HH];
    const int of_lstm[PSTI_MATRICES] = {ih->encoding, hh->encoding, hh->rest, ih->rest};
    if (kind == PSTI_KIND_linear)
        return m == 0 ? recipe->of[PSTI_ROLE_LINEAR].encoding : -1;
    return kind == PSTI_KIND_lstm ? of_lstm[m] : -1;
}

static void layers_are_packed_as_the_format_says(void **state) {
    (void)state;
    for (size_t f = 0; psti_format_name(f); f++) {
        const char *format = psti_format_name(f);
        psti_recipe recipe = make_recipe(format);
        pst_model *m = make_model(make_all, MAKE_ALL, MAKE_INPUTS, 7);
        pst_program *p;
        assert_int_equal(make_try(m, format, 1.0f, &p), PST_OK);
        assert_int_equal(p->count, m->count);
        assert_int_equal(p->inputs, m->inputs);
        assert_int_equal(p->outputs, m->outputs);
        assert_int_equal(p->parameters, m->parameters);
        for (uint32_t i = 0; i < p->count; i++) {
            const psti_program_layer *l = &p->layers[i];
            const psti_layer *from = &m->layers[i];
            assert_int_equal(l->kind, from->kind);
            for (uint32_t k = 0; k < PSTI_MATRICES; k++) {
                const psti_matrix *x = &l->matrix[k];
                int expect = expected_encoding(&recipe, l->kind, k);
                assert_int_equal(psti_program_has(l, k), expect >= 0);
                if (expect < 0)
                    continue;
                assert_int_equal(x->encoding, expect);
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
    assert_int_equal(psti_program_bias(&arena, a, b, NULL, &l), PST_OK);
    psti_shape s = psti_shape_of(H, 5, 4);
    int seen = 0;
    for (uint32_t lane = 0; lane < 16 * psti_shape_vectors(&s); lane++) {
        int64_t row = psti_shape_row(&s, lane);
        float expect = row < 0 || (row >= 5 && row <= 7) ? 0 : (float)((double)a[row] + (double)b[row]);
        assert_int_equal(psti_bits(l.bias[lane]), psti_bits(expect));
        seen += row >= 0;
    }
    assert_int_equal(seen, 4 * H);
    assert_int_equal(psti_program_bias(&arena, NULL, b, NULL, &l), PST_OK);
    assert_true(l.bias[0] == b[0]);
    assert_int_equal(psti_program_bias(&arena, NULL, NULL, NULL, &l), PST_OK);
    assert_true(l.bias[0] == 0);
    double correction[4 * H] = {[0] = 0x1p-24, [2 * H + 3] = -0.25}; /* in float64, rounded once */
    assert_int_equal(psti_program_bias(&arena, a, b, correction, &l), PST_OK);
    for (uint32_t row = 0; row < 4 * H; row++) {
        float expect = (float)((double)a[row] + (double)b[row] + correction[row]);
        if (row < 5 || row > 7)
            assert_int_equal(psti_bits(l.bias[psti_shape_lane(&s, row / H, row % H)]), psti_bits(expect));
    }
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

/* The padding of stac_a's width: at most 4 % in 8 bits and more; a lane of 3 bits holds 32 inputs at once, of 2 bits a
 * group of multipliers 64. */
static void padding_of_100_units(void **state) {
    (void)state;
    const make_layer two[] = {{"lstm", NULL, 100, 0, 0}, {"lstm", NULL, 100, 0, 0}};
    pst_model *m = make_model(two, 2, 100, 3);
    for (size_t f = 0; psti_format_name(f); f++) {
        pst_program *p;
        assert_int_equal(make_try(m, psti_format_name(f), 1, &p), PST_OK);
        pst_info info;
        PST_INIT(info);
        assert_int_equal(pst_program_get_info(p, &info), PST_OK);
        int few = psti_encoding_few(make_recipe(psti_format_name(f)).of[PSTI_ROLE_IH].encoding);
        assert_true((few ? 10 : 25) * info.padding_bytes <= info.critical_bytes + info.settle_bytes);
        pst_program_free(p);
    }
    pst_model_free(m);
}

/* c in 4 bytes, h as W_hh reads it; where W_ih leaves a rest, the layer's input and 4 bytes of its scale, too. */
static void state_sizes_of_each_encoding(void **state) {
    (void)state;
    const uint64_t bytes[PSTI_OPERANDS] = {4, 2, 2, 1}, units[2] = {23, 4}, inputs[2] = {MAKE_INPUTS, 18};
    static const char *const mixed[] = {"ih=w4r,hh=bf16", "ih=w8r,hh=w2a8", "ih=f32,hh=w4a16", "ih=w6r,hh=f32"};
    size_t formats = 0;
    while (psti_format_name(formats))
        formats++;
    for (size_t f = 0; f < formats + sizeof mixed / sizeof *mixed; f++) {
        const char *format = f < formats ? psti_format_name(f) : mixed[f - formats];
        psti_recipe recipe = make_recipe(format);
        pst_program *p = make_program(format);
        uint64_t expect = 32 + 8;
        for (int l = 0; l < 2; l++) {
            uint64_t of_h = bytes[psti_encodings[recipe.of[PSTI_ROLE_HH].encoding].operand];
            uint64_t of_x = bytes[psti_encodings[recipe.of[PSTI_ROLE_IH].encoding].operand];
            expect += (units[l] * (4 + of_h) + 7) / 8 * 8;
            if (recipe.of[PSTI_ROLE_IH].rest >= 0)
                expect += (inputs[l] * of_x + 4 + 7) / 8 * 8;
        }
        assert_int_equal(psti_program_state_bytes(p), expect);
        assert_int_equal(psti_program_units(p), 27);
        pst_program_free(p);
    }
}

/* What the codes of a matrix and those of its rest stand for is nearer to the weights than the codes alone: within half
 * a step of the rest's codes. */
static void rests_are_what_is_left(void **state) {
    (void)state;
    static const char *const formats[] = {"w8r", "w6r", "w4r", "w3r", "w2r"};
    for (size_t f = 0; f < sizeof formats / sizeof *formats; f++) {
        pst_model *m = make_model(make_all, MAKE_ALL, MAKE_INPUTS, 7);
        pst_program *p;
        char format[64];
        snprintf(format, sizeof format, "ih=%s,hh=w16a16", formats[f]);
        assert_int_equal(make_try(m, format, 1.0f, &p), PST_OK);
        for (uint32_t i = 0; i <= 3; i += 3) { /* the two lstm layers */
            const psti_program_layer *l = &p->layers[i];
            for (uint32_t k = 0; k < 2; k++) {
                const psti_matrix *of = &l->matrix[k], *rest = &l->matrix[k ? 2 : 3];
                double left_over = 0, left = 0;
                for (uint32_t row = 0; row < 4 * l->outputs; row++) {
                    uint32_t lane = psti_shape_lane(&of->shape, row / l->outputs, row % l->outputs);
                    double step = (double)rest->scale[lane];
                    for (uint32_t c = 0; c < of->shape.inputs; c++) {
                        double w = (double)m->layers[i].tensor[k][row * of->shape.inputs + c];
                        double coarse = (double)of->scale[lane] *
                                        (double)psti_unpack_weight(&of->shape, of->encoding, of->tiles, row, c);
                        double fine =
                            step * (double)psti_unpack_weight(&rest->shape, rest->encoding, rest->tiles, row, c);
                        assert_true(fabs(w - coarse - fine) <= 0.5 * step * (1 + 1e-5));
                        left += fabs(w - coarse);
                        left_over += fabs(w - coarse - fine);
                    }
                }
                assert_true(left > 0 && left_over < left / 50);
            }
        }
        pst_program_free(p);
        pst_model_free(m);
    }
}

/* The limit of h0 is the scale of the operand that W_hh takes. */
static void h0_has_the_limit_of_its_operand(void **state) {
    (void)state;
    static const struct {
        const char *format;
        int of_8;
    } cases[] = {{"w8a8", 1}, {"w8a16", 0}, {"ih=w8a8,hh=w4a8", 1}, {"ih=w4r,hh=w6a16", 0}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        psti_program_layer l = {.h_scale = 0.5f, .h_scale_8 = 0.375f};
        l.matrix[PSTI_MATRIX_RECURRENT].encoding = make_recipe(cases[i].format).of[PSTI_ROLE_HH].encoding;
        assert_true(psti_program_h_limit(&l) == (cases[i].of_8 ? 0.375f : 0.5f));
    }
}

/* Every matrix by name: what it is held as, its bytes and its error's share. */
static void information_on_matrices(void **state) {
    (void)state;
    const make_layer two[] = {{"lstm", NULL, 20, 0, 0}, {"linear", NULL, 3, 0, 0}};
    pst_model *m = make_model(two, 2, 70, 3);
    pst_program *p;
    assert_int_equal(make_try(m, "ih=w4r,hh=w16a16,linear=w2a8", 0.5f, &p), PST_OK);
    p->layers[0].error[PSTI_MATRIX_INPUT] = 3e-3;
    p->layers[1].error[PSTI_MATRIX_INPUT] = 4e-3;
    static const struct {
        const char *name, *encoding;
        uint32_t group;
        uint64_t tiles, scales, used;
    } expect[] = {
        /* 70 inputs: 9 words of 8, 3 groups of 32 (head: 4 vectors x 16 x 3 = 192, narrow 48 -> 64) */
        {"W_ih", "w4a8", 32, 80 * 9 * 4 + 192 + 64, 80 * 4, 80 * 70 / 2 + 80 * 3},
        {"W_hh", "w8a16", 0, 80 * 20, 80 * 4, 80 * 20},
        {"W_hh rest", "w8a16", 0, 80 * 20, 80 * 4, 80 * 20},
        {"W_ih rest", "w8a8", 0, 80 * 72, 80 * 4, 80 * 70},
    };
    pst_matrix_info info;
    for (uint32_t i = 0; i < 4; i++) {
        PST_INIT(info);
        assert_int_equal(pst_program_get_matrix(p, 0, i, &info), PST_OK);
        assert_string_equal(info.name, expect[i].name);
        assert_string_equal(info.encoding, expect[i].encoding);
        assert_int_equal(info.group, expect[i].group);
        assert_int_equal(info.bytes, expect[i].tiles + expect[i].scales);
        assert_int_equal(info.padding_bytes, expect[i].tiles - expect[i].used);
        if (i) {
            assert_true(isnan(info.error) && isnan(info.error_share));
        } else {
            assert_true(info.error == 3e-3 && fabs(info.error_share - 0.36) < 1e-12);
        }
    }
    PST_INIT(info);
    assert_int_equal(pst_program_get_matrix(p, 1, 0, &info), PST_OK);
    assert_string_equal(info.encoding, "w2a8");
    assert_int_equal(info.group, 64);
    assert_true(fabs(info.error_share - 0.64) < 1e-12);
    assert_int_equal(pst_program_get_matrix(p, 0, 4, &info), PST_E_ARGUMENT);
    assert_non_null(strstr(make_message(), "layer 0 has 4 matrices, found index 4"));
    assert_int_equal(pst_program_get_matrix(p, 1, 1, &info), PST_E_ARGUMENT);
    assert_int_equal(pst_program_get_matrix(p, 2, 0, &info), PST_E_ARGUMENT);
    assert_int_equal(pst_program_get_matrix(NULL, 0, 0, &info), PST_E_ARGUMENT);
    assert_int_equal(pst_program_get_matrix(p, 0, 0, NULL), PST_E_ARGUMENT);
    pst_layer_info layer;
    PST_INIT(layer);
    assert_int_equal(pst_program_get_layer(p, 0, &layer), PST_OK);
    assert_int_equal(layer.matrices, 4);
    assert_int_equal(layer.critical_bytes, expect[0].tiles + expect[0].scales);
    assert_int_equal(layer.settle_bytes, 2 * (80 * 20 + 80 * 4) + 80 * 72 + 80 * 4 + 80 * 4);
    pst_program_free(p);
    pst_model_free(m);
}

/* Number 0 is the certificate itself; none without it. */
static void certificates_are_numbered(void **state) {
    (void)state;
    pst_program *p = make_program("bf16");
    pst_certificate more[2] = {{.size = sizeof more[0], .rms = 2, .over = "held-back"},
                               {.size = sizeof more[0], .rms = 3, .over = "spikes"}},
                    c;
    pst_frontier frontier[1] = {{.size = sizeof frontier[0], .format = "w4r", .predicted_us = 3, .chosen = 1}}, f;
    p->more = more;
    p->more_count = 2;
    PST_INIT(c);
    assert_int_equal(pst_program_get_certificate(p, 0, &c), PST_E_EMPTY);
    p->certified = 1;
    p->certificate = (pst_certificate){.size = sizeof c, .rms = 1, .over = "calibration"};
    for (uint32_t i = 0; i < 3; i++) {
        PST_INIT(c);
        assert_int_equal(pst_program_get_certificate(p, i, &c), PST_OK);
        assert_true(c.rms == (double)(i + 1));
    }
    assert_string_equal(c.over, "spikes");
    assert_int_equal(pst_program_get_certificate(p, 3, &c), PST_E_EMPTY);
    assert_non_null(strstr(make_message(), "certificate 3: the program has certificates 0 to 2"));
    PST_INIT(f);
    assert_int_equal(pst_program_get_frontier(p, 0, &f), PST_E_EMPTY);
    p->frontier = frontier;
    p->frontier_count = 1;
    assert_int_equal(pst_program_get_frontier(p, 0, &f), PST_OK);
    assert_string_equal(f.format, "w4r");
    assert_int_equal(pst_program_get_frontier(p, 1, &f), PST_E_EMPTY);
    assert_int_equal(pst_program_get_frontier(NULL, 0, &f), PST_E_ARGUMENT);
    pst_program_free(p);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(layers_are_packed_as_the_format_says),
        cmocka_unit_test(biases_are_added_once),
        cmocka_unit_test(h0_beyond_its_scale_is_named),
        cmocka_unit_test(information_counts_every_byte),
        cmocka_unit_test(padding_of_100_units),
        cmocka_unit_test(state_sizes_of_each_encoding),
        cmocka_unit_test(rests_are_what_is_left),
        cmocka_unit_test(h0_has_the_limit_of_its_operand),
        cmocka_unit_test(information_on_matrices),
        cmocka_unit_test(certificates_are_numbered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
