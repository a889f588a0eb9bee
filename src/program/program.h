/* A program: a model compiled into packed tiles. Independent of level and cores. */
#ifndef PSTI_PROGRAM_PROGRAM_H
#define PSTI_PROGRAM_PROGRAM_H

#include "format/recipe.h"
#include "model/model.h"

typedef struct {
    int encoding;
    psti_shape shape;
    const unsigned char *tiles; /* psti_tiles_bytes, aligned to 64 */
    const float
        *scale; /* [16 * vectors] row scales in lane order, >= 2^-40 (0 in padding); NULL where the encoding has none */
} psti_matrix;

/* A Linear's weight is its INPUT. A rest is what the coarser codes of another matrix leave of its weights: the
 * recurrent one's is added to the bracket with it, the input's after the step that it belongs to. */
enum {
    PSTI_MATRIX_INPUT = 0,
    PSTI_MATRIX_RECURRENT = 1,
    PSTI_MATRIX_RECURRENT_REST = 2,
    PSTI_MATRIX_INPUT_REST = 3,
    PSTI_MATRICES = 4
};
extern const char *const psti_matrix_names[PSTI_MATRICES]; /* "W_ih", .. */

typedef struct {
    int kind, function; /* as in psti_layer */
    uint32_t inputs, outputs;
    float alpha, beta;
    uint64_t parameters;
    psti_matrix matrix[PSTI_MATRICES]; /* without tiles: it has none */
    const float *bias; /* [16 * vectors of matrix 0] in lane order, (float)((double)b_ih + b_hh), flushed below 2^-80 */
    const float *h0, *c0;        /* [outputs] or NULL for zeros; lstm */
    const float *rest_bias;      /* in lane order: less what R, W_ih's rest, makes of the mean input; or NULL: 0 */
    const float *feature;        /* [inputs] or NULL: x is multiplied by these, 2^-k; first layer only */
    double error[PSTI_MATRICES]; /* rms error of y where only this matrix is rounded; negative: not known */
    /* Mean squares of the errors of a row's product over the calibration; negative: not known. In no file. */
    double rounded[PSTI_MATRICES], nearest[PSTI_MATRICES];
    float h_scale;   /* lstm: of h in 16 bits, 2^k, k <= 0; 1 where uncalibrated */
    float h_scale_8; /* lstm: of h in 8 bits, at most 1; h_scale where uncalibrated */
    float rho;       /* with an INPUT_REST: the share of R x that the next bracket gets, in [-1, 1]; else 0 */
    int mends;       /* with an INPUT_REST: R x also mends c of its own step */
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
    pst_certificate *more;       /* [more_count], over other inputs; of a program from a file or the arena */
    uint32_t more_count;
    pst_frontier *frontier; /* [frontier_count]: what a search has seen; in no file */
    uint32_t frontier_count;
    unsigned char *content; /* of a program read from a file: its bytes, that tiles and the rest point into */
};

/* How a layer is to be made. */
typedef struct {
    psti_recipe recipe;
    float h_scale, h_scale_8; /* of an lstm's h */
    float rho;                /* of its input, for a rest; */
    int mends;                /* whether that mends c, too; */
    const float *fold;        /* [inputs] or NULL: else its columns are multiplied by these */
    const double *mean;       /* [inputs] or NULL: of W_ih's operand, for a rest */
    const float *feature;     /* [inputs] or NULL: the operand of W_ih, or a Linear's, is x times these 2^-k */
    /* Rounds w (of shape s) to codes of an integer encoding, whose arrays are there, and adds to correction[rows] what
     * the rounding takes from the mean of each row's product. NULL: to nearest, and nothing. */
    pst_status (*round)(void *user, uint32_t matrix, const psti_shape *s, int encoding, const float *w,
                        psti_codes *codes, double *correction);
    /* An lstm's whose W_ih is of an integer encoding and has no rest: changes w_hh for what the codes of W_ih leave of
     * it, both [rows][..], and takes from correction[rows] what that adds to the mean of each row's product. NULL: not
     * refitted. */
    pst_status (*refit)(void *user, const float *left, uint32_t rows, float *w_hh, double *correction);
    void *user;
} psti_packing;

/* What the program stage knows of a kind, beside what psti_kinds says: which arrays a layer has, and how they come from
 * a model's layer. The writer's order and the reader's checks follow from it. */
typedef struct {
    uint32_t matrices; /* that every layer of the kind has; an lstm may have rests, too */
    struct {
        uint32_t gates; /* rows = gates * outputs */
        char columns;   /* 'n': inputs, 'H': outputs */
    } matrix[PSTI_MATRICES];
    int has_bias;  /* of matrix 0's lanes */
    int has_state; /* h0, c0 (each may be absent), h_scale */
    /* Fills *out (cleared before) from a model's layer: sizes, packed matrices, bias, initial state. Arrays are taken
     * from the arena. */
    pst_status (*build)(psti_arena *arena, const psti_layer *from, const psti_packing *packing,
                        psti_program_layer *out);
} psti_program_kind;

static inline int psti_program_has(const psti_program_layer *layer, uint32_t matrix) {
    return layer->matrix[matrix].tiles != NULL;
}
/* The largest |h| that the code of W_hh's operand holds; of integers. */
float psti_program_h_limit(const psti_program_layer *layer);
/* Whether a layer has an h of its own. */
static inline int psti_program_has_h(const psti_program_layer *layer) {
    return psti_program_has(layer, PSTI_MATRIX_RECURRENT);
}
extern const psti_program_kind *const psti_program_kinds[PSTI_KINDS];
#define PSTI_KIND(name) extern const psti_program_kind psti_program_kind_##name;
#include "model/kinds.def"
#undef PSTI_KIND

/* A program with `count` cleared layers, from the heap; pst_program_free frees it, finished or not. */
pst_status psti_program_new(uint32_t count, pst_program **out);
/* For the kinds: the settings that every layer has; and packing of w into matrix m of a layer whose sizes are set. */
void psti_program_start(const psti_layer *from, psti_program_layer *out);
/* left, correction: [rows][inputs] what the codes leave of w, and [rows], added to; each may be NULL. */
pst_status psti_program_pack(psti_arena *arena, const psti_packing *packing, const float *w, int encoding, uint32_t m,
                             psti_program_layer *layer, float *left, double *correction);
/* w [rows][inputs] with its columns divided by the packing's `feature`, in `own`, and the layer given a copy of that
 * in `arena`; or w itself where there is none. NULL without memory. */
const float *psti_program_unfold(psti_arena *arena, psti_arena *own, const psti_packing *packing, const float *w,
                                 uint32_t rows, psti_program_layer *layer);
/* values [rows] of matrix 0 in lane order, rounded, below 2^-80 flushed to 0. NULL without memory. */
const float *psti_program_lanes(psti_arena *arena, const psti_program_layer *layer, const double *values);
/* bias in lane order: (float)((float)((double)a + b) + correction), the sums in float64, below 2^-80 flushed to 0; each
 * [gates * outputs] or NULL. */
pst_status psti_program_bias(psti_arena *arena, const float *a, const float *b, const double *correction,
                             psti_program_layer *layer);
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
/* Sets what identifies a program: a hash of all that its steps depend on, whatever is proved of it. */
pst_status psti_program_hash(pst_program *p);
/* What a certificate is over; numbers are in files. */
enum {
    PSTI_OVER_CALIBRATION,
    PSTI_OVER_NOISE,
    PSTI_OVER_HELD_BACK,
    PSTI_OVER_LONG_RUN,
    PSTI_OVER_STEP_CHANGE,
    PSTI_OVER_AFTER_RESET,
    PSTI_OVER_SATURATED,
    PSTI_OVER_SPIKES,
    PSTI_OVER_ZERO,
    PSTI_OVER_ALTERNATING,
    PSTI_OVER_TINY,
    PSTI_OVERS
};
/* The number in files of what a certificate is over; the name is pst_certificate's. -1: none of that name. */
int psti_over_find(const char *name);
const char *psti_over_name(uint32_t number); /* NULL: none */
/* How many matrices a layer has. */
uint32_t psti_program_matrices(const psti_program_layer *layer);
/* Units of state: all lstm layers' outputs. */
uint64_t psti_program_units(const pst_program *p);
/* Bytes of a saved state (stream/state.c writes them): 32-byte header, then for each lstm c [H] fp32 and h [H] in the
 * operand code of its W_hh (f32 4 bytes, bf16 2, w8a16 2, w8a8 1), each layer padded to 8 bytes, then an 8-byte hash.
 */
uint64_t psti_program_state_bytes(const pst_program *p);

#endif
