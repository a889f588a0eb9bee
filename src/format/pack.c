/* Weights into tiles and back: rounding, row scales, the order of the bytes. docs/numerics.md has the rules. */
#include <math.h>

#include "base/number.h"
#include "format/format.h"

#define SMALLEST_SCALE 0x1p-40f

/* Where a lane's weights stand: weights of one group of inputs (f32 1, bf16 2, w8 4) are neighbours in 4 bytes, groups
 * are `stride` bytes apart. */
typedef struct {
    size_t first, stride;
    uint32_t group, bytes; /* inputs of a group, bytes of a weight */
} track;

static track track_of(const psti_shape *s, int encoding, uint32_t lane) {
    uint32_t vector = lane / PSTI_LANES, wide_vectors = s->gates * s->wide, vectors = s->gates;
    size_t block;
    if (vector < wide_vectors) {
        block = vector / s->gates * psti_block_bytes(s, encoding, 0);
        vector %= s->gates;
    } else {
        block = s->wide * psti_block_bytes(s, encoding, 0) + (vector - wide_vectors) * psti_block_bytes(s, encoding, 1);
        vectors = 1;
        vector = 0;
    }
    uint32_t bytes = (uint32_t)psti_encoding_bytes(encoding);
    return (track){.first = block + ((size_t)vector * PSTI_LANES + lane % PSTI_LANES) * 4,
                   .stride = (size_t)vectors * PSTI_LANES * 4,
                   .group = 4 / bytes,
                   .bytes = bytes};
}

static size_t place(const track *t, uint32_t input) {
    return t->first + input / t->group * t->stride + input % t->group * t->bytes;
}

/* The row's scale: max |w| / 127, at least 2^-40, so that the largest weight becomes +-127. */
static float row_scale(const float *row, uint32_t inputs) {
    float largest = 0;
    for (uint32_t i = 0; i < inputs; i++)
        largest = fmaxf(largest, fabsf(row[i]));
    return fmaxf(largest / 127.0f, SMALLEST_SCALE);
}

static void put(unsigned char *at, int encoding, float w, float scale) {
    if (encoding == PSTI_F32) {
        w = psti_flush(w, -40);
        memcpy(at, &w, sizeof w);
    } else if (encoding == PSTI_BF16) {
        uint16_t code = psti_to_bf16(psti_flush(w, -48));
        memcpy(at, &code, sizeof code);
    } else {
        float code = fminf(fmaxf(rintf(w / scale), -127.0f), 127.0f);
        *(signed char *)at = (signed char)code;
    }
}

void psti_pack(const psti_shape *s, int encoding, const float *w, unsigned char *tiles, float *scale) {
    uint32_t lanes = PSTI_LANES * psti_shape_vectors(s);
    memset(tiles, 0, psti_tiles_bytes(s, encoding));
    for (uint32_t lane = 0; lane < lanes; lane++) {
        int64_t row = psti_shape_row(s, lane);
        int scaled = psti_encoding_scaled(encoding);
        if (scaled)
            scale[lane] = 0;
        if (row < 0)
            continue;
        const float *from = w + (size_t)row * s->inputs;
        float of_row = scaled ? row_scale(from, s->inputs) : 1.0f;
        if (scaled)
            scale[lane] = of_row;
        track at = track_of(s, encoding, lane);
        for (uint32_t i = 0; i < s->inputs; i++)
            put(tiles + place(&at, i), encoding, from[i], of_row);
    }
}

float psti_unpack_weight(const psti_shape *s, int encoding, const unsigned char *tiles, uint32_t row, uint32_t input) {
    uint32_t gate = row / s->units, unit = row % s->units, lane;
    if (unit < PSTI_BLOCK * s->wide) {
        lane = (unit / PSTI_BLOCK * s->gates + gate) * PSTI_LANES + unit % PSTI_BLOCK;
    } else {
        uint32_t over = unit - PSTI_BLOCK * s->wide;
        lane = (s->gates * s->wide + over / PSTI_NARROW) * PSTI_LANES + PSTI_NARROW * gate + over % PSTI_NARROW;
    }
    track of_lane = track_of(s, encoding, lane);
    const unsigned char *at = tiles + place(&of_lane, input);
    if (encoding == PSTI_F32) {
        float v;
        memcpy(&v, at, sizeof v);
        return v;
    }
    if (encoding == PSTI_BF16) {
        uint16_t v;
        memcpy(&v, at, sizeof v);
        return psti_from_bf16(v);
    }
    return (float)*(const signed char *)at;
}

/* Whether the bytes of one weight are what psti_pack can have written. */
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

const char *psti_tiles_check(const psti_shape *s, int encoding, const unsigned char *tiles, const float *scale) {
    uint32_t lanes = PSTI_LANES * psti_shape_vectors(s);
    size_t bytes = psti_encoding_bytes(encoding);
    for (uint32_t lane = 0; lane < lanes; lane++) {
        int64_t row = psti_shape_row(s, lane);
        if (psti_encoding_scaled(encoding)) {
            if (row < 0 ? psti_bits(scale[lane]) != 0 : !(scale[lane] >= SMALLEST_SCALE && scale[lane] <= 0x1p40f))
                return row < 0 ? "a padding row has a scale" : "a row scale is out of range";
        }
        track of_lane = track_of(s, encoding, lane);
        for (uint32_t i = 0; i < s->padded_inputs; i++) {
            const unsigned char *at = tiles + place(&of_lane, i);
            static const unsigned char zero[4] = {0};
            if (row < 0 || i >= s->inputs) {
                if (memcmp(at, zero, bytes) != 0)
                    return "a padding weight is not 0";
            } else {
                const char *wrong = check_weight(at, encoding);
                if (wrong)
                    return wrong;
            }
        }
    }
    return NULL;
}
