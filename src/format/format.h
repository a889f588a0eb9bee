/* What the bytes of a matrix mean: encodings, tiles, lanes, ranges. docs/numerics.md has the rules in prose. */
#ifndef PSTI_FORMAT_FORMAT_H
#define PSTI_FORMAT_FORMAT_H

#include <stdint.h>

#include "base/memory.h"
#include "penstock.h"

/* How the weights and the operand of one matrix are held. Numbers are in files: never change them. */
enum { PSTI_F32 = 0, PSTI_BF16 = 1, PSTI_W8A16 = 2, PSTI_W8A8 = 3, PSTI_ENCODINGS = 4 };
extern const char *const psti_encoding_names[PSTI_ENCODINGS];

/* A format that a program is compiled in: one encoding for each role a matrix can have. formats.def */
typedef struct {
    const char *name;
    int input, recurrent, linear; /* encodings of W_ih, W_hh, the Linear's weight */
} psti_format;
extern const psti_format psti_formats[];
extern const size_t psti_format_count;
const psti_format *psti_format_find(const char *name);

#define PSTI_BLOCK 16 /* units of a wide unit block, outputs of a Linear's block */
#define PSTI_NARROW 4 /* units of a narrow unit block */
#define PSTI_GATES 4  /* of an lstm */
#define PSTI_GROUP 4  /* inputs are padded to this with zeros */
#define PSTI_RUN 64   /* inputs of a tile at most */
#define PSTI_RANGES 4 /* accumulation ranges of a product */
#define PSTI_LANES 16 /* floats of a vector */

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
} psti_shape;

psti_shape psti_shape_of(uint32_t units, uint32_t inputs, uint32_t gates);
/* Vectors (of 16 lanes) in all: gates * wide + narrow. */
uint32_t psti_shape_vectors(const psti_shape *s);
/* The row of the source matrix that a lane is, or -1 for padding: gate * units + unit for an lstm. */
int64_t psti_shape_row(const psti_shape *s, uint32_t lane);
/* The lane of a gate of a unit, which may be padding. */
uint32_t psti_shape_lane(const psti_shape *s, uint32_t gate, uint32_t unit);

/* Bytes of one weight. */
size_t psti_encoding_bytes(int encoding);
/* 1 if rows have scales. */
int psti_encoding_scaled(int encoding);
/* Bytes of all tiles of a matrix, and of one wide / narrow block. Blocks stand one after the other, wide first; within
 * a block the inputs ascend, range by range, run by run, so that a block is one contiguous stream: f32:        for each
 * input:            for each vector: 16 x float bf16:       for each pair of inputs:   for each vector: 16 x (even,
 * odd) w8a*:       for each group of 4 inputs: for each vector: 16 x 4 int8
 */
size_t psti_tiles_bytes(const psti_shape *s, int encoding);
size_t psti_block_bytes(const psti_shape *s, int encoding, int narrow);

/* Quantises and packs w [gates * units][inputs] into tiles and scale[16 * vectors] (scale may be NULL where the
 * encoding has none). Padding weights are 0, padding scales 0. */
void psti_pack(const psti_shape *s, int encoding, const float *w, unsigned char *tiles, float *scale);
/* The value that tile byte content stands for, before the row scale: for tests and checks. */
float psti_unpack_weight(const psti_shape *s, int encoding, const unsigned char *tiles, uint32_t row, uint32_t input);
/* The rows of units [first, first + to->units) of a matrix as one of shape `to`, which has the same inputs and gates:
 * codes are moved, not computed. The same for scales or biases in lane order. */
void psti_cut_tiles(const psti_shape *from, int encoding, const unsigned char *tiles, uint32_t first,
                    const psti_shape *to, unsigned char *out);
void psti_cut_lanes(const psti_shape *from, const float *lanes, uint32_t first, const psti_shape *to, float *out);
/* Checks tiles that came from a file: values in range, padding 0. 0 if sound, else which check failed (static text). */
const char *psti_tiles_check(const psti_shape *s, int encoding, const unsigned char *tiles, const float *scale);

#endif
