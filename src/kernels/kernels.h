/* What a kernel is given, and the table of kernels of a level. Arguments are for a whole layer's arrays; a kernel does
 * the unit blocks [first, last), wide blocks first, then narrow. All arrays are aligned to 64 bytes and padded with
 * zeros: vectors of units to 16, operands to 64 inputs. No kernel allocates, locks or calls the system. */
#ifndef PSTI_KERNELS_KERNELS_H
#define PSTI_KERNELS_KERNELS_H

#include <stddef.h>
#include <stdint.h>

#include "format/format.h"

#if defined(__x86_64__)
#define PSTI_X86 1
#else
#define PSTI_X86 0
#endif

#define PSTI_FUNCTION(name) PSTI_FUNCTION_##name,
enum { /* functions.def */
#include "kernels/functions.def"
       PSTI_FUNCTIONS
};
#undef PSTI_FUNCTION

/* One encoded vector, in one encoding. */
typedef struct {
    const void *code;  /* f32: float; bf16: uint16_t; w8a8: int8_t, the digit; w8a16: int8_t, the high digit d1 */
    const int8_t *low; /* w8a16: the low digit d0 */
    float scale;       /* integers: the value of one step of the code, s_x */
    void *room;        /* grouped encodings: psti_operand_room bytes for what a call computes of the operand. Not on the
                          stack: its pages have to be there */
} psti_operand;

/* At most 3 words of 4 bytes for each chunk of inputs. */
static inline size_t psti_operand_room(uint32_t inputs) {
    return ((size_t)inputs + 31) / 32 * 12;
}

/* Where the values of a vector go: any of these may be NULL. */
typedef struct {
    float *value; /* fp32 as computed, flushed below 2^-80 */
    float *f32;   /* operand codes */
    uint16_t *bf16;
    int8_t *a16_high, *a16_low;
    int8_t *a8;
    float a16_multiplier; /* 32512 / scale */
    float a8_multiplier;  /* 127 / scale */
} psti_sink;

/* Sums of a block that is not done in one call: range accumulators, or what a level's integer kernels make S1 and S0
 * of. Only kernels of the same level read them. */
typedef struct {
    _Alignas(64) uint32_t word[PSTI_RANGES][PSTI_GATES][PSTI_LANES];
} psti_partial;

/* What was multiplied of a layer before all of its inputs were there. */
typedef struct {
    uint32_t from, to; /* the inputs that were there, multiples of PSTI_GROUP. Of a float product only the ranges that
                          begin among them were begun, and taken as far as `to`: docs/numerics.md */
    uint32_t blocks;   /* how many blocks of a call, from its first on, were begun; 0: none, and the rest is unused */
    psti_partial *partial; /* [blocks] */
} psti_ahead;

typedef struct {
    const psti_shape *shape;
    const unsigned char *tiles; /* as psti_kernels.adapt left them */
    const float *scale;         /* row scales in lane order; integers */
    const float *bracket;       /* lane order; of a Linear: its bias */
    psti_operand x;
    uint32_t first, last;  /* blocks */
    const float *c_before; /* lstm: c of the step before */
    float *c;              /* lstm: c of this step; may be c_before */
    float *gates;          /* lstm: the gates, lane order; NULL: nobody wants them */
    psti_sink out;         /* h; of a Linear its outputs */
    psti_ahead ahead;
} psti_layer_args;

typedef struct {
    const psti_shape *shape;
    const unsigned char *tiles;
    const float *scale;
    const float *bias; /* what the bracket starts from, lane order; NULL: 0. May be the bracket */
    float *bracket;    /* lane order; written when `to` is the end of the block */
    psti_operand h;
    uint32_t block;
    uint32_t from, to;     /* inputs, multiples of PSTI_RUN or the end */
    psti_partial *partial; /* used when the block is not done in one call */
} psti_settle_args;

/* What a layer's input leaves after its respond: R x, R the rest of W_ih. Lane order. */
typedef struct {
    const psti_shape *shape;
    float rho;
    const float *rest, *rest_before; /* R x of this step and of the one before */
    float *bracket;
    const float *gates, *c_before; /* of this step's respond; gates NULL: c is not mended */
    float *c;                      /* of this step, as mended */
    uint32_t first, last;          /* wide blocks; the one behind them is all narrow ones */
} psti_mend_args;

/* lstm: respond of a layer: product, gates, c, h. */
typedef void psti_lstm_fn(const psti_layer_args *a);
/* linear: respond of a Linear. */
typedef void psti_linear_fn(const psti_layer_args *a);
/* ahead: begins one block of an lstm or a Linear: the products of the inputs of a->ahead into its partial sums. */
typedef void psti_ahead_fn(const psti_layer_args *a, uint32_t block);
/* settle: W_hh h + b of one block, or a part of it. */
typedef void psti_settle_fn(const psti_settle_args *a);
/* mend: bracket + rho rest, and c again from gates + (rest - rho rest_before). */
typedef void psti_mend_fn(const psti_mend_args *a);
/* adapt: reorders or re-codes a copy of 8-bit tiles in place for the level. */
typedef void psti_adapt_fn(unsigned char *tiles, size_t bytes);
/* scan: the largest |v[i]| as its bit pattern; NaN and infinity are the largest of all. v need not be aligned. */
typedef uint32_t psti_scan_fn(const float *v, uint32_t n);
/* encode: v[n] (need not be aligned or padded) into the sink, zeros up to the next multiple of 16. */
typedef void psti_encode_fn(const float *v, uint32_t n, const psti_sink *out);
/* activation: v[n] in place, aligned, padded to 16 (padding becomes undefined). */
typedef void psti_activation_fn(float *v, uint32_t n, int function, float alpha, float beta);
/* softmax: v[n] in place, aligned, padded to 16. */
typedef void psti_softmax_fn(float *v, uint32_t n);
/* read: loads n bytes (a multiple of 64, aligned) with the widest loads; a checksum, so that nothing is dropped. */
typedef uint64_t psti_read_fn(const void *bytes, size_t n);

/* One member for each kernel of the scalar level: lstm_f32, settle_w8a16, ... */
#define PSTI_KERNEL(level, build, class, variant) PSTI_KERNEL_MEMBER_##level(class, variant)
#define PSTI_KERNEL_MEMBER_scalar(class, variant) psti_##class##_fn *class##_##variant;
#define PSTI_KERNEL_MEMBER_avx2(class, variant)
#define PSTI_KERNEL_MEMBER_avx2_vnni(class, variant)
#define PSTI_KERNEL_MEMBER_avx512(class, variant)
#define PSTI_KERNEL_MEMBER_avx512_vnni(class, variant)
#define PSTI_KERNEL_MEMBER_avx512_bf16(class, variant)
typedef struct {
    const char *level;
#include "kernels/kernels.def"
} psti_kernels;
#undef PSTI_KERNEL

/* One declaration for each row. */
#define PSTI_KERNEL(level, build, class, variant) psti_##class##_fn psti_##build##_##class##_##variant;
#include "kernels/kernels.def"
#undef PSTI_KERNEL

/* 1 if this processor runs a build (the second column of kernels.def). */
int psti_build_runs_scalar(void);
int psti_build_runs_avx2(void);
int psti_build_runs_avx2_vnni(void);
int psti_build_runs_avx2_vnni_evex(void);
int psti_build_runs_avx512(void);
int psti_build_runs_avx512_vnni(void);
int psti_build_runs_avx512_bf16(void);

/* The table of a level: filled scalar first and overwritten upwards. `level` must be in psti_levels_here().
 */
psti_kernels psti_kernels_get(int level);

/* The kernel for an encoding. */
psti_lstm_fn *psti_kernels_lstm(const psti_kernels *k, int encoding);
psti_linear_fn *psti_kernels_linear(const psti_kernels *k, int encoding);
psti_ahead_fn *psti_kernels_ahead(const psti_kernels *k, int encoding);
psti_settle_fn *psti_kernels_settle(const psti_kernels *k, int encoding);

/* The first input of range r of a float product that is still to be taken after `a` was done. */
static inline uint32_t psti_ahead_reached(const psti_shape *s, const psti_ahead *a, uint32_t r) {
    uint32_t begin = s->border[r], end = s->border[r + 1];
    if (begin < a->from || begin >= a->to)
        return begin;
    return end < a->to ? end : a->to;
}

/* The partial sums of a block of a call; NULL if it was not begun. */
static inline psti_partial *psti_ahead_partial(const psti_layer_args *a, uint32_t block) {
    return block - a->first < a->ahead.blocks ? &a->ahead.partial[block - a->first] : NULL;
}

#endif
