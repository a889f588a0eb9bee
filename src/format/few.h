/* Weights of fewer than 8 bits: where the bits of a code stand among a lane's words of 4 bytes. A byte of a word
 * belongs to one of 4 neighbouring inputs, as in 8 bits; its bits are those of several such quads, so that a mask (and
 * a shift) makes a vector of 8-bit weights of one quad:
 *
 *   bits  words        hold
 *   4     1 / 8 in     quad 0 in bits 0-3, quad 1 in bits 4-7
 *   2     1 / 16 in    quads 0-3 in bits 0-1, 2-3, 4-5, 6-7
 *   6     3 / 16 in    the low 4 bits of quads 0, 1; of quads 2, 3; the high 2 bits of quads 0-3, as in 2 bits
 *   3     3 / 32 in    the low 2 bits of quads 0-3; of quads 4-7; the high bit of quads 0-7 in bits 0-7
 *
 * What is stored is unsigned: u = (code + largest) / 2 of odd codes, else code + 2^(bits - 1); padding is 0. */
#ifndef PSTI_FORMAT_FEW_H
#define PSTI_FORMAT_FEW_H

#include "format/format.h"

/* Inputs that `PSTI_FEW_WORDS` words of a lane hold. */
#define PSTI_FEW_INPUTS(bits) ((bits) == 3 ? 32 : (bits) == 4 ? 8 : 16)
#define PSTI_FEW_WORDS(bits) ((bits) == 3 || (bits) == 6 ? 3 : 1)

/* What u has too much: of odd codes, whose 2 u is summed, else of u. */
#define PSTI_FEW_OFFSET(bits) ((bits) < 4 ? (1 << (bits)) - 1 : 1 << ((bits)-1))

/* One of the two parts of a code; of 4 and 2 bits there is only the low one. */
typedef struct {
    uint32_t word; /* of the lane */
    int shift, bits;
} psti_few_part;

static inline psti_few_part psti_few_low(int bits, uint32_t input) {
    uint32_t quad = input / 4;
    switch (bits) {
    case 4:
        return (psti_few_part){quad / 2, 4 * (int)(quad % 2), 4};
    case 2:
        return (psti_few_part){quad / 4, 2 * (int)(quad % 4), 2};
    case 6:
        return (psti_few_part){3 * (quad / 4) + quad / 2 % 2, 4 * (int)(quad % 2), 4};
    default:
        return (psti_few_part){3 * (quad / 8) + quad / 4 % 2, 2 * (int)(quad % 4), 2};
    }
}

static inline psti_few_part psti_few_high(int bits, uint32_t input) {
    uint32_t quad = input / 4;
    if (bits == 6)
        return (psti_few_part){3 * (quad / 4) + 2, 2 * (int)(quad % 4), 2};
    return (psti_few_part){3 * (quad / 8) + 2, (int)(quad % 8), 1};
}

static inline int psti_few_get(const unsigned char *lane, size_t stride, psti_few_part part, uint32_t input) {
    return lane[part.word * stride + input % 4] >> part.shift & ((1 << part.bits) - 1);
}

/* u of an input; `lane` is its lane's first word, `stride` bytes from word to word. */
static inline int psti_few_u(const unsigned char *lane, size_t stride, int bits, uint32_t input) {
    psti_few_part low = psti_few_low(bits, input);
    int u = psti_few_get(lane, stride, low, input);
    if (low.bits < bits)
        u |= psti_few_get(lane, stride, psti_few_high(bits, input), input) << low.bits;
    return u;
}

/* The code that u stands for. */
static inline int psti_few_code(int encoding, int u) {
    const psti_encoding *e = &psti_encodings[encoding];
    return e->odd ? 2 * u - e->largest : u - (1 << (e->bits - 1));
}

static inline int psti_few_of_code(int encoding, int code) {
    const psti_encoding *e = &psti_encodings[encoding];
    return e->odd ? (code + e->largest) / 2 : code + (1 << (e->bits - 1));
}

#endif
