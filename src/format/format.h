/* What the bytes of a matrix mean: encodings, tiles, lanes, ranges. docs/numerics.md has the rules in prose. */
#ifndef PSTI_FORMAT_FORMAT_H
#define PSTI_FORMAT_FORMAT_H

#include <stdint.h>

#include "base/memory.h"
#include "penstock.h"

/* How the weights and the operand of one matrix are held. Numbers are in files: never change them. encodings.def */
#define PSTI_ENCODING(NAME, name, bits, operand, largest, odd, grouped) PSTI_##NAME,
enum {
#include "format/encodings.def"
    PSTI_ENCODINGS
};
#undef PSTI_ENCODING

/* How an operand is held; encodings share these. */
enum { PSTI_OPERAND_F32, PSTI_OPERAND_BF16, PSTI_OPERAND_A16, PSTI_OPERAND_A8, PSTI_OPERANDS };

typedef struct {
    const char *name;
    int bits;    /* of a weight */
    int operand; /* PSTI_OPERAND_... */
    int largest; /* magnitude of an integer code; 0: floats */
    int odd;     /* the codes are odd integers */
    int grouped; /* a weight is row scale x multiplier of its group x code; else row scale x code */
} psti_encoding;
extern const psti_encoding psti_encodings[PSTI_ENCODINGS];
/* -1 if there is none of that name. */
int psti_encoding_find(const char *name);

#define PSTI_BLOCK 16         /* units of a wide unit block, outputs of a Linear's block */
#define PSTI_NARROW 4         /* units of a narrow unit block */
#define PSTI_GATES 4          /* of an lstm */
#define PSTI_GROUP 4          /* inputs are padded to this with zeros */
#define PSTI_RUN 64           /* inputs of a tile at most */
#define PSTI_RANGES 4         /* accumulation ranges of a product */
#define PSTI_LANES 16         /* floats of a vector */
#define PSTI_MAX_INPUTS 65536 /* of a matrix: keeps sums of products in int32 (docs/numerics.md) */
/* Inputs that a kernel sums before it takes their multiplier: as many as leave the sum 16 bits. Groups are whole
 * chunks.
 */
#define PSTI_CHUNK(bits) ((bits) == 2 ? 64 : 32)
#define PSTI_LEAST_GROUP 32

#define PSTI_LARGEST_A16 32512.0f /* 127 * 256: activations of w8a16 */
#define PSTI_LARGEST_A8 127.0f

/* The shape of a matrix in tiles. A wide block has `gates` vectors of 16 lanes, lane = unit; a narrow block (lstm only)
 * one vector, lane = 4 gate + unit. Vectors are numbered wide blocks first: vector v of block b is b * gates + v. Row
 * scales, biases and brackets are stored in this order of lanes. */
typedef struct {
    uint32_t units; /* outputs */
    uint32_t inputs;
    uint32_t gates;                   /* 4 or 1 */
    uint32_t wide, narrow;            /* blocks */
    uint32_t padded_inputs;           /* to PSTI_GROUP */
    uint32_t padded_units;            /* 16 wide + 4 narrow */
    uint32_t border[PSTI_RANGES + 1]; /* of the ranges; the last is padded_inputs */
    uint32_t group; /* inputs that share a multiplier, at least a chunk; PSTI_LEAST_GROUP unless set */
} psti_shape;

psti_shape psti_shape_of(uint32_t units, uint32_t inputs, uint32_t gates);
/* Vectors (of 16 lanes) in all: gates * wide + narrow. */
uint32_t psti_shape_vectors(const psti_shape *s);
/* The row of the source matrix that a lane is, or -1 for padding: gate * units + unit for an lstm. */
int64_t psti_shape_row(const psti_shape *s, uint32_t lane);
/* The lane of a gate of a unit, which may be padding. */
uint32_t psti_shape_lane(const psti_shape *s, uint32_t gate, uint32_t unit);

/* Bytes of a code of an operand; of A16 of each of its two digits. */
size_t psti_operand_bytes(int operand);
/* 1 if rows have scales. */
int psti_encoding_scaled(int encoding);
/* 1 if the encoding's weights have fewer than 8 bits: format/few.h */
int psti_encoding_few(int encoding);
/* Inputs of a group of a grouped encoding. */
static inline uint32_t psti_shape_group(const psti_shape *s, int encoding) {
    uint32_t chunk = PSTI_CHUNK(psti_encodings[encoding].bits);
    return s->group > chunk ? s->group : chunk;
}
/* Groups of a grouped encoding along the inputs; else 0. */
uint32_t psti_shape_groups(const psti_shape *s, int encoding);
/* The largest multiplier of a group: the sums of all products stay below 2^31 with it. */
int psti_largest_multiplier(const psti_shape *s, int encoding);
/* Every encoding stores a lane as words of 4 bytes, `words` of them in a block: 1, 2 or 4 inputs a word in f32, bf16
 * and w8; format/few.h for fewer bits. Blocks stand one after the other, wide first; a block is first the multipliers
 * of a grouped encoding (for each group: for each vector: 16 x uint8, padded with 0 to 64 bytes), then for each word:
 * for each vector: 16 x 4 bytes, inputs ascending: one contiguous stream. */
uint32_t psti_lane_words(const psti_shape *s, int encoding);
size_t psti_head_bytes(const psti_shape *s, int encoding, int narrow);
size_t psti_block_bytes(const psti_shape *s, int encoding, int narrow);
size_t psti_tiles_bytes(const psti_shape *s, int encoding);
/* Bytes that hold weights and multipliers of the model, rounded up: the rest of the tiles is padding. */
size_t psti_used_bytes(const psti_shape *s, int encoding);
/* Where a lane stands: its first word and multiplier in bytes from the start of all tiles, and how far it is to the
 * next. */
typedef struct {
    size_t word, word_stride, multiplier, multiplier_stride;
} psti_lane_place;
psti_lane_place psti_lane_at(const psti_shape *s, int encoding, uint32_t lane);

/* A matrix rounded to integer codes, row-major as in the model: weight = scale[row] * multiplier * code. */
typedef struct {
    const signed char *code;         /* [gates * units][inputs] */
    const unsigned char *multiplier; /* [gates * units][groups]; NULL where the encoding has none */
    const float *scale;              /* [gates * units] */
} psti_codes;

/* What codes an integer encoding has, and what they stand for: a weight is row scale x multiplier of its group x code.
 */
typedef struct {
    int largest;         /* codes are the integers in [-largest, largest]; at most 127 */
    int odd;             /* only the odd ones; largest is then odd */
    uint32_t group;      /* inputs that share a multiplier, a multiple of 32; 0: none, every multiplier is 1 */
    int most_multiplier; /* multipliers are 0 (all weights of the group are 0) to this; at most 127. 1 without groups */
} psti_grid;
psti_grid psti_grid_of(const psti_shape *s, int encoding);

#define PSTI_SMALLEST_SCALE 0x1p-40f /* of a row */

/* What one step of a code is worth where the largest of the weights is to be held. Odd codes stand for the middles of
 * largest + 1 even parts of the range, the others for the borders of such parts. */
static inline float psti_step_of(const psti_grid *grid, float largest) {
    return largest / (float)(grid->largest + grid->odd);
}

/* Rounds one row of weights to the nearest codes of a grid: code[inputs], multiplier[groups] (NULL without groups);
 * returns the row's scale. */
float psti_nearest_row(const psti_grid *grid, const float *w, uint32_t inputs, signed char *code,
                       unsigned char *multiplier);
/* Packs w [gates * units][inputs] into tiles and scale[16 * vectors] (NULL where the encoding has none), rounded to
 * nearest. Padding weights and scales are 0. */
void psti_pack(const psti_shape *s, int encoding, const float *w, unsigned char *tiles, float *scale);
/* Packs codes of an integer encoding. */
void psti_pack_codes(const psti_shape *s, int encoding, const psti_codes *codes, unsigned char *tiles, float *scale);
/* The value that tile content stands for, before the row scale (of a grouped encoding: multiplier x code): for tests
 * and checks. */
float psti_unpack_weight(const psti_shape *s, int encoding, const unsigned char *tiles, uint32_t row, uint32_t input);
/* The rows of units [first, first + to->units) of a matrix as one of shape `to`, which has the same inputs and gates:
 * codes are moved, not computed. The same for scales or biases in lane order. */
void psti_cut_tiles(const psti_shape *from, int encoding, const unsigned char *tiles, uint32_t first,
                    const psti_shape *to, unsigned char *out);
void psti_cut_lanes(const psti_shape *from, const float *lanes, uint32_t first, const psti_shape *to, float *out);
/* Checks tiles that came from a file: values in range, padding 0. 0 if sound, else which check failed (static text). */
const char *psti_tiles_check(const psti_shape *s, int encoding, const unsigned char *tiles, const float *scale);

#endif
