/* The encodings, and the shape of a matrix in tiles: blocks, lanes, ranges, bytes. */
#include "format/few.h"

#define PSTI_ENCODING(NAME, name, bits, operand, largest, odd, grouped)                                                \
    {#name, bits, PSTI_OPERAND_##operand, largest, odd, grouped},
const psti_encoding psti_encodings[PSTI_ENCODINGS] = {
#include "format/encodings.def"
};
#undef PSTI_ENCODING

int psti_encoding_find(const char *name) {
    for (int i = 0; i < PSTI_ENCODINGS; i++)
        if (strcmp(psti_encodings[i].name, name) == 0)
            return i;
    return -1;
}

psti_shape psti_shape_of(uint32_t units, uint32_t inputs, uint32_t gates) {
    psti_shape s = {.units = units, .inputs = inputs, .gates = gates, .group = PSTI_LEAST_GROUP};
    if (gates == PSTI_GATES) {
        s.wide = units / PSTI_BLOCK;
        s.narrow = (units % PSTI_BLOCK + PSTI_NARROW - 1) / PSTI_NARROW;
    } else {
        s.wide = (units + PSTI_BLOCK - 1) / PSTI_BLOCK;
    }
    s.padded_units = PSTI_BLOCK * s.wide + PSTI_NARROW * s.narrow;
    s.padded_inputs = (inputs + PSTI_GROUP - 1) / PSTI_GROUP * PSTI_GROUP;
    /* Borders at multiples of 16 inputs, as even as that allows; the last range takes the padding. */
    uint32_t sixteens = (inputs + 15) / 16;
    for (uint32_t i = 0; i <= PSTI_RANGES; i++) {
        uint32_t border = 16 * ((i * sixteens + PSTI_RANGES - 1) / PSTI_RANGES);
        s.border[i] = border < s.padded_inputs ? border : s.padded_inputs;
    }
    return s;
}

uint32_t psti_shape_vectors(const psti_shape *s) {
    return s->gates * s->wide + s->narrow;
}

int64_t psti_shape_row(const psti_shape *s, uint32_t lane) {
    uint32_t vector = lane / PSTI_LANES, in = lane % PSTI_LANES, gate, unit;
    if (vector < s->gates * s->wide) {
        gate = vector % s->gates;
        unit = PSTI_BLOCK * (vector / s->gates) + in;
    } else {
        gate = in / PSTI_NARROW;
        unit = PSTI_BLOCK * s->wide + PSTI_NARROW * (vector - s->gates * s->wide) + in % PSTI_NARROW;
    }
    return unit < s->units ? (int64_t)gate * s->units + unit : -1;
}

size_t psti_operand_bytes(int operand) {
    return operand == PSTI_OPERAND_F32 ? 4 : operand == PSTI_OPERAND_BF16 ? 2 : 1;
}

int psti_encoding_scaled(int encoding) {
    return psti_encodings[encoding].largest != 0;
}

int psti_encoding_few(int encoding) {
    return psti_encodings[encoding].bits < 8;
}

uint32_t psti_shape_groups(const psti_shape *s, int encoding) {
    return psti_encodings[encoding].grouped
               ? (s->inputs + psti_shape_group(s, encoding) - 1) / psti_shape_group(s, encoding)
               : 0;
}

int psti_largest_multiplier(const psti_shape *s, int encoding) {
    int64_t product = (int64_t)psti_encodings[encoding].largest * 128 * s->inputs;
    int64_t most = INT32_MAX / product;
    return most < 127 ? (int)most : 127;
}

psti_grid psti_grid_of(const psti_shape *s, int encoding) {
    const psti_encoding *e = &psti_encodings[encoding];
    return (psti_grid){.largest = e->largest,
                       .odd = e->odd,
                       .group = e->grouped ? psti_shape_group(s, encoding) : 0,
                       .most_multiplier = e->grouped ? psti_largest_multiplier(s, encoding) : 1};
}

uint32_t psti_lane_words(const psti_shape *s, int encoding) {
    int bits = psti_encodings[encoding].bits;
    if (bits >= 8)
        return s->padded_inputs * (uint32_t)bits / 32;
    uint32_t inputs = PSTI_FEW_INPUTS(bits);
    return (s->inputs + inputs - 1) / inputs * PSTI_FEW_WORDS(bits);
}

size_t psti_head_bytes(const psti_shape *s, int encoding, int narrow) {
    size_t bytes = (size_t)psti_shape_groups(s, encoding) * (narrow ? 1 : s->gates) * PSTI_LANES;
    return (bytes + 63) / 64 * 64;
}

size_t psti_block_bytes(const psti_shape *s, int encoding, int narrow) {
    return psti_head_bytes(s, encoding, narrow) +
           (size_t)psti_lane_words(s, encoding) * (narrow ? 1 : s->gates) * PSTI_LANES * 4;
}

size_t psti_tiles_bytes(const psti_shape *s, int encoding) {
    return s->wide * psti_block_bytes(s, encoding, 0) + s->narrow * psti_block_bytes(s, encoding, 1);
}

size_t psti_used_bytes(const psti_shape *s, int encoding) {
    size_t rows = (size_t)s->gates * s->units;
    return (rows * s->inputs * (size_t)psti_encodings[encoding].bits + 7) / 8 + rows * psti_shape_groups(s, encoding);
}

psti_lane_place psti_lane_at(const psti_shape *s, int encoding, uint32_t lane) {
    uint32_t vector = lane / PSTI_LANES, in = lane % PSTI_LANES, wide = s->gates * s->wide, vectors = 1;
    size_t block = s->wide * psti_block_bytes(s, encoding, 0);
    int narrow = vector >= wide;
    if (narrow) {
        block += (vector - wide) * psti_block_bytes(s, encoding, 1);
        vector = 0;
    } else {
        vectors = s->gates;
        block = vector / vectors * psti_block_bytes(s, encoding, 0);
        vector %= vectors;
    }
    return (psti_lane_place){.word =
                                 block + psti_head_bytes(s, encoding, narrow) + ((size_t)vector * PSTI_LANES + in) * 4,
                             .word_stride = (size_t)vectors * PSTI_LANES * 4,
                             .multiplier = block + (size_t)vector * PSTI_LANES + in,
                             .multiplier_stride = (size_t)vectors * PSTI_LANES};
}

uint32_t psti_shape_lane(const psti_shape *s, uint32_t gate, uint32_t unit) {
    uint32_t wide_units = PSTI_BLOCK * s->wide;
    if (unit < wide_units)
        return PSTI_LANES * (s->gates * (unit / PSTI_BLOCK) + gate) + unit % PSTI_BLOCK;
    unit -= wide_units;
    return PSTI_LANES * (s->gates * s->wide + unit / PSTI_NARROW) + PSTI_NARROW * gate + unit % PSTI_NARROW;
}
