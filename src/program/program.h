/* A program: a model compiled into packed tiles. Independent of level and cores. */
#ifndef PSTI_PROGRAM_PROGRAM_H
#define PSTI_PROGRAM_PROGRAM_H

#include "format/format.h"
#include "model/model.h"

typedef struct {
    int encoding;
    psti_shape shape;
    const unsigned char *tiles; /* psti_tiles_bytes, aligned to 64 */
    const float
        *scale; /* [16 * vectors] row scales in lane order, >= 2^-40 (0 in padding); NULL where the encoding has none */
} psti_matrix;

enum { PSTI_MATRIX_INPUT = 0, PSTI_MATRIX_RECURRENT = 1, PSTI_MATRICES = 2 }; /* a Linear's weight is its INPUT */

typedef struct {
    int kind, function; /* as in psti_layer */
    uint32_t inputs, outputs;
    float alpha, beta;
    uint64_t parameters;
    uint32_t matrices; /* lstm 2, linear 1, else 0 */
    psti_matrix matrix[PSTI_MATRICES];
    const float *bias; /* [16 * vectors of matrix 0] in lane order, (float)((double)b_ih + b_hh), flushed below 2^-80 */
    const float *h0, *c0; /* [outputs] or NULL for zeros; lstm */
    float h_scale;        /* lstm: 2^k, k <= 0; 1 where uncalibrated */
} psti_program_layer;

struct pst_program {
    psti_arena arena;
    uint32_t count;
    psti_program_layer *layers;
    uint32_t inputs, outputs;
    uint64_t parameters;
    char format[64]; /* the name it was compiled under */
    int readout;     /* PSTI_READOUT_..., the model's */
    uint64_t hash;   /* of the file content after the header, certificate left out: identifies weights and numbers */
    int certified;
    pst_certificate certificate; /* size field = sizeof */
    unsigned char *content;      /* of a program read from a file: its bytes, that tiles and the rest point into */
};

/* What the program stage knows of a kind, beside what psti_kinds says: which arrays a layer has, and how they come from
 * a model's layer. The writer's order and the reader's checks follow from it. */
typedef struct {
    uint32_t matrices;
    struct {
        uint32_t gates; /* rows = gates * outputs */
        char columns;   /* 'n': inputs, 'H': outputs */
    } matrix[PSTI_MATRICES];
    int has_bias;  /* of matrix 0's lanes */
    int has_state; /* h0, c0 (each may be absent), h_scale */
    /* Fills *out (cleared before) from a model's layer: sizes, packed matrices, bias, initial state. Arrays are taken
     * from the arena. */
    pst_status (*build)(psti_arena *arena, const psti_layer *from, const psti_format *format, float h_scale,
                        psti_program_layer *out);
} psti_program_kind;
extern const psti_program_kind *const psti_program_kinds[PSTI_KINDS];
#define PSTI_KIND(name) extern const psti_program_kind psti_program_kind_##name;
#include "model/kinds.def"
#undef PSTI_KIND

/* A program with `count` cleared layers, from the heap; pst_program_free frees it, finished or not. */
pst_status psti_program_new(uint32_t count, pst_program **out);
/* For the kinds: the settings that every layer has; and packing of w into matrix m of a layer whose sizes are set. */
void psti_program_start(const psti_layer *from, psti_program_layer *out);
pst_status psti_program_pack(psti_arena *arena, const float *w, int encoding, uint32_t m, psti_program_layer *layer);
/* bias in lane order: (float)((double)a + b), below 2^-80 flushed to 0; a and b [gates * outputs] may be NULL. */
pst_status psti_program_bias(psti_arena *arena, const float *a, const float *b, psti_program_layer *layer);
/* The shape that matrix m of a layer has by its kind. */
psti_shape psti_program_shape(const psti_program_layer *layer, uint32_t m);
/* PST_E_NONFINITE if an lstm whose W_hh takes integer operands starts with an h0 beyond its h_scale. Messages begin
 * with `file` and ": " if it is not NULL. */
pst_status psti_program_check_h0(const psti_program_layer *layer, uint32_t index, const char *file);

/* Finishes a program whose layers are filled (kinds, shapes, tiles): checks h0, sets inputs, outputs, parameters, hash.
 */
pst_status psti_program_finish(pst_program *p);
/* The file content of a program, from malloc; the caller frees it. */
pst_status psti_program_write(const pst_program *p, unsigned char **bytes, size_t *n);
/* Units of state: all lstm layers' outputs. */
uint64_t psti_program_units(const pst_program *p);
/* Bytes of a saved state (stream/state.c writes them): 32-byte header, then for each lstm c [H] fp32 and h [H] in the
 * operand code of its W_hh (f32 4 bytes, bf16 2, w8a16 2, w8a8 1), each layer padded to 8 bytes, then an 8-byte hash.
 */
uint64_t psti_program_state_bytes(const pst_program *p);

#endif
