/* A slice of a matrix, code by code: the weights of its units and no others, padding zero; slices together are the
 * whole. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>

#include "base/number.h"
#include "format/format.h"
#include "support/model.h"

enum { GUARD = 64, STALE = 0xa5 };

static uint64_t seed = 1;

/* A packed matrix. What is behind the tiles and lanes is not theirs. */
typedef struct {
    psti_shape shape;
    size_t bytes, lanes;
    unsigned char *tiles;
    float *scale, *bias;
} matrix;

/* Groups of multipliers of another size for every other number of inputs. */
static matrix matrix_of(uint32_t units, uint32_t inputs, uint32_t gates, int encoding) {
    matrix m = {.shape = psti_shape_of(units, inputs, gates)};
    m.shape.group = 32u << inputs % 3;
    m.bytes = psti_tiles_bytes(&m.shape, encoding);
    m.lanes = (size_t)PSTI_LANES * psti_shape_vectors(&m.shape);
    m.tiles = malloc(m.bytes + GUARD);
    m.scale = malloc(m.lanes * sizeof(float) + GUARD);
    m.bias = malloc(m.lanes * sizeof(float) + GUARD);
    memset(m.tiles, STALE, m.bytes + GUARD);
    memset(m.scale, STALE, m.lanes * sizeof(float) + GUARD);
    memset(m.bias, STALE, m.lanes * sizeof(float) + GUARD);
    return m;
}

static void matrix_free(matrix *m) {
    free(m->tiles);
    free(m->scale);
    free(m->bias);
}

static void guard_is_whole(const void *end) {
    for (size_t i = 0; i < GUARD; i++)
        assert_int_equal(((const unsigned char *)end)[i], STALE);
}

/* Random weights; every bias is another number. */
static matrix whole_of(uint32_t units, uint32_t inputs, uint32_t gates, int encoding, model_noise *noise) {
    matrix m = matrix_of(units, inputs, gates, encoding);
    size_t count = (size_t)gates * units * inputs;
    float *w = malloc(count * sizeof *w);
    for (size_t i = 0; i < count; i++)
        w[i] = model_normal(noise);
    psti_pack(&m.shape, encoding, w, m.tiles, m.scale);
    for (uint32_t lane = 0; lane < m.lanes; lane++)
        m.bias[lane] = psti_shape_row(&m.shape, lane) < 0 ? 0 : 1 + (float)lane;
    free(w);
    return m;
}

static matrix cut_of(const matrix *whole, int encoding, uint32_t first, uint32_t end) {
    matrix m = matrix_of(end - first, whole->shape.inputs, whole->shape.gates, encoding);
    psti_cut_tiles(&whole->shape, encoding, whole->tiles, first, &m.shape, m.tiles);
    guard_is_whole(m.tiles + m.bytes);
    if (psti_encoding_scaled(encoding)) {
        psti_cut_lanes(&whole->shape, whole->scale, first, &m.shape, m.scale);
        guard_is_whole(m.scale + m.lanes);
    }
    psti_cut_lanes(&whole->shape, whole->bias, first, &m.shape, m.bias);
    guard_is_whole(m.bias + m.lanes);
    return m;
}

/* Lane by lane. `seen` counts how often a row of the whole stands in a slice. */
static void is_slice(const matrix *whole, const matrix *m, int encoding, uint32_t first, unsigned char *seen) {
    int scaled = psti_encoding_scaled(encoding);
    const char *wrong = psti_tiles_check(&m->shape, encoding, m->tiles, m->scale); /* padding is 0, too */
    if (wrong)
        fail_msg("units %u to %u of %u: %s", first, first + m->shape.units, whole->shape.units, wrong);
    for (uint32_t lane = 0; lane < m->lanes; lane++) {
        int64_t row = psti_shape_row(&m->shape, lane);
        if (row < 0) {
            assert_int_equal(psti_bits(m->bias[lane]), 0);
            continue;
        }
        uint32_t gate = (uint32_t)row / m->shape.units, unit = first + (uint32_t)row % m->shape.units;
        uint32_t from = gate * whole->shape.units + unit, at = psti_shape_lane(&whole->shape, gate, unit);
        assert_int_equal(psti_shape_row(&whole->shape, at), from);
        seen[from]++;
        assert_int_equal(psti_bits(m->bias[lane]), psti_bits(whole->bias[at]));
        if (scaled)
            assert_int_equal(psti_bits(m->scale[lane]), psti_bits(whole->scale[at]));
        for (uint32_t i = 0; i < m->shape.inputs; i++) {
            float expect = psti_unpack_weight(&whole->shape, encoding, whole->tiles, from, i);
            float found = psti_unpack_weight(&m->shape, encoding, m->tiles, (uint32_t)row, i);
            if (psti_bits(found) != psti_bits(expect))
                fail_msg("gate %u, unit %u, input %u in units %u to %u of %u: %g, expected %g", gate, unit, i, first,
                         first + m->shape.units, whole->shape.units, (double)found, (double)expect);
        }
    }
}

/* The whole as slices at these borders. */
static void cut_at(const matrix *whole, int encoding, const uint32_t *border, uint32_t slices) {
    size_t rows = (size_t)whole->shape.gates * whole->shape.units;
    unsigned char *seen = calloc(rows, 1);
    for (uint32_t k = 0; k < slices; k++) {
        if (border[k] == border[k + 1])
            continue;
        matrix m = cut_of(whole, encoding, border[k], border[k + 1]);
        is_slice(whole, &m, encoding, border[k], seen);
        matrix_free(&m);
    }
    for (size_t i = 0; i < rows; i++)
        assert_int_equal(seen[i], 1);
    free(seen);
}

static void one_shape(uint32_t units, uint32_t inputs, uint32_t gates, model_noise *noise) {
    for (int encoding = 0; encoding < PSTI_ENCODINGS; encoding++) {
        matrix whole = whole_of(units, inputs, gates, encoding, noise);
        for (uint32_t at = 0; at < units + PSTI_NARROW;
             at += PSTI_NARROW) /* in two; the first and the last: not at all */
            cut_at(&whole, encoding, (const uint32_t[]){0, at < units ? at : units, units}, 2);
        uint32_t border[6] = {0};
        for (int k = 1; k < 6; k++) { /* in up to five */
            border[k] = border[k - 1] + PSTI_NARROW * model_choose(noise, units / 2 / PSTI_NARROW + 1);
            border[k] = k < 5 && border[k] < units ? border[k] : units;
        }
        cut_at(&whole, encoding, border, 5);
        matrix_free(&whole);
    }
}

static void test_shapes(void **unused) {
    (void)unused;
    model_noise noise = {seed};
    for (uint32_t gates = 1; gates <= PSTI_GATES; gates += PSTI_GATES - 1) {
        static const uint32_t edges[] = {1, 3, 4, 5, 15, 16, 17, 19, 20, 31, 32, 33};
        for (size_t i = 0; i < sizeof edges / sizeof *edges; i++)
            one_shape(edges[i], 1 + model_choose(&noise, 9), gates, &noise);
        for (int i = 0; i < 12; i++)
            one_shape(1 + model_choose(&noise, 110), 1 + model_choose(&noise, 150), gates, &noise);
    }
}

/* A slice that is packed by itself has the same bytes: a row's codes and scale depend on nothing but the row. */
static void test_same_as_packed(void **unused) {
    (void)unused;
    model_noise noise = {seed + 1};
    for (int i = 0; i < 40; i++)
        for (int encoding = 0; encoding < PSTI_ENCODINGS; encoding++) {
            uint32_t gates = i % 2 ? PSTI_GATES : 1, units = 1 + model_choose(&noise, 90);
            uint32_t inputs = 1 + model_choose(&noise, 90), narrow = (units + PSTI_NARROW - 1) / PSTI_NARROW;
            uint32_t first = PSTI_NARROW * model_choose(&noise, narrow), take = 1 + model_choose(&noise, units - first);
            float *w = model_normals(model_next(&noise), (size_t)gates * units * inputs),
                  *rows = malloc((size_t)gates * take * inputs * sizeof *rows);
            matrix whole = matrix_of(units, inputs, gates, encoding), expect = matrix_of(take, inputs, gates, encoding);
            psti_pack(&whole.shape, encoding, w, whole.tiles, whole.scale);
            memset(whole.bias, 0, whole.lanes * sizeof(float));
            for (uint32_t gate = 0; gate < gates; gate++)
                memcpy(rows + (size_t)gate * take * inputs, w + ((size_t)gate * units + first) * inputs,
                       (size_t)take * inputs * sizeof *rows);
            psti_pack(&expect.shape, encoding, rows, expect.tiles, expect.scale);
            matrix found = cut_of(&whole, encoding, first, first + take);
            assert_memory_equal(found.tiles, expect.tiles, expect.bytes);
            if (psti_encoding_scaled(encoding))
                assert_memory_equal(found.scale, expect.scale, expect.lanes * sizeof(float));
            matrix_free(&found);
            matrix_free(&expect);
            matrix_free(&whole);
            free(rows);
            free(w);
        }
}

int main(void) {
    const char *given = getenv("PENSTOCK_SEED");
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_shapes), cmocka_unit_test(test_same_as_packed)};
    seed = given ? strtoull(given, NULL, 10) : seed;
    print_message("seed %llu\n", (unsigned long long)seed);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
