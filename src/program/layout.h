/* The .pstk file, versions 1 and 2: where everything stands. A program is written in version 1 if that holds all of it.
 * docs/format.md has it in prose; the two must agree for ever. */
#ifndef PSTI_PROGRAM_LAYOUT_H
#define PSTI_PROGRAM_LAYOUT_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "program/program.h"

/* As PNG's: a byte above 127, a line end of each kind and an end-of-text, so that a transfer in text mode is noticed.
 */
#define PSTI_FILE_MAGIC "\x89PST\r\n\x1a\n"
#define PSTI_FILE_VERSION 1u
#define PSTI_FILE_NEWEST 2u
#define PSTI_FILE_ORDER 0x01020304u
#define PSTI_FILE_ORDER_SWAPPED 0x04030201u
#define PSTI_FILE_ALIGN 64 /* of every section, so that a copy in aligned memory is aligned */
#define PSTI_FILE_NAME 32  /* bytes of a kind's or function's name, filled with 0 */

enum { /* header, 64 bytes */
       PSTI_AT_MAGIC = 0,
       PSTI_AT_VERSION = 8,
       PSTI_AT_ORDER = 12,
       PSTI_AT_SECTIONS = 16, /* u64: where the sections begin */
       PSTI_AT_TOTAL = 24,    /* u64: bytes of the file */
       PSTI_AT_HASH = 32,     /* u64: of everything after this field */
       PSTI_AT_HASHED = 40,   /* then 24 bytes of 0 */
       PSTI_AT_PROOF = 40,    /* version 2: u64, the bytes of the proof at the end of the file; then 16 bytes of 0 */
       /* certificate, 128 bytes; all 0 if there is none */
       PSTI_AT_CERTIFICATE = 64,
       PSTI_CERTIFICATE_PRESENT = 0, /* u32 */
       PSTI_CERTIFICATE_FROM_CALLER = 4,
       PSTI_CERTIFICATE_STEPS = 8, /* u64 */
       PSTI_CERTIFICATE_SEQUENCES = 16,
       PSTI_CERTIFICATE_SEED = 24,
       PSTI_CERTIFICATE_WORST_STEP = 32,
       PSTI_CERTIFICATE_WORST_SEQUENCE = 40,
       PSTI_CERTIFICATE_WORST_OUTPUT = 48, /* u32, then 4 bytes of 0 */
       PSTI_CERTIFICATE_MAX_ABS = 56,      /* f64 */
       PSTI_CERTIFICATE_RMS = 64,
       PSTI_CERTIFICATE_RELATIVE_RMS = 72, /* then 0 */
       PSTI_CERTIFICATE_END = 80,
       PSTI_CERTIFICATE_OVER = 80,  /* version 2, from here: u32, psti_over; then 4 bytes of 0 */
       PSTI_CERTIFICATE_DRIFT = 88, /* f64 */
       PSTI_CERTIFICATE_CONSTANT_RMS = 96,
       PSTI_CERTIFICATE_CONSTANT_MAX_ABS = 104,
       PSTI_CERTIFICATE_END_2 = 112, /* then 0 */
       PSTI_CERTIFICATE_BYTES = 128,
       /* program, 128 bytes: the hash that identifies a program is of everything from here on */
       PSTI_AT_PROGRAM = 192,
       PSTI_PROGRAM_FORMAT = 0,   /* 64 bytes of text */
       PSTI_PROGRAM_LAYERS = 64,  /* u32 */
       PSTI_PROGRAM_READOUT = 68, /* u32, then 0 */
       PSTI_PROGRAM_END = 72,
       /* layers, 256 bytes each; in version 2 512 */
       PSTI_AT_LAYERS = 320,
       PSTI_LAYER_BYTES = 256,
       PSTI_LAYER_BYTES_2 = 512,
       PSTI_LAYER_KIND = 0,      /* 32 bytes of text */
       PSTI_LAYER_FUNCTION = 32, /* 32 bytes of text, empty without */
       PSTI_LAYER_INPUTS = 64,   /* u32 */
       PSTI_LAYER_OUTPUTS = 68,
       PSTI_LAYER_ALPHA = 72, /* f32 */
       PSTI_LAYER_BETA = 76,
       PSTI_LAYER_H_SCALE = 80,
       PSTI_LAYER_MATRICES = 84,   /* u32 */
       PSTI_LAYER_PARAMETERS = 88, /* u64 */
       PSTI_LAYER_BIAS = 96,       /* a section: u64 offset, u64 bytes; both 0 where absent */
       PSTI_LAYER_H0 = 112,
       PSTI_LAYER_C0 = 128,
       PSTI_LAYER_MATRIX = 144, /* 48 bytes each */
       PSTI_MATRIX_BYTES = 48,
       PSTI_MATRIX_ENCODING = 0, /* u32 */
       PSTI_MATRIX_UNITS = 4,
       PSTI_MATRIX_INPUTS = 8,
       PSTI_MATRIX_GATES = 12,
       PSTI_MATRIX_TILES = 16, /* a section */
       PSTI_MATRIX_SCALE = 32, /* a section */
       PSTI_LAYER_END = 240,   /* then 0 */
       /* version 2 */
       PSTI_LAYER_H_SCALE_8 = 240, /* f32 */
       PSTI_LAYER_RHO = 244,       /* f32 */
       PSTI_LAYER_MENDS = 248,     /* u32, then 4 bytes of 0 */
       PSTI_LAYER_MATRIX_2 = 256,  /* matrices 2 and 3; all 0 where absent */
       PSTI_LAYER_GROUP = 352,     /* u32 for each matrix */
       PSTI_LAYER_FEATURE = 368,   /* a section */
       PSTI_LAYER_REST_BIAS = 384, /* a section */
       PSTI_LAYER_END_2 = 400,     /* then 0 */
       /* the proof: u32 certificates, u32 1 if matrix errors follow; then the certificates; then f64 for each matrix of
        * each layer. The hash that identifies a program leaves it out */
       PSTI_PROOF_CERTIFICATES = 0,
       PSTI_PROOF_ERRORS = 4,
       PSTI_PROOF_BYTES = 8
};

/* Where the record of a matrix stands in a layer's. */
static inline size_t psti_matrix_at(uint32_t m) {
    return m < 2 ? PSTI_LAYER_MATRIX + (size_t)m * PSTI_MATRIX_BYTES
                 : PSTI_LAYER_MATRIX_2 + (size_t)(m - 2) * PSTI_MATRIX_BYTES;
}
/* Bytes of a layer's record. */
static inline size_t psti_layer_bytes(uint32_t version) {
    return version < 2 ? PSTI_LAYER_BYTES : PSTI_LAYER_BYTES_2;
}
/* The version that holds a program's numbers; and the one of its file, which also has all that is proved of it. */
uint32_t psti_program_version(const pst_program *p);
uint32_t psti_program_file_version(const pst_program *p);

/* One array of a layer, in the order of the file: bias, h0, c0, feature, rest bias, then each matrix' tiles and scales.
 */
typedef struct {
    const char *name;
    size_t at;    /* of its offset and bytes in the layer's record */
    size_t bytes; /* by kind, sizes and encodings; 0: this layer has none */
    int optional; /* may be absent all the same */
    size_t slot;  /* of its pointer in psti_program_layer */
} psti_section;

enum { PSTI_SECTIONS = 5 + 2 * PSTI_MATRICES };

/* The sections of a layer whose kind, sizes, encodings and shapes are set. */
void psti_layer_sections(const psti_program_layer *layer, psti_section out[PSTI_SECTIONS]);

/* The pointer that a section's slot names. */
static inline const void *psti_section_get(const psti_program_layer *layer, const psti_section *s) {
    const void *data;
    memcpy(&data, (const unsigned char *)layer + s->slot, sizeof data);
    return data;
}

static inline void psti_section_set(psti_program_layer *layer, const psti_section *s, const void *data) {
    memcpy((unsigned char *)layer + s->slot, &data, sizeof data);
}

/* Checks the values of a program whose arrays are in bounds: kinds in their places, widths, ranges of all numbers.
 * `name` begins the messages; `file` may be NULL. */
pst_status psti_program_check(const pst_program *p, const char *name, const char *file);

/* PST_E_UNSUPPORTED on a big-endian host: numbers are copied between file and memory as they stand. */
pst_status psti_file_order(void);

#endif
