/* Where an engine puts things: the critical weights first and in one piece, vectors of a slot apart from each other and
 * aligned, only the forms that somebody reads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "engine/engine.h"
#include "support/expect.h"
#include "support/model.h"

/* Stretches of memory, to be found apart. */
typedef struct {
    size_t from[256], to[256], count;
} stretches;

static void add(stretches *s, size_t from, size_t bytes) {
    assert_int_equal(from % 64, 0);
    assert_true(s->count < 256);
    for (size_t i = 0; i < s->count; i++)
        assert_true(from + bytes <= s->from[i] || s->to[i] <= from);
    s->from[s->count] = from;
    s->to[s->count++] = from + bytes;
}

static size_t round_up(size_t n, size_t unit) {
    return (n + unit - 1) / unit * unit;
}

/* A kernel stores 16 units at a time, from any multiple of 4 of a vector on: at most so far. */
static size_t most_stored(const psti_vector *v) {
    return round_up(v->width, PSTI_NARROW) + PSTI_LANES - PSTI_NARROW;
}

static void slot_is_apart(const psti_core *core) {
    static const size_t weight[PSTI_ENCODINGS] = {4, 2, 1, 1};
    const pst_engine *e = core->engine;
    stretches s = {.count = 0};
    for (uint32_t i = 0; i <= e->count; i++) {
        const psti_vector *v = &core->vectors[i];
        size_t padded = round_up(v->width, PSTI_RUN);
        padded = padded > most_stored(v) ? padded : most_stored(v);
        for (int time = 0; time < 2; time++) {
            int again = time && v->exponent_scale != PSTI_NOWHERE; /* only h is kept for two steps */
            for (int k = 0; k < PSTI_ENCODINGS; k++)
                if (again)
                    assert_int_equal(v->code[0][k], v->code[1][k]);
                else if (v->code[time][k] != PSTI_NOWHERE)
                    add(&s, v->code[time][k], padded * weight[k]);
            assert_int_equal(v->low[time] != PSTI_NOWHERE, v->code[time][PSTI_W8A16] != PSTI_NOWHERE);
            if (v->low[time] != PSTI_NOWHERE && !again)
                add(&s, v->low[time], padded);
        }
        if (v->value != PSTI_NOWHERE)
            add(&s, v->value, most_stored(v) * sizeof(float));
        if (v->exponent_scale != PSTI_NOWHERE)
            add(&s, v->exponent_scale, sizeof(float));
        else
            assert_true(v->static_scale == 1);
    }
    for (uint32_t i = 0; i < e->count; i++) {
        const psti_placed *layer = &core->layers[i];
        if (!layer->settle_units)
            continue;
        for (int time = 0; time < 2; time++)
            add(&s, layer->c[time], round_up(layer->units, PSTI_LANES) * sizeof(float));
        add(&s, layer->bracket, psti_shape_vectors(&layer->matrix[PSTI_MATRIX_RECURRENT].shape) * 64);
    }
    add(&s, core->partial, sizeof(psti_partial));
    for (size_t i = 0; i < s.count; i++)
        assert_true(s.to[i] <= core->slot_bytes);
}

static void weights_are_apart(const psti_core *core) {
    const pst_engine *e = core->engine;
    stretches critical = {.count = 0}, settle = {.count = 0};
    const unsigned char *pages = core->pages.address;
    assert_int_equal((uintptr_t)pages % 64, 0);
    for (uint32_t i = 0; i < e->count; i++) {
        const psti_placed *layer = &core->layers[i];
        for (int m = 0; m < PSTI_MATRICES; m++) {
            const psti_placed_matrix *matrix = &layer->matrix[m];
            stretches *half = m == PSTI_MATRIX_RECURRENT ? &settle : &critical;
            if (!matrix->tiles)
                continue;
            add(half, (size_t)(matrix->tiles - pages), psti_tiles_bytes(&matrix->shape, matrix->encoding));
            assert_int_equal(matrix->scale != NULL, psti_encoding_scaled(matrix->encoding));
            size_t lanes = PSTI_LANES * psti_shape_vectors(&matrix->shape) * sizeof(float);
            if (matrix->scale)
                add(half, (size_t)((const unsigned char *)matrix->scale - pages), lanes);
            if (m == 0)
                add(layer->settle_units ? &settle : &critical, (size_t)((const unsigned char *)layer->bias - pages),
                    lanes);
        }
    }
    for (size_t i = 0; i < critical.count; i++)
        assert_true(critical.to[i] <= core->critical_bytes);
    for (size_t i = 0; i < settle.count; i++)
        assert_true(settle.from[i] >= core->critical_bytes &&
                    settle.to[i] <= core->critical_bytes + core->settle_bytes);
    assert_true(core->critical_bytes + core->settle_bytes <= core->pages.mapped || !critical.count);
}

static void test_random(void **unused) {
    (void)unused;
    for (uint64_t seed = 0; seed < 60; seed++) {
        pst_model *m = model_random(seed, 120);
        for (int f = 0; f < MODEL_FORMATS; f++) {
            pst_program *p = model_program(m, model_formats[f]);
            pst_engine *e = model_engine(p, NULL);
            slot_is_apart(e->caller);
            weights_are_apart(e->caller);
            pst_engine_close(e);
            pst_program_free(p);
        }
        pst_model_free(m);
    }
}

/* h in the codes of its two readers, and as a value only where one is read: w8a8's Linear takes 16-bit activations. */
static void test_forms(void **unused) {
    (void)unused;
    static const model_part parts[] = {MODEL_LSTM(20), MODEL_LSTM(20), MODEL_LINEAR(5), MODEL_SOFTMAX};
    pst_model *m = model_make(8, parts, 4, 1, 1);
    pst_program *p = model_program(m, "w8a8");
    pst_engine *e = model_engine(p, NULL);
    const psti_vector *v = e->caller->vectors;
    assert_true(v[0].code[0][PSTI_W8A8] != PSTI_NOWHERE && v[0].code[0][PSTI_W8A16] == PSTI_NOWHERE);
    assert_true(v[1].code[0][PSTI_W8A8] != PSTI_NOWHERE && v[1].code[0][PSTI_W8A16] == PSTI_NOWHERE);
    assert_true(v[2].code[0][PSTI_W8A8] != PSTI_NOWHERE && v[2].code[0][PSTI_W8A16] != PSTI_NOWHERE);
    for (int i = 0; i < 3; i++)
        assert_true(v[i].value == PSTI_NOWHERE);
    assert_true(v[3].value != PSTI_NOWHERE && v[4].value != PSTI_NOWHERE);
    for (int k = 0; k < PSTI_ENCODINGS; k++)
        assert_true(v[3].code[0][k] == PSTI_NOWHERE && v[4].code[0][k] == PSTI_NOWHERE);
    pst_engine_close(e);
    pst_program_free(p);
    pst_model_free(m);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_random), cmocka_unit_test(test_forms)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
