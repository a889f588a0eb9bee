/* An engine: a program placed on this host. Weights in pages of the engine's own, the critical half first, and a plan
 * of where each vector stands in a stream's slot. A slot is all the memory that one stream's steps touch. */
#ifndef PSTI_ENGINE_ENGINE_H
#define PSTI_ENGINE_ENGINE_H

#include "cpu/pages.h"
#include "kernels/kernels.h"
#include "program/program.h"

#define PSTI_NOWHERE ((size_t)-1)
#define PSTI_UNIT_BYTES 32768 /* weights of one settle unit at most */

/* A vector of activations in a slot: x, or the output of a layer. Offsets in bytes from the slot's start. */
typedef struct {
    uint32_t width;
    size_t value;                /* fp32, padded to 16; PSTI_NOWHERE if nobody reads it */
    size_t code[PSTI_ENCODINGS]; /* operand codes, padded to 64 inputs; PSTI_NOWHERE where no reader wants them */
    size_t low;                  /* the low digits of PSTI_W8A16 */
    size_t exponent_scale;       /* float: 2^e of this step; PSTI_NOWHERE if the scale is static */
    float static_scale;
} psti_vector;

typedef struct {
    int encoding;
    psti_shape shape;
    const unsigned char *tiles; /* in the engine's pages, adapted to the level */
    const float *scale;
} psti_placed_matrix;

typedef struct pst_engine psti_engine;
typedef struct psti_placed psti_placed;

/* A layer on this host. */
struct psti_placed {
    const struct psti_engine_kind *of;
    int kind, function;
    uint32_t inputs, outputs;
    float alpha, beta;
    psti_placed_matrix matrix[PSTI_MATRICES];
    const float *bias; /* lane order of matrix 0, in the engine's pages */
    const float *h0, *c0;
    psti_lstm_fn *lstm;
    psti_linear_fn *linear;
    psti_settle_fn *settle;
    psti_vector *in, *out;
    size_t c, bracket;        /* in the slot; of an lstm */
    uint32_t inputs_per_unit; /* of a settle, in a wide and in a narrow block */
    uint32_t inputs_per_narrow_unit;
    uint32_t settle_units; /* of the whole layer */
};

/* What the engine knows of a layer kind; one file a kind. */
typedef struct psti_engine_kind {
    /* Which form of its input the kind reads: an encoding, or -1 for the fp32 value. */
    int (*reads)(const psti_program_layer *layer);
    /* Reserves the kind's own memory in the slot and chooses its kernels; `in` and `out` are in place. */
    void (*place)(psti_engine *e, psti_placed *layer, size_t *slot_bytes);
    void (*respond)(const psti_engine *e, const psti_placed *layer, char *slot);
} psti_engine_kind;

/* Where a settle stands. All zero: at its beginning. */
typedef struct {
    uint32_t layer, block, from; /* next input of the block */
    uint32_t done;               /* units */
} psti_cursor;

struct pst_engine {
    psti_arena arena;
    psti_pages pages;
    psti_fork_mark fork;
    psti_kernels kernels;
    uint32_t count, inputs, outputs;
    psti_placed *layers;
    psti_vector *vectors;                /* [count + 1]: x, then each layer's output */
    size_t critical_bytes, settle_bytes; /* in the pages, one behind the other */
    size_t slot_bytes;
    size_t partial;        /* psti_partial in the slot */
    uint32_t settle_units; /* of all layers */
    uint64_t program_hash;
    size_t state_bytes, units;
    psti_pages rehearsal;    /* a slot of no stream, for warming and measuring */
    float *silence, *nobody; /* x and y of a rehearsal */
    int closed;
    uint32_t streams; /* that still point here */
    uint32_t flags;
    const char **shortfalls;
    size_t shortfall_count;
};

/* Bytes of a stream's own memory: its slot, then its initial state. */
size_t psti_stream_bytes(const pst_engine *e);
/* PST_OK, or the error of a closed or forked engine. */
pst_status psti_engine_check(const pst_engine *e);
/* Frees the engine once it is closed and no stream points to it. */
void psti_engine_release(pst_engine *e);

/* An operand: vector v of a slot in an encoding. */
psti_operand psti_vector_operand(const psti_vector *v, const char *slot, int encoding);
/* A sink for vector v with its static scale; psti_vector_encode's for a scale of the step. */
psti_sink psti_vector_sink(const psti_vector *v, char *slot);
/* Encodes values[width] as v's codes, with the least 2^e >= the largest magnitude where v's scale is of the step. */
void psti_vector_encode(const psti_kernels *k, const psti_vector *v, char *slot, const float *values,
                        uint32_t largest_bits);

/* Encodes a vector whose fp32 values were just written, if a reader wants codes of it. */
void psti_vector_publish(const psti_engine *e, const psti_vector *v, char *slot);

/* y = the whole respond, from x (checked, finite) with its largest magnitude's bits. No settle may be owing. */
void psti_respond(const psti_engine *e, char *slot, const float *x, uint32_t largest_bits, float *y);
/* At most `units` units from the cursor on; returns units still owing. */
uint32_t psti_settle_some(const psti_engine *e, char *slot, psti_cursor *cursor, uint32_t units);
void psti_settle_all(const psti_engine *e, char *slot, psti_cursor *cursor);
/* A settle and a respond on the rehearsal slot: what the next step needs, brought into the caches. */
void psti_rehearse(const psti_engine *e);

#endif
