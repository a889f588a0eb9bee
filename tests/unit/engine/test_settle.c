/* Settle's units and its cursor: how many, how large, and that the bracket does not depend on where it was cut. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/number.h"
#include "stream/stream.h"
#include "support/expect.h"
#include "support/model.h"
#include "support/sample.h"

static uint32_t ceil_of(uint64_t n, uint64_t unit) {
    return (uint32_t)((n + unit - 1) / unit);
}

/* Of one product: a unit is whole runs of 64 inputs of one block, at most 32 KiB of weights; a block is cut only where
 * it must be. */
static uint32_t units_of(const psti_placed_matrix *m) {
    const psti_shape *s = &m->shape;
    uint64_t bits = (uint64_t)psti_encodings[m->encoding].bits;
    uint64_t wide = 8 * PSTI_UNIT_BYTES / (4 * 16 * bits), narrow = 8 * PSTI_UNIT_BYTES / (16 * bits);
    return s->wide * ceil_of(s->padded_inputs, wide / 64 * 64) +
           s->narrow * ceil_of(s->padded_inputs, narrow / 64 * 64);
}

/* W_hh, what it leaves, and what W_ih leaves, which then is added to 8 blocks of 16 units at a time. */
static void test_unit_count(void **unused) {
    (void)unused;
    static const uint32_t units[] = {1, 4, 16, 17, 100, 128, 129, 300, 530};
    for (size_t u = 0; u < sizeof units / sizeof *units; u++) {
        model_part parts[] = {MODEL_LSTM(units[u]), MODEL_LINEAR(3), MODEL_LSTM(20)};
        pst_model *m = model_make(5, parts, 3, u, 1);
        for (int f = 0; f < MODEL_EVERY; f++) {
            pst_program *p = model_program_held(m, &model_every[f]);
            pst_engine *e = model_engine(p, NULL);
            uint32_t expect = 0;
            for (uint32_t i = 0; i < 3; i += 2) {
                const psti_placed_matrix *of = e->caller->layers[i].matrix;
                for (uint32_t k = PSTI_MATRIX_RECURRENT; k < PSTI_MATRICES; k++)
                    expect += of[k].tiles ? units_of(&of[k]) : 0;
                if (of[PSTI_MATRIX_INPUT_REST].tiles)
                    expect += ceil_of(p->layers[i].outputs, 8 * 16);
            }
            assert_int_equal(e->caller->settle_units, expect);
            pst_engine_close(e);
            pst_program_free(p);
        }
        pst_model_free(m);
    }
}

/* A row of a matrix times what it reads, by a plain formula in float64 from the program's own weights and codes. Adds
 * to the magnitude of its terms. */
static double product(const psti_matrix *from, const psti_vector *of, const psti_part *part, uint32_t lane,
                      double *magnitude) {
    const psti_shape *s = &from->shape;
    int64_t row = psti_shape_row(s, lane);
    double sum = 0;
    psti_operand v = psti_vector_operand(of, part->slot, (int)(part->time & 1), from->encoding);
    int operand = psti_encodings[from->encoding].operand;
    for (uint32_t i = 0; row >= 0 && i < s->inputs; i++) {
        double w = (double)psti_unpack_weight(s, from->encoding, from->tiles, (uint32_t)row, i), x;
        if (operand == PSTI_OPERAND_F32)
            x = (double)((const float *)v.code)[i];
        else if (operand == PSTI_OPERAND_BF16)
            x = (double)psti_from_bf16(((const uint16_t *)v.code)[i]);
        else
            x = (double)v.scale * (((const int8_t *)v.code)[i] * (v.low ? 256.0 : 1.0) + (v.low ? v.low[i] : 0));
        w *= from->scale ? (double)from->scale[lane] : 1;
        sum += w * x;
        *magnitude += fabs(w * x);
    }
    return sum;
}

/* What the bracket of a lane must be, within fp32's rounding of so many sums: W_hh h + b, with what both matrices
 * leave. */
static double plain(const psti_placed *layer, const psti_program_layer *from, const psti_part *part, uint32_t lane,
                    double *magnitude) {
    double sum = (double)layer->bias[lane];
    *magnitude = fabs(sum);
    sum += product(&from->matrix[PSTI_MATRIX_RECURRENT], layer->out, part, lane, magnitude);
    if (psti_program_has(from, PSTI_MATRIX_RECURRENT_REST))
        sum += product(&from->matrix[PSTI_MATRIX_RECURRENT_REST], layer->out, part, lane, magnitude);
    if (psti_program_has(from, PSTI_MATRIX_INPUT_REST))
        sum += (double)from->rho * product(&from->matrix[PSTI_MATRIX_INPUT_REST], layer->in, part, lane, magnitude);
    return psti_shape_row(&from->matrix[0].shape, lane) < 0 ? 0 : sum;
}

static void brackets_are_plain(const pst_engine *e, const pst_program *p, const psti_part *part) {
    for (uint32_t i = 0; i < e->count; i++) {
        const psti_placed *layer = &e->caller->layers[i];
        const psti_matrix *from = &p->layers[i].matrix[PSTI_MATRIX_RECURRENT];
        const float *bracket = (const float *)(part->slot + layer->bracket);
        for (uint32_t lane = 0; lane < PSTI_LANES * psti_shape_vectors(&from->shape); lane++) {
            double magnitude, expect = plain(layer, &p->layers[i], part, lane, &magnitude);
            if (!(fabs((double)bracket[lane] - expect) <= 1e-6 * magnitude + 0x1p-80))
                fail_msg("layer %u, lane %u: bracket %g, expected %g", i, lane, (double)bracket[lane], expect);
        }
    }
}

/* Whether settled in one go or cut into units of 1, 2, .. at a time, with the same done to another slot in between: the
 * same bits, in the whole slot. */
static void cut(const pst_engine *e, const pst_stream *s, uint32_t units, const char *whole) {
    pst_stream *one, *two;
    OK(pst_stream_clone(s, &one));
    OK(pst_stream_clone(s, &two));
    psti_part *const of[2] = {one->part, two->part};
    for (uint32_t left = e->caller->settle_units; left;) {
        uint32_t expect = left > units ? left - units : 0;
        assert_int_equal(psti_settle_some(e->caller, of[1], units), expect);
        left = psti_settle_some(e->caller, of[0], units);
        assert_int_equal(left, expect);
    }
    for (uint32_t i = 0; i < e->count; i++) {
        const psti_placed *layer = &e->caller->layers[i];
        size_t bytes = sizeof(float) * PSTI_LANES * psti_shape_vectors(&layer->matrix[PSTI_MATRIX_RECURRENT].shape);
        for (int k = 0; k < 2; k++)
            assert_memory_equal(of[k]->slot + layer->bracket, whole + layer->bracket, bytes);
        for (int k = 0; k < 2; k++) /* of a layer that mends it, c is then another than the step has left */
            assert_memory_equal(of[k]->slot + layer->c[s->part->time & 1], whole + layer->c[s->part->time & 1],
                                layer->units * sizeof(float));
    }
    assert_int_equal(psti_settle_some(e->caller, one->part, 1), 0);
    pst_stream_close(one);
    pst_stream_close(two);
}

static void test_cuts(void **unused) {
    (void)unused;
    static const model_part parts[] = {MODEL_LSTM_STATE(530), MODEL_LSTM_STATE(35)};
    pst_model *m = model_make(4, parts, 2, 3, 1);
    const char *const *levels;
    size_t count;
    pst_levels(&levels, &count);
    for (int f = 0; f < MODEL_EVERY; f++) {
        pst_program *p = model_program_held(m, &model_every[f]);
        for (uint32_t i = 0; i < p->count; i++)
            if (psti_program_has(&p->layers[i], PSTI_MATRIX_INPUT_REST)) {
                p->layers[i].rho = i ? -0.75f : 0.5f;
                p->layers[i].mends = 1;
            }
        for (size_t l = 0; l < count; l++) {
            if (((size_t)f + l) % sample_of(3))
                continue;
            float x[4] = {0.5f, -1, 2, 0.25f}, y[35];
            pst_engine *e = model_engine(p, levels[l]);
            pst_stream *s = model_stream(e), *whole;
            brackets_are_plain(e, p, s->part); /* of the initial state */
            OK(pst_step(s, x, 4, y, 35));
            assert_true(s->part->owing);
            OK(pst_stream_clone(s, &whole));
            OK(pst_settle(whole, 0, NULL));
            assert_false(whole->part->owing);
            brackets_are_plain(e, p, whole->part);
            for (uint32_t units = 1; units <= e->caller->settle_units; units += units < 4 ? 1 : 41)
                cut(e, s, units, whole->part->slot);
            pst_stream_close(whole);
            pst_stream_close(s);
            pst_engine_close(e);
        }
        pst_program_free(p);
    }
    pst_model_free(m);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_unit_count), cmocka_unit_test(test_cuts)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
