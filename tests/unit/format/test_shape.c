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

static void test_bytes(void **unused) {
    (void)unused;
    static const size_t weight[PSTI_ENCODINGS] = {4, 2, 1, 1};
    for (int encoding = 0; encoding < PSTI_ENCODINGS; encoding++)
        for (uint32_t units = 1; units < 100; units += 3)
            for (uint32_t inputs = 1; inputs < 200; inputs += 7)
                for (uint32_t gates = 1; gates <= PSTI_GATES; gates += PSTI_GATES - 1) {
                    psti_shape s = psti_shape_of(units, inputs, gates);
                    size_t rows = gates * s.padded_units;
                    assert_int_equal(psti_encoding_bytes(encoding), weight[encoding]);
                    assert_int_equal(psti_encoding_scaled(encoding), encoding >= PSTI_W8A16);
                    assert_int_equal(psti_tiles_bytes(&s, encoding), rows * s.padded_inputs * weight[encoding]);
                    assert_int_equal(psti_tiles_bytes(&s, encoding), s.wide * psti_block_bytes(&s, encoding, 0) +
                                                                         s.narrow * psti_block_bytes(&s, encoding, 1));
                    assert_int_equal(psti_tiles_bytes(&s, encoding) % 64, 0);
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

static void test_formats(void **unused) {
    (void)unused;
    static const char *const names[] = {"f32", "bf16", "w8a16", "w8a8"};
    assert_int_equal(psti_format_count, 4);
    for (int i = 0; i < 4; i++) {
        const psti_format *f = psti_format_find(names[i]);
        assert_non_null(f);
        assert_string_equal(f->name, names[i]);
        assert_string_equal(psti_encoding_names[i], names[i]);
        assert_int_equal(f->input, i);
        assert_int_equal(f->recurrent, i);
        assert_int_equal(f->linear, i == PSTI_W8A8 ? PSTI_W8A16 : i); /* the Linear takes 16-bit activations */
    }
    assert_null(psti_format_find("W8A8"));
    assert_null(psti_format_find(""));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_borders), cmocka_unit_test(test_borders_of_all), cmocka_unit_test(test_blocks),
        cmocka_unit_test(test_rows),    cmocka_unit_test(test_bytes),          cmocka_unit_test(test_padding),
        cmocka_unit_test(test_formats),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
