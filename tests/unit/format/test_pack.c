/* Packing: every weight stands where the layout says, with the value that a straightforward formula gives; padding is
 * 0; psti_tiles_check refuses whatever packing cannot have written. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/number.h"
#include "format/format.h"

typedef struct {
    psti_shape shape;
    int encoding;
    uint32_t rows;
    float *w;
    unsigned char *tiles;
    float *scale;
    size_t bytes;
} packed;

static const struct {
    uint32_t units, inputs, gates;
} cases[] = {{16, 4, 4}, {1, 1, 4}, {37, 70, 4}, {100, 13, 4}, {20, 129, 4}, {1, 1, 1}, {18, 33, 1}, {32, 64, 1}};
enum { CASES = sizeof cases / sizeof *cases };

static packed pack(int which, int encoding, const float *special, size_t specials) {
    packed p = {.shape = psti_shape_of(cases[which].units, cases[which].inputs, cases[which].gates),
                .encoding = encoding,
                .rows = cases[which].units * cases[which].gates};
    size_t n = (size_t)p.rows * p.shape.inputs;
    psti_random random;
    psti_random_seed(&random, (uint64_t)which + 1);
    p.bytes = psti_tiles_bytes(&p.shape, encoding);
    p.w = malloc(n * sizeof *p.w);
    for (size_t i = 0; i < n; i++) /* each row of a size of its own */
        p.w[i] = i < specials ? special[i]
                              : (float)ldexp(2 * psti_random_uniform(&random) - 1, (int)(i / p.shape.inputs % 7) - 3);
    p.tiles = malloc(p.bytes);
    memset(p.tiles, 0x77, p.bytes); /* packing must write every byte */
    p.scale = psti_encoding_scaled(encoding) ? malloc(sizeof(float) * PSTI_LANES * psti_shape_vectors(&p.shape)) : NULL;
    psti_pack(&p.shape, encoding, p.w, p.tiles, p.scale);
    return p;
}

static void drop(packed *p) {
    free(p->w);
    free(p->tiles);
    free(p->scale);
}

/* bf16 to nearest even the slow way: the nearer of the two neighbours, in float64. */
static float nearest_bf16(float v) {
    float low = psti_float(psti_bits(v) & 0xffff0000), high = psti_float((psti_bits(v) & 0xffff0000) + 0x10000);
    double to_low = fabs((double)v - (double)low), to_high = fabs((double)high - (double)v);
    if (to_low == to_high)
        return psti_bits(low) >> 16 & 1 ? high : low;
    return to_low < to_high ? low : high;
}

/* Scale of the row, from max |w| / 127. */
static float row_scale(const packed *p, uint32_t row) {
    float largest = 0;
    for (uint32_t i = 0; i < p->shape.inputs; i++)
        largest = fmaxf(largest, fabsf(p->w[(size_t)row * p->shape.inputs + i]));
    return fmaxf(largest / 127, 0x1p-40f);
}

static float expected(const packed *p, uint32_t row, uint32_t input) {
    float w = p->w[(size_t)row * p->shape.inputs + input];
    if (p->encoding == PSTI_F32)
        return fabsf(w) < 0x1p-40f ? 0 : w;
    if (p->encoding == PSTI_BF16)
        return fabsf(w) < 0x1p-48f ? 0 : nearest_bf16(w);
    return (float)nearbyint((double)(w / row_scale(p, row)));
}

static void test_round_trip(void **unused) {
    (void)unused;
    for (int encoding = 0; encoding < PSTI_ENCODINGS; encoding++)
        for (int c = 0; c < CASES; c++) {
            packed p = pack(c, encoding, NULL, 0);
            for (uint32_t row = 0; row < p.rows; row++)
                for (uint32_t i = 0; i < p.shape.inputs; i++) {
                    float found = psti_unpack_weight(&p.shape, encoding, p.tiles, row, i);
                    if (found != expected(&p, row, i))
                        fail_msg("case %d, %s: row %u, input %u: %a, expected %a", c, psti_encoding_names[encoding],
                                 row, i, (double)found, (double)expected(&p, row, i));
                }
            assert_null(psti_tiles_check(&p.shape, encoding, p.tiles, p.scale));
            drop(&p);
        }
}

/* The bytes, from the description in format.h: blocks one after the other, in a block the groups of inputs, in a group
 * the vectors, in a vector 16 lanes. */
static void test_layout(void **unused) {
    (void)unused;
    static const uint32_t group[PSTI_ENCODINGS] = {1, 2, 4, 4};
    for (int encoding = 0; encoding < PSTI_ENCODINGS; encoding++)
        for (int c = 0; c < CASES; c++) {
            packed p = pack(c, encoding, NULL, 0);
            const unsigned char *at = p.tiles;
            size_t size = psti_encoding_bytes(encoding);
            for (uint32_t block = 0; block < p.shape.wide + p.shape.narrow; block++) {
                int wide = block < p.shape.wide;
                uint32_t vectors = wide ? p.shape.gates : 1;
                uint32_t first = wide ? block * p.shape.gates : p.shape.wide * p.shape.gates + (block - p.shape.wide);
                for (uint32_t i = 0; i < p.shape.padded_inputs; i += group[encoding])
                    for (uint32_t v = 0; v < vectors; v++)
                        for (uint32_t lane = 0; lane < PSTI_LANES; lane++)
                            for (uint32_t k = 0; k < group[encoding]; k++, at += size) {
                                int64_t row = psti_shape_row(&p.shape, (first + v) * PSTI_LANES + lane);
                                float found = 0, want = 0;
                                if (encoding == PSTI_F32)
                                    memcpy(&found, at, size);
                                else if (encoding == PSTI_BF16)
                                    found = psti_from_bf16((uint16_t)(at[0] | at[1] << 8));
                                else
                                    found = (float)(signed char)*at;
                                if (row >= 0 && i + k < p.shape.inputs)
                                    want = expected(&p, (uint32_t)row, i + k);
                                assert_true(found == want);
                                assert_true(want != 0 || !signbit(found) || (row >= 0 && i + k < p.shape.inputs));
                            }
            }
            assert_ptr_equal(at, p.tiles + p.bytes);
            drop(&p);
        }
}

static void test_scales(void **unused) {
    (void)unused;
    for (int encoding = PSTI_W8A16; encoding <= PSTI_W8A8; encoding++)
        for (int c = 0; c < CASES; c++) {
            packed p = pack(c, encoding, NULL, 0);
            for (uint32_t lane = 0; lane < PSTI_LANES * psti_shape_vectors(&p.shape); lane++) {
                int64_t row = psti_shape_row(&p.shape, lane);
                float want = row < 0 ? 0 : row_scale(&p, (uint32_t)row);
                assert_int_equal(psti_bits(p.scale[lane]), psti_bits(want));
            }
            for (uint32_t row = 0; row < p.rows; row++) { /* the row's largest weight is +-127 */
                float largest = 0;
                for (uint32_t i = 0; i < p.shape.inputs; i++)
                    largest = fmaxf(largest, fabsf(psti_unpack_weight(&p.shape, encoding, p.tiles, row, i)));
                assert_true(largest == 127);
            }
            drop(&p);
        }
}

/* Values on and beside every border of the rules. */
static void test_special_values(void **unused) {
    (void)unused;
    static const float special[] = {0,
                                    -0.0f,
                                    0x1p-40f,
                                    -0x1p-40f,
                                    0x1.fffffep-41f,
                                    0x1p-48f,
                                    0x1.fffffep-49f,
                                    0x1p-140f,
                                    0x1p-149f,
                                    0x1.008p0f,
                                    0x1.018p0f,
                                    0x1.00800002p0f,
                                    1,
                                    0x1.fep39f,
                                    0x1.feffp38f,
                                    -0x1.fefffep38f,
                                    0x1p40f,
                                    -0x1p40f,
                                    0x1.fffffep38f};
    enum { N = sizeof special / sizeof *special };
    for (int encoding = 0; encoding < PSTI_ENCODINGS; encoding++) {
        packed p = pack(2, encoding, special, N);
        for (uint32_t i = 0; i < N; i++)
            assert_true(psti_unpack_weight(&p.shape, encoding, p.tiles, 0, i) == expected(&p, 0, i));
        assert_null(psti_tiles_check(&p.shape, encoding, p.tiles, p.scale));
        drop(&p);
    }
    float halves[70] = {127, 0.5f, 1.5f, 2.5f, -0.5f, -1.5f, -2.5f, 126.5f, -126.5f}; /* of scale 1: ties, to even */
    static const float even[] = {127, 0, 2, 2, 0, -2, -2, 126, -126};
    packed of_halves = pack(2, PSTI_W8A16, halves, 70);
    for (uint32_t i = 0; i < sizeof even / sizeof *even; i++)
        assert_true(psti_unpack_weight(&of_halves.shape, PSTI_W8A16, of_halves.tiles, 0, i) == even[i]);
    drop(&of_halves);
    float tiny[70]; /* a row so small that its scale is the least one */
    for (int i = 0; i < 70; i++)
        tiny[i] = i % 3 ? 0x1p-50f : -0x1.8p-40f;
    packed p = pack(2, PSTI_W8A8, tiny, 70);
    assert_true(p.scale[0] == 0x1p-40f);
    assert_true(psti_unpack_weight(&p.shape, PSTI_W8A8, p.tiles, 0, 0) == -2); /* 1.5, to even */
    assert_true(psti_unpack_weight(&p.shape, PSTI_W8A8, p.tiles, 0, 1) == 0);
    drop(&p);
}

/* ---- what is refused ----------------------------------------------------------------------------------------------
 */

/* Puts `bits` at byte `at` for the time of one check. */
static void refused(packed *p, size_t at, uint32_t bits, const char *why) {
    size_t size = psti_encoding_bytes(p->encoding);
    unsigned char was[4];
    memcpy(was, p->tiles + at, size);
    memcpy(p->tiles + at, &bits, size); /* little-endian, as files are */
    const char *found = psti_tiles_check(&p->shape, p->encoding, p->tiles, p->scale);
    memcpy(p->tiles + at, was, size);
    if (!found || !strstr(found, why))
        fail_msg("%s, byte %zu, %#x: %s; expected %s", psti_encoding_names[p->encoding], at, bits,
                 found ? found : "sound", why);
}

static void test_check_weights(void **unused) {
    (void)unused;
    static const struct {
        int encoding;
        uint32_t bits;
        const char *why;
    } bad[] = {
        {PSTI_F32, 0x7fc00000, "finite"}, {PSTI_F32, 0x7f800000, "finite"}, {PSTI_F32, 0xff800000, "finite"},
        {PSTI_F32, 0x53800001, "2^40"},   {PSTI_F32, 0x00000001, "least"},  {PSTI_F32, 0x2b7fffff, "least"},
        {PSTI_F32, 0x80000000, "least"},  {PSTI_BF16, 0x7fc0, "finite"},    {PSTI_BF16, 0x7f80, "finite"},
        {PSTI_BF16, 0xff80, "finite"},    {PSTI_BF16, 0x5381, "2^40"},      {PSTI_BF16, 0x0001, "least"},
        {PSTI_BF16, 0x277f, "least"},     {PSTI_BF16, 0x8000, "least"},     {PSTI_W8A16, 0x80, "-128"},
        {PSTI_W8A8, 0x80, "-128"},
    };
    for (size_t b = 0; b < sizeof bad / sizeof *bad; b++) {
        packed p = pack(0, bad[b].encoding, NULL, 0); /* of 16 x 4: no padding anywhere */
        for (size_t at = 0; at < p.bytes; at += psti_encoding_bytes(p.encoding))
            refused(&p, at, bad[b].bits, bad[b].why);
        assert_null(psti_tiles_check(&p.shape, p.encoding, p.tiles, p.scale));
        drop(&p);
    }
}

/* Each byte of padding, of units and of inputs. */
static void test_check_padding(void **unused) {
    (void)unused;
    for (int encoding = 0; encoding < PSTI_ENCODINGS; encoding++)
        for (int c = 1; c < CASES; c++) {
            packed p = pack(c, encoding, NULL, 0);
            size_t size = psti_encoding_bytes(encoding), padding = 0;
            float *clean = p.w; /* find padding as what stays 0 when all weights are 1 */
            for (size_t i = 0; i < (size_t)p.rows * p.shape.inputs; i++)
                clean[i] = 1;
            psti_pack(&p.shape, encoding, clean, p.tiles, p.scale);
            static const unsigned char zero[4];
            for (size_t at = 0; at < p.bytes; at += size)
                if (memcmp(p.tiles + at, zero, size) == 0) {
                    padding++;
                    refused(&p, at, 1, "padding");
                    refused(&p, at,
                            encoding == PSTI_F32    ? 0x80000000
                            : encoding == PSTI_BF16 ? 0x8000
                                                    : 0x80,
                            "padding");
                }
            assert_int_equal(padding * size, p.bytes - (size_t)p.rows * p.shape.inputs * size);
            drop(&p);
        }
}

static void test_check_scales(void **unused) {
    (void)unused;
    static const float never[] = {0, -1, NAN, INFINITY, -INFINITY, 0x1.fffffep-41f, 0x1.000002p40f, -0.0f};
    for (int encoding = PSTI_W8A16; encoding <= PSTI_W8A8; encoding++) {
        packed p = pack(2, encoding, NULL, 0);
        for (uint32_t lane = 0; lane < PSTI_LANES * psti_shape_vectors(&p.shape); lane++) {
            float was = p.scale[lane];
            int padding = psti_shape_row(&p.shape, lane) < 0;
            for (size_t i = 0; i < sizeof never / sizeof *never; i++) {
                p.scale[lane] = never[i];
                const char *found = psti_tiles_check(&p.shape, encoding, p.tiles, p.scale);
                if (padding && psti_bits(never[i]) == 0)
                    assert_null(found);
                else
                    assert_non_null(found);
            }
            p.scale[lane] = padding ? 1 : 0x1p-40f;
            assert_true(!padding == !psti_tiles_check(&p.shape, encoding, p.tiles, p.scale));
            p.scale[lane] = was;
        }
        assert_null(psti_tiles_check(&p.shape, encoding, p.tiles, p.scale));
        drop(&p);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),    cmocka_unit_test(test_layout),
        cmocka_unit_test(test_scales),        cmocka_unit_test(test_special_values),
        cmocka_unit_test(test_check_weights), cmocka_unit_test(test_check_padding),
        cmocka_unit_test(test_check_scales),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
