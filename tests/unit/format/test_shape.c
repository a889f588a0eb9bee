/* The shape of a matrix in tiles: borders of the ranges, blocks, lanes, and what padding costs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>

#include "format/format.h"

static void borders_are(uint32_t inputs, const uint32_t expect[5]) {
    psti_shape s = psti_shape_of(4, inputs, PSTI_GATES);
    for (int i = 0; i <= PSTI_RANGES; i++)
        if (s.border[i] != expect[i])
            fail_msg("%u inputs: border %d is %u, expected %u", inputs, i, s.border[i], expect[i]);
}

static void test_borders(void **unused) {
    (void)unused;
    borders_are(480, (const uint32_t[]){0, 128, 240, 368, 480});
    borders_are(100, (const uint32_t[]){0, 32, 64, 96, 100});
    borders_are(128, (const uint32_t[]){0, 32, 64, 96, 128});
    borders_are(256, (const uint32_t[]){0, 64, 128, 192, 256});
    borders_are(320, (const uint32_t[]){0, 80, 160, 240, 320});
    borders_are(64, (const uint32_t[]){0, 16, 32, 48, 64});
    borders_are(32, (const uint32_t[]){0, 16, 16, 32, 32}); /* empty ranges */
    borders_are(17, (const uint32_t[]){0, 16, 16, 20, 20}); /* the last one takes the padding */
    borders_are(16, (const uint32_t[]){0, 16, 16, 16, 16});
    borders_are(3, (const uint32_t[]){0, 4, 4, 4, 4});
    borders_are(65536, (const uint32_t[]){0, 16384, 32768, 49152, 65536});
}

/* min(n, 16 ceil(i B / 4)), B = ceil(n / 16), but for the padding: written anew, for every n. */
static void test_borders_of_all(void **unused) {
    (void)unused;
    for (uint32_t n = 1; n <= 65536; n += n < 3000 ? 1 : 37) {
        psti_shape s = psti_shape_of(1, n, 1);
        uint32_t padded = (n + 3) & ~3u;
        assert_int_equal(s.padded_inputs, padded);
        for (uint32_t i = 0; i <= 4; i++) {
            double b = (double)((n + 15) / 16), border = 16 * (double)(uint64_t)((i * b + 3) / 4);
            uint32_t expect = border < padded ? (uint32_t)border : padded;
            assert_int_equal(s.border[i], expect);
            assert_true(i == 0 || s.border[i] >= s.border[i - 1]);
            assert_true(s.border[i] % 16 == 0 || s.border[i] == padded);
        }
        assert_int_equal(s.border[0], 0);
        assert_int_equal(s.border[4], padded);
    }
}

static void test_blocks(void **unused) {
    (void)unused;
    for (uint32_t units = 1; units < 300; units++) {
        psti_shape lstm = psti_shape_of(units, 8, PSTI_GATES), linear = psti_shape_of(units, 8, 1);
        assert_int_equal(lstm.wide, units / 16);
        assert_int_equal(lstm.narrow, (units % 16 + 3) / 4);
        assert_int_equal(lstm.padded_units, (units + 3) / 4 * 4);
        assert_int_equal(psti_shape_vectors(&lstm), 4 * lstm.wide + lstm.narrow);
        assert_int_equal(linear.wide, (units + 15) / 16);
        assert_int_equal(linear.narrow, 0);
        assert_int_equal(linear.padded_units, (units + 15) / 16 * 16);
        assert_int_equal(psti_shape_vectors(&linear), linear.wide);
    }
}

/* Each row of the source matrix is exactly one lane; the rest is padding. Wide: lane = unit, vector = gate. Narrow:
 * lane = 4 gate + unit. */
static void test_rows(void **unused) {
    (void)unused;
    for (uint32_t gates = 1; gates <= PSTI_GATES; gates += PSTI_GATES - 1)
        for (uint32_t units = 1; units < 150; units++) {
            psti_shape s = psti_shape_of(units, 8, gates);
            unsigned char *seen = calloc((size_t)gates * units, 1);
            uint32_t lanes = PSTI_LANES * psti_shape_vectors(&s), padding = 0;
            for (uint32_t lane = 0; lane < lanes; lane++) {
                int64_t row = psti_shape_row(&s, lane);
                uint32_t vector = lane / 16, gate = vector % gates, unit = vector / gates * 16 + lane % 16;
                if (vector >= gates * s.wide) {
                    gate = lane % 16 / 4;
                    unit = 16 * s.wide + 4 * (vector - gates * s.wide) + lane % 4;
                }
                assert_int_equal(row, unit < units ? (int64_t)(gate * units + unit) : -1);
                assert_int_equal(psti_shape_lane(&s, gate, unit), lane); /* padding, too */
                if (row < 0)
                    padding++;
                else
                    assert_int_equal(seen[row]++, 0);
            }
            assert_int_equal(padding, lanes - gates * units);
            assert_int_equal(padding, gates * (s.padded_units - units));
            free(seen);
        }
}

/* The table anew: bits, words of 4 bytes and the inputs that they hold, groups. */
static const struct {
    const char *name;
    int bits, operand, largest, odd;
    uint32_t inputs, words, chunk; /* chunk: 0 without multipliers */
} all[PSTI_ENCODINGS] = {
    {"f32", 32, PSTI_OPERAND_F32, 0, 0, 1, 1, 0},    {"bf16", 16, PSTI_OPERAND_BF16, 0, 0, 2, 1, 0},
    {"w8a16", 8, PSTI_OPERAND_A16, 127, 0, 4, 1, 0}, {"w8a8", 8, PSTI_OPERAND_A8, 127, 0, 4, 1, 0},
    {"w4a16", 4, PSTI_OPERAND_A16, 7, 0, 8, 1, 32},  {"w4a8", 4, PSTI_OPERAND_A8, 7, 0, 8, 1, 32},
    {"w6a16", 6, PSTI_OPERAND_A16, 31, 0, 16, 3, 0}, {"w3a8", 3, PSTI_OPERAND_A8, 7, 1, 32, 3, 32},
    {"w2a8", 2, PSTI_OPERAND_A8, 3, 1, 16, 1, 64},
};

static uint32_t ceil_of(uint32_t n, uint32_t unit) {
    return (n + unit - 1) / unit;
}

static void bytes_of(int encoding, const psti_shape *s, uint32_t group) {
    uint32_t words =
        ceil_of(all[encoding].bits < 8 ? s->inputs : s->padded_inputs, all[encoding].inputs) * all[encoding].words;
    if (all[encoding].chunk > group)
        group = all[encoding].chunk;
    uint32_t groups = all[encoding].chunk ? ceil_of(s->inputs, group) : 0;
    size_t wide = 64 * ceil_of(groups * s->gates * 16, 64) + (size_t)words * s->gates * 64;
    size_t narrow = 64 * ceil_of(groups * 16, 64) + (size_t)words * 64, rows = (size_t)s->gates * s->units;
    assert_int_equal(psti_lane_words(s, encoding), words);
    assert_int_equal(psti_shape_groups(s, encoding), groups);
    if (groups)
        assert_int_equal(psti_shape_group(s, encoding), group);
    assert_int_equal(psti_block_bytes(s, encoding, 0), wide);
    assert_int_equal(psti_block_bytes(s, encoding, 1), narrow);
    assert_int_equal(psti_tiles_bytes(s, encoding), s->wide * wide + s->narrow * narrow);
    size_t used = (rows * s->inputs * (size_t)all[encoding].bits + 7) / 8 + rows * groups;
    assert_int_equal(psti_used_bytes(s, encoding), used);
    assert_true(used <= psti_tiles_bytes(s, encoding));
}

static void test_bytes(void **unused) {
    (void)unused;
    for (int encoding = 0; encoding < PSTI_ENCODINGS; encoding++)
        for (uint32_t units = 1; units < 100; units += 3)
            for (uint32_t inputs = 1; inputs < 200; inputs += 7)
                for (uint32_t gates = 1; gates <= PSTI_GATES; gates += PSTI_GATES - 1)
                    for (uint32_t group = 32; group <= 128; group *= 2) {
                        psti_shape s = psti_shape_of(units, inputs, gates);
                        assert_int_equal(s.group, 32);
                        s.group = group;
                        bytes_of(encoding, &s, group);
                    }
}

static void test_encodings(void **unused) {
    (void)unused;
    for (int i = 0; i < PSTI_ENCODINGS; i++) {
        const psti_encoding *e = &psti_encodings[i];
        assert_string_equal(e->name, all[i].name);
        assert_int_equal(psti_encoding_find(all[i].name), i);
        assert_int_equal(e->bits, all[i].bits);
        assert_int_equal(e->operand, all[i].operand);
        assert_int_equal(e->largest, all[i].largest);
        assert_int_equal(e->odd, all[i].odd);
        assert_int_equal(e->grouped, all[i].chunk != 0);
        assert_int_equal(psti_encoding_scaled(i), i >= PSTI_W8A16);
        assert_int_equal(psti_encoding_few(i), i >= PSTI_W4A16);
    }
    assert_int_equal(psti_encoding_find("W8A8"), -1);
    assert_int_equal(psti_encoding_find(""), -1);
    assert_int_equal(psti_encoding_find("w4r"), -1);
    static const size_t bytes[PSTI_OPERANDS] = {4, 2, 1, 1};
    for (int k = 0; k < PSTI_OPERANDS; k++)
        assert_int_equal(psti_operand_bytes(k), bytes[k]);
}

/* What a kernel sums stays in its integers whatever the values: of a chunk 16 bits before its multiplier, of all inputs
 * 32 bits. Largest: digits of 128, codes and multipliers at their limits; of odd codes the unsigned 2 u. */
static void test_sums_fit(void **unused) {
    (void)unused;
    for (int i = 0; i < PSTI_ENCODINGS; i++) {
        if (!all[i].chunk)
            continue;
        int64_t in_chunk = (int64_t)all[i].largest * 128 * all[i].chunk;
        assert_true(in_chunk <= 32768);
        for (uint32_t inputs = 1; inputs <= PSTI_MAX_INPUTS; inputs += inputs < 5000 ? 1 : 97) {
            psti_shape s = psti_shape_of(1, inputs, 1);
            int most = psti_largest_multiplier(&s, i);
            int64_t sum = (int64_t)all[i].largest * 128 * inputs;
            assert_true(most >= 1 && most <= 127 && sum * most <= INT32_MAX);
            assert_true(most == 127 || sum * (most + 1) > INT32_MAX); /* and no smaller than must be */
        }
        psti_shape s = psti_shape_of(1, PSTI_MAX_INPUTS, 1);
        assert_true(psti_largest_multiplier(&s, i) >= 16);
    }
}

/* Hidden sizes that are a multiple of 4 but not of 16: at most 4 % of the weight bytes are padding. Stacks of two
 * layers as stac_a's (2 x 100 over 100 features), and the Linear at their end, whose one output is padded to 16. */
static void test_padding(void **unused) {
    (void)unused;
    for (uint32_t h = 32; h <= 400; h += 4)
        for (uint32_t features = 40; features <= 400; features += 36) {
            uint64_t padded = 0, real = 0;
            const uint32_t inputs[] = {features, h, h, h}; /* W_ih, W_hh of two layers */
            for (int i = 0; i < 4; i++) {
                psti_shape s = psti_shape_of(h, inputs[i], PSTI_GATES);
                padded += psti_tiles_bytes(&s, PSTI_BF16);
                real += 2 * 4 * (uint64_t)h * inputs[i];
            }
            psti_shape linear = psti_shape_of(1, h, 1);
            padded += psti_tiles_bytes(&linear, PSTI_BF16);
            real += 2 * (uint64_t)h;
            assert_true(padded >= real);
            assert_true(100 * (padded - real) <= 4 * padded);
        }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_borders),   cmocka_unit_test(test_borders_of_all), cmocka_unit_test(test_blocks),
        cmocka_unit_test(test_rows),      cmocka_unit_test(test_bytes),          cmocka_unit_test(test_padding),
        cmocka_unit_test(test_encodings), cmocka_unit_test(test_sums_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
