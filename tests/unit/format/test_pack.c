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
    uint32_t units, inputs, gates, group;
} cases[] = {{16, 4, 4, 32}, {1, 1, 4, 32},   {37, 70, 4, 32},  {100, 13, 4, 32},  {20, 129, 4, 64},
             {1, 1, 1, 32},  {18, 33, 1, 32}, {32, 64, 1, 128}, {23, 300, 4, 128}, {5, 257, 1, 64}};
enum { CASES = sizeof cases / sizeof *cases };

static packed pack(int which, int encoding, const float *special, size_t specials) {
    packed p = {.shape = psti_shape_of(cases[which].units, cases[which].inputs, cases[which].gates),
                .encoding = encoding,
                .rows = cases[which].units * cases[which].gates};
    size_t n = (size_t)p.rows * p.shape.inputs;
    psti_random random;
    psti_random_seed(&random, (uint64_t)which + 1);
    p.shape.group = cases[which].group;
    p.bytes = psti_tiles_bytes(&p.shape, encoding);
    p.w = malloc(n * sizeof *p.w);
    for (size_t i = 0; i < n; i++) { /* each row, and in it every 16 inputs, of a size of its own */
        int size = (int)(i / p.shape.inputs % 7) - 3 - (int)(i % p.shape.inputs / 16 % 3);
        p.w[i] = i < specials ? special[i] : (float)ldexp(2 * psti_random_uniform(&random) - 1, size);
        if (i >= specials && i / p.shape.inputs % 5 == 1 && i % p.shape.inputs / 64 == 1)
            p.w[i] = 0; /* some groups are all zeros */
    }
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

static int bits_of(int encoding) {
    return psti_encodings[encoding].bits;
}

static int is_odd(int encoding) {
    return bits_of(encoding) < 4;
}

/* The largest code: of 8, 6 and 4 bits all integers, without the one of which there is no negative; of 3 and 2 bits the
 * odd ones, 2^bits in all. */
static int largest_code(int encoding) {
    int bits = bits_of(encoding);
    return is_odd(encoding) ? (1 << bits) - 1 : (1 << (bits - 1)) - 1;
}

/* Where groups of inputs have multipliers: the inputs of one; else 0. */
static uint32_t group_of(const packed *p) {
    int bits = bits_of(p->encoding);
    uint32_t least = bits == 2 ? 64 : 32;
    if (bits > 4)
        return 0;
    return p->shape.group > least ? p->shape.group : least;
}

static float largest_in(const packed *p, uint32_t row, uint32_t from, uint32_t n) {
    float largest = 0;
    for (uint32_t i = from; i < from + n && i < p->shape.inputs; i++)
        largest = fmaxf(largest, fabsf(p->w[(size_t)row * p->shape.inputs + i]));
    return largest;
}

/* Of a row or group whose largest weight is this, what one step of a code is: odd codes are the middles of 2^bits equal
 * parts of the range, each 2 wide. */
static float step_for(int encoding, float largest) {
    return largest / (float)(is_odd(encoding) ? largest_code(encoding) + 1 : largest_code(encoding));
}

/* Scale of the row: its largest step over 127, the largest multiplier of so few inputs. */
static float row_scale(const packed *p, uint32_t row) {
    float step = step_for(p->encoding, largest_in(p, row, 0, p->shape.inputs));
    return fmaxf(group_of(p) ? step / 127 : step, 0x1p-40f);
}

/* Of the group of an input: its own step in row scales, at least 1; 0 where all its weights are 0. */
static int multiplier(const packed *p, uint32_t row, uint32_t input) {
    uint32_t group = group_of(p);
    if (!group)
        return 1;
    float largest = largest_in(p, row, input / group * group, group);
    float m = rintf(step_for(p->encoding, largest) / row_scale(p, row));
    return largest == 0 ? 0 : m < 1 ? 1 : m > 127 ? 127 : (int)m;
}

/* The code nearest to w / step, by trying each: the next one is, from the middle between the two on. On it: the even
 * one of all integers, the upper one of odd ones. */
static int nearest_code(int encoding, float w, float step) {
    int most = largest_code(encoding), next = is_odd(encoding) ? 2 : 1, best = -most;
    double at = (double)(w / step);
    for (int code = -most + next; code <= most; code += next) {
        double middle = code - 0.5 * next;
        if (at > middle || (at == middle && (is_odd(encoding) || code % 2 == 0)))
            best = code;
    }
    return best;
}

static int expected_code(const packed *p, uint32_t row, uint32_t input) {
    int m = multiplier(p, row, input);
    return nearest_code(p->encoding, p->w[(size_t)row * p->shape.inputs + input],
                        row_scale(p, row) * (float)(m ? m : 1));
}

static float expected(const packed *p, uint32_t row, uint32_t input) {
    float w = p->w[(size_t)row * p->shape.inputs + input];
    if (p->encoding == PSTI_F32)
        return fabsf(w) < 0x1p-40f ? 0 : w;
    if (p->encoding == PSTI_BF16)
        return fabsf(w) < 0x1p-48f ? 0 : nearest_bf16(w);
    return (float)(multiplier(p, row, input) * expected_code(p, row, input));
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
                        fail_msg("case %d, %s: row %u, input %u: %a, expected %a", c, psti_encodings[encoding].name,
                                 row, i, (double)found, (double)expected(&p, row, i));
                }
            const char *wrong = psti_tiles_check(&p.shape, encoding, p.tiles, p.scale);
            if (wrong)
                fail_msg("case %d, %s: %s", c, psti_encodings[encoding].name, wrong);
            drop(&p);
        }
}

/* ---- the bytes, from the descriptions in format.h and few.h -------------------------------------------------------
 */

/* Bits [at, at + n) of byte k of a word. */
static unsigned bits_at(const unsigned char *word, uint32_t k, uint32_t at, uint32_t n) {
    return word[k] >> at & ((1u << n) - 1);
}

/* What is stored of an input of a lane, whose words are `stride` bytes apart: quad q of the inputs that some words hold
 * together stands, for input k of it, in byte k. */
static int stored(int bits, const unsigned char *lane, size_t stride, uint32_t input) {
    uint32_t k = input % 4, q;
    switch (bits) {
    case 4: /* one word for 8: quad 0 low, quad 1 high */
        q = input % 8 / 4;
        return (int)bits_at(lane + input / 8 * stride, k, 4 * q, 4);
    case 2: /* one word for 16 */
        q = input % 16 / 4;
        return (int)bits_at(lane + input / 16 * stride, k, 2 * q, 2);
    case 6: /* three for 16: low halves of quads 0, 1; of 2, 3; the high two bits of all four */
        q = input % 16 / 4;
        lane += input / 16 * 3 * stride;
        return (int)(bits_at(lane + (q < 2 ? 0 : stride), k, q % 2 * 4, 4) | bits_at(lane + 2 * stride, k, 2 * q, 2)
                                                                                 << 4);
    default: /* 3: three for 32: the low two bits of quads 0 to 3; of 4 to 7; the high bit of all eight */
        q = input % 32 / 4;
        lane += input / 32 * 3 * stride;
        return (int)(bits_at(lane + (q < 4 ? 0 : stride), k, q % 4 * 2, 2) | bits_at(lane + 2 * stride, k, q, 1) << 2);
    }
}

static uint32_t inputs_at_once(int bits) {
    return bits == 3 ? 32 : bits == 4 ? 8 : 16;
}

/* Of one lane of fewer than 8 bits. */
static void few_lane(const packed *p, int64_t row, const unsigned char *head, const unsigned char *lane,
                     size_t stride) {
    int bits = bits_of(p->encoding);
    uint32_t at_once = inputs_at_once(bits), held = (p->shape.inputs + at_once - 1) / at_once * at_once;
    uint32_t group = group_of(p);
    for (uint32_t i = 0; i < held; i++) {
        int padding = row < 0 || i >= p->shape.inputs, u = stored(bits, lane, stride, i);
        if (padding) {
            assert_int_equal(u, 0);
            continue;
        }
        int code = expected_code(p, (uint32_t)row, i);
        assert_int_equal(u, is_odd(p->encoding) ? (code + largest_code(p->encoding)) / 2 : code + (1 << (bits - 1)));
        if (group)
            assert_int_equal(head[i / group * stride / 4], multiplier(p, (uint32_t)row, i));
    }
    for (uint32_t g = 0; row < 0 && group && g < (p->shape.inputs + group - 1) / group; g++)
        assert_int_equal(head[g * stride / 4], 0);
}

/* Blocks one after the other; in a block the multipliers, filled to 64 bytes, then the words of a lane in its order:
 * for each word the vectors, in a vector 16 lanes. Returns the block's end. */
static const unsigned char *few_block(const packed *p, const unsigned char *at, uint32_t first, uint32_t vectors) {
    int bits = bits_of(p->encoding);
    uint32_t at_once = inputs_at_once(bits), group = group_of(p);
    uint32_t words = (p->shape.inputs + at_once - 1) / at_once * (bits == 3 || bits == 6 ? 3 : 1);
    uint32_t groups = group ? (p->shape.inputs + group - 1) / group : 0, used = groups * vectors * 16;
    const unsigned char *weights = at + (used + 63) / 64 * 64;
    for (const unsigned char *pad = at + used; pad < weights; pad++)
        assert_int_equal(*pad, 0);
    for (uint32_t v = 0; v < vectors; v++)
        for (uint32_t lane = 0; lane < 16; lane++)
            few_lane(p, psti_shape_row(&p->shape, (first + v) * 16 + lane), at + v * 16 + lane,
                     weights + (v * 16 + lane) * 4, (size_t)vectors * 64);
    return weights + (size_t)words * vectors * 64;
}

/* Of 8 bits and more: in a block the groups of 1, 2 or 4 inputs, in a group the vectors, in a vector 16 lanes. */
static const unsigned char *plain_block(const packed *p, const unsigned char *at, uint32_t first, uint32_t vectors) {
    size_t size = (size_t)bits_of(p->encoding) / 8;
    uint32_t group = 4 / (uint32_t)size;
    for (uint32_t i = 0; i < p->shape.padded_inputs; i += group)
        for (uint32_t v = 0; v < vectors; v++)
            for (uint32_t lane = 0; lane < PSTI_LANES; lane++)
                for (uint32_t k = 0; k < group; k++, at += size) {
                    int64_t row = psti_shape_row(&p->shape, (first + v) * PSTI_LANES + lane);
                    float found = 0, want = 0;
                    if (p->encoding == PSTI_F32)
                        memcpy(&found, at, size);
                    else if (p->encoding == PSTI_BF16)
                        found = psti_from_bf16((uint16_t)(at[0] | at[1] << 8));
                    else
                        found = (float)(signed char)*at;
                    if (row >= 0 && i + k < p->shape.inputs)
                        want = expected(p, (uint32_t)row, i + k);
                    assert_true(found == want);
                    assert_true(want != 0 || !signbit(found) || (row >= 0 && i + k < p->shape.inputs));
                }
    return at;
}

static void test_layout(void **unused) {
    (void)unused;
    for (int encoding = 0; encoding < PSTI_ENCODINGS; encoding++)
        for (int c = 0; c < CASES; c++) {
            packed p = pack(c, encoding, NULL, 0);
            const unsigned char *at = p.tiles;
            for (uint32_t block = 0; block < p.shape.wide + p.shape.narrow; block++) {
                int wide = block < p.shape.wide;
                uint32_t first = wide ? block * p.shape.gates : p.shape.wide * p.shape.gates + (block - p.shape.wide);
                at = (bits_of(encoding) < 8 ? few_block : plain_block)(&p, at, first, wide ? p.shape.gates : 1);
            }
            assert_ptr_equal(at, p.tiles + p.bytes);
            drop(&p);
        }
}

static void test_scales(void **unused) {
    (void)unused;
    for (int encoding = PSTI_W8A16; encoding < PSTI_ENCODINGS; encoding++)
        for (int c = 0; c < CASES; c++) {
            packed p = pack(c, encoding, NULL, 0);
            for (uint32_t lane = 0; lane < PSTI_LANES * psti_shape_vectors(&p.shape); lane++) {
                int64_t row = psti_shape_row(&p.shape, lane);
                float want = row < 0 ? 0 : row_scale(&p, (uint32_t)row);
                assert_int_equal(psti_bits(p.scale[lane]), psti_bits(want));
            }
            for (uint32_t row = 0; row < p.rows; row++) { /* the row's largest weight has the largest code */
                float largest = 0;
                for (uint32_t i = 0; i < p.shape.inputs; i++)
                    largest = fmaxf(largest, fabsf(psti_unpack_weight(&p.shape, encoding, p.tiles, row, i)));
                assert_true(largest == (float)(largest_code(encoding) * (group_of(&p) ? 127 : 1)));
            }
            drop(&p);
        }
}

/* No weight is farther from what stands for it than half a step of its group, or a whole one of odd codes. */
static void test_errors(void **unused) {
    (void)unused;
    for (int encoding = PSTI_W8A16; encoding < PSTI_ENCODINGS; encoding++)
        for (int c = 0; c < CASES; c++) {
            packed p = pack(c, encoding, NULL, 0);
            for (uint32_t row = 0; row < p.rows; row++)
                for (uint32_t i = 0; i < p.shape.inputs; i++) {
                    int m = multiplier(&p, row, i);
                    double scale = (double)row_scale(&p, row), w = (double)p.w[(size_t)row * p.shape.inputs + i];
                    double most = scale * (m ? m : 1) * (is_odd(encoding) ? 1 : 0.5) * (1 + 1e-6);
                    /* a group's step is rounded to whole row scales, so that its largest weight may exceed its codes */
                    most += group_of(&p) ? 0.5 * scale * (largest_code(encoding) + is_odd(encoding)) : 0;
                    assert_true(fabs(w - scale * (double)psti_unpack_weight(&p.shape, encoding, p.tiles, row, i)) <=
                                most);
                }
            drop(&p);
        }
}

/* What psti_pack_codes is given stands in the tiles, whatever made it: codes and multipliers at their limits. */
static void test_codes(void **unused) {
    (void)unused;
    for (int encoding = PSTI_W8A16; encoding < PSTI_ENCODINGS; encoding++)
        for (int c = 0; c < CASES; c++) {
            packed p = pack(c, encoding, NULL, 0);
            uint32_t groups = psti_shape_groups(&p.shape, encoding);
            size_t n = (size_t)p.rows * p.shape.inputs;
            signed char *code = malloc(n);
            unsigned char *multipliers = malloc((size_t)p.rows * groups + 1);
            float *scale = malloc(p.rows * sizeof *scale);
            psti_random random;
            psti_random_seed(&random, (uint64_t)encoding);
            for (size_t i = 0; i < n; i++) {
                int all = (is_odd(encoding) ? largest_code(encoding) : 2 * largest_code(encoding)) + 1;
                int k = (int)(psti_random_uniform(&random) * all);
                code[i] = (signed char)(is_odd(encoding) ? 2 * k - largest_code(encoding) : k - largest_code(encoding));
            }
            for (size_t i = 0; i < (size_t)p.rows * groups; i++)
                multipliers[i] = (unsigned char)(i % 128);
            for (uint32_t i = 0; i < p.rows; i++)
                scale[i] = 1 + (float)i;
            psti_codes codes = {.code = code, .multiplier = groups ? multipliers : NULL, .scale = scale};
            memset(p.tiles, 0x77, p.bytes);
            psti_pack_codes(&p.shape, encoding, &codes, p.tiles, p.scale);
            assert_null(psti_tiles_check(&p.shape, encoding, p.tiles, p.scale));
            for (uint32_t row = 0; row < p.rows; row++) {
                assert_true(p.scale[psti_shape_lane(&p.shape, row / p.shape.units, row % p.shape.units)] == scale[row]);
                for (uint32_t i = 0; i < p.shape.inputs; i++) {
                    int m = groups ? multipliers[row * groups + i / group_of(&p)] : 1;
                    assert_true(psti_unpack_weight(&p.shape, encoding, p.tiles, row, i) ==
                                (float)(m * code[(size_t)row * p.shape.inputs + i]));
                }
            }
            free(scale);
            free(multipliers);
            free(code);
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
    static const float ties_6[] = {31, 0.5f, 1.5f, 2.5f, -0.5f, -1.5f, -2.5f}, even_6[] = {31, 0, 2, 2, 0, -2, -2};
    static const float ties_2[] = {-508, 0, 254, -254, 253, -1, 508},
                       up_2[] = {-3, 1, 3, -1, 1, -1, 3}; /* of scale 1 */
    packed of_6 = pack(2, PSTI_W6A16, ties_6, 7), of_2 = pack(2, PSTI_W2A8, ties_2, 7);
    for (uint32_t i = 1; i < 7; i++) /* pack's own weights are at most 1/8 in this row */
        assert_true(psti_unpack_weight(&of_6.shape, PSTI_W6A16, of_6.tiles, 0, i) == even_6[i]);
    for (uint32_t i = 0; i < 7; i++)
        assert_true(psti_unpack_weight(&of_2.shape, PSTI_W2A8, of_2.tiles, 0, i) == 127 * up_2[i]);
    drop(&of_6);
    drop(&of_2);
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
    size_t size = p->encoding == PSTI_F32 ? 4 : p->encoding == PSTI_BF16 ? 2 : 1;
    unsigned char was[4];
    memcpy(was, p->tiles + at, size);
    memcpy(p->tiles + at, &bits, size); /* little-endian, as files are */
    const char *found = psti_tiles_check(&p->shape, p->encoding, p->tiles, p->scale);
    memcpy(p->tiles + at, was, size);
    if (!found || !strstr(found, why))
        fail_msg("%s, byte %zu, %#x: %s; expected %s", psti_encodings[p->encoding].name, at, bits,
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
        for (size_t at = 0; at < p.bytes; at += (size_t)bits_of(p.encoding) / 8)
            refused(&p, at, bad[b].bits, bad[b].why);
        assert_null(psti_tiles_check(&p.shape, p.encoding, p.tiles, p.scale));
        drop(&p);
    }
}

/* Each byte of padding, of units and of inputs. */
static void test_check_padding(void **unused) {
    (void)unused;
    for (int encoding = 0; encoding <= PSTI_W8A8; encoding++)
        for (int c = 1; c < CASES; c++) {
            packed p = pack(c, encoding, NULL, 0);
            size_t size = (size_t)bits_of(encoding) / 8, padding = 0;
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

/* Of fewer than 8 bits: each single bit of the tiles. Found by turning it: where all codes are at their largest,
 * turning a bit of a weight gives another code, or the one without a negative; turning any other bit is refused. */
static void test_check_few(void **unused) {
    (void)unused;
    for (int encoding = PSTI_W4A16; encoding < PSTI_ENCODINGS; encoding++)
        for (int c = 0; c < CASES; c++) {
            if (cases[c].units * cases[c].inputs > 700)
                continue; /* each bit is a check of all */
            packed p = pack(c, encoding, NULL, 0);
            size_t sound = 0, padding = 0, behind = 0, multipliers = 0, beyond = 0;
            size_t weights = (size_t)p.rows * p.shape.inputs, groups = psti_shape_groups(&p.shape, encoding);
            for (size_t i = 0; i < weights; i++)
                p.w[i] = 1;
            psti_pack(&p.shape, encoding, p.w, p.tiles, p.scale);
            for (size_t at = 0; at < p.bytes; at++)
                for (int bit = 0; bit < 8; bit++) {
                    p.tiles[at] ^= (unsigned char)(1 << bit);
                    const char *found = psti_tiles_check(&p.shape, encoding, p.tiles, p.scale);
                    p.tiles[at] ^= (unsigned char)(1 << bit);
                    if (!found)
                        sound++;
                    else if (strstr(found, "a padding weight"))
                        padding++;
                    else if (strstr(found, "padding behind the multipliers"))
                        behind++;
                    else if (strstr(found, "multiplier"))
                        multipliers++;
                    else
                        beyond++;
                }
            assert_int_equal(beyond, 0); /* not from here, by one bit */
            /* a multiplier of 127 becomes 255 by its highest bit only; where a row is padding it has none */
            size_t rows = (size_t)p.shape.gates * p.shape.padded_units;
            assert_int_equal(multipliers, groups * (p.rows + 8 * (rows - p.rows)));
            assert_int_equal(sound, weights * (size_t)bits_of(encoding) + 7 * groups * p.rows);
            size_t heads = 0, used = groups * rows;
            for (uint32_t b = 0; b < p.shape.wide + p.shape.narrow; b++)
                heads += psti_head_bytes(&p.shape, encoding, b >= p.shape.wide);
            assert_int_equal(behind, 8 * (heads - used));
            assert_int_equal(sound + padding + behind + multipliers, 8 * p.bytes);
            assert_null(psti_tiles_check(&p.shape, encoding, p.tiles, p.scale));
            drop(&p);
        }
}

/* The integer codes have no negative of what would be stored as 0: each weight so. */
static void test_check_beyond(void **unused) {
    (void)unused;
    for (int encoding = PSTI_W4A16; encoding < PSTI_ENCODINGS; encoding++) {
        packed p = pack(2, encoding, NULL, 0);
        for (uint32_t row = 0; row < p.rows; row++)
            for (uint32_t i = 0; i < p.shape.inputs; i += 3) {
                psti_lane_place at = psti_lane_at(&p.shape, encoding,
                                                  psti_shape_lane(&p.shape, row / p.shape.units, row % p.shape.units));
                unsigned char *was = malloc(p.bytes);
                memcpy(was, p.tiles, p.bytes);
                /* all bits that `stored` looks at, for this input alone */
                for (size_t byte = at.word; byte < p.bytes; byte++)
                    for (int bit = 0; bit < 8; bit++) {
                        unsigned char keep = p.tiles[byte];
                        int before = stored(bits_of(encoding), p.tiles + at.word, at.word_stride, i);
                        if (!before)
                            break;
                        p.tiles[byte] &= (unsigned char)~(1 << bit);
                        if (stored(bits_of(encoding), p.tiles + at.word, at.word_stride, i) == before)
                            p.tiles[byte] = keep;
                    }
                const char *found = psti_tiles_check(&p.shape, encoding, p.tiles, p.scale);
                if (is_odd(encoding)) { /* it is -largest */
                    assert_null(found);
                    assert_true(psti_unpack_weight(&p.shape, encoding, p.tiles, row, i) ==
                                (float)(-largest_code(encoding) * multiplier(&p, row, i)));
                } else {
                    assert_string_equal(found, "a weight is beyond its encoding's largest");
                }
                memcpy(p.tiles, was, p.bytes);
                free(was);
                i += row % 7 ? 23 : 0; /* some of the rows, all inputs */
            }
        drop(&p);
    }
    /* of so many inputs the multipliers' limit is lower: one beyond it */
    psti_shape s = psti_shape_of(4, 50000, 1);
    int most = psti_largest_multiplier(&s, PSTI_W4A8);
    assert_in_range(most, 20, 126);
    unsigned char *tiles = malloc(psti_tiles_bytes(&s, PSTI_W4A8));
    float *w = malloc(sizeof *w * 4 * 50000), scale[16];
    for (size_t i = 0; i < 4 * 50000; i++)
        w[i] = 1;
    psti_pack(&s, PSTI_W4A8, w, tiles, scale);
    assert_int_equal(tiles[0], most);
    assert_null(psti_tiles_check(&s, PSTI_W4A8, tiles, scale));
    tiles[0]++;
    assert_string_equal(psti_tiles_check(&s, PSTI_W4A8, tiles, scale), "a multiplier is out of range");
    free(w);
    free(tiles);
}

static void test_check_scales(void **unused) {
    (void)unused;
    static const float never[] = {0, -1, NAN, INFINITY, -INFINITY, 0x1.fffffep-41f, 0x1.000002p40f, -0.0f};
    for (int encoding = PSTI_W8A16; encoding < PSTI_ENCODINGS; encoding++) {
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
        cmocka_unit_test(test_check_scales),  cmocka_unit_test(test_errors),
        cmocka_unit_test(test_codes),         cmocka_unit_test(test_check_few),
        cmocka_unit_test(test_check_beyond),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
