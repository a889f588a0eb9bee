/* Weights into tiles and back: rounding to nearest, row scales, the order of the bytes. docs/numerics.md has the rules.
 */
#include <math.h>

#include "base/number.h"
#include "format/few.h"

/* ---- rounding to nearest ----------------------------------------------------------------------------------------- */

static float largest_of(const float *w, uint32_t n) {
    float largest = 0;
    for (uint32_t i = 0; i < n; i++)
        largest = fmaxf(largest, fabsf(w[i]));
    return largest;
}

/* The nearest code of w / step. Of odd codes the border between two is even; a tie goes up. */
static signed char nearest(const psti_grid *grid, float w, float step) {
    float code = grid->odd ? 2 * floorf(w / step * 0.5f) + 1 : rintf(w / step);
    return (signed char)fminf(fmaxf(code, (float)-grid->largest), (float)grid->largest);
}

float psti_nearest_row(const psti_grid *grid, const float *w, uint32_t inputs, signed char *code,
                       unsigned char *multiplier) {
    float most = (float)grid->most_multiplier;
    float scale = fmaxf(psti_step_of(grid, largest_of(w, inputs)) / most, PSTI_SMALLEST_SCALE);
    uint32_t group = grid->group ? grid->group : inputs;
    for (uint32_t from = 0, g = 0; from < inputs; from += group, g++) {
        uint32_t n = inputs - from < group ? inputs - from : group;
        float largest = largest_of(w + from, n), m = 1;
        if (grid->group) { /* 0 where all weights of the group are */
            m = largest > 0 ? fminf(fmaxf(rintf(psti_step_of(grid, largest) / scale), 1), most) : 0;
            multiplier[g] = (unsigned char)m;
        }
        float step = scale * (m > 0 ? m : 1);
        for (uint32_t i = from; i < from + n; i++)
            code[i] = nearest(grid, w[i], step);
    }
    return scale;
}

/* ---- tiles --------------------------------------------------------------------------------------------------------
 */

static void put_few(unsigned char *lane, size_t stride, int encoding, uint32_t input, int code) {
    int bits = psti_encodings[encoding].bits, u = psti_few_of_code(encoding, code);
    psti_few_part low = psti_few_low(bits, input);
    lane[low.word * stride + input % 4] |= (unsigned char)((u & ((1 << low.bits) - 1)) << low.shift);
    if (low.bits < bits) {
        psti_few_part high = psti_few_high(bits, input);
        lane[high.word * stride + input % 4] |= (unsigned char)(u >> low.bits << high.shift);
    }
}

/* Weights of f32, bf16 and w8: a word holds 1, 2 or 4 inputs. */
static unsigned char *place_of(const psti_lane_place *at, unsigned char *tiles, int bits, uint32_t input) {
    uint32_t in_word = 32 / (uint32_t)bits;
    return tiles + at->word + input / in_word * at->word_stride + input % in_word * (uint32_t)bits / 8;
}

static void put_codes(const psti_shape *s, int encoding, const psti_lane_place *at, const signed char *code,
                      const unsigned char *multiplier, unsigned char *tiles) {
    for (uint32_t g = 0; g < psti_shape_groups(s, encoding); g++)
        tiles[at->multiplier + g * at->multiplier_stride] = multiplier[g];
    int few = psti_encoding_few(encoding);
    for (uint32_t i = 0; i < s->inputs; i++) {
        if (few)
            put_few(tiles + at->word, at->word_stride, encoding, i, code[i]);
        else
            *place_of(at, tiles, 8, i) = (unsigned char)code[i];
    }
}

static void put_float(unsigned char *at, int encoding, float w) {
    if (encoding == PSTI_F32) {
        w = psti_flush(w, -40);
        memcpy(at, &w, sizeof w);
    } else {
        uint16_t code = psti_to_bf16(psti_flush(w, -48));
        memcpy(at, &code, sizeof code);
    }
}

void psti_pack_codes(const psti_shape *s, int encoding, const psti_codes *codes, unsigned char *tiles, float *scale) {
    uint32_t lanes = PSTI_LANES * psti_shape_vectors(s), groups = psti_shape_groups(s, encoding);
    memset(tiles, 0, psti_tiles_bytes(s, encoding));
    for (uint32_t lane = 0; lane < lanes; lane++) {
        int64_t row = psti_shape_row(s, lane);
        scale[lane] = row < 0 ? 0 : codes->scale[row];
        if (row < 0)
            continue;
        psti_lane_place at = psti_lane_at(s, encoding, lane);
        put_codes(s, encoding, &at, codes->code + (size_t)row * s->inputs,
                  codes->multiplier ? codes->multiplier + (size_t)row * groups : NULL, tiles);
    }
}

void psti_pack(const psti_shape *s, int encoding, const float *w, unsigned char *tiles, float *scale) {
    uint32_t lanes = PSTI_LANES * psti_shape_vectors(s);
    psti_grid grid = psti_grid_of(s, encoding);
    signed char code[PSTI_MAX_INPUTS];
    unsigned char multiplier[PSTI_MAX_INPUTS / PSTI_LEAST_GROUP];
    memset(tiles, 0, psti_tiles_bytes(s, encoding));
    for (uint32_t lane = 0; lane < lanes; lane++) {
        int64_t row = psti_shape_row(s, lane);
        psti_lane_place at = psti_lane_at(s, encoding, lane);
        const float *from = w + (size_t)(row < 0 ? 0 : row) * s->inputs;
        if (psti_encoding_scaled(encoding)) {
            scale[lane] = row < 0 ? 0 : psti_nearest_row(&grid, from, s->inputs, code, multiplier);
            if (row >= 0)
                put_codes(s, encoding, &at, code, multiplier, tiles);
            continue;
        }
        for (uint32_t i = 0; row >= 0 && i < s->inputs; i++)
            put_float(place_of(&at, tiles, psti_encodings[encoding].bits, i), encoding, from[i]);
    }
}

float psti_unpack_weight(const psti_shape *s, int encoding, const unsigned char *tiles, uint32_t row, uint32_t input) {
    psti_lane_place at = psti_lane_at(s, encoding, psti_shape_lane(s, row / s->units, row % s->units));
    const psti_encoding *e = &psti_encodings[encoding];
    if (psti_encoding_few(encoding)) {
        int code = psti_few_code(encoding, psti_few_u(tiles + at.word, at.word_stride, e->bits, input));
        return (float)code *
               (e->grouped ? tiles[at.multiplier + input / psti_shape_group(s, encoding) * at.multiplier_stride] : 1);
    }
    const unsigned char *from = place_of(&at, (unsigned char *)tiles, e->bits, input);
    if (encoding == PSTI_F32) {
        float v;
        memcpy(&v, from, sizeof v);
        return v;
    }
    if (encoding == PSTI_BF16) {
        uint16_t v;
        memcpy(&v, from, sizeof v);
        return psti_from_bf16(v);
    }
    return (float)*(const signed char *)from;
}

/* ---- checks of what a file holds ----------------------------------------------------------------------------------
 */

/* Whether the bytes of one weight of 8 bits or more are what psti_pack can have written. */
static const char *check_weight(const unsigned char *at, int encoding) {
    if (encoding == PSTI_F32 || encoding == PSTI_BF16) {
        float v;
        if (encoding == PSTI_F32) {
            memcpy(&v, at, sizeof v);
        } else {
            uint16_t code;
            memcpy(&code, at, sizeof code);
            v = psti_from_bf16(code);
        }
        float size = fabsf(v), least = encoding == PSTI_F32 ? 0x1p-40f : 0x1p-48f;
        if (!(size <= 0x1p40f))
            return "a weight is not finite or beyond 2^40";
        if (size < least && psti_bits(v) != 0)
            return "a weight is below the least magnitude of its encoding";
        return NULL;
    }
    return *(const signed char *)at == -128 ? "an 8-bit weight is -128" : NULL;
}

static const char *check_lane(const psti_shape *s, int encoding, const unsigned char *tiles, uint32_t lane) {
    static const unsigned char zero[4] = {0};
    int64_t row = psti_shape_row(s, lane);
    size_t bytes = (size_t)psti_encodings[encoding].bits / 8;
    psti_lane_place at = psti_lane_at(s, encoding, lane);
    for (uint32_t i = 0; i < s->padded_inputs; i++) {
        const unsigned char *weight = place_of(&at, (unsigned char *)tiles, psti_encodings[encoding].bits, i);
        int padding = row < 0 || i >= s->inputs;
        if (padding && memcmp(weight, zero, bytes) != 0)
            return "a padding weight is not 0";
        const char *wrong = padding ? NULL : check_weight(weight, encoding);
        if (wrong)
            return wrong;
    }
    return NULL;
}

static const char *check_few_lane(const psti_shape *s, int encoding, const unsigned char *tiles, uint32_t lane) {
    const psti_encoding *e = &psti_encodings[encoding];
    int64_t row = psti_shape_row(s, lane);
    int most = psti_largest_multiplier(s, encoding);
    psti_lane_place at = psti_lane_at(s, encoding, lane);
    uint32_t held = psti_lane_words(s, encoding) / PSTI_FEW_WORDS(e->bits) * PSTI_FEW_INPUTS(e->bits);
    for (uint32_t i = row < 0 ? 0 : s->inputs; i < held; i++)
        if (psti_few_u(tiles + at.word, at.word_stride, e->bits, i) != 0)
            return "a padding weight is not 0";
    for (uint32_t i = 0; row >= 0 && !e->odd && i < s->inputs; i++)
        if (psti_few_u(tiles + at.word, at.word_stride, e->bits, i) == 0)
            return "a weight is beyond its encoding's largest";
    for (uint32_t g = 0; g < psti_shape_groups(s, encoding); g++)
        if (tiles[at.multiplier + g * at.multiplier_stride] > (row < 0 ? 0 : most))
            return row < 0 ? "a padding row has a multiplier" : "a multiplier is out of range";
    return NULL;
}

/* What fills the multipliers of a block up to 64 bytes. */
static const char *check_heads(const psti_shape *s, int encoding, const unsigned char *tiles) {
    for (uint32_t b = 0; b < s->wide + s->narrow; b++) {
        int narrow = b >= s->wide;
        size_t used = (size_t)psti_shape_groups(s, encoding) * (narrow ? 1 : s->gates) * PSTI_LANES;
        for (size_t i = used; i < psti_head_bytes(s, encoding, narrow); i++)
            if (tiles[i])
                return "padding behind the multipliers is not 0";
        tiles += psti_block_bytes(s, encoding, narrow);
    }
    return NULL;
}

const char *psti_tiles_check(const psti_shape *s, int encoding, const unsigned char *tiles, const float *scale) {
    uint32_t lanes = PSTI_LANES * psti_shape_vectors(s);
    for (uint32_t lane = 0; lane < lanes; lane++) {
        int64_t row = psti_shape_row(s, lane);
        if (psti_encoding_scaled(encoding)) {
            if (row < 0 ? psti_bits(scale[lane]) != 0 : !(scale[lane] >= PSTI_SMALLEST_SCALE && scale[lane] <= 0x1p40f))
                return row < 0 ? "a padding row has a scale" : "a row scale is out of range";
        }
        const char *wrong = (psti_encoding_few(encoding) ? check_few_lane : check_lane)(s, encoding, tiles, lane);
        if (wrong)
            return wrong;
    }
    return check_heads(s, encoding, tiles);
}
