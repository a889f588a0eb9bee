/* The formats, and the shape of a matrix in tiles: blocks, lanes, ranges, bytes. */
#include "format/format.h"

const char *const psti_encoding_names[PSTI_ENCODINGS] = {"f32", "bf16", "w8a16", "w8a8"};

const psti_format psti_formats[] = {
#define PSTI_FORMAT(name, input, recurrent, linear) {name, input, recurrent, linear},
#include "format/formats.def"
#undef PSTI_FORMAT
};
const size_t psti_format_count = sizeof psti_formats / sizeof psti_formats[0];

const psti_format *psti_format_find(const char *name) {
    for (size_t i = 0; i < psti_format_count; i++)
        if (strcmp(psti_formats[i].name, name) == 0)
            return &psti_formats[i];
    return NULL;
}

psti_shape psti_shape_of(uint32_t units, uint32_t inputs, uint32_t gates) {
    psti_shape s = {.units = units, .inputs = inputs, .gates = gates};
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

size_t psti_encoding_bytes(int encoding) {
    return encoding == PSTI_F32 ? 4 : encoding == PSTI_BF16 ? 2 : 1;
}

int psti_encoding_scaled(int encoding) {
    return encoding == PSTI_W8A16 || encoding == PSTI_W8A8;
}

size_t psti_block_bytes(const psti_shape *s, int encoding, int narrow) {
    return (narrow ? 1 : (size_t)s->gates) * PSTI_LANES * s->padded_inputs * psti_encoding_bytes(encoding);
}

size_t psti_tiles_bytes(const psti_shape *s, int encoding) {
    return s->wide * psti_block_bytes(s, encoding, 0) + s->narrow * psti_block_bytes(s, encoding, 1);
}

uint32_t psti_shape_lane(const psti_shape *s, uint32_t gate, uint32_t unit) {
    uint32_t wide_units = PSTI_BLOCK * s->wide;
    if (unit < wide_units)
        return PSTI_LANES * (s->gates * (unit / PSTI_BLOCK) + gate) + unit % PSTI_BLOCK;
    unit -= wide_units;
    return PSTI_LANES * (s->gates * s->wide + unit / PSTI_NARROW) + PSTI_NARROW * gate + unit % PSTI_NARROW;
}
